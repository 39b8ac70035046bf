/* A module is found in the cache. If it cannot be, it is compiled; what was there stays. */
#include "multiply.h"

static void prepare(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    int origin = 0;
    CHECK(try_multiply(executor, &origin));
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, origin);
    mgenjit_executor_free(executor);
}

static void act(void)
{
    act_multiply();
}

static void check(scenario_fate fate)
{
    check_multiply(fate == DAMAGED ? fate : AGAIN);
}

SCENARIO
