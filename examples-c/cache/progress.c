#define _POSIX_C_SOURCE 200809L

#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const char *current;
static int is_terminal;
static int is_shown;
static double next_change;

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void progress_start(const char *what)
{
    current = what;
    is_terminal = isatty(STDERR_FILENO);
    next_change = is_terminal ? seconds() + 0.3 : 0;
}

void progress_tell(uint64_t done, uint64_t total, void *user)
{
    (void)user;
    if (!is_terminal || seconds() < next_change)
        return;
    next_change = seconds() + 0.1;
    is_shown = 1;
    if (total > 0 && done <= total)
        fprintf(stderr, "\r%s: %d %%\033[K", current, (int)((double)done / (double)total * 100));
    else
        fprintf(stderr, "\r%s: %" PRIu64 "\033[K", current, done);
    fflush(stderr);
}

void progress_end(void)
{
    if (is_shown)
        fputs("\r\033[K", stderr);
    is_shown = 0;
}
