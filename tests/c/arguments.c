// runs: once

/* Arguments out of their range, and text that is not UTF-8. */
#include "check.h"

#include <limits.h>
#include <stddef.h>

#define REFUSED(call) CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, call)

static const char IR[] = "define i32 @f(i32 %x) {\n  ret i32 %x\n}\n";

/* A lone continuation byte, a cut sequence, an overlong slash, a surrogate, a byte that is never in UTF-8. */
static const char *const NOT_UTF8[] = { "\x80", "a\xc3", "\xc0\xaf", "\xed\xa0\x80", "name\xff" };

static void not_utf8(void)
{
    for (size_t i = 0; i < sizeof NOT_UTF8 / sizeof *NOT_UTF8; i++) {
        const char *bad = NOT_UTF8[i];
        mgenjit_config *config = default_config();
        mgenjit_executor *executor = new_executor(NULL);
        mgenjit_module *module = add(executor, IR);
        mgenjit_function *function;
        void *address;
        int status;
        REFUSED(mgenjit_config_set_cache_dir(config, bad, &failure));
        REFUSED(mgenjit_config_set_server_path(config, bad, &failure));
        REFUSED(mgenjit_executor_compile(executor, bad, IR, strlen(IR), NULL, &failure));
        REFUSED(mgenjit_executor_compile_file(executor, bad, NULL, &failure));
        REFUSED(mgenjit_executor_define(executor, bad, &status, &failure));
        REFUSED(mgenjit_executor_load_library(executor, bad, &failure));
        REFUSED(mgenjit_executor_lookup(executor, bad, &address, &failure));
        REFUSED(mgenjit_executor_lookup_function(executor, bad, &function, &failure));
        REFUSED(mgenjit_module_lookup(module, bad, &address, &failure));
        REFUSED(mgenjit_run_file(bad, 0, NULL, NULL, &status, &failure));
        check_usable(executor);
        mgenjit_module_free(module);
        mgenjit_executor_free(executor);
        mgenjit_config_free(config);
    }
}

static void opt_levels(void)
{
    static const int32_t bad[] = { -1, MGENJIT_OPT_OZ + 1, 100, INT32_MAX, INT32_MIN };
    mgenjit_config *config = default_config();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        REFUSED(mgenjit_config_set_opt_level(config, bad[i], &failure));
    for (int32_t level = MGENJIT_OPT_O0; level <= MGENJIT_OPT_OZ; level++) {
        mgenjit_executor *executor;
        CHECK_OK(mgenjit_config_set_opt_level(config, level, &failure));
        executor = new_executor(config);
        mgenjit_module_free(add(executor, IR));
        CHECK_INT(9, FUNCTION(int (*)(int), executor, "f")(9));
        mgenjit_executor_free(executor);
    }
    mgenjit_config_free(config);
}

static void cache_modes(void)
{
    static const int32_t bad[] = { -1, MGENJIT_CACHE_OFF + 1, INT32_MAX, INT32_MIN };
    mgenjit_config *config = default_config();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        REFUSED(mgenjit_config_set_cache_mode(config, bad[i], &failure));
    for (int32_t mode = MGENJIT_CACHE_READ_WRITE; mode <= MGENJIT_CACHE_OFF; mode++)
        CHECK_OK(mgenjit_config_set_cache_mode(config, mode, &failure));
    mgenjit_config_free(config);
}

static void numbers(void)
{
    static const uint32_t counts[] = { 0, 1, 2, UINT32_MAX };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        mgenjit_config *config = default_config();
        mgenjit_executor *executor;
        CHECK_OK(mgenjit_config_set_max_servers(config, counts[i], &failure));
        CHECK_OK(mgenjit_config_set_lock_timeout(config, counts[i], &failure));
        CHECK_OK(mgenjit_config_set_cache_mode(config, MGENJIT_CACHE_OFF, &failure));
        executor = new_executor(config);
        mgenjit_config_free(config);
        check_usable(executor);
        mgenjit_executor_free(executor);
    }
}

