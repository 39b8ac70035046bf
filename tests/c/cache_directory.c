// runs: once

/* Cache directories that cannot be used, or not fully: the code is compiled and runs, and the hook is told. */
#include "entries.h"
#include "namespaces.h"

#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>

static check_events events;

/* Compiles with this directory; nothing can be stored there, and that is said. */
static void check_compiles_with_warning(const char *folder)
{
    mgenjit_executor *executor = executor_with_cache(folder, &events);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_entry(executor));
    CHECK_INT(0, events.count[MGENJIT_EVENT_STORED]);
    CHECK(events.count[MGENJIT_EVENT_CACHE_WARNING] >= 1);
    CHECK_CONTAINS(folder, events.warning);
    check_usable(executor);
    mgenjit_executor_free(executor);
}

static void made_when_needed(void)
{
    struct stat status;
    char *folder = in_folder("made/when/needed");
    mgenjit_executor *executor = executor_with_cache(folder, &events);
    CHECK(stat(folder, &status) == -1);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_entry(executor));
    CHECK_INT(1, events.count[MGENJIT_EVENT_STORED]);
    CHECK(stat(folder, &status) == 0);
    CHECK_INT(0700, status.st_mode & 0777);
    CHECK_INT(0, events.count[MGENJIT_EVENT_CACHE_WARNING]);
    mgenjit_executor_free(executor);
}

static void a_file(void)
{
    char *path = in_folder("a-file");
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    fclose(file);
    check_compiles_with_warning(path);
    check_compiles_with_warning(join(path, "below"));
}

static void cannot_be_made(void)
{
    check_compiles_with_warning("/proc/no-such-thing/cache");
    check_compiles_with_warning("/dev/null/cache");
}

static void become_nobody(void)
{
    if (geteuid() == 0)
        CHECK(setegid(65534) == 0 && seteuid(65534) == 0);
}

/* Read-only: what is there is used, nothing new is stored. */
static void read_only(void)
{
    char *folder = new_cache("read-only");
    mgenjit_executor *executor;
    if (geteuid() == 0)
        CHECK(chown(folder, 65534, 65534) == 0 && chmod(in_folder("."), 0755) == 0);
    become_nobody();
    if (faccessat(AT_FDCWD, getenv("MGENJIT_SERVER"), X_OK, AT_EACCESS) != 0) {
        SKIP("another user than root cannot reach %s", getenv("CHECK_FOLDER"));
        return;
    }
    executor = executor_with_cache(folder, &events);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_entry(executor));
    CHECK_INT(1, events.count[MGENJIT_EVENT_STORED]);
    mgenjit_executor_free(executor);
    CHECK(list_entries(folder) == 1);
    {
        char *command = NULL;
        CHECK(asprintf(&command, "find '%s' -type d -exec chmod 0500 {} +", folder) > 0);
        CHECK_INT(0, system(command));
    }
    executor = executor_with_cache(folder, &events);
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_entry(executor));
    CHECK_INT(0, events.count[MGENJIT_EVENT_CACHE_WARNING]);
    {
        mgenjit_module *module = add(executor, "define i32 @new() {\n  ret i32 3\n}\n");
        CHECK_INT(MGENJIT_ORIGIN_COMPILED, mgenjit_module_origin(module));
        mgenjit_module_free(module);
    }
    CHECK_INT(3, FUNCTION(int (*)(void), executor, "new")());
    CHECK_INT(0, events.count[MGENJIT_EVENT_STORED]);
    CHECK(events.count[MGENJIT_EVENT_CACHE_WARNING] >= 1);
    mgenjit_executor_free(executor);
}

static void check_not_trusted(mode_t mode)
{
    char name[32];
    char *folder;
    snprintf(name, sizeof name, "mode-%o", (unsigned)mode);
    folder = new_cache(name);
    {
        mgenjit_executor *executor = executor_with_cache(folder, &events);
        CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_entry(executor));
        CHECK_INT(MGENJIT_ORIGIN_CACHE, use_entry(executor));
        mgenjit_executor_free(executor);
    }
    CHECK(chmod(folder, mode) == 0);
    check_compiles_with_warning(folder);
    CHECK(chmod(folder, 0700) == 0);
    {
        mgenjit_executor *executor = executor_with_cache(folder, &events);
        CHECK_INT(MGENJIT_ORIGIN_CACHE, use_entry(executor));
        mgenjit_executor_free(executor);
    }
}

/* What is in a cache is run: one that others may write is not used. */
static void writable_by_others(void)
{
    check_not_trusted(0777);
    check_not_trusted(0770);
    check_not_trusted(0702);
    check_not_trusted(01777);
}

