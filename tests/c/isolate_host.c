// ir: isolate_host.ll = isolate_host.c -O1
// ir: isolate_types.ll = isolate_types.c -O1
// libs: -lpthread
// warm: no server

/* Functions of the host that code in a process of its own calls. */
#include "check.h"

#include <pthread.h>

/* A limit that no test meets, so that none hangs. */
enum { LONG = 120000 };

enum { I1 = MGENJIT_TYPE_I1, I8, I16, I32, I64, FLOAT, DOUBLE, POINTER, VOID = MGENJIT_TYPE_VOID };

static mgenjit_executor *executor;
static mgenjit_isolate *isolate;

/* How often functions of the host were called, and what was freed. */
static int calls, freed;
static pthread_t caller;

static void begin(void)
{
    executor = new_executor(NULL);
    mgenjit_module_free(add_file(executor, fixture("isolate_host.ll")));
    CHECK_OK(mgenjit_isolate_new(executor, NULL, 1 << 16, &isolate, &failure));
    caller = pthread_self();
    calls = freed = 0;
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

static mgenjit_status call_for(const char *name, const mgenjit_value *arguments, size_t count, uint64_t timeout, mgenjit_value *result)
{
    check_reset();
    return mgenjit_isolate_call(isolate, name, arguments, count, timeout, result, &failure);
}

static mgenjit_status call(const char *name, int64_t argument, mgenjit_value *result)
{
    mgenjit_value value = integer(argument);
    return call_for(name, &value, 1, LONG, result);
}

static int64_t result_of(const char *name, int64_t argument)
{
    mgenjit_value result = { 0 };
    CHECK_STATUS(MGENJIT_STATUS_OK, call(name, argument, &result));
    return result.of.integer;
}

static void on_free(void *user)
{
    CHECK(user == &freed);
    freed++;
}

static void define(const char *name, mgenjit_isolate_function function, int32_t result, const int32_t *parameters, size_t count)
{
    CHECK_OK(mgenjit_isolate_define(isolate, name, function, result, parameters, count, &freed, on_free, &failure));
}

static void define_of_host(mgenjit_isolate_function function)
{
    const int32_t type[] = { I64 };
    define("of_host", function, I64, type, 1);
}

static void tenfold(void *user, const mgenjit_value *arguments, size_t count, mgenjit_value *result)
{
    CHECK(user == &freed && count == 1 && arguments[0].kind == I64 && result->kind == I64 && result->of.integer == 0);
    CHECK(pthread_equal(caller, pthread_self()));
    calls++;
    result->of.integer = 10 * arguments[0].of.integer;
}

static void mixed(void *user, const mgenjit_value *a, size_t count, mgenjit_value *result)
{
    static const int32_t kinds[] = { I1, I8, I16, I32, I64, FLOAT, DOUBLE, POINTER, I64, I64, FLOAT, DOUBLE, DOUBLE, DOUBLE, DOUBLE,
                                     DOUBLE, DOUBLE, DOUBLE };
    (void)user;
    CHECK_INT(18, count);
    for (size_t i = 0; i < count; i++)
        CHECK_INT(kinds[i], a[i].kind);
    CHECK(a[0].of.integer == 1 && a[1].of.integer == -2 && a[2].of.integer == -3 && a[3].of.integer == -4 && a[4].of.integer == 5);
    CHECK(a[5].of.single_precision == 0.5F && a[6].of.double_precision == 0.25 && a[7].of.pointer != NULL);
    CHECK(a[8].of.integer == 6 && a[9].of.integer == 7 && a[10].of.single_precision == 1.5F);
    for (int i = 11; i < 18; i++)
        CHECK(a[i].of.double_precision == i - 9);
    result->of.double_precision = 42.5;
}

static void notify(void *user, const mgenjit_value *arguments, size_t count, mgenjit_value *result)
{
    (void)user, (void)arguments;
    CHECK(count == 0 && result->kind == VOID);
    calls++;
}

/* The same function for several types. */
static void change(void *user, const mgenjit_value *arguments, size_t count, mgenjit_value *result)
{
    (void)user;
    CHECK(count == 1 && arguments[0].kind == result->kind);
    switch (result->kind) {
    case I1: result->of.integer = !arguments[0].of.integer; break;
    /* Unsigned or signed, as the caller has it. */
    case I8: result->of.integer = arguments[0].of.integer == (int8_t)200 ? 201 : arguments[0].of.integer - 1; break;
    case FLOAT: result->of.single_precision = arguments[0].of.single_precision / 2; break;
    default: *result = arguments[0];
    }
}

static void values(void)
{
    begin();
    define_of_host(tenfold);
    CHECK_INT(421, result_of("ask", 42));
    CHECK_INT(1, calls);
    CHECK_INT(10 * 499500, result_of("ask_often", 1000));
    CHECK_INT(1001, calls);
    /* More, while the process runs; what is not given is missing, and for its own module alone. */
    CHECK_INT(3, result_of("count", 3));
    mgenjit_module_free(add_file(executor, fixture("isolate_types.ll")));
    mgenjit_value result, pointer = mgenjit_pointer(&result);
    const int32_t types[] = { I1, I8, I16, I32, I64, FLOAT, DOUBLE, POINTER, I64, I64, FLOAT, DOUBLE, DOUBLE, DOUBLE, DOUBLE, DOUBLE,
                              DOUBLE, DOUBLE };
    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, call_for("ask_mixed", NULL, 0, LONG, &result));
    CHECK_INT(7, mgenjit_error_symbol_count(failure));
    define("mixed", mixed, DOUBLE, types, 18);
    define("notify", notify, VOID, NULL, 0);
    define("byte", change, I8, &(int32_t){ I8 }, 1);
    define("small", change, I8, &(int32_t){ I8 }, 1);
    define("negate", change, I1, &(int32_t){ I1 }, 1);
    define("halve", change, FLOAT, &(int32_t){ FLOAT }, 1);
    define("same", change, POINTER, &(int32_t){ POINTER }, 1);
    CHECK_OK(call_for("ask_mixed", NULL, 0, LONG, &result));
    CHECK(result.kind == DOUBLE && result.of.double_precision == 42.5);
    CHECK_OK(call_for("ask_small", &pointer, 1, LONG, &result));
    CHECK_INT(1, result.of.integer);
    CHECK_INT(1002, calls);
    CHECK_INT(3, result_of("count", 0));
    end();
    CHECK_INT(8, freed);
}

