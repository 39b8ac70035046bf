// runs: once

/* Compiles that take too long, too much memory, or are too large. */
#include "check.h"

/* So many functions of some hundred instructions each: seconds of work for LLVM, and hundreds of megabytes. */
static char *large_module(int functions)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    CHECK(out != NULL);
    for (int f = 0; f < functions; f++) {
        fprintf(out, "define i64 @f%d(i64 %%x0, ptr %%p) {\n", f);
        for (int i = 0; i < 100; i++) {
            fprintf(out, "  %%a%d = mul i64 %%x%d, %d\n  %%b%d = lshr i64 %%a%d, %d\n", i, i, 2 * i + 3, i, i, i % 31 + 1);
            fprintf(out, "  store volatile i64 %%b%d, ptr %%p\n  %%x%d = xor i64 %%a%d, %%b%d\n", i, i + 1, i, i);
        }
        fprintf(out, "  ret i64 %%x100\n}\n");
    }
    CHECK_INT(0, fclose(out));
    return text;
}

static mgenjit_executor *executor_with_limits(uint64_t milliseconds, uint64_t memory, uint64_t input)
{
    mgenjit_config *config = mgenjit_config_new();
    mgenjit_executor *executor;
    CHECK_OK(mgenjit_config_set_cache_mode(config, MGENJIT_CACHE_OFF, &failure));
    CHECK_OK(mgenjit_config_set_max_servers(config, 1, &failure));
    CHECK_OK(mgenjit_config_set_compile_limits(config, milliseconds, memory, input, &failure));
    executor = new_executor(config);
    mgenjit_config_free(config);
    return executor;
}

static void time_limit(void)
{
    char *large = large_module(3000);
    mgenjit_executor *executor = executor_with_limits(200, 0, 0);
    check_usable(executor);
    CHECK_STATUS(MGENJIT_STATUS_TIMEOUT, try_ir(executor, large));
    CHECK_MESSAGE("the name was not compiled within 200 ms");
    /* Another server does what the one that was given up cannot. */
    check_usable(executor);
    mgenjit_executor_free(executor);
    free(large);
}

static void memory_limit(void)
{
    char *large = large_module(800), *small = large_module(5);
    mgenjit_executor *executor = executor_with_limits(0, 64 << 20, 0);
    check_usable(executor);
    CHECK_STATUS(MGENJIT_STATUS_MEMORY, try_ir(executor, large));
    CHECK_MESSAGE("more than 67108864 bytes of memory");
    check_usable(executor);
    CHECK_STATUS(MGENJIT_STATUS_OK, try_ir(executor, small));
    mgenjit_executor_free(executor);

    /* It was the limit. */
    executor = executor_with_limits(0, 0, 0);
    CHECK_STATUS(MGENJIT_STATUS_OK, try_ir(executor, large));
    mgenjit_executor_free(executor);
    free(small);
    free(large);
}

static void input_limit(void)
{
    static const char IR[] = "define i32 @small() {\n  ret i32 7\n}\n";
    mgenjit_executor *executor = executor_with_limits(0, 0, strlen(IR));
    char *longer = NULL;
    CHECK(asprintf(&longer, "%s;", IR) > 0);
    CHECK_STATUS(MGENJIT_STATUS_OK, try_ir(executor, IR));
    CHECK_STATUS(MGENJIT_STATUS_TOO_LARGE, try_ir(executor, longer));
    CHECK_MESSAGE("the limit is 36");
    CHECK_STATUS(MGENJIT_STATUS_OK, try_ir(executor, IR));
    mgenjit_executor_free(executor);
    free(longer);
}

int main(void)
{
    static const check_case cases[] = { CASE(time_limit), CASE(memory_limit), CASE(input_limit) };
    check_seconds = 120;
    return RUN_CASES(cases);
}
