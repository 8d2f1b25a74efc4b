/*
 * Where a member of an object stands; the parser does not remember it.
 */
#ifndef NCP_JSON_POSITION_H
#define NCP_JSON_POSITION_H

#include <stddef.h>

struct ncp__json_position {
    int line; /* both from 1; a column is a character */
    int column;
};

/* Where the name of member `index` of the object in `text` begins, in bytes;
 * `length` when there are fewer members. The text is JSON, or the beginning of
 * some. */
size_t ncp__json_member(const char *text, size_t length, size_t index);

struct ncp__json_position ncp__json_position_of(const char *text,
                                                size_t offset);

#endif
