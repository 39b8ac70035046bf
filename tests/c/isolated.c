// ir: hostile.ll = hostile.c -O1
// warm: no server

/* Programs in processes of their own: what they may do, what ends them, and that nothing is left. */
#include "check.h"

#include <stddef.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

static mgenjit_executor *hostile(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module_free(add_file(executor, fixture("hostile.ll")));
    return executor;
}

static mgenjit_isolation *new_isolation(const char *deed, const char *argument)
{
    const char *argv[] = { "hostile", deed, argument, NULL };
    mgenjit_isolation *isolation = NULL;
    CHECK_OK(mgenjit_isolation_new(&isolation, &failure));
    CHECK_OK(mgenjit_isolation_set_arguments(isolation, argument ? 3 : 2, argv, &failure));
    /* A limit that no test meets, so that none hangs. */
    CHECK_OK(mgenjit_isolation_set_timeout(isolation, 120000, &failure));
    return isolation;
}

static mgenjit_outcome *outcome_of(mgenjit_executor *executor, mgenjit_isolation *isolation)
{
    mgenjit_outcome *outcome = NULL;
    CHECK_OK(mgenjit_executor_run_isolated(executor, isolation, &outcome, &failure));
    CHECK(outcome != NULL);
    mgenjit_isolation_free(isolation);
    return outcome;
}

static void expect(mgenjit_outcome *outcome, int status, int signal, int32_t limit)
{
    CHECK_INT(limit, mgenjit_outcome_limit(outcome));
    CHECK_INT(signal, mgenjit_outcome_signal(outcome));
    CHECK_INT(status, mgenjit_outcome_exit_status(outcome));
    mgenjit_outcome_free(outcome);
}

/* What the kernel lacks: then a test says so, and asks nothing. */
static int is_filtered(const mgenjit_outcome *outcome)
{
    if ((mgenjit_outcome_missing(outcome) & MGENJIT_MISSING_CALLS) == 0)
        return 1;
    puts("skipped: this kernel cannot filter system calls");
    return 0;
}

static void output_is(const mgenjit_outcome *outcome, int stream, const char *expected)
{
    size_t size = 0;
    const char *bytes = mgenjit_outcome_output(outcome, stream, &size);
    CHECK(bytes != NULL);
    char *text = strndup(bytes, size);
    CHECK_STRING(expected, text);
    free(text);
}

static void says_hello(void)
{
    static const char *const variables[] = { "WHO=somebody" };
    mgenjit_executor *executor = hostile();
    mgenjit_isolation *isolation = new_isolation("hello", "world");
    CHECK_OK(mgenjit_isolation_set_environment(isolation, 1, variables, &failure));
    CHECK_OK(mgenjit_isolation_set_input(isolation, "brave\nnew", 9, &failure));
    CHECK_OK(mgenjit_isolation_capture(isolation, 1, &failure));
    CHECK_OK(mgenjit_isolation_capture(isolation, 2, &failure));
    CHECK_OK(mgenjit_isolation_require(isolation, true, &failure));
    /* An isolation serves many runs. */
    for (int i = 0; i < 3; i++) {
        mgenjit_outcome *outcome = NULL;
        mgenjit_usage usage = { .size = sizeof usage };
        mgenjit_fault fault = { .size = sizeof fault };
        CHECK_OK(mgenjit_executor_run_isolated(executor, isolation, &outcome, &failure));
        output_is(outcome, 1, "hello brave world 1\nat exit\n");
        output_is(outcome, 2, "somebody\n");
        CHECK_OK(mgenjit_outcome_usage(outcome, &usage, &failure));
        CHECK(usage.memory > 0 && usage.wall_us > 0);
        CHECK(!mgenjit_outcome_fault(outcome, &fault));
        expect(outcome, 7, 0, MGENJIT_LIMIT_NONE);
    }
    /* By descriptors. */
    int pipes[2];
    char text[64] = "";
    CHECK(pipe(pipes) == 0);
    CHECK_OK(mgenjit_isolation_set_stream(isolation, 0, -1, &failure));
    CHECK_OK(mgenjit_isolation_set_stream(isolation, 1, pipes[1], &failure));
    mgenjit_outcome *outcome = NULL;
    CHECK_OK(mgenjit_executor_run_isolated(executor, isolation, &outcome, &failure));
    expect(outcome, 7, 0, MGENJIT_LIMIT_NONE);
    CHECK(read(pipes[0], text, sizeof text - 1) > 0);
    CHECK_STRING("hello nothing world 1\nat exit\n", text);
    mgenjit_isolation_free(isolation);
    mgenjit_executor_free(executor);
}

