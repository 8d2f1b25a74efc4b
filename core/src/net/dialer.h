/*
 * The built-in dialer: what a target and a configuration become.
 */
#ifndef NCP_NET_DIALER_H
#define NCP_NET_DIALER_H

#include "pool/config.h"

/* As dialer_new of struct ncp__transport. NCP_EINVALIDCONFIG, NCP_ENOMEM. */
int ncp__dialer_new(const struct ncp_config *config, struct ncp__hook **out);

#endif
