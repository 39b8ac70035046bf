// runs: once

/* NULL for every parameter of every function: refused, or nothing, or a default, as the header says. */
#include "check.h"

#define REFUSED(call) CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, call)

static const char IR[] = "define i32 @f(i32 %x) {\n  ret i32 %x\n}\n"
                         "define i32 @main() {\n  ret i32 3\n}\n";

static void hook(const mgenjit_event *event, void *user)
{
    (void)event;
    ++*(int *)user;
}

static void count_free(void *user)
{
    ++*(int *)user;
}

static void frees(void)
{
    mgenjit_error_free(NULL);
    mgenjit_config_free(NULL);
    mgenjit_executor_free(NULL);
    mgenjit_module_free(NULL);
    mgenjit_task_free(NULL);
    mgenjit_function_free(NULL);
    mgenjit_export_options_free(NULL);
    mgenjit_isolate_free(NULL);
    mgenjit_isolation_free(NULL);
    mgenjit_outcome_free(NULL);
    mgenjit_blob_free(NULL);
    mgenjit_string_free(NULL);
}

static void questions(void)
{
    CHECK_INT(MGENJIT_STATUS_OK, mgenjit_error_status(NULL));
    CHECK_STRING("", mgenjit_error_message(NULL));
    CHECK_INT(0, mgenjit_error_line(NULL));
    CHECK_INT(0, mgenjit_error_column(NULL));
    CHECK(mgenjit_error_source_line(NULL) == NULL);
    CHECK_INT(0, mgenjit_error_symbol_count(NULL));
    CHECK(mgenjit_error_symbol(NULL, 0) == NULL);
    CHECK(mgenjit_module_name(NULL) == NULL);
    CHECK(mgenjit_module_key(NULL) == NULL);
    CHECK_INT(0, mgenjit_module_origin(NULL));
    CHECK_INT(-1, mgenjit_module_opt_level(NULL));
    CHECK_INT(0, mgenjit_module_function_count(NULL));
    CHECK_INT(0, mgenjit_module_piece_count(NULL));
    CHECK(mgenjit_function_name(NULL) == NULL);
    CHECK(mgenjit_function_signature(NULL) == NULL);
    CHECK_INT(MGENJIT_TYPE_OTHER, mgenjit_function_result_type(NULL));
    CHECK_INT(0, mgenjit_function_parameter_count(NULL));
    CHECK_INT(MGENJIT_TYPE_OTHER, mgenjit_function_parameter_type(NULL, 0));
    CHECK_INT(0, mgenjit_function_is_variadic(NULL));
    CHECK_INT(-1, mgenjit_outcome_exit_status(NULL));
    CHECK_INT(0, mgenjit_outcome_signal(NULL));
    CHECK_INT(MGENJIT_LIMIT_NONE, mgenjit_outcome_limit(NULL));
    CHECK_INT(0, mgenjit_outcome_missing(NULL));
    CHECK(mgenjit_outcome_output(NULL, 1, NULL) == NULL);
    CHECK(!mgenjit_outcome_fault(NULL, NULL));
}