static void not_given(void)
{
    begin();
    mgenjit_value result;
    /* This process has one, and so has its executor. */
    CHECK_OK(mgenjit_executor_define(executor, "of_host", (void *)&not_given, &failure));
    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, call("ask", 1, &result));
    CHECK_STRING("of_host", mgenjit_error_symbol(failure, 0));
    const int32_t bad[] = { VOID, MGENJIT_TYPE_OTHER, 77, -1 };
    for (int i = 0; i < 4; i++) {
        CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT,
                     mgenjit_isolate_define(isolate, "of_host", tenfold, I64, &bad[i], 1, &freed, on_free, &failure));
        if (i > 0)
            CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT,
                         mgenjit_isolate_define(isolate, "of_host", tenfold, bad[i], NULL, 0, &freed, on_free, &failure));
    }
    CHECK_INT(0, freed);
    define_of_host(tenfold);
    CHECK_INT(11, result_of("ask", 1));
    end();
}

static void returns_another_type(void *user, const mgenjit_value *arguments, size_t count, mgenjit_value *result)
{
    (void)user, (void)arguments, (void)count;
    *result = mgenjit_double(1);
}

static void calls_its_isolate(void *user, const mgenjit_value *arguments, size_t count, mgenjit_value *result)
{
    (void)user, (void)arguments, (void)count;
    mgenjit_value value;
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, call("count", 1, &value));
    CHECK_MESSAGE("waits for that one");
    check_reset();
    void *memory = NULL;
    CHECK_OK(mgenjit_isolate_alloc(isolate, 8, &memory, &failure));
    CHECK_OK(mgenjit_isolate_free_memory(isolate, memory, &failure));
    /* Another one can be called. */
    mgenjit_isolate *own = isolate;
    CHECK_OK(mgenjit_isolate_new(executor, NULL, 0, &isolate, &failure));
    define_of_host(tenfold);
    result->of.integer = result_of("ask", 2);
    mgenjit_isolate_free(isolate);
    isolate = own;
}

static void cancels(void *user, const mgenjit_value *arguments, size_t count, mgenjit_value *result)
{
    (void)user, (void)arguments, (void)count, (void)result;
    CHECK_OK(mgenjit_isolate_cancel(isolate, &failure));
}

static void takes_its_time(void *user, const mgenjit_value *arguments, size_t count, mgenjit_value *result)
{
    (void)user, (void)arguments, (void)count, (void)result;
    usleep(50000);
}

static void unusual(void)
{
    begin();
    mgenjit_value result, one = integer(1);
    define_of_host(returns_another_type);
    CHECK_STATUS(MGENJIT_STATUS_TYPE, call("ask", 1, &result));
    CHECK_MESSAGE("i64 @of_host(i64)");
    mgenjit_isolate_free(isolate);
    CHECK_OK(mgenjit_isolate_new(executor, NULL, 0, &isolate, &failure));
    define_of_host(calls_its_isolate);
    CHECK_INT(22, result_of("ask", 1));
    mgenjit_isolate_free(isolate);
    CHECK_OK(mgenjit_isolate_new(executor, NULL, 0, &isolate, &failure));
    define_of_host(cancels);
    CHECK_STATUS(MGENJIT_STATUS_CANCELLED, call("ask", 1, &result));
    CHECK_INT(1, result_of("count", 1));
    mgenjit_isolate_free(isolate);
    CHECK_OK(mgenjit_isolate_new(executor, NULL, 0, &isolate, &failure));
    define_of_host(takes_its_time);
    CHECK_STATUS(MGENJIT_STATUS_ENDED, call_for("ask", &one, 1, 20, &result));
    CHECK_INT(MGENJIT_LIMIT_TIME, mgenjit_outcome_limit(mgenjit_error_outcome(failure)));
    end();
}

/* Threads of the code ask by whatever call is made. */
static void threads(void)
{
    begin();
    define_of_host(tenfold);
    CHECK_INT(8, result_of("ask_from_many", 5) & 0xff);
    CHECK_INT(8, calls);
    CHECK_INT(0, result_of("begin_thread", 7) & 0xff);
    mgenjit_value result;
    CHECK_UNTIL(call_for("threads_result", NULL, 0, LONG, &result) == MGENJIT_STATUS_OK && result.of.integer == 70);
    CHECK_INT(9, calls);
    end();
}

int main(void)
{
    static const check_case cases[] = { CASE(values), CASE(not_given), CASE(unusual), CASE(threads) };
    return RUN_CASES(cases);
}
