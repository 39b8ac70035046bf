#define _XOPEN_SOURCE 700

#include "checks.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "common/message.h"
#include "common/units.h"
#include "mgenjit.h"
#include "server_version.h"

/* Warn if the cache has less room than this. */
#define FEW_BYTES (UINT64_C(256) << 20)

/* The events of a compile. */
struct events {
    int stored;
    int hit;
    char not_isolated[512];
    char cache_warning[1024];
    char server_warning[1024];
    char miss[512];
};

struct run {
    void (*show)(const struct finding *);
    enum state worst;
    const char *cache_dir;
    struct events events;
    /* The compiled module's, "" if it was not compiled. */
    char key[65];
};

static struct finding begin(const char *name)
{
    struct finding finding = {name, STATE_OK, "", ""};
    return finding;
}

/* Appends to the finding. */
static void __attribute__((format(printf, 2, 3))) say(struct finding *finding, const char *format, ...)
{
    size_t used = strlen(finding->found);
    va_list values;
    va_start(values, format);
    vsnprintf(finding->found + used, sizeof finding->found - used, format, values);
    va_end(values);
}

static void judge(struct finding *finding, enum state state, const char *advice)
{
    if (state < finding->state)
        return;
    finding->state = state;
    snprintf(finding->advice, sizeof finding->advice, "%s", advice);
}

static void end(struct run *run, const struct finding *finding)
{
    run->show(finding);
    if (finding->state > run->worst)
        run->worst = finding->state;
}

/* Appends an error's message, and frees the error. */
static void say_error(struct finding *finding, mgenjit_error *error)
{
    char *message = message_for_tools(mgenjit_error_message(error));
    say(finding, "%s", message != NULL ? message : mgenjit_error_message(error));
    free(message);
    mgenjit_error_free(error);
}

static void check_library(struct run *run)
{
    struct finding finding = begin("library");
    say(&finding, "libmgenjit %s, build %s, LLVM %s", mgenjit_version_string(), mgenjit_build_id(),
        mgenjit_llvm_version());
    if (mgenjit_version_number() != MGENJIT_VERSION_NUMBER) {
        say(&finding, "; this program is of %d.%d.%d", MGENJIT_VERSION_MAJOR, MGENJIT_VERSION_MINOR,
            MGENJIT_VERSION_PATCH);
        judge(&finding, STATE_PROBLEM, "install both together; another libmgenjit.so may lie where the loader looks first");
    }
    end(run, &finding);
}

static void check_server(struct run *run)
{
    struct finding finding = begin("server");
    char *found = NULL;
    mgenjit_error *error = NULL;
    char version[SERVER_VERSION_SIZE];
    struct stat status;

    if (mgenjit_server_path(NULL, &found, &error) != MGENJIT_STATUS_OK) {
        say_error(&finding, error);
        judge(&finding, STATE_PROBLEM, "without it, only what is in the cache runs");
        end(run, &finding);
        return;
    }
    char *path = realpath(found, NULL);
    const char *shown = path != NULL ? path : found;
    say(&finding, "%s", shown);
    if (!server_version(shown, version)) {
        say(&finding, ": it does not run, or is not a compile server");
        judge(&finding, STATE_PROBLEM, "run it with --version to see why; install libmgenjit again");
    } else {
        say(&finding, ": %s", version);
        if (strstr(version, mgenjit_build_id()) == NULL)
            judge(&finding, STATE_PROBLEM, "it is of another build than the library: install both together");
    }
    if (stat(shown, &status) == 0 && (status.st_mode & S_IWOTH) != 0)
        judge(&finding, STATE_PROBLEM, "anybody may change that program, which you run: chmod o-w");
    free(path);
    mgenjit_string_free(found);
    end(run, &finding);
}

