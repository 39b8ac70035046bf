// ir: thrower_default.ll = thrower.cpp -O2
// ir: catcher_default.ll = catcher.cpp -O2
// ir: thrower_pic.ll = thrower.cpp -O0 -fPIC -g
// ir: catcher_pic.ll = catcher.cpp -O0 -fPIC -g
// flags: -rdynamic
// warm: no server

/* C++ exceptions inside JIT code, across modules, and through the host's and the library's frames. */
#include "check.h"

#include "../programs/exceptions.h"

#include <stdexcept>
#include <string>

static std::string notes;

extern "C" void note(int what);
extern "C" void note(int what)
{
    notes.push_back(static_cast<char>(what));
}

static const char *flavour;

static mgenjit_executor *with_both()
{
    mgenjit_executor *executor = new_executor(NULL);
    const std::string thrower = std::string("thrower_") + flavour + ".ll";
    const std::string catcher = std::string("catcher_") + flavour + ".ll";
    mgenjit_module_free(add_file(executor, fixture(catcher.c_str())));
    mgenjit_module_free(add_file(executor, fixture(thrower.c_str())));
    return executor;
}

static void inside()
{
    mgenjit_executor *executor = with_both();
    int (*function)(int) = FUNCTION(int (*)(int), executor, "catch_inside");
    for (int i = 0; i < 100; i++)
        CHECK_INT(i + 1, function(i));
    CHECK_INT(100, notes.size());
    mgenjit_executor_free(executor);
}

static void across_modules()
{
    mgenjit_executor *executor = with_both();
    CHECK_INT(5, FUNCTION(int (*)(int), executor, "catch_int")(5));
    CHECK_INT(1, FUNCTION(int (*)(const char *), executor, "catch_standard")("some text"));
    CHECK_INT(6, FUNCTION(int (*)(int), executor, "catch_failure")(6));
    mgenjit_executor_free(executor);
}

static void to_the_host()
{
    mgenjit_executor *executor = with_both();
    int caught = 0;
    try {
        FUNCTION(void (*)(int), executor, "throw_int")(7);
    } catch (int value) {
        caught = value;
    }
    CHECK_INT(7, caught);
    CHECK(notes == "g");
    try {
        FUNCTION(void (*)(const char *), executor, "throw_runtime_error")("out");
    } catch (const std::runtime_error &error) {
        CHECK_STRING("out", error.what());
        caught++;
    }
    CHECK_INT(8, caught);
    try {
        FUNCTION(void (*)(int), executor, "throw_failure")(9);
    } catch (const Failure &error) {
        CHECK(dynamic_cast<const DerivedFailure *>(&error) != nullptr);
        CHECK_STRING("DerivedFailure", error.kind());
        caught = error.code;
    }
    CHECK_INT(9, caught);
    try {
        FUNCTION(int (*)(int), executor, "catch_and_throw_again")(10);
    } catch (int value) {
        caught = value;
    }
    CHECK_INT(10, caught);
    mgenjit_executor_free(executor);
}

static int throw_logic_error(int value)
{
    throw std::logic_error(std::to_string(value));
}

static void throw_failure_of_the_host()
{
    Failure failure;
    failure.code = 31;
    throw failure;
}

static void through_jit_frames()
{
    mgenjit_executor *executor = with_both();
    int caught = 0;
    try {
        FUNCTION(int (*)(int (*)(int), int), executor, "pass_through")(throw_logic_error, 12);
    } catch (const std::logic_error &error) {
        caught = std::stoi(error.what());
    }
    CHECK_INT(12, caught);
    CHECK(notes == "g");
    CHECK_INT(31, FUNCTION(int (*)(void (*)()), executor, "catch_from_host")(throw_failure_of_the_host));
    mgenjit_executor_free(executor);
}

/* Out through mgenjit_function_call; whatever that holds is given back on the way. */
static void through_a_checked_call()
{
    mgenjit_executor *executor = with_both();
    mgenjit_function *function = find_function(executor, "throw_if_negative");
    for (int i = 0; i < 100; i++) {
        mgenjit_value argument = mgenjit_i32(-i - 1), result;
        bool caught = false;
        try {
            mgenjit_function_call(function, &argument, 1, &result, NULL);
        } catch (const std::out_of_range &error) {
            CHECK_STRING("negative", error.what());
            caught = true;
        }
        CHECK(caught);
        argument = mgenjit_i32(i);
        CHECK_OK(mgenjit_function_call(function, &argument, 1, &result, &failure));
        CHECK_INT(2 * i, result.of.integer);
    }
    mgenjit_function_free(function);
    check_usable(executor);
    mgenjit_executor_free(executor);
}

static void through_a_raw_call()
{
    mgenjit_executor *executor = with_both();
    mgenjit_function *function = find_function(executor, "throw_if_negative");
    int argument = -1, result = 0, caught = 0;
    const void *arguments[] = { &argument };
    try {
        mgenjit_function_call_raw(function, arguments, 1, &result, sizeof result, NULL);
    } catch (const std::out_of_range &) {
        caught = 1;
    }
    CHECK_INT(1, caught);
    argument = 4;
    CHECK_OK(mgenjit_function_call_raw(function, arguments, 1, &result, sizeof result, &failure));
    CHECK_INT(8, result);
    mgenjit_function_free(function);
    check_usable(executor);
    mgenjit_executor_free(executor);
}

static mgenjit_function *inner_call;

static int call_again(int value)
{
    mgenjit_value argument = mgenjit_i32(value), result;
    CHECK_OK(mgenjit_function_call(inner_call, &argument, 1, &result, &failure));
    return static_cast<int>(result.of.integer);
}

/* Host, library, JIT, host, library, JIT, and all the way back. */
static void through_two_checked_calls()
{
    mgenjit_executor *executor = with_both();
    mgenjit_function *outer = find_function(executor, "pass_through");
    int caught = 0;
    inner_call = find_function(executor, "throw_if_negative");
    mgenjit_value arguments[] = { mgenjit_pointer(reinterpret_cast<void *>(call_again)), mgenjit_i32(-5) };
    mgenjit_value result;
    try {
        mgenjit_function_call(outer, arguments, 2, &result, NULL);
    } catch (const std::out_of_range &) {
        caught = 1;
    }
    CHECK_INT(1, caught);
    CHECK(notes == "g");
    arguments[1] = mgenjit_i32(5);
    CHECK_OK(mgenjit_function_call(outer, arguments, 2, &result, &failure));
    CHECK_INT(11, result.of.integer);
    mgenjit_function_free(outer);
    mgenjit_function_free(inner_call);
    mgenjit_executor_free(executor);
}

/* An exception whose type is the module's own is destroyed while the module is there. */
static void after_removal_of_another_module()
{
    for (int i = 0; i < 50; i++) {
        mgenjit_executor *executor = with_both();
        mgenjit_executor *other = with_both();
        CHECK_INT(6, FUNCTION(int (*)(int), other, "catch_failure")(6));
        mgenjit_executor_free(other);
        CHECK_INT(6, FUNCTION(int (*)(int), executor, "catch_failure")(6));
        mgenjit_executor_free(executor);
    }
}

int main()
{
    static const check_case cases[] = {
        CASE(inside), CASE(across_modules), CASE(to_the_host), CASE(through_jit_frames), CASE(through_a_checked_call),
        CASE(through_a_raw_call), CASE(through_two_checked_calls), CASE(after_removal_of_another_module),
    };
    flavour = "default";
    const int failed_default = RUN_CASES(cases);
    flavour = "pic";
    return failed_default | RUN_CASES(cases);
}
