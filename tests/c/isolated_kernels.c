/* Programs in processes of their own on kernels that lack something: they run, and the outcome says what was missing. */
#include "check.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static mgenjit_executor *executor;

/* From now on this system call is unknown here, and in the processes that are started. */
static void lose(unsigned call)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof filter / sizeof filter[0], filter };
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

/* What is missing of an isolation, with a path or without. Required, it is an error, and an isolate cannot be used. */
static void check(int has_path, int missing)
{
    mgenjit_isolation *isolation = NULL;
    mgenjit_outcome *outcome = NULL;
    mgenjit_isolate *isolate = NULL;
    CHECK_OK(mgenjit_isolation_new(&isolation, &failure));
    if (has_path)
        CHECK_OK(mgenjit_isolation_allow_path(isolation, "/", MGENJIT_ACCESS_READ, &failure));
    CHECK_OK(mgenjit_executor_run_isolated(executor, isolation, &outcome, &failure));
    CHECK_INT(7, mgenjit_outcome_exit_status(outcome));
    CHECK_INT(missing, mgenjit_outcome_missing(outcome));
    mgenjit_outcome_free(outcome);
    CHECK_OK(mgenjit_isolation_require(isolation, true, &failure));
    mgenjit_status expected = missing == 0 ? MGENJIT_STATUS_OK : MGENJIT_STATUS_UNSUPPORTED;
    outcome = NULL;
    CHECK_STATUS(expected, mgenjit_executor_run_isolated(executor, isolation, &outcome, &failure));
    mgenjit_outcome_free(outcome);
    CHECK_OK(mgenjit_isolate_new(executor, isolation, 0, &isolate, &failure));
    CHECK_STATUS(expected, mgenjit_isolate_call(isolate, "main", NULL, 0, MGENJIT_FOREVER, NULL, &failure));
    mgenjit_isolate_free(isolate);
    mgenjit_isolation_free(isolation);
}

static void begin(void)
{
    executor = new_executor(NULL);
    mgenjit_module_free(add(executor, "define i32 @main() {\n  ret i32 7\n}\n"));
}

static void all(void)
{
    begin();
    check(0, 0);
    /* Where the tests run, Landlock may be missing. */
    if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0)
        check(1, 0);
    mgenjit_executor_free(executor);
}

static void without_landlock(void)
{
    begin();
    lose(SYS_landlock_create_ruleset);
    check(0, 0);
    check(1, MGENJIT_MISSING_FILES);
    mgenjit_executor_free(executor);
}

static void without_seccomp(void)
{
    int has_landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
    begin();
    lose(SYS_seccomp);
    check(0, MGENJIT_MISSING_CALLS | (has_landlock ? 0 : MGENJIT_MISSING_FILES));
    check(1, MGENJIT_MISSING_CALLS | (has_landlock ? 0 : MGENJIT_MISSING_FILES));
    mgenjit_executor_free(executor);
}

static void without_both(void)
{
    begin();
    lose(SYS_landlock_create_ruleset);
    lose(SYS_seccomp);
    check(0, MGENJIT_MISSING_CALLS | MGENJIT_MISSING_FILES);
    check(1, MGENJIT_MISSING_CALLS | MGENJIT_MISSING_FILES);
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(all), CASE(without_landlock), CASE(without_seccomp), CASE(without_both),
    };
    return RUN_CASES(cases);
}
