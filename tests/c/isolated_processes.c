// ir: processes.ll = processes.c -O1

/* Programs of several processes, in namespaces of their own: how many they may be, and that none is left. */
#include "check.h"

#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static mgenjit_executor *executor;

static mgenjit_isolation *new_isolation(const char *deed, uint64_t count)
{
    const char *argv[] = { "processes", deed, NULL };
    mgenjit_isolation *isolation = NULL;
    CHECK_OK(mgenjit_isolation_new(&isolation, &failure));
    CHECK_OK(mgenjit_isolation_set_arguments(isolation, 2, argv, &failure));
    CHECK_OK(mgenjit_isolation_set_processes(isolation, count, &failure));
    /* A limit that no test meets, so that none hangs. */
    CHECK_OK(mgenjit_isolation_set_timeout(isolation, 120000, &failure));
    return isolation;
}

/* The program has the other end of a pipe, whose end says that no process is left. */
static void expect(mgenjit_isolation *isolation, int status, int signal, int32_t limit)
{
    int life[2];
    char byte;
    mgenjit_outcome *outcome = NULL;
    CHECK(pipe2(life, O_CLOEXEC) == 0);
    CHECK_OK(mgenjit_isolation_set_stream(isolation, 2, life[1], &failure));
    close(life[1]);
    CHECK_OK(mgenjit_executor_run_isolated(executor, isolation, &outcome, &failure));
    CHECK_INT(limit, mgenjit_outcome_limit(outcome));
    CHECK_INT(signal, mgenjit_outcome_signal(outcome));
    CHECK_INT(status, mgenjit_outcome_exit_status(outcome));
    CHECK_INT(0, mgenjit_outcome_missing(outcome));
    mgenjit_outcome_free(outcome);
    mgenjit_isolation_free(isolation);
    CHECK_INT(0, read(life[0], &byte, 1));
    close(life[0]);
}

/* Where there are no namespaces, it is an error that says so. */
static int begins(void)
{
    executor = new_executor(NULL);
    mgenjit_module_free(add_file(executor, fixture("processes.ll")));
    mgenjit_isolation *isolation = new_isolation("status", 4);
    mgenjit_outcome *outcome = NULL;
    mgenjit_status status = mgenjit_executor_run_isolated(executor, isolation, &outcome, &failure);
    mgenjit_isolation_free(isolation);
    if (status == MGENJIT_STATUS_OK) {
        CHECK_INT(0, mgenjit_outcome_exit_status(outcome));
        mgenjit_outcome_free(outcome);
        return 1;
    }
    CHECK_STATUS(MGENJIT_STATUS_UNSUPPORTED, status);
    CHECK_MESSAGE("process");
    puts("skipped: this system gives no namespaces");
    mgenjit_executor_free(executor);
    return 0;
}

static void check_all(void)
{
    static const uint64_t counts[] = { 2, 4, 30 };
    if (!begins())
        return;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        int others = (int)counts[i] - 1;
        expect(new_isolation("count", counts[i]), others, 0, MGENJIT_LIMIT_NONE);
        expect(new_isolation("threads", counts[i]), others, 0, MGENJIT_LIMIT_NONE);
    }
    expect(new_isolation("again", 4), 3, 0, MGENJIT_LIMIT_NONE);
    expect(new_isolation("outlive", 4), 0, 0, MGENJIT_LIMIT_NONE);
    expect(new_isolation("raise", 4), -1, SIGUSR1, MGENJIT_LIMIT_NONE);
    expect(new_isolation("fault", 4), -1, SIGSEGV, MGENJIT_LIMIT_NONE);
    expect(new_isolation("refused", 4), 0, 0, MGENJIT_LIMIT_NONE);
    static const char *const deeds[] = { "bomb", "outlive and wait" };
    for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++) {
        mgenjit_isolation *isolation = new_isolation(deeds[i], 8);
        CHECK_OK(mgenjit_isolation_set_timeout(isolation, 300, &failure));
        expect(isolation, -1, SIGKILL, MGENJIT_LIMIT_TIME);
    }
    mgenjit_isolation *isolation = new_isolation("memory", 4);
    CHECK_OK(mgenjit_isolation_set_memory(isolation, 256 << 20, &failure));
    expect(isolation, 0, 0, MGENJIT_LIMIT_NONE);
    isolation = new_isolation("burn", 4);
    CHECK_OK(mgenjit_isolation_set_cpu_time(isolation, 100, &failure));
    expect(isolation, 0, 0, MGENJIT_LIMIT_NONE);
    /* By default, none. */
    isolation = new_isolation("count", 1);
    expect(isolation, 100 + EPERM, 0, MGENJIT_LIMIT_NONE);
    mgenjit_executor_free(executor);
}

/* Those that are made ahead of need: each is a namespace of its own, and none is left when nobody wants them any more. */
static void pools(void)
{
    static const struct {
        const char *deed;
        int status, signal;
    } cases[] = { { "count", 3, 0 }, { "outlive", 0, 0 }, { "fault", -1, SIGSEGV } };
    if (!begins())
        return;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int life[2];
        char byte;
        mgenjit_isolation *isolation = new_isolation(cases[i].deed, 4);
        CHECK(pipe2(life, O_CLOEXEC) == 0);
        CHECK_OK(mgenjit_isolation_set_stream(isolation, 2, life[1], &failure));
        close(life[1]);
        CHECK_OK(mgenjit_isolation_set_pool(isolation, 3, &failure));
        for (int run = 0; run < 6; run++) {
            mgenjit_outcome *outcome = NULL;
            CHECK_OK(mgenjit_executor_run_isolated(executor, isolation, &outcome, &failure));
            CHECK_INT(cases[i].signal, mgenjit_outcome_signal(outcome));
            CHECK_INT(cases[i].status, mgenjit_outcome_exit_status(outcome));
            mgenjit_outcome_free(outcome);
        }
        mgenjit_isolation_free(isolation);
        CHECK_INT(0, read(life[0], &byte, 1));
        close(life[0]);
    }
    mgenjit_isolation *isolation = new_isolation("bomb", 8);
    CHECK_OK(mgenjit_isolation_set_pool(isolation, 2, &failure));
    CHECK_OK(mgenjit_isolation_set_timeout(isolation, 200, &failure));
    for (int run = 0; run < 2; run++) {
        mgenjit_outcome *outcome = NULL;
        CHECK_OK(mgenjit_executor_run_isolated(executor, isolation, &outcome, &failure));
        CHECK_INT(MGENJIT_LIMIT_TIME, mgenjit_outcome_limit(outcome));
        mgenjit_outcome_free(outcome);
    }
    mgenjit_isolation_free(isolation);
    mgenjit_executor_free(executor);
}