/* One that others may read is. */
static void readable_by_others(void)
{
    char *folder = new_cache("readable");
    mgenjit_executor *executor;
    CHECK(chmod(folder, 0755) == 0);
    executor = executor_with_cache(folder, &events);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_entry(executor));
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_entry(executor));
    CHECK_INT(0, events.count[MGENJIT_EVENT_CACHE_WARNING]);
    mgenjit_executor_free(executor);
}

/* Only root can make one: a directory of someone else. */
static void of_someone_else(void)
{
    char *folder = new_cache("someone-else");
    if (geteuid() != 0) {
        SKIP("it takes root to give a directory away");
        return;
    }
    CHECK(chown(folder, 65534, 65534) == 0);
    check_compiles_with_warning(folder);
}

/* With an executor that cannot store, until `mend` makes it possible again. */
static void check_full(mgenjit_executor *executor, void (*mend)(const char *), const char *folder)
{
    memset(&events, 0, sizeof events);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_entry(executor));
    CHECK_INT(0, events.count[MGENJIT_EVENT_STORED]);
    CHECK(events.count[MGENJIT_EVENT_CACHE_WARNING] >= 1);
    CHECK_CONTAINS(folder, events.warning);
    mend(folder);
    memset(&events, 0, sizeof events);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_entry(executor));
    CHECK_INT(1, events.count[MGENJIT_EVENT_STORED]);
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_entry(executor));
    CHECK_INT(0, events.count[MGENJIT_EVENT_CACHE_WARNING]);
}

static void remove_the_filling(const char *folder)
{
    CHECK(unlink(join(folder, "filling")) == 0);
}

/* Mounts a file system of one megabyte in a namespace of this process's own. Returns 0 if it may not. */
static int mount_memory(const char *folder, unsigned long flags)
{
    if (enter_namespaces(CLONE_NEWNS)
        && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0
        && mount("none", folder, "tmpfs", flags, "size=1m,mode=0700") == 0)
        return 1;
    SKIP("this user may not mount: %s", strerror(errno));
    return 0;
}

/* Entries are stored and found where code may not be mapped from, and run from memory. */
static void noexec(void)
{
    char *folder = new_cache("noexec");
    mgenjit_executor *executor;
    if (!mount_memory(folder, MS_NOEXEC))
        return;
    executor = executor_with_cache(folder, &events);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_entry(executor));
    CHECK_INT(1, events.count[MGENJIT_EVENT_STORED]);
    mgenjit_executor_free(executor);
    executor = executor_with_cache(folder, &events);
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_entry(executor));
    CHECK_INT(0, events.count[MGENJIT_EVENT_CACHE_WARNING]);
    check_usable(executor);
    mgenjit_executor_free(executor);
}

/* A disk with this many free bytes: a small file system of this process's own, filled but for them. */
static void check_full_disk(long free_bytes)
{
    char name[32];
    char *folder;
    mgenjit_executor *executor;
    int file;
    snprintf(name, sizeof name, "full-disk-%ld", free_bytes);
    folder = new_cache(name);
    if (!mount_memory(folder, 0))
        return;
    file = open(join(folder, "filling"), O_WRONLY | O_CREAT, 0600);
    CHECK(file >= 0 && posix_fallocate(file, 0, (1 << 20) - free_bytes) == 0);
    close(file);
    executor = executor_with_cache(folder, &events);
    check_full(executor, remove_the_filling, folder);
    mgenjit_executor_free(executor);
}

static void full_disk(void) { check_full_disk(0); }
static void full_disk_after_a_page(void) { check_full_disk(4096); }

