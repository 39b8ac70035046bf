// ir: isolate_calls.ll = isolate_calls.c -O1
// libs: -lpthread
// warm: no server

/* Calls in processes of their own: what is kept between them, what is told when one ends, and what they call in the host. */
#include "check.h"

#include <pthread.h>

/* A limit that no test meets, so that none hangs. */
enum { LONG = 120000 };

static mgenjit_executor *executor;
static mgenjit_isolate *isolate;

static void begin(const mgenjit_isolation *isolation)
{
    executor = new_executor(NULL);
    mgenjit_module_free(add_file(executor, fixture("isolate_calls.ll")));
    CHECK_OK(mgenjit_isolate_new(executor, isolation, 1 << 20, &isolate, &failure));
}

static void end(void)
{
    mgenjit_isolate_free(isolate);
    mgenjit_executor_free(executor);
}

static mgenjit_value integer(int64_t value)
{
    return mgenjit_integer(MGENJIT_TYPE_I64, value);
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

static int64_t count(int64_t by)
{
    mgenjit_value value = integer(by);
    return result_of("count", &value, 1);
}

/* How the last call ended its process. */
static void outcome_is(int exit_status, int signal, int limit)
{
    const mgenjit_outcome *outcome = mgenjit_error_outcome(failure);
    CHECK(outcome != NULL);
    CHECK_INT(exit_status, mgenjit_outcome_exit_status(outcome));
    CHECK_INT(signal, mgenjit_outcome_signal(outcome));
    CHECK_INT(limit, mgenjit_outcome_limit(outcome));
}

static void ends(void)
{
    mgenjit_isolation *isolation = NULL;
    CHECK_OK(mgenjit_isolation_new(&isolation, &failure));
    CHECK_OK(mgenjit_isolation_set_memory(isolation, 1 << 28, &failure));
    begin(isolation);
    mgenjit_isolation_free(isolation);
    mgenjit_value at = integer(24), three = mgenjit_integer(MGENJIT_TYPE_I32, 3);
    mgenjit_fault fault = { .size = sizeof fault };
    mgenjit_usage usage = { .size = sizeof usage };
    for (int i = 0; i < 2; i++) {
        CHECK_STATUS(MGENJIT_STATUS_ENDED, call("crash", &at, 1, LONG, NULL));
        outcome_is(-1, SIGSEGV, MGENJIT_LIMIT_NONE);
        CHECK(mgenjit_outcome_fault(mgenjit_error_outcome(failure), &fault));
        CHECK_INT(24, fault.address);
        CHECK_STRING("crash", fault.function);
        CHECK_CONTAINS("isolate_calls.ll", fault.module);
        CHECK(fault.module_offset > fault.function_offset);
        CHECK_INT(MGENJIT_STATUS_OK, mgenjit_outcome_usage(mgenjit_error_outcome(failure), &usage, NULL));
        CHECK(usage.memory > 0);
        CHECK_STATUS(MGENJIT_STATUS_ENDED, call("leave", &three, 1, LONG, NULL));
        outcome_is(3, 0, MGENJIT_LIMIT_NONE);
        CHECK(!mgenjit_outcome_fault(mgenjit_error_outcome(failure), &fault));
        CHECK_STATUS(MGENJIT_STATUS_ENDED, call("loop", NULL, 0, 20, NULL));
        outcome_is(-1, SIGKILL, MGENJIT_LIMIT_TIME);
        CHECK_MESSAGE("its time was up");
        CHECK_STATUS(MGENJIT_STATUS_ENDED, call("exhaust", NULL, 0, LONG, NULL));
        outcome_is(-1, SIGSEGV, MGENJIT_LIMIT_MEMORY);
        CHECK_INT(3, count(3));
    }
    /* What ends nothing has no outcome. */
    CHECK_STATUS(MGENJIT_STATUS_TYPE, call("crash", NULL, 0, LONG, NULL));
    CHECK(mgenjit_error_outcome(failure) == NULL && mgenjit_error_outcome(NULL) == NULL);
    CHECK_INT(4, count(1));
    end();
}

/* What is added and removed reaches the process that runs: what it has in memory stays. */
static void modules(void)
{
    begin(NULL);
    mgenjit_value argument = integer(77);
    mgenjit_value kept = mgenjit_pointer((void *)(intptr_t)result_of("keep", &argument, 1));
    int64_t process = result_of("process", NULL, 0);
    CHECK_INT(5, count(5));
    mgenjit_module *module = add(executor, "declare i64 @count(i64)\n@own = global i64 100\n"
                                           "define i64 @twice(i64 %x) {\n  %a = call i64 @count(i64 %x)\n"
                                           "  %b = call i64 @count(i64 %x)\n  ret i64 %b\n}\n"
                                           "define i64 @of_module() {\n  %v = load i64, ptr @own\n  ret i64 %v\n}\n");
    argument = integer(4);
    CHECK_INT(13, result_of("twice", &argument, 1));
    CHECK_INT(100, result_of("of_module", NULL, 0));
    /* One that lacks a symbol fails what needs it, and nothing else. */
    mgenjit_module *lacking = add(executor, "declare i64 @nowhere()\ndefine i64 @lacks() {\n  %r = call i64 @nowhere()\n  ret i64 %r\n}\n");
    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, call("lacks", NULL, 0, LONG, NULL));
    CHECK_INT(1, mgenjit_error_symbol_count(failure));
    CHECK_STRING("nowhere", mgenjit_error_symbol(failure, 0));
    CHECK_INT(14, count(1));
    mgenjit_module *other = add(executor, "declare i64 @lacks()\ndefine i64 @needs() {\n  %r = call i64 @lacks()\n  ret i64 %r\n}\n");
    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, call("needs", NULL, 0, LONG, NULL));
    mgenjit_module_free(add(executor, "define i64 @nowhere() {\n  ret i64 9\n}\n"));
    CHECK_INT(9, result_of("needs", NULL, 0));
    CHECK_OK(mgenjit_module_remove(other, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, call("needs", NULL, 0, LONG, NULL));
    CHECK_OK(mgenjit_module_remove(module, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, call("twice", &argument, 1, LONG, NULL));
    /* A definition that is added later is found. */
    mgenjit_module_free(add(executor, "define i64 @twice(i64 %x) {\n  ret i64 -1\n}\n"));
    CHECK_INT(-1, result_of("twice", &argument, 1));
    CHECK_INT(15, count(1));
    CHECK_INT(77, result_of("kept", &kept, 1));
    CHECK_INT(process, result_of("process", NULL, 0));
    /* A large one. */
    char *ir = NULL;
    size_t size = 0;
    FILE *text = open_memstream(&ir, &size);
    fprintf(text, "@large = constant [300000 x i8] c\"");
    for (int i = 0; i < 300000; i++)
        fputc('a' + i % 26, text);
    fprintf(text, "\"\ndefine i32 @letter(i64 %%i) {\n  %%p = getelementptr i8, ptr @large, i64 %%i\n  %%c = load i8, ptr %%p\n"
                  "  %%r = zext i8 %%c to i32\n  ret i32 %%r\n}\n");
    CHECK(fclose(text) == 0);
    mgenjit_module_free(add(executor, ir));
    free(ir);
    argument = integer(299999);
    CHECK_INT('a' + 299999 % 26, result_of("letter", &argument, 1));
    CHECK_INT(process, result_of("process", NULL, 0));
    /* After the process has ended, all is there again. */
    argument = integer(0);
    CHECK_STATUS(MGENJIT_STATUS_ENDED, call("crash", &argument, 1, LONG, NULL));
    CHECK_INT('a', result_of("letter", &argument, 1));
    CHECK_INT(1, count(1));
    mgenjit_module_free(module);
    mgenjit_module_free(lacking);
    mgenjit_module_free(other);
    end();
}

/* In an executor whose functions are replaceable, the last definition counts for all callers. */
static void replaceable(void)
{
    mgenjit_config *config = NULL;
    CHECK_OK(mgenjit_config_new(&config, &failure));
    CHECK_OK(mgenjit_config_set_replaceable(config, true, &failure));
    executor = new_executor(config);
    mgenjit_config_free(config);
    CHECK_OK(mgenjit_isolate_new(executor, NULL, 0, &isolate, &failure));
    mgenjit_module_free(add(executor, "@times = global i64 0\ndefine i64 @value() {\n  ret i64 1\n}\ndefine i64 @caller() {\n"
                                      "  %t = load i64, ptr @times\n  %u = add i64 %t, 100\n  store i64 %u, ptr @times\n"
                                      "  %v = call i64 @value()\n  %r = add i64 %u, %v\n  ret i64 %r\n}\n"));
    CHECK_INT(101, result_of("caller", NULL, 0));
    mgenjit_module *second = add(executor, "define i64 @value() {\n  ret i64 2\n}\n");
    CHECK_INT(202, result_of("caller", NULL, 0));
    CHECK_INT(2, result_of("value", NULL, 0));
    CHECK_OK(mgenjit_module_remove(second, &failure));
    CHECK_INT(301, result_of("caller", NULL, 0));
    mgenjit_module_free(second);
    /* A module that is replaced as a whole begins anew. */
    mgenjit_module *old = add(executor, "define i64 @other() {\n  ret i64 5\n}\n"), *new = NULL;
    CHECK_INT(5, result_of("other", NULL, 0));
    mgenjit_source *source = NULL;
    const char *ir = "define i64 @other() {\n  ret i64 6\n}\n";
    CHECK_OK(mgenjit_source_new("new.ll", &source, &failure));
    CHECK_OK(mgenjit_source_add(source, "new.ll", ir, strlen(ir), &failure));
    CHECK_OK(mgenjit_module_replace(old, source, MGENJIT_ALLOW_NOTHING, &new, &failure));
    mgenjit_source_free(source);
    CHECK_INT(6, result_of("other", NULL, 0));
    CHECK_INT(101, result_of("caller", NULL, 0));
    mgenjit_module_free(old);
    mgenjit_module_free(new);
    end();
}

static void many_arguments(void)
{
    enum { COUNT = 8000 };
    begin(NULL);
    static mgenjit_value values[COUNT];
    values[0] = integer(COUNT - 1);
    for (int i = 1; i < COUNT; i++)
        values[i] = integer(INT64_MIN + i);
    CHECK_INT((int64_t)COUNT * (COUNT - 1) / 2 + INT64_MIN, result_of("sum", values, COUNT));
    CHECK_STATUS(MGENJIT_STATUS_TYPE, call("sum", values, 0, LONG, NULL));
    values[77].kind = 77;
    CHECK_STATUS(MGENJIT_STATUS_TYPE, call("sum", values, COUNT, LONG, NULL));
    /* A long name. */
    char name[3000];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, call(name, NULL, 0, LONG, NULL));
    CHECK_INT(1, count(1));
    end();
}

