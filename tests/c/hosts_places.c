// flags: -pthread
// runs: once
// servers: private shared

/* Hosts where what other systems have is not: no home, no /proc, no /tmp, no /run, no /dev. */
#include "hosts.h"
#include "namespaces.h"

#include <sys/mount.h>

static struct {
    int hits, misses, stored, cache_warnings, server_warnings;
    char warning[512], server_warning[512], miss[512];
} told;

static void on_event(const mgenjit_event *event, void *user)
{
    (void)user;
    switch (event->kind) {
    case MGENJIT_EVENT_HIT:
        told.hits++;
        break;
    case MGENJIT_EVENT_MISS:
        told.misses++;
        snprintf(told.miss, sizeof told.miss, "%s", event->message);
        break;
    case MGENJIT_EVENT_STORED:
        told.stored++;
        break;
    case MGENJIT_EVENT_CACHE_WARNING:
        told.cache_warnings++;
        snprintf(told.warning, sizeof told.warning, "%s", event->message);
        break;
    case MGENJIT_EVENT_SERVER_WARNING:
        told.server_warnings++;
        snprintf(told.server_warning, sizeof told.server_warning, "%s", event->message);
        break;
    default:
        break;
    }
}

static mgenjit_executor *new_told_executor(void)
{
    mgenjit_config *config = default_config();
    mgenjit_executor *executor;
    memset(&told, 0, sizeof told);
    CHECK_OK(mgenjit_config_set_event_hook(config, on_event, NULL, NULL, &failure));
    executor = new_executor(config);
    mgenjit_config_free(config);
    return executor;
}

static void forget(const char *variable)
{
    CHECK(unsetenv(variable) == 0);
}

static void set(const char *variable, const char *value)
{
    CHECK(setenv(variable, value, 1) == 0);
}

/* All that the cache is for is done without it. */
static void use_without_cache(mgenjit_executor *executor)
{
    compile_fresh(executor);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_common(executor));
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_common(executor));
    compile_in_the_background(executor);
    cancel_a_compile(executor);
    prefetch(executor);
    export(executor);
    CHECK_INT(0, told.hits);
    CHECK_INT(0, told.stored);
}

/* No variable says where anything is, but where the compile server is. */
static void no_home(void)
{
    mgenjit_executor *executor;
    forget("HOME");
    forget("XDG_CACHE_HOME");
    forget("MGENJIT_CACHE_DIR");
    executor = new_told_executor();
    use_without_cache(executor);
    CHECK_CONTAINS("there is no cache directory", told.miss);
    CHECK_INT(0, told.cache_warnings);
    CHECK_INT(0, told.server_warnings);
    mgenjit_executor_free(executor);

    set("MGENJIT_CACHE_DIR", in_folder("cache"));
    executor = new_told_executor();
    use_everything(executor);
    CHECK(told.stored > 0);
    CHECK_INT(0, told.cache_warnings);
    mgenjit_executor_free(executor);
}

static void check_home(const char *home)
{
    mgenjit_executor *executor;
    forget("XDG_CACHE_HOME");
    forget("MGENJIT_CACHE_DIR");
    set("HOME", home);
    executor = new_told_executor();
    use_without_cache(executor);
    CHECK(told.cache_warnings > 0);
    CHECK_CONTAINS(home, told.warning);
    CHECK_INT(0, told.server_warnings);
    mgenjit_executor_free(executor);
}

/* A parent that is not there is not made: nor is anything else outside of it. */
static void a_home_that_is_not_there(void)
{
    check_home("/proc/no-such-home");
}

static void a_home_that_is_a_file(void)
{
    check_home("/dev/null");
}

static void a_home_that_cannot_be_written(void)
{
    /* Not even by root. */
    check_home("/proc/sys");
}

