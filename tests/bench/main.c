/*
 * ncp-bench [--quick] [--json FILE]: measures, prints, judges nothing.
 */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_table(const struct bench *bench)
{
    const char *group = "";
    for (int i = 0; i < bench->count; i++) {
        const struct figure *figure = &bench->figures[i];
        if (strcmp(group, figure->group) != 0) {
            group = figure->group;
            printf("\n%-44s %14s  %-6s %14s %14s\n", group, "median", "",
                   "least", "most");
        }
        double median = bench_median(figure);
        int decimals = median < 10000 ? 2 : 0;
        printf("  %-42s %14.*f  %-6s %14.*f %14.*f\n", figure->name, decimals,
               median, figure->unit, decimals, bench_min(figure), decimals,
               bench_max(figure));
    }
}

/* No text in it needs escaping: they are all ours. */
static int write_json(const struct bench *bench, double load, const char *path)
{
    FILE *file = fopen(path, "w");
    if (file == NULL)
        return -1;
    fprintf(file,
            "{\n  \"version\": \"%s\",\n  \"processors\": %ld,\n"
            "  \"load\": %.2f,\n  \"rounds\": %d,\n  \"figures\": [",
            ncp_version_text(), sysconf(_SC_NPROCESSORS_ONLN), load,
            bench->rounds);
    for (int i = 0; i < bench->count; i++) {
        const struct figure *figure = &bench->figures[i];
        fprintf(file,
                "%s\n    {\"group\": \"%s\", \"name\": \"%s\", "
                "\"unit\": \"%s\",\n     \"median\": %.6g, \"min\": %.6g, "
                "\"max\": %.6g, \"samples\": [",
                i > 0 ? "," : "", figure->group, figure->name, figure->unit,
                bench_median(figure), bench_min(figure), bench_max(figure));
        for (int sample = 0; sample < figure->count; sample++)
            fprintf(file, "%s%.6g", sample > 0 ? ", " : "",
                    figure->samples[sample]);
        fprintf(file, "]}");
    }
    fprintf(file, "\n  ]\n}\n");
    return fclose(file);
}

int main(int argc, char **argv)
{
    static struct bench bench = {.rounds = 11, .seconds = 0.1};
    const char *json = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0) {
            bench.rounds = 3;
            bench.seconds = 0.02;
        } else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
            json = argv[++i];
        } else {
            fprintf(stderr, "usage: %s [--quick] [--json FILE]\n", argv[0]);
            return 2;
        }
    }
    double load = -1; /* unknown */
    getloadavg(&load, 1);
    bench_memory(&bench); /* first: it forks before any thread is there */
    bench_uncontended(&bench);
    bench_handoff(&bench);
    bench_close(&bench);

    printf("netconnpool %s, %ld processors, load %.2f at the start, median of "
           "%d rounds\n",
           ncp_version_text(), sysconf(_SC_NPROCESSORS_ONLN), load,
           bench.rounds);
    print_table(&bench);
    if (json != NULL && write_json(&bench, load, json) != 0) {
        fprintf(stderr, "%s: %s\n", json, strerror(errno));
        return 1;
    }
    return 0;
}
