// ir: variadic.ll = variadic.c -O2
// warm: no server

/* Checked calls that must be refused, with a message that helps, and without calling anything. */
#include "check.h"

static mgenjit_executor *executor;

static void setup(void)
{
    executor = new_executor(NULL);
    mgenjit_module_free(add_file(executor, program("calls.ll")));
    mgenjit_module_free(add_file(executor, fixture("variadic.ll")));
}

static void check_refused_with(const char *name, const mgenjit_value *arguments, size_t count, const char *message)
{
    mgenjit_function *function = find_function(executor, name);
    mgenjit_value result = mgenjit_i64(77);
    CHECK_STATUS(MGENJIT_STATUS_TYPE, mgenjit_function_call(function, arguments, count, &result, &failure));
    CHECK_MESSAGE(message);
    CHECK(result.kind == MGENJIT_TYPE_I64 && result.of.integer == 77);
    mgenjit_function_free(function);
}

static void check_refused(const char *name, const mgenjit_value *arguments, size_t count)
{
    check_refused_with(name, arguments, count, name);
}

static void wrong_counts(void)
{
    mgenjit_value many[25];
    setup();
    for (int i = 0; i < 25; i++)
        many[i] = mgenjit_i32(1);
    check_refused("i32_next", NULL, 0);
    check_refused("i32_next", many, 2);
    check_refused("i32_next", many, 25);
    check_refused("nothing", many, 1);
    check_refused("twenty", many, 19);
    check_refused("write_all", many, 0);
    check_refused("write_all", many, 1);
    mgenjit_executor_free(executor);
}

/* Every type that can be passed, to every function but that of its own type. */
static void wrong_types(void)
{
    static const struct {
        const char *name;
        int type;
    } functions[] = {
        { "not", MGENJIT_TYPE_I1 }, { "i8_next", MGENJIT_TYPE_I8 }, { "i16_next", MGENJIT_TYPE_I16 },
        { "i32_next", MGENJIT_TYPE_I32 }, { "i64_next", MGENJIT_TYPE_I64 }, { "float_half", MGENJIT_TYPE_FLOAT },
        { "double_half", MGENJIT_TYPE_DOUBLE }, { "pointer_next", MGENJIT_TYPE_POINTER },
    };
    const size_t count = sizeof functions / sizeof *functions;
    setup();
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++) {
            mgenjit_value argument;
            if (i == j)
                continue;
            memset(&argument, 0, sizeof argument);
            argument.kind = functions[j].type;
            check_refused(functions[i].name, &argument, 1);
        }
    mgenjit_executor_free(executor);
}

static void wrong_later_argument(void)
{
    mgenjit_value arguments[6] = {
        mgenjit_i32(1), mgenjit_double(1), mgenjit_pointer(NULL), mgenjit_float(1), mgenjit_i64(1), mgenjit_i32(1),
    };
    setup();
    check_refused("mixed", arguments, 6);
    CHECK_MESSAGE("i8");
    CHECK_MESSAGE("i32");
    mgenjit_executor_free(executor);
}

static void no_types(void)
{
    static const int32_t types[] = { MGENJIT_TYPE_VOID, MGENJIT_TYPE_OTHER, -1, 10, 1000, INT32_MIN, INT32_MAX };
    setup();
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        mgenjit_value arguments[3] = { mgenjit_pointer(NULL), mgenjit_pointer(""), mgenjit_integer(types[i], 0) };
        check_refused_with("i32_next", arguments + 2, 1, "");
        check_refused_with("write_all", arguments, 3, "");
    }
    mgenjit_executor_free(executor);
}

static void out_of_range(void)
{
    static const struct {
        const char *name;
        int type;
        long long number;
    } cases[] = {
        { "i8_next", MGENJIT_TYPE_I8, 256 }, { "i8_next", MGENJIT_TYPE_I8, -129 },
        { "i8_next", MGENJIT_TYPE_I8, INT64_MAX }, { "i16_next", MGENJIT_TYPE_I16, 65536 },
        { "i16_next", MGENJIT_TYPE_I16, -32769 }, { "i32_next", MGENJIT_TYPE_I32, 4294967296 },
        { "i32_next", MGENJIT_TYPE_I32, -2147483649 }, { "not", MGENJIT_TYPE_I1, 2 },
        { "widen_signed8", MGENJIT_TYPE_I8, 300 }, { "widen_unsigned8", MGENJIT_TYPE_I8, 300 },
    };
    setup();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mgenjit_value argument = mgenjit_integer(cases[i].type, cases[i].number);
        char number[32];
        check_refused(cases[i].name, &argument, 1);
        snprintf(number, sizeof number, "%lld", cases[i].number);
        CHECK_MESSAGE(number);
    }
    mgenjit_executor_free(executor);
}

