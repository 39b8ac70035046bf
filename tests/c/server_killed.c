// ir: large.ll = {sqlite}/sqlite3.c -O1 -Xclang -disable-llvm-passes
// runs: once

/* Servers that are killed: before, between and in the middle of compiles. */
#include "servers.h"

#include <pthread.h>

static void kill_servers(void)
{
    pid_t ids[MOST_SERVERS];
    const int count = servers(ids);
    CHECK(count >= 1);
    for (int i = 0; i < count; i++)
        kill(ids[i], SIGKILL);
    wait_for_servers(0);
}

/* The next compile gets a new one: that a server died while it had nothing to do is nobody's error. */
static void between_compiles(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    for (int i = 0; i < 5; i++) {
        compile_fresh(executor);
        kill_servers();
    }
    compile_fresh(executor);
    mgenjit_executor_free(executor);
}

static void *compile_large(void *executor)
{
    CHECK_STATUS(MGENJIT_STATUS_SERVER_CRASHED,
                 mgenjit_executor_compile_file(executor, fixture("large.ll"), NULL, &failure));
    CHECK_MESSAGE("large.ll");
    return NULL;
}

static void check_killed_while_it_compiles(int signal, const struct timespec *delay)
{
    mgenjit_executor *executor = new_executor(NULL);
    pthread_t thread;
    pid_t ids[MOST_SERVERS];
    CHECK(pthread_create(&thread, NULL, compile_large, executor) == 0);
    wait_for_servers(1);
    nanosleep(delay, NULL);
    CHECK_INT(1, servers(ids));
    CHECK(kill(ids[0], signal) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    compile_fresh(executor);
    check_usable(executor);
    mgenjit_executor_free(executor);
}

static void while_it_compiles(void)
{
    const struct timespec delays[] = { { 0, 300000000 }, { 1, 500000000 } };
    check_killed_while_it_compiles(SIGKILL, &delays[0]);
    no_servers();
    check_killed_while_it_compiles(SIGKILL, &delays[1]);
    no_servers();
    check_killed_while_it_compiles(SIGSEGV, &delays[0]);
}

/* The host ends in the middle of a compile; the server does not go on for long. */
static void *compile_and_be_cut_off(void *executor)
{
    mgenjit_executor_compile_file(executor, fixture("large.ll"), NULL, NULL);
    return NULL;
}

static void the_host_ends_while_it_compiles(void)
{
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, compile_and_be_cut_off, new_executor(NULL)) == 0);
        wait_for_servers(1);
        exit(0);
    }
    CHECK_INT(0, wait_for(child, 30));
    check_usable(new_executor(NULL));
}

/* One of several servers. */
static void one_of_two(void)
{
    mgenjit_config *config = mgenjit_config_new();
    mgenjit_executor *executor;
    pthread_t thread;
    pid_t ids[MOST_SERVERS];
    const struct timespec delay = { 0, 300000000 };
    CHECK_OK(mgenjit_config_set_max_servers(config, 2, &failure));
    executor = new_executor(config);
    mgenjit_config_free(config);
    CHECK(pthread_create(&thread, NULL, compile_large, executor) == 0);
    wait_for_servers(1);
    CHECK_INT(1, servers(ids));
    nanosleep(&delay, NULL);
    compile_fresh(executor);
    CHECK_INT(2, server_count());
    CHECK(kill(ids[0], SIGKILL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    compile_fresh(executor);
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(between_compiles), CASE(while_it_compiles), CASE(the_host_ends_while_it_compiles), CASE(one_of_two),
    };
    check_before_case = no_servers;
    return RUN_CASES(cases);
}
