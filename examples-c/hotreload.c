/*
 * A thread calls a function ten million times a second while the file that defines it is edited.
 *
 *   hotreload FILE        watches FILE, which defines `i64 @step(i64)`, until it gets SIGINT or SIGTERM
 *   hotreload --demo FILE edits a copy of FILE by itself, and ends
 *
 * Only the host's part is needed for this: a replaceable executor, one look-up, and mgenjit_module_replace. The old code of a
 * function is unmapped once the thread has been seen outside of it. State that must outlive an edit, such as @calls, is
 * the host's; a version could also declare what the version before it defines.
 */
#define _XOPEN_SOURCE 700
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "mgenjit.h"

typedef int64_t step_function(int64_t);

/* The calls of a slice of time, which is that of one wake-up. */
enum { CALLS_OF_SLICE = 10000, SLICE_NS = 1000000, NS = 1000000000 };

static step_function *step;
/* What compiled code counts. */
static int64_t calls;
/* The thread is in no compiled code when it counts a slice. */
static int64_t slices;
static int64_t last_result;
static int ending;

static volatile sig_atomic_t interrupted;

static mgenjit_executor *executor;
static mgenjit_module *module;
static int versions;

static void fail(const char *what, mgenjit_error *error)
{
    fprintf(stderr, "hotreload: %s: %s\n", what, mgenjit_error_message(error));
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / NS;
}