static void crashes(void)
{
    mgenjit_executor *executor = hostile();
    static const struct {
        const char *deed, *function;
        int signal;
        uint64_t address;
    } cases[] = {
        { "null", "write_to", SIGSEGV, 0 },
        { "wild", "write_to", SIGSEGV, 0x123456789000 },
        { "overflow", "overflow", SIGSEGV, 1 },
        { "abort", NULL, SIGABRT, 0 },
        { "raise", NULL, SIGTERM, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mgenjit_outcome *outcome = outcome_of(executor, new_isolation(cases[i].deed, NULL));
        mgenjit_fault fault = { .size = sizeof fault };
        if (cases[i].function != NULL) {
            CHECK(mgenjit_outcome_fault(outcome, &fault));
            CHECK_STRING(cases[i].function, fault.function);
            CHECK_CONTAINS("hostile.ll", fault.module);
            CHECK(fault.module_offset >= fault.function_offset);
            if (cases[i].address != 1)
                CHECK_INT((long long)cases[i].address, (long long)fault.address);
        }
        expect(outcome, -1, cases[i].signal, MGENJIT_LIMIT_NONE);
    }
    mgenjit_executor_free(executor);
}

static void ends(void)
{
    mgenjit_executor *executor = hostile();
    expect(outcome_of(executor, new_isolation("exit", NULL)), 3, 0, MGENJIT_LIMIT_NONE);
    expect(outcome_of(executor, new_isolation("_exit", NULL)), 4, 0, MGENJIT_LIMIT_NONE);
    expect(outcome_of(executor, new_isolation("close", NULL)), 5, 0, MGENJIT_LIMIT_NONE);
    expect(outcome_of(executor, new_isolation("threads", NULL)), 0, 0, MGENJIT_LIMIT_NONE);
    expect(outcome_of(executor, new_isolation("thread_exit", NULL)), 0, 0, MGENJIT_LIMIT_NONE);
    mgenjit_executor_free(executor);
}

/* Whatever it tries is refused. */
static void refusals(void)
{
    static const char *const deeds[] = { "kill", "ptrace",  "fork",     "exec",     "passwd",
                                         "sockets", "io_uring", "own_code", "limits" };
    mgenjit_executor *executor = hostile();
    for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++) {
        mgenjit_isolation *isolation = new_isolation(deeds[i], NULL);
        CHECK_OK(mgenjit_isolation_set_memory(isolation, 1 << 28, &failure));
        CHECK_OK(mgenjit_isolation_set_open_files(isolation, 64, &failure));
        mgenjit_outcome *outcome = outcome_of(executor, isolation);
        if (!is_filtered(outcome))
            break;
        if (mgenjit_outcome_exit_status(outcome) != 1)
            fprintf(stderr, "%s:\n", deeds[i]);
        expect(outcome, 1, 0, MGENJIT_LIMIT_NONE);
    }
    mgenjit_executor_free(executor);
}

static void limits(void)
{
    mgenjit_executor *executor = hostile();
    mgenjit_isolation *isolation = new_isolation("memory", NULL);
    CHECK_OK(mgenjit_isolation_set_memory(isolation, 1 << 28, &failure));
    expect(outcome_of(executor, isolation), -1, SIGSEGV, MGENJIT_LIMIT_MEMORY);

    isolation = new_isolation("mappings", NULL);
    CHECK_OK(mgenjit_isolation_set_memory(isolation, 1 << 28, &failure));
    mgenjit_outcome *outcome = outcome_of(executor, isolation);
    if (is_filtered(outcome))
        expect(outcome, 1, 0, MGENJIT_LIMIT_NONE);

    isolation = new_isolation("output", NULL);
    CHECK_OK(mgenjit_isolation_capture(isolation, 1, &failure));
    CHECK_OK(mgenjit_isolation_set_output(isolation, 1 << 20, &failure));
    outcome = outcome_of(executor, isolation);
    size_t size = 0;
    CHECK(mgenjit_outcome_output(outcome, 1, &size) != NULL);
    CHECK_INT(1 << 20, (long long)size);
    expect(outcome, -1, SIGKILL, MGENJIT_LIMIT_OUTPUT);

    isolation = new_isolation("loop", NULL);
    CHECK_OK(mgenjit_isolation_set_timeout(isolation, 50, &failure));
    expect(outcome_of(executor, isolation), -1, SIGKILL, MGENJIT_LIMIT_TIME);

    isolation = new_isolation("loop", NULL);
    CHECK_OK(mgenjit_isolation_set_cpu_time(isolation, 50, &failure));
    expect(outcome_of(executor, isolation), -1, SIGKILL, MGENJIT_LIMIT_CPU_TIME);

    isolation = new_isolation("outlive", NULL);
    CHECK_OK(mgenjit_isolation_set_timeout(isolation, 50, &failure));
    expect(outcome_of(executor, isolation), -1, SIGKILL, MGENJIT_LIMIT_TIME);

    isolation = new_isolation("files", NULL);
    CHECK_OK(mgenjit_isolation_set_open_files(isolation, 20, &failure));
    expect(outcome_of(executor, isolation), 17, 0, MGENJIT_LIMIT_NONE);
    mgenjit_executor_free(executor);
}