static void configuration(void)
{
    mgenjit_config *config = default_config();
    int freed = 0;
    REFUSED(mgenjit_config_new(NULL, &failure));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_new(NULL, NULL));
    REFUSED(mgenjit_config_set_debug_ir(NULL, 1, &failure));
    REFUSED(mgenjit_config_set_perf(NULL, MGENJIT_PERF_OFF, &failure));
    REFUSED(mgenjit_config_set_opt_level(NULL, MGENJIT_OPT_O2, &failure));
    REFUSED(mgenjit_config_set_tiers(NULL, MGENJIT_OPT_O0, MGENJIT_OPT_O2, &failure));
    REFUSED(mgenjit_config_set_partition(NULL, MGENJIT_PARTITION_OFF, &failure));
    REFUSED(mgenjit_config_set_profile_generate(NULL, true, &failure));
    REFUSED(mgenjit_config_set_profile_use(NULL, "", 0, &failure));
    REFUSED(mgenjit_config_set_profile_use(config, NULL, 1, &failure));
    REFUSED(mgenjit_config_set_replaceable(NULL, true, &failure));
    REFUSED(mgenjit_config_set_debug(NULL, true, &failure));
    REFUSED(mgenjit_config_set_cpu(NULL, "native", &failure));
    REFUSED(mgenjit_config_set_cache_dir(NULL, "/tmp", &failure));
    REFUSED(mgenjit_config_set_cache_mode(NULL, MGENJIT_CACHE_OFF, &failure));
    REFUSED(mgenjit_config_set_server_path(NULL, "/tmp", &failure));
    REFUSED(mgenjit_config_set_max_servers(NULL, 1, &failure));
    REFUSED(mgenjit_config_set_remote(NULL, "redis://localhost", MGENJIT_REMOTE_READ, &failure));
    CHECK_OK(mgenjit_config_set_remote(config, NULL, MGENJIT_REMOTE_READ, &failure));
    REFUSED(mgenjit_config_set_remote(config, NULL, 0, &failure));
    REFUSED(mgenjit_config_set_remote_timeouts(NULL, 1, 1, 1, &failure));
    REFUSED(mgenjit_config_set_server_mode(NULL, MGENJIT_SERVER_SHARED, &failure));
    REFUSED(mgenjit_config_set_server_idle_timeout(NULL, 1, &failure));
    REFUSED(mgenjit_config_set_server_limits(NULL, 1, 1, 1, &failure));
    REFUSED(mgenjit_config_set_server_log(NULL, "-", &failure));
    REFUSED(mgenjit_server_status(NULL, &failure));
    REFUSED(mgenjit_server_socket(NULL, &failure));
    REFUSED(mgenjit_server_path(NULL, NULL, &failure));
    /* Where there is no server. */
    CHECK(setenv("XDG_RUNTIME_DIR", in_folder(""), 1) == 0);
    CHECK_INT(MGENJIT_STATUS_NOT_FOUND, mgenjit_server_stop(0, 0, NULL));
    REFUSED(mgenjit_config_set_lock_timeout(NULL, 1, &failure));
    REFUSED(mgenjit_config_set_target(NULL, "aarch64-linux-gnu", NULL, NULL, &failure));
    REFUSED(mgenjit_config_set_target(config, "", NULL, NULL, &failure));
    REFUSED(mgenjit_config_set_target(config, NULL, "cortex-a72", NULL, &failure));
    REFUSED(mgenjit_config_set_target(config, NULL, NULL, "+sve", &failure));
    REFUSED(mgenjit_config_set_linker(NULL, "cc", &failure));
    REFUSED(mgenjit_config_set_linker(config, "", &failure));
    REFUSED(mgenjit_config_set_linker_timeout(NULL, 1, &failure));
    REFUSED(mgenjit_config_set_event_hook(NULL, hook, &freed, count_free, &failure));
    CHECK_INT(0, freed);

    CHECK_OK(mgenjit_config_set_cpu(config, NULL, &failure));
    CHECK_OK(mgenjit_config_set_target(config, NULL, NULL, NULL, &failure));
    CHECK_OK(mgenjit_config_set_target(config, "aarch64-linux-gnu", NULL, NULL, &failure));
    CHECK_OK(mgenjit_config_set_target(config, NULL, "", "", &failure));
    CHECK_OK(mgenjit_config_set_linker(config, NULL, &failure));
    CHECK_OK(mgenjit_config_set_linker_timeout(config, 0, &failure));
    CHECK_OK(mgenjit_config_set_cache_dir(config, NULL, &failure));
    CHECK_OK(mgenjit_config_set_server_path(config, NULL, &failure));
    CHECK_OK(mgenjit_config_set_event_hook(config, NULL, NULL, NULL, &failure));
    CHECK_OK(mgenjit_config_set_event_hook(config, hook, NULL, NULL, &failure));

    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_set_opt_level(NULL, 0, NULL));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_set_opt_level(config, 99, NULL));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_set_tiers(config, 99, 2, NULL));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_set_tiers(config, 0, -1, NULL));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_set_partition(config, -2, NULL));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_set_cpu(NULL, NULL, NULL));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_set_cpu(config, "", NULL));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_set_cache_dir(NULL, NULL, NULL));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_set_cache_mode(NULL, 0, NULL));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_set_server_path(NULL, NULL, NULL));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_set_max_servers(NULL, 0, NULL));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_set_compile_limits(NULL, 0, 0, 0, NULL));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_set_reproducer_dir(NULL, "/tmp", NULL));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_set_reproducer_dir(config, "", NULL));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_set_lock_timeout(NULL, 0, NULL));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_set_event_hook(NULL, NULL, NULL, NULL, NULL));
    mgenjit_config_free(config);
}

