// libs: -lpthread
// runs: once

/* Many processes and threads with one cache, while it is trimmed, cleared and rebuilt, and while they are killed. */
#include "entries.h"
#include "servers.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>

enum { MODULES = 24, MOST_PROCESSES = 64, MOST_THREADS = 4 };

/* Who waits for a lock that nobody gives up would wait for ever, in milliseconds: until the case is killed. */
static const uint32_t NO_TIMEOUT = UINT32_MAX;

/* What one process has done so far; it stays when the process is killed. */
typedef struct account {
    int started, requests, compiled, stored, hits, warnings;
    /* What was done to the cache beside requests. */
    int turns;
} account;

static struct shared {
    int ready, go, stop;
    account accounts[MOST_PROCESSES];
} *shared;

static char *cache;

/* Whoever is left by a case that failed ends with it. */
static void end_with_parent(void)
{
    CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
}

static void setup(const char *name)
{
    cache = new_cache(name);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
}

/* What goes on at the same time is spread over it; nothing is waited for. */
static void pause_for(int milliseconds)
{
    const struct timespec pause = { milliseconds / 1000, milliseconds % 1000 * 1000000L };
    nanosleep(&pause, NULL);
}

static int add_to(int *counter, int by)
{
    return __atomic_add_fetch(counter, by, __ATOMIC_SEQ_CST);
}

