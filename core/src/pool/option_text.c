/*
 * The texts of option values: "30s", "true", "lifo", "10".
 */
#include "pool/options.h"

#include <stdio.h>
#include <string.h>

#define DURATION_SECOND INT64_C(1000000000)

static char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool ascii_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool ncp__text_equal(const char *a, const char *b)
{
    while (*a != '\0' && ascii_lower(*a) == ascii_lower(*b)) {
        a++;
        b++;
    }
    return ascii_lower(*a) == ascii_lower(*b);
}

/* ------------------------------------------------------------ whole numbers */

enum option_result { OPTION_READ_OK, OPTION_READ_WRONG, OPTION_READ_TOO_LARGE };

/* Adds a digit at the right of a number that is kept below 0, where there is
 * room for INT64_MIN. */
static bool option_push_digit(int64_t *number, char digit)
{
    return !__builtin_mul_overflow(*number, 10, number) &&
           !__builtin_sub_overflow(*number, digit - '0', number);
}

static enum option_result option_read_whole(const char *text, int64_t *out)
{
    bool negative = *text == '-';
    int64_t number = 0;

    text += negative;
    if (*text == '\0')
        return OPTION_READ_WRONG;
    for (const char *c = text; *c != '\0'; c++) {
        if (!ascii_digit(*c))
            return OPTION_READ_WRONG;
    }
    for (; *text != '\0'; text++) {
        if (!option_push_digit(&number, *text))
            return OPTION_READ_TOO_LARGE;
    }
    if (!negative && __builtin_sub_overflow((int64_t)0, number, &number))
        return OPTION_READ_TOO_LARGE;
    *out = number;
    return OPTION_READ_OK;
}

/* ---------------------------------------------------------------- durations */

struct duration_unit {
    const char *name;
    int64_t ns;
};

/* A name that begins with another one stands before it. */
static const struct duration_unit duration_units[] = {
    {"h", 3600 * DURATION_SECOND}, {"ms", 1000000}, {"m", 60 * DURATION_SECOND},
    {"s", DURATION_SECOND},        {"us", 1000},    {"\xc2\xb5s", 1000},
    {"\xce\xbcs", 1000},           {"ns", 1},
};

static const struct duration_unit *duration_unit_at(const char *text)
{
    size_t count = sizeof duration_units / sizeof duration_units[0];

    for (size_t i = 0; i < count; i++) {
        const char *name = duration_units[i].name;
        if (strncmp(text, name, strlen(name)) == 0)
            return &duration_units[i];
    }
    return NULL;
}

/* Adds what the digits after a point are worth; parts of a nanosecond are
 * refused, as nothing here can keep them. */
static enum option_result duration_add_fraction(const char *digits,
                                                const char *end,
                                                int64_t unit_ns, int64_t *total)
{
    int64_t scale = unit_ns;

    for (; digits < end; digits++) {
        int64_t worth = (*digits - '0') * scale;
        scale /= 10;
        if (worth % 10 != 0 || (scale == 0 && *digits != '0' && worth == 0))
            return OPTION_READ_WRONG;
        if (__builtin_add_overflow(*total, worth / 10, total))
            return OPTION_READ_TOO_LARGE;
    }
    return OPTION_READ_OK;
}

/* Reads one part, such as "1.5s", adds it to `total` and moves `*text` on. */
static enum option_result duration_read_part(const char **text, int64_t *total)
{
    const char *whole = *text;
    const char *point = whole;
    int64_t number = 0;

    while (ascii_digit(*point))
        point++;
    const char *fraction = *point == '.' ? point + 1 : point;
    const char *end = fraction;
    while (ascii_digit(*end))
        end++;
    const struct duration_unit *unit = duration_unit_at(end);
    if (point == whole || unit == NULL || (*point == '.' && end == fraction))
        return OPTION_READ_WRONG;
    for (; whole < point; whole++) {
        if (!option_push_digit(&number, *whole))
            return OPTION_READ_TOO_LARGE;
    }
    if (__builtin_mul_overflow(number, -unit->ns, &number) ||
        __builtin_add_overflow(*total, number, total))
        return OPTION_READ_TOO_LARGE;
    *text = end + strlen(unit->name);
    return duration_add_fraction(fraction, end, unit->ns, total);
}

/* Reads "1h30m", "-1.5s"; the result is in milliseconds. */
static enum option_result duration_read_parts(const char *text, int64_t *out)
{
    bool negative = *text == '-';
    int64_t total = 0;

    text += negative;
    do {
        enum option_result result = duration_read_part(&text, &total);
        if (result != OPTION_READ_OK)
            return result;
    } while (*text != '\0');
    if (total % (int64_t)NCP__NS_PER_MS != 0)
        return OPTION_READ_WRONG;
    total /= (int64_t)NCP__NS_PER_MS;
    *out = negative ? -total : total;
    return OPTION_READ_OK;
}

/* As Go writes a time.Duration: "250ms", "1.5s", "5m0s", "1h0m0s". What is
 * below 0 or beyond what the parts can say is a plain number. */
