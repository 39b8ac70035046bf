// flags: -pthread
// runs: once
// servers: private shared

/* Hosts that wait for children in their own ways: none of the library's processes is ever seen, and none of the host's
 * is lost. */
#include "hosts.h"

#include <pthread.h>

static volatile sig_atomic_t signals, reaped, strangers;

/* The host's own children end with this. */
enum { OWN_STATUS = 7 };

static void reap_all(int signal)
{
    const int error = errno;
    int status;
    (void)signal;
    __atomic_add_fetch(&signals, 1, __ATOMIC_SEQ_CST);
    while (waitpid(-1, &status, WNOHANG) > 0) {
        __atomic_add_fetch(&reaped, 1, __ATOMIC_SEQ_CST);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != OWN_STATUS)
            __atomic_add_fetch(&strangers, 1, __ATOMIC_SEQ_CST);
    }
    errno = error;
}

static void set_action(void (*handler)(int), int flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = flags;
    CHECK(sigaction(SIGCHLD, &action, NULL) == 0);
}

static void *use_a_new_executor(void *unused)
{
    mgenjit_executor *executor = new_executor(NULL);
    (void)unused;
    use_everything(executor);
    mgenjit_executor_free(executor);
    return NULL;
}

static void use_many(void)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, use_a_new_executor, NULL) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

/* Compiles while a server of this host is killed, which may have one compile fail. */
static void lose_servers(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    pid_t ids[MOST_SERVERS];
    compile_fresh(executor);
    CHECK(servers(ids) >= 1);
    for (int i = servers(ids); i-- > 0;)
        kill(ids[i], SIGKILL);
    /* One that is not dead yet may take the request along. */
    wait_for_servers(0);
    compile_fresh(executor);
    mgenjit_executor_free(executor);
}

/* The kernel reaps by itself, and `wait` returns only when there is no child left. */
static void check_automatic(void (*handler)(int), int flags)
{
    set_action(handler, flags);
    use_many();
    lose_servers();
    check_no_children();
    CHECK(wait(NULL) == -1 && errno == ECHILD);
}

static void signals_ignored(void)
{
    struct sigaction action;
    check_automatic(SIG_IGN, 0);
    CHECK(sigaction(SIGCHLD, NULL, &action) == 0);
    CHECK(action.sa_handler == SIG_IGN);
}

static void no_zombies_wanted(void)
{
    struct sigaction action;
    check_automatic(reap_all, SA_NOCLDWAIT);
    CHECK_UNSEEN(signals);
    CHECK(sigaction(SIGCHLD, NULL, &action) == 0);
    CHECK(action.sa_handler == reap_all && action.sa_flags & SA_NOCLDWAIT);
}

static void a_handler_that_waits_for_any(void)
{
    set_action(reap_all, SA_RESTART);
    use_many();
    lose_servers();
    CHECK_UNSEEN(signals);
    check_no_children();
}

/* Without SA_RESTART every wait of the library may be interrupted. */
static void beside_children_that_end_all_the_time(void)
{
    enum { CHILDREN = 200 };
    pthread_t thread;
    const struct timespec pause = { 0, 2000000 };
    set_action(reap_all, 0);
    CHECK(pthread_create(&thread, NULL, use_a_new_executor, NULL) == 0);
    for (int i = 0; i < CHILDREN; i++) {
        const pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0)
            _exit(OWN_STATUS);
        /* All the time, not all at once. */
        nanosleep(&pause, NULL);
    }
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK_UNTIL(reaped - strangers >= CHILDREN);
    CHECK_INT(CHILDREN, reaped - strangers);
    CHECK_UNSEEN(strangers);
    CHECK(signals > 0);
    check_no_children();
}

int main(void)
{
    static const check_case cases[] = {
        CASE(signals_ignored), CASE(no_zombies_wanted), CASE(a_handler_that_waits_for_any),
        CASE(beside_children_that_end_all_the_time),
    };
    check_seconds = 120;
    return RUN_HOSTS(cases);
}
