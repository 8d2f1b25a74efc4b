/*
 * Names into addresses.
 */
#ifndef NCP_NET_RESOLVE_H
#define NCP_NET_RESOLVE_H

#include "net/address.h"
#include "net/target.h"

/* The addresses of a target that is no unix socket, in the order of the
 * resolver. `passive` for listening. Returns 0 or a code of getaddrinfo(3).
 *
 * An address as a host never leaves the process. A name may block as long as
 * the system's resolver does (resolv.conf: timeout times attempts times
 * servers): that call cannot be interrupted, so callers look at their deadline
 * afterwards. */
int ncp__resolve(const struct ncp__target *target, bool passive,
                 struct ncp__addresses *out);
/* The errno that says most of such a code. */
int ncp__resolve_errno(int code);
/* The text of such a code, static; NULL when it is that of the errno. */
const char *ncp__resolve_text(int code);

#endif
