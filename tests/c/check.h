/*
 * What the test programs share. It is included first.
 *
 * A program is a list of cases. Each runs in a process of its own, so that one that crashes or hangs hides no
 * other, and each starts with a library that nothing has used yet. CHECK_CASE=name runs one case alone, in the
 * program's own process, for a debugger.
 */
#ifndef CHECK_H
#define CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "mgenjit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What triples call this machine, and another one; and the CPU whose code all of its kind run. */
#ifdef __aarch64__
#define MACHINE "aarch64"
#define OTHER_MACHINE "x86_64"
#define OLDEST_CPU "generic"
#else
#define MACHINE "x86_64"
#define OTHER_MACHINE "aarch64"
#define OLDEST_CPU "x86-64"
#endif

/* Ends the case unless the condition holds. */
#define CHECK(condition) \
    ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, "not so: %s", #condition))

#define CHECK_INT(expected, actual) check_int(__FILE__, __LINE__, #actual, (expected), (actual))
#define CHECK_STRING(expected, actual) check_string(__FILE__, __LINE__, #actual, (expected), (actual))
#define CHECK_CONTAINS(part, actual) check_contains(__FILE__, __LINE__, #actual, (part), (actual))

/* A call of the library that is given &failure and returns the expected status. */
#define CHECK_STATUS(expected, call) \
    (check_reset(), check_status(__FILE__, __LINE__, #call, (expected), (call)))
#define CHECK_OK(call) CHECK_STATUS(MGENJIT_STATUS_OK, call)

/* The message of the last call that CHECK_STATUS checked has this part. */
#define CHECK_MESSAGE(part) CHECK_CONTAINS(part, mgenjit_error_message(failure))

/* The function of that name, as a pointer of that type. */
#define FUNCTION(type, executor, name) ((type)find((executor), (name)))

/* The error of the last checked call. */
static __thread mgenjit_error *failure;

__attribute__((noreturn, format(printf, 3, 4))) static inline void
check_failed(const char *file, int line, const char *format, ...)
{
    const char *slash = strrchr(file, '/');
    va_list arguments;
    fprintf(stderr, "%s:%d: ", slash ? slash + 1 : file, line);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n");
    fflush(NULL);
    _exit(1);
}

static inline void check_int(const char *file, int line, const char *what, long long expected, long long actual)
{
    if (expected != actual)
        check_failed(file, line, "%s is %lld, not %lld", what, actual, expected);
}

static inline void check_string(const char *file, int line, const char *what, const char *expected,
                                const char *actual)
{
    if (actual == NULL || strcmp(expected, actual) != 0)
        check_failed(file, line, "%s is '%s', not '%s'", what, actual ? actual : "NULL", expected);
}

static inline void check_contains(const char *file, int line, const char *what, const char *part,
                                  const char *actual)
{
    if (actual == NULL || strstr(actual, part) == NULL)
        check_failed(file, line, "%s is '%s', without '%s'", what, actual ? actual : "NULL", part);
}

static inline void check_reset(void)
{
    mgenjit_error_free(failure);
    failure = NULL;
}

/* An error says the same as the status, in a sentence; there is one if and only if the call failed. */
static inline void check_status(const char *file, int line, const char *what, mgenjit_status expected,
                                mgenjit_status actual)
{
    const char *message = mgenjit_error_message(failure);
    if (expected != actual)
        check_failed(file, line, "%s: %s, not %s: %s", what, mgenjit_status_name(actual),
                     mgenjit_status_name(expected), message);
    if ((failure != NULL) != (actual != MGENJIT_STATUS_OK))
        check_failed(file, line, "%s: %s with error %p", what, mgenjit_status_name(actual), (void *)failure);
    if (mgenjit_error_status(failure) != actual)
        check_failed(file, line, "%s: the error's status is %s", what,
                     mgenjit_status_name(mgenjit_error_status(failure)));
    if (failure != NULL && (message[0] == '\0' || message[strlen(message) - 1] == '\n'))
        check_failed(file, line, "%s: a message must be a text without a newline at its end: '%s'", what, message);
}

/* Whether the cache has what an earlier run of this program stored. */
static inline int is_warm(void)
{
    return strcmp(getenv("CHECK_RUN"), "warm") == 0;
}

static inline char *join(const char *folder, const char *name)
{
    char *path = NULL;
    CHECK(asprintf(&path, "%s/%s", folder, name) > 0);
    return path;
}

/* A path in this program's temporary folder, in its fixtures, and in tests/programs. They are not freed. */
static inline char *in_folder(const char *name)
{
    return join(getenv("CHECK_FOLDER"), name);
}

static inline char *fixture(const char *name)
{
    return join(in_folder("fixtures"), name);
}

static inline char *program(const char *name)
{
    return join(getenv("CHECK_PROGRAMS"), name);
}

static inline mgenjit_executor *new_executor(const mgenjit_config *config)
{
    mgenjit_executor *executor = NULL;
#ifdef REPLACEABLE_EXECUTORS
    mgenjit_config *replaceable = NULL;
    if (config == NULL) {
        CHECK_OK(mgenjit_config_new(&replaceable, &failure));
        CHECK_OK(mgenjit_config_set_replaceable(replaceable, true, &failure));
        config = replaceable;
    }
#endif
    CHECK_OK(mgenjit_executor_new(config, &executor, &failure));
#ifdef REPLACEABLE_EXECUTORS
    mgenjit_config_free(replaceable);
#endif
    return executor;
}

/* Adds IR text. */
static inline mgenjit_module *add(mgenjit_executor *executor, const char *ir)
{
    mgenjit_module *module = NULL;
    CHECK_OK(mgenjit_executor_compile(executor, NULL, ir, strlen(ir), &module, &failure));
    return module;
}

/* Tries IR text; the error, if any, is in `failure`. */
static inline mgenjit_status try_ir(mgenjit_executor *executor, const char *ir)
{
    check_reset();
    return mgenjit_executor_compile(executor, "the name", ir, strlen(ir), NULL, &failure);
}

static inline mgenjit_module *add_file(mgenjit_executor *executor, const char *path)
{
    mgenjit_module *module = NULL;
    CHECK_OK(mgenjit_executor_compile_file(executor, path, &module, &failure));
    return module;
}

static inline void *find(mgenjit_executor *executor, const char *name)
{
    void *address = NULL;
    CHECK_OK(mgenjit_executor_lookup(executor, name, &address, &failure));
    CHECK(address != NULL);
    return address;
}

/* A function for checked calls. */
static inline mgenjit_function *find_function(mgenjit_executor *executor, const char *name)
{
    mgenjit_function *function = NULL;
    CHECK_OK(mgenjit_executor_lookup_function(executor, name, &function, &failure));
    return function;
}

/* That the executor still compiles and runs. */
static inline void check_usable(mgenjit_executor *executor)
{
    mgenjit_module *module = add(executor, "define i32 @usable(i32 %x) {\n  %y = add i32 %x, 1\n  ret i32 %y\n}\n");
    CHECK_INT(42, FUNCTION(int (*)(int), executor, "usable")(41));
    CHECK_OK(mgenjit_module_remove(module, &failure));
    mgenjit_module_free(module);
}

/* What an event hook saw. */
typedef struct check_events {
    int count[MGENJIT_EVENT_SWITCHED + 1];
    char warning[4096];
    char server_warning[4096];
    char miss[4096];
    char remote[4096];
} check_events;

static inline void check_count_event(const mgenjit_event *event, void *user)
{
    check_events *events = (check_events *)user;
    CHECK(event->kind > 0 && event->kind <= MGENJIT_EVENT_SWITCHED);
    if (event->kind == MGENJIT_EVENT_CACHE_WARNING)
        snprintf(events->warning, sizeof events->warning, "%s", event->message);
    if (event->kind == MGENJIT_EVENT_SERVER_WARNING)
        snprintf(events->server_warning, sizeof events->server_warning, "%s", event->message);
    if (event->kind == MGENJIT_EVENT_MISS)
        snprintf(events->miss, sizeof events->miss, "%s", event->message);
    if (event->kind == MGENJIT_EVENT_REMOTE_HIT || event->kind == MGENJIT_EVENT_REMOTE_WARNING)
        snprintf(events->remote, sizeof events->remote, "%s", event->message);
    /* Who waits for the count reads the text then. */
    __atomic_add_fetch(&events->count[event->kind], 1, __ATOMIC_RELEASE);
}

static inline mgenjit_config *default_config(void)
{
    mgenjit_config *config = NULL;
    CHECK_OK(mgenjit_config_new(&config, &failure));
    return config;
}

static inline mgenjit_export_options *default_options(void)
{
    mgenjit_export_options *options = NULL;
    CHECK_OK(mgenjit_export_options_new(&options, &failure));
    return options;
}

/* A configuration whose events are counted. */
static inline mgenjit_config *new_watched_config(check_events *events)
{
    mgenjit_config *config = default_config();
    memset(events, 0, sizeof *events);
    CHECK_OK(mgenjit_config_set_event_hook(config, check_count_event, events, NULL, &failure));
    return config;
}

static inline mgenjit_executor *new_watched_executor(check_events *events)
{
    mgenjit_config *config = new_watched_config(events);
    mgenjit_executor *executor = new_executor(config);
    mgenjit_config_free(config);
    return executor;
}

/* Whether an emulator runs this program (tests/aarch64/run.sh), which is slow and cannot do all that a kernel can. */
static inline int is_emulated(void)
{
    return getenv("CHECK_EMULATED") != NULL;
}

/* Why the case that runs was skipped, in memory that it shares with what runs it; empty if it was not. */
static char *check_skipped;

enum { SKIP_SIZE = 512 };

/* Tells that the case, or a part of it, cannot be checked here. The case returns afterwards, or goes on. */
#define SKIP(...) check_skip(__FILE__, __VA_ARGS__)

__attribute__((format(printf, 2, 3))) static inline void check_skip(const char *file, const char *format, ...)
{
    const char *slash = strrchr(file, '/');
    char why[SKIP_SIZE - 64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    fprintf(stderr, "skipped: %s\n", why);
    if (check_skipped != NULL)
        snprintf(check_skipped, SKIP_SIZE, "%.60s: %s", slash ? slash + 1 : file, why);
}

/* That the host was told of none of the library's processes, though qemu-user starts all so that it is. */
#define CHECK_UNSEEN(count) \
    do { \
        if (is_emulated()) \
            SKIP("qemu-user tells the host of all children"); \
        else \
            CHECK_INT(0, count); \
    } while (0)

/* Appends what was skipped to the file that the summary of all tests is made of. */
static inline void check_note_skipped(const char *name)
{
    const char *path = getenv("MGENJIT_TESTS_SKIPPED");
    FILE *file = check_skipped[0] != '\0' && path != NULL ? fopen(path, "a") : NULL;
    if (file != NULL) {
        fprintf(file, "c_programs: %s, in %s\n", check_skipped, name);
        fclose(file);
    }
    check_skipped[0] = '\0';
}

/* How many times longer than on a machine that is fast and has nothing else to do what is waited for may take. */
static inline long slowest(void)
{
    return is_emulated() ? 10 : 5;
}

/* How long a case may take on a fast machine. A program with longer ones sets it before it runs them. */
static int check_seconds = 60;

/* What is done before each case, if anything. */
static void (*check_before_case)(void);

/* A case of a program. */
typedef struct check_case {
    const char *name;
    void (*run)(void);
} check_case;

#define CASE(function) { #function, function }
#define RUN_CASES(cases) check_cases((cases), sizeof(cases) / sizeof((cases)[0]))

/* Waits until it is so: for what nothing tells, and which is therefore looked at again and again. Fails after much longer
 * than it takes on any machine. No case sleeps for as long as something may take. */
#define CHECK_UNTIL(condition) \
    for (long turns_ = 0; !(condition); turns_++) \
        check_turn(__FILE__, __LINE__, #condition, turns_)

static inline void check_pause(void)
{
    const struct timespec pause = { 0, 2000000 };
    nanosleep(&pause, NULL);
}

static inline void check_turn(const char *file, int line, const char *what, long turns)
{
    if (turns > 60 * slowest() * 500)
        check_failed(file, line, "waited in vain for: %s", what);
    check_pause();
}

/* Waits until the process ends; kills it after so many seconds of a fast machine. Returns its status as waitpid does. */
static inline int wait_for(pid_t process, int seconds)
{
    int status = 0;
    for (long turns = 0; waitpid(process, &status, WNOHANG) == 0; turns++) {
        if (turns > seconds * slowest() * 500) {
            fprintf(stderr, "killed after %ld seconds\n", seconds * slowest());
            kill(process, SIGKILL);
            waitpid(process, &status, 0);
            break;
        }
        check_pause();
    }
    return status;
}

static inline int check_cases(const check_case *cases, size_t count)
{
    const char *chosen = getenv("CHECK_CASE");
    int failed = 0;
    check_skipped = (char *)mmap(NULL, SKIP_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(check_skipped != MAP_FAILED);
    for (size_t i = 0; i < count; i++) {
        pid_t process;
        int status;
        if (chosen != NULL) {
            if (strcmp(chosen, cases[i].name) == 0)
                cases[i].run();
            continue;
        }
        if (check_before_case != NULL)
            check_before_case();
        fflush(NULL);
        process = fork();
        if (process == 0) {
            cases[i].run();
            exit(0);
        }
        status = wait_for(process, check_seconds);
        check_note_skipped(cases[i].name);
        if (status == 0)
            continue;
        failed++;
        if (WIFSIGNALED(status))
            fprintf(stderr, "FAILED %s: signal %d\n", cases[i].name, WTERMSIG(status));
        else
            fprintf(stderr, "FAILED %s\n", cases[i].name);
    }
    if (chosen == NULL)
        fprintf(stderr, "%d of %d cases failed\n", failed, (int)count);
    return failed != 0;
}

/* Whether something is mapped at an address. */
static inline int in_maps(const void *address)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[4096];
    int found = 0;
    CHECK(maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long from, to;
        CHECK(sscanf(line, "%lx-%lx", &from, &to) == 2);
        found |= from <= (unsigned long)address && (unsigned long)address < to;
    }
    fclose(maps);
    return found;
}

#endif
