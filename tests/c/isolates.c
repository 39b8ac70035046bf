// ir: calls_apart.ll = calls_apart.c -O1
// libs: -lpthread
// warm: no server

/* Calls in processes of their own: what they return, what ends them, and that the next one goes on. */
#include "check.h"

#include <pthread.h>

static mgenjit_executor *new_functions(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module_free(add_file(executor, fixture("calls_apart.ll")));
    return executor;
}

static mgenjit_isolate *new_isolate(mgenjit_executor *executor, const mgenjit_isolation *isolation)
{
    mgenjit_isolate *isolate = NULL;
    CHECK_OK(mgenjit_isolate_new(executor, isolation, 1 << 20, &isolate, &failure));
    return isolate;
}

static mgenjit_value integer(int64_t value)
{
    return mgenjit_integer(MGENJIT_TYPE_I64, value);
}

static mgenjit_status call(mgenjit_isolate *isolate, const char *name, const mgenjit_value *arguments, size_t count,
                           uint64_t timeout, mgenjit_value *result)
{
    check_reset();
    return mgenjit_isolate_call(isolate, name, arguments, count, timeout, result, &failure);
}

static int64_t call_integer(mgenjit_isolate *isolate, const char *name, int64_t argument)
{
    mgenjit_value value = integer(argument), result;
    CHECK_STATUS(MGENJIT_STATUS_OK, call(isolate, name, &value, 1, MGENJIT_FOREVER, &result));
    CHECK_INT(MGENJIT_TYPE_I64, result.kind);
    return result.of.integer;
}

static void values(void)
{
    mgenjit_executor *executor = new_functions();
    mgenjit_isolate *isolate = new_isolate(executor, NULL);
    mgenjit_value two[] = { integer(40), integer(2) }, result;
    CHECK_OK(call(isolate, "add", two, 2, MGENJIT_FOREVER, &result));
    CHECK_INT(42, result.of.integer);
    CHECK_OK(call(isolate, "add", two, 2, 60000, NULL));
    mgenjit_value numbers[] = { mgenjit_double(3), mgenjit_float(0.5F) };
    CHECK_OK(call(isolate, "half", numbers, 2, MGENJIT_FOREVER, &result));
    CHECK(result.kind == MGENJIT_TYPE_DOUBLE && result.of.double_precision == 2.0);
    mgenjit_value small = mgenjit_integer(MGENJIT_TYPE_I8, -1);
    CHECK_OK(call(isolate, "negative", &small, 1, MGENJIT_FOREVER, &result));
    CHECK(result.kind == MGENJIT_TYPE_I1 && result.of.integer == 1);
    CHECK_OK(call(isolate, "nothing", NULL, 0, MGENJIT_FOREVER, &result));
    CHECK_INT(MGENJIT_TYPE_VOID, result.kind);
    /* Wrong calls harm nothing: its variables stay. */
    CHECK_INT(5, call_integer(isolate, "count", 5));
    CHECK_STATUS(MGENJIT_STATUS_TYPE, call(isolate, "add", two, 1, MGENJIT_FOREVER, &result));
    CHECK_STATUS(MGENJIT_STATUS_TYPE, call(isolate, "add", numbers, 2, MGENJIT_FOREVER, &result));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, call(isolate, "absent", NULL, 0, MGENJIT_FOREVER, &result));
    mgenjit_value many[65] = { { 0 } };
    CHECK_STATUS(MGENJIT_STATUS_TYPE, call(isolate, "add", many, 65, MGENJIT_FOREVER, &result));
    CHECK_INT(12, call_integer(isolate, "count", 7));
    /* Nothing of it ran here. */
    CHECK_INT(1, FUNCTION(int64_t (*)(int64_t), executor, "count")(1));
    CHECK_OK(call(isolate, "process", NULL, 0, MGENJIT_FOREVER, &result));
    CHECK(result.of.integer != getpid());
    mgenjit_isolate_free(isolate);
    mgenjit_executor_free(executor);
}