/* Namespaces are refused, as systems do that let only some programs have them: an error that says what to do, also with a pool.
   Programs of one process run. */
static void without_namespaces(void)
{
    static const int errors[] = { EPERM, ENOSPC };
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            struct sock_filter filter[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
                BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x10000000 /* CLONE_NEWUSER */, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)errors[i]),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
            };
            struct sock_fprog program = { sizeof filter / sizeof filter[0], filter };
            CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
            CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
            executor = new_executor(NULL);
            mgenjit_module_free(add_file(executor, fixture("processes.ll")));
            for (size_t pool = 0; pool < 3; pool += 2) {
                mgenjit_isolation *isolation = new_isolation("count", 4);
                CHECK_OK(mgenjit_isolation_set_pool(isolation, pool, &failure));
                for (int run = 0; run < 3; run++) {
                    mgenjit_outcome *outcome = NULL;
                    CHECK_STATUS(MGENJIT_STATUS_UNSUPPORTED,
                                 mgenjit_executor_run_isolated(executor, isolation, &outcome, &failure));
                    CHECK(outcome == NULL);
                    CHECK_MESSAGE("user.max_user_namespaces");
                }
                mgenjit_isolation_free(isolation);
            }
            expect(new_isolation("count", 1), 100 + EPERM, 0, MGENJIT_LIMIT_NONE);
            exit(0);
        }
        int status = -1;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK_INT(0, status);
    }
}

/* As anybody, where the tests run as the administrator. */
static void as_another_user(void)
{
    if (geteuid() != 0)
        return;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        /* The cache is closed to others. */
        mgenjit_config *config = NULL;
        CHECK_OK(mgenjit_config_new(&config, &failure));
        CHECK_OK(mgenjit_config_set_cache_mode(config, MGENJIT_CACHE_OFF, &failure));
        executor = new_executor(config);
        mgenjit_module_free(add_file(executor, fixture("processes.ll")));
        CHECK(setgroups(0, NULL) == 0 && setresgid(65533, 65533, 65533) == 0 && setresuid(65533, 65533, 65533) == 0);
        static const uint64_t counts[] = { 2, 4 };
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
            mgenjit_isolation *isolation = new_isolation("count", counts[i]);
            mgenjit_outcome *outcome = NULL;
            mgenjit_status status = mgenjit_executor_run_isolated(executor, isolation, &outcome, &failure);
            if (status == MGENJIT_STATUS_OK)
                CHECK_INT((long long)counts[i] - 1, mgenjit_outcome_exit_status(outcome));
            else
                printf("skipped: %s\n", mgenjit_error_message(failure));
            mgenjit_outcome_free(outcome);
            mgenjit_isolation_free(isolation);
        }
        exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_INT(0, status);
}

/* The host is killed while they run: nothing is left. */
static void killed_hosts(void)
{
    static const char *const deeds[] = { "bomb", "outlive and wait" };
    if (!begins())
        return;
    mgenjit_executor_free(executor);
    for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++) {
        int life[2];
        char byte;
        CHECK(pipe2(life, O_CLOEXEC) == 0);
        pid_t host = fork();
        CHECK(host >= 0);
        if (host == 0) {
            close(life[0]);
            mgenjit_outcome *outcome = NULL;
            executor = new_executor(NULL);
            mgenjit_module_free(add_file(executor, fixture("processes.ll")));
            mgenjit_isolation *isolation = new_isolation(deeds[i], 8);
            CHECK_OK(mgenjit_isolation_set_stream(isolation, 2, life[1], &failure));
            mgenjit_executor_run_isolated(executor, isolation, &outcome, &failure);
            _exit(1);
        }
        close(life[1]);
        /* Somewhere in the run. */
        usleep(300000);
        CHECK(kill(host, SIGKILL) == 0);
        CHECK(waitpid(host, NULL, 0) == host);
        CHECK_INT(0, read(life[0], &byte, 1));
        close(life[0]);
    }
}

static void isolates(void)
{
    mgenjit_isolation *isolation = new_isolation("", 2);
    mgenjit_isolate *isolate = NULL;
    executor = new_executor(NULL);
    mgenjit_module_free(add_file(executor, fixture("processes.ll")));
    CHECK_OK(mgenjit_isolate_new(executor, isolation, 0, &isolate, &failure));
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT,
                 mgenjit_isolate_call(isolate, "main", NULL, 0, MGENJIT_FOREVER, NULL, &failure));
    CHECK_MESSAGE("one process");
    mgenjit_isolate_free(isolate);
    mgenjit_isolation_free(isolation);
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(check_all), CASE(pools), CASE(without_namespaces), CASE(as_another_user), CASE(killed_hosts), CASE(isolates),
    };
    return RUN_CASES(cases);
}
