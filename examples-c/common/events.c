#define _POSIX_C_SOURCE 200809L

#include "events.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "line.h"
#include "message.h"
#include "report.h"

/* When the compile that the line shows, the latest one, began. Guarded by the lock of stderr. */
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
        snprintf(amount, sizeof amount, ": %" PRIu64 " of %" PRIu64 "%s", event->done, event->total,
                 strcmp(event->message, "pieces") != 0 ? " functions" : "");
    else if (rest > 0)
        snprintf(amount, sizeof amount, ": %" PRIu64 " %s ahead", rest, rest == 1 ? "compile" : "compiles");
    line_draw("%s: %s%s, %.1f s", program_name, event->message, amount, seconds() - started);
}

/* Draws the line for progress. Removes it for any other event, which may be printed. */
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

/* Bypasses stdio, as the line does, so that the program that runs later finds stderr untouched. */
static void print(const mgenjit_event *event)
{
    const mgenjit_times *times = event->times;
    dprintf(STDERR_FILENO, "%s: %s %.12s: ", program_name, event->name, event->key);
    switch (event->kind) {
    case MGENJIT_EVENT_HIT:
        dprintf(STDERR_FILENO, "in the cache: %" PRIu64 " bytes, found in %" PRIu64 " µs", event->bytes,
                times->hash_us + times->find_us);
        break;
    case MGENJIT_EVENT_MISS: dprintf(STDERR_FILENO, "not in the cache"); break;
    case MGENJIT_EVENT_COMPILE_STARTED: dprintf(STDERR_FILENO, "compiling %" PRIu64 " bytes of IR", event->bytes); break;
    case MGENJIT_EVENT_COMPILED:
        dprintf(STDERR_FILENO, "compiled to %" PRIu64 " bytes in %" PRIu64 " µs", event->bytes, times->compile_us);
        break;
    case MGENJIT_EVENT_STORED:
        dprintf(STDERR_FILENO, "stored %" PRIu64 " bytes in %" PRIu64 " µs", event->bytes, times->store_us);
        break;
    case MGENJIT_EVENT_LOADED:
        dprintf(STDERR_FILENO, "mapped %" PRIu64 " bytes in %" PRIu64 " µs", event->bytes, times->map_us);
        break;
    case MGENJIT_EVENT_CACHE_WARNING: dprintf(STDERR_FILENO, "cache warning"); break;
    case MGENJIT_EVENT_DIFFERENT: dprintf(STDERR_FILENO, "compiled again: the code differs from the cached code"); break;
    case MGENJIT_EVENT_NOT_ISOLATED: dprintf(STDERR_FILENO, "the compile server is not isolated"); break;
    case MGENJIT_EVENT_SERVER_WARNING: dprintf(STDERR_FILENO, "compile server warning"); break;
    case MGENJIT_EVENT_REMOTE_HIT:
        dprintf(STDERR_FILENO, "fetched %" PRIu64 " bytes in %" PRIu64 " µs from a remote", event->bytes, times->remote_us);
        break;
    case MGENJIT_EVENT_REMOTE_WARNING: dprintf(STDERR_FILENO, "remote warning"); break;
    case MGENJIT_EVENT_SWITCHED:
        dprintf(STDERR_FILENO, "switched to optimised code of %" PRIu64 " bytes", event->bytes);
        break;
    case MGENJIT_EVENT_WARNING: dprintf(STDERR_FILENO, "warning"); break;
    default: dprintf(STDERR_FILENO, "event %" PRId32, event->kind);
    }
    char *message = message_for_tools(event->message);
    dprintf(STDERR_FILENO, "%s%s\n", event->message[0] != '\0' ? ": " : "", message != NULL ? message : event->message);
    free(message);
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
