// runs: once

/* Caches in odd places: other kinds of mounts, other namespaces, and systems on which some calls fail. */
#include "caches.h"
#include "namespaces.h"
#include "refusals.h"

#include <sys/mount.h>
#include <sys/syscall.h>

static check_events events;

static mgenjit_config *new_config(const char *cache, uint64_t max_entries)
{
    mgenjit_config *config = new_watched_config(&events);
    CHECK_OK(mgenjit_config_set_cache_dir(config, cache, &failure));
    CHECK_OK(mgenjit_config_set_max_servers(config, 1, &failure));
    CHECK_OK(mgenjit_config_set_cache_limits(config, 0, max_entries, 0, &failure));
    return config;
}

static mgenjit_executor *new_limited_executor(const char *cache, uint64_t max_entries)
{
    mgenjit_config *config = new_config(cache, max_entries);
    mgenjit_executor *executor = new_executor(config);
    mgenjit_config_free(config);
    return executor;
}

static int use_numbered(mgenjit_executor *executor, int number)
{
    char ir[128];
    mgenjit_module *module;
    void *address;
    int origin;
    snprintf(ir, sizeof ir, "define i32 @f(i32 %%x) {\n  %%y = mul i32 %%x, %d\n  ret i32 %%y\n}\n", number + 3);
    module = add(executor, ir);
    origin = mgenjit_module_origin(module);
    CHECK_OK(mgenjit_module_lookup(module, "f", &address, &failure));
    CHECK_INT((number + 3) * 7, ((int (*)(int))address)(7));
    CHECK_OK(mgenjit_module_remove(module, &failure));
    mgenjit_module_free(module);
    return origin;
}

/* It works, or says what is in its way. */
static int clean(mgenjit_status status)
{
    check_status(__FILE__, __LINE__, "an operation on the cache", status, status);
    if (status != MGENJIT_STATUS_OK && status != MGENJIT_STATUS_CACHE && status != MGENJIT_STATUS_NOT_FOUND)
        check_failed(__FILE__, __LINE__, "%s: %s", mgenjit_status_name(status), mgenjit_error_message(failure));
    if (status != MGENJIT_STATUS_OK)
        fprintf(stderr, "%s\n", mgenjit_error_message(failure));
    return status == MGENJIT_STATUS_OK;
}

#define CLEAN(call) (check_reset(), clean(call))

enum { OPERATIONS = 5 };

/* Returns how many operations worked. `clears` says whether to remove everything at the end. */
static int administer(const char *cache, uint64_t max_entries, int clears, mgenjit_cache_statistics *statistics)
{
    mgenjit_config *config = new_config(cache, max_entries);
    mgenjit_cache *opened = NULL;
    mgenjit_cache_iterator *iterator = NULL;
    int worked = 0;
    CHECK_OK(mgenjit_cache_open(config, &opened, &failure));
    worked += CLEAN(mgenjit_cache_trim(opened, NULL, NULL, &failure));
    worked += CLEAN(mgenjit_cache_rebuild(opened, NULL, NULL, &failure));
    memset(statistics, 0, sizeof *statistics);
    statistics->size = sizeof *statistics;
    worked += CLEAN(mgenjit_cache_stats(opened, statistics, &failure));
    if (CLEAN(mgenjit_cache_iterate(opened, NULL, &iterator, &failure))) {
        mgenjit_cache_info info;
        info.size = sizeof info;
        worked += CLEAN(mgenjit_cache_iterator_next(iterator, &info, &failure));
        mgenjit_cache_iterator_free(iterator);
    }
    if (clears)
        worked += CLEAN(mgenjit_cache_clear(opened, 0, NULL, NULL, &failure));
    mgenjit_cache_free(opened);
    mgenjit_config_free(config);
    return worked;
}

/* A place in which all works. */
static void check_all_works(const char *cache)
{
    mgenjit_cache_statistics statistics;
    mgenjit_executor *executor = new_limited_executor(cache, 4);
    for (int i = 0; i < 10; i++)
        CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_numbered(executor, i));
    CHECK_INT(0, events.count[MGENJIT_EVENT_CACHE_WARNING]);
    CHECK_INT(10, events.count[MGENJIT_EVENT_STORED]);
    mgenjit_executor_free(executor);
    CHECK(list_entries(cache) <= 4 && entry_count >= 1);
    CHECK_INT(OPERATIONS - 1, administer(cache, 4, 0, &statistics));
    CHECK_INT(entry_count, statistics.entries);
    CHECK_INT(10, statistics.stores);
    CHECK_INT(10 - entry_count, statistics.evictions);
    CHECK_INT(OPERATIONS, administer(cache, 4, 1, &statistics));
    CHECK_INT(0, list_entries(cache));
}