static void listen(const mgenjit_event *event, void *user)
{
    struct events *events = user;
    switch (event->kind) {
    case MGENJIT_EVENT_HIT: events->hit = 1; break;
    case MGENJIT_EVENT_STORED: events->stored = 1; break;
    case MGENJIT_EVENT_MISS: snprintf(events->miss, sizeof events->miss, "%s", event->message); break;
    case MGENJIT_EVENT_NOT_ISOLATED:
        snprintf(events->not_isolated, sizeof events->not_isolated, "%s", event->message);
        break;
    case MGENJIT_EVENT_CACHE_WARNING:
        snprintf(events->cache_warning, sizeof events->cache_warning, "%s", event->message);
        break;
    case MGENJIT_EVENT_SERVER_WARNING:
        snprintf(events->server_warning, sizeof events->server_warning, "%s", event->message);
        break;
    default: break;
    }
}

/* Compiles a module that is in no cache, and calls it. Returns 1 if the result is right. */
static int compile(struct run *run, mgenjit_executor *executor, struct finding *finding)
{
    mgenjit_module *module = NULL;
    mgenjit_error *error = NULL;
    mgenjit_times times;
    char ir[128], one[UNITS_SIZE], two[UNITS_SIZE];
    int64_t (*answer)(void) = NULL;
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    int64_t number = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    snprintf(ir, sizeof ir, "define i64 @answer() {\n  ret i64 %" PRId64 "\n}\n", number);
    if (mgenjit_executor_compile(executor, "mgenjit doctor", ir, strlen(ir), &module, &error) == MGENJIT_STATUS_OK)
        snprintf(run->key, sizeof run->key, "%s", mgenjit_module_key(module));
    if (error != NULL || mgenjit_executor_lookup(executor, "answer", (void **)&answer, &error) != MGENJIT_STATUS_OK) {
        say_error(finding, error);
        mgenjit_module_free(module);
        return 0;
    }
    int right = answer() == number;
    times.size = sizeof times;
    if (right && mgenjit_module_times(module, &times, NULL) == MGENJIT_STATUS_OK)
        say(finding, "works; a server started in %s and compiled in %s", format_duration(one, times.start_us),
            format_duration(two, times.compile_us));
    if (!right)
        say(finding, "the compiled function gave a wrong number");
    mgenjit_module_free(module);
    return right;
}

static void check_compile(struct run *run)
{
    struct finding finding = begin("compile");
    mgenjit_config *config = NULL;
    mgenjit_executor *executor = NULL;
    mgenjit_error *error = NULL;
    int works = 0;

    if (mgenjit_config_new(&config, &error) != MGENJIT_STATUS_OK
        || mgenjit_config_set_cache_dir(config, run->cache_dir, &error) != MGENJIT_STATUS_OK
        || mgenjit_config_set_event_hook(config, listen, &run->events, NULL, &error) != MGENJIT_STATUS_OK
        || mgenjit_executor_new(config, &executor, &error) != MGENJIT_STATUS_OK)
        say_error(&finding, error);
    else
        works = compile(run, executor, &finding);
    if (!works)
        judge(&finding, STATE_PROBLEM, "nothing can be compiled until this is fixed");
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
    end(run, &finding);
}

static void check_isolation(struct run *run)
{
    struct finding finding = begin("isolation");
    if (run->key[0] == '\0') {
        say(&finding, "unknown: nothing was compiled");
    } else if (run->events.not_isolated[0] != '\0') {
        say(&finding, "%s", run->events.not_isolated);
        judge(&finding, STATE_WARNING,
              "IR that is not trusted could make the compiler read files; use a kernel with Landlock and seccomp, 6.12 or "
              "later");
    } else {
        say(&finding, "the compile server can open no file and no socket, and start no process");
    }
    end(run, &finding);
}

/* The first CPU's name in /proc/cpuinfo, or its numbers where CPUs have no names, as on AArch64. */
static void read_model(char *model, size_t size)
{
    char line[256], implementer[32] = "";
    FILE *file = fopen("/proc/cpuinfo", "r");
    snprintf(model, size, "of unknown model");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');
        if (colon == NULL)
            continue;
        const char *value = colon + 1 + strspn(colon + 1, " ");
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "model name", 10) == 0) {
            snprintf(model, size, "%s", value);
            break;
        }
        if (strncmp(line, "CPU implementer", 15) == 0)
            snprintf(implementer, sizeof implementer, "%s", value);
        if (strncmp(line, "CPU part", 8) == 0) {
            snprintf(model, size, "CPU implementer %s, part %s", implementer, value);
            break;
        }
    }
    if (file != NULL)
        fclose(file);
}

