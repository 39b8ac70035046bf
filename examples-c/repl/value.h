#ifndef REPL_VALUE_H
#define REPL_VALUE_H

#include <stddef.h>

#include "buffer.h"

/*
 * A value of any type is printed from its scalars: the code that computes it stores each to a slot, and what prints them
 * follows the type again. So nobody needs to know how a structure lies in memory.
 */
enum { SLOT_SIZE = 16, MAX_SLOTS = 256 };

/*
 * Adds IR that stores the scalars of a value of a type, which lies in memory at the operand `at`, to the slots at %slots.
 * Returns their number.
 */
size_t add_stores(struct buffer *body, const char *type, const char *at);

/* Prints a value of a type from its slots, and a newline. */
void print_slots(const char *type, const char *slots);

#endif
