// flags: -pthread
// runs: once
// servers: private shared

/* Hosts that fork, become another program, or are killed, in the middle of everything. */
#include "hosts.h"

#include <pthread.h>

typedef struct loop {
    mgenjit_executor *executor;
    void (*body)(mgenjit_executor *);
    int *ended;
    int turns;
} loop;

static void *run_loop(void *argument)
{
    loop *mine = argument;
    while (!__atomic_load_n(mine->ended, __ATOMIC_ACQUIRE)) {
        mine->body(mine->executor);
        mine->turns++;
    }
    return NULL;
}

static void hit(mgenjit_executor *executor)
{
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_common(executor));
}

static void do_nothing(mgenjit_executor *executor)
{
    (void)executor;
}

static void use_and_free(mgenjit_executor *executor)
{
    hit(executor);
    compile_fresh(executor);
    mgenjit_executor_free(executor);
}

static void use_another(mgenjit_executor *executor)
{
    mgenjit_executor *another = new_executor(NULL);
    (void)executor;
    hit(another);
    compile_in_the_background(another);
    export(another);
    mgenjit_executor_free(another);
}

/* Children that do these things in turn, some at a time, and that end in both ways. */
static void fork_children(mgenjit_executor *executor, int count)
{
    enum { AT_ONCE = 3 };
    static void (*const bodies[])(mgenjit_executor *) = {
        do_nothing, hit, compile_fresh, compile_in_the_background, use_and_free, use_another, prefetch,
    };
    pid_t children[AT_ONCE] = { 0 };
    for (int i = 0; i < count + AT_ONCE; i++) {
        pid_t *child = &children[i % AT_ONCE];
        if (*child != 0)
            CHECK_INT(0, wait_for(*child, 60));
        *child = 0;
        if (i >= count)
            continue;
        *child = fork();
        CHECK(*child >= 0);
        if (*child == 0) {
            bodies[(size_t)i % (sizeof bodies / sizeof bodies[0])](executor);
            if (i % 2 == 0)
                exit(0);
            _exit(0);
        }
    }
}

static void in_the_middle_of_everything(void)
{
    static void (*const bodies[])(mgenjit_executor *) = {
        compile_fresh, hit, compile_in_the_background, cancel_a_compile, prefetch, export,
    };
    enum { LOOPS = sizeof bodies / sizeof bodies[0] };
    loop loops[LOOPS];
    pthread_t threads[LOOPS];
    int ended = 0, descriptors = open_descriptors();
    mgenjit_executor *executor = new_executor(NULL);
    use_common(executor);
    for (int i = 0; i < LOOPS; i++) {
        loops[i] = (loop){ executor, bodies[i], &ended, 0 };
        CHECK(pthread_create(&threads[i], NULL, run_loop, &loops[i]) == 0);
    }
    fork_children(executor, 70);
    __atomic_store_n(&ended, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < LOOPS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK(loops[i].turns > 0);
    }
    use_everything(executor);
    mgenjit_executor_free(executor);
    /* A thread that prefetches has the executor for a little longer. */
    CHECK_UNTIL(open_descriptors() == descriptors);
    check_no_children();
    if (!is_shared())
        wait_for_servers(0);
}

/* What becomes of a host, told by a pipe: it says when it is there, and goes on when it is told to. */
typedef struct line {
    int from[2], to[2];
} line;

static line new_line(void)
{
    line new;
    CHECK(pipe(new.from) == 0 && pipe(new.to) == 0);
    return new;
}

static void say(int end)
{
    CHECK(write(end, "x", 1) == 1);
}

static void hear(int end)
{
    char byte;
    CHECK(read(end, &byte, 1) == 1);
}

static void *compile_and_never_end(void *executor)
{
    int ended = 0;
    loop forever = { executor, compile_fresh, &ended, 0 };
    return run_loop(&forever);
}

static void *start_and_never_end(void *unused)
{
    for (;;) {
        mgenjit_executor *executor = new_executor(NULL);
        compile_fresh(executor);
        mgenjit_executor_free(executor);
    }
    return unused;
}

