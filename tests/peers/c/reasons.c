/* What kept requests from their answers. */
#include "peers.h"

#include <stdio.h>

void reason_get(struct reasons *reasons, int status)
{
    if (status < 0 && status > -REASON_STATUSES)
        atomic_fetch_add(&reasons->of_get[-status], 1);
}

void reason_talk(struct reasons *reasons, enum outcome outcome, bool reused)
{
    if (outcome > REPLY_LAST)
        atomic_fetch_add(&reasons->of_talk[outcome][reused], 1);
}

static void print_one(const char **between, const atomic_long *count,
                      const char *what, const char *where)
{
    if (atomic_load(count) == 0)
        return;
    printf("%s\"%s%s\": %ld", *between, what, where, atomic_load(count));
    *between = ", ";
}

void reasons_print(const struct reasons *reasons)
{
    static const char *const OUTCOMES[] = {"right", "last", "wrong", "missing",
                                           "cut"};
    const char *between = "";

    printf("{");
    for (int i = 0; i < REASON_STATUSES; i++)
        print_one(&between, &reasons->of_get[i], "get: ", ncp_status_name(-i));
    for (int i = 0; i <= REPLY_CUT; i++) {
        print_one(&between, &reasons->of_talk[i][false], OUTCOMES[i],
                  " on a new connection");
        print_one(&between, &reasons->of_talk[i][true], OUTCOMES[i],
                  " on a used connection");
    }
    printf("}");
}
