// warm: no server

/* Code for a level of the architecture: it is cached under a key of its own, and refused where it could not run. */
#include "check.h"
#ifdef __aarch64__
#include <sys/auxv.h>
#endif

#define LEVELS 2
#ifdef __aarch64__
static const char *const levels[LEVELS] = { OLDEST_CPU, "armv8.2-a" };
#define NEWEST "armv9.5-a"
#define NEWEST_HAS "faminmax"
#define NAMES "\"native\", \"generic\", \"armv8-a\", "
#else
static const char *const levels[LEVELS] = { OLDEST_CPU, "x86-64-v3" };
#define NEWEST "x86-64-v4"
#define NEWEST_HAS "avx512"
#define NAMES "\"native\", \"x86-64\", \"x86-64-v2\", \"x86-64-v3\", \"x86-64-v4\""
#endif

static const char IR[] =
    "declare double @llvm.fma.f64(double, double, double)\n"
    "define double @fused(double %a, double %b, double %c) {\n"
    "  %r = call double @llvm.fma.f64(double %a, double %b, double %c)\n  ret double %r\n}\n";

static int is_supported(const char *level)
{
    if (strcmp(level, OLDEST_CPU) == 0)
        return 1;
#ifdef __aarch64__
    return (getauxval(AT_HWCAP) & HWCAP_ATOMICS) && (getauxval(AT_HWCAP) & HWCAP_ASIMDRDM)
        && (getauxval(AT_HWCAP) & HWCAP_DCPOP);
#else
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
}

static int is_newest(void)
{
#ifdef __aarch64__
    /* No kernel of today's tells of all that it has. */
    return 0;
#else
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd");
#endif
}

/* Compiles at a level, or for this machine if it is NULL, or hits; runs the code; and copies its key. */
static void use_level(const char *level, int origin, char *key)
{
    mgenjit_config *config = default_config();
    mgenjit_executor *executor;
    mgenjit_module *module;
    void *address;
    CHECK_OK(mgenjit_config_set_cpu(config, level, &failure));
    executor = new_executor(config);
    mgenjit_config_free(config);
    module = add(executor, IR);
    CHECK_INT(origin, mgenjit_module_origin(module));
    CHECK_OK(mgenjit_module_lookup(module, "fused", &address, &failure));
    CHECK(((double (*)(double, double, double))address)(2.0, 3.0, 4.0) == 10.0);
    strcpy(key, mgenjit_module_key(module));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

static void levels_have_keys_of_their_own(void)
{
    char native[65], same[65], keys[LEVELS][65] = { "", "" };
    const int first = is_warm() ? MGENJIT_ORIGIN_CACHE : MGENJIT_ORIGIN_COMPILED;
    use_level(NULL, first, native);
    use_level("native", MGENJIT_ORIGIN_CACHE, same);
    CHECK_STRING(native, same);
    for (int i = 0; i < LEVELS; i++) {
        if (!is_supported(levels[i])) {
            printf("not run: this machine is no %s\n", levels[i]);
            continue;
        }
        use_level(levels[i], first, keys[i]);
        use_level(levels[i], MGENJIT_ORIGIN_CACHE, same);
        CHECK_STRING(keys[i], same);
        CHECK(strcmp(keys[i], native) != 0);
        for (int j = 0; j < i; j++)
            CHECK(strcmp(keys[i], keys[j]) != 0);
    }
}

/* The key of a level is the same on all machines, so that an entry may be there that could not run. */
static void a_level_that_this_machine_lacks(void)
{
    check_events events;
    mgenjit_config *config = new_watched_config(&events);
    mgenjit_executor *executor;
    mgenjit_module *module = NULL;
    CHECK_OK(mgenjit_config_set_cpu(config, NEWEST, &failure));
    executor = new_executor(config);
    mgenjit_config_free(config);
    if (is_newest()) {
        printf("not run: this machine is an " NEWEST "\n");
        mgenjit_executor_free(executor);
        return;
    }
    CHECK_STATUS(MGENJIT_STATUS_CPU, mgenjit_executor_compile(executor, NULL, IR, strlen(IR), &module, &failure));
    CHECK_MESSAGE(NEWEST_HAS);
    CHECK_STATUS(MGENJIT_STATUS_CPU, mgenjit_executor_compile_file(executor, "/none", &module, &failure));
    CHECK(module == NULL);
    for (size_t i = 0; i < sizeof events.count / sizeof *events.count; i++)
        CHECK_INT(0, events.count[i]);
    mgenjit_executor_free(executor);
}

static void bogus_names(void)
{
    static const char *const names[] = { "", "x86-64-v5", "X86-64", "haswell", "armv8", "ARMv8-a" };
    mgenjit_config *config = default_config();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_set_cpu(config, names[i], &failure));
        CHECK_MESSAGE("use one of " NAMES);
    }
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_set_cpu(config, "\xff", &failure));
    mgenjit_config_free(config);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(levels_have_keys_of_their_own), CASE(a_level_that_this_machine_lacks), CASE(bogus_names),
    };
    return RUN_CASES(cases);
}
