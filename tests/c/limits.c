// runs: once
// servers: private shared

/* Compiles that take too long, too much memory, or are too large. */
#include "large.h"

static mgenjit_executor *executor_with_limits(uint64_t milliseconds, uint64_t memory, uint64_t input)
{
    mgenjit_config *config = default_config();
    mgenjit_executor *executor;
    CHECK_OK(mgenjit_config_set_cache_mode(config, MGENJIT_CACHE_OFF, &failure));
    CHECK_OK(mgenjit_config_set_max_servers(config, 1, &failure));
    CHECK_OK(mgenjit_config_set_compile_limits(config, milliseconds, memory, input, &failure));
    /* A piece takes little memory. */
    if (memory > 0)
        CHECK_OK(mgenjit_config_set_partition(config, MGENJIT_PARTITION_OFF, &failure));
    executor = new_executor(config);
    mgenjit_config_free(config);
    return executor;
}

static void time_limit(void)
{
    char *large = large_module(5000);
    mgenjit_executor *executor = executor_with_limits(1500, 0, 0);
    check_usable(executor);
    CHECK_STATUS(MGENJIT_STATUS_TIMEOUT, try_ir(executor, large));
    CHECK_MESSAGE("the name took longer to compile than the limit of 1500 ms");
    /* Another server does what the one that was given up cannot. */
    check_usable(executor);
    mgenjit_executor_free(executor);
    free(large);
}

static int started;

static void on_event(const mgenjit_event *event, void *user)
{
    (void)user;
    started += event->kind == MGENJIT_EVENT_COMPILE_STARTED;
}

/* How long it takes depends on what else the machine does: it is tried again, under whatever name, and named so. */
static void time_limit_again(void)
{
    static const char *const NAMES[] = { "first.ll", "second.ll", "first.ll" };
    char *large = large_module(3000);
    mgenjit_config *config = default_config();
    mgenjit_executor *executor;
    CHECK_OK(mgenjit_config_set_cache_mode(config, MGENJIT_CACHE_OFF, &failure));
    CHECK_OK(mgenjit_config_set_event_hook(config, on_event, NULL, NULL, &failure));
    CHECK_OK(mgenjit_config_set_compile_limits(config, 5, 0, 0, &failure));
    executor = new_executor(config);
    for (int i = 0; i < 3; i++) {
        check_reset();
        CHECK_STATUS(MGENJIT_STATUS_TIMEOUT,
                     mgenjit_executor_compile(executor, NAMES[i], large, strlen(large), NULL, &failure));
        CHECK(strncmp(mgenjit_error_message(failure), NAMES[i], strlen(NAMES[i])) == 0);
        CHECK(strstr(mgenjit_error_message(failure), "not tried again") == NULL);
        CHECK_INT(i + 1, started);
    }
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
    free(large);
}

static void memory_limit(void)
{
    char *large = large_module(800), *small = large_module(5);
    mgenjit_executor *executor = executor_with_limits(0, 64 << 20, 0);
    check_usable(executor);
    CHECK_STATUS(MGENJIT_STATUS_MEMORY, try_ir(executor, large));
    CHECK_MESSAGE("than the limit of 67108864 bytes");
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
    CHECK_MESSAGE("more than the limit of 36");
    CHECK_STATUS(MGENJIT_STATUS_OK, try_ir(executor, IR));
    mgenjit_executor_free(executor);
    free(longer);
}

/* Another machine's. LLVM ends the process over it, while it generates code. */
#ifdef __aarch64__
#define FOREIGN "llvm.x86.sse2.pause"
#define PARAMETER ""
#define ARGUMENT ""
#else
#define FOREIGN "llvm.aarch64.hint"
#define PARAMETER "i32"
#define ARGUMENT "i32 0"
#endif
#define FATAL                                              \
    "declare void @" FOREIGN "(" PARAMETER ")\n"           \
    "define void @f() {\n  call void @" FOREIGN "(" ARGUMENT ")\n  ret void\n}\n"

