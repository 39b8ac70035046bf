/*
 * Small programs in processes of their own: how many a second, beside fork and exec of the same programs, exported, and beside lli.
 *
 * isolated FOLDER [LLI [HELPER]]
 */
#define _GNU_SOURCE

#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/measure.h"
#include "mgenjit.h"

enum { PROGRAMS = 200, ROUNDS = 5, THREADS = 2, PATH_ROOM = 4096 };

extern char **environ;

static mgenjit_executor *executors[PROGRAMS];
static char exported[PROGRAMS][PATH_ROOM], sources[PROGRAMS][PATH_ROOM];
static const char *lli;

/* The error is that of the call before: it is read when `is_so` is known. */
static void require(int is_so, const char *what, mgenjit_error *const *error)
{
    if (is_so)
        return;
    fprintf(stderr, "isolated: %s: %s\n", what, error == NULL ? "" : mgenjit_error_message(*error));
    exit(1);
}

static void prepare(const char *folder)
{
    mgenjit_error *error = NULL;
    for (int i = 0; i < PROGRAMS; i++) {
        mgenjit_module *module;
        char ir[256];
        snprintf(ir, sizeof ir, "define i32 @main(i32 %%n, ptr %%v) {\n  %%r = add i32 %%n, %d\n  ret i32 %%r\n}\n", i % 100);
        snprintf(sources[i], PATH_ROOM, "%s/isolated-%d.ll", folder, i);
        snprintf(exported[i], PATH_ROOM, "%s/isolated-%d", folder, i);
        FILE *file = fopen(sources[i], "w");
        require(file != NULL && fputs(ir, file) >= 0 && fclose(file) == 0, sources[i], NULL);
        require(mgenjit_executor_new(NULL, &executors[i], &error) == MGENJIT_STATUS_OK, "an executor", &error);
        require(mgenjit_executor_compile_file(executors[i], sources[i], &module, &error) == MGENJIT_STATUS_OK, sources[i], &error);
        if (access(exported[i], X_OK) != 0)
            require(mgenjit_module_export(module, MGENJIT_EXPORT_EXECUTABLE, exported[i], NULL, &error) == MGENJIT_STATUS_OK,
                    exported[i], &error);
        mgenjit_module_free(module);
    }
}

static void run_isolated(int i)
{
    mgenjit_error *error = NULL;
    mgenjit_outcome *outcome = NULL;
    require(mgenjit_executor_run_isolated(executors[i], NULL, &outcome, &error) == MGENJIT_STATUS_OK, "a run", &error);
    require(mgenjit_outcome_exit_status(outcome) == i % 100, "a status", NULL);
    mgenjit_outcome_free(outcome);
}

static void spawn(int i, const char *const *argv, int expected)
{
    pid_t process;
    int status;
    require(posix_spawn(&process, argv[0], NULL, NULL, (char *const *)argv, environ) == 0, argv[0], NULL);
    require(waitpid(process, &status, 0) == process && WEXITSTATUS(status) == expected, argv[0], NULL);
    (void)i;
}

static void run_exported(int i)
{
    const char *const argv[] = {exported[i], NULL};
    spawn(i, argv, i % 100 + 1);
}

static void run_lli(int i)
{
    const char *const argv[] = {lli, sources[i], NULL};
    spawn(i, argv, i % 100 + 1);
}

static void (*job)(int);

static void *work(void *first)
{
    for (int i = (int)(long)first; i < PROGRAMS; i += THREADS)
        job(i);
    return NULL;
}