static void paths(void)
{
    mgenjit_executor *executor = hostile();
    char *folder = in_folder("allowed"), *file = in_folder("allowed/file"), *other = in_folder("other");
    mkdir(folder, 0700);
    unlink(file);
    close(open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    chmod(other, 0600);

    mgenjit_isolation *isolation = new_isolation("write", file);
    CHECK_OK(mgenjit_isolation_allow_path(isolation, folder, MGENJIT_ACCESS_WRITE, &failure));
    mgenjit_outcome *outcome = outcome_of(executor, isolation);
    int is_kept_apart = (mgenjit_outcome_missing(outcome) & MGENJIT_MISSING_FILES) == 0;
    expect(outcome, 0, 0, MGENJIT_LIMIT_NONE);
    CHECK(access(file, F_OK) == 0);
    isolation = new_isolation("read", file);
    CHECK_OK(mgenjit_isolation_allow_path(isolation, folder, MGENJIT_ACCESS_READ, &failure));
    expect(outcome_of(executor, isolation), 0, 0, MGENJIT_LIMIT_NONE);
    isolation = new_isolation("read", other);
    CHECK_OK(mgenjit_isolation_allow_all_files(isolation, true, &failure));
    expect(outcome_of(executor, isolation), 0, 0, MGENJIT_LIMIT_NONE);
    isolation = new_isolation("long", file);
    CHECK_OK(mgenjit_isolation_allow_path(isolation, folder, MGENJIT_ACCESS_WRITE, &failure));
    CHECK_OK(mgenjit_isolation_set_output(isolation, 1 << 20, &failure));
    expect(outcome_of(executor, isolation), -1, SIGXFSZ, MGENJIT_LIMIT_OUTPUT);
    isolation = new_isolation("socket", NULL);
    CHECK_OK(mgenjit_isolation_allow_network(isolation, true, &failure));
    expect(outcome_of(executor, isolation), 0, 0, MGENJIT_LIMIT_NONE);

    /* What no kernel restricts by path. */
    isolation = new_isolation("change", other);
    CHECK_OK(mgenjit_isolation_allow_path(isolation, folder, MGENJIT_ACCESS_WRITE, &failure));
    outcome = outcome_of(executor, isolation);
    if (is_filtered(outcome))
        expect(outcome, 1, 0, MGENJIT_LIMIT_NONE);
    isolation = new_isolation("change", other);
    CHECK_OK(mgenjit_isolation_allow_path(isolation, other, MGENJIT_ACCESS_READ, &failure));
    outcome = outcome_of(executor, isolation);
    if (is_filtered(outcome))
        expect(outcome, 1, 0, MGENJIT_LIMIT_NONE);
    struct stat now;
    CHECK(stat(other, &now) == 0 && (now.st_mode & 0777) == 0600);
    isolation = new_isolation("change", other);
    CHECK_OK(mgenjit_isolation_allow_all_files(isolation, true, &failure));
    expect(outcome_of(executor, isolation), 0, 0, MGENJIT_LIMIT_NONE);
    CHECK(stat(other, &now) == 0 && (now.st_mode & 0777) == 0777);

    if (is_kept_apart) {
        isolation = new_isolation("read", other);
        CHECK_OK(mgenjit_isolation_allow_path(isolation, folder, MGENJIT_ACCESS_WRITE, &failure));
        expect(outcome_of(executor, isolation), 1, 0, MGENJIT_LIMIT_NONE);
        isolation = new_isolation("write", file);
        CHECK_OK(mgenjit_isolation_allow_path(isolation, folder, MGENJIT_ACCESS_READ, &failure));
        expect(outcome_of(executor, isolation), 1, 0, MGENJIT_LIMIT_NONE);
    } else {
        puts("skipped: this kernel has no Landlock");
    }
    mgenjit_executor_free(executor);
}

/* With the network, it reaches what its host reaches. */
static void sockets(void)
{
    char text[64];
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    int length = snprintf(text, sizeof text, "mgenjit-test-%d", (int)getpid());
    int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memcpy(name.sun_path + 1, text, (size_t)length);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
    CHECK(bind(listening, (struct sockaddr *)&name, size) == 0 && listen(listening, 8) == 0);
    mgenjit_executor *executor = hostile();
    for (int allowed = 0; allowed < 2; allowed++) {
        mgenjit_isolation *isolation = new_isolation("abstract", text);
        CHECK_OK(mgenjit_isolation_allow_network(isolation, allowed, &failure));
        mgenjit_outcome *outcome = outcome_of(executor, isolation);
        if (is_filtered(outcome))
            expect(outcome, !allowed, 0, MGENJIT_LIMIT_NONE);
    }
    mgenjit_executor_free(executor);
    close(listening);
}

/* What all processes of a user have together is not used up. */
static void shared_limits(void)
{
    struct rlimit all = { 1600, 1600 };
    if (setrlimit(RLIMIT_SIGPENDING, &all) != 0) {
        puts("skipped: there are fewer");
        return;
    }
    mgenjit_executor *executor = hostile();
    expect(outcome_of(executor, new_isolation("timers", "1400")), 1, 0, MGENJIT_LIMIT_NONE);
    mgenjit_executor_free(executor);
}

static void errors(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_outcome *outcome = (mgenjit_outcome *)executor;
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_executor_run_isolated(executor, NULL, &outcome, &failure));
    CHECK(outcome == (mgenjit_outcome *)executor);
    mgenjit_module *module = add(executor, "declare i32 @of_the_host()\ndefine i32 @main() {\n"
                                           "  %r = call i32 @of_the_host()\n  ret i32 %r\n}\n");
    CHECK_OK(mgenjit_executor_define(executor, "of_the_host", (void *)&errors, &failure));
    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, mgenjit_executor_run_isolated(executor, NULL, &outcome, &failure));
    CHECK_STRING("of_the_host", mgenjit_error_symbol(failure, 0));
    CHECK_OK(mgenjit_module_remove(module, &failure));
    mgenjit_module_free(module);
    module = add(executor, "define double @main() {\n  ret double 1.0\n}\n");
    CHECK_STATUS(MGENJIT_STATUS_TYPE, mgenjit_executor_run_isolated(executor, NULL, &outcome, &failure));
    CHECK_OK(mgenjit_module_remove(module, &failure));
    mgenjit_module_free(module);

    mgenjit_isolation *isolation = NULL;
    static const char *const bad[] = { "novalue" };
    CHECK_OK(mgenjit_isolation_new(&isolation, &failure));
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_isolation_set_environment(isolation, 1, bad, &failure));
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_isolation_set_stream(isolation, 3, 0, &failure));
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_isolation_set_stream(isolation, 1, -2, &failure));
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_isolation_set_stream(isolation, 1, 1 << 20, &failure));
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_isolation_capture(isolation, 0, &failure));
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_isolation_allow_path(isolation, "/", 2, &failure));
    CHECK_OK(mgenjit_isolation_allow_path(isolation, "/nowhere/at/all", MGENJIT_ACCESS_READ, &failure));
    mgenjit_module_free(add(executor, "define i32 @main() {\n  ret i32 0\n}\n"));
    CHECK_STATUS(MGENJIT_STATUS_IO, mgenjit_executor_run_isolated(executor, isolation, &outcome, &failure));
    CHECK_MESSAGE("/nowhere/at/all");
    mgenjit_isolation_free(isolation);
    mgenjit_executor_free(executor);
}