/* A namespace in which this process may mount. Returns 0 if it may not. */
static int may_mount(void)
{
    if (enter_namespaces(CLONE_NEWNS)
        && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
        return 1;
    SKIP("this user may not mount: %s", strerror(errno));
    return 0;
}

static int try_mount(const char *source, const char *target, const char *kind, unsigned long flags,
                     const char *options)
{
    if (mount(source, target, kind, flags, options) == 0)
        return 1;
    SKIP("there is no %s here: %s", kind, strerror(errno));
    return 0;
}

static void in_memory(void)
{
    char *cache = new_cache("memory");
    if (may_mount() && try_mount("none", cache, "tmpfs", 0, "size=8m,mode=0700"))
        check_all_works(cache);
}

static void no_code_from_files(void)
{
    char *cache = new_cache("noexec");
    if (may_mount() && try_mount("none", cache, "tmpfs", MS_NOEXEC, "size=8m,mode=0700"))
        check_all_works(cache);
}

/* An image with a cache, and a container's layer above it: what is below is found, and what is stored, evicted or
 * removed changes the upper one alone. */
static void overlay(void)
{
    char *place = new_cache("overlay"), *lower = join(place, "lower"), *upper = join(place, "upper"),
         *work = join(place, "work"), *merged = join(place, "merged"), *options = NULL;
    mgenjit_executor *executor;
    mgenjit_cache_statistics statistics;
    int below;
    if (!may_mount())
        return;
    /* Not on what may be an overlay itself. */
    if (!try_mount("none", place, "tmpfs", 0, "size=16m,mode=0700"))
        return;
    CHECK(mkdir(lower, 0700) == 0 && mkdir(upper, 0700) == 0 && mkdir(work, 0700) == 0 && mkdir(merged, 0700) == 0);
    executor = new_limited_executor(lower, 0);
    for (int i = 0; i < 5; i++)
        use_numbered(executor, i);
    mgenjit_executor_free(executor);
    administer(lower, 0, 0, &statistics);
    below = list_entries(lower);
    CHECK_INT(5, below);
    CHECK(asprintf(&options, "lowerdir=%s,upperdir=%s,workdir=%s", lower, upper, work) > 0);
    if (!try_mount("none", merged, "overlay", 0, options))
        return;
    executor = new_limited_executor(merged, 0);
    for (int i = 0; i < 5; i++)
        CHECK_INT(MGENJIT_ORIGIN_CACHE, use_numbered(executor, i));
    for (int i = 5; i < 8; i++)
        CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_numbered(executor, i));
    CHECK_INT(0, events.count[MGENJIT_EVENT_CACHE_WARNING]);
    CHECK_INT(3, events.count[MGENJIT_EVENT_STORED]);
    mgenjit_executor_free(executor);
    CHECK_INT(8, list_entries(merged));
    CHECK_INT(OPERATIONS - 1, administer(merged, 2, 0, &statistics));
    CHECK_INT(2, statistics.entries);
    CHECK_INT(6, statistics.evictions);
    CHECK_INT(8, statistics.stores);
    CHECK_INT(2, list_entries(merged));
    CHECK_INT(5, list_entries(lower));
    CHECK_INT(OPERATIONS, administer(merged, 2, 1, &statistics));
    CHECK_INT(5, list_entries(lower));
    CHECK_INT(0, list_entries(merged));
    check_all_works(new_cache("overlay/merged/new"));
}