static void shared_memory(void)
{
    mgenjit_executor *executor = new_functions();
    mgenjit_isolate *isolate = new_isolate(executor, NULL);
    int64_t *first = NULL, *second = NULL;
    CHECK_OK(mgenjit_isolate_alloc(isolate, 1000 * sizeof *first, (void **)&first, &failure));
    CHECK_OK(mgenjit_isolate_alloc(isolate, 1, (void **)&second, &failure));
    CHECK(first != second && (uintptr_t)first % 64 == 0 && (uintptr_t)second % 64 == 0 && first[999] == 0);
    mgenjit_value arguments[] = { mgenjit_pointer(first), integer(1000) }, result;
    CHECK_OK(call(isolate, "fill", arguments, 2, MGENJIT_FOREVER, &result));
    CHECK(result.of.pointer == first);
    CHECK_INT(999, first[999]);
    first[0] = 1000;
    /* It stays when the process does not. */
    mgenjit_value null = integer(0);
    CHECK_STATUS(MGENJIT_STATUS_ENDED, call(isolate, "crash", &null, 1, MGENJIT_FOREVER, &result));
    CHECK_OK(call(isolate, "sum", arguments, 2, MGENJIT_FOREVER, &result));
    CHECK_INT(500500, result.of.integer);
    CHECK_STATUS(MGENJIT_STATUS_MEMORY, mgenjit_isolate_alloc(isolate, 1 << 20, (void **)&second, &failure));
    CHECK_STATUS(MGENJIT_STATUS_MEMORY, mgenjit_isolate_alloc(isolate, SIZE_MAX, (void **)&second, &failure));
    mgenjit_isolate_free(isolate);
    CHECK_STATUS(MGENJIT_STATUS_MEMORY, mgenjit_isolate_new(executor, NULL, SIZE_MAX, &isolate, &failure));
    mgenjit_executor_free(executor);
}

static void ends(void)
{
    mgenjit_executor *executor = new_functions();
    mgenjit_isolation *isolation = NULL;
    CHECK_OK(mgenjit_isolation_new(&isolation, &failure));
    CHECK_OK(mgenjit_isolation_set_memory(isolation, 1 << 28, &failure));
    mgenjit_isolate *isolate = new_isolate(executor, isolation);
    mgenjit_value null = integer(0), three = mgenjit_integer(MGENJIT_TYPE_I32, 3), result = { .kind = 77 };
    /* Before the first call that succeeds, and after. */
    for (int i = 0; i < 2; i++) {
        CHECK_STATUS(MGENJIT_STATUS_ENDED, call(isolate, "crash", &null, 1, MGENJIT_FOREVER, &result));
        CHECK_MESSAGE("signal 11 ended it in crash+");
        CHECK_MESSAGE("calls_apart.ll");
        CHECK_STATUS(MGENJIT_STATUS_ENDED, call(isolate, "leave", &three, 1, MGENJIT_FOREVER, &result));
        CHECK_MESSAGE("it exited with status 3");
        CHECK_STATUS(MGENJIT_STATUS_ENDED, call(isolate, "give_up", NULL, 0, MGENJIT_FOREVER, &result));
        CHECK_MESSAGE("signal 6");
        CHECK_STATUS(MGENJIT_STATUS_ENDED, call(isolate, "loop", NULL, 0, 20, &result));
        CHECK_MESSAGE("its time was up");
        CHECK_STATUS(MGENJIT_STATUS_ENDED, call(isolate, "exhaust", NULL, 0, MGENJIT_FOREVER, &result));
        CHECK_INT(77, result.kind);
        /* Its variables began anew. */
        CHECK_INT(3, call_integer(isolate, "count", 3));
        CHECK_INT(4, call_integer(isolate, "count", 1));
    }
    CHECK_OK(call(isolate, "starts", NULL, 0, MGENJIT_FOREVER, &result));
    CHECK_INT(0, result.of.integer);
    mgenjit_isolate_free(isolate);
    mgenjit_isolation_free(isolation);
    mgenjit_executor_free(executor);
}

/* It has what its executor has. */
static void modules(void)
{
    mgenjit_executor *executor = new_functions();
    mgenjit_isolate *isolate = new_isolate(executor, NULL);
    CHECK_INT(5, call_integer(isolate, "count", 5));
    mgenjit_module *module = add(executor, "declare i64 @count(i64)\ndefine i64 @twice(i64 %x) {\n"
                                           "  %a = call i64 @count(i64 %x)\n  %b = call i64 @count(i64 %x)\n  ret i64 %b\n}\n");
    CHECK_INT(13, call_integer(isolate, "twice", 4));
    CHECK_OK(mgenjit_module_remove(module, &failure));
    mgenjit_module_free(module);
    mgenjit_value value = integer(1), result;
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, call(isolate, "twice", &value, 1, MGENJIT_FOREVER, &result));
    /* What the host defines is not there. */
    module = add(executor, "declare i64 @of_the_host()\ndefine i64 @ask(i64) {\n  %r = call i64 @of_the_host()\n  ret i64 %r\n}\n");
    CHECK_OK(mgenjit_executor_define(executor, "of_the_host", (void *)&modules, &failure));
    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, call(isolate, "ask", &value, 1, MGENJIT_FOREVER, &result));
    CHECK_OK(mgenjit_module_remove(module, &failure));
    mgenjit_module_free(module);
    CHECK_INT(18, call_integer(isolate, "count", 5));
    mgenjit_isolate_free(isolate);
    mgenjit_executor_free(executor);
}

