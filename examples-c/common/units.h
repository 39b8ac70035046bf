#ifndef COMMON_UNITS_H
#define COMMON_UNITS_H

#include <stdint.h>

/* Sizes are in bytes, durations in microseconds, times in microseconds since 1970. */

enum { UNITS_SIZE = 48 };

/* Each writes to the buffer, and returns it. */
const char *format_size(char buffer[UNITS_SIZE], uint64_t bytes);
const char *format_duration(char buffer[UNITS_SIZE], uint64_t duration);
/* The local time, to the second. */
const char *format_time(char buffer[UNITS_SIZE], uint64_t time);
/* How long ago, such as "3 min ago". */
const char *format_ago(char buffer[UNITS_SIZE], uint64_t time);

/* Each returns 0 if the text is not one. */
int parse_size(const char *text, uint64_t *bytes);
int parse_duration(const char *text, uint64_t *duration);
int parse_count(const char *text, uint64_t *count);

uint64_t clock_now(void);

#endif