/* What is there is found, and can be listed; nothing else works, and says so. */
static void a_read_only_mount(void)
{
    char *cache = new_cache("read-only");
    mgenjit_executor *executor = new_limited_executor(cache, 0);
    mgenjit_cache_statistics statistics;
    mgenjit_config *config;
    mgenjit_cache *opened;
    use_numbered(executor, 0);
    mgenjit_executor_free(executor);
    if (!may_mount() || mount(cache, cache, NULL, MS_BIND, NULL) != 0
        || mount(NULL, cache, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) != 0) {
        SKIP("it cannot be mounted: %s", strerror(errno));
        return;
    }
    executor = new_limited_executor(cache, 0);
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_numbered(executor, 0));
    CHECK_INT(0, events.count[MGENJIT_EVENT_CACHE_WARNING]);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_numbered(executor, 1));
    CHECK(events.count[MGENJIT_EVENT_CACHE_WARNING] >= 1);
    mgenjit_executor_free(executor);
    config = new_config(cache, 0);
    CHECK_OK(mgenjit_cache_open(config, &opened, &failure));
    memset(&statistics, 0, sizeof statistics);
    statistics.size = sizeof statistics;
    CHECK_OK(mgenjit_cache_stats(opened, &statistics, &failure));
    CHECK_INT(1, statistics.entries);
    mgenjit_cache_free(opened);
    administer(cache, 0, 1, &statistics);
    CHECK_INT(1, list_entries(cache));
}

