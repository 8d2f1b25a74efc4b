/*
 * The enumerations as the public header writes them, so that no test copies a
 * list by hand. NCP_HEADER is the path of the header.
 */
#ifndef CONFIG_HEADER_H
#define CONFIG_HEADER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct header_value {
    char name[64];
    int value;
};

/* The header without its comments; lives as long as the process. */
static inline char *header_text(void)
{
    static char text[256 * 1024];
    FILE *file = fopen(NCP_HEADER, "rb");

    if (file == NULL)
        abort();
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    for (char *c = text; (c = strstr(c, "/*")) != NULL;) {
        char *end = strstr(c, "*/");
        if (end == NULL)
            abort();
        memset(c, ' ', (size_t)(end + 2 - c));
    }
    return text;
}

/* The values of `enum <name>` in the order of the header; returns how many. */
static inline size_t header_enum(const char *name, struct header_value *values,
                                 size_t max)
{
    char start[64];
    size_t count = 0;

    snprintf(start, sizeof start, "enum %s {", name);
    char *body = strstr(header_text(), start);
    if (body == NULL)
        abort();
    *strchr(body, '}') = '\0';
    body += strlen(start);
    for (char *item = strtok(body, ","); item; item = strtok(NULL, ",")) {
        if (strchr(item, '=') == NULL)
            continue;
        if (count == max ||
            sscanf(item, " %63[A-Z0-9_] = %d", values[count].name,
                   &values[count].value) != 2)
            abort();
        count++;
    }
    return count;
}

/* "NCP_OPTION_MAX_IDLE" without "NCP_OPTION_", in lower case. */
static inline void header_lower(char *out, const char *name, const char *prefix)
{
    if (strncmp(name, prefix, strlen(prefix)) != 0)
        abort();
    name += strlen(prefix);
    do {
        *out++ =
            *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a') : *name;
    } while (*name++ != '\0');
}

#endif
