// libs: -lpthread

/*
 * For the tracer's own test: a program without the library's calls. It makes a file, writes to it from another
 * thread, renames it, and starts a process, whose calls must not be counted.
 */
#include "scenario.h"

#include <pthread.h>

static int failed_with;

/* Each thread makes its calls while the other makes none, so that a call has the same number in every run. */
static volatile int created, written, over;

static void await(volatile int *flag)
{
    while (!*flag)
        ;
}

static void *write_it(void *file)
{
    await(&created);
    if (write(*(int *)file, "12345678", 8) != 8)
        failed_with = errno != 0 ? errno : -1;
    written = 1;
    await(&over);
    return NULL;
}

static void prepare(void)
{
}

static void act(void)
{
    char *before = in_folder("cache/before"), *after = in_folder("cache/after");
    pthread_t thread;
    pid_t child;
    int file, status;
    mark("<act>");
    file = open(before, O_WRONLY | O_CREAT, 0600);
    errno = 0;
    CHECK(pthread_create(&thread, NULL, write_it, &file) == 0);
    created = 1;
    await(&written);
    CHECK(raise(SIGCHLD) == 0);
    child = vfork();
    if (child == 0) {
        (void)!access("/only-the-child", F_OK);
        _exit(7);
    }
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
    if (rename(before, after) != 0)
        failed_with = errno;
    mark("</act>");
    over = 1;
    CHECK(pthread_join(thread, NULL) == 0);
    if (failed_with != 0) {
        fprintf(stderr, "failed with %d\n", failed_with);
        scenario_clean_error = 1;
    }
}

static void check(scenario_fate fate)
{
    (void)fate;
    mark("<act>");
    for (;;)
        pause();
}

SCENARIO
