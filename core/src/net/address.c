#include "net/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

int ncp__address_ip(const union ncp__sockaddr *at)
{
    if (at->any.sa_family == AF_INET)
        return NCP_IP_V4;
    if (at->any.sa_family != AF_INET6)
        return NCP_IP_UNKNOWN;
    return IN6_IS_ADDR_V4MAPPED(&at->v6.sin6_addr) ? NCP_IP_V4 : NCP_IP_V6;
}

void ncp__address_text(const union ncp__sockaddr *at, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN];

    text[0] = '\0';
    if (at->any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &at->v4.sin_addr, host, sizeof host);
        snprintf(text, size, "%s:%u", host, ntohs(at->v4.sin_port));
    }
    if (at->any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &at->v6.sin6_addr, host, sizeof host);
        snprintf(text, size, "[%s]:%u", host, ntohs(at->v6.sin6_port));
    }
}

bool ncp__address_same(const union ncp__sockaddr *a,
                       const union ncp__sockaddr *b)
{
    if (a->any.sa_family != b->any.sa_family)
        return false;
    if (a->any.sa_family == AF_INET)
        return a->v4.sin_port == b->v4.sin_port &&
               a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    if (a->any.sa_family == AF_INET6)
        return a->v6.sin6_port == b->v6.sin6_port &&
               a->v6.sin6_scope_id == b->v6.sin6_scope_id &&
               IN6_ARE_ADDR_EQUAL(&a->v6.sin6_addr, &b->v6.sin6_addr);
    return false;
}

static bool listed(const struct ncp__addresses *list,
                   const union ncp__sockaddr *at)
{
    for (int i = 0; i < list->count; i++)
        if (ncp__address_same(&list->item[i].at, at))
            return true;
    return false;
}

void ncp__addresses_add(struct ncp__addresses *list, const struct sockaddr *at,
                        socklen_t size)
{
    struct ncp__address *slot = &list->item[list->count];

    if (list->count == NCP__ADDRESSES_MAX || size > sizeof slot->at)
        return;
    if (at->sa_family != AF_INET && at->sa_family != AF_INET6)
        return;

    memset(slot, 0, sizeof *slot);
    memcpy(&slot->at, at, size);
    slot->size = size;
    if (!listed(list, &slot->at))
        list->count++;
}

void ncp__addresses_prefer_ip(struct ncp__addresses *list, int ip)
{
    int kept = 0;

    if (ip == NCP_IP_UNKNOWN)
        return;
    for (int i = 0; i < list->count; i++)
        if (ncp__address_ip(&list->item[i].at) == ip)
            list->item[kept++] = list->item[i];
    if (kept > 0)
        list->count = kept;
}

static int next_of(const struct ncp__addresses *list, int from, bool v6)
{
    while (from < list->count &&
           (list->item[from].at.any.sa_family == AF_INET6) != v6)
        from++;
    return from;
}

void ncp__addresses_interleave(struct ncp__addresses *list)
{
    struct ncp__addresses turn = {0};
    int next[2] = {next_of(list, 0, true), next_of(list, 0, false)};

    for (int family = 0; turn.count < list->count; family = !family) {
        int i = next[family];
        if (i == list->count)
            continue;
        turn.item[turn.count++] = list->item[i];
        next[family] = next_of(list, i + 1, family == 0);
    }
    *list = turn;
}
