#define _POSIX_C_SOURCE 200809L

#include "progress.h"

#include <inttypes.h>
#include <time.h>

#include "common/line.h"

static const char *current;
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
    next_change = seconds() + 0.3;
}

void progress_tell(uint64_t done, uint64_t total, void *user)
{
    (void)user;
    if (seconds() < next_change)
        return;
    next_change = seconds() + 0.1;
    if (total > 0 && done <= total)
        line_draw("%s: %d %%", current, (int)((double)done / (double)total * 100));
    else
        line_draw("%s: %" PRIu64, current, done);
}

void progress_end(void)
{
    line_clear();
}
