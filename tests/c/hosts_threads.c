// flags: -pthread
// runs: once
// servers: private shared

/* Hosts with many threads, and compiles that run at the same time. */
#include "hosts.h"

#include <pthread.h>
#include <sched.h>

enum { THREADS = 32, EXECUTORS = 8 };

/* How many each thread compiles. */
static int modules(void)
{
    return is_emulated() ? 3 : 25;
}

typedef struct job {
    mgenjit_executor *executor;
    int first;
} job;

/* Each of these functions gives another number. */
static void compile_numbered(mgenjit_executor *executor, int number)
{
    char *ir = NULL, name[32];
    mgenjit_module *module;
    CHECK(asprintf(&ir, "define i32 @numbered_%d(i32 %%x) {\n  %%y = mul i32 %%x, %d\n  ret i32 %%y\n}\n", number,
                   number + 3)
          > 0);
    module = add(executor, ir);
    snprintf(name, sizeof name, "numbered_%d", number);
    CHECK_INT((number + 3) * 7, FUNCTION(int (*)(int), executor, name)(7));
    mgenjit_module_free(module);
    free(ir);
}

static void *compile_all(void *argument)
{
    const job *mine = argument;
    for (int i = 0; i < modules(); i++)
        compile_numbered(mine->executor, mine->first + i);
    return NULL;
}

static void compile_in_threads(mgenjit_executor *const *executors, int count)
{
    pthread_t threads[THREADS];
    job jobs[THREADS];
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (job){ executors[i % count], i * modules() };
        CHECK(pthread_create(&threads[i], NULL, compile_all, &jobs[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

/* Without a cache, so that each is compiled. */
static mgenjit_executor *new_uncached_executor(uint32_t servers)
{
    mgenjit_config *config = default_config();
    mgenjit_executor *executor;
    CHECK_OK(mgenjit_config_set_cache_mode(config, MGENJIT_CACHE_OFF, &failure));
    CHECK_OK(mgenjit_config_set_max_servers(config, servers, &failure));
    executor = new_executor(config);
    mgenjit_config_free(config);
    return executor;
}

static void of_one_executor(void)
{
    mgenjit_executor *executor = new_uncached_executor(0);
    compile_in_threads(&executor, 1);
    for (int i = 0; i < THREADS * modules(); i++) {
        char name[32];
        snprintf(name, sizeof name, "numbered_%d", i);
        CHECK_INT(i + 3, FUNCTION(int (*)(int), executor, name)(1));
    }
    mgenjit_executor_free(executor);
}

static void of_several_executors(void)
{
    mgenjit_executor *executors[EXECUTORS];
    for (int i = 0; i < EXECUTORS; i++)
        executors[i] = new_executor(NULL);
    compile_in_threads(executors, EXECUTORS);
    for (int i = 0; i < EXECUTORS; i++)
        mgenjit_executor_free(executors[i]);
}

/* Connections are waited for as well, where there are fewer servers than threads. */
static void with_one_server(void)
{
    mgenjit_executor *executors[2] = { new_uncached_executor(1), new_uncached_executor(1) };
    compile_in_threads(executors, 2);
    mgenjit_executor_free(executors[0]);
    mgenjit_executor_free(executors[1]);
}

static long ticks_of(pid_t server)
{
    return process_field(server, 11) + process_field(server, 12);
}

/* How many servers have done half a second of work since they had the ticks that are remembered; new ones had none. */
static int working_servers(const pid_t *known, const long *ticks, int known_count)
{
    pid_t ids[MOST_SERVERS];
    const int count = servers(ids);
    int working = 0;
    for (int i = 0; i < count; i++) {
        long before = 0;
        for (int k = 0; k < known_count; k++)
            if (known[k] == ids[i])
                before = ticks[k];
        working += ticks_of(ids[i]) >= before + sysconf(_SC_CLK_TCK) / 2;
    }
    return working;
}

static int cores(void)
{
    cpu_set_t set;
    CHECK(sched_getaffinity(0, sizeof set, &set) == 0);
    return CPU_COUNT(&set);
}

/* As many compiles as there are cores run at the same time, each in a process of its own: all are at work before the
 * first has ended. */
static void at_the_same_time(void)
{
    enum { MOST = 4 };
    const int count = cores() < MOST ? cores() : MOST;
    mgenjit_executor *executor = new_uncached_executor(0);
    mgenjit_task *tasks[MOST];
    pid_t known[MOST_SERVERS];
    long ticks[MOST_SERVERS];
    int known_count;
    bool is_done = false;
    compile_fresh(executor);
    known_count = servers(known);
    for (int i = 0; i < known_count; i++)
        ticks[i] = ticks_of(known[i]);
    for (int i = 0; i < count; i++) {
        char *ir = large_ir(2000);
        tasks[i] = begin(executor, ir);
        free(ir);
    }
    CHECK_UNTIL(working_servers(known, ticks, known_count) >= count);
    CHECK_OK(mgenjit_task_wait(tasks[0], 0, &is_done, &failure));
    CHECK_INT(0, is_done);
    for (int i = 0; i < count; i++) {
        CHECK_OK(mgenjit_task_cancel(tasks[i], &failure));
        mgenjit_task_free(tasks[i]);
    }
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(of_one_executor), CASE(of_several_executors), CASE(with_one_server), CASE(at_the_same_time),
    };
    check_seconds = 120;
    return RUN_HOSTS(cases);
}