static void memory(void)
{
    enum { PIECE = 1 << 18 };
    begin(NULL);
    char *pieces[4];
    void *none = NULL;
    for (int i = 0; i < 4; i++)
        CHECK_OK(mgenjit_isolate_alloc(isolate, PIECE, (void **)&pieces[i], &failure));
    CHECK_STATUS(MGENJIT_STATUS_MEMORY, mgenjit_isolate_alloc(isolate, 1, &none, &failure));
    memset(pieces[1], 'x', PIECE);
    memset(pieces[2], 'y', PIECE);
    CHECK_OK(mgenjit_isolate_free_memory(isolate, pieces[1], &failure));
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_isolate_free_memory(isolate, pieces[1], &failure));
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_isolate_free_memory(isolate, pieces[2] + 64, &failure));
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_isolate_free_memory(isolate, &none, &failure));
    CHECK_OK(mgenjit_isolate_free_memory(isolate, NULL, &failure));
    CHECK_STATUS(MGENJIT_STATUS_MEMORY, mgenjit_isolate_alloc(isolate, PIECE + 1, &none, &failure));
    CHECK_OK(mgenjit_isolate_free_memory(isolate, pieces[2], &failure));
    char *both = NULL;
    CHECK_OK(mgenjit_isolate_alloc(isolate, 2 * PIECE, (void **)&both, &failure));
    CHECK(both == pieces[1] && both[0] == 0 && both[2 * PIECE - 1] == 0 && memcmp(both, both + 1, 2 * PIECE - 1) == 0);
    /* Without an end. */
    for (int i = 0; i < 10000; i++) {
        CHECK_OK(mgenjit_isolate_free_memory(isolate, both, &failure));
        CHECK_OK(mgenjit_isolate_alloc(isolate, 1000 + (size_t)i % 100, (void **)&both, &failure));
    }
    mgenjit_value argument = mgenjit_pointer(both);
    *(int64_t *)(void *)both = 55;
    CHECK_INT(55, result_of("kept", &argument, 1));
    end();
}