static void tasks(mgenjit_executor *executor, mgenjit_source *source)
{
    mgenjit_task *task = NULL;
    bool is_done = true;
    REFUSED(mgenjit_executor_compile_async(NULL, source, NULL, NULL, NULL, &task, &failure));
    REFUSED(mgenjit_executor_compile_async(executor, NULL, NULL, NULL, NULL, &task, &failure));
    REFUSED(mgenjit_executor_compile_async(executor, source, NULL, NULL, NULL, NULL, &failure));
    REFUSED(mgenjit_executor_prefetch(NULL, source, &failure));
    REFUSED(mgenjit_executor_prefetch(executor, NULL, &failure));
    REFUSED(mgenjit_task_wait(NULL, 0, &is_done, &failure));
    REFUSED(mgenjit_task_result(NULL, NULL, &failure));
    REFUSED(mgenjit_task_cancel(NULL, &failure));
    CHECK_OK(mgenjit_executor_compile_async(executor, source, NULL, NULL, NULL, &task, &failure));
    REFUSED(mgenjit_task_wait(task, 0, NULL, &failure));
    CHECK_OK(mgenjit_task_result(task, NULL, &failure));
    CHECK(is_done);
    mgenjit_task_free(task);
}

static void sources(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_source *source = NULL;
    mgenjit_module *module = NULL;
    REFUSED(mgenjit_source_new(NULL, &source, &failure));
    REFUSED(mgenjit_source_new("name", NULL, &failure));
    CHECK_OK(mgenjit_source_new("name", &source, &failure));
    /* It has no inputs. */
    REFUSED(mgenjit_executor_compile_source(executor, source, &module, &failure));
    REFUSED(mgenjit_source_add(NULL, "input", IR, strlen(IR), &failure));
    REFUSED(mgenjit_source_add(source, NULL, IR, strlen(IR), &failure));
    REFUSED(mgenjit_source_add(source, "input", NULL, 1, &failure));
    REFUSED(mgenjit_source_add_file(NULL, "/dev/null", &failure));
    REFUSED(mgenjit_source_add_file(source, NULL, &failure));
    REFUSED(mgenjit_source_keep(NULL, "f", &failure));
    REFUSED(mgenjit_source_keep(source, NULL, &failure));
    REFUSED(mgenjit_source_keep(source, "", &failure));
    REFUSED(mgenjit_executor_compile_source(NULL, source, &module, &failure));
    REFUSED(mgenjit_executor_compile_source(executor, NULL, &module, &failure));
    CHECK_OK(mgenjit_source_add(source, "input", IR, strlen(IR), &failure));
    CHECK_OK(mgenjit_executor_compile_source(executor, source, NULL, &failure));
    tasks(executor, source);
    CHECK(module == NULL);
    mgenjit_source_free(source);
    mgenjit_executor_free(executor);
}

