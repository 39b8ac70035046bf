// ir: features_o0.ll = cpp_features.cpp -std=c++17 -O0
// ir: features_o2.ll = cpp_features.cpp -std=c++17 -O2
// ir: features_pic.ll = cpp_features.cpp -std=c++17 -O1 -fPIC -g
// ir: call_once.ll = call_once.cpp -std=c++17 -O1
// ir: inline_one.ll = inline_variables.cpp -std=c++17 -O1 -fPIC -DNAME=one
// ir: inline_two.ll = inline_variables.cpp -std=c++17 -O1 -fPIC -DNAME=two
// ir: inline_three.ll = inline_variables.cpp -std=c++17 -O1 -DNAME=three
// ir: inline_four.ll = inline_variables.cpp -std=c++17 -O1 -fno-pic -DNAME=four
// ir: ifunc.ll = ifunc.c -O1 --rtlib=compiler-rt
// ir: ifunc_pic.ll = ifunc.c -O1 -fPIC --rtlib=compiler-rt
// warm: no server

/* C++ and what else needs a whole loader, in a host that is C: libstdc++ is a library of the executor. */
#include "check.h"

#include <sys/auxv.h>

static const char *flavour;

static void check_feature(const char *name)
{
    mgenjit_executor *executor = new_executor(NULL);
    CHECK_OK(mgenjit_executor_load_library(executor, "libstdc++.so.6", &failure));
    mgenjit_module_free(add_file(executor, fixture(flavour)));
    CHECK_INT(0, FUNCTION(int (*)(void), executor, name)());
    mgenjit_executor_free(executor);
}

static void virtual_calls(void) { check_feature("virtual_calls"); }
static void containers_and_streams(void) { check_feature("containers_and_streams"); }
static void threads_and_atomics(void) { check_feature("threads_and_atomics"); }
static void functions_as_values(void) { check_feature("functions_as_values"); }
static void exceptions_by_every_type(void) { check_feature("exceptions_by_every_type"); }
static void wide_arithmetic(void) { check_feature("wide_arithmetic"); }

/* These use thread_local variables of the library. */
static void call_once(void)
{
    flavour = "call_once.ll";
    check_feature("call_once");
}

static void exceptions_in_threads(void)
{
    flavour = "call_once.ll";
    check_feature("exceptions_in_threads");
}

static void check_inline(const char *one, const char *two)
{
    static const char *const names[] = { "counter", "local", "holder" };
    mgenjit_executor *executor = new_executor(NULL);
    char file[64];
    CHECK_OK(mgenjit_executor_load_library(executor, "libstdc++.so.6", &failure));
    snprintf(file, sizeof file, "inline_%s.ll", one);
    mgenjit_module_free(add_file(executor, fixture(file)));
    snprintf(file, sizeof file, "inline_%s.ll", two);
    mgenjit_module_free(add_file(executor, fixture(file)));
    for (int i = 0; i < 3; i++) {
        void *places[2];
        for (int j = 0; j < 2; j++) {
            char name[64];
            snprintf(name, sizeof name, "%s_of_%s", names[i], j == 0 ? one : two);
            places[j] = FUNCTION(void *(*)(void), executor, name)();
        }
        if (places[0] != places[1])
            check_failed(__FILE__, __LINE__, "%s of %s and %s: %p, %p", names[i], one, two, places[0], places[1]);
    }
    mgenjit_executor_free(executor);
}

static void inline_variables(void) { check_inline("one", "two"); }
static void inline_variables_pic_and_pie(void) { check_inline("one", "three"); }
static void inline_variables_pie_and_no_pic(void) { check_inline("three", "four"); }

/* As `features_of_cpu` of `tests/programs/ifunc.c`. */
static unsigned features_of_cpu(void)
{
    unsigned features = 0;
    unsigned i;
#ifdef __aarch64__
    /* Linux, asm/hwcap.h. */
    static const unsigned bits[] = { 0, 8, 17, 22, 1, 13, 14, 17 };
    for (i = 0; i < sizeof bits / sizeof *bits; i++)
        features |= (unsigned)(getauxval(i < 4 ? AT_HWCAP : AT_HWCAP2) >> bits[i] & 1) << i;
#else
    const int has[] = { __builtin_cpu_supports("sse2"), __builtin_cpu_supports("avx"), __builtin_cpu_supports("avx2"),
                        __builtin_cpu_supports("fma"), __builtin_cpu_supports("bmi2") };
    for (i = 0; i < sizeof has / sizeof *has; i++)
        features |= (unsigned)(has[i] != 0) << i;
#endif
    return features;
}

static void check_ifunc(const char *file)
{
    static const int values[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
    mgenjit_executor *executor = new_executor(NULL);
    int (**pointer)(int);
    mgenjit_module_free(add_file(executor, fixture(file)));
    CHECK_INT(30, FUNCTION(int (*)(int), executor, "call_dispatched")(1));
    CHECK_INT(3, FUNCTION(int (*)(int), executor, "dispatched")(1));
    pointer = (int (**)(int))find(executor, "pointer_to_dispatched");
    CHECK_INT(5, (*pointer)(3));
    CHECK_INT(55, FUNCTION(int (*)(const int *, int), executor, "sum_of")(values, 10));
    CHECK_INT(features_of_cpu(), FUNCTION(unsigned (*)(void), executor, "features_of_cpu")());
    mgenjit_executor_free(executor);
}

static void ifunc(void) { check_ifunc("ifunc.ll"); }
static void ifunc_pic(void) { check_ifunc("ifunc_pic.ll"); }

/* One module calls what another chooses when it is loaded. */
static void ifunc_of_another_module(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module_free(add(executor, "declare i32 @dispatched(i32)\n@table = global ptr @dispatched\n"
                                      "define i32 @use(i32 %x) {\n  %r = call i32 @dispatched(i32 %x)\n"
                                      "  %f = load ptr, ptr @table\n  %s = call i32 %f(i32 %r)\n  ret i32 %s\n}\n"));
    mgenjit_module_free(add_file(executor, fixture("ifunc.ll")));
    CHECK_INT(5, FUNCTION(int (*)(int), executor, "use")(1));
    mgenjit_executor_free(executor);
}

/* Without libstdc++ the missing symbols are named, and loading it then is enough. */
static void without_its_library(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module_free(add_file(executor, fixture("features_o2.ll")));
    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, mgenjit_executor_link(executor, &failure));
    CHECK(mgenjit_error_symbol_count(failure) > 10);
    CHECK_OK(mgenjit_executor_load_library(executor, "libstdc++.so.6", &failure));
    CHECK_INT(0, FUNCTION(int (*)(void), executor, "virtual_calls")());
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case features[] = {
        CASE(virtual_calls), CASE(containers_and_streams), CASE(threads_and_atomics), CASE(functions_as_values),
        CASE(exceptions_by_every_type), CASE(wide_arithmetic),
    };
    static const check_case others[] = {
        CASE(inline_variables), CASE(inline_variables_pic_and_pie), CASE(inline_variables_pie_and_no_pic),
        CASE(ifunc), CASE(ifunc_pic), CASE(ifunc_of_another_module), CASE(without_its_library),
        CASE(call_once), CASE(exceptions_in_threads),
    };
    static const char *const flavours[] = { "features_o0.ll", "features_o2.ll", "features_pic.ll" };
    int failed = RUN_CASES(others);
    for (int i = 0; i < 3; i++) {
        flavour = flavours[i];
        fprintf(stderr, "%s:\n", flavour);
        failed |= RUN_CASES(features);
    }
    return failed;
}
