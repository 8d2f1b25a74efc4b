/*
 * ncp-peers PROTOCOL TARGET
 *
 * Workers send requests with unique payloads; lines on the standard input say
 * what phase it is and when it ends. A request belongs to the phase in which it
 * began.
 */
#include "peers.h"

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

enum { WORKERS = 8, CONNECTIONS = 4, PHASES = 32, NAME_SIZE = 24, LIMIT_S = 5 };

struct phase {
    char name[NAME_SIZE];
    atomic_long begun, ok, failed, retried;
    struct reasons why;
};

static struct {
    const struct talk *talk;
    ncp_pool *pool;
    struct phase phases[PHASES];
    atomic_int phase;
    atomic_long wrong;
    atomic_bool stop;
} load;

static void pause_ms(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "ncp-peers: %s\n", what);
    exit(1);
}

static int entries(const char *path)
{
    int count = 0;
    DIR *directory = opendir(path);
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

static int descriptors(void)
{
    return entries("/proc/self/fd") - 1; /* without that of the folder */
}

static int threads(void)
{
    return entries("/proc/self/task");
}

/* ------------------------------------------------------------------- requests */

static enum outcome talk_once(const ncp_event *conn, const char *payload)
{
    struct wire wire = {.fd = conn->fd};
    struct timeval limit = {.tv_sec = LIMIT_S};
    if (load.talk->tls)
        wire.tls = (void *)(uintptr_t)conn->handle;
    else
        setsockopt(wire.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return load.talk->request(&wire, payload);
}

static void give_back(const ncp_event *conn, enum outcome outcome)
{
    int status = outcome == REPLY_RIGHT
                     ? ncp_pool_put(load.pool, conn->lease)
                     : ncp_pool_discard(load.pool, conn->lease);
    if (status != NCP_OK)
        die(ncp_status_name(status));
}

/* One request. A connection that was used before and ends without a byte is
 * tried once more with another one, as every client of these protocols does. */
static bool answered(const char *payload, struct phase *phase)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        ncp_event conn;
        int status = ncp_pool_borrow(load.pool, 0, 0, NCP_TIMEOUT_DEFAULT, NULL,
                                     0, &conn);
        reason_get(&phase->why, status);
        if (status != NCP_OK)
            return false;
        enum outcome outcome = talk_once(&conn, payload);
        reason_talk(&phase->why, outcome, conn.reused);
        give_back(&conn, outcome);
        if (outcome == REPLY_WRONG)
            atomic_fetch_add(&load.wrong, 1);
        if (outcome <= REPLY_LAST)
            return true;
        if (outcome != REPLY_MISSING || !conn.reused || attempt > 0)
            return false;
        atomic_fetch_add(&phase->retried, 1);
    }
    return false;
}

/* The phase in which a request begins now. A look at the phase that comes after
 * the request was counted in shows whether it was counted in the right one. */
static struct phase *begin_request(void)
{
    for (;;) {
        int now = atomic_load(&load.phase);
        atomic_fetch_add(&load.phases[now].begun, 1);
        if (atomic_load(&load.phase) == now)
            return &load.phases[now];
        atomic_fetch_sub(&load.phases[now].begun, 1);
    }
}

static void *work(void *number)
{
    char payload[PAYLOAD_SIZE];
    for (long n = 0; !atomic_load(&load.stop); n++) {
        struct phase *phase = begin_request();
        snprintf(payload, sizeof payload, "w%d-%ld-%08lx", *(int *)number, n,
                 (unsigned long)(n * 2654435761u + (long)*(int *)number));
        bool ok = answered(payload, phase);
        atomic_fetch_add(ok ? &phase->ok : &phase->failed, 1);
        if (!ok)
            pause_ms(2);
    }
    return NULL;
}

/* ------------------------------------------------------------------- commands */

static void say(const char *what)
{
    printf("%s\n", what);
    fflush(stdout);
}

static bool in_progress(struct phase *phase)
{
    return atomic_load(&phase->begun) !=
           atomic_load(&phase->ok) + atomic_load(&phase->failed);
}

/* Answered when no request of the phase before is in progress any more. */
static void begin_phase(const char *name)
{
    int next = atomic_load(&load.phase) + 1;
    if (next == PHASES)
        die("too many phases");
    snprintf(load.phases[next].name, NAME_SIZE, "%s", name);
    atomic_store(&load.phase, next);
    while (in_progress(&load.phases[next - 1]))
        pause_ms(1);
    say("ok");
}

/* Waits until so many requests of this phase were answered. */
static void await(long wanted)
{
    struct phase *phase = &load.phases[atomic_load(&load.phase)];
    while (atomic_load(&phase->ok) < wanted)
        pause_ms(1);
    say("ok");
}

