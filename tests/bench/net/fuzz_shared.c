#include "fuzz.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct bounds fuzz_bounds(const struct task *task)
{
    struct bounds bounds = {.max = 100, .min = 10, .idle = 50};

    if (task->connections > 0)
        bounds.max = bounds.min = bounds.idle = task->connections;
    return bounds;
}

enum role fuzz_role(int thread, int *out)
{
    static const int sizes[] = {FUZZ_TCP, FUZZ_UDP, FUZZ_MIXED};
    enum role role = ROLE_TCP;

    while (role < ROLE_FEATURE && thread >= sizes[role])
        thread -= sizes[role++];
    *out = thread;
    return role;
}

fuzz_get *fuzz_wanted(enum role role, int number, unsigned iteration)
{
    static fuzz_get *const features[] = {ncp_pool_get, ncp_pool_get_tcp,
                                         ncp_pool_get_udp, ncp_pool_get_ipv4};
    bool even = iteration % 2 == 0;

    if (role == ROLE_FEATURE)
        return features[number % (int)(sizeof features / sizeof *features)];
    if (role == ROLE_TCP || (role == ROLE_MIXED && even))
        return ncp_pool_get_tcp;
    return ncp_pool_get_udp;
}

int fuzz_protocol(fuzz_get *wanted)
{
    return wanted == ncp_pool_get_udp ? NCP_PROTOCOL_UDP : NCP_PROTOCOL_TCP;
}

/* -------------------------------------------------------------------- payloads */

enum { EVERY_BYTE = -1 };

/* `text`, else `size` times the byte `fill`. */
static const struct pattern {
    int size, fill;
    const char *text;
} patterns[FUZZ_PATTERNS] = {
    {0, 0, NULL},
    {1, 0, NULL},
    {1, 0xff, NULL},
    {1024, 0, NULL},
    {1024, 0xff, NULL},
    {FUZZ_PAYLOAD_MAX, 0, NULL},
    {256, EVERY_BYTE, NULL},
    {0, 0, "GET / HTTP/1.1\r\nHost: test\r\n\r\n"},
    {0, 0, "{\"test\":\"value\"}"},
    {1000, 0xaa, NULL},
};

size_t fuzz_payload_size(unsigned pattern)
{
    const struct pattern *row = &patterns[pattern % FUZZ_PATTERNS];

    return row->text != NULL ? strlen(row->text) : (size_t)row->size;
}

void fuzz_payload_fill(unsigned pattern, char *payload)
{
    const struct pattern *row = &patterns[pattern % FUZZ_PATTERNS];

    if (row->text != NULL)
        memcpy(payload, row->text, strlen(row->text));
    else if (row->fill != EVERY_BYTE)
        memset(payload, row->fill, (size_t)row->size);
    else
        for (int i = 0; i < row->size; i++)
            payload[i] = (char)i;
}

/* ------------------------------------------------------------------ supervision */

void *fuzz_shared(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    bench_require(memory != MAP_FAILED, "no memory");
    return memory;
}

bool fuzz_supervised(void (*body)(void *), void *user, int *exit_code)
{
    int status;

    fflush(NULL);
    pid_t child = fork();
    bench_require(child >= 0, "no process");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        body(user);
        exit(0);
    }
    bench_require(waitpid(child, &status, 0) == child, "waitpid failed");
    *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    if (WIFSIGNALED(status))
        fprintf(stderr, "ncp-bench-net: ended by signal %d\n",
                WTERMSIG(status));
    return WIFSIGNALED(status);
}
