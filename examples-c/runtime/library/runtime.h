#ifndef RUNTIME_H
#define RUNTIME_H

#include <stdint.h>

/*
 * The runtime library of program.ll. What a program does wrong, and a lack of memory, end the process with a message
 * and exit status 1, as an exception does that nobody catches.
 */

/* Ends the process; `format` is printf's. */
__attribute__((noreturn, cold, format(printf, 1, 2))) void rt_fail(const char *format, ...);

/* Integers, as many as are pushed. */
typedef struct rt_vector rt_vector;

rt_vector *rt_vector_new(void);
void rt_vector_free(rt_vector *vector);
int64_t rt_vector_length(const rt_vector *vector);
void rt_vector_push(rt_vector *vector, int64_t item);
int64_t rt_vector_get(const rt_vector *vector, int64_t index);
void rt_vector_set(rt_vector *vector, int64_t index, int64_t item);

/* Integers under names, of which it keeps copies. */
typedef struct rt_map rt_map;

rt_map *rt_map_new(void);
void rt_map_free(rt_map *map);
int64_t rt_map_length(const rt_map *map);
/* What is there under the name, or `otherwise`. */
int64_t rt_map_get(const rt_map *map, const char *name, int64_t otherwise);
void rt_map_set(rt_map *map, const char *name, int64_t item);

#endif
