/*
 * Configurations as JSON, over the public functions alone.
 */
#include "netconnpool_json.h"

#include "json/position.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JSON_TEXTS_MAX = 64 }; /* more than there are text options */

/* One call of ncp_json_read. */
struct json_reading {
    ncp_config *config;
    const char *text;
    size_t length;
    char *reason;
    size_t size;
};

/* ------------------------------------------------------------------ reasons */

static struct ncp__json_position json_at(const struct json_reading *reading,
                                         size_t member)
{
    size_t offset = ncp__json_member(reading->text, reading->length, member);

    return ncp__json_position_of(reading->text, offset);
}

__attribute__((format(printf, 3, 4))) static int
json_refuse(const struct json_reading *reading, struct ncp__json_position at,
            const char *format, ...)
{
    char sentence[192];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    snprintf(reading->reason, reading->size, "line %d, column %d: %s", at.line,
             at.column, sentence);
    return NCP_EINVALIDCONFIG;
}

static int json_no_memory(const struct json_reading *reading)
{
    snprintf(reading->reason, reading->size, "out of memory");
    return NCP_ENOMEM;
}

/* ------------------------------------------------------------------ reading */

/* What was found, by json_type. */
static const char *const json_found[] = {
    [JSON_OBJECT] = "an object",     [JSON_ARRAY] = "an array",
    [JSON_STRING] = "a text",        [JSON_INTEGER] = "a number",
    [JSON_REAL] = "no whole number", [JSON_TRUE] = "a boolean",
    [JSON_FALSE] = "a boolean",      [JSON_NULL] = "null",
};

#define JSON_BIT(TYPE) (1U << (TYPE))

/* What an option takes, by enum ncp_type. */
static const struct {
    unsigned types;
    const char *advice;
} json_wanted[] = {
    [NCP_TYPE_INT] = {JSON_BIT(JSON_INTEGER), "use a whole number"},
    [NCP_TYPE_BOOL] = {JSON_BIT(JSON_TRUE) | JSON_BIT(JSON_FALSE),
                       "use true or false"},
    [NCP_TYPE_DURATION] = {JSON_BIT(JSON_STRING) | JSON_BIT(JSON_INTEGER),
                           "use a text such as \"30s\", or a whole number of "
                           "milliseconds"},
    [NCP_TYPE_ENUM] = {JSON_BIT(JSON_STRING), "use one of its names as a text"},
    [NCP_TYPE_TEXT] = {JSON_BIT(JSON_STRING), "use a text"},
};

/* Sets an option that was found to be of the right type. */
static int json_set(ncp_config *config, int option, const json_t *value)
{
    if (json_is_string(value))
        return ncp_config_set(config, ncp_option_name(option),
                              json_string_value(value));
    if (json_is_boolean(value))
        return ncp_config_set_int(config, option, json_is_true(value));
    return ncp_config_set_int(config, option, json_integer_value(value));
}

static int json_check_range(const struct json_reading *reading, size_t member,
                            const ncp_config *config, int option)
{
    int64_t min;
    int64_t max;
    int64_t value;

    if (ncp_option_range(option, NCP_MODE_CLIENT, NULL, &min, &max) != NCP_OK)
        return NCP_OK; /* a text has none */
    ncp_config_get_int(config, option, &value);
    if (value >= min && value <= max)
        return NCP_OK;
    const char *unit = ncp_option_unit(option);
    return json_refuse(
        reading, json_at(reading, member), "%s is %lld: use %lld to %lld%s%s",
        ncp_option_name(option), (long long)value, (long long)min,
        (long long)max, *unit == '\0' ? "" : " ", unit);
}

static int json_read_member(const struct json_reading *reading, size_t member,
                            ncp_config *config, const char *name,
                            const json_t *value)
{
    int option;

    if (ncp_option_find(name, &option) != NCP_OK) {
        ncp_config_set(config, name, ""); /* for its reason */
        return json_refuse(reading, json_at(reading, member), "%s",
                           ncp_config_reason(config));
    }
    if (option == NCP_OPTION_LISTENER_FD)
        return json_refuse(reading, json_at(reading, member),
                           "%s belongs to this process: set it with "
                           "ncp_config_set_int()",
                           name);
    int type = ncp_option_type(option);
    if (!(json_wanted[type].types & JSON_BIT(json_typeof(value))))
        return json_refuse(reading, json_at(reading, member), "%s is %s: %s",
                           name, json_found[json_typeof(value)],
                           json_wanted[type].advice);
    int status = json_set(config, option, value);
    if (status == NCP_ENOMEM)
        return json_no_memory(reading);
    if (status != NCP_OK)
        return json_refuse(reading, json_at(reading, member), "%s",
                           ncp_config_reason(config));
    return json_check_range(reading, member, config, option);
}