static void out_of_range_after_the_fixed_ones(void)
{
    char into[32] = "";
    mgenjit_value arguments[3] = {
        mgenjit_pointer(into), mgenjit_pointer("i"), mgenjit_integer(MGENJIT_TYPE_I32, 1LL << 40),
    };
    setup();
    check_refused("write_all", arguments, 3);
    mgenjit_executor_free(executor);
}

/* Signatures that cannot be called: by values and raw, in each case with the way out. */
static void not_callable(void)
{
    static const char *const names[] = {
        "returns_struct", "takes_struct", "takes_i128", "takes_vector", "fast", "takes_i24", "takes_fp80",
        "takes_half", "takes_byval", "takes_array",
    };
    static const double room[4];
    const void *const pointers[2] = { room, room };
    setup();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        mgenjit_value argument = mgenjit_i64(1);
        mgenjit_function *function;
        double result[4];
        void *address = NULL;
        check_refused(names[i], &argument, 1);
        CHECK_MESSAGE("address");
        function = find_function(executor, names[i]);
        CHECK_STATUS(MGENJIT_STATUS_TYPE, mgenjit_function_call_raw(
                                                 function, pointers, mgenjit_function_parameter_count(function),
                                                 result, sizeof result, &failure));
        CHECK_MESSAGE("address");
        CHECK_OK(mgenjit_function_address(function, &address, &failure));
        CHECK(address != NULL);
        mgenjit_function_free(function);
    }
    mgenjit_executor_free(executor);
}

static void by_its_address(void)
{
    typedef struct { long long a, b; } pair;
    setup();
    CHECK_INT(5, FUNCTION(pair (*)(long long), executor, "returns_struct")(5).b);
    CHECK(FUNCTION(long double (*)(long double), executor, "takes_fp80")(0.5L) == 0.5L);
    CHECK((long long)FUNCTION(__int128 (*)(__int128), executor, "takes_i128")(((__int128)3) << 64 >> 32) == 3LL << 32);
    mgenjit_executor_free(executor);
}

static void signatures_that_are_not_known(void)
{
    static const char *const names[] = { "printf", "nowhere", "snprintf", "" };
    mgenjit_function *function = NULL;
    setup();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND,
                     mgenjit_executor_lookup_function(executor, names[i], &function, &failure));
    CHECK(function == NULL);
    mgenjit_executor_free(executor);
}

/* Data is not a function. */
static void data_as_a_function(void)
{
    mgenjit_function *function = NULL;
    executor = new_executor(NULL);
    add(executor, "@data = global i32 1\n");
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_executor_lookup_function(executor, "data", &function, &failure));
    mgenjit_executor_free(executor);
}

static void unresolved_at_a_call(void)
{
    mgenjit_function *function;
    mgenjit_value result;
    void *address;
    executor = new_executor(NULL);
    add(executor, "declare i32 @missing()\ndefine i32 @calls_missing() {\n  %r = call i32 @missing()\n  ret i32 %r\n}\n");
    function = find_function(executor, "calls_missing");
    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, mgenjit_function_call(function, NULL, 0, &result, &failure));
    CHECK_STRING("missing", mgenjit_error_symbol(failure, 0));
    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, mgenjit_function_call_raw(function, NULL, 0, NULL, 0, &failure));
    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, mgenjit_function_address(function, &address, &failure));
    add(executor, "define i32 @missing() {\n  ret i32 4\n}\n");
    CHECK_OK(mgenjit_function_call(function, NULL, 0, &result, &failure));
    CHECK_INT(4, result.of.integer);
    mgenjit_function_free(function);
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(wrong_counts), CASE(wrong_types), CASE(wrong_later_argument), CASE(no_types), CASE(out_of_range),
        CASE(out_of_range_after_the_fixed_ones), CASE(not_callable), CASE(by_its_address),
        CASE(signatures_that_are_not_known), CASE(data_as_a_function), CASE(unresolved_at_a_call),
    };
    return RUN_CASES(cases);
}
