// bc: calls.bc = calls.ll
// bc: debug.bc = backtrace.c -O2 -g
// runs: once

/* Bitcode: whole, cut short at every length, damaged in every word, and from a newer LLVM. */
#include "check.h"

static unsigned char *bytes;
static size_t length;

static void read_bitcode(const char *name)
{
    FILE *file = fopen(fixture(name), "rb");
    CHECK(file != NULL);
    bytes = malloc(1 << 20);
    CHECK(bytes != NULL);
    length = fread(bytes, 1, 1 << 20, file);
    CHECK(length > 1000 && length % 4 == 0 && memcmp(bytes, "BC\xc0\xde", 4) == 0);
    fclose(file);
}

static void whole(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = NULL;
    mgenjit_function *function;
    read_bitcode("calls.bc");
    CHECK_OK(mgenjit_executor_compile(executor, NULL, bytes, length, &module, &failure));
    CHECK_INT(6, FUNCTION(int (*)(int), executor, "i32_next")(5));
    function = find_function(executor, "mixed");
    CHECK_STRING("double @mixed(i32, double, ptr, float, i64, i8)", mgenjit_function_signature(function));
    mgenjit_function_free(function);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

static void from_a_file(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module_free(add_file(executor, fixture("calls.bc")));
    CHECK_INT(6, FUNCTION(int (*)(int), executor, "i32_next")(5));
    mgenjit_executor_free(executor);
}

static void at_any_address(void)
{
    read_bitcode("calls.bc");
    for (size_t shift = 0; shift < 8; shift++) {
        mgenjit_executor *executor = new_executor(NULL);
        memmove(bytes + shift, bytes + (shift ? shift - 1 : 0), length);
        CHECK_OK(mgenjit_executor_compile(executor, NULL, bytes + shift, length, NULL, &failure));
        CHECK_INT(6, FUNCTION(int (*)(int), executor, "i32_next")(5));
        mgenjit_executor_free(executor);
    }
}

/* An error, or, when what was cut off or changed does not matter, code. Never anything worse. */
static void check_survives(mgenjit_executor *executor, const void *data, size_t count)
{
    mgenjit_status status = mgenjit_executor_compile(executor, "damaged", data, count, NULL, &failure);
    if (status != MGENJIT_STATUS_OK && status != MGENJIT_STATUS_PARSE && status != MGENJIT_STATUS_VERIFY
        && status != MGENJIT_STATUS_TARGET && status != MGENJIT_STATUS_CODEGEN
        && status != MGENJIT_STATUS_SERVER_CRASHED && status != MGENJIT_STATUS_LINK)
        check_failed(__FILE__, __LINE__, "%s: %s", mgenjit_status_name(status), mgenjit_error_message(failure));
    mgenjit_error_free(failure);
    failure = NULL;
}

static void cut_short(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    read_bitcode("calls.bc");
    for (size_t count = 4; count < length; count += 4 + length / 150) {
        CHECK_STATUS(MGENJIT_STATUS_PARSE, mgenjit_executor_compile(executor, NULL, bytes, count, NULL, &failure));
    }
    CHECK_STATUS(MGENJIT_STATUS_PARSE, mgenjit_executor_compile(executor, NULL, bytes, length - 1, NULL, &failure));
    check_usable(executor);
    mgenjit_executor_free(executor);
}

static void damaged(void)
{
    mgenjit_config *config = default_config();
    mgenjit_executor *executor;
    CHECK_OK(mgenjit_config_set_cache_mode(config, MGENJIT_CACHE_OFF, &failure));
    executor = new_executor(config);
    mgenjit_config_free(config);
    read_bitcode("calls.bc");
    for (size_t place = 4; place < length; place += 1 + length / 200) {
        const unsigned char saved = bytes[place];
        bytes[place] ^= 0x55;
        check_survives(executor, bytes, length);
        bytes[place] = saved;
    }
    check_usable(executor);
    mgenjit_executor_free(executor);
}

/*
 * The identification block is at the start: abbreviated fields that are not aligned to bytes. Its epoch, the
 * number by which LLVM refuses bitcode of another era, is a record [2 (EPOCH), 1 operand, 0 (current epoch)].
 * The producer's name, a string before it, tells which LLVM wrote it.
 */
static void from_a_newer_llvm(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    int refused = 0;
    read_bitcode("calls.bc");
    for (size_t bit = 64; bit < 64 * 8; bit++) {
        const unsigned char saved = bytes[bit / 8];
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        if (mgenjit_executor_compile(executor, "newer", bytes, length, NULL, &failure) == MGENJIT_STATUS_PARSE
            && strstr(mgenjit_error_message(failure), "epoch") != NULL) {
            CHECK_MESSAGE("newer");
            refused++;
        }
        mgenjit_error_free(failure);
        failure = NULL;
        bytes[bit / 8] = saved;
    }
    CHECK(refused >= 1);
    check_usable(executor);
    mgenjit_executor_free(executor);
}

static void with_debug_information(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_executor_define(executor, "host_backtrace", (const void *)abort, NULL);
    mgenjit_module_free(add_file(executor, fixture("debug.bc")));
    CHECK(find(executor, "jit_outer") != NULL);
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(whole), CASE(from_a_file), CASE(at_any_address), CASE(cut_short), CASE(damaged), CASE(from_a_newer_llvm),
        CASE(with_debug_information),
    };
    return RUN_CASES(cases);
}