/* A disk that is full while entries are stored, while the index is written, and while it is trimmed. */
static void a_full_disk(void)
{
    char *cache = new_cache("full"), *filling = join(cache, "filling");
    if (!may_mount() || !try_mount("none", cache, "tmpfs", 0, "size=2m,mode=0700"))
        return;
    {
        mgenjit_executor *executor = new_limited_executor(cache, 0);
        for (int i = 0; i < 8; i++)
            use_numbered(executor, i);
        mgenjit_executor_free(executor);
    }
    for (long free_bytes = 0; free_bytes <= 256 << 10; free_bytes += 12 << 10) {
        mgenjit_cache_statistics statistics;
        mgenjit_executor *executor;
        struct stat status;
        long room = 4096;
        int file = open(filling, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        static char zeros[4096];
        CHECK(file >= 0 && fstat(file, &status) == 0);
        while (write(file, zeros, sizeof zeros) == (ssize_t)sizeof zeros)
            room += 4096;
        CHECK_INT(ENOSPC, errno);
        CHECK(ftruncate(file, room > free_bytes + 4096 ? room - 4096 - free_bytes : 0) == 0);
        close(file);
        executor = new_limited_executor(cache, 6);
        for (int i = 0; i < 12; i++)
            use_numbered(executor, i);
        mgenjit_executor_free(executor);
        administer(cache, 6, 0, &statistics);
        /* There is room again. */
        CHECK(unlink(filling) == 0);
        executor = new_limited_executor(cache, 6);
        for (int i = 0; i < 12; i++)
            use_numbered(executor, i);
        CHECK_INT(0, events.count[MGENJIT_EVENT_CACHE_WARNING]);
        mgenjit_executor_free(executor);
        CHECK_INT(OPERATIONS - 1, administer(cache, 6, 0, &statistics));
        CHECK_INT(list_entries(cache), statistics.entries);
        CHECK(entry_count <= 6);
    }
}

static int count_listed(mgenjit_cache *cache)
{
    char keys[64][MGENJIT_KEY_SIZE];
    return list_keys(cache, keys);
}

/* On a disk without a byte of room what is asked is answered by the files, and what is removed is told. */
static void answers_on_a_full_disk(void)
{
    char *folder = new_cache("full-answers"), *filling = join(folder, "filling"), keys[64][MGENJIT_KEY_SIZE];
    mgenjit_cache_statistics statistics;
    mgenjit_config *config;
    mgenjit_cache *cache;
    if (!may_mount() || !try_mount("none", folder, "tmpfs", 0, "size=1m,mode=0700"))
        return;
    config = config_for(folder, NULL);
    cache = open_cache(config);
    for (int round = 0; round < 3; round++) {
        static char zeros[4096];
        int file;
        mgenjit_executor *executor = new_limited_executor(folder, 0);
        for (int i = 0; i < 3; i++)
            use_numbered(executor, i);
        mgenjit_executor_free(executor);
        /* In the last round the index does not know them yet. */
        if (round < 2)
            CHECK_INT(3, statistics_of(cache).entries);
        if (round == 1)
            CHECK(unlink(join(folder, "v4/index.sqlite")) == 0);
        file = open(filling, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        CHECK(file >= 0);
        while (write(file, zeros, sizeof zeros) > 0)
            continue;
        CHECK_INT(ENOSPC, errno);
        close(file);

        statistics = statistics_of(cache);
        CHECK_INT(3, statistics.entries);
        CHECK_INT(round != 1, statistics.has_history);
        if (round == 0)
            CHECK_INT(3, statistics.stores);
        CHECK_INT(3, list_keys(cache, keys));
        CHECK_OK(mgenjit_cache_verify(cache, keys[0], 0, &failure));
        CHECK_OK(mgenjit_cache_remove(cache, keys[0], &failure));
        CHECK_INT(2, list_entries(folder));
        CHECK_INT(2, statistics_of(cache).entries);
        CHECK_INT(2, count_listed(cache));
        CHECK_OK(mgenjit_cache_clear(cache, 1, NULL, NULL, &failure));
        CHECK_INT(0, list_entries(folder));
        CHECK_INT(0, statistics_of(cache).entries);
        CHECK_INT(0, count_listed(cache));
        CHECK(unlink(filling) == 0);
        /* There is room again, and nothing that is gone comes back. */
        CHECK_INT(0, count_listed(cache));
        statistics = statistics_of(cache);
        CHECK_INT(0, statistics.entries);
        CHECK_INT(1, statistics.has_history);
    }
    mgenjit_cache_free(cache);
    mgenjit_config_free(config);
}

/* A disk that cannot be written: what was counted is known, and what would change something says why it cannot. */
static void answers_on_a_read_only_disk(void)
{
    char *folder = new_cache("read-only-answers"), keys[64][MGENJIT_KEY_SIZE];
    mgenjit_cache_statistics statistics;
    mgenjit_executor *executor;
    mgenjit_config *config;
    mgenjit_cache *cache;
    if (!may_mount() || !try_mount("none", folder, "tmpfs", 0, "size=1m,mode=0700"))
        return;
    config = config_for(folder, NULL);
    cache = open_cache(config);
    executor = new_limited_executor(folder, 0);
    for (int i = 0; i < 3; i++)
        use_numbered(executor, i);
    mgenjit_executor_free(executor);
    CHECK_INT(3, statistics_of(cache).entries);
    /* What the index does not know yet, the journal tells. */
    executor = new_limited_executor(folder, 0);
    use_numbered(executor, 0);
    mgenjit_executor_free(executor);
    if (!try_mount("none", folder, "tmpfs", MS_REMOUNT | MS_RDONLY, "size=1m,mode=0700"))
        return;
    statistics = statistics_of(cache);
    CHECK_INT(3, statistics.entries);
    CHECK_INT(1, statistics.has_history);
    CHECK_INT(3, statistics.stores);
    CHECK_INT(1, statistics.hits);
    CHECK_INT(3, list_keys(cache, keys));
    CHECK_OK(mgenjit_cache_verify(cache, keys[0], 0, &failure));
    CHECK_STATUS(MGENJIT_STATUS_CACHE, mgenjit_cache_remove(cache, keys[0], &failure));
    CHECK_MESSAGE("ead-only");
    CHECK_STATUS(MGENJIT_STATUS_CACHE, mgenjit_cache_clear(cache, 1, NULL, NULL, &failure));
    CHECK_MESSAGE("ead-only");
    CHECK_INT(3, list_entries(folder));
    mgenjit_cache_free(cache);
    mgenjit_config_free(config);
}

/* Two containers in which everybody has the same process ids. */
static void two_containers(void)
{
    enum { CONTAINERS = 2, ROUNDS = 30 };
    char *cache = new_cache("containers");
    mgenjit_cache_statistics statistics;
    pid_t containers[CONTAINERS];
    for (int i = 0; i < CONTAINERS; i++) {
        fflush(NULL);
        containers[i] = fork();
        if (containers[i] == 0) {
            pid_t first;
            if (!enter_namespaces(CLONE_NEWPID)) {
                SKIP("this user may make no namespace: %s", strerror(errno));
                exit(77);
            }
            first = fork();
            if (first == 0) {
                /* The first process of a container is told from its user. */
                pid_t user = fork();
                if (user == 0) {
                    mgenjit_executor *executor = new_limited_executor(cache, 20);
                    CHECK_INT(2, getpid());
                    for (int j = 0; j < ROUNDS; j++)
                        use_numbered(executor, j);
                    CHECK_INT(0, events.count[MGENJIT_EVENT_CACHE_WARNING]);
                    mgenjit_executor_free(executor);
                    exit(0);
                }
                exit(wait_for(user, 40) == 0 ? 0 : 1);
            }
            exit(wait_for(first, 50) == 0 ? 0 : 1);
        }
    }
    for (int i = 0; i < CONTAINERS; i++) {
        const int status = wait_for(containers[i], 60);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
            return;
        CHECK_INT(0, status);
    }
    CHECK_INT(OPERATIONS - 1, administer(cache, 20, 0, &statistics));
    CHECK_INT(list_entries(cache), statistics.entries);
    CHECK_INT(CONTAINERS * ROUNDS, statistics.hits + statistics.misses_new + statistics.misses_evicted);
}

/* Systems on which calls fail. */

/* What still works. */
typedef enum expectation {
    /* All of it. */
    EVERYTHING,
    /* Entries are stored and found. */
    ENTRIES,
    /* Code is compiled and runs. */
    CODE,
} expectation;

static void check_without(const char *name, refusal which, expectation expected)
{
    int status;
    pid_t process;
    fflush(NULL);
    process = fork();
    if (process == 0) {
        char *cache = new_cache(name);
        mgenjit_cache_statistics statistics;
        mgenjit_executor *executor;
        int worked;
        if (!refuse(which))
            exit(0);
        if (expected == EVERYTHING) {
            check_all_works(cache);
            exit(0);
        }
        for (int round = 0; round < 2; round++) {
            executor = new_limited_executor(cache, 4);
            for (int i = 0; i < 6; i++) {
                use_numbered(executor, i);
                if (expected == ENTRIES && use_numbered(executor, i) != MGENJIT_ORIGIN_CACHE
                    && events.count[MGENJIT_EVENT_STORED] < i)
                    check_failed(__FILE__, __LINE__, "not stored, or not found: %s", events.warning);
            }
            if (expected == CODE && events.count[MGENJIT_EVENT_STORED] == 0)
                CHECK(events.count[MGENJIT_EVENT_CACHE_WARNING] > 0);
            mgenjit_executor_free(executor);
            worked = administer(cache, 4, round == 1, &statistics);
            fprintf(stderr, "%s: %d of %d operations work\n", name, worked, OPERATIONS - 1 + round);
            /* There is no index on disk, but lists, trims and clears need none. */
            if (expected == ENTRIES && which.call != SYS_unlinkat) {
                CHECK_INT(OPERATIONS - 2 + round, worked);
                CHECK_INT(round == 0 ? 4 : 0, list_entries(cache));
            }
        }
        exit(0);
    }
    status = wait_for(process, 60);
    if (status != 0)
        check_failed(__FILE__, __LINE__, "%s: status %d", name, status);
}

#define WITHOUT(call, error, expected) \
    check_without(#call "-" #error, (refusal){ SYS_##call, error, 0, 0 }, expected)

static void without_flock(void)
{
    WITHOUT(flock, ENOLCK, ENTRIES);
    WITHOUT(flock, EOPNOTSUPP, ENTRIES);
    WITHOUT(flock, ENOSYS, ENTRIES);
}

static void without_new_calls(void)
{
    WITHOUT(openat2, ENOSYS, EVERYTHING);
    WITHOUT(openat2, EPERM, EVERYTHING);
    WITHOUT(statx, ENOSYS, EVERYTHING);
    WITHOUT(getrandom, ENOSYS, EVERYTHING);
    WITHOUT(renameat2, ENOSYS, EVERYTHING);
    WITHOUT(renameat2, EINVAL, EVERYTHING);
    WITHOUT(fallocate, EOPNOTSUPP, EVERYTHING);
    WITHOUT(statx, EPERM, EVERYTHING);
    WITHOUT(fstatfs, ENOSYS, EVERYTHING);
    WITHOUT(pidfd_open, ENOSYS, EVERYTHING);
}

static void without_names(void)
{
    WITHOUT(linkat, EPERM, EVERYTHING);
    WITHOUT(renameat, EPERM, CODE);
    WITHOUT(renameat, EXDEV, CODE);
    WITHOUT(mkdirat, EROFS, CODE);
    WITHOUT(unlinkat, EPERM, ENTRIES);
}

static void without_shared_memory(void)
{
    check_without("mmap-MAP_SHARED", (refusal){ SYS_mmap, ENODEV, 3, 1 }, EVERYTHING);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(in_memory), CASE(no_code_from_files), CASE(overlay), CASE(a_read_only_mount), CASE(a_full_disk), CASE(answers_on_a_full_disk), CASE(answers_on_a_read_only_disk),
        CASE(two_containers), CASE(without_flock), CASE(without_new_calls), CASE(without_names),
        CASE(without_shared_memory),
    };
    check_seconds = 120;
    return RUN_CASES(cases);
}