static double round_of(void (*what)(int))
{
    pthread_t threads[THREADS];
    job = what;
    double begun = clock_milliseconds();
    for (long i = 0; i < THREADS; i++)
        require(pthread_create(&threads[i], NULL, work, (void *)i) == 0, "a thread", NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    return clock_milliseconds() - begun;
}

static void tell(const char *what, double *rounds, int count)
{
    double milliseconds = median(rounds, (size_t)count);
    printf("%-28s %8.0f programs a second, %.2f ms each\n", what, PROGRAMS / milliseconds * 1e3, milliseconds / PROGRAMS);
}

/* What a call of a small function takes, beside a checked call in this process. */
static void measure_calls(void)
{
    enum { CALLS = 20000 };
    static const char ir[] = "define i64 @add(i64 %a, i64 %b) {\n  %s = add i64 %a, %b\n  ret i64 %s\n}\n";
    mgenjit_value arguments[] = {mgenjit_integer(MGENJIT_TYPE_I64, 1), mgenjit_integer(MGENJIT_TYPE_I64, 2)}, result;
    double apart[ROUNDS], here[ROUNDS];
    mgenjit_error *error = NULL;
    mgenjit_executor *executor = NULL;
    mgenjit_isolate *isolate = NULL;
    mgenjit_function *function = NULL;
    require(mgenjit_executor_new(NULL, &executor, &error) == MGENJIT_STATUS_OK
                && mgenjit_executor_compile(executor, "add.ll", ir, strlen(ir), NULL, &error) == MGENJIT_STATUS_OK
                && mgenjit_executor_lookup_function(executor, "add", &function, &error) == MGENJIT_STATUS_OK
                && mgenjit_isolate_new(executor, NULL, 0, &isolate, &error) == MGENJIT_STATUS_OK,
            "an isolate", &error);
    for (int i = 0; i < ROUNDS; i++) {
        double begun = clock_milliseconds();
        for (int n = 0; n < CALLS; n++)
            require(mgenjit_isolate_call(isolate, "add", arguments, 2, MGENJIT_FOREVER, &result, &error) == MGENJIT_STATUS_OK,
                    "a call", &error);
        apart[i] = (clock_milliseconds() - begun) / CALLS * 1e3;
        begun = clock_milliseconds();
        for (int n = 0; n < CALLS; n++)
            mgenjit_function_call(function, arguments, 2, &result, NULL);
        here[i] = (clock_milliseconds() - begun) / CALLS * 1e3;
    }
    printf("%-28s %8.2f us, and %.3f us in this process\n", "a call", median(apart, ROUNDS), median(here, ROUNDS));
    mgenjit_function_free(function);
    mgenjit_isolate_free(isolate);
    mgenjit_executor_free(executor);
}

/* How long a program takes that finds its process ready, and how long the call after one that ended its process. */
static void measure_pool(void)
{
    enum { TIMES = 50 };
    static const char ir[] = "declare void @_exit(i32)\ndefine i32 @main() {\n  ret i32 0\n}\n"
                             "define void @leave() {\n  call void @_exit(i32 1)\n  ret void\n}\ndefine void @nothing() {\n  ret void\n}\n";
    double programs[2][TIMES], calls[2][TIMES];
    mgenjit_error *error = NULL;
    mgenjit_executor *executor = NULL;
    mgenjit_isolation *isolations[2];
    mgenjit_isolate *isolates[2];
    require(mgenjit_executor_new(NULL, &executor, &error) == MGENJIT_STATUS_OK
                && mgenjit_executor_compile(executor, "pool.ll", ir, strlen(ir), NULL, &error) == MGENJIT_STATUS_OK,
            "a program", &error);
    for (size_t pool = 0; pool < 2; pool++)
        require(mgenjit_isolation_new(&isolations[pool], &error) == MGENJIT_STATUS_OK
                    && mgenjit_isolation_set_pool(isolations[pool], pool, &error) == MGENJIT_STATUS_OK
                    && mgenjit_isolate_new(executor, isolations[pool], 0, &isolates[pool], &error) == MGENJIT_STATUS_OK,
                "an isolate", &error);
    for (int i = 0; i < TIMES; i++)
        for (int pool = 0; pool < 2; pool++) {
            mgenjit_outcome *outcome = NULL;
            /* The one that is made ahead of need is made while nothing is measured. */
            usleep(5000);
            double begun = clock_milliseconds();
            require(mgenjit_executor_run_isolated(executor, isolations[pool], &outcome, &error) == MGENJIT_STATUS_OK, "a run", &error);
            programs[pool][i] = clock_milliseconds() - begun;
            mgenjit_outcome_free(outcome);
            require(mgenjit_isolate_call(isolates[pool], "leave", NULL, 0, MGENJIT_FOREVER, NULL, NULL) == MGENJIT_STATUS_ENDED,
                    "an end", NULL);
            usleep(5000);
            begun = clock_milliseconds();
            require(mgenjit_isolate_call(isolates[pool], "nothing", NULL, 0, MGENJIT_FOREVER, NULL, &error) == MGENJIT_STATUS_OK,
                    "a call", &error);
            calls[pool][i] = clock_milliseconds() - begun;
        }
    printf("%-28s %8.2f ms, and %.2f ms with one ready\n", "a program", median(programs[0], TIMES), median(programs[1], TIMES));
    printf("%-28s %8.2f ms, and %.2f ms with one ready\n", "a call after an end", median(calls[0], TIMES), median(calls[1], TIMES));
    for (int pool = 0; pool < 2; pool++) {
        mgenjit_isolate_free(isolates[pool]);
        mgenjit_isolation_free(isolations[pool]);
    }
    mgenjit_executor_free(executor);
}

/* Starts a program whose standard input is a socket that has ended, and waits for its end. */
static double start(const char *path, const char *argument)
{
    const char *const argv[] = {path, argument, NULL};
    int ends[2], status;
    pid_t process;
    posix_spawn_file_actions_t actions;
    double begun = clock_milliseconds();
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "a socket", NULL);
    close(ends[0]);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
    require(posix_spawn(&process, path, &actions, NULL, (char *const *)argv, environ) == 0, path, NULL);
    posix_spawn_file_actions_destroy(&actions);
    require(waitpid(process, &status, 0) == process && status == 0, path, NULL);
    close(ends[1]);
    return clock_milliseconds() - begun;
}

/* How long the runner takes to start and to end if nobody wants anything of it, beside a program that does nothing. */
static void measure_start(const char *helper)
{
    enum { TIMES = 50 };
    double runner[TIMES], nothing[TIMES];
    for (int i = 0; i < TIMES; i++) {
        runner[i] = start(helper, "run");
        nothing[i] = start("/bin/true", NULL);
    }
    printf("%-28s %8.2f ms, and /bin/true %.2f ms\n", "the runner, start to end", median(runner, TIMES), median(nothing, TIMES));
}

int main(int argc, char **argv)
{
    double ours[ROUNDS], theirs[ROUNDS], llis[1];
    if (argc < 2)
        return 64;
    prepare(argv[1]);
    double begun = clock_milliseconds();
    run_isolated(0);
    printf("%-28s %8.2f ms\n", "the first run, with the start", clock_milliseconds() - begun);
    for (int i = 0; i < ROUNDS; i++) {
        ours[i] = round_of(run_isolated);
        theirs[i] = round_of(run_exported);
    }
    tell("isolated", ours, ROUNDS);
    tell("exported, fork and exec", theirs, ROUNDS);
    if (argc > 2 && argv[2][0] != '\0') {
        lli = argv[2];
        llis[0] = round_of(run_lli);
        tell("lli", llis, 1);
    } else {
        puts("lli: skipped, it is missing");
    }
    measure_calls();
    measure_pool();
    if (argc > 3)
        measure_start(argv[3]);
    for (int i = 0; i < PROGRAMS; i++)
        mgenjit_executor_free(executors[i]);
    return 0;
}
