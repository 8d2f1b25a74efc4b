#include "net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_THREADS = 4, DEFAULT_SIZE = 64 };

#define BIT(way) (1U << (way))

/* What can be measured, with what, and in which variants. */
static const struct kind {
    const char *case_name, *mode;
    int (*run)(const struct task *task, struct sample *sample);
    unsigned ways; /* bits of enum way */
    const char *variants;
    double seconds; /* when nothing is said */
} kinds[] = {
    {"sockets", "", run_sockets,
     BIT(WAY_POOL) | BIT(WAY_DIAL) | BIT(WAY_PRIVATE),
     "{\"transport\": \"tcp\", \"size\": 64}, "
     "{\"transport\": \"tcp\", \"size\": 10240}, "
     "{\"transport\": \"udp\", \"size\": 64}, "
     "{\"transport\": \"udp\", \"size\": 10240}",
     1},
    {"fuzz", "as-original", run_fuzz, BIT(WAY_POOL),
     "{\"mode\": \"as-original\"}", 5},
    {"fuzz", "verified", run_verified, BIT(WAY_POOL) | BIT(WAY_PRIVATE),
     "{\"mode\": \"verified\"}", 5},
};

static const struct subject {
    const char *name;
    enum way way;
    const char *store;
} subjects[] = {
    {"netconnpool/lockfree", WAY_POOL, "lockfree"},
    {"netconnpool/lock", WAY_POOL, "lock"},
    {"netconnpool/sharded", WAY_POOL, "sharded"},
    {"dial-each-time", WAY_DIAL, NULL},
    {"plain-sockets", WAY_PRIVATE, NULL},
};

enum {
    KINDS = sizeof kinds / sizeof *kinds,
    SUBJECTS = sizeof subjects / sizeof *subjects
};

/* What the command line says; NULL and 0 where it says nothing. */
struct words {
    const char *case_name, *subject, *transport, *mode;
    double seconds, threads, connections, size;
};

static bool can_do(const struct kind *kind, const struct subject *subject)
{
    return (kind->ways & BIT(subject->way)) != 0 &&
           (subject->store == NULL || net_has_store(subject->store));
}

static const char *version_of(const struct subject *subject)
{
    return subject->way == WAY_POOL ? ncp_version_text() : "";
}

static int list(void)
{
    for (int i = 0; i < KINDS; i++)
        for (int j = 0; j < SUBJECTS; j++)
            if (can_do(&kinds[i], &subjects[j]))
                printf("{\"case\": \"%s\", \"subject\": \"%s\", "
                       "\"version\": \"%s\", \"language\": \"c\", "
                       "\"variants\": [%s]}\n",
                       kinds[i].case_name, subjects[j].name,
                       version_of(&subjects[j]), kinds[i].variants);
    return 0;
}

/* ---------------------------------------------------------------- command line */

static int usage(void)
{
    fprintf(stderr,
            "usage: ncp-bench-net --list | --echo |\n"
            "       --case CASE --subject SUBJECT [--seconds S] [--threads N]\n"
            "       [--connections N] [--transport tcp|udp] [--size BYTES]\n"
            "       [--mode as-original|verified]\n");
    return 2;
}

/* What other cases of the bench ask for does not concern these. */
static void read_word(struct words *words, const char *name, const char *text)
{
    const struct {
        const char *name;
        const char **text;
        double *number;
    } rows[] = {
        {"--case", &words->case_name, NULL},
        {"--subject", &words->subject, NULL},
        {"--transport", &words->transport, NULL},
        {"--mode", &words->mode, NULL},
        {"--seconds", NULL, &words->seconds},
        {"--threads", NULL, &words->threads},
        {"--connections", NULL, &words->connections},
        {"--size", NULL, &words->size},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].name, name) != 0)
            continue;
        if (rows[i].text != NULL)
            *rows[i].text = text;
        else
            *rows[i].number = strtod(text, NULL);
    }
}

static bool read_words(int argc, char **argv, struct words *words)
{
    *words = (struct words){.transport = "tcp"};
    for (int i = 1; i + 1 < argc; i += 2)
        read_word(words, argv[i], argv[i + 1]);
    return argc % 2 == 1 && words->case_name != NULL && words->subject != NULL;
}

static const struct kind *kind_of(const struct words *words)
{
    for (int i = 0; i < KINDS; i++)
        if (strcmp(kinds[i].case_name, words->case_name) == 0 &&
            (words->mode == NULL || strcmp(kinds[i].mode, words->mode) == 0))
            return &kinds[i];
    return NULL;
}

static const struct subject *subject_of(const struct words *words)
{
    for (int i = 0; i < SUBJECTS; i++)
        if (strcmp(subjects[i].name, words->subject) == 0)
            return &subjects[i];
    return NULL;
}

/* --------------------------------------------------------------------- running */

static double chosen(double said, double otherwise)
{
    return said > 0 ? said : otherwise;
}

static struct task task_of(const struct words *words, const struct kind *kind,
                           const struct subject *subject)
{
    struct task task = {.way = subject->way, .store = subject->store};
    bool udp = strcmp(words->transport, "udp") == 0;

    task.protocol = udp ? NCP_PROTOCOL_UDP : NCP_PROTOCOL_TCP;
    task.bytes = (size_t)chosen(words->size, DEFAULT_SIZE);
    task.seconds = chosen(words->seconds, kind->seconds);
    task.threads = (int)chosen(words->threads, DEFAULT_THREADS);
    task.connections = (int)chosen(words->connections, 0);
    bench_require(task.bytes >= STAMP_SIZE && task.bytes <= REQUEST_MAX,
                  "requests have 8 bytes to 64 KiB");
    return task;
}

/* No text in it needs escaping: they are all ours. */
static void print(const struct kind *kind, const struct subject *subject,
                  const struct sample *sample)
{
    printf("{\"case\": \"%s\", \"subject\": \"%s\", \"version\": \"%s\"",
           kind->case_name, subject->name, version_of(subject));
    if (sample->clock != NULL)
        printf(", \"clock\": \"%s\"", sample->clock);
    for (int i = 0; i < sample->count; i++)
        printf(", \"%s\": %.12g", sample->figures[i].name,
               sample->figures[i].value);
    printf("}\n");
}

int main(int argc, char **argv)
{
    struct words words;
    struct sample sample = {0};

    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return list();
    if (argc == 2 && strcmp(argv[1], "--echo") == 0)
        return echo_main();
    if (!read_words(argc, argv, &words))
        return usage();
    const struct kind *kind = kind_of(&words);
    const struct subject *subject = subject_of(&words);
    bench_require(kind != NULL && subject != NULL,
                  "no such case or subject; --list tells them");
    if (!can_do(kind, subject))
        bench_skip("the subject cannot do this case");
    const struct task task = task_of(&words, kind, subject);
    int exit_code = kind->run(&task, &sample);
    print(kind, subject, &sample);
    return exit_code;
}
