// ir: default.ll = thread_locals.cpp -O2
// ir: pic.ll = thread_locals.cpp -O2 -fPIC
// ir: no_pic.ll = thread_locals.cpp -O0 -fno-pic
// ir: local_exec.ll = thread_locals.cpp -O2 -fno-pic -ftls-model=local-exec
// ir: initial_exec.ll = thread_locals.cpp -O2 -fPIC -ftls-model=initial-exec
// flags: -rdynamic -pthread
// warm: no server

/* What thread_locals.cpp checks, where functions can be replaced. */
#define REPLACEABLE_EXECUTORS
#include "thread_locals.cpp"
