// ir: hostile.ll = hostile.c -O1

/* Programs in processes of their own on kernels that lack something: they run, and the outcome says what was missing. */
#include "check.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* The version that a test pretends. */
enum { OLD_LANDLOCK = 2 };

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

/* From now on this call has this result where its third argument is that; others answer it. */
static void *answer_calls(void *listener)
{
    struct seccomp_notif asked;
    for (;;) {
        memset(&asked, 0, sizeof asked);
        if (ioctl((int)(intptr_t)listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0)
            continue;
        struct seccomp_notif_resp answer = { .id = asked.id, .val = OLD_LANDLOCK };
        ioctl((int)(intptr_t)listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
    return NULL;
}

static int become_old(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_landlock_create_ruleset, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof filter / sizeof filter[0], filter };
    pthread_t thread;
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    long listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    return listener >= 0 && fcntl((int)listener, F_SETFD, FD_CLOEXEC) == 0
           && pthread_create(&thread, NULL, answer_calls, (void *)(intptr_t)listener) == 0;
}

/* Landlock of Linux 5.19 to 6.1 does not forbid to cut files. */
static void with_old_landlock(void)
{
    char *folder = in_folder("allowed"), *file = in_folder("allowed/file"), *other = in_folder("other");
    const char *const files[] = { file, other };
    mkdir(folder, 0700);
    for (int i = 0; i < 2; i++) {
        int created = open(files[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        CHECK(write(created, "x", 1) == 1 && close(created) == 0);
    }
    executor = new_executor(NULL);
    mgenjit_module_free(add_file(executor, fixture("hostile.ll")));
    if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < OLD_LANDLOCK || !become_old()) {
        puts("skipped: this kernel has no Landlock, or a test cannot hide it");
        return;
    }
    CHECK_INT(OLD_LANDLOCK, syscall(SYS_landlock_create_ruleset, NULL, 0, 1));
    for (int i = 0; i < 2; i++) {
        const char *argv[] = { "hostile", "cut", files[i] };
        mgenjit_isolation *isolation = NULL;
        mgenjit_outcome *outcome = NULL;
        struct stat now;
        CHECK_OK(mgenjit_isolation_new(&isolation, &failure));
        CHECK_OK(mgenjit_isolation_set_arguments(isolation, 3, argv, &failure));
        CHECK_OK(mgenjit_isolation_allow_path(isolation, folder, MGENJIT_ACCESS_READ, &failure));
        CHECK_OK(mgenjit_executor_run_isolated(executor, isolation, &outcome, &failure));
        CHECK_INT(1, mgenjit_outcome_exit_status(outcome));
        CHECK_INT(0, mgenjit_outcome_missing(outcome));
        CHECK(stat(files[i], &now) == 0 && now.st_size == 1);
        mgenjit_outcome_free(outcome);
        mgenjit_isolation_free(isolation);
    }
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(all), CASE(without_landlock), CASE(without_seccomp), CASE(without_both),
        CASE(with_old_landlock),
    };
    return RUN_CASES(cases);
}
