// ir: lifecycle.ll = lifecycle.c -O1
// ir: tagged_100.ll = tagged.c -O1 -DTAG=100
// ir: tagged_200.ll = tagged.c -O1 -DTAG=200
// ir: fork_handlers.ll = fork_handlers.c -O1
// ir: static_objects.ll = static_objects.cpp -O1
// flags: -rdynamic
// warm: no server

/* What lifecycle.c checks, where functions can be replaced. */
#define REPLACEABLE_EXECUTORS
#include "lifecycle.c"
