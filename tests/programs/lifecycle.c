/* Constructors, destructors and handlers that tell the host's note() when they run. TAG tells modules apart. */
#include <stdlib.h>

void note(int what);

__attribute__((constructor(200))) static void second(void) { note('2'); }
__attribute__((constructor)) static void third(void) { note('3'); }
__attribute__((constructor(101))) static void first(void) { note('1'); }

__attribute__((destructor(200))) static void second_last(void) { note('y'); }
__attribute__((destructor)) static void third_last(void) { note('x'); }
__attribute__((destructor(101))) static void last(void) { note('z'); }

static void handler_one(void) { note('A'); }
static void handler_two(void) { note('B'); }
static void quick_handler(void) { note('Q'); }

void register_handlers(void)
{
    atexit(handler_one);
    atexit(handler_two);
}

void register_quick_handler(void)
{
    at_quick_exit(quick_handler);
}

int loaded(void)
{
    return 1;
}
