#ifndef REPL_ISOLATE_H
#define REPL_ISOLATE_H

#include "expression.h"

/* Whether the code runs in a process of its own. */
int isolate_is_on(void);

/* Has it run there, or not. Says what is lost. */
void isolate_set(const struct typed *typed, int is_on);

/* Computes an expression there, and prints its value. Returns 0 and says why, if it did not end well. */
int isolate_evaluate(const struct typed *typed, const struct compiled_expression *expression);

/* Ends that process, if there is one. */
void isolate_stop(void);

#endif