static void forked_child(void)
{
    begin(NULL);
    void *memory_of_parent = NULL, *none;
    CHECK_OK(mgenjit_isolate_alloc(isolate, 8, &memory_of_parent, &failure));
    CHECK_INT(1, count(1));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        mgenjit_value one = integer(1);
        mgenjit_blob *output = NULL;
        CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, call("count", &one, 1, LONG, NULL));
        CHECK_MESSAGE("forked");
        CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_isolate_alloc(isolate, 8, &none, &failure));
        CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_isolate_free_memory(isolate, memory_of_parent, &failure));
        CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_isolate_cancel(isolate, &failure));
        CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_isolate_output(isolate, 1, &output, &failure));
        mgenjit_isolate_free(isolate);
        /* One of its own. */
        CHECK_OK(mgenjit_isolate_new(executor, NULL, 1 << 12, &isolate, &failure));
        CHECK_INT(1, count(1));
        mgenjit_isolate_free(isolate);
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_INT(0, status);
    CHECK_INT(2, count(1));
    end();
}

static void output_is(int stream, const char *expected)
{
    mgenjit_blob *output = NULL;
    CHECK_OK(mgenjit_isolate_output(isolate, stream, &output, &failure));
    CHECK_INT(strlen(expected), mgenjit_blob_size(output));
    CHECK(memcmp(expected, mgenjit_blob_data(output), strlen(expected)) == 0);
    mgenjit_blob_free(output);
}

