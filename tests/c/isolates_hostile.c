// ir: calls_hostile.ll = calls_hostile.c -O1
// warm: no server

/* Functions in a process of their own that do what they can to whoever calls them: that one goes on, and nothing is left. */
#include "check.h"

/* A limit that no test meets, so that none hangs. */
enum { LONG = 120000 };

static mgenjit_executor *executor;
static mgenjit_isolate *isolate;
static int32_t *shared;

static void begin(int all_files)
{
    mgenjit_isolation *isolation = NULL;
    executor = new_executor(NULL);
    mgenjit_module_free(add_file(executor, fixture("calls_hostile.ll")));
    CHECK_OK(mgenjit_isolation_new(&isolation, &failure));
    CHECK_OK(mgenjit_isolation_allow_all_files(isolation, all_files, &failure));
    CHECK_OK(mgenjit_isolate_new(executor, isolation, 4096, &isolate, &failure));
    CHECK_OK(mgenjit_isolate_alloc(isolate, sizeof *shared, (void **)&shared, &failure));
    mgenjit_isolation_free(isolation);
}

static void end(void)
{
    mgenjit_isolate_free(isolate);
    mgenjit_executor_free(executor);
}

static mgenjit_status call(const char *name, const mgenjit_value *arguments, size_t count, uint64_t timeout, mgenjit_value *result)
{
    check_reset();
    return mgenjit_isolate_call(isolate, name, arguments, count, timeout, result, &failure);
}

static int64_t result_of(const char *name, const mgenjit_value *arguments, size_t count)
{
    mgenjit_value result = { 0 };
    CHECK_STATUS(MGENJIT_STATUS_OK, call(name, arguments, count, LONG, &result));
    return result.of.integer;
}

/* What is written over the memory of calls is an error, or some result, in time. */
static void scribbles(void)
{
    begin(1);
    for (int how = 0; how < 14; how++) {
        mgenjit_value arguments[] = { mgenjit_integer(MGENJIT_TYPE_I32, how), mgenjit_pointer(shared) }, result = { 0 };
        mgenjit_status status = call("scribble", arguments, 2, 50, &result);
        CHECK(status != MGENJIT_STATUS_OK || (result.kind == MGENJIT_TYPE_I32 && result.of.integer != -1));
        /* A process that only said that it is done does not come to the next call. */
        status = call("next", NULL, 0, 50, NULL);
        if (status != MGENJIT_STATUS_OK)
            CHECK_INT(MGENJIT_STATUS_ENDED, status);
        CHECK_INT(status == MGENJIT_STATUS_OK ? 2 : 1, result_of("next", NULL, 0));
    }
    mgenjit_value memory = mgenjit_pointer(shared);
    CHECK_STATUS(MGENJIT_STATUS_ENDED, call("pretend", &memory, 1, LONG, NULL));
    /* Nor one that answers what it was not asked, when it is given a module. */
    for (int i = 0; i < 100; i++) {
        /* A thread of an earlier turn may lie to any call. */
        mgenjit_status status = call("lie_later", &memory, 1, LONG, NULL);
        if (status == MGENJIT_STATUS_ENDED)
            break;
        CHECK_INT(MGENJIT_STATUS_OK, status);
        /* The same each time: later runs have no server, and may take more turns. */
        mgenjit_module *module = add(executor, "define i64 @other() {\n  ret i64 7\n}\n");
        status = call("next", NULL, 0, LONG, NULL);
        if (status == MGENJIT_STATUS_ENDED) {
            mgenjit_module_free(module);
            break;
        }
        CHECK_INT(MGENJIT_STATUS_OK, status);
        CHECK_OK(mgenjit_module_remove(module, &failure));
        mgenjit_module_free(module);
    }
    CHECK_MESSAGE("makes no sense");
    CHECK_INT(1, result_of("next", NULL, 0));
    /* It has nothing open that is needed. */
    CHECK_INT(0, result_of("close_all", NULL, 0));
    CHECK_INT(2, result_of("next", NULL, 0));
    mgenjit_module_free(add(executor, "define i64 @later() {\n  ret i64 7\n}\n"));
    CHECK_INT(7, result_of("later", NULL, 0));
    CHECK_INT(3, result_of("next", NULL, 0));
    end();
}

/* Whoever runs later has nothing of those that run. */
static void strangers(void)
{
    begin(1);
    int64_t alone = result_of("shared_mappings", NULL, 0);
    CHECK(alone > 0);
    mgenjit_isolate *first = isolate;
    mgenjit_executor *executor_of_first = executor;
    begin(1);
    CHECK_INT(alone, result_of("shared_mappings", NULL, 0));
    end();
    mgenjit_isolate_free(first);
    mgenjit_executor_free(executor_of_first);
}

static void ends(void)
{
    begin(0);
    /* One that kills itself was not out of time. */
    mgenjit_value argument = mgenjit_integer(MGENJIT_TYPE_I32, SIGKILL);
    CHECK_STATUS(MGENJIT_STATUS_ENDED, call("kill_itself", &argument, 1, LONG, NULL));
    CHECK_MESSAGE("signal 9");
    CHECK_STATUS(MGENJIT_STATUS_ENDED, call("leave_thread", NULL, 0, LONG, NULL));
    CHECK_MESSAGE("status 0");
    argument = mgenjit_pointer(shared);
    CHECK_STATUS(MGENJIT_STATUS_ENDED, call("stay", &argument, 1, 50, NULL));
    CHECK_INT(1, *shared);
    /* Between two calls: the next one has a new process. */
    *shared = 0;
    CHECK_INT(1, result_of("next", NULL, 0));
    CHECK_INT(0, result_of("end_between", &argument, 1));
    CHECK_INT(2, result_of("next", NULL, 0));
    *(volatile int32_t *)shared = 1;
    mgenjit_value result = { 0 };
    CHECK_UNTIL(call("next", NULL, 0, LONG, &result) == MGENJIT_STATUS_OK && result.of.integer == 1);
    end();
}

static void is_gone(pid_t process)
{
    CHECK_UNTIL(kill(process, 0) == -1 && errno == ESRCH);
}

/* Processes end with their isolates, also if a forked child of the host has all that the host had open. */
static void leaves_nothing(void)
{
    int ready[2];
    char byte;
    CHECK(pipe(ready) == 0);
    begin(0);
    pid_t first = (pid_t)result_of("process", NULL, 0);
    CHECK(first > 0 && kill(first, 0) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        close(ready[1]);
        /* Until the host says so. */
        CHECK_INT(0, read(ready[0], &byte, 1));
        mgenjit_isolate_free(isolate);
        _exit(0);
    }
    close(ready[0]);
    mgenjit_value argument = mgenjit_integer(MGENJIT_TYPE_I32, SIGKILL);
    CHECK_STATUS(MGENJIT_STATUS_ENDED, call("kill_itself", &argument, 1, LONG, NULL));
    pid_t second = (pid_t)result_of("process", NULL, 0);
    CHECK(second != first);
    is_gone(first);
    end();
    is_gone(second);
    close(ready[1]);
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_INT(0, status);
}

int main(void)
{
    static const check_case cases[] = { CASE(scribbles), CASE(strangers), CASE(ends), CASE(leaves_nothing) };
    return RUN_CASES(cases);
}
