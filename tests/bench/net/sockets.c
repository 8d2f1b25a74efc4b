/*
 * An echo over loopback: every request has a socket for itself from its first
 * byte to the last of its reply, and takes it from a pool, dials it, or keeps
 * one for the whole sample.
 */
#include "net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WARM_UP = 20 /* requests of a thread that do not count */ };

struct scene {
    const struct task *task;
    struct echo echo;
    ncp_pool *pool;
    pthread_barrier_t start;
    atomic_uint_least64_t end_ns;
};

/* One thread's part. */
struct client {
    struct scene *scene;
    int kept; /* its private socket, or -1 */
    ncp_lease lease;
    uint64_t number;
    char *request;
    struct histogram connection, total;
};

/* ------------------------------------------------------------ take and give back */

static int take_leased(struct client *client)
{
    ncp_pool *pool = client->scene->pool;
    bool udp = client->scene->task->protocol == NCP_PROTOCOL_UDP;
    int status = udp ? ncp_pool_get_udp(pool, &client->lease)
                     : ncp_pool_get_tcp(pool, &client->lease);

    bench_require(status == NCP_OK, "get failed");
    return ncp_lease_fd(pool, client->lease);
}

static int take_dialed(struct client *client)
{
    return socket_dial(&client->scene->echo, client->scene->task->protocol);
}

static int take_kept(struct client *client)
{
    if (client->kept < 0)
        client->kept = take_dialed(client);
    return client->kept;
}

static void give_lease(struct client *client, int fd)
{
    (void)fd;
    bench_require(ncp_pool_put(client->scene->pool, client->lease) == NCP_OK,
                  "put failed");
}

static void give_dialed(struct client *client, int fd)
{
    (void)client;
    close(fd);
}

static void give_kept(struct client *client, int fd)
{
    (void)client, (void)fd;
}

static const struct {
    int (*take)(struct client *client);
    void (*give)(struct client *client, int fd);
} ways[] = {
    [WAY_POOL] = {take_leased, give_lease},
    [WAY_DIAL] = {take_dialed, give_dialed},
    [WAY_PRIVATE] = {take_kept, give_kept},
};

/* -------------------------------------------------------------------- requests */

static void request(struct client *client, int thread, bool counts)
{
    const struct task *task = client->scene->task;

    request_stamp(client->request, thread, client->number++);
    uint64_t begin_ns = bench_now_ns();
    int fd = ways[task->way].take(client);
    uint64_t connected_ns = bench_now_ns();
    bench_require(fd >= 0, "no connection");
    bench_require(socket_exchange(fd, task->protocol, client->request,
                                  task->bytes) == ANSWERED,
                  "a reply is not what was sent");
    ways[task->way].give(client, fd);
    if (!counts)
        return;
    histogram_add(&client->connection, connected_ns - begin_ns);
    histogram_add(&client->total, bench_now_ns() - begin_ns);
}

static void *run(void *data)
{
    struct worker *worker = data;
    struct client *client = worker->user;
    struct scene *scene = client->scene;

    for (int i = 0; i < WARM_UP; i++)
        request(client, worker->number, false);
    if (pthread_barrier_wait(&scene->start) == PTHREAD_BARRIER_SERIAL_THREAD)
        atomic_store(&scene->end_ns,
                     bench_now_ns() + seconds_to_ns(scene->task->seconds));
    pthread_barrier_wait(&scene->start);
    uint64_t end_ns = atomic_load(&scene->end_ns);
    while (bench_now_ns() < end_ns)
        request(client, worker->number, true);
    return NULL;
}

/* ---------------------------------------------------------------------- sample */

static double opened_by(const struct scene *scene, const struct client *all)
{
    uint64_t counters[NCP_COUNTER_COUNT];

    if (scene->task->way == WAY_DIAL)
        return (double)all->number;
    if (scene->task->way == WAY_PRIVATE)
        return scene->task->threads;
    ncp_pool_stats(scene->pool, counters, NCP_COUNTER_COUNT);
    return (double)counters[NCP_COUNTER_CREATED];
}

static void add_figures(const struct scene *scene, const struct client *all,
                        struct sample *sample)
{
    const struct histogram *connection = &all->connection;
    const struct histogram *total = &all->total;
    double requests = (double)total->total, seconds = scene->task->seconds;

    bench_require(requests > 0, "no request at all");
    sample->clock = "wall";
    sample_add(sample, "ns_per_op", seconds * 1e9 / requests);
    sample_add(sample, "ops", requests);
    sample_add(sample, "exchanges_per_s", requests / seconds);
    sample_add(sample, "connection_p50_ns",
               histogram_percentile(connection, 0.50));
    sample_add(sample, "connection_p99_ns",
               histogram_percentile(connection, 0.99));
    sample_add(sample, "request_p50_ns", histogram_percentile(total, 0.50));
    sample_add(sample, "request_p99_ns", histogram_percentile(total, 0.99));
    sample_add(sample, "threads", scene->task->threads);
    sample_add(sample, "opened", opened_by(scene, all));
}

/* Adds up what a client found, and closes what it kept. */
static void finish(struct client *all, const struct client *client)
{
    histogram_merge(&all->connection, &client->connection);
    histogram_merge(&all->total, &client->total);
    all->number += client->number;
    if (client->kept >= 0)
        close(client->kept);
}

static void run_clients(struct scene *scene, struct client *all)
{
    const struct task *task = scene->task;
    int threads = task->threads;
    struct worker *workers = bench_alloc((size_t)threads * sizeof *workers);
    struct client *clients = bench_alloc((size_t)threads * sizeof *clients);
    char *requests = bench_alloc((size_t)threads * task->bytes);

    memset(requests, 0x5a, (size_t)threads * task->bytes);
    for (int i = 0; i < threads; i++) {
        clients[i].scene = scene;
        clients[i].kept = -1;
        clients[i].request = requests + (size_t)i * task->bytes;
        workers[i] = (struct worker){.number = i, .user = &clients[i]};
    }
    workers_run(workers, threads, run);
    for (int i = 0; i < threads; i++)
        finish(all, &clients[i]);
    free(requests);
    free(clients);
    free(workers);
}

int run_sockets(const struct task *task, struct sample *sample)
{
    static struct scene scene;
    static struct client all;
    int connections = task->connections > 0 ? task->connections : task->threads;
    const struct bounds bounds = {.max = connections, .idle = connections};

    scene.task = task;
    echo_start(&scene.echo);
    if (task->way == WAY_POOL)
        scene.pool = net_pool(&scene.echo, task->store, &bounds);
    pthread_barrier_init(&scene.start, NULL, (unsigned)task->threads);
    run_clients(&scene, &all);
    add_figures(&scene, &all, sample);
    pthread_barrier_destroy(&scene.start);
    ncp_pool_free(scene.pool);
    echo_stop(&scene.echo);
    return 0;
}
