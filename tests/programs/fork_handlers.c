#include <pthread.h>

void note(int what);

static void prepare(void) { note('p'); }
static void parent(void) { note('P'); }
static void child(void) { note('C'); }

int register_fork_handlers(void)
{
    return pthread_atfork(prepare, parent, child);
}
