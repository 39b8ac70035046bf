// runs: once

/* How the library's servers live: unseen by the host, and not longer than it. */
#include "servers.h"

#include <pthread.h>
#include <sys/resource.h>

static volatile sig_atomic_t signals;

static void count_signal(int signal)
{
    (void)signal;
    signals++;
}

/* Nothing is started before it is needed. */
static void started_on_the_first_miss(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    CHECK_INT(0, server_count());
    compile_fresh(executor);
    CHECK_INT(1, server_count());
    mgenjit_executor_free(executor);
}

static void kept_for_later_misses(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    pid_t first[MOST_SERVERS], later[MOST_SERVERS];
    compile_fresh(executor);
    CHECK_INT(1, servers(first));
    for (int i = 0; i < 20; i++)
        compile_fresh(executor);
    CHECK_INT(1, servers(later));
    CHECK_INT(first[0], later[0]);
    mgenjit_executor_free(executor);
}

static void never_waited_for(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    CHECK(signal(SIGCHLD, count_signal) != SIG_ERR);
    CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
    compile_fresh(executor);
    CHECK_INT(1, server_count());
    CHECK(wait(NULL) == -1 && errno == ECHILD);
    CHECK_UNSEEN(signals);
    mgenjit_executor_free(executor);
    CHECK(wait(NULL) == -1 && errno == ECHILD);
    CHECK_UNSEEN(signals);
}

/* A host that ignores SIGCHLD, for which the kernel reaps by itself. */
static void with_sigchld_ignored(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    compile_fresh(executor);
    CHECK(signal(SIGCHLD, SIG_DFL) == SIG_IGN);
    mgenjit_executor_free(executor);
}

static void *wait_for_any_child(void *gone)
{
    while (!__atomic_load_n((int *)gone, __ATOMIC_ACQUIRE))
        if (wait(NULL) > 0)
            signals++;
    return NULL;
}

/* Another thread of the host waits for any child all the time, and gets none of the library's. */
static void with_a_thread_that_waits(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    pthread_t thread;
    int gone = 0;
    CHECK(pthread_create(&thread, NULL, wait_for_any_child, &gone) == 0);
    for (int i = 0; i < 5; i++) {
        mgenjit_executor *another = new_executor(NULL);
        compile_fresh(another);
        mgenjit_executor_free(another);
    }
    __atomic_store_n(&gone, 1, __ATOMIC_RELEASE);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK_UNSEEN(signals);
    mgenjit_executor_free(executor);
}

/* The children of the host are its own, and their statuses reach it. */
static void beside_children_of_the_host(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    pid_t child = fork();
    int status;
    if (child == 0)
        _exit(7);
    compile_fresh(executor);
    CHECK_INT(child, wait(&status));
    CHECK_INT(7, WEXITSTATUS(status));
    mgenjit_executor_free(executor);
}

/* Ctrl-C goes to the terminal's foreground group: the server is in another group and session. */
static void not_reached_by_the_terminal(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    pid_t ids[MOST_SERVERS];
    compile_fresh(executor);
    CHECK_INT(1, servers(ids));
    CHECK(process_field(ids[0], 3) != getsid(0));
    CHECK(process_field(ids[0], 2) != getpgrp());
    CHECK(process_field(ids[0], 1) != getpid());
    CHECK(setpgid(0, 0) == 0);
    CHECK(signal(SIGINT, SIG_IGN) != SIG_ERR);
    CHECK(kill(0, SIGINT) == 0);
    compile_fresh(executor);
    CHECK_INT(1, servers(ids));
    mgenjit_executor_free(executor);
}

/* The host's signal dispositions and mask are as they were. */
static void no_signal_handlers(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    sigset_t before_mask, after_mask;
    struct sigaction before[65], after[65];
    CHECK(sigprocmask(SIG_SETMASK, NULL, &before_mask) == 0);
    for (int i = 1; i < 65; i++)
        sigaction(i, NULL, &before[i]);
    compile_fresh(executor);
    mgenjit_executor_free(executor);
    for (int i = 1; i < 65; i++) {
        if (i == 32 || i == 33)
            continue;
        sigaction(i, NULL, &after[i]);
        CHECK(before[i].sa_handler == after[i].sa_handler);
    }
    CHECK(sigprocmask(SIG_SETMASK, NULL, &after_mask) == 0);
    for (int i = 1; i < 65; i++)
        CHECK(sigismember(&before_mask, i) == sigismember(&after_mask, i));
}

static void ends_with_its_client(void)
{
    pid_t child = fork();
    if (child == 0) {
        compile_fresh(new_executor(NULL));
        exit(server_count() == 1 ? 0 : 1);
    }
    CHECK_INT(0, wait_for(child, 30));
    wait_for_servers(0);
}

static void ends_with_a_killed_client(void)
{
    int ends[2];
    char byte;
    pid_t child;
    CHECK(pipe(ends) == 0);
    child = fork();
    if (child == 0) {
        compile_fresh(new_executor(NULL));
        CHECK(write(ends[1], "x", 1) == 1);
        pause();
    }
    CHECK(read(ends[0], &byte, 1) == 1);
    CHECK_INT(1, server_count());
    kill(child, SIGKILL);
    wait_for(child, 30);
    wait_for_servers(0);
}

