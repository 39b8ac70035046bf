#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include <stdint.h>

/*
 * Writes JSON to stdout, an object for each line. A member's name is NULL where there is none: in an array, and
 * of an outermost object.
 */
void json_open(const char *name);
void json_close(void);
void json_open_array(const char *name);
void json_close_array(void);
/* The outermost object's end, and the line's. */
void json_end(void);

/* NULL is null. What is no UTF-8 becomes U+FFFD. */
void json_string(const char *name, const char *value);
void json_number(const char *name, uint64_t value);
void json_null(const char *name);
void json_bool(const char *name, int value);

#endif
