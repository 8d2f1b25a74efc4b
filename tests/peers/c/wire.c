/* A connection that is read by lines. */
#include "peers.h"

#include <string.h>
#include <sys/socket.h>

bool wire_send(struct wire *wire, const char *text, size_t size)
{
    if (wire->tls != NULL)
        return tls_send(wire->tls, text, size);
    while (size > 0) {
        ssize_t sent = send(wire->fd, text, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        text += sent;
        size -= (size_t)sent;
    }
    return true;
}

static bool receive(struct wire *wire)
{
    memmove(wire->data, wire->data + wire->at, wire->have - wire->at);
    wire->have -= wire->at;
    wire->at = 0;
    char *into = wire->data + wire->have;
    size_t room = sizeof wire->data - wire->have;
    ssize_t got = wire->tls != NULL ? tls_receive(wire->tls, into, room)
                                    : recv(wire->fd, into, room, 0);
    if (got <= 0)
        return false;
    wire->have += (size_t)got;
    wire->answered = true;
    return true;
}

const char *wire_line(struct wire *wire)
{
    char *end;
    do {
        end = memchr(wire->data + wire->at, '\n', wire->have - wire->at);
    } while (end == NULL && receive(wire));
    if (end == NULL)
        return NULL;
    char *line = wire->data + wire->at;
    wire->at = (size_t)(end + 1 - wire->data);
    *end = '\0';
    if (end > line && end[-1] == '\r')
        end[-1] = '\0';
    return line;
}

const char *wire_bytes(struct wire *wire, size_t size)
{
    if (size > sizeof wire->data)
        return NULL;
    while (wire->have - wire->at < size)
        if (!receive(wire))
            return NULL;
    const char *bytes = wire->data + wire->at;
    wire->at += size;
    return bytes;
}

enum outcome wire_ended(const struct wire *wire)
{
    return wire->answered ? REPLY_CUT : REPLY_MISSING;
}