/* A child that was forked before the client ended does not keep the server: it has no copy of the connection,
 * or lets go of it. */
static void ends_although_a_child_lives_on(void)
{
    int ends[2];
    pid_t client, child;
    CHECK(pipe(ends) == 0);
    client = fork();
    if (client == 0) {
        compile_fresh(new_executor(NULL));
        child = fork();
        if (child == 0)
            for (;;)
                pause();
        CHECK(write(ends[1], &child, sizeof child) == sizeof child);
        _exit(0);
    }
    CHECK(read(ends[0], &child, sizeof child) == sizeof child);
    CHECK_INT(0, wait_for(client, 30));
    wait_for_servers(0);
    kill(child, SIGKILL);
}

/* Nor does a program that the host starts. */
static void not_inherited_by_programs(void)
{
    pid_t client = fork();
    if (client == 0) {
        mgenjit_executor *executor = new_executor(NULL);
        pid_t program;
        compile_fresh(executor);
        program = fork();
        if (program == 0) {
            execlp("sh", "sh", "-c",
                   "for each in /proc/self/fd/*; do case $(readlink $each) in socket:*|*memfd:*) exit 1;; esac; done",
                   (char *)NULL);
            _exit(1);
        }
        _exit(wait_for(program, 30) != 0);
    }
    CHECK_INT(0, wait_for(client, 30));
}

/* What the host leaves open does not reach the server: the other end of the host's pipe is seen to close. */
static void inherits_no_descriptors(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    int ends[2];
    char byte;
    CHECK(pipe(ends) == 0);
    compile_fresh(executor);
    CHECK_INT(1, server_count());
    close(ends[1]);
    CHECK_INT(0, read(ends[0], &byte, 1));
    mgenjit_executor_free(executor);
}

/* A host that has closed its standard streams: the library's descriptors take their numbers. */
static void without_standard_streams(void)
{
    pid_t child = fork();
    if (child == 0) {
        mgenjit_executor *executor;
        for (int i = 0; i < 3; i++)
            close(i);
        executor = new_executor(NULL);
        compile_fresh(executor);
        compile_fresh(executor);
        mgenjit_executor_free(executor);
        _exit(0);
    }
    CHECK_INT(0, wait_for(child, 30));
}

static void with_few_descriptors(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    struct rlimit limit;
    char *ir = fresh_ir();
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 4;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(mgenjit_executor_compile(executor, NULL, ir, strlen(ir), NULL, &failure) != MGENJIT_STATUS_OK);
    CHECK(mgenjit_error_status(failure) != MGENJIT_STATUS_PANIC);
    CHECK(mgenjit_error_message(failure)[0] != '\0');
    limit.rlim_cur = limit.rlim_max;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    check_usable(executor);
    mgenjit_executor_free(executor);
}

/* At most so many servers as are allowed. */
static int ended;

static void *compile_some(void *executor)
{
    for (int i = 0; i < 10; i++)
        compile_fresh(executor);
    __atomic_add_fetch(&ended, 1, __ATOMIC_RELEASE);
    return NULL;
}

/* Counts the servers as long as these threads compile. Whether they go on. */
static int count_while_they_run(int threads, int *seen)
{
    const int now = server_count();
    *seen = now > *seen ? now : *seen;
    return __atomic_load_n(&ended, __ATOMIC_ACQUIRE) < threads;
}

static void check_servers_at_most(uint32_t most)
{
    mgenjit_config *config = default_config();
    mgenjit_executor *executor;
    pthread_t threads[8];
    int seen = 0;
    CHECK_OK(mgenjit_config_set_max_servers(config, most, &failure));
    executor = new_executor(config);
    mgenjit_config_free(config);
    for (int i = 0; i < 8; i++)
        CHECK(pthread_create(&threads[i], NULL, compile_some, executor) == 0);
    CHECK_UNTIL(!count_while_they_run(8, &seen));
    for (int i = 0; i < 8; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(seen >= 1);
    CHECK(seen <= (int)most);
    mgenjit_executor_free(executor);
}

static void one_server(void) { check_servers_at_most(1); }

static void three_servers(void)
{
    check_servers_at_most(3);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(started_on_the_first_miss), CASE(kept_for_later_misses), CASE(never_waited_for),
        CASE(with_sigchld_ignored), CASE(with_a_thread_that_waits), CASE(beside_children_of_the_host),
        CASE(not_reached_by_the_terminal), CASE(no_signal_handlers), CASE(ends_with_its_client),
        CASE(ends_with_a_killed_client), CASE(ends_although_a_child_lives_on), CASE(not_inherited_by_programs),
        CASE(inherits_no_descriptors), CASE(without_standard_streams), CASE(with_few_descriptors), CASE(one_server),
        CASE(three_servers),
    };
    check_before_case = no_servers;
    return RUN_CASES(cases);
}
