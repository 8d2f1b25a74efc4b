/*
 * Steps on configurations and on the helpers that read and print words.
 */
#include "netconnpool_json.h"
#include "runner.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The caller changes its configuration after the pool was made. */
static void op_mutate_config(const json_t *step, struct task *task)
{
    (void)task;
    config_apply(step_pool(step)->config, json_object_get(step, "config"));
}

static ncp_config *fresh(const json_t *step)
{
    ncp_config *config;
    if (ncp_config_new(ncp_mode_parse(text_at(step, "mode", "client")),
                       &config) != NCP_OK)
        fail("no configuration");
    return config;
}

static void op_defaults(const json_t *step, struct task *task)
{
    (void)task;
    ncp_config *config = fresh(step);
    int mode = ncp_mode_parse(text_at(step, "mode", "client"));
    const char *name;
    json_t *bound;
    json_object_foreach(json_object_get(step, "values"), name, bound) {
        int option;
        int64_t value, def;
        if (ncp_option_find(name, &option) != NCP_OK ||
            ncp_config_get_int(config, option, &value) != NCP_OK ||
            ncp_option_range(option, mode, &def, NULL, NULL) != NCP_OK)
            fail("the option %s cannot be read", name);
        check_bound(bound, (double)value, name);
        check_bound(bound, (double)def, name);
    }
    ncp_config_free(config);
}

/* One option by its text. */
static void op_config_text(const json_t *step, struct task *task)
{
    (void)task;
    ncp_config *config = fresh(step);
    const char *name = text_at(step, "name", "?");
    int status = ncp_config_set(config, name, text_at(step, "text", ""));
    expect_status(step, status, name);
    if (status != NCP_OK && ncp_config_reason(config)[0] == '\0')
        fail("%s was refused without a reason", name);
    const json_t *reads = json_object_get(step, "reads");
    char text[256];
    if (reads != NULL && (ncp_config_get(config, name, text, sizeof text) < 0 ||
                          strcmp(text, json_string_value(reads)) != 0))
        fail("%s reads back as \"%s\"", name, text);
    const json_t *value = json_object_get(step, "value");
    int option;
    int64_t number;
    if (value != NULL &&
        (ncp_option_find(name, &option) != NCP_OK ||
         ncp_config_get_int(config, option, &number) != NCP_OK))
        fail("%s cannot be read", name);
    if (value != NULL)
        check_bound(value, (double)number, name);
    ncp_config_free(config);
}

/* A value that is valid and not the default. */
static int64_t other_value(int option, int mode)
{
    int64_t def, min, max;
    if (ncp_option_range(option, mode, &def, &min, &max) != NCP_OK)
        fail("no range for %s", ncp_option_name(option));
    int64_t other = def < max ? def + 1 : def > min ? def - 1 : def;
    return ncp_option_type(option) == NCP_TYPE_BOOL ? !def : other;
}

/* Gives every option a valid value that is not its default. */
static void change_all(ncp_config *config, int mode)
{
    int option;
    for (int i = 0; ncp_option_at(i, &option) == NCP_OK; i++) {
        if (option == NCP_OPTION_MODE || option == NCP_OPTION_LISTENER_FD)
            continue;
        if (ncp_option_type(option) != NCP_TYPE_TEXT)
            ncp_config_set_int(config, option, other_value(option, mode));
        else if (ncp_config_set(config, ncp_option_name(option),
                                "unix:/tmp/somewhere") != NCP_OK)
            fail("the text of %s was refused", ncp_option_name(option));
    }
}

static void must_be_equal(const ncp_config *config, const ncp_config *copy,
                          const char *way)
{
    int option;
    for (int i = 0; ncp_option_at(i, &option) == NCP_OK; i++) {
        const char *name = ncp_option_name(option);
        char before[256], after[256];
        if (option == NCP_OPTION_LISTENER_FD)
            continue;
        if (ncp_config_get(config, name, before, sizeof before) < 0 ||
            ncp_config_get(copy, name, after, sizeof after) < 0)
            fail("%s has no text", name);
        if (strcmp(before, after) != 0)
            fail("%s: %s was %s and became %s", way, name, before, after);
        count_check();
    }
}

static void by_text(const ncp_config *config, ncp_config *copy)
{
    int option;
    for (int i = 0; ncp_option_at(i, &option) == NCP_OK; i++) {
        const char *name = ncp_option_name(option);
        char text[256];
        if (option == NCP_OPTION_LISTENER_FD)
            continue;
        if (ncp_config_get(config, name, text, sizeof text) < 0 ||
            ncp_config_set(copy, name, text) != NCP_OK)
            fail("%s: %s", name, ncp_config_reason(copy));
    }
}

static void by_json(const ncp_config *config, ncp_config *copy)
{
    char text[8192], reason[256];
    int length = ncp_json_write(config, text, sizeof text);
    if (length <= 0 || length >= (int)sizeof text)
        fail("the configuration cannot be written: %d", length);
    if (ncp_json_read(copy, text, (size_t)length, reason, sizeof reason) !=
        NCP_OK)
        fail("what was written cannot be read: %s", reason);
}

/* Every scalar option through texts and through a JSON document. */
static void op_config_roundtrip(const json_t *step, struct task *task)
{
    (void)task;
    int mode = ncp_mode_parse(text_at(step, "mode", "client"));
    ncp_config *config = fresh(step), *text = fresh(step), *json = fresh(step);
    change_all(config, mode);
    by_text(config, text);
    must_be_equal(config, text, "text");
    by_json(config, json);
    must_be_equal(config, json, "json");
    ncp_config_free(config);
    ncp_config_free(text);
    ncp_config_free(json);
}