static int read_from(int *counter)
{
    return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

static void count_event(const mgenjit_event *event, void *user)
{
    account *mine = user;
    if (event->kind == MGENJIT_EVENT_COMPILED)
        add_to(&mine->compiled, 1);
    if (event->kind == MGENJIT_EVENT_STORED)
        add_to(&mine->stored, 1);
    if (event->kind == MGENJIT_EVENT_HIT)
        add_to(&mine->hits, 1);
    if (event->kind == MGENJIT_EVENT_CACHE_WARNING) {
        add_to(&mine->warnings, 1);
        fprintf(stderr, "%d: %s\n", (int)getpid(), event->message);
    }
}

static mgenjit_config *new_config(account *mine)
{
    mgenjit_config *config = default_config();
    CHECK_OK(mgenjit_config_set_cache_dir(config, cache, &failure));
    CHECK_OK(mgenjit_config_set_max_servers(config, 1, &failure));
    CHECK_OK(mgenjit_config_set_lock_timeout(config, NO_TIMEOUT, &failure));
    if (mine != NULL)
        CHECK_OK(mgenjit_config_set_event_hook(config, count_event, mine, NULL, &failure));
    return config;
}

static mgenjit_executor *executor_of(account *mine)
{
    mgenjit_config *config = new_config(mine);
    mgenjit_executor *executor = new_executor(config);
    mgenjit_config_free(config);
    return executor;
}

/* Compiles or hits module `number` and uses it. Returns its origin; 0 if its server was killed. */
static int use(mgenjit_executor *executor, account *mine, int number)
{
    char ir[128];
    mgenjit_module *module = NULL;
    mgenjit_status status;
    void *address;
    int origin;
    snprintf(ir, sizeof ir, "define i32 @f(i32 %%x) {\n  %%y = mul i32 %%x, %d\n  ret i32 %%y\n}\n", number + 3);
    add_to(&mine->started, 1);
    check_reset();
    status = mgenjit_executor_compile(executor, "raced", ir, strlen(ir), &module, &failure);
    if (status == MGENJIT_STATUS_SERVER_CRASHED || status == MGENJIT_STATUS_SERVER_UNAVAILABLE) {
        add_to(&mine->requests, 1);
        return 0;
    }
    check_status(__FILE__, __LINE__, "compile", MGENJIT_STATUS_OK, status);
    CHECK_OK(mgenjit_module_lookup(module, "f", &address, &failure));
    CHECK_INT((number + 3) * 7, ((int (*)(int))address)(7));
    origin = mgenjit_module_origin(module);
    CHECK_OK(mgenjit_module_remove(module, &failure));
    mgenjit_module_free(module);
    add_to(&mine->requests, 1);
    return origin;
}

/* Starts a process that ends with its body. */
static pid_t start(void (*body)(account *), int number)
{
    pid_t process;
    fflush(NULL);
    process = fork();
    if (process != 0)
        return process;
    end_with_parent();
    body(&shared->accounts[number]);
    exit(0);
}

static void wait_for_go(void)
{
    add_to(&shared->ready, 1);
    CHECK_UNTIL(read_from(&shared->go));
}

static void go_when_ready(int count)
{
    CHECK_UNTIL(read_from(&shared->ready) >= count);
    add_to(&shared->go, 1);
}

static account total(void)
{
    account sum = { 0, 0, 0, 0, 0, 0, 0 };
    for (int i = 0; i < MOST_PROCESSES; i++) {
        const account *one = &shared->accounts[i];
        sum.started += one->started;
        sum.requests += one->requests;
        sum.compiled += one->compiled;
        sum.stored += one->stored;
        sum.hits += one->hits;
        sum.warnings += one->warnings;
        sum.turns += one->turns;
    }
    return sum;
}

static mgenjit_cache *open_cache(uint64_t max_entries)
{
    mgenjit_config *config = new_config(NULL);
    mgenjit_cache *opened = NULL;
    CHECK_OK(mgenjit_config_set_cache_limits(config, 0, max_entries, 0, &failure));
    CHECK_OK(mgenjit_cache_open(config, &opened, &failure));
    mgenjit_config_free(config);
    return opened;
}

static mgenjit_cache_statistics statistics_of(mgenjit_cache *opened)
{
    mgenjit_cache_statistics statistics;
    memset(&statistics, 0, sizeof statistics);
    statistics.size = sizeof statistics;
    CHECK_OK(mgenjit_cache_stats(opened, &statistics, &failure));
    return statistics;
}

static long long misses_of(const mgenjit_cache_statistics *statistics)
{
    return (long long)(statistics->misses_new + statistics->misses_evicted + statistics->misses_removed
                       + statistics->misses_damaged + statistics->misses_untrusted);
}

/* Entries and bytes as counted are those of the files, before and after the index is made anew. */
static mgenjit_cache_statistics check_totals(void)
{
    mgenjit_cache *opened = open_cache(0);
    mgenjit_cache_statistics before = statistics_of(opened), after;
    long long bytes = 0;
    list_entries(cache);
    for (int i = 0; i < entry_count; i++) {
        struct stat status;
        CHECK(stat(entries[i], &status) == 0);
        bytes += status.st_size;
    }
    CHECK_INT(entry_count, before.entries);
    CHECK_INT(bytes, before.bytes);
    CHECK_OK(mgenjit_cache_rebuild(opened, NULL, NULL, &failure));
    after = statistics_of(opened);
    CHECK_INT(entry_count, after.entries);
    CHECK_INT(bytes, after.bytes);
    CHECK_INT(before.hits, after.hits);
    CHECK_INT(misses_of(&before), misses_of(&after));
    CHECK_INT(before.stores, after.stores);
    mgenjit_cache_free(opened);
    return after;
}

/* How many files a folder of the cache has. */
static int count_files(const char *name)
{
    char *path = join(cache, name);
    DIR *folder = opendir(path);
    struct dirent *entry;
    int count = 0;
    CHECK(folder != NULL);
    while ((entry = readdir(folder)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(folder);
    free(path);
    return count;
}

/* 64 processes, some with threads, want all modules, each in its own order. */

typedef struct round {
    mgenjit_executor *executor;
    account *mine;
    int offset;
} round;

static void *use_all(void *argument)
{
    static const int STRIDES[] = { 1, 5, 7, 11, 13, 17, 19, 23 };
    const round *mine = argument;
    for (int i = 0; i < MODULES; i++)
        use(mine->executor, mine->mine, (mine->offset + i * STRIDES[mine->offset % 8]) % MODULES);
    return NULL;
}

static void use_all_in_threads(account *mine)
{
    const int number = (int)(mine - shared->accounts), count = number % 4 == 0 ? MOST_THREADS : 1;
    pthread_t threads[MOST_THREADS];
    round rounds[MOST_THREADS];
    mgenjit_executor *executor = executor_of(mine);
    wait_for_go();
    for (int i = 0; i < count; i++) {
        rounds[i].executor = executor;
        rounds[i].mine = mine;
        rounds[i].offset = number + i;
        CHECK(pthread_create(&threads[i], NULL, use_all, &rounds[i]) == 0);
    }
    for (int i = 0; i < count; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    mgenjit_executor_free(executor);
}

static void once_for_all(void)
{
    pid_t processes[MOST_PROCESSES];
    mgenjit_cache_statistics statistics;
    account sum;
    setup("once");
    for (int i = 0; i < MOST_PROCESSES; i++)
        processes[i] = start(use_all_in_threads, i);
    go_when_ready(MOST_PROCESSES);
    for (int i = 0; i < MOST_PROCESSES; i++)
        CHECK_INT(0, wait_for(processes[i], 100));
    sum = total();
    CHECK_INT(MODULES, sum.compiled);
    CHECK_INT(MODULES, sum.stored);
    CHECK_INT(0, sum.warnings);
    CHECK_INT(sum.requests - MODULES, sum.hits);
    statistics = check_totals();
    CHECK_INT(MODULES, statistics.entries);
    CHECK_INT(MODULES, statistics.stores);
    CHECK_INT(MODULES, statistics.misses_new);
    CHECK_INT(MODULES, misses_of(&statistics));
    CHECK_INT(sum.hits, statistics.hits);
    CHECK_INT(0, count_files("v4/tmp"));
    CHECK_INT(0, count_files("v4/locks"));
}

/* The same modules again and again, while others remove them and make the index anew. */

static void use_until_stopped(account *mine)
{
    mgenjit_executor *executor = executor_of(mine);
    unsigned seed = (unsigned)(mine - shared->accounts);
    while (!read_from(&shared->stop))
        use(executor, mine, rand_r(&seed) % MODULES);
    mgenjit_executor_free(executor);
}

static void trim_until_stopped(account *mine)
{
    mgenjit_cache *opened = open_cache(MODULES / 4);
    for (; !read_from(&shared->stop); pause_for(5), add_to(&mine->turns, 1))
        CHECK_OK(mgenjit_cache_trim(opened, NULL, NULL, &failure));
    mgenjit_cache_free(opened);
}

static void clear_until_stopped(account *mine)
{
    mgenjit_cache *opened = open_cache(0);
    for (; !read_from(&shared->stop); pause_for(300), add_to(&mine->turns, 1))
        CHECK_OK(mgenjit_cache_clear(opened, 0, NULL, NULL, &failure));
    mgenjit_cache_free(opened);
}

static void rebuild_until_stopped(account *mine)
{
    mgenjit_cache *opened = open_cache(0);
    for (; !read_from(&shared->stop); pause_for(50), add_to(&mine->turns, 1))
        CHECK_OK(mgenjit_cache_rebuild(opened, NULL, NULL, &failure));
    mgenjit_cache_free(opened);
}

static void ask_until_stopped(account *mine)
{
    mgenjit_cache *opened = open_cache(0);
    for (; !read_from(&shared->stop); pause_for(5), add_to(&mine->turns, 1)) {
        mgenjit_cache_iterator *iterator = NULL;
        mgenjit_cache_info info;
        char last[MGENJIT_KEY_SIZE] = "";
        statistics_of(opened);
        CHECK_OK(mgenjit_cache_iterate(opened, NULL, &iterator, &failure));
        for (;;) {
            mgenjit_cache_entry *entry = NULL;
            mgenjit_status status;
            memset(&info, 0, sizeof info);
            info.size = sizeof info;
            CHECK_OK(mgenjit_cache_iterator_next(iterator, &info, &failure));
            if (info.key == NULL)
                break;
            CHECK_STRING("raced", info.name);
            CHECK(strcmp(last, info.key) < 0);
            snprintf(last, sizeof last, "%s", info.key);
            check_reset();
            status = mgenjit_cache_entry_open(opened, last, &entry, &failure);
            if (status != MGENJIT_STATUS_NOT_FOUND)
                check_status(__FILE__, __LINE__, "open", MGENJIT_STATUS_OK, status);
            mgenjit_cache_entry_free(entry);
        }
        mgenjit_cache_iterator_free(iterator);
    }
    mgenjit_cache_free(opened);
}

static void while_it_is_changed(void)
{
    enum { USERS = 12 };
    static void (*const OTHERS[])(account *) = { trim_until_stopped, clear_until_stopped, rebuild_until_stopped,
                                                 ask_until_stopped, ask_until_stopped };
    pid_t processes[USERS + 5];
    mgenjit_cache_statistics statistics;
    account sum;
    setup("changed");
    /* What there is none of yet cannot be trimmed. */
    {
        mgenjit_executor *executor = executor_of(&shared->accounts[0]);
        use(executor, &shared->accounts[0], 0);
        mgenjit_executor_free(executor);
    }
    for (int i = 0; i < USERS; i++)
        processes[i] = start(use_until_stopped, i);
    for (int i = 0; i < 5; i++)
        processes[USERS + i] = start(OTHERS[i], USERS + i);
    /* Long enough for each to have come in the way of the others. */
    CHECK_UNTIL(total().requests >= 2000);
    for (int i = 0; i < 5; i++)
        CHECK_UNTIL(read_from(&shared->accounts[USERS + i].turns) >= 10);
    add_to(&shared->stop, 1);
    for (int i = 0; i < USERS + 5; i++)
        CHECK_INT(0, wait_for(processes[i], 60));
    sum = total();
    statistics = check_totals();
    fprintf(stderr, "%d requests, %d compiled, %d evicted, %d removed, %d turns of others\n", sum.requests, sum.compiled,
            (int)statistics.evictions, (int)statistics.removals, sum.turns);
    CHECK_INT(0, sum.warnings);
    CHECK_INT(sum.hits, statistics.hits);
    CHECK_INT(sum.requests, (long long)statistics.hits + misses_of(&statistics));
    CHECK_INT(sum.compiled, misses_of(&statistics));
    CHECK_INT(sum.stored, statistics.stores);
    CHECK(statistics.evictions > 0);
    CHECK_INT(0, count_files("v4/tmp"));
    CHECK_INT(0, count_files("v4/locks"));
}

/* Kills of those who compile, of their servers, and of those who change the cache. */

static void make_old(const char *name)
{
    const struct timespec times[2] = { { time(NULL) - 7300, 0 }, { time(NULL) - 7300, 0 } };
    char *path = join(cache, name);
    DIR *folder = opendir(path);
    struct dirent *entry;
    CHECK(folder != NULL);
    while ((entry = readdir(folder)) != NULL)
        if (entry->d_name[0] != '.')
            CHECK(utimensat(dirfd(folder), entry->d_name, times, AT_SYMLINK_NOFOLLOW) == 0);
    closedir(folder);
    free(path);
}

static void with_kills(void)
{
    enum { USERS = 8, OTHERS = 3, ALL = USERS + OTHERS, KILLS = 250 };
    static void (*const BODIES[OTHERS])(account *) = { trim_until_stopped, rebuild_until_stopped, clear_until_stopped };
    pid_t processes[ALL];
    account killed = { 0, 0, 0, 0, 0, 0, 0 }, sum;
    mgenjit_cache_statistics statistics;
    mgenjit_cache *opened;
    unsigned seed = 1;
    setup("kills");
    {
        mgenjit_executor *executor = executor_of(&shared->accounts[0]);
        use(executor, &shared->accounts[0], 0);
        mgenjit_executor_free(executor);
    }
    for (int i = 0; i < ALL; i++)
        processes[i] = start(i < USERS ? use_until_stopped : BODIES[i - USERS], i);
    for (int i = 0; i < KILLS; i++) {
        const int victim = rand_r(&seed) % (ALL + 2);
        pause_for(rand_r(&seed) % 40);
        if (victim >= ALL) {
            pid_t ids[MOST_SERVERS];
            const int count = servers(ids);
            if (count > 0)
                kill(ids[rand_r(&seed) % count], SIGKILL);
            continue;
        }
        CHECK(kill(processes[victim], SIGKILL) == 0);
        CHECK(waitpid(processes[victim], NULL, 0) == processes[victim]);
        processes[victim] = start(victim < USERS ? use_until_stopped : BODIES[victim - USERS], victim);
        killed.started++;
    }
    add_to(&shared->stop, 1);
    for (int i = 0; i < ALL; i++)
        CHECK_INT(0, wait_for(processes[i], 60));
    sum = total();
    make_old("v4/tmp");
    make_old("v4/locks");
    opened = open_cache(0);
    CHECK_OK(mgenjit_cache_trim(opened, NULL, NULL, &failure));
    mgenjit_cache_free(opened);
    CHECK_INT(0, count_files("v4/tmp"));
    CHECK_INT(0, count_files("v4/locks"));
    statistics = check_totals();
    fprintf(stderr, "%d requests started, %d ended; %d hits and %d misses counted; %d processes killed\n",
            sum.started, sum.requests, (int)statistics.hits, (int)misses_of(&statistics), killed.started);
    /* What was killed may have been counted, and is not counted twice. */
    CHECK((long long)statistics.hits + misses_of(&statistics) >= sum.requests);
    CHECK((long long)statistics.hits + misses_of(&statistics) <= sum.started);
    CHECK((long long)statistics.stores >= sum.stored && (long long)statistics.stores <= sum.stored + killed.started);
}

/* Whoever compiles a module hangs. */

static int stop_now;

static void stop_when_compiling(const mgenjit_event *event, void *user)
{
    (void)user;
    if (event->kind == MGENJIT_EVENT_COMPILE_STARTED && stop_now) {
        stop_now = 0;
        raise(SIGSTOP);
    }
}

static pid_t start_hanging(int number)
{
    int status;
    pid_t process;
    fflush(NULL);
    process = fork();
    if (process == 0) {
        mgenjit_config *config = new_config(NULL);
        mgenjit_executor *executor;
        account mine = { 0, 0, 0, 0, 0, 0, 0 };
        end_with_parent();
        stop_now = 1;
        CHECK_OK(mgenjit_config_set_event_hook(config, stop_when_compiling, NULL, NULL, &failure));
        executor = new_executor(config);
        use(executor, &mine, number);
        exit(0);
    }
    CHECK(waitpid(process, &status, WUNTRACED) == process && WIFSTOPPED(status));
    return process;
}

static void use_with_a_timeout(account *mine)
{
    mgenjit_config *config = new_config(mine);
    mgenjit_executor *executor;
    CHECK_OK(mgenjit_config_set_lock_timeout(config, 400, &failure));
    executor = new_executor(config);
    wait_for_go();
    use(executor, mine, 3);
    exit(0);
}

static void a_holder_that_hangs(void)
{
    enum { OTHERS = 4 };
    pid_t holder, others[OTHERS];
    account sum;
    setup("hangs");
    holder = start_hanging(3);
    for (int i = 0; i < OTHERS; i++)
        others[i] = start(use_with_a_timeout, i);
    go_when_ready(OTHERS);
    for (int i = 0; i < OTHERS; i++)
        CHECK_INT(0, wait_for(others[i], 30));
    sum = total();
    CHECK_INT(OTHERS, sum.requests);
    CHECK(sum.compiled >= 1);
    /* Each was told that it waited in vain. */
    CHECK(sum.warnings >= sum.compiled);
    CHECK(kill(holder, SIGCONT) == 0);
    CHECK_INT(0, wait_for(holder, 30));
    check_totals();
    CHECK_INT(0, count_files("v4/locks"));
}

/* A killed one delays nobody, though it had stopped before. */
static void a_holder_that_is_killed(void)
{
    pid_t holder;
    mgenjit_executor *executor;
    setup("killed");
    holder = start_hanging(3);
    CHECK(kill(holder, SIGKILL) == 0 && waitpid(holder, NULL, 0) == holder);
    executor = executor_of(&shared->accounts[0]);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use(executor, &shared->accounts[0], 3));
    CHECK_INT(0, shared->accounts[0].warnings);
    mgenjit_executor_free(executor);
    CHECK_INT(0, count_files("v4/locks"));
}

static void stop_in_progress(uint64_t done, uint64_t all, void *user)
{
    (void)done;
    (void)all;
    (void)user;
    raise(SIGSTOP);
}

/* Whoever clears the cache hangs: compiles go on, and statistics are as they were. */
static void an_operation_that_hangs(void)
{
    pid_t process;
    int status;
    mgenjit_config *config;
    mgenjit_executor *executor;
    mgenjit_cache *opened;
    setup("operation");
    config = new_config(&shared->accounts[0]);
    CHECK_OK(mgenjit_config_set_cache_limits(config, 0, 4, 0, &failure));
    executor = new_executor(config);
    for (int i = 0; i < 3; i++)
        use(executor, &shared->accounts[0], i);
    process = fork();
    if (process == 0) {
        end_with_parent();
        opened = open_cache(0);
        CHECK_OK(mgenjit_cache_clear(opened, 0, stop_in_progress, NULL, &failure));
        exit(0);
    }
    CHECK(waitpid(process, &status, WUNTRACED) == process && WIFSTOPPED(status));
    for (int i = 3; i < MODULES; i++)
        use(executor, &shared->accounts[0], i);
    CHECK_INT(0, shared->accounts[0].warnings);
    opened = open_cache(0);
    statistics_of(opened);
    mgenjit_cache_free(opened);
    CHECK(kill(process, SIGKILL) == 0 && waitpid(process, NULL, 0) == process);
    use(executor, &shared->accounts[0], MODULES);
    check_totals();
    CHECK(entry_count <= 4);
    mgenjit_executor_free(executor);
}

/* Processes that fork while their threads compile and trim. Parent and children use the cache, with the executor
 * that they share and with their own. */

static int stop_threads;

static void *use_in_a_thread(void *argument)
{
    const round *mine = argument;
    unsigned seed = (unsigned)mine->offset;
    while (!read_from(&stop_threads))
        use(mine->executor, mine->mine, rand_r(&seed) % MODULES);
    return NULL;
}

static void after_fork(mgenjit_executor *executor, account *mine, unsigned seed)
{
    mgenjit_config *config = new_config(mine);
    mgenjit_executor *own;
    end_with_parent();
    CHECK_OK(mgenjit_config_set_cache_limits(config, 0, MODULES / 4, 0, &failure));
    own = new_executor(config);
    for (int i = 0; i < 3; i++) {
        use(own, mine, rand_r(&seed) % MODULES);
        use(executor, mine, rand_r(&seed) % MODULES);
    }
    /* It lives on, and has what it was forked with. */
    CHECK_UNTIL(read_from(&shared->stop));
    exit(0);
}

/* Fails if the child has ended. */
static int is_alive(pid_t child)
{
    int status;
    CHECK_INT(0, waitpid(child, &status, WNOHANG));
    return 1;
}

static void forks(void)
{
    enum { THREADS = 3, CHILDREN = 40 };
    pthread_t threads[THREADS];
    round rounds[THREADS];
    pid_t children[CHILDREN];
    mgenjit_config *config;
    mgenjit_executor *executor;
    mgenjit_cache *opened;
    account sum;
    mgenjit_cache_statistics statistics;
    setup("forks");
    config = new_config(&shared->accounts[0]);
    CHECK_OK(mgenjit_config_set_cache_limits(config, 0, MODULES / 4, 0, &failure));
    executor = new_executor(config);
    for (int i = 0; i < THREADS; i++) {
        rounds[i].executor = executor;
        rounds[i].mine = &shared->accounts[0];
        rounds[i].offset = i;
        CHECK(pthread_create(&threads[i], NULL, use_in_a_thread, &rounds[i]) == 0);
    }
    for (int i = 0; i < CHILDREN; i++) {
        pause_for(10);
        children[i] = fork();
        if (children[i] == 0)
            after_fork(executor, &shared->accounts[1 + i], (unsigned)i);
    }
    add_to(&stop_threads, 1);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (int i = 0; i < CHILDREN; i++)
        CHECK_UNTIL(read_from(&shared->accounts[1 + i].requests) >= 6 || !is_alive(children[i]));
    /* No child has a lock. */
    opened = open_cache(0);
    CHECK_OK(mgenjit_cache_trim(opened, NULL, NULL, &failure));
    mgenjit_cache_free(opened);
    add_to(&shared->stop, 1);
    for (int i = 0; i < CHILDREN; i++)
        CHECK_INT(0, wait_for(children[i], 30));
    sum = total();
    statistics = check_totals();
    fprintf(stderr, "%d requests, %d compiled\n", sum.requests, sum.compiled);
    CHECK_INT(0, sum.warnings);
    CHECK_INT(sum.requests, (long long)statistics.hits + misses_of(&statistics));
    CHECK_INT(sum.stored, statistics.stores);
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(once_for_all), CASE(while_it_is_changed), CASE(with_kills), CASE(a_holder_that_hangs),
        CASE(a_holder_that_is_killed), CASE(an_operation_that_hangs), CASE(forks),
    };
    check_seconds = 120;
    return RUN_CASES(cases);
}
