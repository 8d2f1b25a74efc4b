/* The protocols: Redis, HTTP/1.1, and lines that are sent back. */
#include "peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool configure_target(ncp_config *config, const char *target)
{
    return ncp_config_set(config, "target", target) == NCP_OK;
}

/* ---------------------------------------------------------------------- redis */

/* Stores the payload under a key of its own and asks for it, in one go: two
 * answers have to come, in order. */
static enum outcome request_redis(struct wire *wire, const char *payload)
{
    char text[512];
    size_t length = strlen(payload);
    int size = snprintf(text, sizeof text,
                        "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n"
                        "*2\r\n$3\r\nGET\r\n$%zu\r\n%s\r\n",
                        length, payload, length, payload, length, payload);
    if (!wire_send(wire, text, (size_t)size))
        return wire_ended(wire);
    const char *line = wire_line(wire);
    if (line == NULL)
        return wire_ended(wire);
    if (strcmp(line, "+OK") != 0)
        return REPLY_WRONG;
    line = wire_line(wire);
    if (line == NULL)
        return wire_ended(wire);
    if (line[0] != '$' || strtoul(line + 1, NULL, 10) != length)
        return REPLY_WRONG;
    const char *bytes = wire_bytes(wire, length + 2);
    if (bytes == NULL)
        return wire_ended(wire);
    return memcmp(bytes, payload, length) == 0 ? REPLY_RIGHT : REPLY_WRONG;
}

/* ----------------------------------------------------------------------- http */

struct head {
    bool fine, last;
    size_t length;
};

static bool starts(const char *line, const char *name)
{
    return strncasecmp(line, name, strlen(name)) == 0;
}

static bool read_head(struct wire *wire, struct head *head)
{
    const char *line = wire_line(wire);
    if (line == NULL)
        return false;
    head->fine = starts(line, "HTTP/1.1 200 ");
    while ((line = wire_line(wire)) != NULL && *line != '\0') {
        if (starts(line, "Content-Length: "))
            head->length = strtoul(line + strlen("Content-Length: "), NULL, 10);
        if (starts(line, "Connection: close"))
            head->last = true;
    }
    return line != NULL;
}

static enum outcome request_http(struct wire *wire, const char *payload)
{
    char text[256];
    struct head head = {.fine = false};
    int size =
        snprintf(text, sizeof text,
                 "GET /echo?text=%s HTTP/1.1\r\nHost: here\r\n\r\n", payload);
    if (!wire_send(wire, text, (size_t)size) || !read_head(wire, &head))
        return wire_ended(wire);
    const char *body = wire_bytes(wire, head.length);
    if (body == NULL)
        return wire_ended(wire);
    if (!head.fine || head.length != strlen(payload) ||
        memcmp(body, payload, head.length) != 0)
        return REPLY_WRONG;
    return head.last ? REPLY_LAST : REPLY_RIGHT;
}

/* ------------------------------------------------------------------------ tls */

static enum outcome request_line(struct wire *wire, const char *payload)
{
    char text[PAYLOAD_SIZE + 2];
    int size = snprintf(text, sizeof text, "%s\n", payload);
    if (!wire_send(wire, text, (size_t)size))
        return wire_ended(wire);
    const char *line = wire_line(wire);
    if (line == NULL)
        return wire_ended(wire);
    return strcmp(line, payload) == 0 ? REPLY_RIGHT : REPLY_WRONG;
}

const struct talk talk_redis = {"redis", configure_target, request_redis,
                                false};
const struct talk talk_http = {"http", configure_target, request_http, false};
const struct talk talk_tls = {"tls", tls_configure, request_line, true};
