#ifndef REPL_GUARD_H
#define REPL_GUARD_H

#include <stddef.h>

/* How a call ended that did not return. */
struct fault {
    /* The signal; 0: it returned. */
    int signal;
    /* Where the code was, and what it could not access. NULL if that is not known. */
    void *code;
    void *address;
    /* Whether it was in the code of a module, so that the C library is as it was. */
    int is_ours;
};

/*
 * Prepares for faults and for Ctrl-C. If the process ends because of a fault that it cannot survive, what was defined is
 * written to a file at `path`, unless that is NULL.
 */
void guard_start(const char *path);

/* The process ends as it should: to be called before it does. */
void guard_stop(void);

/* Calls code that may fault or not end. */
struct fault guard_call(void (*code)(void *), void *argument);

/* Whether memory can still be allocated after a fault in the C library, whose locks may be held for ever. */
int guard_heap_works(void);

/* Ends the process, because it cannot go on. Says so, and saves the log. */
void guard_give_up(const char *why);

/* Whether the user has pressed Ctrl-C, outside of a call, since the last call or guard_calm. */
int guard_is_interrupted(void);
void guard_calm(void);

#endif
