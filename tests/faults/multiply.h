/* A module that scenarios compile, or find in the cache, and use. */
#ifndef MULTIPLY_H
#define MULTIPLY_H

#include "scenario.h"

static const char MULTIPLY_IR[] = "define i64 @multiply(i64 %a, i64 %b) {\n  %p = mul i64 %a, %b\n  ret i64 %p\n}\n";

typedef long long (*multiply_function)(long long, long long);

/* Compiles or hits, and uses the code. Returns whether that could be done; a wrong result ends the program. */
static inline int try_multiply(mgenjit_executor *executor, int *origin)
{
    mgenjit_module *module = NULL;
    void *address = NULL;
    int found = 0;
    if (TRY(mgenjit_executor_compile(executor, "multiply", MULTIPLY_IR, strlen(MULTIPLY_IR), &module, &failure))) {
        *origin = mgenjit_module_origin(module);
        found = TRY(mgenjit_module_lookup(module, "multiply", &address, &failure));
        if (found)
            CHECK_INT(42, ((multiply_function)address)(6, 7));
        CHECK_OK(mgenjit_module_remove(module, &failure));
    }
    mgenjit_module_free(module);
    return found;
}

/* As an act: from a new executor to its end. If that cannot be done, it can once the fault is over. */
static inline void act_multiply(void)
{
    mgenjit_executor *executor;
    int origin;
    mark("<act>");
    executor = new_executor(NULL);
    if (try_multiply(executor, &origin)) {
        mgenjit_executor_free(executor);
        mark("</act>");
        return;
    }
    mark("</act>");
    CHECK(try_multiply(executor, &origin));
    mgenjit_executor_free(executor);
}

/* As a check: it can be done, and comes from the cache if nothing happened to it. */
static inline void check_multiply(scenario_fate fate)
{
    mgenjit_executor *executor = new_executor(NULL);
    int origin = 0;
    CHECK(try_multiply(executor, &origin));
    if (fate == UNHARMED || fate == AGAIN)
        CHECK_INT(MGENJIT_ORIGIN_CACHE, origin);
    mgenjit_executor_free(executor);
}

#endif
