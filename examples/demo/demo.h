/*
 * The demo: four parts, each of which checks what it shows.
 */
#ifndef DEMO_H
#define DEMO_H

#include <netconnpool.h>

#include <stdbool.h>
#include <stdint.h>

struct demo {
    const char *tcp, *udp; /* targets of the echo server */
    double seconds;        /* a measurement */
    int checks, failed;
};

/* Prints "ok" or "FAILED" with the sentence, and counts. */
void demo_check(struct demo *demo, bool held, const char *sentence);

double demo_now(void); /* seconds */
void demo_sleep_ms(int ms);
/* `text` with a bar before each line. */
void demo_quote(const char *text);
/* 1234567 as "1,234,567" in one of a few static buffers; main thread only. */
const char *demo_count(uint64_t number);

/* A client pool of `target`, nothing prewarmed; more options as "name", "text"
 * pairs up to NULL. Ends the program when the library refuses. */
ncp_pool *demo_pool(const char *target, int max_connections,
                    const char *const *options);

void demo_load(struct demo *demo);     /* the pool beside dialing each time */
void demo_line(struct demo *demo);     /* who waits, in which order */
void demo_leak(struct demo *demo);     /* a borrower that never gives back */
void demo_shutdown(struct demo *demo); /* drain */

/* A borrower that keeps its lease; not static, so that its name is in its
 * stack. */
ncp_lease forgetful_worker(ncp_pool *pool, uint64_t tag);

#endif
