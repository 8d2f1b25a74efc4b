/*
 * The words of the vocabulary.
 */
#include "runner.h"

#include <stdio.h>
#include <string.h>

struct word {
    const char *name;
    int value;
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

static const struct word RESULTS[] = {
    {"OK", NCP_OK},
    {"POOL_CLOSED", NCP_ECLOSED},
    {"CONN_CLOSED", NCP_ECONNCLOSED},
    {"TIMEOUT", NCP_ETIMEOUT},
    {"MAX_CONN", NCP_EMAXCONN},
    {"INVALID_CONN", NCP_EINVALIDCONN},
    {"UNHEALTHY", NCP_EUNHEALTHY},
    {"INVALID_CONFIG", NCP_EINVALIDCONFIG},
    {"LEAKED", NCP_ELEAKED},
    {"EXHAUSTED", NCP_EEXHAUSTED},
    {"UNSUPPORTED_IP", NCP_EUNSUPPORTEDIP},
    {"NO_IP", NCP_ENOIP},
    {"UNSUPPORTED_PROTO", NCP_EUNSUPPORTEDPROTO},
    {"NO_PROTO", NCP_ENOPROTO},
    {"DIAL", NCP_EDIAL},
    {"HOOK", NCP_EHOOK},
    {"CLOSE_HOOK", NCP_ECLOSEHOOK},
    {"CANCELED", NCP_ECANCELED},
    {"NOMEM", NCP_ENOMEM},
    {"SYS", NCP_ESYS},
    {"USER", NCP_EUSER},
    {"INVALID_ARG", NCP_EINVAL},
    {"WAITERS", NCP_EWAITERS},
    {"BREAKER", NCP_EBREAKER},
    {"STATE", NCP_ESTATE},
    {"NOT_FOUND", NCP_ENOTFOUND},
    {"AGAIN", NCP_EAGAIN},
};

static const struct word EVENTS[] = {
    {"NONE", NCP_EVENT_NONE},     {"CONN", NCP_EVENT_CONN},
    {"DIAL", NCP_EVENT_DIAL},     {"CHECK", NCP_EVENT_CHECK},
    {"CLOSE", NCP_EVENT_CLOSE},   {"PENDING", NCP_EVENT_PENDING},
    {"READY", NCP_EVENT_READY},   {"KICK", NCP_EVENT_KICK},
    {"BORROW", NCP_EVENT_BORROW}, {"LEAK", NCP_EVENT_LEAK},
    {"LOG", NCP_EVENT_LOG},       {"DUE", NCP_EVENT_DUE},
};

static const struct word PROTOCOLS[] = {{"UNKNOWN", NCP_PROTOCOL_UNKNOWN},
                                        {"TCP", NCP_PROTOCOL_TCP},
                                        {"UDP", NCP_PROTOCOL_UDP}};

static const struct word IPS[] = {
    {"UNKNOWN", NCP_IP_UNKNOWN}, {"IPv4", NCP_IP_V4}, {"IPv6", NCP_IP_V6}};

static const char *text_of(const struct word *words, size_t count, int value)
{
    for (size_t i = 0; i < count; i++)
        if (words[i].value == value)
            return words[i].name;
    return "a value without a name";
}

static const struct word *word_of(const struct word *words, size_t count,
                                  const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i].name, name) == 0)
            return &words[i];
    return NULL;
}

const char *result_text(int status)
{
    return text_of(RESULTS, COUNT(RESULTS), status);
}

bool result_known(const char *name)
{
    return word_of(RESULTS, COUNT(RESULTS), name) != NULL;
}

int result_of(const char *name)
{
    const struct word *word = word_of(RESULTS, COUNT(RESULTS), name);
    if (word == NULL)
        fail("no such result: %s", name);
    return word->value;
}

const char *event_text(int type)
{
    return text_of(EVENTS, COUNT(EVENTS), type);
}

int event_of(const char *name)
{
    const struct word *word = word_of(EVENTS, COUNT(EVENTS), name);
    return word == NULL ? -1 : word->value;
}

static int number_or_word(const json_t *value, const struct word *words,
                          size_t count)
{
    if (json_is_integer(value))
        return (int)json_integer_value(value);
    const char *name = json_is_string(value) ? json_string_value(value) : "?";
    const struct word *word = word_of(words, count, name);
    if (word == NULL)
        fail("no such protocol or IP version: %s", name);
    return word->value;
}

int protocol_of(const json_t *value)
{
    return number_or_word(value, PROTOCOLS, COUNT(PROTOCOLS));
}

int ip_of(const json_t *value)
{
    return number_or_word(value, IPS, COUNT(IPS));
}

/* --------------------------------------------------------------------- json */

static bool has_word(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = words; (at = strstr(at, word)) != NULL; at += length)
        if ((at == words || at[-1] == ' ') &&
            (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

void keys_only(const json_t *object, const char *keys, const char *what)
{
    const char *key;
    json_t *value;
    if (!json_is_object(object))
        fail("%s is no object", what);
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
        if (!has_word(keys, key))
            fail("%s: this runner does not know the key %s", what, key);
}

const char *text_at(const json_t *object, const char *key,
                    const char *otherwise)
{
    const json_t *value = json_object_get(object, key);
    return json_is_string(value) ? json_string_value(value) : otherwise;
}

int64_t int_at(const json_t *object, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

bool bool_at(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}
