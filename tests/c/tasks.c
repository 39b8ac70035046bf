// runs: once
// servers: private shared

/* Compiles in the background: results, callbacks, cancelling, prefetching, and forks. */
#include "caches.h"

#include <pthread.h>

static check_events events;

static mgenjit_executor *new_limited_executor(const char *cache, uint32_t servers)
{
    mgenjit_config *config = new_watched_config(&events);
    mgenjit_executor *executor;
    if (cache == NULL)
        CHECK_OK(mgenjit_config_set_cache_mode(config, MGENJIT_CACHE_OFF, &failure));
    else
        CHECK_OK(mgenjit_config_set_cache_dir(config, in_folder(cache), &failure));
    CHECK_OK(mgenjit_config_set_max_servers(config, servers, &failure));
    /* Whoever waits for longer compiles, too. */
    CHECK_OK(mgenjit_config_set_lock_timeout(config, 600000, &failure));
    executor = new_executor(config);
    mgenjit_config_free(config);
    return executor;
}

static mgenjit_source *source_of(const char *ir)
{
    mgenjit_source *source;
    CHECK_OK(mgenjit_source_new("the task", &source, &failure));
    CHECK_OK(mgenjit_source_add(source, "input", ir, strlen(ir), &failure));
    return source;
}

/* A function fN that returns N. */
static mgenjit_source *numbered(int number)
{
    char ir[128];
    snprintf(ir, sizeof ir, "define i32 @f%d() {\n  ret i32 %d\n}\n", number, number);
    return source_of(ir);
}

static int call_numbered(mgenjit_executor *executor, int number)
{
    char name[32];
    snprintf(name, sizeof name, "f%d", number);
    return FUNCTION(int (*)(void), executor, name)();
}

/* Seconds of work for a compile server. */
static mgenjit_source *large(void)
{
    const int functions = is_emulated() ? 100 : 1500;
    char *text = NULL;
    size_t size = 0;
    mgenjit_source *source;
    FILE *out = open_memstream(&text, &size);
    for (int f = 0; f < functions; f++) {
        fprintf(out, "define i64 @large%d(i64 %%x0, ptr %%p) {\n", f);
        for (int i = 0; i < 100; i++)
            fprintf(out, "  %%a%d = mul i64 %%x%d, %d\n  store volatile i64 %%a%d, ptr %%p\n  %%x%d = xor i64 %%a%d, %%x%d\n",
                    i, i, 2 * i + 3, i, i + 1, i, i);
        fprintf(out, "  ret i64 %%x100\n}\n");
    }
    fclose(out);
    source = source_of(text);
    free(text);
    return source;
}

static mgenjit_task *begin(mgenjit_executor *executor, mgenjit_source *source)
{
    mgenjit_task *task = NULL;
    CHECK_OK(mgenjit_executor_compile_async(executor, source, NULL, NULL, NULL, &task, &failure));
    mgenjit_source_free(source);
    return task;
}

static bool wait_task(mgenjit_task *task, uint64_t milliseconds)
{
    bool is_done = false;
    CHECK_OK(mgenjit_task_wait(task, milliseconds, &is_done, &failure));
    return is_done;
}

static void results(void)
{
    enum { TASKS = 40 };
    mgenjit_executor *executor = new_limited_executor(NULL, 0);
    mgenjit_task *tasks[TASKS];
    mgenjit_module *module = NULL;
    for (int i = 0; i < TASKS; i++)
        tasks[i] = begin(executor, numbered(i));
    for (int i = TASKS; i-- > 0;) {
        CHECK_INT(1, wait_task(tasks[i], MGENJIT_FOREVER));
        CHECK_OK(mgenjit_task_result(tasks[i], i % 2 == 0 ? &module : NULL, &failure));
        if (i % 2 == 0) {
            CHECK_STRING("the task", mgenjit_module_name(module));
            mgenjit_module_free(module);
        }
        CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_task_result(tasks[i], NULL, &failure));
        CHECK_MESSAGE("taken before");
        check_reset();
        CHECK_INT(1, wait_task(tasks[i], 0));
        CHECK_OK(mgenjit_task_cancel(tasks[i], &failure));
        mgenjit_task_free(tasks[i]);
    }
    for (int i = 0; i < TASKS; i++)
        CHECK_INT(i, call_numbered(executor, i));
    mgenjit_executor_free(executor);
}

