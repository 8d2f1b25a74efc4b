/*
 * netconnpool-json - configurations of netconnpool as JSON.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A library of its own, over the public functions of netconnpool.h and over
 * jansson, whose memory comes from malloc or json_set_alloc_funcs(). The
 * conventions are those of netconnpool.h.
 *
 * A configuration is one flat object. Its members are options by their names:
 *
 *     {
 *         "target": "tcp://localhost:6379",
 *         "max_connections": 20,
 *         "idle_timeout": "5m0s",
 *         "health_check": true,
 *         "idle_order": "lifo"
 *     }
 *
 * - NCP_TYPE_INT: a whole number
 * - NCP_TYPE_BOOL: true or false
 * - NCP_TYPE_DURATION: a text as ncp_config_set() reads it, or a whole number
 *   of milliseconds
 * - NCP_TYPE_ENUM: a text, one of the names of the enumeration
 * - NCP_TYPE_TEXT: a text; "" for none
 *
 * Callbacks, the queue and the option listener_fd belong to a process and are
 * no part of it.
 */
#ifndef NETCONNPOOL_JSON_H
#define NETCONNPOOL_JSON_H

#include "netconnpool.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Sets the options a JSON text names; the others stay as they are.
 *
 * All or nothing: when the text is refused, or memory is short, the
 * configuration is unchanged. Refused are, by name and position: an unknown or
 * repeated member, a value of the wrong type or out of its range, nesting,
 * listener_fd; by position: whatever is no JSON, anything after the object,
 * NUL and text that is no UTF-8. How options go together is not looked at, as
 * the callbacks may come later: ncp_config_validate() does that. When memory is
 * short the parser may take that for a fault of the text.
 *
 * @param text UTF-8, need not be terminated
 * @param length of the text, in bytes
 * @param reason buffer for a sentence that says where and what is wrong, and
 *        what to do; "" on success; may be NULL when size is 0
 * @param size bytes in reason; 256 hold every sentence
 * @errors NCP_EINVALIDCONFIG for a text that is refused, NCP_ENOMEM, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_json_read(ncp_config *config, const char *text, size_t length,
                          char *reason, size_t size);

/**
 * Writes all options but listener_fd as JSON. ncp_json_read() of the text
 * makes any configuration equal to this one in them.
 *
 * @param buffer may be NULL when size is 0; always terminated otherwise
 * @param size bytes in buffer
 * @returns the length of the text without its end, as snprintf does; or
 *          NCP_EINVALIDCONFIG when an option is out of its range or no UTF-8,
 *          NCP_ENOMEM, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_json_write(const ncp_config *config, char *buffer, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* NETCONNPOOL_JSON_H */