static void executor_functions(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_config *config = default_config();
    mgenjit_module *module = (mgenjit_module *)&executor;
    mgenjit_function *function = (mgenjit_function *)&executor;
    const char *const argv[] = { "program", NULL };
    const char *const argv_with_a_hole[] = { "program", NULL, "x", NULL };
    void *address = &executor;
    mgenjit_old_code old = { .size = sizeof old };
    int status = 77;
    mgenjit_module_free(add(executor, IR));

    REFUSED(mgenjit_executor_new(config, NULL, &failure));
    REFUSED(mgenjit_executor_new(NULL, NULL, &failure));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_executor_new(NULL, NULL, NULL));

    REFUSED(mgenjit_executor_compile(NULL, "name", IR, strlen(IR), &module, &failure));
    REFUSED(mgenjit_executor_compile(executor, "name", NULL, 5, &module, &failure));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_executor_compile(NULL, NULL, NULL, 0, NULL, NULL));
    CHECK_INT(MGENJIT_STATUS_PARSE, mgenjit_executor_compile(executor, NULL, "x", 1, NULL, NULL));
    CHECK_OK(mgenjit_executor_compile(executor, NULL, IR, strlen(IR), NULL, &failure));

    REFUSED(mgenjit_executor_compile_file(NULL, "file", &module, &failure));
    REFUSED(mgenjit_executor_compile_file(executor, NULL, &module, &failure));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_executor_compile_file(executor, NULL, NULL, NULL));
    CHECK_INT(MGENJIT_STATUS_IO, mgenjit_executor_compile_file(executor, "/nowhere.ll", NULL, NULL));

    REFUSED(mgenjit_executor_define(NULL, "name", &status, &failure));
    REFUSED(mgenjit_executor_define(executor, NULL, &status, &failure));
    REFUSED(mgenjit_executor_define(executor, "name", NULL, &failure));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_executor_define(executor, NULL, NULL, NULL));

    REFUSED(mgenjit_executor_load_library(NULL, "libm.so.6", &failure));
    REFUSED(mgenjit_executor_load_library(executor, NULL, &failure));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_executor_load_library(executor, NULL, NULL));

    REFUSED(mgenjit_executor_old_code(NULL, &old, &failure));
    REFUSED(mgenjit_executor_old_code(executor, NULL, &failure));
    old.size = 0;
    REFUSED(mgenjit_executor_old_code(executor, &old, &failure));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_executor_old_code(NULL, NULL, NULL));
    REFUSED(mgenjit_executor_link(NULL, &failure));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_executor_link(NULL, NULL));
    CHECK_INT(MGENJIT_STATUS_OK, mgenjit_executor_link(executor, NULL));

    REFUSED(mgenjit_executor_lookup(NULL, "f", &address, &failure));
    REFUSED(mgenjit_executor_lookup(executor, NULL, &address, &failure));
    REFUSED(mgenjit_executor_lookup(executor, "f", NULL, &failure));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_executor_lookup(executor, "f", NULL, NULL));
    CHECK_INT(MGENJIT_STATUS_NOT_FOUND, mgenjit_executor_lookup(executor, "nowhere", &address, NULL));

    REFUSED(mgenjit_executor_lookup_function(NULL, "f", &function, &failure));
    REFUSED(mgenjit_executor_lookup_function(executor, NULL, &function, &failure));
    REFUSED(mgenjit_executor_lookup_function(executor, "f", NULL, &failure));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_executor_lookup_function(executor, "f", NULL, NULL));
    CHECK_INT(MGENJIT_STATUS_NOT_FOUND, mgenjit_executor_lookup_function(executor, "nowhere", &function, NULL));

    REFUSED(mgenjit_executor_set_arguments(NULL, 0, NULL, &failure));
    REFUSED(mgenjit_executor_set_arguments(executor, 1, NULL, &failure));
    REFUSED(mgenjit_executor_set_arguments(executor, -1, argv, &failure));
    REFUSED(mgenjit_executor_set_arguments(executor, 3, argv_with_a_hole, &failure));
    CHECK_OK(mgenjit_executor_set_arguments(executor, 0, NULL, &failure));

    REFUSED(mgenjit_executor_run_main(NULL, 0, NULL, &status, &failure));
    REFUSED(mgenjit_executor_run_main(executor, 1, NULL, &status, &failure));
    REFUSED(mgenjit_executor_run_main(executor, -1, argv, &status, &failure));
    REFUSED(mgenjit_executor_run_main(executor, 3, argv_with_a_hole, &status, &failure));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_executor_run_main(NULL, 0, NULL, NULL, NULL));
    CHECK_INT(77, status);
    CHECK_OK(mgenjit_executor_run_main(executor, 0, NULL, NULL, &failure));
    CHECK_OK(mgenjit_executor_run_main(executor, 1, argv, NULL, &failure));
    CHECK_OK(mgenjit_executor_run_main(executor, 0, NULL, &status, &failure));
    CHECK_INT(3, status);

    CHECK(module == (mgenjit_module *)&executor);
    CHECK(function == (mgenjit_function *)&executor);
    CHECK(address == (void *)&executor);
    check_usable(executor);
    mgenjit_config_free(config);
    mgenjit_executor_free(executor);
}