static void lift_the_limit(const char *folder)
{
    struct rlimit limit;
    (void)folder;
    CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

/* `ulimit -f`: files, and what is in memory in the form of files, may not be longer. */
static void limited_file_size(void)
{
    char *folder = new_cache("limited");
    mgenjit_executor *executor = executor_with_cache(folder, &events);
    struct rlimit limit;
    mgenjit_config *config;
    mgenjit_cache *cache;
    mgenjit_cache_statistics statistics;
    /* What is stored before there is a limit. */
    check_usable(executor);
    CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    /* Whoever writes more gets a signal, which ends this program: hits, misses and questions must not. */
    limit.rlim_cur = 400;
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    check_usable(executor);
    config = default_config();
    CHECK_OK(mgenjit_config_set_cache_dir(config, folder, &failure));
    CHECK_OK(mgenjit_cache_open(config, &cache, &failure));
    statistics.size = sizeof statistics;
    for (int i = 0; i < 10; i++) {
        check_usable(executor);
        CHECK_OK(mgenjit_cache_stats(cache, &statistics, &failure));
    }
    CHECK_INT(1, (long long)statistics.entries);
    mgenjit_cache_free(cache);
    mgenjit_config_free(config);
    check_full(executor, lift_the_limit, folder);
    mgenjit_executor_free(executor);
}

static void by_the_environment(void)
{
    mgenjit_executor *executor;
    char *xdg = in_folder("xdg"), *home = in_folder("home");
    CHECK(mkdir(xdg, 0700) == 0 && mkdir(home, 0700) == 0);
    CHECK(unsetenv("MGENJIT_CACHE_DIR") == 0);
    CHECK(setenv("XDG_CACHE_HOME", xdg, 1) == 0 && setenv("HOME", home, 1) == 0);
    executor = new_executor(NULL);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_entry(executor));
    mgenjit_executor_free(executor);
    CHECK_INT(1, list_entries(join(xdg, "mgenjit")));
    CHECK_INT(0, list_entries(home));

    CHECK(unsetenv("XDG_CACHE_HOME") == 0);
    executor = new_executor(NULL);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_entry(executor));
    mgenjit_executor_free(executor);
    CHECK_INT(1, list_entries(join(home, ".cache/mgenjit")));

    CHECK(unsetenv("HOME") == 0);
    executor = new_watched_executor(&events);
    use_entry(executor);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_entry(executor));
    CHECK_INT(0, events.count[MGENJIT_EVENT_STORED]);
    mgenjit_executor_free(executor);
}

/* Variables that are empty or relative are as good as none. */
static void by_a_strange_environment(void)
{
    mgenjit_executor *executor;
    char *home = in_folder("strange-home");
    CHECK(mkdir(home, 0700) == 0);
    CHECK(setenv("MGENJIT_CACHE_DIR", "", 1) == 0);
    CHECK(setenv("XDG_CACHE_HOME", "", 1) == 0 && setenv("HOME", home, 1) == 0);
    executor = new_executor(NULL);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_entry(executor));
    mgenjit_executor_free(executor);
    CHECK_INT(1, list_entries(join(home, ".cache/mgenjit")));
}

/* A relative one is what it was when the executor was made. */
static void relative(void)
{
    mgenjit_executor *executor = executor_with_cache("relative-cache", &events);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_entry(executor));
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_entry(executor));
    CHECK_INT(1, list_entries(in_folder("relative-cache")));
    mgenjit_executor_free(executor);
}

static void an_empty_name(void)
{
    mgenjit_config *config = default_config();
    mgenjit_status status = mgenjit_config_set_cache_dir(config, "", &failure);
    CHECK(status == MGENJIT_STATUS_OK || status == MGENJIT_STATUS_INVALID_ARGUMENT);
    if (status == MGENJIT_STATUS_OK) {
        mgenjit_executor *executor = new_executor(config);
        CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_entry(executor));
        mgenjit_executor_free(executor);
    }
    mgenjit_config_free(config);
}

static int lock_file(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)place;
    if (kind == FTW_F && S_ISREG(status->st_mode)) {
        /* Of another open file than the library's: it excludes it as another process's would. */
        const int file = open(path, O_RDONLY | O_CLOEXEC);
        CHECK(file >= 0 && flock(file, LOCK_EX) == 0);
    }
    return 0;
}

/* A lock whose holder hangs: the wait is bounded, and then the code is compiled. */
static void a_lock_that_is_held(void)
{
    char *folder = new_cache("locked");
    mgenjit_config *config = new_watched_config(&events);
    mgenjit_executor *executor;
    /* Learn what a compile leaves, take all locks there can be, and forget the entry. */
    executor = executor_with_cache(folder, &events);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_entry(executor));
    mgenjit_executor_free(executor);
    CHECK_INT(1, list_entries(folder));
    CHECK(unlink(entries[0]) == 0);
    CHECK_INT(0, nftw(folder, lock_file, 16, FTW_PHYS));
    CHECK_OK(mgenjit_config_set_cache_dir(config, folder, &failure));
    CHECK_OK(mgenjit_config_set_lock_timeout(config, 100, &failure));
    executor = new_executor(config);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_entry(executor));
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(made_when_needed), CASE(a_file), CASE(cannot_be_made), CASE(read_only), CASE(writable_by_others),
        CASE(readable_by_others), CASE(of_someone_else), CASE(full_disk), CASE(noexec), CASE(full_disk_after_a_page), CASE(limited_file_size), CASE(by_the_environment),
        CASE(by_a_strange_environment), CASE(relative), CASE(an_empty_name), CASE(a_lock_that_is_held),
    };
    return RUN_CASES(cases);
}
