// warm: no server

/* Modules for other targets than this machine: compiled, cached and described like others, and never run. */
#include "check.h"

static const char IR[] =
    "define i32 @main() {\n  ret i32 3\n}\n"
    "define double @half(double %x) {\n  %r = fdiv double %x, 2.0\n  ret double %r\n}\n";

static mgenjit_executor *executor_for(const char *triple, const char *cpu, const char *features)
{
    mgenjit_config *config = default_config();
    mgenjit_executor *executor;
    CHECK_OK(mgenjit_config_set_target(config, triple, cpu, features, &failure));
    executor = new_executor(config);
    mgenjit_config_free(config);
    return executor;
}

static void a_module_is_cached_and_described(void)
{
    for (int round = 0; round < 2; round++) {
        mgenjit_executor *executor = executor_for("aarch64-linux-gnu", NULL, NULL);
        mgenjit_module *module = add(executor, IR);
        mgenjit_function *function;
        const int cached = is_warm() || round > 0;
        CHECK_INT(cached ? MGENJIT_ORIGIN_CACHE : MGENJIT_ORIGIN_COMPILED, mgenjit_module_origin(module));
        CHECK_INT(2, mgenjit_module_function_count(module));
        CHECK_OK(mgenjit_module_function(module, 1, &function, &failure));
        CHECK_STRING("double @half(double)", mgenjit_function_signature(function));
        mgenjit_function_free(function);
        CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_module_function(module, 2, &function, &failure));
        CHECK_OK(mgenjit_module_remove(module, &failure));
        CHECK_STATUS(MGENJIT_STATUS_REMOVED, mgenjit_module_remove(module, &failure));
        mgenjit_module_free(module);
        mgenjit_executor_free(executor);
    }
}

static void nothing_of_it_runs(void)
{
    mgenjit_executor *executor = executor_for("aarch64-linux-gnu", NULL, NULL);
    mgenjit_module *module = add(executor, IR);
    mgenjit_function *function;
    mgenjit_value argument = mgenjit_double(1.0), result;
    void *address;
    int status;
    CHECK_STATUS(MGENJIT_STATUS_TARGET, mgenjit_module_lookup(module, "half", &address, &failure));
    CHECK_MESSAGE("aarch64-linux-gnu");
    CHECK_STATUS(MGENJIT_STATUS_TARGET, mgenjit_executor_lookup(executor, "half", &address, &failure));
    CHECK_MESSAGE("aarch64-linux-gnu");
    CHECK_STATUS(MGENJIT_STATUS_TARGET, mgenjit_executor_lookup_function(executor, "half", &function, &failure));
    CHECK_STATUS(MGENJIT_STATUS_TARGET, mgenjit_executor_run_main(executor, 0, NULL, &status, &failure));
    CHECK_MESSAGE("aarch64-linux-gnu");
    CHECK_OK(mgenjit_module_function(module, 1, &function, &failure));
    CHECK_STATUS(MGENJIT_STATUS_TARGET, mgenjit_function_address(function, &address, &failure));
    CHECK_STATUS(MGENJIT_STATUS_TARGET, mgenjit_function_call(function, &argument, 1, &result, &failure));
    mgenjit_function_free(function);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

static void targets_have_keys_of_their_own(void)
{
    static const char *const targets[][3] = {
        { NULL, NULL, NULL },
        { "aarch64-linux-gnu", NULL, NULL },
        { "aarch64-linux-gnu", "cortex-a72", NULL },
        { "aarch64-linux-gnu", NULL, "+sve" },
        { "riscv64-linux-gnu", NULL, NULL },
        { "x86_64-linux-gnu", "x86-64-v3", NULL },
        { "wasm32-unknown-unknown", NULL, NULL },
    };
    enum { COUNT = sizeof targets / sizeof targets[0] };
    char keys[COUNT][65];
    for (int i = 0; i < COUNT; i++) {
        mgenjit_executor *executor = executor_for(targets[i][0], targets[i][1], targets[i][2]);
        mgenjit_module *module = add(executor, IR);
        strcpy(keys[i], mgenjit_module_key(module));
        for (int j = 0; j < i; j++)
            CHECK(strcmp(keys[i], keys[j]) != 0);
        mgenjit_module_free(module);
        mgenjit_executor_free(executor);
    }
}

static void check_argument(const char *triple, const char *cpu, const char *features, const char *message)
{
    mgenjit_config *config = default_config();
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT,
                 mgenjit_config_set_target(config, triple, cpu, features, &failure));
    CHECK_MESSAGE(message);
    mgenjit_config_free(config);
}

static void bad_arguments(void)
{
    check_argument("", NULL, NULL, "triple");
    check_argument(NULL, "cortex-a72", NULL, "without a triple");
    check_argument(NULL, NULL, "+sve", "without a triple");
    check_argument("aarch64-\xff", NULL, NULL, "triple");
}

static void no_target_is_this_machine(void)
{
    mgenjit_config *config = default_config();
    mgenjit_executor *executor;
    CHECK_OK(mgenjit_config_set_target(config, "wasm32-wasi", NULL, NULL, &failure));
    CHECK_OK(mgenjit_config_set_target(config, NULL, NULL, NULL, &failure));
    executor = new_executor(config);
    mgenjit_config_free(config);
    mgenjit_module_free(add(executor, IR));
    CHECK(FUNCTION(double (*)(double), executor, "half")(3.0) == 1.5);
    mgenjit_executor_free(executor);
}

static void check_unknown(const char *triple, const char *cpu, const char *features, const char *message)
{
    mgenjit_executor *executor = executor_for(triple, cpu, features);
    /* Whether the server has gone on or not. */
    for (int i = 0; i < 3; i++) {
        CHECK_INT(MGENJIT_STATUS_TARGET, try_ir(executor, IR));
        CHECK_MESSAGE(message);
    }
    mgenjit_executor_free(executor);
}

/* What LLVM does not know is found out by a server. */
static void unknown_names(void)
{
    if (is_warm())
        return;
    check_unknown("vax-dec-vms", NULL, NULL, "\"vax-dec-vms\"");
    check_unknown("aarch64-linux-gnu", "cortex-z9", NULL, "cortex-a72");
    check_unknown("riscv64-linux-gnu", NULL, "+sse2", "no feature \"sse2\"");
    /* LLVM would end the process over it. */
    check_unknown("riscv64-linux-gnu", "sifive-e31", NULL, "RV64");
}

int main(void)
{
    static const check_case cases[] = {
        CASE(a_module_is_cached_and_described), CASE(nothing_of_it_runs), CASE(targets_have_keys_of_their_own),
        CASE(bad_arguments), CASE(no_target_is_this_machine), CASE(unknown_names),
    };
    return RUN_CASES(cases);
}