static void errors(void)
{
    mgenjit_executor *executor = new_limited_executor(NULL, 1);
    mgenjit_task *task = begin(executor, source_of("nonsense"));
    mgenjit_module *module = NULL;
    CHECK_STATUS(MGENJIT_STATUS_PARSE, mgenjit_task_result(task, &module, &failure));
    CHECK(module == NULL);
    CHECK_INT(1, (int)mgenjit_error_line(failure));
    check_reset();
    mgenjit_task_free(task);
    check_usable(executor);
    mgenjit_executor_free(executor);
}

static int called, freed;
static pthread_t caller;

static void on_done(void *user)
{
    CHECK(user == &called);
    caller = pthread_self();
    __atomic_add_fetch(&called, 1, __ATOMIC_SEQ_CST);
}

static void on_free(void *user)
{
    CHECK(user == &called);
    __atomic_add_fetch(&freed, 1, __ATOMIC_SEQ_CST);
}

static void await(int *number, int expected)
{
    CHECK_UNTIL(__atomic_load_n(number, __ATOMIC_SEQ_CST) >= expected);
}

static void callbacks(void)
{
    mgenjit_executor *executor = new_limited_executor(NULL, 1);
    mgenjit_source *source = numbered(1);
    mgenjit_task *task = NULL;
    CHECK_OK(mgenjit_executor_compile_async(executor, source, on_done, &called, on_free, &task, &failure));
    await(&freed, 1);
    CHECK_INT(1, called);
    CHECK(!pthread_equal(caller, pthread_self()));
    CHECK_INT(1, wait_task(task, 0));
    mgenjit_task_free(task);
    /* What cannot begin frees as well, and calls nothing. */
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT,
                 mgenjit_executor_compile_async(executor, NULL, on_done, &called, on_free, &task, &failure));
    check_reset();
    CHECK_INT(2, freed);
    CHECK_INT(1, called);
    mgenjit_source_free(source);
    mgenjit_executor_free(executor);
}

static char *unreadable;
static size_t page_size;
static volatile sig_atomic_t faults;

static void make_readable(int number)
{
    (void)number;
    faults++;
    if (mprotect(unreadable, page_size, PROT_READ) != 0)
        abort();
}

/* Reads what the handler must make readable first. Other signals are not for threads of the library. */
static void fault(void *user)
{
    static const int handled[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS };
    static const int blocked[] = { SIGINT, SIGTERM, SIGHUP, SIGALRM, SIGPROF, SIGCHLD, SIGUSR1, SIGWINCH };
    sigset_t mask;
    CHECK(pthread_sigmask(SIG_BLOCK, NULL, &mask) == 0);
    for (size_t i = 0; i < sizeof handled / sizeof *handled; i++)
        CHECK(!sigismember(&mask, handled[i]));
    for (size_t i = 0; i < sizeof blocked / sizeof *blocked; i++)
        CHECK(sigismember(&mask, blocked[i]));
    CHECK_INT(0, *(volatile char *)unreadable);
    on_done(user);
}

/* The host's handler of faults is called in threads of the library. Its own threads keep their masks. */
static void faults_are_told(void)
{
    mgenjit_executor *executor = new_limited_executor(NULL, 1);
    struct sigaction action, before;
    sigset_t mask, after;
    memset(&action, 0, sizeof action);
    action.sa_handler = make_readable;
    page_size = (size_t)sysconf(_SC_PAGESIZE);
    unreadable = mmap(NULL, page_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(unreadable != MAP_FAILED);
    CHECK(sigaction(SIGSEGV, &action, &before) == 0);
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0);
    mgenjit_source *source = numbered(6);
    mgenjit_task *task = NULL;
    CHECK_OK(mgenjit_executor_compile_async(executor, source, fault, &called, on_free, &task, &failure));
    await(&freed, 1);
    CHECK_INT(1, called);
    CHECK_INT(1, faults);
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &after) == 0);
    for (int i = 1; i < NSIG; i++)
        CHECK_INT(sigismember(&mask, i), sigismember(&after, i));
    CHECK(sigaction(SIGSEGV, &before, NULL) == 0);
    CHECK(munmap(unreadable, page_size) == 0);
    mgenjit_task_free(task);
    mgenjit_source_free(source);
    mgenjit_executor_free(executor);
}