/* Whether code for this level may run here, as the library sees it. */
static int has_level(const char *level)
{
    static const char ir[] = "define i32 @level() {\n  ret i32 1\n}\n";
    mgenjit_config *config = NULL;
    mgenjit_executor *executor = NULL;
    mgenjit_status status = mgenjit_config_new(&config, NULL);
    if (status == MGENJIT_STATUS_OK)
        status = mgenjit_config_set_cpu(config, level, NULL);
    if (status == MGENJIT_STATUS_OK)
        status = mgenjit_config_set_cache_mode(config, MGENJIT_CACHE_OFF, NULL);
    if (status == MGENJIT_STATUS_OK)
        status = mgenjit_executor_new(config, &executor, NULL);
    if (status == MGENJIT_STATUS_OK)
        status = mgenjit_executor_compile(executor, "level", ir, strlen(ir), NULL, NULL);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
    return status == MGENJIT_STATUS_OK;
}

static void check_cpu(struct run *run)
{
    /* A machine knows its own alone. */
    static const char *const levels[] = {
        "x86-64-v4", "x86-64-v3", "x86-64-v2", "x86-64",    "armv9.5-a", "armv9.4-a", "armv9.3-a", "armv9.2-a",
        "armv9.1-a", "armv9-a",   "armv8.9-a", "armv8.8-a", "armv8.7-a", "armv8.6-a", "armv8.5-a", "armv8.4-a",
        "armv8.3-a", "armv8.2-a", "armv8.1-a", "armv8-a",
    };
    enum { LEVELS = sizeof levels / sizeof levels[0] };
    struct finding finding = begin("cpu");
    char model[128];
    size_t i = 0;

    read_model(model, sizeof model);
    say(&finding, "%s", model);
    while (run->key[0] != '\0' && i < LEVELS && !has_level(levels[i]))
        i++;
    if (run->key[0] != '\0' && i < LEVELS)
        say(&finding, ", up to %s", levels[i]);
    end(run, &finding);
}