/* Reads all members into a copy, which is thrown away. */
static int json_try(const struct json_reading *reading, json_t *object)
{
    ncp_config *copy;
    const char *name;
    json_t *value;
    size_t member = 0;

    int status = ncp_config_copy(reading->config, &copy);
    if (status != NCP_OK)
        return json_no_memory(reading);
    json_object_foreach(object, name, value) {
        status = json_read_member(reading, member++, copy, name, value);
        if (status != NCP_OK)
            break;
    }
    ncp_config_free(copy);
    return status;
}

/* Whether setting this needs memory that the configuration does not have yet:
 * a text where none is. */
static bool json_needs_memory(const ncp_config *config, const char *name,
                              const json_t *value)
{
    int option;

    ncp_option_find(name, &option);
    return ncp_option_type(option) == NCP_TYPE_TEXT &&
           json_string_length(value) > 0 &&
           ncp_config_get(config, name, NULL, 0) == 0;
}

/* Sets what needs memory, or nothing. */
static int json_apply_new(const struct json_reading *reading, json_t *object)
{
    const char *done[JSON_TEXTS_MAX];
    size_t count = 0;
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value) {
        if (!json_needs_memory(reading->config, name, value))
            continue;
        int status =
            ncp_config_set(reading->config, name, json_string_value(value));
        if (status == NCP_OK) {
            done[count++] = name;
            continue;
        }
        while (count > 0)
            ncp_config_set(reading->config, done[--count], "");
        return json_no_memory(reading);
    }
    return NCP_OK;
}

/* Sets all members; each was set in a copy before, so that only memory can be
 * short, and what needs memory comes first. */
static int json_apply(const struct json_reading *reading, json_t *object)
{
    const char *name;
    json_t *value;
    int option;

    int status = json_apply_new(reading, object);
    if (status != NCP_OK)
        return status;
    json_object_foreach(object, name, value) {
        ncp_option_find(name, &option);
        json_set(reading->config, option, value);
    }
    return NCP_OK;
}

static int json_read_object(const struct json_reading *reading, json_t *object)
{
    struct ncp__json_position start = {.line = 1, .column = 1};

    if (!json_is_object(object))
        return json_refuse(reading, start,
                           "the text is an array: write an object of options");
    int status = json_try(reading, object);
    if (status != NCP_OK)
        return status;
    return json_apply(reading, object);
}

/* The length of the name that begins after the quote at `begin`, 0 when it is
 * not worth showing. */
static int json_name_length(const char *text, size_t begin, size_t end)
{
    enum { SHOWN_MAX = 64 };
    const char *quote;

    if (begin + 1 >= end)
        return 0;
    quote = memchr(text + begin + 1, '"', end - begin - 1);
    if (quote == NULL || quote - text - (ptrdiff_t)begin > SHOWN_MAX)
        return 0;
    return (int)(quote - text - (ptrdiff_t)begin) - 1;
}

/* What the parser refuses in a member it does not name: that is the last one
 * that begins before. */
static int json_refuse_last(const struct json_reading *reading,
                            const json_error_t *error)
{
    size_t end = (size_t)error->position;
    size_t begin = end;
    size_t next;

    for (size_t i = 0; (next = ncp__json_member(reading->text, end, i)) < end;
         i++)
        begin = next;
    struct ncp__json_position at = ncp__json_position_of(reading->text, begin);
    int length = json_name_length(reading->text, begin, end);
    if (length == 0)
        return json_refuse(reading, at, "%s", error->text);
    return json_refuse(reading, at, "%.*s: %s", length,
                       reading->text + begin + 1, error->text);
}

static int json_refuse_syntax(const struct json_reading *reading,
                              const json_error_t *error)
{
    struct ncp__json_position at = {error->line, error->column};
    enum json_error_code code = json_error_code(error);

    /* Without memory the parser mostly fails without a word. */
    if (error->text[0] == '\0' || code == json_error_out_of_memory)
        return json_no_memory(reading);
    if (code == json_error_numeric_overflow || code == json_error_duplicate_key)
        return json_refuse_last(reading, error);
    at.column = at.column < 1 ? 1 : at.column;
    return json_refuse(reading, at, "%s", error->text);
}

