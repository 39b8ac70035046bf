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

/* The phase that a compile has come to, or is past. */
static int phase_reached;

enum { NOTHING, PARSE, OPTIMISE };

static void on_event(const mgenjit_event *event, void *user)
{
    int phase = PARSE;
    (void)user;
    if (event->kind != MGENJIT_EVENT_PROGRESS)
        return;
    if (strcmp(event->message, "parse") != 0)
        phase = OPTIMISE;
    if (phase > __atomic_load_n(&phase_reached, __ATOMIC_RELAXED))
        __atomic_store_n(&phase_reached, phase, __ATOMIC_RELAXED);
}

static mgenjit_executor *new_watching_executor(uint32_t servers)
{
    mgenjit_config *config = default_config();
    mgenjit_executor *executor;
    __atomic_store_n(&phase_reached, NOTHING, __ATOMIC_RELAXED);
    CHECK_OK(mgenjit_config_set_max_servers(config, servers, &failure));
    CHECK_OK(mgenjit_config_set_event_hook(config, on_event, NULL, NULL, &failure));
    executor = new_executor(config);
    mgenjit_config_free(config);
    return executor;
}

static void wait_for_phase(int phase)
{
    CHECK_UNTIL(__atomic_load_n(&phase_reached, __ATOMIC_RELAXED) >= phase);
}

static void *compile_large(void *executor)
{
    CHECK_STATUS(MGENJIT_STATUS_SERVER_CRASHED,
                 mgenjit_executor_compile_file(executor, fixture("large.ll"), NULL, &failure));
    CHECK_MESSAGE("large.ll");
    return NULL;
}

static void check_killed_while_it_compiles(int signal, int phase)
{
    mgenjit_executor *executor = new_watching_executor(0);
    pthread_t thread;
    pid_t ids[MOST_SERVERS];
    CHECK(pthread_create(&thread, NULL, compile_large, executor) == 0);
    wait_for_phase(phase);
    CHECK_INT(1, servers(ids));
    CHECK(kill(ids[0], signal) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    compile_fresh(executor);
    check_usable(executor);
    mgenjit_executor_free(executor);
}

static void while_it_compiles(void)
{
    check_killed_while_it_compiles(SIGKILL, PARSE);
    no_servers();
    check_killed_while_it_compiles(SIGKILL, OPTIMISE);
    no_servers();
    check_killed_while_it_compiles(SIGSEGV, OPTIMISE);
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
    mgenjit_executor *executor = new_watching_executor(2);
    pthread_t thread;
    pid_t ids[MOST_SERVERS];
    CHECK(pthread_create(&thread, NULL, compile_large, executor) == 0);
    wait_for_phase(OPTIMISE);
    CHECK_INT(1, servers(ids));
    /* Its compile must not be over before the other one is. */
    CHECK(kill(ids[0], SIGSTOP) == 0);
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
