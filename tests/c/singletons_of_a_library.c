// ir: one.ll = singletons.cpp -std=c++17 -O1 -fPIC -DNAME=one
// ir: two.ll = singletons.cpp -std=c++17 -O0 -DNAME=two
// so: libsingletons.so = singletons.cpp -std=c++17 -O1 -DNAME=library
// warm: no server

/* What is one in a program, where a library of the executor has it, or nobody but the modules. */
#include "check.h"

typedef const void *(*tells)(void);

static const char *const SAME[] = { "variable", "local", "box", "function", "table", "type", "thread" };

static const void *told(mgenjit_executor *executor, const char *what, const char *who)
{
    char name[64];
    snprintf(name, sizeof name, "%s_%s", what, who);
    return FUNCTION(tells, executor, name)();
}

static mgenjit_executor *new_cpp_executor(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    CHECK_OK(mgenjit_executor_load_library(executor, "libstdc++.so.6", &failure));
    return executor;
}

static void check_same(mgenjit_executor *executor, const char *one, const char *other)
{
    for (size_t i = 0; i < sizeof SAME / sizeof *SAME; i++)
        if (told(executor, SAME[i], one) != told(executor, SAME[i], other))
            check_failed(__FILE__, __LINE__, "%s of %s is not that of %s", SAME[i], one, other);
}

static void the_library_has_them(void)
{
    mgenjit_executor *executor = new_cpp_executor();
    CHECK_OK(mgenjit_executor_load_library(executor, fixture("libsingletons.so"), &failure));
    mgenjit_module_free(add_file(executor, fixture("one.ll")));
    check_same(executor, "one", "library");
    mgenjit_module_free(add_file(executor, fixture("two.ll")));
    check_same(executor, "two", "library");
    CHECK(told(executor, "hidden", "one") != told(executor, "hidden", "library"));
    mgenjit_executor_free(executor);
}

/* What modules use already they go on using, whatever is loaded later. */
static void the_library_comes_later(void)
{
    mgenjit_executor *executor = new_cpp_executor();
    mgenjit_module_free(add_file(executor, fixture("one.ll")));
    CHECK_OK(mgenjit_executor_link(executor, &failure));
    CHECK_OK(mgenjit_executor_load_library(executor, fixture("libsingletons.so"), &failure));
    mgenjit_module_free(add_file(executor, fixture("two.ll")));
    check_same(executor, "two", "one");
    CHECK(told(executor, "variable", "one") != told(executor, "variable", "library"));
    CHECK(find(executor, "inline_variable") == told(executor, "variable", "one"));
    mgenjit_executor_free(executor);
}

/* A module that is removed, and needed, is still what later ones share with those that need it. */
static void the_first_module_is_removed(void)
{
    mgenjit_executor *executor = new_cpp_executor();
    static const char USES[] = "@only = linkonce_odr global i32 0\ndefine ptr @where_%d() {\n  ret ptr @only\n}\n";
    mgenjit_module *modules[3];
    const void *first;
    for (int i = 0; i < 3; i++) {
        char ir[256];
        char name[32];
        snprintf(ir, sizeof ir, USES, i);
        snprintf(name, sizeof name, "where_%d", i);
        modules[i] = add(executor, ir);
        if (i == 0)
            first = FUNCTION(tells, executor, name)();
        else
            CHECK(FUNCTION(tells, executor, name)() == first);
        if (i == 1) {
            CHECK_OK(mgenjit_module_remove(modules[0], &failure));
            CHECK(find(executor, "only") == first);
        }
    }
    for (int i = 0; i < 3; i++)
        mgenjit_module_free(modules[i]);
    mgenjit_executor_free(executor);
}

/* Hidden ones are one in the modules, which are one program. */
static void hidden_ones(void)
{
    mgenjit_executor *executor = new_cpp_executor();
    mgenjit_module_free(add_file(executor, fixture("one.ll")));
    mgenjit_module_free(add_file(executor, fixture("two.ll")));
    check_same(executor, "two", "one");
    CHECK(told(executor, "hidden", "one") == told(executor, "hidden", "two"));
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(the_library_has_them), CASE(the_library_comes_later), CASE(the_first_module_is_removed),
        CASE(hidden_ones),
    };
    return RUN_CASES(cases);
}
