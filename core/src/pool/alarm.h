/*
 * A descriptor that one thread makes readable for another: an eventfd, or a
 * pipe where there is none.
 */
#ifndef NCP_POOL_ALARM_H
#define NCP_POOL_ALARM_H

#include "engine/base.h"

struct ncp__alarm {
    int fd;       /* readable while it rings; -1 when it is not open */
    int write_fd; /* the same for an eventfd */
};

/* One file a platform. NCP_OK, or NCP_ESYS with errno. */
int ncp__alarm_open(struct ncp__alarm *alarm);
void ncp__alarm_ring(const struct ncp__alarm *alarm);
void ncp__alarm_silence(const struct ncp__alarm *alarm);

/* Does nothing for one that is not open. */
void ncp__alarm_close(struct ncp__alarm *alarm);
/* In the child of a fork: one of its own under the old numbers, since the
 * inherited one would wake the parent. */
void ncp__alarm_forked(struct ncp__alarm *alarm);

#endif
