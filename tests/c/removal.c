// warm: no server

/* Removing modules, and freeing handles in every order. */
#include "check.h"

typedef int (*int_function)(void);

static const char CALLEE[] = "define i32 @callee() {\n  ret i32 7\n}\n";
static const char CALLER[] =
    "declare i32 @callee()\ndefine i32 @caller() {\n  %r = call i32 @callee()\n  %s = add i32 %r, 1\n  ret i32 %s\n}\n";

static void gone_after_removal(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add(executor, CALLEE);
    void *address = find(executor, "callee"), *other = NULL;
    CHECK(in_maps(address));
    CHECK_OK(mgenjit_module_remove(module, &failure));
    CHECK(!in_maps(address));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_executor_lookup(executor, "callee", &other, &failure));
    check_usable(executor);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

static void removed_before_it_was_linked(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add(executor, CALLEE);
    void *address = NULL;
    CHECK_OK(mgenjit_module_remove(module, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_executor_lookup(executor, "callee", &address, &failure));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

static void handle_of_a_removed_module(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = NULL;
    mgenjit_function *function = NULL;
    mgenjit_times times = { .size = sizeof times };
    void *address = NULL;
    CHECK_OK(mgenjit_executor_compile(executor, "its name", CALLEE, strlen(CALLEE), &module, &failure));
    CHECK_OK(mgenjit_module_remove(module, &failure));
    CHECK_STATUS(MGENJIT_STATUS_REMOVED, mgenjit_module_remove(module, &failure));
    CHECK_STATUS(MGENJIT_STATUS_REMOVED, mgenjit_module_lookup(module, "callee", &address, &failure));
    CHECK_STATUS(MGENJIT_STATUS_REMOVED, mgenjit_module_function(module, 0, &function, &failure));
    CHECK_STRING("its name", mgenjit_module_name(module));
    CHECK_INT(64, strlen(mgenjit_module_key(module)));
    CHECK_OK(mgenjit_module_times(module, &times, &failure));
    CHECK(mgenjit_module_origin(module) != 0);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

/* A module that linked to the removed one keeps it; new modules do not see it. */
static void kept_by_a_module_that_linked_to_it(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *callee = add(executor, CALLEE);
    mgenjit_module *caller = add(executor, CALLER);
    void *address = find(executor, "callee"), *other = NULL;
    CHECK_INT(8, FUNCTION(int_function, executor, "caller")());
    CHECK_OK(mgenjit_module_remove(callee, &failure));
    CHECK_INT(8, FUNCTION(int_function, executor, "caller")());
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_executor_lookup(executor, "callee", &other, &failure));
    CHECK(in_maps(address));
    CHECK_OK(mgenjit_module_remove(caller, &failure));
    CHECK(!in_maps(address));
    mgenjit_module_free(caller);
    mgenjit_module_free(callee);
    mgenjit_executor_free(executor);
}

/* Two modules that need each other are returned once both are removed. */
static void a_cycle_is_returned(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *one = add(executor, "declare ptr @two()\ndefine ptr @one() {\n  ret ptr @two\n}\n");
    mgenjit_module *two = add(executor, "declare ptr @one()\ndefine ptr @two() {\n  ret ptr @one\n}\n");
    void *first = find(executor, "one"), *second = find(executor, "two");
    CHECK_OK(mgenjit_module_remove(one, &failure));
    CHECK(((void *(*)(void))second)() == first);
    CHECK(((void *(*)(void))first)() == second);
    CHECK_OK(mgenjit_module_remove(two, &failure));
    CHECK(!in_maps(first));
    CHECK(!in_maps(second));
    mgenjit_module_free(one);
    mgenjit_module_free(two);
    mgenjit_executor_free(executor);
}

/* A name that was removed can be defined anew; who linked to the old one keeps it. */
static void replaced(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *old = add(executor, CALLEE);
    mgenjit_module_free(add(executor, CALLER));
    CHECK_INT(8, FUNCTION(int_function, executor, "caller")());
    CHECK_OK(mgenjit_module_remove(old, &failure));
    mgenjit_module_free(old);
    mgenjit_module_free(add(executor, "define i32 @callee() {\n  ret i32 70\n}\n"));
    CHECK_INT(70, FUNCTION(int_function, executor, "callee")());
    CHECK_INT(8, FUNCTION(int_function, executor, "caller")());
    mgenjit_executor_free(executor);
}

static void kept_by_a_function(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add(executor, CALLEE);
    mgenjit_function *function = find_function(executor, "callee");
    mgenjit_value result;
    void *address = NULL;
    CHECK_OK(mgenjit_function_call(function, NULL, 0, &result, &failure));
    CHECK_OK(mgenjit_function_address(function, &address, &failure));
    CHECK_OK(mgenjit_module_remove(module, &failure));
    /* It is mapped, but it defines nothing any more. */
    CHECK_STATUS(MGENJIT_STATUS_REMOVED, mgenjit_module_lookup(module, "callee", &address, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_executor_lookup(executor, "callee", &address, &failure));
    mgenjit_module_free(module);
    CHECK(in_maps(address));
    CHECK_INT(7, ((int_function)address)());
    CHECK_OK(mgenjit_function_call(function, NULL, 0, &result, &failure));
    CHECK_INT(7, result.of.integer);
    CHECK_STRING("callee", mgenjit_function_name(function));
    mgenjit_function_free(function);
    CHECK(!in_maps(address));
    mgenjit_executor_free(executor);
}

/* A handle of a function whose module was removed before it was linked still calls it. */
static void function_of_a_removed_pending_module(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add(executor, CALLEE);
    mgenjit_function *function = find_function(executor, "callee");
    mgenjit_value result;
    CHECK_OK(mgenjit_module_remove(module, &failure));
    CHECK_OK(mgenjit_function_call(function, NULL, 0, &result, &failure));
    CHECK_INT(7, result.of.integer);
    mgenjit_function_free(function);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

/* Executor, two modules and a function are freed in each of the 24 orders; what a handle that is left can do
 * works until it is freed. */
static void handles_in_every_order(void)
{
    for (int order = 0; order < 24; order++) {
        mgenjit_executor *executor = new_executor(NULL);
        mgenjit_module *callee = add(executor, CALLEE);
        mgenjit_module *caller = add(executor, CALLER);
        mgenjit_function *function = find_function(executor, "caller");
        int left[4] = { 0, 1, 2, 3 }, count = 4, rest = order;
        while (count > 0) {
            int pick = rest % count;
            rest /= count;
            switch (left[pick]) {
            case 0: mgenjit_executor_free(executor); executor = NULL; break;
            case 1: mgenjit_module_free(callee); callee = NULL; break;
            case 2: mgenjit_module_free(caller); caller = NULL; break;
            default: mgenjit_function_free(function); function = NULL; break;
            }
            left[pick] = left[--count];
            if (executor != NULL)
                CHECK_INT(8, FUNCTION(int_function, executor, "caller")());
            if (callee != NULL) {
                void *address = NULL;
                CHECK_OK(mgenjit_module_lookup(callee, "callee", &address, &failure));
                CHECK_INT(7, ((int_function)address)());
            }
            if (caller != NULL) {
                void *address = NULL;
                CHECK_OK(mgenjit_module_lookup(caller, "caller", &address, &failure));
                CHECK_INT(8, ((int_function)address)());
            }
            if (function != NULL) {
                mgenjit_value result;
                CHECK_OK(mgenjit_function_call(function, NULL, 0, &result, &failure));
                CHECK_INT(8, result.of.integer);
            }
        }
    }
}

/* An executor whose handle is freed lives on in its module: the module can still be removed. */
static void removed_after_its_executor_is_freed(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add(executor, CALLEE);
    void *address = find(executor, "callee");
    mgenjit_executor_free(executor);
    CHECK_INT(7, ((int_function)address)());
    CHECK_OK(mgenjit_module_remove(module, &failure));
    CHECK(!in_maps(address));
    mgenjit_module_free(module);
}

static void unmapped_with_its_executor(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    void *address;
    mgenjit_module_free(add(executor, CALLEE));
    address = find(executor, "callee");
    CHECK(in_maps(address));
    mgenjit_executor_free(executor);
    CHECK(!in_maps(address));
}

static void a_module_without_a_handle(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    CHECK_OK(mgenjit_executor_compile(executor, NULL, CALLEE, strlen(CALLEE), NULL, &failure));
    CHECK_INT(7, FUNCTION(int_function, executor, "callee")());
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(gone_after_removal), CASE(removed_before_it_was_linked), CASE(handle_of_a_removed_module),
        CASE(kept_by_a_module_that_linked_to_it), CASE(a_cycle_is_returned), CASE(replaced), CASE(kept_by_a_function),
        CASE(function_of_a_removed_pending_module), CASE(handles_in_every_order),
        CASE(removed_after_its_executor_is_freed), CASE(unmapped_with_its_executor), CASE(a_module_without_a_handle),
    };
    return RUN_CASES(cases);
}
