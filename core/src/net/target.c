#include "net/target.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Where a refusal is written; `target` is shortened and made printable. */
struct refusal {
    char target[64];
    char *reason;
    size_t size;
};

static const struct scheme {
    const char *name;
    int protocol;
    int family;
} schemes[] = {
    {"tcp", NCP_PROTOCOL_TCP, AF_UNSPEC}, {"tcp4", NCP_PROTOCOL_TCP, AF_INET},
    {"tcp6", NCP_PROTOCOL_TCP, AF_INET6}, {"udp", NCP_PROTOCOL_UDP, AF_UNSPEC},
    {"udp4", NCP_PROTOCOL_UDP, AF_INET},  {"udp6", NCP_PROTOCOL_UDP, AF_INET6},
};

static int refuse(const struct refusal *refusal, const char *why)
{
    snprintf(refusal->reason, refusal->size, "target \"%s\": %s",
             refusal->target, why);
    return NCP_EINVALIDCONFIG;
}

static void quote(const char *text, char *out, size_t size)
{
    size_t length = strlen(text);
    size_t shown = length < size ? length : size - 4;

    for (size_t i = 0; i < shown; i++)
        out[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    strcpy(out + shown, shown < length ? "..." : "");
}

static bool is_digits(const char *text)
{
    return text[strspn(text, "0123456789")] == '\0';
}

static int read_port(const char *text, int lowest, struct ncp__target *out,
                     const struct refusal *refusal)
{
    int port = 0;

    if (*text == '\0')
        return refuse(refusal, "the port is missing: write host:port");
    if (!is_digits(text))
        return refuse(refusal, "the port must be a number, and nothing may "
                               "follow it");
    for (; *text != '\0' && port <= UINT16_MAX; text++)
        port = port * 10 + (*text - '0');
    if (port > UINT16_MAX || port < lowest)
        return refuse(refusal, "the port must be from 1 to 65535");
    out->port = (uint16_t)port;
    return NCP_OK;
}

static bool is_zone(const char *text)
{
    return *text != '\0' &&
           text[strspn(text, "abcdefghijklmnopqrstuvwxyz"
                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] ==
               '\0';
}

static bool is_ipv6(const char *host)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr ignored;
    size_t length = strcspn(host, "%");

    if (length >= sizeof address)
        return false;
    if (host[length] == '%' && !is_zone(host + length + 1))
        return false;
    memcpy(address, host, length);
    address[length] = '\0';
    return inet_pton(AF_INET6, address, &ignored) == 1;
}

static bool is_ipv4(const char *host)
{
    struct in_addr ignored;

    return inet_pton(AF_INET, host, &ignored) == 1;
}

/* No top-level domain is a number: such a host is an address, or wrong. */
static bool ends_in_number(const char *host)
{
    const char *label = strrchr(host, '.');

    label = label == NULL ? host : label + 1;
    return *label != '\0' && is_digits(label);
}

static bool is_name(const char *host)
{
    for (; *host != '\0'; host++)
        if (*host <= ' ' || *host > '~' || strchr("/?#@[]%\\\"", *host))
            return false;
    return true;
}

static int check_bracketed(const struct ncp__target *target,
                           const struct refusal *refusal)
{
    if (!is_ipv6(target->host))
        return refuse(refusal, "what stands in brackets is not an IPv6 "
                               "address");
    if (target->family == AF_INET)
        return refuse(refusal, "an IPv6 address where the scheme asks for "
                               "IPv4");
    return NCP_OK;
}

static int check_plain(const struct ncp__target *target,
                       const struct refusal *refusal)
{
    const char *host = target->host;

    if (*host == '\0')
        return refuse(refusal, "the host is missing: write host:port");
    if (strchr(host, ':') != NULL)
        return refuse(refusal, "more than one colon: an IPv6 address stands "
                               "in brackets");
    if (!is_name(host))
        return refuse(refusal, "a host must not contain blanks or any of "
                               "/?#@[]%\\\"");
    if (ends_in_number(host) && !is_ipv4(host))
        return refuse(refusal, "the host looks like an IPv4 address and is "
                               "none");
    if (is_ipv4(host) && target->family == AF_INET6)
        return refuse(refusal, "an IPv4 address where the scheme asks for "
                               "IPv6");
    return NCP_OK;
}

static int read_host(const char *text, size_t length, struct ncp__target *out,
                     const struct refusal *refusal)
{
    bool bracketed = length >= 2 && text[0] == '[' && text[length - 1] == ']';

    if (bracketed) {
        text++;
        length -= 2;
    }
    if (length >= sizeof out->host)
        return refuse(refusal, "the host has more than 253 bytes");
    memcpy(out->host, text, length);
    out->host[length] = '\0';
    return bracketed ? check_bracketed(out, refusal)
                     : check_plain(out, refusal);
}

/* "host:port", "[v6]:port" */
static int read_authority(const char *text, int lowest_port,
                          struct ncp__target *out,
                          const struct refusal *refusal)
{
    const char *colon = strrchr(text, ':');
    const char *bracket = strrchr(text, ']');

    if (text[0] == '[' && bracket == NULL)
        return refuse(refusal, "the closing bracket is missing");
    if (colon == NULL || (bracket != NULL && colon < bracket))
        return refuse(refusal, "the port is missing: write host:port");

    int status = read_host(text, (size_t)(colon - text), out, refusal);
    if (status != NCP_OK)
        return status;
    return read_port(colon + 1, lowest_port, out, refusal);
}

static int read_path(const char *path, struct ncp__target *out,
                     const struct refusal *refusal)
{
    char why[96];

    if (*path == '\0')
        return refuse(refusal, "the path is missing: write unix:path");
    if (strlen(path) >= sizeof out->path) {
        snprintf(why, sizeof why, "the path has %zu bytes, at most %zu fit",
                 strlen(path), sizeof out->path - 1);
        return refuse(refusal, why);
    }
    strcpy(out->path, path);
    out->protocol = NCP_PROTOCOL_UNKNOWN;
    out->family = AF_UNIX;
    return NCP_OK;
}

static const struct scheme *find_scheme(const char *text, size_t length)
{
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strlen(schemes[i].name) == length &&
            strncasecmp(schemes[i].name, text, length) == 0)
            return &schemes[i];
    return NULL;
}