int ncp_json_read(ncp_config *config, const char *text, size_t length,
                  char *reason, size_t size)
{
    struct json_reading reading = {config, text, length, reason, size};
    json_error_t error;

    if (reason == NULL && size > 0)
        return NCP_EINVAL;
    if (size > 0)
        reason[0] = '\0';
    if (config == NULL || text == NULL)
        return NCP_EINVAL;
    json_t *object = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (object == NULL)
        return json_refuse_syntax(&reading, &error);
    int status = json_read_object(&reading, object);
    json_decref(object);
    return status;
}

/* ------------------------------------------------------------------ writing */

/* Where a text is written, and how long it is. */
struct json_writing {
    char *buffer;
    size_t size;
    size_t length;
};

static int json_append(const char *text, size_t length, void *user)
{
    struct json_writing *writing = user;

    for (size_t i = 0; i < length; i++) {
        if (writing->length + 1 < writing->size)
            writing->buffer[writing->length] = text[i];
        writing->length++;
    }
    return 0;
}

/* A string, or NULL with the reason in `status`. */
static json_t *json_from_text(const char *text, int *status)
{
    json_t *string = json_string(text);

    if (string != NULL)
        return string;
    /* Without the check of its UTF-8 only memory can be short. */
    string = json_string_nocheck(text);
    *status = string == NULL ? NCP_ENOMEM : NCP_EINVALIDCONFIG;
    json_decref(string);
    return NULL;
}

static json_t *json_from_option(const ncp_config *config, const char *name,
                                int *status)
{
    size_t size = (size_t)ncp_config_get(config, name, NULL, 0) + 1;
    char *text = malloc(size);

    if (text == NULL)
        return NULL;
    ncp_config_get(config, name, text, size);
    json_t *string = json_from_text(text, status);
    free(text);
    return string;
}

/* The value of an option, or NULL with the reason in `status`. */
static json_t *json_from_value(const ncp_config *config, int option,
                               int *status)
{
    int type = ncp_option_type(option);
    int64_t value;
    int64_t min;
    int64_t max;

    *status = NCP_ENOMEM;
    if (type == NCP_TYPE_TEXT)
        return json_from_option(config, ncp_option_name(option), status);
    ncp_option_range(option, NCP_MODE_CLIENT, NULL, &min, &max);
    ncp_config_get_int(config, option, &value);
    if (value < min || value > max) {
        *status = NCP_EINVALIDCONFIG;
        return NULL;
    }
    if (type == NCP_TYPE_BOOL)
        return json_boolean(value);
    if (type == NCP_TYPE_INT || value < 0)
        return json_integer(value);
    return json_from_option(config, ncp_option_name(option), status);
}

static int json_fill(json_t *object, const ncp_config *config)
{
    int option;
    int status;

    for (int i = 0; ncp_option_at(i, &option) == NCP_OK; i++) {
        if (option == NCP_OPTION_LISTENER_FD)
            continue;
        json_t *value = json_from_value(config, option, &status);
        if (value == NULL)
            return status;
        if (json_object_set_new(object, ncp_option_name(option), value) != 0)
            return NCP_ENOMEM;
    }
    return NCP_OK;
}

static int json_dump_into(const json_t *object, char *buffer, size_t size)
{
    struct json_writing writing = {buffer, size, 0};

    if (json_dump_callback(object, json_append, &writing, JSON_INDENT(4)) != 0)
        return NCP_ENOMEM;
    if (size > 0)
        buffer[writing.length < size ? writing.length : size - 1] = '\0';
    return (int)writing.length;
}

int ncp_json_write(const ncp_config *config, char *buffer, size_t size)
{
    if (buffer == NULL && size > 0)
        return NCP_EINVAL;
    if (size > 0)
        buffer[0] = '\0';
    if (config == NULL)
        return NCP_EINVAL;
    json_t *object = json_object();
    if (object == NULL)
        return NCP_ENOMEM;
    int result = json_fill(object, config);
    if (result == NCP_OK)
        result = json_dump_into(object, buffer, size);
    if (result < 0 && size > 0)
        buffer[0] = '\0';
    json_decref(object);
    return result;
}
