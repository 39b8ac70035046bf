// ir: variadic.ll = variadic.c -O2
// warm: no server

/* Checked calls that work: every type, on registers and on the stack, fixed and variadic. */
#include "check.h"

static mgenjit_executor *executor;

static mgenjit_value call(const char *name, const mgenjit_value *arguments, size_t count)
{
    mgenjit_function *function = find_function(executor, name);
    mgenjit_value result;
    memset(&result, 0xee, sizeof result);
    CHECK_OK(mgenjit_function_call(function, arguments, count, &result, &failure));
    CHECK_INT(mgenjit_function_result_type(function), result.kind);
    mgenjit_function_free(function);
    return result;
}

static long long call_integer(const char *name, mgenjit_value argument)
{
    return call(name, &argument, 1).of.integer;
}

static void nothing(void)
{
    mgenjit_value result = call("nothing", NULL, 0);
    CHECK_INT(MGENJIT_TYPE_VOID, result.kind);
}

static void truth_values(void)
{
    CHECK_INT(1, call_integer("not", mgenjit_i1(0)));
    CHECK_INT(0, call_integer("not", mgenjit_i1(1)));
    CHECK_INT(0, call_integer("not", mgenjit_i1(2)));
    CHECK_INT(1, call_integer("not_zeroext", mgenjit_i1(0)));
    CHECK_INT(0, call_integer("not_zeroext", mgenjit_i1(1)));
    CHECK_INT(-1, call_integer("i1_signext", mgenjit_i1(1)));
    CHECK_INT(0, call_integer("i1_signext", mgenjit_i1(0)));
    CHECK_INT(1, call_integer("i1_zeroext", mgenjit_i1(1)));
}

/* A result is sign-extended from its type. */
static void integers(void)
{
    CHECK_INT(8, call_integer("i8_next", mgenjit_i8(7)));
    CHECK_INT(0, call_integer("i8_next", mgenjit_i8(-1)));
    CHECK_INT(-128, call_integer("i8_next", mgenjit_i8(127)));
    CHECK_INT(-127, call_integer("i8_next", mgenjit_i8(-128)));
    CHECK_INT(-32768, call_integer("i16_next", mgenjit_i16(32767)));
    CHECK_INT(0, call_integer("i16_next", mgenjit_i16(-1)));
    CHECK_INT(-2147483647 - 1, call_integer("i32_next", mgenjit_i32(2147483647)));
    CHECK_INT(-4, call_integer("i32_next", mgenjit_i32(-5)));
    CHECK_INT(INT64_MIN, call_integer("i64_next", mgenjit_i64(INT64_MAX)));
    CHECK_INT(1LL << 40 | 1, call_integer("i64_next", mgenjit_i64(1LL << 40)));
}

/* An integer may be given signed or unsigned, as long as it fits. */
static void unsigned_integers(void)
{
    CHECK_INT(-56, call_integer("i8_next", mgenjit_integer(MGENJIT_TYPE_I8, 199)));
    CHECK_INT(0, call_integer("i8_next", mgenjit_integer(MGENJIT_TYPE_I8, 255)));
    CHECK_INT(0, call_integer("i16_next", mgenjit_integer(MGENJIT_TYPE_I16, 65535)));
    CHECK_INT(0, call_integer("i32_next", mgenjit_integer(MGENJIT_TYPE_I32, 4294967295)));
    CHECK_INT(-1, call_integer("i32_next", mgenjit_integer(MGENJIT_TYPE_I32, 4294967294)));
}

static void extension(void)
{
    CHECK_INT(-1, call_integer("widen_signed8", mgenjit_i8(-1)));
    CHECK_INT(-128, call_integer("widen_signed8", mgenjit_i8(-128)));
    CHECK_INT(-1, call_integer("widen_signed8", mgenjit_integer(MGENJIT_TYPE_I8, 255)));
    CHECK_INT(255, call_integer("widen_unsigned8", mgenjit_i8(-1)));
    CHECK_INT(200, call_integer("widen_unsigned8", mgenjit_integer(MGENJIT_TYPE_I8, 200)));
    CHECK_INT(-2, call_integer("widen_signed16", mgenjit_i16(-2)));
    CHECK_INT(65534, call_integer("widen_unsigned16", mgenjit_i16(-2)));
    CHECK_INT(-1, call_integer("narrow_signed8", mgenjit_i32(0x1ff)));
    CHECK_INT(-1, call_integer("narrow_unsigned8", mgenjit_i32(0x1ff)));
    CHECK_INT(0x7f, call_integer("narrow_unsigned8", mgenjit_i32(0x17f)));
}

