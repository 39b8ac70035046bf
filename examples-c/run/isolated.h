#ifndef RUN_ISOLATED_H
#define RUN_ISOLATED_H

#include "common/list.h"
#include "mgenjit.h"

/* What the options ask of a process of its own; NULL and 0 where they say nothing. */
struct isolated {
    mgenjit_isolation *isolation;
    struct list variables;
    uint64_t output;
};

/* Returns 0, with an error, if there is not enough memory. */
int isolated_new(struct isolated *isolated, int argc, mgenjit_error **error);
void isolated_free(struct isolated *isolated);

/* Read "5s", "500ms", "2m", "1h" or "5" as milliseconds, "10M", "1G", "64K" or "100" as bytes, and "8" as a number. Return 0 if it
 * is none. */
int isolated_duration(const char *text, uint64_t *milliseconds);
int isolated_size(const char *text, uint64_t *bytes);
int isolated_count(const char *text, uint64_t *count);

/* Runs the main of an executor. Returns the exit code: the program's own, 124 if its time was up, or 128 + the signal that
 * ended it. */
int isolated_run(struct isolated *isolated, mgenjit_executor *executor, const char *const *arguments, int argument_count);

#endif
