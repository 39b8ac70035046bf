#ifndef RUN_CALL_H
#define RUN_CALL_H

#include "mgenjit.h"

/* A call as the user wrote it, such as: fibonacci(10) */
struct call {
    const char *source;
    /* A copy of it, which is cut up: the strings among the arguments lie in it. */
    char *text;
    /* The name of the function, and where its arguments begin. */
    char *name;
    char *arguments;
};

/* Reads the name. Returns 0 for success, else an exit code: what is wrong has been said. */
int call_parse(struct call *call, const char *source);

/*
 * Reads the arguments by the types of the function's parameters, calls it, and prints the result. Returns 0
 * for success, else an exit code: what is wrong has been said.
 */
int call_run(struct call *call, mgenjit_executor *executor);

/* Frees the call; not before the code that was called is gone, which may have kept a string. */
void call_free(struct call *call);

#endif