static void floating_point(void)
{
    mgenjit_value argument = mgenjit_float(3.0f);
    CHECK(call("float_half", &argument, 1).of.single_precision == 1.5f);
    argument = mgenjit_double(-3.0);
    CHECK(call("double_half", &argument, 1).of.double_precision == -1.5);
}

static void pointers(void)
{
    static char bytes[2];
    mgenjit_value argument = mgenjit_pointer(bytes);
    CHECK(call("pointer_next", &argument, 1).of.pointer == bytes + 1);
    argument = mgenjit_pointer(NULL);
    CHECK(call("pointer_next", &argument, 1).of.pointer == (char *)0 + 1);
}

static void twenty_arguments(void)
{
    static const long long numbers[20] = { 1, -2, 3, -4, 5, -6, -7, -8, 9, -10, 11, -12, 13, 14, 15, 1, 0, 18, -19, 20 };
    static const int types[20] = {
        MGENJIT_TYPE_I64, MGENJIT_TYPE_I32, MGENJIT_TYPE_I16, MGENJIT_TYPE_I8, MGENJIT_TYPE_I64,
        MGENJIT_TYPE_I32, MGENJIT_TYPE_I16, MGENJIT_TYPE_I8, MGENJIT_TYPE_I64, MGENJIT_TYPE_I32,
        MGENJIT_TYPE_I64, MGENJIT_TYPE_I32, MGENJIT_TYPE_I16, MGENJIT_TYPE_I8, MGENJIT_TYPE_I64,
        MGENJIT_TYPE_I1, MGENJIT_TYPE_I1, MGENJIT_TYPE_I64, MGENJIT_TYPE_I64, MGENJIT_TYPE_I64,
    };
    mgenjit_value arguments[20];
    long long expected = 0;
    for (int i = 0; i < 20; i++) {
        arguments[i] = mgenjit_integer(types[i], numbers[i]);
        expected = i < 2 ? expected + numbers[i] : expected * 3 + numbers[i];
    }
    CHECK_INT(expected, call("twenty", arguments, 20).of.integer);
}

static void twenty_floating_arguments(void)
{
    mgenjit_value arguments[20];
    for (int i = 0; i < 20; i++)
        arguments[i] = i % 2 == 0 ? mgenjit_double(i + 1) : mgenjit_float((float)(i + 1));
    CHECK(call("twenty_floating", arguments, 20).of.double_precision == (1 + 2 + 9 + 10 - 11 - 12) * 19.0 + 20);
}

static void mixed_arguments(void)
{
    double pointed = 0.25;
    mgenjit_value arguments[] = {
        mgenjit_i32(-1), mgenjit_double(2.5), mgenjit_pointer(&pointed),
        mgenjit_float(8), mgenjit_i64(16), mgenjit_i8(-32),
    };
    CHECK(call("mixed", arguments, 6).of.double_precision == -1 + 2.5 + 0.25 + 8 + 16 - 32);
}

static void a_wrapper_of_a_variadic_function(void)
{
    char into[100] = "";
    mgenjit_value arguments[] = {
        mgenjit_pointer(into), mgenjit_i32(-1), mgenjit_i64(1LL << 40), mgenjit_double(2.5), mgenjit_pointer("text"),
        mgenjit_i32('x'),
    };
    CHECK_INT(strlen("-1 1099511627776 2.5 text x"), call("format_all", arguments, 6).of.integer);
    CHECK_STRING("-1 1099511627776 2.5 text x", into);
}

/* Arguments after "..." are widened as C does. */
static void a_variadic_function(void)
{
    char into[200] = "";
    mgenjit_value arguments[] = {
        mgenjit_pointer(into), mgenjit_pointer("iiiildds"), mgenjit_i1(1), mgenjit_i8(-8), mgenjit_i16(-16),
        mgenjit_i32(-32), mgenjit_i64(-64), mgenjit_float(0.5f), mgenjit_double(0.25), mgenjit_pointer("end"),
    };
    mgenjit_function *function = find_function(executor, "write_all");
    CHECK_INT(1, mgenjit_function_is_variadic(function));
    CHECK_INT(2, mgenjit_function_parameter_count(function));
    mgenjit_function_free(function);
    CHECK_INT(strlen("1 -8 -16 -32 -64 0.5 0.25 end "), call("write_all", arguments, 10).of.integer);
    CHECK_STRING("1 -8 -16 -32 -64 0.5 0.25 end ", into);
    arguments[1] = mgenjit_pointer("");
    CHECK_INT(0, call("write_all", arguments, 2).of.integer);
}