/* Becomes this program again, which then checks what it has. */
static void become_another(const line *line, long nanoseconds)
{
    const struct timespec delay = { 0, nanoseconds };
    char from[16], to[16];
    pthread_t thread;
    mgenjit_executor *executor = new_executor(NULL);
    compile_fresh(executor);
    CHECK(pthread_create(&thread, NULL, compile_and_never_end, executor) == 0);
    CHECK(pthread_create(&thread, NULL, start_and_never_end, NULL) == 0);
    /* It becomes another at whatever moment: that is what is tried. */
    nanosleep(&delay, NULL);
    snprintf(from, sizeof from, "%d", line->from[1]);
    snprintf(to, sizeof to, "%d", line->to[0]);
    execl("/proc/self/exe", "program", "after exec", from, to, (char *)NULL);
    _exit(1);
}

/* It has the descriptors that were meant for it and no other. A process that was being started may be there still,
 * which no ordinary wait sees. */
static int after_exec(int from, int to)
{
    for (int descriptor = 3; descriptor < 1000; descriptor++) {
        char path[64], target[256] = "";
        if (descriptor == from || descriptor == to || fcntl(descriptor, F_GETFD) == -1)
            continue;
        snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
        CHECK(readlink(path, target, sizeof target - 1) > 0);
        if (strncmp(target, "pipe:", 5) != 0)
            check_failed(__FILE__, __LINE__, "descriptor %d is %s", descriptor, target);
    }
    CHECK(wait(NULL) == -1 && errno == ECHILD);
    say(from);
    hear(to);
    use_everything(new_executor(NULL));
    return 0;
}

/* Private servers end with the program that started them; shared ones stay. */
static void that_becomes_another_program(void)
{
    pid_t shared = 0;
    for (long i = 0; i < 12; i++) {
        const line line = new_line();
        const pid_t host = fork();
        CHECK(host >= 0);
        if (host == 0)
            become_another(&line, i * 3000000);
        close(line.from[1]);
        hear(line.from[0]);
        if (!is_shared()) {
            wait_for_servers(0);
        } else {
            pid_t found = 0;
            /* One that was started in vain ends soon. */
            CHECK_UNTIL(shared_servers_of(&found) == 1);
            if (i == 0)
                shared = found;
            CHECK_INT(shared, found);
        }
        say(line.to[1]);
        CHECK_INT(0, wait_for(host, 60));
        close(line.from[0]);
        close(line.to[0]);
        close(line.to[1]);
    }
    CHECK(!is_shared() || shared != 0);
}

/* What all servers have used of the processor. */
static long ticks_of_servers(void)
{
    pid_t ids[MOST_SERVERS];
    long ticks = 0;
    for (int i = servers(ids); i-- > 0;) {
        /* One that has just ended has -1. */
        const long user = process_field(ids[i], 11), kernel = process_field(ids[i], 12);
        ticks += (user > 0 ? user : 0) + (kernel > 0 ? kernel : 0);
    }
    return ticks;
}

/* Waits until the shared server has nothing to do. */
static void wait_for_idle_server(void)
{
    mgenjit_server_statistics statistics = { .size = sizeof statistics };
    do {
        check_pause();
        CHECK_OK(mgenjit_server_status(&statistics, &failure));
    } while (statistics.running + statistics.queued > 0);
}

/* A minute of work and more, which nobody wants once the host is gone. */
static void compile_for_long(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    char *ir = large_ir(60000);
    (void)try_ir(executor, ir);
    _exit(1);
}

static void that_is_killed_while_it_compiles(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    pid_t host;
    long ticks;
    if (is_shared())
        compile_fresh(executor);
    ticks = ticks_of_servers();
    host = fork();
    CHECK(host >= 0);
    if (host == 0)
        compile_for_long();
    /* In the middle: half a second of work was done. */
    CHECK_UNTIL(ticks_of_servers() >= ticks + sysconf(_SC_CLK_TCK) / 2);
    CHECK(kill(host, SIGKILL) == 0);
    CHECK_INT(SIGKILL, wait_for(host, 30));
    if (is_shared())
        wait_for_idle_server();
    else
        wait_for_servers(0);
    use_everything(executor);
    mgenjit_executor_free(executor);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(in_the_middle_of_everything), CASE(that_becomes_another_program), CASE(that_is_killed_while_it_compiles),
    };
    if (argc == 4 && strcmp(argv[1], "after exec") == 0)
        return after_exec(atoi(argv[2]), atoi(argv[3]));
    /* What this program was given goes no further. */
    for (int descriptor = 3; descriptor < 1000; descriptor++)
        (void)fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    check_seconds = 120;
    return RUN_HOSTS(cases);
}
