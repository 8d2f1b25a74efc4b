/*
 * Prints the tables that the library tells at run time, one row a line, with
 * tabs between the columns. Read by ncpgen/library.py.
 */
#include "netconnpool.h"

#include <inttypes.h>
#include <stdio.h>

static void statuses(void)
{
    int status = 0;

    for (int i = 0; ncp_status_at(i, &status) == NCP_OK; i++)
        printf("status\t%d\t%s\t%s\n", status, ncp_status_name(status),
               ncp_status_text(status));
}

static void ranges(int option)
{
    for (int mode = NCP_MODE_CLIENT; mode <= NCP_MODE_SERVER; mode++) {
        int64_t def = 0;
        int64_t min = 0;
        int64_t max = 0;

        if (ncp_option_range(option, mode, &def, &min, &max) == NCP_OK)
            printf("range\t%d\t%s\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\n",
                   option, ncp_mode_text(mode), def, min, max);
    }
}

static void options(void)
{
    int option = 0;

    for (int i = 0; ncp_option_at(i, &option) == NCP_OK; i++) {
        printf("option\t%d\t%s\t%d\t%s\t%d\t%s\n", option,
               ncp_option_name(option), ncp_option_type(option),
               ncp_option_unit(option), ncp_option_runtime(option),
               ncp_option_help(option));
        ranges(option);
    }
}

static void counters(void)
{
    const char *name = NULL;
    const char *unit = NULL;
    const char *help = NULL;
    int kind = 0;

    for (int i = 0; ncp_counter_at(i, &kind, &name, &unit, &help) == NCP_OK;
         i++)
        printf("counter\t%d\t%s\t%d\t%s\t%s\n", i, name, kind, unit, help);
}

static void texts(void)
{
    for (int mode = NCP_MODE_CLIENT; mode <= NCP_MODE_SERVER; mode++)
        printf("text\tncp_mode\t%d\t%s\n", mode, ncp_mode_text(mode));
    for (int is = NCP_PROTOCOL_UNKNOWN; is <= NCP_PROTOCOL_UDP; is++)
        printf("text\tncp_protocol\t%d\t%s\n", is, ncp_protocol_text(is));
    for (int ip = NCP_IP_UNKNOWN; ip <= NCP_IP_V6; ip++)
        printf("text\tncp_ip\t%d\t%s\n", ip, ncp_ip_text(ip));
    for (int why = NCP_REASON_NONE; why <= NCP_REASON_FORKED; why++)
        printf("text\tncp_reason\t%d\t%s\n", why, ncp_reason_text(why));
}

int main(void)
{
    statuses();
    options();
    counters();
    texts();
    return 0;
}