static void run_file(void)
{
    const char *const argv[] = { "program", NULL };
    mgenjit_config *config = default_config();
    int status = 77;
    REFUSED(mgenjit_run_file(NULL, 1, argv, config, &status, &failure));
    REFUSED(mgenjit_run_file(NULL, 0, NULL, NULL, NULL, &failure));
    REFUSED(mgenjit_run_file(program("main_void_i32.ll"), 1, NULL, config, &status, &failure));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_run_file(NULL, 0, NULL, NULL, NULL, NULL));
    CHECK_INT(77, status);
    CHECK_OK(mgenjit_run_file(program("main_void_i32.ll"), 0, NULL, NULL, NULL, &failure));
    mgenjit_config_free(config);
}

static void module_functions(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add(executor, IR);
    mgenjit_piece piece;
    mgenjit_function *function = (mgenjit_function *)&executor;
    mgenjit_times times = { .size = sizeof times };
    mgenjit_source *source = NULL;
    void *address = &executor;
    CHECK_OK(mgenjit_source_new("source", &source, &failure));

    mgenjit_blob *blob = NULL;
    REFUSED(mgenjit_module_profile(NULL, &blob, &failure));
    REFUSED(mgenjit_module_profile(module, NULL, &failure));
    REFUSED(mgenjit_profile_merge(NULL, NULL, 1, "", 0, &blob, &failure));
    REFUSED(mgenjit_profile_merge(NULL, "", 0, NULL, 1, &blob, &failure));
    REFUSED(mgenjit_profile_merge(NULL, "", 0, "", 0, NULL, &failure));
    REFUSED(mgenjit_module_remove(NULL, &failure));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_module_remove(NULL, NULL));
    REFUSED(mgenjit_module_replace(NULL, source, 0, NULL, &failure));
    REFUSED(mgenjit_module_replace(module, NULL, 0, NULL, &failure));
    REFUSED(mgenjit_module_replace(module, source, -1, NULL, &failure));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_module_replace(NULL, NULL, 0, NULL, NULL));
    REFUSED(mgenjit_module_retire(NULL, NULL, &failure));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_module_retire(module, NULL, NULL));
    mgenjit_source_free(source);
    REFUSED(mgenjit_module_times(NULL, &times, &failure));
    REFUSED(mgenjit_module_times(module, NULL, &failure));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_module_times(module, NULL, NULL));
    piece.size = sizeof piece;
    CHECK_INT(0, mgenjit_module_piece_count(module));
    REFUSED(mgenjit_module_piece(NULL, 0, &piece, &failure));
    REFUSED(mgenjit_module_piece(module, 0, NULL, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_module_piece(module, 0, &piece, &failure));
    REFUSED(mgenjit_module_lookup(NULL, "f", &address, &failure));
    REFUSED(mgenjit_module_lookup(module, NULL, &address, &failure));
    REFUSED(mgenjit_module_lookup(module, "f", NULL, &failure));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_module_lookup(module, "f", NULL, NULL));
    REFUSED(mgenjit_module_function(NULL, 0, &function, &failure));
    REFUSED(mgenjit_module_function(module, 0, NULL, &failure));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_module_function(module, 0, NULL, NULL));
    CHECK(function == (mgenjit_function *)&executor);
    CHECK(address == (void *)&executor);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

static void function_functions(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_value argument = mgenjit_i32(5), result = mgenjit_i64(1);
    const void *pointers[1] = { &argument.of.integer };
    mgenjit_function *function;
    void *address = &executor;
    int raw = 0;
    mgenjit_module_free(add(executor, IR));
    function = find_function(executor, "f");

    REFUSED(mgenjit_function_address(NULL, &address, &failure));
    REFUSED(mgenjit_function_address(function, NULL, &failure));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_function_address(function, NULL, NULL));
    REFUSED(mgenjit_function_call(NULL, &argument, 1, &result, &failure));
    REFUSED(mgenjit_function_call(function, NULL, 1, &result, &failure));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_function_call(NULL, NULL, 0, NULL, NULL));
    CHECK_INT(MGENJIT_STATUS_TYPE, mgenjit_function_call(function, NULL, 0, NULL, NULL));
    CHECK_OK(mgenjit_function_call(function, &argument, 1, NULL, &failure));
    REFUSED(mgenjit_function_call_raw(NULL, pointers, 1, &raw, sizeof raw, &failure));
    REFUSED(mgenjit_function_call_raw(function, NULL, 1, &raw, sizeof raw, &failure));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_function_call_raw(NULL, NULL, 0, NULL, 0, NULL));
    CHECK_OK(mgenjit_function_call_raw(function, pointers, 1, NULL, 0, &failure));
    CHECK(address == (void *)&executor);
    CHECK(result.kind == MGENJIT_TYPE_I64 && result.of.integer == 1);
    mgenjit_function_free(function);
    mgenjit_executor_free(executor);
}

