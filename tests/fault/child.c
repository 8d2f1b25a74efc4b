#include "child.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HANG_S = 300 };

struct child_note *child_note_new(void)
{
    void *note = mmap(NULL, sizeof(struct child_note), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(note != MAP_FAILED);
    return note;
}

static void *say_who_it_is(void *arg)
{
    *(long *)arg = syscall(SYS_gettid);
    return NULL;
}

/* A sanitizer may start a thread of its own beside the first of a process: it
 * is not to be taken for one of the library. Who has joined a thread may still find
 * it among those of the process, for a while. */
static void start_first_thread(void)
{
    pthread_t thread;
    long number = 0;
    char path[64];

    REQUIRE_EQ(pthread_create(&thread, NULL, say_who_it_is, &number), 0);
    pthread_join(thread, NULL);
    snprintf(path, sizeof(path), "/proc/self/task/%ld", number);
    REQUIRE_SOON(access(path, F_OK) != 0);
}

void child_run(void (*attempt)(void *), void *arg)
{
    int status = 0;

    fflush(NULL);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        alarm(HANG_S);
        start_first_thread();
        attempt(arg);
        exit(0);
    }
    REQUIRE_EQ(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status) && WTERMSIG(status) == 14)
        expect_failed(__FILE__, __LINE__, "the attempt hangs", 0, 0, false);
    REQUIRE_EQ(status, 0);
}

static void run_case(void *arg)
{
    const struct child_case *one = arg;
    int threads = count_threads();

    one->run();
    REQUIRE_SOON(count_threads() == threads);
}

int child_cases(int argc, char **argv, const struct child_case *cases,
                size_t count)
{
    int found = 0;

    for (size_t i = 0; i < count; i++) {
        struct child_case one = cases[i];
        if (argc > 1 && strcmp(argv[1], one.name) != 0)
            continue;
        found++;
        expect_context("case %s", one.name);
        printf("%s\n", one.name);
        child_run(run_case, &one);
    }
    return found ? 0 : 2;
}
