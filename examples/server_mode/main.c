/*
 * Server mode: workers dial in, the pool lends them out.
 *
 * Three workers connect to a listening socket. The pool accepts them as they
 * are needed, keeps them, and lends the one that has rested longest.
 */
#include <netconnpool.h>

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WORKERS = 3, JOBS = 9 };

struct worker {
    pthread_t thread;
    struct sockaddr_in server;
    int number;
};

/* Answers every job with its number, until the server hangs up. */
static void *work(void *user)
{
    struct worker *worker = user;
    char job[32];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&worker->server,
                          sizeof worker->server) < 0) {
        perror("worker");
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    while (recv(fd, job, sizeof job, 0) > 0) {
        char answer[32];
        int size = snprintf(answer, sizeof answer, "worker %d", worker->number);
        if (send(fd, answer, (size_t)size, MSG_NOSIGNAL) != size)
            break;
    }
    close(fd);
    return NULL;
}

static int do_job(ncp_pool *pool, int job)
{
    ncp_lease lease;
    int status = ncp_pool_get(pool, &lease);
    if (status != NCP_OK) {
        fprintf(stderr, "get: %s\n", ncp_status_text(status));
        return -1;
    }
    int fd = ncp_lease_fd(pool, lease);
    char answer[32] = "";
    if (send(fd, "job", 3, MSG_NOSIGNAL) != 3 ||
        recv(fd, answer, sizeof answer - 1, 0) <= 0) {
        fprintf(stderr, "job %d: %s\n", job, strerror(errno));
        ncp_pool_discard(pool, lease);
        return -1;
    }
    printf("job %d done by %s\n", job, answer);
    return ncp_pool_put(pool, lease);
}

/* Lends all of them once, so that each has been accepted. */
static int accept_workers(ncp_pool *pool)
{
    ncp_lease leases[WORKERS];
    int count = 0, status = NCP_OK;
    while (count < WORKERS && status == NCP_OK)
        if ((status = ncp_pool_get(pool, &leases[count])) == NCP_OK)
            count++;
    if (status != NCP_OK)
        fprintf(stderr, "accept: %s\n", ncp_status_text(status));
    for (int i = 0; i < count; i++)
        ncp_pool_put(pool, leases[i]);
    return status;
}

static int new_pool(int listener, ncp_pool **out)
{
    ncp_config *config;
    ncp_config_new(NCP_MODE_SERVER, &config);
    ncp_config_set_int(config, NCP_OPTION_LISTENER_FD, listener);
    ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, WORKERS);
    ncp_config_set(config, "idle_order", "fifo");
    int status = ncp_pool_new(config, out);
    if (status != NCP_OK)
        fprintf(stderr, "pool: %s\n", ncp_config_reason(config));
    ncp_config_free(config);
    return status;
}

int main(void)
{
    int listener;
    ncp_pool *pool;
    if (ncp_listen("tcp://127.0.0.1:0", WORKERS, &listener) != NCP_OK) {
        perror("listen");
        return 1;
    }
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    if (getsockname(listener, (struct sockaddr *)&address, &size) < 0 ||
        new_pool(listener, &pool) != NCP_OK) {
        close(listener);
        return 1;
    }

    struct worker workers[WORKERS];
    int started = 0;
    for (; started < WORKERS; started++) {
        workers[started].number = started + 1;
        workers[started].server = address;
        if (pthread_create(&workers[started].thread, NULL, work,
                           &workers[started]) != 0)
            break;
    }

    int status = started == WORKERS ? accept_workers(pool) : NCP_ESYS;
    for (int job = 1; job <= JOBS && status == NCP_OK; job++)
        status = do_job(pool, job);

    uint64_t stats[NCP_COUNTER_COUNT] = {0};
    ncp_pool_stats(pool, stats, NCP_COUNTER_COUNT);
    printf("%" PRIu64 " workers accepted, lent %" PRIu64 " times\n",
           stats[NCP_COUNTER_CREATED], stats[NCP_COUNTER_SUCCESSFUL]);

    ncp_pool_close(pool); /* hangs up on idle workers: their threads end */
    ncp_pool_free(pool);
    close(listener); /* ours, not the pool's */
    for (int i = 0; i < started; i++)
        pthread_join(workers[i].thread, NULL);
    return status != NCP_OK || stats[NCP_COUNTER_CREATED] != WORKERS;
}
