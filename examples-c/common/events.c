#define _POSIX_C_SOURCE 200809L

#include "events.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "line.h"
#include "report.h"

/* When the compile began that the line is about: the one that began last. Whoever changes it has stderr locked. */
static double started;

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void draw(const mgenjit_event *event)
{
    char amount[64] = "";
    uint64_t rest = event->done < event->total ? event->total - event->done : 0;
    if (strcmp(event->message, "queue") != 0 && event->total > 0)
        snprintf(amount, sizeof amount, ": %" PRIu64 " of %" PRIu64 " functions", event->done, event->total);
    else if (rest > 0)
        snprintf(amount, sizeof amount, ": %" PRIu64 " %s first", rest, rest == 1 ? "compile comes" : "compiles come");
    line_draw("%s: %s%s, %.1f s", program_name, event->message, amount, seconds() - started);
}

/* Draws the line or, as anything else that happens may be printed, removes it. */
static void show(const mgenjit_event *event)
{
    if (event->kind == MGENJIT_EVENT_PROGRESS) {
        draw(event);
        return;
    }
    line_clear();
    if (event->kind == MGENJIT_EVENT_COMPILE_STARTED)
        started = seconds();
}

static void print(const mgenjit_event *event)
{
    const mgenjit_times *times = event->times;
    fprintf(stderr, "%s: %s %.12s: ", program_name, event->name, event->key);
    switch (event->kind) {
    case MGENJIT_EVENT_HIT:
        fprintf(stderr, "in the cache: %" PRIu64 " bytes, found in %" PRIu64 " µs", event->bytes,
                times->hash + times->find);
        break;
    case MGENJIT_EVENT_MISS: fprintf(stderr, "not in the cache"); break;
    case MGENJIT_EVENT_COMPILE_STARTED: fprintf(stderr, "compiling %" PRIu64 " bytes of IR", event->bytes); break;
    case MGENJIT_EVENT_COMPILED:
        fprintf(stderr, "compiled to %" PRIu64 " bytes in %" PRIu64 " µs", event->bytes, times->compile);
        break;
    case MGENJIT_EVENT_STORED:
        fprintf(stderr, "stored %" PRIu64 " bytes in %" PRIu64 " µs", event->bytes, times->store);
        break;
    case MGENJIT_EVENT_LOADED:
        fprintf(stderr, "mapped %" PRIu64 " bytes in %" PRIu64 " µs", event->bytes, times->map);
        break;
    case MGENJIT_EVENT_CACHE_TROUBLE: fprintf(stderr, "trouble with the cache"); break;
    case MGENJIT_EVENT_DIFFERENT: fprintf(stderr, "compiled again, it is not what the cache has"); break;
    case MGENJIT_EVENT_NOT_ISOLATED: fprintf(stderr, "the compile server is not isolated"); break;
    case MGENJIT_EVENT_SERVER_TROUBLE: fprintf(stderr, "trouble with the compile server"); break;
    default: fprintf(stderr, "event %" PRId32, event->kind);
    }
    fprintf(stderr, "%s%s\n", event->message[0] != '\0' ? ": " : "", event->message);
}

void events_show_progress(const mgenjit_event *event, void *user)
{
    (void)user;
    flockfile(stderr);
    show(event);
    funlockfile(stderr);
}

void events_print(const mgenjit_event *event, void *user)
{
    (void)user;
    flockfile(stderr);
    show(event);
    if (event->kind != MGENJIT_EVENT_PROGRESS)
        print(event);
    funlockfile(stderr);
}
