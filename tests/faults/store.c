/* A module is compiled into a cache that has nothing yet. */
#include "multiply.h"

static void prepare(void)
{
}

static void act(void)
{
    act_multiply();
}

static void check(scenario_fate fate)
{
    check_multiply(fate);
}

SCENARIO