/* What a server did not survive is not given to another one. */
static void not_again(void)
{
    mgenjit_config *config = default_config();
    mgenjit_executor *one, *other;
    CHECK_OK(mgenjit_config_set_cache_mode(config, MGENJIT_CACHE_OFF, &failure));
    CHECK_OK(mgenjit_config_set_event_hook(config, on_event, NULL, NULL, &failure));
    one = new_executor(config);
    other = new_executor(config);
    CHECK_STATUS(MGENJIT_STATUS_SERVER_CRASHED, try_ir(one, FATAL));
    CHECK_MESSAGE("Cannot select");
    CHECK_MESSAGE("on function '@f'");
    CHECK_INT(1, started);
    CHECK_STATUS(MGENJIT_STATUS_SERVER_CRASHED, try_ir(one, FATAL));
    CHECK_MESSAGE("Cannot select");
    CHECK_MESSAGE("not tried again");
    CHECK_STATUS(MGENJIT_STATUS_SERVER_CRASHED, try_ir(other, FATAL));
    CHECK_INT(1, started);
    /* Under another name, the error is about that one, and says where it comes from. */
    check_reset();
    CHECK_STATUS(MGENJIT_STATUS_SERVER_CRASHED,
                 mgenjit_executor_compile(other, "another.ll", FATAL, strlen(FATAL), NULL, &failure));
    CHECK_MESSAGE("another.ll is the module that was compiled as the name before");
    CHECK_MESSAGE("not tried again");
    CHECK_MESSAGE("Cannot select");
    CHECK_INT(1, started);
    check_usable(one);
    /* With other options it is another compile. */
    mgenjit_executor_free(other);
    CHECK_OK(mgenjit_config_set_compile_limits(config, 60000, 0, 0, &failure));
    other = new_executor(config);
    CHECK_STATUS(MGENJIT_STATUS_SERVER_CRASHED, try_ir(other, FATAL));
    CHECK_INT(3, started);
    mgenjit_executor_free(other);
    mgenjit_executor_free(one);
    mgenjit_config_free(config);
}

/* The folder's script does with LLVM's tools what the server did. */
static void reproducers(void)
{
    mgenjit_config *config = default_config();
    mgenjit_executor *executor;
    char *folder = in_folder("reproducers"), *command = NULL;
    CHECK_OK(mgenjit_config_set_cache_mode(config, MGENJIT_CACHE_OFF, &failure));
    CHECK_OK(mgenjit_config_set_reproducer_dir(config, folder, &failure));
    executor = new_executor(config);
    CHECK(access(folder, F_OK) == -1);
    check_usable(executor);
    CHECK(access(folder, F_OK) == -1);
    CHECK_STATUS(MGENJIT_STATUS_SERVER_CRASHED, try_ir(executor, FATAL));
    CHECK_MESSAGE("what reproduces it is in ");
    CHECK_MESSAGE(folder);
    CHECK(asprintf(&command,
                   /* Another LLVM may have the names without a version. */
                   "cd '%s'/* && grep -q 'Cannot select' request.txt && ls input-0.ll && "
                   "PATH=${LLVM_SYS_221_PREFIX:-/usr/lib/llvm-22}/bin:$PATH && export PATH && sed -i 's/-22 / /' reproduce.sh && ! ./reproduce.sh >output 2>&1 && "
                   "grep -q 'Cannot select: intrinsic %%" FOREIGN "' output",
                   folder)
          > 0);
    CHECK_INT(0, system(command));
    mgenjit_executor_free(executor);

    /* A folder that cannot be made costs the reproducer, not the error. */
    CHECK_OK(mgenjit_config_set_reproducer_dir(config, "/proc/nowhere", &failure));
    executor = new_executor(config);
    CHECK_STATUS(MGENJIT_STATUS_SERVER_CRASHED, try_ir(executor, "; another\n" FATAL));
    CHECK_MESSAGE("could not be written to /proc/nowhere");
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
    free(command);
}

int main(void)
{
    static const check_case cases[] = { CASE(time_limit), CASE(time_limit_again), CASE(memory_limit), CASE(input_limit), CASE(not_again),
                                        CASE(reproducers) };
    check_seconds = 120;
    return RUN_CASES(cases);
}