static void exports(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_export_options *options = default_options();
    mgenjit_module *module = add(executor, IR), *none = NULL;
    mgenjit_blob *blob = (mgenjit_blob *)&executor;
    REFUSED(mgenjit_export_options_new(NULL, &failure));
    REFUSED(mgenjit_export_options_set_soname(NULL, "x", &failure));
    REFUSED(mgenjit_export_options_set_soname(options, "", &failure));
    CHECK_OK(mgenjit_export_options_set_soname(options, NULL, &failure));
    REFUSED(mgenjit_export_options_set_static(NULL, 1, &failure));
    REFUSED(mgenjit_export_options_add_library(NULL, "m", &failure));
    REFUSED(mgenjit_export_options_add_library(options, NULL, &failure));
    REFUSED(mgenjit_export_options_add_library(options, "", &failure));
    REFUSED(mgenjit_export_options_add_flag(NULL, "-g", &failure));
    REFUSED(mgenjit_export_options_add_flag(options, NULL, &failure));
    REFUSED(mgenjit_module_export(NULL, MGENJIT_EXPORT_OBJECT, "/tmp/x", NULL, &failure));
    REFUSED(mgenjit_module_export(module, MGENJIT_EXPORT_OBJECT, NULL, NULL, &failure));
    REFUSED(mgenjit_module_export(module, 0, "/tmp/x", NULL, &failure));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_module_export(NULL, 0, NULL, NULL, NULL));
    REFUSED(mgenjit_module_export_blob(NULL, MGENJIT_EXPORT_OBJECT, options, &blob, &failure));
    REFUSED(mgenjit_module_export_blob(module, MGENJIT_EXPORT_OBJECT, options, NULL, &failure));
    REFUSED(mgenjit_modules_export(NULL, 1, MGENJIT_EXPORT_ARCHIVE, "/tmp/x", NULL, &failure));
    REFUSED(mgenjit_modules_export(&none, 1, MGENJIT_EXPORT_ARCHIVE, "/tmp/x", NULL, &failure));
    REFUSED(mgenjit_modules_export(&module, 0, MGENJIT_EXPORT_ARCHIVE, "/tmp/x", NULL, &failure));
    REFUSED(mgenjit_modules_export(&module, 1, MGENJIT_EXPORT_ARCHIVE, NULL, NULL, &failure));
    REFUSED(mgenjit_modules_export_blob(NULL, 1, MGENJIT_EXPORT_ARCHIVE, NULL, &blob, &failure));
    REFUSED(mgenjit_modules_export_blob(&none, 1, MGENJIT_EXPORT_ARCHIVE, NULL, &blob, &failure));
    REFUSED(mgenjit_modules_export_blob(&module, 1, MGENJIT_EXPORT_ARCHIVE, NULL, NULL, &failure));
    CHECK(blob == (mgenjit_blob *)&executor);
    mgenjit_export_options_free(options);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