/* A namespace in which this process may mount. Returns 0 if it may not. */
static int may_mount(void)
{
    if (enter_namespaces(CLONE_NEWNS) && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
        return 1;
    SKIP("this user may not mount: %s", strerror(errno));
    return 0;
}

/* From now on there is nothing in this folder, and nothing can be made. Returns 0 if what the test needs would be gone. */
static int hide(const char *folder)
{
    const size_t length = strlen(folder);
    if (strncmp(getenv("CHECK_FOLDER"), folder, length) == 0 && getenv("CHECK_FOLDER")[length] == '/') {
        SKIP("the tests are in %s", folder);
        return 0;
    }
    CHECK(mount("none", folder, "tmpfs", MS_RDONLY, "size=4k,mode=0755") == 0);
    return 1;
}

/* In a namespace in which this process may mount. */
static void use_without(const char *folder)
{
    mgenjit_executor *executor;
    if (!hide(folder))
        return;
    executor = new_told_executor();
    use_everything(executor);
    mgenjit_executor_free(executor);
    executor = new_told_executor();
    use_everything(executor);
    CHECK_INT(0, told.cache_warnings);
    CHECK_STRING("", told.server_warning);
    mgenjit_executor_free(executor);
}

static void no_proc(void)
{
    if (may_mount())
        use_without("/proc");
}

static void no_dev(void)
{
    if (may_mount())
        use_without("/dev");
}

/* The folder for the shared server's socket is elsewhere than in what will be hidden, by a path that is short enough
 * wherever the tests are. */
static void no_tmp(void)
{
    char *folder = in_folder("r");
    if (!may_mount())
        return;
    CHECK(mkdir(folder, 0700) == 0 || errno == EEXIST);
    CHECK(mount(folder, "/mnt", NULL, MS_BIND, NULL) == 0);
    set("XDG_RUNTIME_DIR", "/mnt");
    use_without("/tmp");
}

/* Nowhere is a place for the socket: the host has servers of its own, and is told so, once. */
static void no_place_for_a_socket(void)
{
    mgenjit_executor *executor;
    forget("XDG_RUNTIME_DIR");
    forget("TMPDIR");
    if (!may_mount() || !hide("/tmp") || !hide("/run"))
        return;
    executor = new_told_executor();
    use_everything(executor);
    CHECK_INT(is_shared(), told.server_warnings);
    if (is_shared())
        CHECK_CONTAINS("/tmp/mgenjit-", told.server_warning);
    CHECK_INT(0, told.cache_warnings);
    mgenjit_executor_free(executor);
}

/* A socket's path has some hundred bytes at most; and a relative folder is none. */
static void a_strange_runtime_folder(void)
{
    char *name = NULL, *folder;
    mgenjit_executor *executor;
    CHECK(asprintf(&name, "%0100d", 0) > 0);
    folder = in_folder(name);
    CHECK(mkdir(folder, 0700) == 0 || errno == EEXIST);
    /* Where it turns to then. */
    if (!may_mount() || !hide("/run"))
        return;
    set("TMPDIR", getenv("XDG_RUNTIME_DIR"));
    set("XDG_RUNTIME_DIR", folder);
    executor = new_told_executor();
    use_everything(executor);
    CHECK_INT(0, told.server_warnings);
    mgenjit_executor_free(executor);
    set("XDG_RUNTIME_DIR", ".");
    executor = new_told_executor();
    use_everything(executor);
    CHECK_INT(0, told.server_warnings);
    mgenjit_executor_free(executor);
    free(name);
}

/* The host sees to it that nothing it makes can be used by anybody, not even by itself. */
static void a_strict_mask(void)
{
    mgenjit_executor *executor;
    if (geteuid() != 0) {
        SKIP("only root can use, and remove, what comes of it");
        return;
    }
    umask(0777);
    executor = new_told_executor();
    compile_fresh(executor);
    use_common(executor);
    CHECK_INT(0, told.server_warnings);
    mgenjit_executor_free(executor);
}

/* A folder that is gone, or that it may not enter, is where the host is. */
static void nowhere(void)
{
    char *folder = in_folder("gone");
    mgenjit_executor *executor;
    CHECK(mkdir(folder, 0700) == 0 && chdir(folder) == 0 && rmdir(folder) == 0);
    executor = new_told_executor();
    use_everything(executor);
    CHECK_INT(0, told.cache_warnings);
    CHECK_INT(0, told.server_warnings);
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(no_home),
        CASE(a_home_that_is_not_there),
        CASE(a_home_that_is_a_file),
        CASE(a_home_that_cannot_be_written),
        CASE(no_proc),
        CASE(no_dev),
        CASE(no_tmp),
        CASE(no_place_for_a_socket),
        CASE(a_strange_runtime_folder),
        CASE(nowhere),
        CASE(a_strict_mask),
    };
    return RUN_HOSTS(cases);
}
