/*
 * ncp-peers: keeps a real server busy through a pool, and counts what became of
 * every request; see tests/peers/README.md.
 */
#ifndef NCP_PEERS_H
#define NCP_PEERS_H

#include "netconnpool.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { WIRE_SIZE = 4096, PAYLOAD_SIZE = 64 };

/* What became of one request on one connection. */
enum outcome {
    REPLY_RIGHT = 0,
    REPLY_LAST = 1,    /* right, and the server closes the connection now */
    REPLY_WRONG = 2,   /* what came is not the answer to what was sent */
    REPLY_MISSING = 3, /* the connection ended before a byte of it came */
    REPLY_CUT = 4      /* it ended in the middle */
};

/* One connection while a request uses it: reads by lines, whatever is below. */
struct wire {
    int fd;
    void *tls; /* an SSL, or NULL */
    size_t at, have;
    bool answered; /* a byte of the answer has come */
    char data[WIRE_SIZE];
};

bool wire_send(struct wire *wire, const char *text, size_t size);
/* The next line without its end ("\r\n" or "\n"), NULL when there is none. */
const char *wire_line(struct wire *wire);
/* `size` bytes, NULL when they do not come. Valid until the next call. */
const char *wire_bytes(struct wire *wire, size_t size);
/* REPLY_MISSING or REPLY_CUT. */
enum outcome wire_ended(const struct wire *wire);

/* How one kind of server is talked to. */
struct talk {
    const char *name;
    /* Prepares a configuration; NULL: its option target does. */
    bool (*configure)(ncp_config *config, const char *target);
    enum outcome (*request)(struct wire *wire, const char *payload);
    bool tls; /* the handle of a connection is an SSL */
};

extern const struct talk talk_redis;
extern const struct talk talk_http;
extern const struct talk talk_tls;

enum { REASON_STATUSES = 64 };

/* How often what kept a request of a phase from its answer. */
struct reasons {
    atomic_long of_get[REASON_STATUSES];   /* by the status, without its sign */
    atomic_long of_talk[REPLY_CUT + 1][2]; /* by outcome and by `reused` */
};

void reason_get(struct reasons *reasons, int status);
void reason_talk(struct reasons *reasons, enum outcome outcome, bool reused);
/* As an object of JSON. */
void reasons_print(const struct reasons *reasons);

bool tls_configure(ncp_config *config, const char *target);
bool tls_send(void *tls, const char *text, size_t size);
ssize_t tls_receive(void *tls, char *into, size_t room);

#endif