static void a_variadic_function_with_a_stack(void)
{
    char into[400] = "";
    mgenjit_value arguments[22] = { mgenjit_pointer(into), mgenjit_pointer("didididididididididi") };
    for (int i = 2; i < 22; i++)
        arguments[i] = i % 2 == 0 ? mgenjit_double(i + 0.5) : mgenjit_i32(i);
    call("write_all", arguments, 22);
    CHECK_STRING("2.5 3 4.5 5 6.5 7 8.5 9 10.5 11 12.5 13 14.5 15 16.5 17 18.5 19 20.5 21 ", into);
    arguments[1] = mgenjit_pointer("%d %s");
    arguments[2] = mgenjit_i32(3);
    arguments[3] = mgenjit_pointer("three");
    CHECK_INT(7, call("print_to", arguments, 4).of.integer);
    CHECK_STRING("3 three", into);
}

static void without_a_result(void)
{
    mgenjit_function *function = find_function(executor, "i32_next");
    mgenjit_value argument = mgenjit_i32(1);
    CHECK_OK(mgenjit_function_call(function, &argument, 1, NULL, &failure));
    mgenjit_function_free(function);
}

static void many_times(void)
{
    mgenjit_function *function = find_function(executor, "i64_next");
    mgenjit_value value = mgenjit_i64(0);
    for (int i = 0; i < 100000; i++)
        CHECK_OK(mgenjit_function_call(function, &value, 1, &value, &failure));
    CHECK_INT(100000, value.of.integer);
    mgenjit_function_free(function);
}

/* Raw calls: pointers to exactly the types, room for exactly the result. */
static void raw_call(const char *name, const void *const *arguments, void *result, size_t bytes)
{
    mgenjit_function *function = find_function(executor, name);
    size_t count = mgenjit_function_parameter_count(function);
    const void *more[2] = { NULL, NULL };
    /* Neither too little room nor too many arguments. */
    if (result != NULL) {
        CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT,
                     mgenjit_function_call_raw(function, arguments, count, result, bytes - 1, &failure));
        CHECK_MESSAGE("result_bytes");
    }
    CHECK_STATUS(MGENJIT_STATUS_TYPE, mgenjit_function_call_raw(function, more, count + 1, result, bytes, &failure));
    CHECK_OK(mgenjit_function_call_raw(function, arguments, count, result, bytes, &failure));
    mgenjit_function_free(function);
}

static void raw_integers(void)
{
    unsigned char bytes[8];
    int8_t i8 = -1;
    int16_t i16 = 32767;
    int32_t i32 = -5;
    int64_t i64 = 1LL << 40;
    const void *argument = &i8;
    memset(bytes, 0xee, sizeof bytes);
    raw_call("i8_next", &argument, bytes, 1);
    CHECK(bytes[0] == 0 && bytes[1] == 0xee);
    raw_call("widen_signed8", &argument, &i32, 4);
    CHECK_INT(-1, i32);
    raw_call("widen_unsigned8", &argument, &i32, 4);
    CHECK_INT(255, i32);
    memset(bytes, 0xee, sizeof bytes);
    argument = &i16;
    raw_call("i16_next", &argument, bytes, 2);
    CHECK(bytes[0] == 0 && bytes[1] == 0x80 && bytes[2] == 0xee);
    memset(bytes, 0xee, sizeof bytes);
    i32 = -5;
    argument = &i32;
    raw_call("i32_next", &argument, bytes, 4);
    CHECK(bytes[0] == 0xfc && bytes[3] == 0xff && bytes[4] == 0xee);
    argument = &i64;
    raw_call("i64_next", &argument, &i64, 8);
    CHECK_INT((1LL << 40) + 1, i64);
}

static void raw_truth_values(void)
{
    unsigned char bytes[4] = { 0xee, 0xee, 0xee, 0xee };
    unsigned char on = 1;
    const void *argument = &on;
    raw_call("not", &argument, bytes, 1);
    CHECK(bytes[0] == 0 && bytes[1] == 0xee);
    on = 0;
    raw_call("not", &argument, bytes, 1);
    CHECK(bytes[0] == 1 && bytes[1] == 0xee);
}

static void raw_others(void)
{
    float f = 5, half;
    double d = 7;
    struct { double number; unsigned char after; } room = { 0, 0xee };
    char bytes[2];
    void *pointer = bytes, *next;
    const void *argument = &f;
    raw_call("float_half", &argument, &half, 4);
    CHECK(half == 2.5f);
    argument = &d;
    raw_call("double_half", &argument, &room.number, 8);
    CHECK(room.number == 3.5 && room.after == 0xee);
    argument = &pointer;
    raw_call("pointer_next", &argument, &next, 8);
    CHECK(next == bytes + 1);
    raw_call("nothing", NULL, NULL, 0);
    raw_call("pointer_next", &argument, NULL, 0);
}

