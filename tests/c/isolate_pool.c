// libs: -lpthread
// warm: no server

/* Processes that are ready ahead of need: programs and calls do the same with them, and none is left. */
#include "check.h"

#include <pthread.h>

#define STATUS(number) "define i32 @main() {\n  ret i32 " number "\n}\n"
#define LOOP "define i32 @main() {\n  br label %a\na:\n  br label %a\n}\n"
#define CRASH "define i32 @main() {\n  store volatile i32 1, ptr null\n  ret i32 0\n}\n"
#define SAYS "@t = constant [3 x i8] c\"hi\\00\"\ndeclare i32 @puts(ptr)\ndefine i32 @main() {\n  call i32 @puts(ptr @t)\n  ret i32 0\n}\n"
#define CALLS "@n = global i64 0\ndeclare void @exit(i32)\ndefine i64 @next() {\n  %a = load i64, ptr @n\n  %b = add i64 %a, 1\n" \
              "  store i64 %b, ptr @n\n  ret i64 %b\n}\ndefine i64 @leave() {\n  call void @exit(i32 3)\n  ret i64 0\n}\n"

static mgenjit_isolation *new_isolation(size_t pool)
{
    mgenjit_isolation *isolation = NULL;
    CHECK_OK(mgenjit_isolation_new(&isolation, &failure));
    CHECK_OK(mgenjit_isolation_set_pool(isolation, pool, &failure));
    return isolation;
}

static mgenjit_executor *new_program(const char *ir)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module_free(add(executor, ir));
    return executor;
}

static mgenjit_outcome *run(mgenjit_executor *executor, const mgenjit_isolation *isolation)
{
    mgenjit_outcome *outcome = NULL;
    CHECK_OK(mgenjit_executor_run_isolated(executor, isolation, &outcome, &failure));
    return outcome;
}

static void exits(int expected, mgenjit_executor *executor, const mgenjit_isolation *isolation)
{
    mgenjit_outcome *outcome = run(executor, isolation);
    CHECK_INT(expected, mgenjit_outcome_exit_status(outcome));
    mgenjit_outcome_free(outcome);
}

static int open_descriptors(void)
{
    int count = 0;
    for (int descriptor = 0; descriptor < 1024; descriptor++)
        count += fcntl(descriptor, F_GETFD) >= 0;
    return count;
}

static void programs(void)
{
    mgenjit_isolation *isolation = new_isolation(0);
    mgenjit_executor *seven = new_program(STATUS("7")), *eight = new_program(STATUS("8"));
    mgenjit_executor *says = new_program(SAYS), *crashes = new_program(CRASH);
    exits(7, seven, isolation);
    int before = open_descriptors();
    CHECK_OK(mgenjit_isolation_set_pool(isolation, 3, &failure));
    for (int i = 0; i < 10; i++)
        exits(7, seven, isolation);
    /* Others are not taken for it. */
    for (int i = 0; i < 3; i++) {
        exits(8, eight, isolation);
        exits(7, seven, isolation);
    }
    /* Nor are processes with other options. */
    mgenjit_outcome *outcome = NULL;
    for (int i = 0; i < 6; i++) {
        if (i == 3)
            CHECK_OK(mgenjit_isolation_capture(isolation, 1, &failure));
        outcome = run(says, isolation);
        size_t size = 0;
        const void *output = mgenjit_outcome_output(outcome, 1, &size);
        CHECK(i < 3 ? size == 0 : size == 3 && memcmp(output, "hi\n", 3) == 0);
        mgenjit_outcome_free(outcome);
    }
    for (int i = 0; i < 3; i++) {
        outcome = run(crashes, isolation);
        CHECK_INT(SIGSEGV, mgenjit_outcome_signal(outcome));
        mgenjit_outcome_free(outcome);
    }
    CHECK_OK(mgenjit_isolation_set_pool(isolation, 0, &failure));
    exits(7, seven, isolation);
    mgenjit_isolation_free(isolation);
    CHECK_INT(before, open_descriptors());
    mgenjit_executor_free(seven);
    mgenjit_executor_free(eight);
    mgenjit_executor_free(says);
    mgenjit_executor_free(crashes);
}