/* A compile that runs, and one that waits for its turn. */
static void cancelling(void)
{
    mgenjit_executor *executor = new_limited_executor(NULL, 1);
    mgenjit_source *source = large();
    mgenjit_task *running, *waiting, *last;
    CHECK_OK(mgenjit_executor_compile_async(executor, source, on_done, &called, on_free, &running, &failure));
    waiting = begin(executor, large());
    last = begin(executor, numbered(3));
    await(&events.count[MGENJIT_EVENT_COMPILE_STARTED], 1);
    CHECK_INT(0, wait_task(running, 100));
    CHECK_OK(mgenjit_task_cancel(waiting, &failure));
    CHECK_INT(1, wait_task(waiting, 0));
    CHECK_OK(mgenjit_task_cancel(running, &failure));
    CHECK_INT(1, wait_task(running, 0));
    CHECK_STATUS(MGENJIT_STATUS_CANCELLED, mgenjit_task_result(running, NULL, &failure));
    CHECK_MESSAGE("the compile of the task was cancelled");
    check_reset();
    CHECK_STATUS(MGENJIT_STATUS_CANCELLED, mgenjit_task_result(waiting, NULL, &failure));
    check_reset();
    await(&called, 1);
    /* The next one does not wait for what nobody wants. */
    CHECK_OK(mgenjit_task_result(last, NULL, &failure));
    CHECK_INT(3, call_numbered(executor, 3));
    CHECK_INT(2, events.count[MGENJIT_EVENT_COMPILE_STARTED]);
    CHECK_INT(1, called);
    mgenjit_task_free(running);
    mgenjit_task_free(waiting);
    mgenjit_task_free(last);
    mgenjit_source_free(source);
    mgenjit_executor_free(executor);
}

static void nobody_waits(void)
{
    mgenjit_executor *executor = new_limited_executor(NULL, 1);
    mgenjit_source *source = numbered(5);
    mgenjit_task *task;
    mgenjit_task_free(begin(executor, numbered(4)));
    CHECK_OK(mgenjit_executor_compile_async(executor, source, on_done, &called, on_free, &task, &failure));
    mgenjit_task_free(task);
    /* In turn. */
    await(&freed, 1);
    CHECK_INT(4, call_numbered(executor, 4));
    CHECK_INT(5, call_numbered(executor, 5));
    /* The executor lives until its tasks are done. */
    CHECK_OK(mgenjit_executor_compile_async(executor, source, on_done, &called, on_free, &task, &failure));
    mgenjit_executor_free(executor);
    await(&freed, 2);
    CHECK_OK(mgenjit_task_result(task, NULL, &failure));
    mgenjit_task_free(task);
    mgenjit_source_free(source);
}

static void prefetching(void)
{
    enum { SOURCES = 20 };
    mgenjit_executor *executor = new_limited_executor("prefetched", 0), *other;
    mgenjit_source *source;
    mgenjit_module *module;
    for (int i = 0; i < SOURCES; i++) {
        source = numbered(i);
        CHECK_OK(mgenjit_executor_prefetch(executor, source, &failure));
        mgenjit_source_free(source);
    }
    await(&events.count[MGENJIT_EVENT_STORED], SOURCES);
    CHECK_INT(0, events.count[MGENJIT_EVENT_LOADED]);
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_executor_lookup(executor, "f1", (void **)&other, &failure));
    check_reset();
    for (int i = 0; i < SOURCES; i++) {
        source = numbered(i);
        CHECK_OK(mgenjit_executor_compile_source(executor, source, &module, &failure));
        CHECK_INT(MGENJIT_ORIGIN_CACHE, mgenjit_module_origin(module));
        CHECK_INT(i, call_numbered(executor, i));
        mgenjit_module_free(module);
        mgenjit_source_free(source);
    }
    CHECK_INT(SOURCES, events.count[MGENJIT_EVENT_COMPILE_STARTED]);

    /* A compile of what is being prefetched joins it. */
    source = large();
    CHECK_OK(mgenjit_executor_prefetch(executor, source, &failure));
    await(&events.count[MGENJIT_EVENT_COMPILE_STARTED], SOURCES + 1);
    CHECK_OK(mgenjit_executor_compile_source(executor, source, &module, &failure));
    CHECK_STRING("", events.warning);
    CHECK_INT(MGENJIT_ORIGIN_CACHE, mgenjit_module_origin(module));
    CHECK_INT(SOURCES + 1, events.count[MGENJIT_EVENT_COMPILE_STARTED]);
    mgenjit_module_free(module);
    mgenjit_source_free(source);

    /* What is wrong is told by whoever compiles it. */
    source = source_of("nonsense");
    CHECK_OK(mgenjit_executor_prefetch(executor, source, &failure));
    CHECK_STATUS(MGENJIT_STATUS_PARSE, mgenjit_executor_compile_source(executor, source, NULL, &failure));
    check_reset();
    mgenjit_source_free(source);
    mgenjit_executor_free(executor);
}