/* A program has modules that need each other, and what its executor loads. */
static void modules(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    CHECK_OK(mgenjit_executor_load_library(executor, "libm.so.6", &failure));
    mgenjit_module_free(add(executor, "declare double @cbrt(double)\ndefine i32 @seven() {\n"
                                      "  %c = call double @cbrt(double 343.0)\n  %i = fptosi double %c to i32\n  ret i32 %i\n}\n"));
    mgenjit_module_free(add(executor, "declare i32 @seven()\ndefine i32 @main() {\n"
                                      "  %r = call i32 @seven()\n  ret i32 %r\n}\n"));
    mgenjit_outcome *outcome = NULL;
    CHECK_OK(mgenjit_executor_run_isolated(executor, NULL, &outcome, &failure));
    expect(outcome, 7, 0, MGENJIT_LIMIT_NONE);
    /* Nothing of it was linked here. */
    CHECK_INT(7, FUNCTION(int (*)(void), executor, "main")());
    CHECK_OK(mgenjit_executor_run_isolated(executor, NULL, &outcome, &failure));
    expect(outcome, 7, 0, MGENJIT_LIMIT_NONE);
    mgenjit_executor_free(executor);
}

/* The host is killed while a program runs: nothing is left. The program holds the other end of a pipe. */
static void killed_hosts(void)
{
    static const char *const deeds[] = { "sleep", "loop", "outlive", "output" };
    for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++) {
        int life[2], begun[2];
        CHECK(pipe2(life, O_CLOEXEC) == 0 && pipe2(begun, O_CLOEXEC) == 0);
        pid_t host = fork();
        CHECK(host >= 0);
        if (host == 0) {
            close(life[0]);
            mgenjit_executor *executor = hostile();
            mgenjit_outcome *outcome = NULL;
            mgenjit_isolation *isolation = new_isolation(deeds[i], NULL);
            expect(outcome_of(executor, new_isolation("exit", NULL)), 3, 0, MGENJIT_LIMIT_NONE);
            CHECK_OK(mgenjit_isolation_set_stream(isolation, 2, life[1], &failure));
            if (strcmp(deeds[i], "output") == 0)
                CHECK_OK(mgenjit_isolation_capture(isolation, 1, &failure));
            CHECK(write(begun[1], "x", 1) == 1);
            mgenjit_executor_run_isolated(executor, isolation, &outcome, &failure);
            _exit(1);
        }
        close(life[1]);
        char byte;
        CHECK(read(begun[0], &byte, 1) == 1);
        /* Somewhere in the run: it may not have begun. */
        usleep(20000);
        CHECK(kill(host, SIGKILL) == 0);
        CHECK(waitpid(host, NULL, 0) == host);
        /* Its end: all who could write have ended. */
        CHECK_INT(0, read(life[0], &byte, 1));
        close(life[0]);
        close(begun[0]);
        close(begun[1]);
    }
}

