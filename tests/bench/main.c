/*
 * ncp-bench --list
 * ncp-bench --case CASE --subject SUBJECT [--seconds S] [--threads N] ...
 *
 * Prints lines of JSON. Judges nothing; exits with 77 when a case cannot be run
 * here, with 1 when it failed.
 */
#include "cases.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    enum case_bit bit;
    case_fn run;
} cases[] = {
    {"uncontended", CASE_UNCONTENDED, case_uncontended},
    {"parallel", CASE_PARALLEL, case_parallel},
    {"contended", CASE_CONTENDED, case_contended},
    {"duel", CASE_DUEL, case_duel},
    {"waiters", CASE_WAITERS, case_waiters},
    {"spike", CASE_SPIKE, case_spike},
    {"memory", CASE_MEMORY, case_memory},
    {"close", CASE_CLOSE, case_close},
};

enum { CASES = sizeof cases / sizeof *cases };

static const char *why_missing(const struct subject *subject)
{
    return subject->missing != NULL ? subject->missing(subject) : NULL;
}

/* No text needs escaping: they are all ours, or versions. */
static void print_subject(const char *case_name, const struct subject *subject)
{
    printf("{\"case\": \"%s\", \"subject\": \"%s\", \"version\": \"%s\"",
           case_name, subject->name, subject->version());
    if (subject->notes != NULL)
        printf(", \"notes\": \"%s\"", subject->notes);
}

static void list(void)
{
    for (int i = 0; subjects[i] != NULL; i++) {
        const char *why = why_missing(subjects[i]);
        if (why != NULL)
            printf("{\"missing\": \"%s\", \"why\": \"%s\"}\n",
                   subjects[i]->name, why);
    }
    for (int c = 0; c < CASES; c++) {
        for (int i = 0; subjects[i] != NULL; i++) {
            if ((subjects[i]->cases & cases[c].bit) != 0 &&
                why_missing(subjects[i]) == NULL) {
                print_subject(cases[c].name, subjects[i]);
                printf("}\n");
            }
        }
    }
}

static void *sleep_for_ever(void *user)
{
    for (;;)
        pause();
    return user;
}

/* A pool is for programs with threads. In one that has none glibc locks a mutex
 * without any atomic operation, which would flatter those who have no thread. */
static void become_a_program_with_threads(void)
{
    pthread_t thread;
    bench_require(pthread_create(&thread, NULL, sleep_for_ever, NULL) == 0,
                  "no thread");
    pthread_detach(thread);
}

static void run(const char *case_name, const char *subject_name,
                const struct options *options)
{
    struct sample sample = {0};
    int c = 0, i = 0;
    while (c < CASES && strcmp(cases[c].name, case_name) != 0)
        c++;
    while (subjects[i] != NULL && strcmp(subjects[i]->name, subject_name) != 0)
        i++;
    bench_require(c < CASES, "no such case; --list tells them");
    bench_require(subjects[i] != NULL, "no such subject; --list tells them");
    if (why_missing(subjects[i]) != NULL)
        bench_skip(why_missing(subjects[i]));
    if ((subjects[i]->cases & cases[c].bit) == 0)
        bench_skip("the subject cannot do this case");
    become_a_program_with_threads();
    cases[c].run(subjects[i], options, &sample);

    print_subject(case_name, subjects[i]);
    if (sample.clock != NULL)
        printf(", \"clock\": \"%s\"", sample.clock);
    for (int figure = 0; figure < sample.count; figure++)
        printf(", \"%s\": %.9g", sample.figures[figure].name,
               sample.figures[figure].value);
    printf("}\n");
}

/* Reads a number into the option of that name; whether there is one. */
static bool set_option(struct options *options, const char *name,
                       const char *text)
{
    const struct {
        const char *name;
        int *number;
        int64_t *time;
    } numbers[] = {
        {"--threads", &options->threads, NULL},
        {"--connections", &options->connections, NULL},
        {"--callers", &options->callers, NULL},
        {"--hold-us", NULL, &options->hold_us},
        {"--dial-ms", NULL, &options->dial_ms},
        {"--use-ms", NULL, &options->use_ms},
    };
    if (strcmp(name, "--seconds") == 0) {
        options->seconds = strtod(text, NULL);
        return options->seconds > 0;
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(name, numbers[i].name) != 0)
            continue;
        if (numbers[i].number != NULL)
            *numbers[i].number = (int)strtol(text, NULL, 10);
        else
            *numbers[i].time = strtoll(text, NULL, 10);
        return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    struct options options = {.seconds = 0.1};
    const char *case_name = NULL, *subject_name = NULL;
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        list();
        return 0;
    }
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--case") == 0)
            case_name = argv[i + 1];
        else if (strcmp(argv[i], "--subject") == 0)
            subject_name = argv[i + 1];
        else if (!set_option(&options, argv[i], argv[i + 1]))
            case_name = NULL, argc = 0;
    }
    if (case_name == NULL || subject_name == NULL || argc % 2 == 0) {
        fprintf(stderr,
                "usage: ncp-bench --list | --case CASE --subject SUBJECT "
                "[--seconds S] [--threads N] [--connections N] [--callers N] "
                "[--hold-us N] [--dial-ms N] [--use-ms N]\n");
        return 2;
    }
    run(case_name, subject_name, &options);
    return 0;
}