/* A configuration is copied: what is changed later does not reach the executor. */
static void configuration_is_copied(void)
{
    check_events before, after;
    mgenjit_config *config = new_watched_config(&before);
    mgenjit_executor *executor = new_executor(config);
    memset(&after, 0, sizeof after);
    CHECK_OK(mgenjit_config_set_event_hook(config, check_count_event, &after, NULL, &failure));
    CHECK_OK(mgenjit_config_set_server_path(config, "/nowhere", &failure));
    CHECK_OK(mgenjit_config_set_cache_mode(config, MGENJIT_CACHE_OFF, &failure));
    check_usable(executor);
    CHECK_INT(1, before.count[MGENJIT_EVENT_LOADED]);
    CHECK_INT(0, after.count[MGENJIT_EVENT_LOADED]);
    mgenjit_config_free(config);
    mgenjit_executor_free(executor);
}

/* As many bytes are written as both sides know. */
static void times_of_an_older_caller(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add(executor, IR);
    mgenjit_times all, some;
    unsigned char *bytes = (unsigned char *)&some;
    struct {
        mgenjit_times known;
        uint64_t unknown;
    } newer;
    all.size = sizeof all;
    CHECK_OK(mgenjit_module_times(module, &all, &failure));
    CHECK_INT(sizeof all, all.size);

    memset(&some, 0xee, sizeof some);
    some.size = offsetof(mgenjit_times, wait_us);
    CHECK_OK(mgenjit_module_times(module, &some, &failure));
    CHECK_INT(offsetof(mgenjit_times, wait_us), some.size);
    CHECK_INT(all.hash_us, some.hash_us);
    for (size_t i = offsetof(mgenjit_times, wait_us); i < sizeof some; i++)
        CHECK_INT(0xee, bytes[i]);

    memset(&newer, 0xee, sizeof newer);
    newer.known.size = sizeof newer;
    CHECK_OK(mgenjit_module_times(module, &newer.known, &failure));
    CHECK_INT(sizeof all, newer.known.size);
    CHECK(newer.unknown == 0xeeeeeeeeeeeeeeeeu);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

static void function_index(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add(executor, IR);
    mgenjit_function *function = NULL;
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_module_function(module, 1, &function, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_module_function(module, SIZE_MAX, &function, &failure));
    CHECK(function == NULL);
    CHECK_OK(mgenjit_module_function(module, 0, &function, &failure));
    CHECK_INT(MGENJIT_TYPE_OTHER, mgenjit_function_parameter_type(function, 1));
    CHECK_INT(MGENJIT_TYPE_OTHER, mgenjit_function_parameter_type(function, SIZE_MAX));
    mgenjit_function_free(function);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

/* An error is the caller's, after the executor as well, and in another order than they came. */
static void errors_outlive_their_executor(void)
{
    mgenjit_error *errors[3] = { NULL, NULL, NULL };
    mgenjit_executor *executor = new_executor(NULL);
    void *address;
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "name_%d", i);
        CHECK_INT(MGENJIT_STATUS_NOT_FOUND, mgenjit_executor_lookup(executor, name, &address, &errors[i]));
    }
    mgenjit_executor_free(executor);
    mgenjit_error_free(errors[1]);
    CHECK_CONTAINS("name_2", mgenjit_error_message(errors[2]));
    CHECK_CONTAINS("name_0", mgenjit_error_message(errors[0]));
    mgenjit_error_free(errors[2]);
    mgenjit_error_free(errors[0]);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(not_utf8), CASE(opt_levels), CASE(cache_modes), CASE(numbers), CASE(configuration_is_copied),
        CASE(times_of_an_older_caller), CASE(function_index), CASE(errors_outlive_their_executor),
    };
    return RUN_CASES(cases);
}