static void *loop(void *isolate)
{
    mgenjit_value result;
    CHECK_STATUS(MGENJIT_STATUS_CANCELLED, call(isolate, "loop", NULL, 0, MGENJIT_FOREVER, &result));
    CHECK_MESSAGE("cancelled");
    check_reset();
    return isolate;
}

static void cancels(void)
{
    mgenjit_executor *executor = new_functions();
    mgenjit_isolate *isolate = new_isolate(executor, NULL);
    /* Nothing is to be cancelled: nothing happens. */
    CHECK_OK(mgenjit_isolate_cancel(isolate, &failure));
    CHECK_INT(1, call_integer(isolate, "count", 1));
    CHECK_OK(mgenjit_isolate_cancel(isolate, &failure));
    CHECK_INT(2, call_integer(isolate, "count", 1));
    pthread_t thread;
    void *ended = NULL;
    CHECK(pthread_create(&thread, NULL, loop, isolate) == 0);
    /* Until it has begun, and beyond. */
    while (pthread_tryjoin_np(thread, &ended) != 0) {
        CHECK_OK(mgenjit_isolate_cancel(isolate, &failure));
        usleep(1000);
    }
    CHECK(ended == isolate);
    CHECK_INT(1, call_integer(isolate, "count", 1));
    mgenjit_isolate_free(isolate);
    mgenjit_executor_free(executor);
}

/* Many at once, which crash now and then. */
struct worker {
    mgenjit_executor *executor;
    unsigned random;
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    mgenjit_isolate *isolate = new_isolate(worker->executor, NULL);
    int64_t expected = 0;
    for (int i = 0; i < 20; i++) {
        mgenjit_value null = integer(0), result;
        worker->random = worker->random * 1103515245 + 12345;
        switch (worker->random >> 16 & 7) {
        case 0:
            CHECK_STATUS(MGENJIT_STATUS_ENDED, call(isolate, "crash", &null, 1, MGENJIT_FOREVER, &result));
            expected = 0;
            break;
        case 1:
            CHECK_STATUS(MGENJIT_STATUS_ENDED, call(isolate, "loop", NULL, 0, 1, &result));
            expected = 0;
            break;
        default:
            expected += i;
            CHECK_INT(expected, call_integer(isolate, "count", i));
        }
    }
    mgenjit_isolate_free(isolate);
    check_reset();
    return NULL;
}

static int open_descriptors(void)
{
    int count = 0;
    for (int descriptor = 0; descriptor < 1024; descriptor++)
        count += fcntl(descriptor, F_GETFD) >= 0;
    return count;
}

static void many(void)
{
    enum { THREADS = 16 };
    pthread_t threads[THREADS];
    struct worker workers[THREADS];
    mgenjit_executor *executor = new_functions();
    mgenjit_isolate *isolate = new_isolate(executor, NULL);
    CHECK_INT(1, call_integer(isolate, "count", 1));
    mgenjit_isolate_free(isolate);
    int before = open_descriptors();
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){ executor, (unsigned)i };
        CHECK(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(before, open_descriptors());
    mgenjit_executor_free(executor);
}

/* The host is killed in the middle of a call: nothing is left. The process holds the other end of a pipe. */
static void killed_host(void)
{
    int life[2], begun[2];
    char byte;
    CHECK(pipe2(life, O_CLOEXEC) == 0 && pipe2(begun, O_CLOEXEC) == 0);
    pid_t host = fork();
    CHECK(host >= 0);
    if (host == 0) {
        mgenjit_isolation *isolation = NULL;
        mgenjit_value result;
        close(life[0]);
        CHECK_OK(mgenjit_isolation_new(&isolation, &failure));
        CHECK_OK(mgenjit_isolation_set_stream(isolation, 2, life[1], &failure));
        mgenjit_isolate *isolate = new_isolate(new_functions(), isolation);
        CHECK_INT(1, call_integer(isolate, "count", 1));
        CHECK(write(begun[1], "x", 1) == 1);
        call(isolate, "loop", NULL, 0, MGENJIT_FOREVER, &result);
        _exit(1);
    }
    close(life[1]);
    CHECK(read(begun[0], &byte, 1) == 1);
    CHECK(kill(host, SIGKILL) == 0);
    CHECK(waitpid(host, NULL, 0) == host);
    CHECK_INT(0, read(life[0], &byte, 1));
}

int main(void)
{
    static const check_case cases[] = {
        CASE(values), CASE(shared_memory), CASE(ends), CASE(modules), CASE(cancels), CASE(many), CASE(killed_host),
    };
    return RUN_CASES(cases);
}
