#ifndef COMMON_TEXT_H
#define COMMON_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Reads one character of UTF-8 and moves `*text` behind it. What is no UTF-8 is one byte, and gives U+FFFD, with
 * `*valid` 0.
 */
uint32_t text_decode(const char **text, int *valid);

/* How many places a text takes, as far as its characters take one each. */
size_t text_width(const char *text);

/*
 * Prints a text that somebody else chose: what would move a terminal's cursor, or turn what follows around, is
 * printed as an escape sequence of C.
 */
void text_put(FILE *file, const char *text);

/* As text_put, but newlines stay. */
void text_put_lines(FILE *file, const char *text);

#endif
