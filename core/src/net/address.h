/*
 * Socket addresses, and the list of those that a name stands for.
 */
#ifndef NCP_NET_ADDRESS_H
#define NCP_NET_ADDRESS_H

#include "engine/base.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
    NCP__ADDRESSES_MAX = 32, /* of one name; further ones are not tried */
    NCP__ADDRESS_TEXT = 64   /* "[v6]:port" with its end */
};

union ncp__sockaddr {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
    struct sockaddr_storage storage;
};

struct ncp__address {
    union ncp__sockaddr at;
    socklen_t size;
};

struct ncp__addresses {
    int count;
    struct ncp__address item[NCP__ADDRESSES_MAX];
};

/* A value of enum ncp_ip; an IPv4 address mapped into IPv6 is IPv4. */
int ncp__address_ip(const union ncp__sockaddr *at);
/* "127.0.0.1:80", "[::1]:80"; "" for another family. */
void ncp__address_text(const union ncp__sockaddr *at, char *text, size_t size);
/* Whether both ends of a TCP connection are the same socket: a connect to a
 * port without a listener that was lent to the connect itself. */
bool ncp__address_same(const union ncp__sockaddr *a,
                       const union ncp__sockaddr *b);

/* Adds an address of IPv4 or IPv6; doubles and those past the end are left
 * out. */
void ncp__addresses_add(struct ncp__addresses *list, const struct sockaddr *at,
                        socklen_t size);
/* Keeps only those of an IP version, unless there are none or any will do. */
void ncp__addresses_prefer_ip(struct ncp__addresses *list, int ip);
/* RFC 8305, section 4: families in turn, IPv6 first, otherwise in order. */
void ncp__addresses_interleave(struct ncp__addresses *list);

#endif
