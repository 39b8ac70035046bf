// libs: -lm -ldl
// so: libanswer.so = answer.c
// flags: -rdynamic
// warm: no server

/* Which definition a name leads to. */
#include "check.h"

#include <dlfcn.h>
#include <math.h>

int host_variable = 5;

int host_twice(int x);
int host_twice(int x)
{
    return 2 * x;
}

int who_am_i(void);
int who_am_i(void)
{
    return 4;
}

static int defined_by_user(void)
{
    return 1;
}

static int defined_again(void)
{
    return 11;
}

static const char DEFINES[] = "define i32 @who_am_i() {\n  ret i32 2\n}\n";
static const char CALLS[] =
    "declare i32 @who_am_i()\ndefine i32 @ask() {\n  %r = call i32 @who_am_i()\n  ret i32 %r\n}\n";

typedef int (*ask_function)(void);

static void functions_and_data(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    int *counter;
    add(executor, "@counter = global i32 7\n"
                  "@table = constant [3 x i32] [i32 10, i32 20, i32 30]\n"
                  "define i32 @bump() {\n"
                  "  %old = load i32, ptr @counter\n  %new = add i32 %old, 1\n"
                  "  store i32 %new, ptr @counter\n  ret i32 %new\n}\n");
    counter = find(executor, "counter");
    CHECK_INT(7, *counter);
    CHECK_INT(8, FUNCTION(int (*)(void), executor, "bump")());
    CHECK_INT(8, *counter);
    *counter = 100;
    CHECK_INT(101, FUNCTION(int (*)(void), executor, "bump")());
    CHECK_INT(20, ((int *)find(executor, "table"))[1]);
    CHECK(find(executor, "counter") == counter);
    mgenjit_executor_free(executor);
}

static void quoted_names(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    add(executor, "define i32 @\"a name with spaces\"() {\n  ret i32 1\n}\n"
                  "define i32 @\"na\\C3\\AFve.method<int>\"() {\n"
                  "  %r = call i32 @\"a name with spaces\"()\n  %s = add i32 %r, 1\n  ret i32 %s\n}\n");
    CHECK_INT(1, FUNCTION(int (*)(void), executor, "a name with spaces")());
    CHECK_INT(2, FUNCTION(int (*)(void), executor, "na\xc3\xafve.method<int>")());
    mgenjit_executor_free(executor);
}

static void not_found(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    void *address = &address;
    add(executor, "define internal i32 @hidden_inside() {\n  ret i32 1\n}\n"
                  "define i32 @outside() {\n  %r = call i32 @hidden_inside()\n  ret i32 %r\n}\n");
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_executor_lookup(executor, "nowhere", &address, &failure));
    CHECK_MESSAGE("nowhere");
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_executor_lookup(executor, "hidden_inside", &address, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_executor_lookup(executor, "", &address, &failure));
    CHECK(address == (void *)&address);
    check_usable(executor);
    mgenjit_executor_free(executor);
}

static void process_symbols(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    add(executor, "@host_variable = external global i32\n"
                  "declare i32 @host_twice(i32)\n"
                  "define i32 @use_host() {\n"
                  "  %v = load i32, ptr @host_variable\n  %r = call i32 @host_twice(i32 %v)\n  ret i32 %r\n}\n");
    CHECK_INT(10, FUNCTION(int (*)(void), executor, "use_host")());
    host_variable = 6;
    CHECK_INT(12, FUNCTION(int (*)(void), executor, "use_host")());
    CHECK(find(executor, "host_variable") == &host_variable);
    CHECK(find(executor, "getpid") != NULL);
    mgenjit_executor_free(executor);
}

/* Each step puts a definition before the one that was found until then; modules link anew each time. */
static void order(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *asking = add(executor, CALLS);
    CHECK_INT(4, FUNCTION(ask_function, executor, "ask")());
    CHECK_INT(4, FUNCTION(ask_function, executor, "who_am_i")());

    CHECK_OK(mgenjit_executor_load_library(executor, fixture("libanswer.so"), &failure));
    CHECK_INT(3, FUNCTION(ask_function, executor, "who_am_i")());
    CHECK_OK(mgenjit_module_remove(asking, &failure));
    mgenjit_module_free(asking);
    asking = add(executor, CALLS);
    CHECK_INT(3, FUNCTION(ask_function, executor, "ask")());

    mgenjit_module_free(add(executor, DEFINES));
    CHECK_INT(2, FUNCTION(ask_function, executor, "who_am_i")());
    CHECK_OK(mgenjit_module_remove(asking, &failure));
    mgenjit_module_free(asking);
    asking = add(executor, CALLS);
    CHECK_INT(2, FUNCTION(ask_function, executor, "ask")());

    CHECK_OK(mgenjit_executor_define(executor, "who_am_i", (void *)defined_by_user, &failure));
    CHECK_INT(1, FUNCTION(ask_function, executor, "who_am_i")());
    CHECK_OK(mgenjit_module_remove(asking, &failure));
    mgenjit_module_free(asking);
    asking = add(executor, CALLS);
    CHECK_INT(1, FUNCTION(ask_function, executor, "ask")());

    CHECK_OK(mgenjit_executor_define(executor, "who_am_i", (void *)defined_again, &failure));
    CHECK_INT(11, FUNCTION(ask_function, executor, "who_am_i")());
    CHECK_INT(1, FUNCTION(ask_function, executor, "ask")());
    mgenjit_module_free(asking);
    mgenjit_executor_free(executor);
}