/* Compiles source `number` in the background: what was begun before on the only thread is done then. */
static void drain(mgenjit_executor *executor, int number)
{
    mgenjit_task *task = begin(executor, numbered(number));
    CHECK_OK(mgenjit_task_result(task, NULL, &failure));
    mgenjit_task_free(task);
}

/* What the cache has is left alone, by its name or by its canonical module, and counts as no hit. */
static void prefetching_is_no_use(void)
{
    mgenjit_executor *executor = new_limited_executor("prefetched-again", 1);
    mgenjit_source *source = numbered(1), *renamed = source_of("; a comment\ndefine i32 @f1() {\n  ret i32 1\n}\n");
    mgenjit_cache_statistics statistics;
    drain(executor, 1);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(mgenjit_executor_prefetch(executor, source, &failure));
        CHECK_OK(mgenjit_executor_prefetch(executor, renamed, &failure));
    }
    drain(executor, 2);
    CHECK_INT(0, events.count[MGENJIT_EVENT_HIT]);
    CHECK_INT(2, events.count[MGENJIT_EVENT_STORED]);
    statistics = statistics_in(in_folder("prefetched-again"));
    CHECK_INT(0, statistics.hits + statistics.hits_by_alias);
    CHECK_INT(2, statistics.stores);
    /* A use is one. */
    drain(executor, 1);
    CHECK_INT(1, events.count[MGENJIT_EVENT_HIT]);
    statistics = statistics_in(in_folder("prefetched-again"));
    CHECK_INT(1, statistics.hits);
    mgenjit_executor_free(executor);
    mgenjit_source_free(source);
    mgenjit_source_free(renamed);
}

static void nowhere_to_prefetch_to(void)
{
    mgenjit_executor *executor = new_limited_executor(NULL, 1);
    mgenjit_source *source = numbered(1);
    CHECK_OK(mgenjit_executor_prefetch(executor, source, &failure));
    check_usable(executor);
    CHECK_INT(1, events.count[MGENJIT_EVENT_COMPILE_STARTED]);
    mgenjit_source_free(source);
    mgenjit_executor_free(executor);
}

/* A child has none of its parent's threads: its tasks are its own. */
static void forks(void)
{
    if (is_emulated()) {
        SKIP("qemu-user fails when a process of several threads forks");
        return;
    }
    mgenjit_executor *executor = new_limited_executor(NULL, 1);
    mgenjit_task *task = begin(executor, large()), *waiting = begin(executor, numbered(1));
    pid_t process;
    bool is_done = false;
    await(&events.count[MGENJIT_EVENT_COMPILE_STARTED], 1);
    process = fork();
    if (process == 0) {
        CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_task_wait(task, MGENJIT_FOREVER, &is_done, &failure));
        CHECK_MESSAGE("begun before fork");
        check_reset();
        CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_task_result(waiting, NULL, &failure));
        check_reset();
        mgenjit_task_free(task);
        mgenjit_task_free(waiting);
        task = begin(executor, numbered(2));
        CHECK_OK(mgenjit_task_result(task, NULL, &failure));
        CHECK_INT(2, call_numbered(executor, 2));
        mgenjit_task_free(task);
        mgenjit_executor_free(executor);
        exit(0);
    }
    CHECK_INT(0, wait_for(process, 60));
    CHECK_OK(mgenjit_task_cancel(task, &failure));
    CHECK_OK(mgenjit_task_result(waiting, NULL, &failure));
    CHECK_INT(1, call_numbered(executor, 1));
    mgenjit_task_free(task);
    mgenjit_task_free(waiting);
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = { CASE(results),    CASE(errors),       CASE(callbacks),   CASE(faults_are_told),
                                        CASE(cancelling), CASE(nobody_waits), CASE(prefetching),
                                        CASE(prefetching_is_no_use), CASE(nowhere_to_prefetch_to), CASE(forks) };
    return RUN_CASES(cases);
}