static void output(void)
{
    mgenjit_isolation *isolation = NULL;
    CHECK_OK(mgenjit_isolation_new(&isolation, &failure));
    CHECK_OK(mgenjit_isolation_capture(isolation, 1, &failure));
    CHECK_OK(mgenjit_isolation_capture(isolation, 2, &failure));
    CHECK_OK(mgenjit_isolation_set_output(isolation, 100000, &failure));
    begin(isolation);
    mgenjit_isolation_free(isolation);
    output_is(1, "");
    mgenjit_value number = integer(1);
    CHECK_OK(call("say", &number, 1, LONG, NULL));
    output_is(1, "number 1\n");
    output_is(1, "");
    number = integer(2);
    CHECK_OK(call("say", &number, 1, LONG, NULL));
    CHECK_OK(call("say", &number, 1, LONG, NULL));
    output_is(1, "number 2\nnumber 2\n");
    output_is(2, "error 1\nerror 2\nerror 2\n");
    /* Nobody reads while it is called. */
    number = integer(70000);
    CHECK_OK(call("shout", &number, 1, LONG, NULL));
    CHECK_STATUS(MGENJIT_STATUS_ENDED, call("shout", &number, 1, LONG, NULL));
    outcome_is(-1, SIGXFSZ, MGENJIT_LIMIT_OUTPUT);
    /* What it wrote before its end is there. */
    mgenjit_blob *blob = NULL;
    CHECK_OK(mgenjit_isolate_output(isolate, 1, &blob, &failure));
    CHECK_INT(100000 - 27, mgenjit_blob_size(blob));
    mgenjit_blob_free(blob);
    number = integer(3);
    CHECK_OK(call("say", &number, 1, LONG, NULL));
    output_is(1, "number 3\n");
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_isolate_output(isolate, 0, &blob, &failure));
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_isolate_output(isolate, 3, &blob, &failure));
    end();
}

int main(void)
{
    static const check_case cases[] = {
        CASE(ends), CASE(modules), CASE(replaceable), CASE(many_arguments), CASE(memory), CASE(forked_child), CASE(output),
    };
    return RUN_CASES(cases);
}