/* What is missing is told, and is there when it was added. */
static void modules(void)
{
    mgenjit_isolation *isolation = new_isolation(3);
    mgenjit_executor *grows = new_program("declare i32 @of()\ndefine i32 @main() {\n  %r = call i32 @of()\n  ret i32 %r\n}\n");
    mgenjit_outcome *outcome = NULL;
    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, mgenjit_executor_run_isolated(grows, isolation, &outcome, &failure));
    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, mgenjit_executor_run_isolated(grows, isolation, &outcome, &failure));
    mgenjit_module_free(add(grows, "define i32 @of() {\n  ret i32 9\n}\n"));
    exits(9, grows, isolation);
    exits(9, grows, isolation);
    mgenjit_isolation_free(isolation);
    mgenjit_executor_free(grows);
}

/* The time that a process waits does not count. */
static void times(void)
{
    mgenjit_isolation *isolation = new_isolation(1);
    mgenjit_executor *executor = new_program(STATUS("7")), *endless = new_program(LOOP);
    CHECK_OK(mgenjit_isolation_set_timeout(isolation, 200, &failure));
    exits(7, executor, isolation);
    usleep(400000);
    exits(7, executor, isolation);
    mgenjit_usage usage = { .size = sizeof usage };
    for (int i = 0; i < 3; i++) {
        mgenjit_outcome *outcome = run(endless, isolation);
        CHECK_INT(MGENJIT_LIMIT_TIME, mgenjit_outcome_limit(outcome));
        CHECK_INT(SIGKILL, mgenjit_outcome_signal(outcome));
        CHECK_OK(mgenjit_outcome_usage(outcome, &usage, &failure));
        CHECK(usage.wall_us >= 200000);
        mgenjit_outcome_free(outcome);
    }
    mgenjit_isolation_free(isolation);
    mgenjit_executor_free(executor);
    mgenjit_executor_free(endless);
}

static int64_t call(mgenjit_isolate *isolate, const char *name)
{
    mgenjit_value result = { 0 };
    CHECK_OK(mgenjit_isolate_call(isolate, name, NULL, 0, MGENJIT_FOREVER, &result, &failure));
    return result.of.integer;
}

static void calls(void)
{
    mgenjit_isolation *isolation = new_isolation(2);
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_isolate *isolate = NULL;
    /* Before there is any module. */
    CHECK_OK(mgenjit_isolate_new(executor, isolation, 4096, &isolate, &failure));
    mgenjit_isolation_free(isolation);
    mgenjit_module_free(add(executor, CALLS));
    for (int i = 0; i < 5; i++) {
        CHECK_INT(1, call(isolate, "next"));
        CHECK_INT(2, call(isolate, "next"));
        if (i == 2)
            mgenjit_module_free(add(executor, "define i64 @more() {\n  ret i64 5\n}\n"));
        if (i >= 2)
            CHECK_INT(5, call(isolate, "more"));
        CHECK_STATUS(MGENJIT_STATUS_ENDED, mgenjit_isolate_call(isolate, "leave", NULL, 0, MGENJIT_FOREVER, NULL, &failure));
        CHECK_INT(3, mgenjit_outcome_exit_status(mgenjit_error_outcome(failure)));
    }
    mgenjit_isolate_free(isolate);
    mgenjit_executor_free(executor);
}

/* A forked child has neither. */
static void forked_child(void)
{
    mgenjit_isolation *isolation = new_isolation(2);
    mgenjit_executor *executor = new_program(STATUS("7"));
    exits(7, executor, isolation);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        exits(7, executor, isolation);
        exits(7, executor, isolation);
        mgenjit_isolation_free(isolation);
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_INT(0, status);
    exits(7, executor, isolation);
    mgenjit_isolation_free(isolation);
    mgenjit_executor_free(executor);
}

struct worker {
    mgenjit_executor *executor;
    const mgenjit_isolation *isolation;
    int expected;
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    for (int i = 0; i < 20; i++)
        exits(worker->expected, worker->executor, worker->isolation);
    return NULL;
}

static void threads(void)
{
    mgenjit_isolation *isolation = new_isolation(4);
    struct worker workers[] = { { new_program(STATUS("7")), isolation, 7 }, { new_program(STATUS("8")), isolation, 8 } };
    pthread_t started[8];
    for (int i = 0; i < 8; i++)
        CHECK(pthread_create(&started[i], NULL, work, &workers[i / 6]) == 0);
    for (int i = 0; i < 8; i++)
        pthread_join(started[i], NULL);
    mgenjit_isolation_free(isolation);
    mgenjit_executor_free(workers[0].executor);
    mgenjit_executor_free(workers[1].executor);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(programs), CASE(modules), CASE(times), CASE(calls), CASE(forked_child), CASE(threads),
    };
    return RUN_CASES(cases);
}
