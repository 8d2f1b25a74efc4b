/*
 * What the kernel knows of this process: whether any thread runs, how many
 * threads and descriptors there are, and the real clocks.
 */
#include "runner.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { TASKS = 1024 };

struct task_sample {
    int tid;
    unsigned long slices; /* how often it was put on a processor */
};

static bool read_small(int tid, const char *file, char *buffer, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/%s", tid, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, buffer, size - 1);
    close(fd);
    if (got <= 0)
        return false;
    buffer[got] = '\0';
    return true;
}

static bool task_blocked(int tid, unsigned long *slices)
{
    char text[512];
    if (!read_small(tid, "stat", text, sizeof text))
        return false;
    const char *end = strrchr(text, ')');
    if (end == NULL || end[2] != 'S')
        return false;
    if (!read_small(tid, "schedstat", text, sizeof text))
        return false;
    return sscanf(text, "%*u %*u %lu", slices) == 1;
}

/* -1 as soon as one thread could run. */
static int sample(struct task_sample *out)
{
    int self = (int)syscall(SYS_gettid);
    int count = 0;
    DIR *dir = opendir("/proc/self/task");
    if (dir == NULL)
        return -1;
    struct dirent *entry;
    while (count >= 0 && (entry = readdir(dir)) != NULL) {
        int tid = atoi(entry->d_name);
        if (tid <= 0 || tid == self)
            continue;
        if (count == TASKS || !task_blocked(tid, &out[count].slices))
            count = -1;
        else
            out[count++].tid = tid;
    }
    closedir(dir);
    return count;
}

/* A thread that was blocked in both samples and got no time slice in between
 * was blocked all the while; so at the moment between the two samples all
 * threads were blocked at once. */
bool threads_quiet(void)
{
    static struct task_sample first[TASKS], second[TASKS]; /* conductor only */
    int count = sample(first);
    if (count < 0 || sample(second) != count)
        return false;
    return memcmp(first, second, (size_t)count * sizeof *first) == 0;
}

static int entries(const char *path)
{
    DIR *dir = opendir(path);
    if (dir == NULL)
        return -1;
    int count = 0;
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            count++;
    closedir(dir);
    return count;
}

int threads_count(void)
{
    return entries("/proc/self/task");
}

int fds_count(void)
{
    return entries("/proc/self/fd") - 1; /* without the one that looks */
}

void real_sleep_us(long us)
{
    struct timespec pause = {us / 1000000, us % 1000000 * 1000};
    nanosleep(&pause, NULL);
}

uint64_t real_now_ns(void)
{
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* -------------------------------------------------- a wall clock that jumps */

/* These stand before those of libc for the library too, so a scenario can move
 * the wall clock of this process alone. */
static _Atomic int64_t wall_offset_s;

void wall_clock_jump(int64_t seconds)
{
    atomic_fetch_add_explicit(&wall_offset_s, seconds, memory_order_relaxed);
}

static int64_t wall_offset(void)
{
    return atomic_load_explicit(&wall_offset_s, memory_order_relaxed);
}

int clock_gettime(clockid_t clock, struct timespec *out);
int clock_gettime(clockid_t clock, struct timespec *out)
{
    int failed = (int)syscall(SYS_clock_gettime, clock, out);
    if (failed == 0 &&
        (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        out->tv_sec += wall_offset();
    return failed;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL)
        *out = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    (void)zone;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}