static void *call(void *unused)
{
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    while (!__atomic_load_n(&ending, __ATOMIC_ACQUIRE)) {
        int64_t value = 0;
        for (int i = 0; i < CALLS_OF_SLICE; i++)
            value = step(value);
        __atomic_store_n(&last_result, value, __ATOMIC_RELAXED);
        __atomic_add_fetch(&slices, 1, __ATOMIC_SEQ_CST);
        next.tv_nsec += SLICE_NS;
        if (next.tv_nsec >= NS) {
            next.tv_nsec -= NS;
            next.tv_sec++;
        }
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
    return unused;
}

/* Waits until the thread has begun and ended so many slices. */
static void wait_for_slices(int count)
{
    const struct timespec pause = {0, SLICE_NS / 10};
    const int64_t end = __atomic_load_n(&slices, __ATOMIC_SEQ_CST) + count;
    while (__atomic_load_n(&slices, __ATOMIC_SEQ_CST) < end)
        nanosleep(&pause, NULL);
}

static mgenjit_source *source_of(const char *path)
{
    mgenjit_error *error = NULL;
    mgenjit_source *source = NULL;
    const char *slash = strrchr(path, '/');
    if (mgenjit_source_new(slash != NULL ? slash + 1 : path, &source, &error) != MGENJIT_STATUS_OK ||
        mgenjit_source_add_file(source, path, &error) != MGENJIT_STATUS_OK)
        fail(path, error);
    return source;
}

/* What the running version makes of 0 in a slice, and how fast. */
static void report(const char *what, double took)
{
    const int slices_to_see = 100;
    const double begun = now();
    wait_for_slices(slices_to_see);
    printf("%s: ", what);
    if (took > 0)
        printf("replaced in %.2f ms, ", took * 1e3);
    printf("each step adds %" PRId64 ", %.1f million calls in %.2f s\n",
           __atomic_load_n(&last_result, __ATOMIC_RELAXED) / CALLS_OF_SLICE,
           slices_to_see * (double)CALLS_OF_SLICE / 1e6, now() - begun);
    fflush(stdout);
}

/* Puts what the file has now in the place of what runs. */
static void reload(const char *path)
{
    mgenjit_error *error = NULL;
    mgenjit_module *next = NULL;
    mgenjit_source *source = source_of(path);
    char what[64];
    const double begun = now();
    const mgenjit_status status = mgenjit_module_replace(module, source, MGENJIT_ALLOW_NOTHING, &next, &error);
    const double took = now() - begun;
    mgenjit_source_free(source);
    if (status != MGENJIT_STATUS_OK) {
        printf("not replaced: %s\n", mgenjit_error_message(error));
        fflush(stdout);
        mgenjit_error_free(error);
        return;
    }
    /* The thread may be in the slice that it was in before, and in no earlier one. */
    wait_for_slices(1);
    if (mgenjit_module_retire(module, NULL, &error) != MGENJIT_STATUS_OK)
        fail(path, error);
    mgenjit_module_free(module);
    module = next;
    snprintf(what, sizeof what, "version %d", ++versions);
    report(what, took);
}

static void start(const char *path)
{
    mgenjit_error *error = NULL;
    mgenjit_config *config = NULL;
    mgenjit_function *function = NULL;
    mgenjit_source *source = source_of(path);
    if (mgenjit_config_new(&config, &error) != MGENJIT_STATUS_OK ||
        mgenjit_config_set_replaceable(config, true, &error) != MGENJIT_STATUS_OK ||
        mgenjit_executor_new(config, &executor, &error) != MGENJIT_STATUS_OK ||
        mgenjit_executor_define(executor, "calls", &calls, &error) != MGENJIT_STATUS_OK ||
        mgenjit_executor_compile_source(executor, source, &module, &error) != MGENJIT_STATUS_OK ||
        mgenjit_executor_lookup_function(executor, "step", &function, &error) != MGENJIT_STATUS_OK)
        fail(path, error);
    mgenjit_config_free(config);
    mgenjit_source_free(source);
    if (strcmp(mgenjit_function_signature(function), "i64 @step(i64)") != 0) {
        fprintf(stderr, "hotreload: %s defines `%s`, not `i64 @step(i64)`\n", path, mgenjit_function_signature(function));
        exit(1);
    }
    mgenjit_function_free(function);
    /* The address stays; what is behind it changes. */
    if (mgenjit_executor_lookup(executor, "step", (void **)&step, &error) != MGENJIT_STATUS_OK)
        fail(path, error);
    versions = 1;
}

static void interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

/* Watches the file's folder: editors write a new file and rename it. */
static int open_watch(const char *path)
{
    const char *slash = strrchr(path, '/');
    char folder[4096] = ".";
    int events = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (slash != NULL)
        snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    if (events < 0 || inotify_add_watch(events, folder, IN_CLOSE_WRITE | IN_MOVED_TO) < 0) {
        fprintf(stderr, "hotreload: %s cannot be watched: %s\n", folder, strerror(errno));
        exit(1);
    }
    return events;
}

static void watch(int events, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    while (!interrupted) {
        union {
            struct inotify_event first;
            char bytes[4096];
        } buffer;
        struct pollfd ready = {.fd = events, .events = POLLIN};
        bool changed = false;
        ssize_t length;
        if (poll(&ready, 1, 100) <= 0)
            continue;
        while ((length = read(events, buffer.bytes, sizeof buffer)) > 0) {
            for (ssize_t at = 0; at < length;) {
                const struct inotify_event *event = (const struct inotify_event *)(const void *)(buffer.bytes + at);
                changed |= event->len > 0 && strcmp(event->name, name) == 0;
                at += (ssize_t)sizeof *event + event->len;
            }
        }
        if (changed)
            reload(path);
    }
    close(events);
}

static char *content_of(const char *path)
{
    FILE *file = fopen(path, "r");
    char *content = calloc(1, 1 << 16);
    if (file == NULL || content == NULL || fread(content, 1, (1 << 16) - 1, file) == 0) {
        fprintf(stderr, "hotreload: %s cannot be read\n", path);
        exit(1);
    }
    fclose(file);
    return content;
}

/* Writes the content to a file, with one text in the place of another. */
static void edit(const char *path, const char *content, const char *from, const char *to)
{
    FILE *file = fopen(path, "w");
    const char *at = strstr(content, from);
    if (file == NULL || at == NULL) {
        fprintf(stderr, "hotreload: %s cannot be edited\n", path);
        exit(1);
    }
    fprintf(file, "%.*s%s%s", (int)(at - content), content, to, at + strlen(from));
    fclose(file);
}

int main(int argc, char **argv)
{
    const bool demo = argc == 3 && strcmp(argv[1], "--demo") == 0;
    const char *path = argv[argc > 1 ? argc - 1 : 0];
    char folder[] = "/tmp/hotreload-XXXXXX";
    char *content = NULL;
    pthread_t thread;
    if (argc != 2 && !demo) {
        fprintf(stderr, "usage: hotreload [--demo] FILE\n");
        return 2;
    }
    if (demo) {
        content = content_of(path);
        path = "step.ll";
        if (mkdtemp(folder) == NULL || chdir(folder) != 0)
            return 1;
        edit(path, content, "%x, 1", "%x, 1");
    }
    const struct sigaction action = {.sa_handler = interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    /* Before the file is read: no edit is missed. */
    const int events = demo ? -1 : open_watch(path);
    start(path);
    if (pthread_create(&thread, NULL, call, NULL) != 0)
        return 1;
    report("version 1", 0);
    if (demo) {
        edit(path, content, "%x, 1", "%x, 5");
        reload(path);
        edit(path, content, "%x, 1", "%y, 7");
        reload(path);
        edit(path, content, "step(i64", "leap(i64");
        reload(path);
        edit(path, content, "%x, 1", "%x, 7");
        reload(path);
        remove(path);
        rmdir(folder);
        free(content);
    } else {
        watch(events, path);
    }
    __atomic_store_n(&ending, 1, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    printf("every call was counted: %s\n", calls == slices * CALLS_OF_SLICE ? "yes" : "no");
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    return 0;
}