/* A JSON document is read, or refused as a whole and with a reason. */
static void op_config_json(const json_t *step, struct task *task)
{
    (void)task;
    const char *text = text_at(step, "text", "");
    ncp_config *config = fresh(step), *untouched = fresh(step);
    char reason[256] = "";
    int status =
        ncp_json_read(config, text, strlen(text), reason, sizeof reason);
    expect_status(step, status, "config_json");
    const char *says = text_at(step, "says", NULL);
    if (says != NULL && strstr(reason, says) == NULL)
        fail("the reason says \"%s\", not %s", reason, says);
    if (status != NCP_OK)
        must_be_equal(config, untouched, "after a refusal");
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(step, "values"), name, value) {
        int option;
        int64_t number;
        if (ncp_option_find(name, &option) != NCP_OK ||
            ncp_config_get_int(config, option, &number) != NCP_OK)
            fail("%s cannot be read", name);
        check_bound(value, (double)number, name);
    }
    ncp_config_free(config);
    ncp_config_free(untouched);
}

/* ------------------------------------------------------------------ helpers */

static void number_is(const json_t *step, const char *call, int value)
{
    const json_t *wanted = json_object_get(step, "is");
    count_check();
    if (!json_is_integer(wanted) || json_integer_value(wanted) != value)
        fail("%s answers %d", call, value);
}

static void text_is(const json_t *step, const char *call, const char *text)
{
    count_check();
    if (text == NULL || strcmp(text, text_at(step, "is", "?")) != 0)
        fail("%s answers %s", call, text == NULL ? "NULL" : text);
}

static void op_helper(const json_t *step, struct task *task)
{
    (void)task;
    static const struct {
        const char *name;
        int (*call)(const char *text);
    } PARSERS[] = {{"protocol_parse", ncp_protocol_parse},
                   {"ip_parse", ncp_ip_parse},
                   {"mode_parse", ncp_mode_parse}};
    static const struct {
        const char *name;
        const char *(*call)(int value);
    } PRINTERS[] = {{"protocol_text", ncp_protocol_text},
                    {"ip_text", ncp_ip_text},
                    {"mode_text", ncp_mode_text}};
    const char *call = text_at(step, "call", "?");
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(PARSERS[i].name, call) == 0) {
            number_is(step, call, PARSERS[i].call(text_at(step, "arg", NULL)));
            return;
        }
        if (strcmp(PRINTERS[i].name, call) == 0) {
            text_is(step, call, PRINTERS[i].call((int)int_at(step, "arg", 0)));
            return;
        }
    }
    if (strcmp(call, "status_text") == 0)
        text_is(step, call,
                ncp_status_text(result_of(text_at(step, "arg", "?"))));
    else
        fail("no such helper: %s", call);
}

static int mapped_socket(void)
{
    int listener = socket(AF_INET6, SOCK_STREAM, 0), off = 0;
    struct sockaddr_in6 at = {.sin6_family = AF_INET6,
                              .sin6_addr = in6addr_any};
    socklen_t size = sizeof at;
    setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(listener, (struct sockaddr *)&at, size) != 0 ||
        listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&at, &size) != 0)
        fail("no socket for both families");
    if (inet_pton(AF_INET6, "::ffff:127.0.0.1", &at.sin6_addr) != 1)
        fail("no mapped address");
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (connect(fd, (struct sockaddr *)&at, size) != 0)
        fail("no connection to a mapped address");
    close(listener);
    return fd;
}

static int unconnected_udp6(void)
{
    struct sockaddr_in6 at = {.sin6_family = AF_INET6,
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0)
        fail("no UDP socket");
    return fd;
}

/* What a descriptor is found to be. */
static void op_detect(const json_t *step, struct task *task)
{
    (void)task;
    const char *kind = text_at(step, "kind", "?");
    int fd, protocol = -1, ip = -1;
    if (strcmp(kind, "mapped") == 0) {
        fd = mapped_socket();
    } else if (strcmp(kind, "unconnected_udp6") == 0) {
        fd = unconnected_udp6();
    } else {
        struct conn *conn = conn_make(conn_type_of(kind));
        atomic_store(&conn->ours, true);
        fd = dup(conn->fd);
    }
    if (ncp_fd_detect(fd, &protocol, &ip) != NCP_OK ||
        ncp_fd_detect(fd, NULL, NULL) != NCP_OK)
        fail("fd_detect");
    close(fd);
    if (protocol != protocol_of(json_object_get(step, "protocol")) ||
        ip != ip_of(json_object_get(step, "ip")))
        fail("%s is found to be %s, %s", kind, ncp_protocol_text(protocol),
             ncp_ip_text(ip));
    count_check();
}

/* A pool of this name can be found, as the same one. */
static void op_find(const json_t *step, struct task *task)
{
    (void)task;
    ncp_pool *found;
    int status = ncp_pool_find(text_at(step, "name", "?"), &found);
    expect_status(step, status, "find");
    if (status == NCP_OK && found != step_pool(step)->pool)
        fail("another pool was found");
    ncp_pool_free(found);
}

const struct step_op steps_config[] = {
    {"mutate_config", "op pool config", op_mutate_config},
    {"defaults", "op mode values", op_defaults},
    {"config_text", "op mode name text expect reads value", op_config_text},
    {"config_roundtrip", "op mode", op_config_roundtrip},
    {"config_json", "op mode text expect says values", op_config_json},
    {"helper", "op call arg is", op_helper},
    {"detect", "op kind protocol ip", op_detect},
    {"find", "op pool name expect", op_find},
    {NULL, NULL, NULL}};
