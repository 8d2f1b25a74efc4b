/*
 * ncp-demo TCP-TARGET UDP-TARGET [--short]
 *
 * Shows the main job of a connection pool on real sockets, and checks what it
 * shows. Ends with 0 only if every check held.
 */
#include "demo.h"

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HOLD_MS = 150, PATIENCE_MS = 5000, COUNT_SIZE = 32, COUNTS = 8 };

void demo_check(struct demo *demo, bool held, const char *sentence)
{
    demo->checks++;
    demo->failed += !held;
    printf("   %s  %s\n", held ? "[ok]" : "[FAILED]", sentence);
}

double demo_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void demo_sleep_ms(int ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&time, NULL);
}

void demo_quote(const char *text)
{
    while (*text != '\0') {
        int length = (int)strcspn(text, "\n");
        printf("     | %.*s\n", length, text);
        text += length;
        text += *text == '\n';
    }
}

const char *demo_count(uint64_t number)
{
    static char buffers[COUNTS][COUNT_SIZE];
    static int next;
    char digits[COUNT_SIZE];
    char *out = buffers[next];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, number);
    next = (next + 1) % COUNTS;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *out++ = ',';
        *out++ = digits[i];
    }
    *out = '\0';
    return buffers[(next + COUNTS - 1) % COUNTS];
}

ncp_pool *demo_pool(const char *target, int max_connections,
                    const char *const *options)
{
    ncp_config *config;
    ncp_pool *pool;
    ncp_config_new(NCP_MODE_CLIENT, &config);
    int status = ncp_config_set(config, "target", target);
    ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, max_connections);
    ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, 0);
    for (; *options != NULL && status == NCP_OK; options += 2)
        status = ncp_config_set(config, options[0], options[1]);
    if (status == NCP_OK)
        status = ncp_pool_new(config, &pool);
    if (status != NCP_OK) {
        fprintf(stderr, "pool: %s %s\n", ncp_status_text(status),
                ncp_config_reason(config));
        exit(1);
    }
    ncp_config_free(config);
    return pool;
}

static int count_entries(const char *path)
{
    int count = -1; /* the descriptor of the directory itself */
    struct dirent *entry;
    DIR *directory = opendir(path);
    if (directory == NULL)
        return -1;
    while ((entry = readdir(directory)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

static int open_descriptors(void)
{
    return count_entries("/proc/self/fd");
}

static int threads(void)
{
    return count_entries("/proc/self/task") + 1;
}

static void *do_nothing(void *user)
{
    return user;
}

/* Some run-time systems (a sanitizer's) add a thread of their own to the first
 * one a program makes; it is not the library's. */
static void make_first_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, do_nothing, NULL) == 0)
        pthread_join(thread, NULL);
}

/* ------------------------------------------------------------------- shutdown */

struct borrower {
    ncp_pool *pool;
    ncp_lease lease;
    int status;
};

static void *give_back_later(void *user)
{
    struct borrower *borrower = user;
    demo_sleep_ms(HOLD_MS);
    borrower->status = ncp_pool_put(borrower->pool, borrower->lease);
    return NULL;
}

static void print_statistics(const uint64_t *stats)
{
    static const int shown[] = {
        NCP_COUNTER_TOTAL,   NCP_COUNTER_SUCCESSFUL, NCP_COUNTER_FAILED,
        NCP_COUNTER_TIMEOUT, NCP_COUNTER_REUSED,     NCP_COUNTER_CREATED,
        NCP_COUNTER_CLOSED,  NCP_COUNTER_CURRENT,    NCP_COUNTER_LEAKED,
    };
    const char *name;
    printf("   final statistics:");
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        if (ncp_counter_at(shown[i], NULL, &name, NULL, NULL) == NCP_OK)
            printf(" %s %s", name, demo_count(stats[shown[i]]));
    }
    printf("\n");
}

void demo_shutdown(struct demo *demo)
{
    enum { LEASES = 4 };
    const char *const options[] = {"name", "last", NULL};
    ncp_pool *pool = demo_pool(demo->udp, LEASES, options);
    ncp_lease leases[LEASES];
    uint64_t stats[NCP_COUNTER_COUNT] = {0};
    struct borrower borrower = {.pool = pool};
    pthread_t thread;
    int lent = 0;

    printf("4. Shutdown: %d connections, one of them still lent for %d ms\n\n",
           LEASES, HOLD_MS);
    while (lent < LEASES && ncp_pool_get(pool, &leases[lent]) == NCP_OK)
        lent++;
    for (int i = 1; i < lent; i++)
        ncp_pool_put(pool, leases[i]);
    borrower.lease = leases[0];
    double begin = demo_now();
    if (lent < LEASES ||
        pthread_create(&thread, NULL, give_back_later, &borrower) != 0) {
        demo_check(demo, false, "the last pool could be used");
        ncp_pool_free(pool);
        return;
    }
    int status = ncp_pool_drain(pool, PATIENCE_MS);
    double took_ms = (demo_now() - begin) * 1e3;
    pthread_join(thread, NULL);
    printf("   drained after %.0f ms: %s\n", took_ms, ncp_status_text(status));
    ncp_pool_stats(pool, stats, NCP_COUNTER_COUNT);
    print_statistics(stats);
    demo_check(demo, status == NCP_OK && borrower.status == NCP_OK,
               "drain waited for the borrower, who noticed nothing");
    demo_check(demo,
               stats[NCP_COUNTER_CREATED] == stats[NCP_COUNTER_CLOSED] &&
                   stats[NCP_COUNTER_CURRENT] == 0 &&
                   stats[NCP_COUNTER_TOTAL] == stats[NCP_COUNTER_SUCCESSFUL],
               "what was opened was closed, and the counters add up");
    ncp_pool_free(pool);
}

/* The library's threads end when its last pool is gone. */
static void check_nothing_left(struct demo *demo, int fds_before,
                               int threads_before)
{
    for (int waited = 0; waited < PATIENCE_MS; waited += 5) {
        if (open_descriptors() == fds_before && threads() <= threads_before)
            break;
        demo_sleep_ms(5);
    }
    int fds = open_descriptors(), count = threads();
    printf("   open descriptors %d at the start, %d now; threads %d, %d now\n",
           fds_before, fds, threads_before, count);
    demo_check(demo, fds == fds_before && count <= threads_before,
               "no descriptor and no thread is left");
}

int main(int argc, char **argv)
{
    bool is_short = argc > 3 && strcmp(argv[3], "--short") == 0;
    if (argc < 3 || argc > 4 || (argc == 4 && !is_short)) {
        fprintf(stderr, "usage: %s TCP-TARGET UDP-TARGET [--short]\n", argv[0]);
        return 2;
    }
    struct demo demo = {
        .tcp = argv[1], .udp = argv[2], .seconds = is_short ? 0.3 : 2};
    make_first_thread();
    int fds_before = open_descriptors(), threads_before = threads();

    printf("netconnpool %s; echo server at %s and %s\n\n", ncp_version_text(),
           demo.tcp, demo.udp);
    demo_load(&demo);
    demo_line(&demo);
    demo_leak(&demo);
    demo_shutdown(&demo);
    check_nothing_left(&demo, fds_before, threads_before);

    printf("\nShown: reuse, a fair line, a leak named, a clean shutdown: "
           "%d of %d checks held.\n",
           demo.checks - demo.failed, demo.checks);
    return demo.failed != 0;
}
