/*
 * What the scenarios for fault injection share; tests/support/faults/mod.rs says what a scenario is. A scenario
 * defines prepare, act and check, and ends with SCENARIO.
 */
#ifndef SCENARIO_H
#define SCENARIO_H

#include "../c/check.h"

/* What happened before a check. */
typedef enum scenario_fate {
    UNHARMED,
    /* The act was killed. */
    KILLED,
    /* Calls of the act failed. */
    FAILED,
    /* Files of the cache were changed. */
    DAMAGED,
    /* Another check found it usable: now it must be whole. */
    AGAIN,
} scenario_fate;

/* Exit statuses of an act. */
enum { CLEAN_ERROR = 3, CACHE_ERROR = 4 };

static int scenario_clean_error;
static int scenario_cache_error;

/* Calls are counted between mark("<act>") and mark("</act>"). */
static inline void mark(const char *text)
{
    CHECK(write(-1, text, strlen(text)) == -1);
}

/*
 * Whether a call of the library, which is given &failure, succeeded. If not, its error must be one that says that
 * something was not to be had, not that the module or the caller was at fault.
 */
#define TRY(call) (check_reset(), try_call(__FILE__, __LINE__, #call, (call), &scenario_clean_error))

/* The same for an operation on the cache itself, which may also fail because of the cache. */
#define TRY_CACHE(call) (check_reset(), try_call(__FILE__, __LINE__, #call, (call), &scenario_cache_error))

static inline int try_call(const char *file, int line, const char *what, mgenjit_status status, int *failed)
{
    check_status(file, line, what, status, status);
    switch (status) {
    case MGENJIT_STATUS_OK:
        return 1;
    case MGENJIT_STATUS_SERVER_UNAVAILABLE:
    case MGENJIT_STATUS_SERVER_CRASHED:
    case MGENJIT_STATUS_LOAD:
    case MGENJIT_STATUS_IO:
        break;
    case MGENJIT_STATUS_CACHE:
        if (failed == &scenario_cache_error)
            break;
        /* fall through */
    default:
        check_failed(file, line, "%s: %s: %s", what, mgenjit_status_name(status), mgenjit_error_message(failure));
    }
    fprintf(stderr, "%s: %s\n", mgenjit_status_name(status), mgenjit_error_message(failure));
    *failed = 1;
    return 0;
}

static inline int run_scenario(int argc, char **argv, void (*prepare)(void), void (*act)(void),
                               void (*check)(scenario_fate))
{
    static const char *const FATES[] = { "unharmed", "killed", "failed", "damaged", "again" };
    if (argc == 2 && strcmp(argv[1], "prepare") == 0) {
        prepare();
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "act") == 0) {
        act();
        return scenario_clean_error ? CLEAN_ERROR : scenario_cache_error ? CACHE_ERROR : 0;
    }
    for (int fate = UNHARMED; argc == 3 && strcmp(argv[1], "check") == 0 && fate <= AGAIN; fate++) {
        if (strcmp(argv[2], FATES[fate]) == 0) {
            check((scenario_fate)fate);
            return 0;
        }
    }
    fprintf(stderr, "usage: %s prepare | act | check unharmed|killed|failed|damaged|again\n", argv[0]);
    return 2;
}

#define SCENARIO                                             \
    int main(int argc, char **argv)                          \
    {                                                        \
        return run_scenario(argc, argv, prepare, act, check); \
    }

#endif
