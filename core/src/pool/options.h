/*
 * The option table and the texts of its values.
 */
#ifndef NCP_POOL_OPTIONS_H
#define NCP_POOL_OPTIONS_H

#include "pool/config.h"

/* Ten years. In nanoseconds, times the largest leak_evict_multiplier, it stays
 * below INT64_MAX: no deadline computed from an option overflows. */
#define NCP__DURATION_MAX_MS INT64_C(315360000000)

/* One option. */
struct ncp__option_row {
    const char *name;
    int type; /* enum ncp_type */
    int runtime;
    const char *unit;
    int64_t client; /* the default of each mode */
    int64_t server;
    int64_t min;
    int64_t max;              /* of a text: its longest, in bytes */
    const char *zero;         /* what 0 says, or NULL when it is a mere 0 */
    const char *const *names; /* of an enumeration: by value, min to max */
    const char *help;
};

/* The row of an option, NULL for a value that is none. */
const struct ncp__option_row *ncp__option_row(int option);

/* The option whose name is nearest to a misspelt one, or 0. */
int ncp__option_nearest(const char *name);

/* Reads a value that is no text; NCP_OK, or NCP_EINVALIDCONFIG with a reason
 * (NCP__REASON_SIZE bytes). The range is not checked. */
int ncp__option_read(int option, const char *text, int64_t *out, char *reason);

/* Writes a value in the form ncp__option_read reads, as snprintf does. */
int ncp__option_write(int option, int64_t value, char *buffer, size_t size);

/* Writes a sentence (NCP__REASON_SIZE bytes); returns NCP_EINVALIDCONFIG. */
__attribute__((format(printf, 2, 3))) int ncp__refuse(char *reason,
                                                      const char *format, ...);

enum { NCP__QUOTE_SIZE = 48 };

/* `text` for a sentence: cut, and in printable ASCII. Returns `quote`
 * (NCP__QUOTE_SIZE bytes). */
const char *ncp__quote(char *quote, const char *text);

/* Whether two texts are equal in ASCII, in any case. */
bool ncp__text_equal(const char *a, const char *b);

#endif