static void obey(void)
{
    char line[64];
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "phase ", 6) == 0)
            begin_phase(line + 6);
        else if (strncmp(line, "await ", 6) == 0)
            await(atol(line + 6));
        else if (strcmp(line, "end") == 0)
            return;
        else
            die("no such command");
    }
    die("the input has ended");
}

/* --------------------------------------------------------------------- report */

static void report_phases(void)
{
    printf("{\"phases\": {");
    for (int i = 1; i <= atomic_load(&load.phase); i++) {
        const struct phase *phase = &load.phases[i];
        printf("%s\"%s\": {\"ok\": %ld, \"failed\": %ld, \"retried\": %ld, "
               "\"why\": ",
               i > 1 ? ", " : "", phase->name, atomic_load(&phase->ok),
               atomic_load(&phase->failed), atomic_load(&phase->retried));
        reasons_print(&phase->why);
        printf("}");
    }
    printf("}, \"wrong\": %ld", atomic_load(&load.wrong));
}

static void report_counters(void)
{
    uint64_t values[NCP_COUNTER_COUNT];
    const char *name;
    ncp_pool_stats(load.pool, values, NCP_COUNTER_COUNT);
    printf(", \"counters\": {");
    for (int i = 0; ncp_counter_at(i, NULL, &name, NULL, NULL) == NCP_OK; i++)
        printf("%s\"%s\": %" PRIu64, i > 0 ? ", " : "", name, values[i]);
    printf("}");
}

/* ----------------------------------------------------------------------- main */

static const struct talk *talk_named(const char *name)
{
    static const struct talk *const TALKS[] = {&talk_redis, &talk_http,
                                               &talk_tls};
    for (size_t i = 0; i < sizeof TALKS / sizeof *TALKS; i++)
        if (strcmp(TALKS[i]->name, name) == 0)
            return TALKS[i];
    die("no such protocol");
}

static ncp_pool *make_pool(const char *target)
{
    ncp_config *config;
    ncp_pool *pool;
    if (ncp_config_new(NCP_MODE_CLIENT, &config) != NCP_OK ||
        !load.talk->configure(config, target))
        die("no configuration");
    ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, CONNECTIONS);
    ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, 1);
    ncp_config_set_int(config, NCP_OPTION_MAINTAIN_MIN, 1);
    ncp_config_set_int(config, NCP_OPTION_CHECK_ON_BORROW, 1);
    ncp_config_set_int(config, NCP_OPTION_HEALTH_CHECK_INTERVAL, 50);
    ncp_config_set_int(config, NCP_OPTION_GET_TIMEOUT, LIMIT_S * 1000);
    if (ncp_pool_new(config, &pool) != NCP_OK)
        die(ncp_config_reason(config));
    ncp_config_free(config);
    return pool;
}

static void end_pool(void)
{
    if (ncp_pool_close_wait(load.pool, LIMIT_S * 1000) != NCP_OK)
        die("connections are still out");
    report_counters();
    ncp_pool_free(load.pool);
}

/* Threads of the library close connections and end a moment later. They have to
 * be gone before this process ends: the end of a thread is work for OpenSSL,
 * which does not survive that of the process. */
static int at_last(int (*count)(void), int wanted)
{
    for (int ms = 0; count() != wanted && ms < LIMIT_S * 1000; ms++)
        pause_ms(1);
    return count();
}

static void report_rest(int descriptors_before, int threads_before)
{
    int after = at_last(descriptors, descriptors_before);
    printf(", \"descriptors\": [%d, %d], \"tasks\": [%d, %d]}\n",
           descriptors_before, after, threads_before,
           at_last(threads, threads_before));
}

static void *do_nothing(void *user)
{
    return user;
}

/* A sanitizer may add a thread of its own to the first one of a program. */
static int threads_at_first(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, do_nothing, NULL) == 0)
        pthread_join(thread, NULL);
    pause_ms(1);
    return threads();
}

int main(int argc, char **argv)
{
    pthread_t workers[WORKERS];
    int numbers[WORKERS];
    if (argc != 3)
        die("usage: ncp-peers PROTOCOL TARGET");
    signal(SIGPIPE, SIG_IGN);
    int threads_before = threads_at_first();
    int before = descriptors();
    load.talk = talk_named(argv[1]);
    load.pool = make_pool(argv[2]);
    begin_phase("start");
    for (int i = 0; i < WORKERS; i++) {
        numbers[i] = i;
        if (pthread_create(&workers[i], NULL, work, &numbers[i]) != 0)
            die("no thread");
    }
    obey();
    atomic_store(&load.stop, true);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(workers[i], NULL);
    report_phases();
    end_pool();
    report_rest(before, threads_before);
    return 0;
}
