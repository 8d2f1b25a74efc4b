/* Writes docs/options.md from the option table of the library:
 *
 *     config_page             writes it to the standard output
 *     config_page <file>      compares it with the file
 */
#include "netconnpool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_MAX = 64 * 1024, VALUE_MAX = 64 };

static const char page_head[] =
    "# Options\n"
    "\n"
    "<!-- Written by tests/unit/config_page.c from the option table. -->\n"
    "\n"
    "A configuration is made with the defaults of its mode. Each option is\n"
    "set by its number or by its name:\n"
    "\n"
    "```c\n"
    "ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, 20);\n"
    "ncp_config_set(config, \"idle_timeout\", \"90s\");\n"
    "```\n"
    "\n"
    "A duration is a number of milliseconds; as text it may also be `250ms`,\n"
    "`30s`, `5m0s` or `1h30m`. A bool is `true` or `false`, `on` or `off`,\n"
    "`yes` or `no`. `ncp_config_validate()` refuses what is out of range, and\n"
    "`ncp_config_reason()` then says what to do. An option that is *live* can\n"
    "be changed in a running pool with `ncp_pool_set()`.\n"
    "\n";

static const char table_head[] =
    "| option | type | default | range | live | what it does |\n"
    "|---|---|---|---|---|---|\n";

static const char *const type_names[] = {
    [NCP_TYPE_INT] = "int",           [NCP_TYPE_BOOL] = "bool",
    [NCP_TYPE_DURATION] = "duration", [NCP_TYPE_ENUM] = "enum",
    [NCP_TYPE_TEXT] = "text",
};

static char page[PAGE_MAX];
static size_t page_length;

__attribute__((format(printf, 1, 2))) static void put(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int n = vsnprintf(page + page_length, PAGE_MAX - page_length, format,
                      arguments);
    va_end(arguments);
    page_length += (size_t)n;
    if (page_length >= PAGE_MAX)
        abort();
}

/* A number in the form of its option. */
static void put_value(ncp_config *config, int option, int64_t value)
{
    char text[VALUE_MAX];

    ncp_config_set_int(config, option, value);
    ncp_config_get(config, ncp_option_name(option), text, sizeof text);
    put("%s", text);
}

static void put_default(ncp_config *config, int option)
{
    int64_t client;
    int64_t server;

    if (ncp_option_range(option, NCP_MODE_CLIENT, &client, NULL, NULL) !=
        NCP_OK)
        return;
    ncp_option_range(option, NCP_MODE_SERVER, &server, NULL, NULL);
    put_value(config, option, client);
    if (client == server)
        return;
    put(" (server: ");
    put_value(config, option, server);
    put(")");
}

static void put_range(ncp_config *config, int option)
{
    int type = ncp_option_type(option);
    int64_t min;
    int64_t max;

    if (type != NCP_TYPE_INT && type != NCP_TYPE_DURATION)
        return;
    ncp_option_range(option, NCP_MODE_CLIENT, NULL, &min, &max);
    put_value(config, option, min);
    put(" to ");
    put_value(config, option, max);
    if (type == NCP_TYPE_INT && *ncp_option_unit(option) != '\0')
        put(" %s", ncp_option_unit(option));
}

static void put_option(ncp_config *config, int option)
{
    put("| `%s` | %s | ", ncp_option_name(option),
        type_names[ncp_option_type(option)]);
    put_default(config, option);
    put(" | ");
    put_range(config, option);
    put(" | %s | %s |\n", ncp_option_runtime(option) ? "live" : "",
        ncp_option_help(option));
}

static int compare(const char *path)
{
    static char found[PAGE_MAX];
    FILE *file = fopen(path, "rb");

    if (file == NULL) {
        perror(path);
        return 1;
    }
    size_t length = fread(found, 1, sizeof found, file);
    fclose(file);
    if (length == page_length && memcmp(found, page, length) == 0)
        return 0;
    fprintf(stderr,
            "%s is not what the option table says; write it anew: "
            "config_page > docs/options.md\n",
            path);
    return 1;
}

int main(int argc, char **argv)
{
    ncp_config *config;
    int option;

    if (ncp_config_new(NCP_MODE_CLIENT, &config) != NCP_OK)
        return 1;
    put("%s%s", page_head, table_head);
    for (int i = 0; ncp_option_at(i, &option) == NCP_OK; i++)
        put_option(config, option);
    ncp_config_free(config);
    if (argc > 1)
        return compare(argv[1]);
    fwrite(page, 1, page_length, stdout);
    return 0;
}