static int read_target(const char *text, int lowest_port,
                       struct ncp__target *out, const struct refusal *refusal)
{
    const char *separator = strstr(text, "://");

    if (*text == '\0')
        return refuse(refusal, "it is empty: write tcp://host:port, "
                               "udp://host:port or unix:path");
    if (strncasecmp(text, "unix:", 5) == 0)
        return read_path(text + 5, out, refusal);
    if (separator == NULL)
        return refuse(refusal, "the scheme is missing: write tcp://host:port, "
                               "udp://host:port or unix:path");

    const struct scheme *scheme = find_scheme(text, (size_t)(separator - text));
    if (scheme == NULL)
        return refuse(refusal, "the scheme must be tcp, tcp4, tcp6, udp, udp4, "
                               "udp6 or unix");
    out->protocol = scheme->protocol;
    out->family = scheme->family;
    return read_authority(separator + 3, lowest_port, out, refusal);
}

int ncp__target_parse(const char *text, int lowest_port,
                      struct ncp__target *out, char *reason, size_t size)
{
    struct refusal refusal = {.reason = reason, .size = size};

    if (size > 0)
        reason[0] = '\0';
    memset(out, 0, sizeof *out);
    quote(text, refusal.target, sizeof refusal.target);

    int status = read_target(text, lowest_port, out, &refusal);
    if (status == NCP_OK)
        snprintf(out->text, sizeof out->text, "%s", text);
    return status;
}

int ncp__target_check(const char *text, char *reason, size_t size)
{
    struct ncp__target ignored;

    return ncp__target_parse(text, 1, &ignored, reason, size);
}

int ncp_target_check(const char *target, char *reason, size_t size)
{
    if (reason == NULL && size > 0)
        return NCP_EINVAL;
    if (size > 0)
        reason[0] = '\0';
    if (target == NULL)
        return NCP_EINVAL;
    return ncp__target_check(target, reason, size);
}