/* The library's cbrt, which is a joke, comes before libm's. */
static void library_before_process(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    CHECK(cbrt(host_variable * 25.0) == 5.0);
    CHECK_OK(mgenjit_executor_load_library(executor, fixture("libanswer.so"), &failure));
    CHECK(FUNCTION(double (*)(double), executor, "cbrt")(8.0) == -8.0);
    CHECK_INT(42, *(int *)find(executor, "answer"));
    CHECK_INT(42, FUNCTION(ask_function, executor, "library_answer")());
    mgenjit_executor_free(executor);
}

/* A library is one executor's, not the process's. */
static void library_is_private(void)
{
    mgenjit_executor *with = new_executor(NULL);
    mgenjit_executor *without = new_executor(NULL);
    void *address;
    CHECK_OK(mgenjit_executor_load_library(with, fixture("libanswer.so"), &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND,
                 mgenjit_executor_lookup(without, "library_answer", &address, &failure));
    mgenjit_executor_free(with);
    mgenjit_executor_free(without);
}

/* One that comes with glibc, that nothing has loaded, and that has another definition of something of libc's. */
static void library_by_name(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    CHECK_OK(mgenjit_executor_load_library(executor, "libBrokenLocale.so.1", &failure));
    CHECK(find(executor, "__ctype_get_mb_cur_max") != dlsym(RTLD_DEFAULT, "__ctype_get_mb_cur_max"));
    mgenjit_executor_free(executor);
}

static void bad_library(void)
{
    static const char *const paths[] = { "/nowhere/libnothing.so", "libnothing-at-all.so.1", "/etc/passwd", "/" };
    mgenjit_executor *executor = new_executor(NULL);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        CHECK_STATUS(MGENJIT_STATUS_LIBRARY, mgenjit_executor_load_library(executor, paths[i], &failure));
        CHECK_MESSAGE(paths[i]);
        check_usable(executor);
    }
    mgenjit_executor_free(executor);
}

static void later_module_wins(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *first = add(executor, "define i32 @version() {\n  ret i32 1\n}\n");
    mgenjit_module *second;
    void *address;
    CHECK_INT(1, FUNCTION(ask_function, executor, "version")());
    second = add(executor, "define i32 @version() {\n  ret i32 2\n}\n");
    CHECK_INT(2, FUNCTION(ask_function, executor, "version")());
    CHECK_OK(mgenjit_module_lookup(first, "version", &address, &failure));
    CHECK_INT(1, ((ask_function)address)());
    CHECK_OK(mgenjit_module_lookup(second, "version", &address, &failure));
    CHECK_INT(2, ((ask_function)address)());
    CHECK_OK(mgenjit_module_remove(second, &failure));
    CHECK_INT(1, FUNCTION(ask_function, executor, "version")());
    mgenjit_module_free(first);
    mgenjit_module_free(second);
    mgenjit_executor_free(executor);
}

/* Both wait to be linked when a third module that calls them is looked up. */
static void later_pending_module_wins(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    add(executor, "define i32 @who_am_i() {\n  ret i32 21\n}\n");
    add(executor, CALLS);
    add(executor, "define i32 @who_am_i() {\n  ret i32 22\n}\n");
    CHECK_INT(22, FUNCTION(ask_function, executor, "ask")());
    mgenjit_executor_free(executor);
}

static void lookup_in_a_module(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add(executor, CALLS);
    void *address = NULL;
    CHECK_OK(mgenjit_module_lookup(module, "ask", &address, &failure));
    CHECK_INT(4, ((ask_function)address)());
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_module_lookup(module, "who_am_i", &address, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_module_lookup(module, "printf", &address, &failure));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

/* A defined address is data just as well. */
static void define_data(void)
{
    static int shared = 1;
    mgenjit_executor *executor = new_executor(NULL);
    CHECK_OK(mgenjit_executor_define(executor, "shared", &shared, &failure));
    add(executor, "@shared = external global i32\ndefine void @set(i32 %x) {\n"
                  "  store i32 %x, ptr @shared\n  ret void\n}\n");
    FUNCTION(void (*)(int), executor, "set")(9);
    CHECK_INT(9, shared);
    CHECK(find(executor, "shared") == &shared);
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(functions_and_data), CASE(quoted_names), CASE(not_found), CASE(process_symbols),
        CASE(order), CASE(library_before_process), CASE(library_is_private), CASE(library_by_name),
        CASE(bad_library), CASE(later_module_wins), CASE(later_pending_module_wins),
        CASE(lookup_in_a_module), CASE(define_data),
    };
    return RUN_CASES(cases);
}