static void in_forked_children(void)
{
    mgenjit_executor *executor = hostile();
    expect(outcome_of(executor, new_isolation("exit", NULL)), 3, 0, MGENJIT_LIMIT_NONE);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        expect(outcome_of(executor, new_isolation("exit", NULL)), 3, 0, MGENJIT_LIMIT_NONE);
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_INT(0, status);
    expect(outcome_of(executor, new_isolation("_exit", NULL)), 4, 0, MGENJIT_LIMIT_NONE);
    /* And the runner is nobody's child. */
    CHECK(waitpid(-1, &status, WNOHANG | __WALL) == -1 && errno == ECHILD);
    mgenjit_executor_free(executor);
}

static void without_a_cache(void)
{
    mgenjit_config *config = NULL;
    if (is_warm())
        return; /* There is no server. */
    CHECK_OK(mgenjit_config_new(&config, &failure));
    CHECK_OK(mgenjit_config_set_cache_mode(config, MGENJIT_CACHE_OFF, &failure));
    mgenjit_executor *executor = new_executor(config);
    mgenjit_module_free(add(executor, "define i32 @main() {\n  ret i32 6\n}\n"));
    mgenjit_outcome *outcome = NULL;
    CHECK_OK(mgenjit_executor_run_isolated(executor, NULL, &outcome, &failure));
    expect(outcome, 6, 0, MGENJIT_LIMIT_NONE);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(says_hello), CASE(crashes), CASE(ends), CASE(refusals), CASE(limits), CASE(paths), CASE(sockets),
        CASE(shared_limits), CASE(errors), CASE(modules), CASE(killed_hosts), CASE(in_forked_children), CASE(without_a_cache),
    };
    return RUN_CASES(cases);
}