static void a_string_of_ir(void)
{
    mgenjit_executor *other = new_executor(NULL);
    mgenjit_value arguments[] = { mgenjit_i64(10), mgenjit_i64(20) };
    mgenjit_value result;
    mgenjit_function *function;
    add(other, "define i64 @add(i64 %a, i64 %b) {\n  %sum = add i64 %a, %b\n  ret i64 %sum\n}\n");
    function = find_function(other, "add");
    mgenjit_executor_free(other);
    CHECK_OK(mgenjit_function_call(function, arguments, 2, &result, &failure));
    CHECK_INT(30, result.of.integer);
    mgenjit_function_free(function);
}

static void with_every_function(void (*body)(void))
{
    executor = new_executor(NULL);
    mgenjit_module_free(add_file(executor, program("calls.ll")));
    mgenjit_module_free(add_file(executor, fixture("variadic.ll")));
    body();
    mgenjit_executor_free(executor);
}

#define WITH_FUNCTIONS(name) static void check_##name(void) { with_every_function(name); }
WITH_FUNCTIONS(nothing)
WITH_FUNCTIONS(truth_values)
WITH_FUNCTIONS(integers)
WITH_FUNCTIONS(unsigned_integers)
WITH_FUNCTIONS(extension)
WITH_FUNCTIONS(floating_point)
WITH_FUNCTIONS(pointers)
WITH_FUNCTIONS(twenty_arguments)
WITH_FUNCTIONS(twenty_floating_arguments)
WITH_FUNCTIONS(mixed_arguments)
WITH_FUNCTIONS(a_wrapper_of_a_variadic_function)
WITH_FUNCTIONS(a_variadic_function)
WITH_FUNCTIONS(a_variadic_function_with_a_stack)
WITH_FUNCTIONS(without_a_result)
WITH_FUNCTIONS(many_times)
WITH_FUNCTIONS(raw_integers)
WITH_FUNCTIONS(raw_truth_values)
WITH_FUNCTIONS(raw_others)

/* The address of a result in memory, which is no argument like others on some machines. */
static void results_in_memory(void)
{
    static const char ir[] =
        "%three = type { i64, i64, i64 }\n"
        "define void @fill(ptr sret(%three) %out, i64 %x, ptr %y, double %z) {\n"
        "  %v = load i64, ptr %y\n"
        "  %w = fptosi double %z to i64\n"
        "  %second = getelementptr %three, ptr %out, i64 0, i32 1\n"
        "  %third = getelementptr %three, ptr %out, i64 0, i32 2\n"
        "  store i64 %x, ptr %out\n"
        "  store i64 %v, ptr %second\n"
        "  store i64 %w, ptr %third\n"
        "  ret void\n"
        "}\n";
    executor = new_executor(NULL);
    mgenjit_module_free(add(executor, ir));
    for (int raw = 0; raw < 2; raw++) {
        int64_t out[4] = { -1, -1, -1, -1 }, x = 42, y = 43;
        double z = 44;
        void *to = out, *from = &y;
        if (raw) {
            const void *const arguments[] = { &to, &x, &from, &z };
            raw_call("fill", arguments, NULL, 0);
        } else {
            const mgenjit_value arguments[] = { mgenjit_pointer(out), mgenjit_i64(x), mgenjit_pointer(&y), mgenjit_double(z) };
            CHECK_INT(MGENJIT_TYPE_VOID, call("fill", arguments, 4).kind);
        }
        for (int i = 0; i < 3; i++)
            CHECK_INT(42 + i, out[i]);
        CHECK_INT(-1, out[3]);
    }
    mgenjit_function *function = find_function(executor, "fill");
#ifdef __aarch64__
    CHECK_INT(MGENJIT_TYPE_OTHER, mgenjit_function_parameter_type(function, 0));
#else
    CHECK_INT(MGENJIT_TYPE_POINTER, mgenjit_function_parameter_type(function, 0));
#endif
    mgenjit_function_free(function);
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(check_nothing), CASE(check_truth_values), CASE(check_integers), CASE(check_unsigned_integers),
        CASE(check_extension), CASE(check_floating_point), CASE(check_pointers), CASE(check_twenty_arguments),
        CASE(check_twenty_floating_arguments), CASE(check_mixed_arguments),
        CASE(check_a_wrapper_of_a_variadic_function), CASE(check_a_variadic_function),
        CASE(check_a_variadic_function_with_a_stack), CASE(check_without_a_result), CASE(check_many_times),
        CASE(check_raw_integers), CASE(check_raw_truth_values), CASE(check_raw_others), CASE(a_string_of_ir),
        CASE(results_in_memory),
    };
    return RUN_CASES(cases);
}