static int duration_write(int64_t ms, char *buffer, size_t size)
{
    char seconds[16];

    if (ms < 0 || ms > INT64_MAX / (int64_t)NCP__NS_PER_MS)
        return snprintf(buffer, size, "%lld", (long long)ms);
    if (ms == 0)
        return snprintf(buffer, size, "0s");
    if (ms < 1000)
        return snprintf(buffer, size, "%dms", (int)ms);
    int n = snprintf(seconds, sizeof seconds, "%d.%03d", (int)(ms / 1000 % 60),
                     (int)(ms % 1000));
    while (seconds[n - 1] == '0')
        n--;
    if (seconds[n - 1] == '.')
        n--;
    seconds[n] = '\0';
    long long minutes = ms / 60000;
    if (minutes == 0)
        return snprintf(buffer, size, "%ss", seconds);
    if (minutes < 60)
        return snprintf(buffer, size, "%lldm%ss", minutes, seconds);
    return snprintf(buffer, size, "%lldh%lldm%ss", minutes / 60, minutes % 60,
                    seconds);
}

/* ----------------------------------------------------------- reader by type */

static int option_refuse_text(const struct ncp__option_row *row,
                              const char *text, enum option_result result,
                              const char *advice, char *reason)
{
    char quote[NCP__QUOTE_SIZE];

    if (result == OPTION_READ_TOO_LARGE)
        return ncp__refuse(reason, "%s is \"%s\", which is too large: %s",
                           row->name, ncp__quote(quote, text), advice);
    return ncp__refuse(reason, "%s is \"%s\": %s", row->name,
                       ncp__quote(quote, text), advice);
}

static int option_read_int(const struct ncp__option_row *row, const char *text,
                           int64_t *out, char *reason)
{
    enum option_result result = option_read_whole(text, out);

    if (result == OPTION_READ_OK)
        return NCP_OK;
    return option_refuse_text(row, text, result, "use a whole number", reason);
}

static int option_read_duration(const struct ncp__option_row *row,
                                const char *text, int64_t *out, char *reason)
{
    enum option_result result = option_read_whole(text, out);

    if (result == OPTION_READ_WRONG)
        result = duration_read_parts(text, out);
    if (result == OPTION_READ_OK)
        return NCP_OK;
    return option_refuse_text(
        row, text, result,
        "use a duration in whole milliseconds, such as 250ms, "
        "30s or 5m0s",
        reason);
}

static int option_read_bool(const struct ncp__option_row *row, const char *text,
                            int64_t *out, char *reason)
{
    static const char *const words[] = {"false", "true", "off", "on",
                                        "no",    "yes",  "0",   "1"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (ncp__text_equal(text, words[i])) {
            *out = (int64_t)(i % 2);
            return NCP_OK;
        }
    }
    return option_refuse_text(row, text, OPTION_READ_WRONG,
                              "use true or false, on or off, yes or no",
                              reason);
}

static int option_read_enum(const struct ncp__option_row *row, const char *text,
                            int64_t *out, char *reason)
{
    char advice[128] = "use";
    size_t used = strlen(advice);

    for (int64_t i = row->min; i <= row->max; i++) {
        if (ncp__text_equal(text, row->names[i])) {
            *out = i;
            return NCP_OK;
        }
        used += (size_t)snprintf(advice + used, sizeof advice - used, "%s %s",
                                 i == row->min ? "" : " or", row->names[i]);
        NCP__ASSERT(used < sizeof advice);
    }
    return option_refuse_text(row, text, OPTION_READ_WRONG, advice, reason);
}

typedef int (*option_reader)(const struct ncp__option_row *row,
                             const char *text, int64_t *out, char *reason);

static const option_reader option_readers[] = {
    [NCP_TYPE_INT] = option_read_int,
    [NCP_TYPE_BOOL] = option_read_bool,
    [NCP_TYPE_DURATION] = option_read_duration,
    [NCP_TYPE_ENUM] = option_read_enum,
};

int ncp__option_read(int option, const char *text, int64_t *out, char *reason)
{
    const struct ncp__option_row *row = ncp__option_row(option);

    NCP__ASSERT(row != NULL && row->type != NCP_TYPE_TEXT);
    return option_readers[row->type](row, text, out, reason);
}

int ncp__option_write(int option, int64_t value, char *buffer, size_t size)
{
    const struct ncp__option_row *row = ncp__option_row(option);

    NCP__ASSERT(row != NULL && row->type != NCP_TYPE_TEXT);
    if (row->type == NCP_TYPE_DURATION)
        return duration_write(value, buffer, size);
    bool named = value >= row->min && value <= row->max;
    if (row->type == NCP_TYPE_BOOL && named)
        return snprintf(buffer, size, "%s", value ? "true" : "false");
    if (row->type == NCP_TYPE_ENUM && named)
        return snprintf(buffer, size, "%s", row->names[value]);
    return snprintf(buffer, size, "%lld", (long long)value);
}