/* Checks the directory, or the one in which it would be created. */
static void check_directory(struct finding *finding, const char *directory)
{
    struct stat status;
    struct statvfs room;
    char *path = strdup(directory), size[UNITS_SIZE];
    char *place = path;

    say(finding, "%s", directory);
    while (place != NULL && stat(place, &status) != 0 && errno == ENOENT && strcmp(place, "/") != 0)
        place = dirname(place);
    int exists = place != NULL && strcmp(place, directory) == 0;
    if (place == NULL || stat(place, &status) != 0) {
        say(finding, ": %s", strerror(errno));
        judge(finding, STATE_PROBLEM, "nothing is kept: name another directory with $MGENJIT_CACHE_DIR");
    } else if (exists && !S_ISDIR(status.st_mode)) {
        say(finding, ": it is not a directory");
        judge(finding, STATE_PROBLEM, "name another directory with $MGENJIT_CACHE_DIR");
    } else {
        if (!exists)
            say(finding, ", which is created when something is stored");
        else
            say(finding, ", mode %04o", (unsigned)(status.st_mode & 07777));
        if (exists && status.st_uid != geteuid()) {
            say(finding, ", which belongs to user %lu", (unsigned long)status.st_uid);
            judge(finding, STATE_PROBLEM, "it is not used, because it is not yours: name another one with $MGENJIT_CACHE_DIR");
        }
        if (exists && (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
            judge(finding, STATE_PROBLEM, "it is not used, because others may write to it: chmod go-w");
        if (access(place, W_OK | X_OK) != 0) {
            say(finding, ", not writable");
            judge(finding, STATE_PROBLEM, "nothing new is kept: make it writable, or name another one with $MGENJIT_CACHE_DIR");
        }
        if (statvfs(place, &room) == 0) {
            uint64_t bytes = (uint64_t)room.f_bavail * room.f_frsize;
            say(finding, ", %s free", format_size(size, bytes));
            if (bytes < FEW_BYTES)
                judge(finding, STATE_WARNING, "there is little room: what is compiled may not be kept");
        }
    }
    free(path);
}

static void check_cache(struct run *run)
{
    struct finding finding = begin("cache");
    mgenjit_config *config = NULL;
    mgenjit_cache *cache = NULL;
    mgenjit_cache_statistics statistics;
    mgenjit_error *error = NULL;
    char size[UNITS_SIZE];

    if (mgenjit_config_new(&config, &error) != MGENJIT_STATUS_OK
        || mgenjit_config_set_cache_dir(config, run->cache_dir, &error) != MGENJIT_STATUS_OK
        || mgenjit_cache_open(config, &cache, &error) != MGENJIT_STATUS_OK) {
        say_error(&finding, error);
        judge(&finding, STATE_PROBLEM, "every start compiles again: set $MGENJIT_CACHE_DIR or $HOME");
    } else {
        check_directory(&finding, mgenjit_cache_directory(cache));
        if (run->events.cache_warning[0] != '\0') {
            say(&finding, "\n%s", run->events.cache_warning);
            judge(&finding, STATE_PROBLEM, "every start compiles again until this is fixed");
        } else if (run->key[0] != '\0' && !run->events.stored && !run->events.hit) {
            say(&finding, "\n%s", run->events.miss[0] != '\0' ? run->events.miss : "nothing was stored");
            judge(&finding, STATE_WARNING, "what is compiled is not kept");
        }
        /* Remove the module that was compiled for the check. */
        if (run->events.stored)
            mgenjit_cache_remove(cache, run->key, NULL);
        statistics.size = sizeof statistics;
        if (mgenjit_cache_stats(cache, &statistics, &error) == MGENJIT_STATUS_OK)
            say(&finding, "\n%" PRIu64 " entries, %s, %" PRIu64 " hits", statistics.entries,
                format_size(size, statistics.bytes), statistics.hits);
        else if (finding.state == STATE_PROBLEM)
            mgenjit_error_free(error);
        else {
            say(&finding, "\nstatistics: ");
            say_error(&finding, error);
            judge(&finding, STATE_WARNING, "run mgenjit cache rebuild");
        }
    }
    mgenjit_cache_free(cache);
    mgenjit_config_free(config);
    end(run, &finding);
}

static void check_shared_server(struct run *run)
{
    struct finding finding = begin("shared");
    const char *mode = getenv("MGENJIT_SERVER_MODE");
    char *socket = NULL;
    mgenjit_error *error = NULL;
    mgenjit_server_statistics statistics;

    statistics.size = sizeof statistics;
    if (mgenjit_server_socket(&socket, &error) != MGENJIT_STATUS_OK) {
        say_error(&finding, error);
        judge(&finding, STATE_WARNING, "there can be no shared compile server; private ones are used");
    } else {
        say(&finding, "%s: ", socket);
        mgenjit_status status = mgenjit_server_status(&statistics, &error);
        if (status == MGENJIT_STATUS_OK) {
            say(&finding, "process %" PRIu64 ", %" PRIu64 " clients", statistics.process, statistics.clients);
        } else if (status == MGENJIT_STATUS_NOT_FOUND) {
            say(&finding, "none runs");
            mgenjit_error_free(error);
        } else {
            say_error(&finding, error);
            judge(&finding, STATE_WARNING, "private servers are used; to stop it: mgenjit server stop --force");
        }
    }
    if (mode != NULL && mode[0] != '\0')
        say(&finding, "; $MGENJIT_SERVER_MODE is %s", mode);
    if (run->events.server_warning[0] != '\0') {
        say(&finding, "\n%s", run->events.server_warning);
        judge(&finding, STATE_WARNING, "private servers are used meanwhile");
    }
    mgenjit_string_free(socket);
    end(run, &finding);
}

enum state checks_run(const char *cache_dir, void (*show)(const struct finding *))
{
    struct run run;
    memset(&run, 0, sizeof run);
    run.show = show;
    run.cache_dir = cache_dir;
    check_library(&run);
    check_server(&run);
    check_compile(&run);
    check_isolation(&run);
    check_cpu(&run);
    check_cache(&run);
    check_shared_server(&run);
    return run.worst;
}