static void isolations(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module_free(add(executor, IR));
    mgenjit_isolation *isolation = NULL;
    mgenjit_outcome *outcome = NULL;
    mgenjit_usage usage = {.size = sizeof usage};
    const char *const none[] = {NULL};
    REFUSED(mgenjit_isolation_new(NULL, &failure));
    CHECK_OK(mgenjit_isolation_new(&isolation, &failure));
    REFUSED(mgenjit_isolation_set_arguments(NULL, 0, NULL, &failure));
    REFUSED(mgenjit_isolation_set_arguments(isolation, 1, NULL, &failure));
    REFUSED(mgenjit_isolation_set_arguments(isolation, 1, none, &failure));
    REFUSED(mgenjit_isolation_set_arguments(isolation, -1, none, &failure));
    REFUSED(mgenjit_isolation_set_environment(NULL, 0, NULL, &failure));
    REFUSED(mgenjit_isolation_set_environment(isolation, 1, none, &failure));
    REFUSED(mgenjit_isolation_set_directory(NULL, "/", &failure));
    REFUSED(mgenjit_isolation_set_directory(isolation, NULL, &failure));
    REFUSED(mgenjit_isolation_set_directory(isolation, "", &failure));
    REFUSED(mgenjit_isolation_set_stream(NULL, 0, -1, &failure));
    REFUSED(mgenjit_isolation_set_input(NULL, "", 0, &failure));
    REFUSED(mgenjit_isolation_set_input(isolation, NULL, 1, &failure));
    CHECK_OK(mgenjit_isolation_set_input(isolation, NULL, 0, &failure));
    REFUSED(mgenjit_isolation_capture(NULL, 1, &failure));
    REFUSED(mgenjit_isolation_set_timeout(NULL, 1, &failure));
    REFUSED(mgenjit_isolation_set_cpu_time(NULL, 1, &failure));
    REFUSED(mgenjit_isolation_set_memory(NULL, 1, &failure));
    REFUSED(mgenjit_isolation_set_output(NULL, 1, &failure));
    REFUSED(mgenjit_isolation_set_open_files(NULL, 1, &failure));
    REFUSED(mgenjit_isolation_set_processes(NULL, 1, &failure));
    REFUSED(mgenjit_isolation_allow_path(NULL, "/", MGENJIT_ACCESS_READ, &failure));
    REFUSED(mgenjit_isolation_allow_path(isolation, NULL, MGENJIT_ACCESS_READ, &failure));
    REFUSED(mgenjit_isolation_allow_path(isolation, "", MGENJIT_ACCESS_READ, &failure));
    REFUSED(mgenjit_isolation_allow_all_files(NULL, true, &failure));
    REFUSED(mgenjit_isolation_allow_network(NULL, true, &failure));
    REFUSED(mgenjit_isolation_require(NULL, true, &failure));
    REFUSED(mgenjit_executor_run_isolated(NULL, isolation, &outcome, &failure));
    REFUSED(mgenjit_executor_run_isolated(executor, isolation, NULL, &failure));
    CHECK_OK(mgenjit_executor_run_isolated(executor, NULL, &outcome, &failure));
    CHECK_INT(3, mgenjit_outcome_exit_status(outcome));
    CHECK(mgenjit_outcome_output(outcome, 0, NULL) == NULL);
    CHECK(mgenjit_outcome_output(outcome, 1, NULL) != NULL);
    CHECK(!mgenjit_outcome_fault(outcome, NULL));
    REFUSED(mgenjit_outcome_usage(NULL, &usage, &failure));
    REFUSED(mgenjit_outcome_usage(outcome, NULL, &failure));
    REFUSED(mgenjit_isolation_set_pool(NULL, 1, &failure));
    REFUSED(mgenjit_isolation_set_pool(isolation, 257, &failure));
    mgenjit_outcome_free(outcome);
    mgenjit_isolation_free(isolation);
    mgenjit_executor_free(executor);
}

static void on_isolate(void *user, const mgenjit_value *arguments, size_t count, mgenjit_value *result)
{
    (void)user, (void)arguments, (void)count, (void)result;
}

