/* The client's side: dialing, requests and replies, the pool, the threads. */
#include "net.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* -------------------------------------------------------------------- dialing */

/* The TCP ports take turns. */
static uint16_t port_of(const struct echo *echo, int protocol)
{
    static atomic_uint turn;

    if (protocol == NCP_PROTOCOL_UDP)
        return echo->udp_port;
    unsigned next = atomic_fetch_add_explicit(&turn, 1, memory_order_relaxed);
    return echo->tcp_ports[next % ECHO_TCP_PORTS];
}

static void prepare(int fd, int protocol)
{
    const struct timeval limit = {.tv_sec = ANSWER_WITHIN_S};
    const int on = 1;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (protocol == NCP_PROTOCOL_TCP)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int socket_dial(const struct echo *echo, int protocol)
{
    int type = protocol == NCP_PROTOCOL_UDP ? SOCK_DGRAM : SOCK_STREAM;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port_of(echo, protocol)),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    prepare(fd, protocol);
    return fd;
}

/* ------------------------------------------------------------------- exchanges */

void request_stamp(char *request, int thread, uint64_t number)
{
    uint64_t stamp = (uint64_t)thread << 48 | number;

    memcpy(request, &stamp, STAMP_SIZE);
}

static enum outcome ended(ssize_t result)
{
    if (result == 0)
        return BROKEN;
    return errno == EAGAIN || errno == EWOULDBLOCK ? TIMED_OUT : BROKEN;
}

static enum outcome send_all(int fd, const char *request, size_t size)
{
    for (size_t sent = 0; sent < size;) {
        ssize_t more = send(fd, request + sent, size - sent, MSG_NOSIGNAL);
        if (more <= 0)
            return ended(more);
        sent += (size_t)more;
    }
    return ANSWERED;
}

/* A datagram is one piece, whatever its size; a stream ends with `size`. */
static enum outcome receive_all(int fd, int protocol, char *reply, size_t size,
                                size_t *out)
{
    for (size_t got = 0; got < size;) {
        ssize_t more = recv(fd, reply + got, REQUEST_MAX - got, 0);
        if (more < 0 || (more == 0 && protocol == NCP_PROTOCOL_TCP))
            return ended(more);
        got += (size_t)more;
        *out = got;
        if (protocol == NCP_PROTOCOL_UDP)
            break;
    }
    return ANSWERED;
}

enum outcome socket_exchange(int fd, int protocol, const char *request,
                             size_t size)
{
    static _Thread_local char reply[REQUEST_MAX];
    size_t got = 0;

    enum outcome outcome = send_all(fd, request, size);
    if (outcome == ANSWERED)
        outcome = receive_all(fd, protocol, reply, size, &got);
    if (outcome != ANSWERED)
        return outcome;
    if (got < STAMP_SIZE || memcmp(reply, request, STAMP_SIZE) != 0)
        return STALE;
    return got == size && memcmp(reply, request, size) == 0 ? ANSWERED
                                                            : WRONG_BYTES;
}

/* ------------------------------------------------------------------------ pool */

/* TCP when anything will do, as the original's dialer has it. */
static int dial(void *user, ncp_dial *dial)
{
    bool udp = ncp_dial_protocol(dial) == NCP_PROTOCOL_UDP;
    int fd = socket_dial(user, udp ? NCP_PROTOCOL_UDP : NCP_PROTOCOL_TCP);

    if (fd < 0) {
        ncp_dial_fail(dial, errno, strerror(errno));
        return NCP_EDIAL;
    }
    return ncp_dial_done_fd(dial, fd);
}

static ncp_config *configuration(void)
{
    ncp_config *config;

    bench_require(ncp_config_new(NCP_MODE_CLIENT, &config) == NCP_OK,
                  "no configuration");
    return config;
}

ncp_pool *net_pool(struct echo *echo, const char *store,
                   const struct bounds *bounds)
{
    ncp_config *config = configuration();
    const struct option {
        int option;
        int64_t value;
    } options[] = {
        {NCP_OPTION_MAX_CONNECTIONS, bounds->max},
        {NCP_OPTION_MIN_CONNECTIONS, bounds->min},
        {NCP_OPTION_MAX_IDLE_CONNECTIONS, bounds->idle},
        {NCP_OPTION_IDLE_TIMEOUT, 30 * 1000},
        {NCP_OPTION_MAX_LIFETIME, 60 * 1000},
        {NCP_OPTION_HEALTH_CHECK_INTERVAL, 10 * 1000},
        {NCP_OPTION_GET_TIMEOUT, 3 * 1000},
    };
    ncp_pool *pool;

    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        ncp_config_set_int(config, options[i].option, options[i].value);
    bench_require(ncp_config_set(config, "store", store) == NCP_OK &&
                      ncp_config_set_dialer(config, dial, echo, NULL) == NCP_OK,
                  "no configuration");
    int status = ncp_pool_new(config, &pool);
    if (status != NCP_OK)
        fprintf(stderr, "%s: %s\n", ncp_status_text(status),
                ncp_config_reason(config));
    bench_require(status == NCP_OK, "no pool");
    ncp_config_free(config);
    return pool;
}

bool net_has_store(const char *store)
{
    ncp_config *config = configuration();
    bool has = ncp_config_set(config, "store", store) == NCP_OK;

    ncp_config_free(config);
    return has;
}

/* --------------------------------------------------------------------- threads */

void workers_run(struct worker *workers, int count, void *(*body)(void *))
{
    for (int i = 0; i < count; i++)
        bench_require(
            pthread_create(&workers[i].thread, NULL, body, &workers[i]) == 0,
            "no thread");
    for (int i = 0; i < count; i++)
        pthread_join(workers[i].thread, NULL);
}
