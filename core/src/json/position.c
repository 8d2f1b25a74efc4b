#include "json/position.h"

#include <stdbool.h>

/* The index after the string that begins at `i`. */
static size_t position_skip_string(const char *text, size_t length, size_t i)
{
    for (i++; i < length && text[i] != '"'; i++) {
        if (text[i] == '\\')
            i++;
    }
    return i + 1;
}

size_t ncp__json_member(const char *text, size_t length, size_t index)
{
    int depth = 0;
    bool name_follows = false;
    size_t i = 0;

    while (i < length) {
        char c = text[i];
        if (c == '"' && name_follows && index-- == 0)
            return i;
        if (c == '"') {
            name_follows = false;
            i = position_skip_string(text, length, i);
            continue;
        }
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        if (depth == 1 && (c == '{' || c == ','))
            name_follows = true;
        i++;
    }
    return length;
}

struct ncp__json_position ncp__json_position_of(const char *text, size_t offset)
{
    struct ncp__json_position position = {.line = 1, .column = 1};

    for (size_t i = 0; i < offset; i++) {
        bool inside = ((unsigned char)text[i] & 0xc0) == 0x80;
        position.column += !inside; /* a character counts at its first byte */
        if (text[i] == '\n') {
            position.line++;
            position.column = 1;
        }
    }
    return position;
}