static void isolates(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module_free(add(executor, IR));
    mgenjit_isolate *isolate = NULL;
    mgenjit_value three = mgenjit_integer(MGENJIT_TYPE_I32, 3);
    void *memory = NULL;
    CHECK_OK(mgenjit_isolate_new(executor, NULL, 0, &isolate, &failure));
    REFUSED(mgenjit_isolate_new(NULL, NULL, 0, &isolate, &failure));
    REFUSED(mgenjit_isolate_new(executor, NULL, 0, NULL, &failure));
    REFUSED(mgenjit_isolate_alloc(NULL, 1, &memory, &failure));
    REFUSED(mgenjit_isolate_alloc(isolate, 1, NULL, &failure));
    REFUSED(mgenjit_isolate_call(NULL, "f", &three, 1, 0, NULL, &failure));
    REFUSED(mgenjit_isolate_call(isolate, NULL, &three, 1, 0, NULL, &failure));
    REFUSED(mgenjit_isolate_call(isolate, "f", NULL, 1, 0, NULL, &failure));
    CHECK_OK(mgenjit_isolate_call(isolate, "f", &three, 1, MGENJIT_FOREVER, NULL, &failure));
    REFUSED(mgenjit_isolate_cancel(NULL, &failure));
    REFUSED(mgenjit_isolate_free_memory(NULL, NULL, &failure));
    REFUSED(mgenjit_isolate_define(NULL, "g", on_isolate, MGENJIT_TYPE_I32, NULL, 0, NULL, NULL, &failure));
    REFUSED(mgenjit_isolate_define(isolate, NULL, on_isolate, MGENJIT_TYPE_I32, NULL, 0, NULL, NULL, &failure));
    REFUSED(mgenjit_isolate_define(isolate, "g", NULL, MGENJIT_TYPE_I32, NULL, 0, NULL, NULL, &failure));
    REFUSED(mgenjit_isolate_define(isolate, "g", on_isolate, MGENJIT_TYPE_I32, NULL, 1, NULL, NULL, &failure));
    mgenjit_blob *output = NULL;
    REFUSED(mgenjit_isolate_output(NULL, 1, &output, &failure));
    REFUSED(mgenjit_isolate_output(isolate, 1, NULL, &failure));
    CHECK(mgenjit_error_outcome(NULL) == NULL);
    mgenjit_isolate_free(isolate);
    mgenjit_executor_free(executor);
}

static void addresses(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_symbol symbol = {.size = sizeof symbol};
    mgenjit_location location = {.size = sizeof location};
    CHECK(!mgenjit_symbolize(NULL, &symbol));
    CHECK(!mgenjit_symbolize(NULL, NULL));
    REFUSED(mgenjit_executor_symbolize(NULL, NULL, &symbol, &failure));
    REFUSED(mgenjit_executor_symbolize(executor, NULL, NULL, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_executor_symbolize(executor, NULL, &symbol, &failure));
    REFUSED(mgenjit_source_location(NULL, 0, NULL, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_source_location(NULL, 0, &location, &failure));
    mgenjit_executor_free(executor);
}

static void versions(void)
{
    char text[32];
    CHECK_INT(MGENJIT_VERSION_NUMBER, mgenjit_version_number());
    snprintf(text, sizeof text, "%d.%d.%d", MGENJIT_VERSION_MAJOR, MGENJIT_VERSION_MINOR, MGENJIT_VERSION_PATCH);
    CHECK_STRING(text, mgenjit_version_string());
    CHECK_CONTAINS("22.1", mgenjit_llvm_version());
    CHECK_INT(16, strlen(mgenjit_build_id()));
}

static void status_names(void)
{
    CHECK_STRING("MGENJIT_STATUS_OK", mgenjit_status_name(MGENJIT_STATUS_OK));
    CHECK_STRING("MGENJIT_STATUS_PARSE", mgenjit_status_name(MGENJIT_STATUS_PARSE));
    CHECK_STRING("MGENJIT_STATUS_PANIC", mgenjit_status_name(MGENJIT_STATUS_PANIC));
    CHECK_STRING("unknown status", mgenjit_status_name(-1));
    CHECK_STRING("unknown status", mgenjit_status_name(MGENJIT_STATUS_ENDED + 1));
    for (mgenjit_status status = 0; status <= MGENJIT_STATUS_ENDED; status++)
        CHECK_CONTAINS("MGENJIT_STATUS_", mgenjit_status_name(status));
}

int main(void)
{
    static const check_case cases[] = {
        CASE(frees), CASE(questions), CASE(configuration), CASE(sources),
        CASE(executor_functions), CASE(run_file),
        CASE(module_functions), CASE(function_functions), CASE(exports), CASE(isolations), CASE(isolates), CASE(addresses), CASE(versions), CASE(status_names),
    };
    return RUN_CASES(cases);
}
