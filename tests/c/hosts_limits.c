// flags: -pthread
// runs: once
// servers: private shared

/* Hosts that the system allows little, and start servers all the same. */
#include "hosts.h"

#include <grp.h>
#include <sys/resource.h>

static const rlim_t MEGABYTE = 1 << 20;

/* Sets a limit, which this process could raise again if `most` lets it. Returns what it was. */
static struct rlimit set_limit(int resource, rlim_t now, rlim_t most)
{
    struct rlimit before, limit;
    CHECK(getrlimit(resource, &before) == 0);
    limit.rlim_cur = now;
    limit.rlim_max = most < before.rlim_max ? most : before.rlim_max;
    CHECK(setrlimit(resource, &limit) == 0);
    return before;
}

/* Servers that run are not held to what their host allows itself. A compile's own limit of memory is far above that. */
static void check_servers_are_free(int resource, rlim_t own)
{
    pid_t ids[MOST_SERVERS];
    int count = servers(ids);
    CHECK(count >= 1);
    while (count-- > 0) {
        struct rlimit limit;
        if (prlimit(ids[count], (enum __rlimit_resource)resource, NULL, &limit) == 0)
            CHECK(limit.rlim_cur == limit.rlim_max || (resource == RLIMIT_DATA && limit.rlim_cur > own));
    }
}

/* What the host allows itself is no server's limit. */
static void check_own(int resource, rlim_t limit)
{
    mgenjit_executor *executor;
    struct rlimit before = set_limit(resource, limit, RLIM_INFINITY), after;
    executor = new_executor(NULL);
    use_everything(executor);
    if (resource != RLIMIT_STACK && resource != RLIMIT_MEMLOCK)
        check_servers_are_free(resource, limit);
    mgenjit_executor_free(executor);
    CHECK(getrlimit(resource, &after) == 0);
    CHECK(after.rlim_cur == limit && after.rlim_max == before.rlim_max);
}

static void little_address_space(void) { check_own(RLIMIT_AS, 64 * MEGABYTE); }
static void little_data(void) { check_own(RLIMIT_DATA, 32 * MEGABYTE); }
static void little_stack(void) { check_own(RLIMIT_STACK, MEGABYTE / 4); }
static void little_locked_memory(void) { check_own(RLIMIT_MEMLOCK, 0); }

/* It works, or it says why not. Nothing is printed: the output may be a file, and files be limited. */
static int works_or_says(mgenjit_status status)
{
    check_status(__FILE__, __LINE__, "a compile within limits", status, status);
    if (status != MGENJIT_STATUS_OK && status != MGENJIT_STATUS_IO && status != MGENJIT_STATUS_SERVER_UNAVAILABLE
        && status != MGENJIT_STATUS_SERVER_CRASHED && status != MGENJIT_STATUS_MEMORY)
        check_failed(__FILE__, __LINE__, "%s: %s", mgenjit_status_name(status), mgenjit_error_message(failure));
    return status == MGENJIT_STATUS_OK;
}

static int can_compile(mgenjit_executor *executor)
{
    char *ir = fresh_ir();
    const int can = works_or_says(try_ir(executor, ir));
    free(ir);
    return can;
}

/* A limit for ever, which every server of this host has too: `enough` is enough for all, and with less it is said. In
 * the end, others are as well off as ever. */
static void check_for_ever(int resource, rlim_t enough, const rlim_t *less)
{
    mgenjit_executor *executor;
    for (; *less != 0; less++) {
        const pid_t host = fork();
        CHECK(host >= 0);
        if (host == 0) {
            set_limit(resource, *less, *less);
            executor = new_executor(NULL);
            for (int i = 0; i < 3; i++)
                can_compile(executor);
            mgenjit_executor_free(executor);
            _exit(0);
        }
        CHECK_INT(0, wait_for(host, 60));
    }
    executor = new_executor(NULL);
    if (enough != 0) {
        const pid_t host = fork();
        CHECK(host >= 0);
        if (host == 0) {
            set_limit(resource, enough, enough);
            use_everything(executor);
            _exit(0);
        }
        CHECK_INT(0, wait_for(host, 60));
    }
    use_everything(executor);
    mgenjit_executor_free(executor);
}

static void little_address_space_for_ever(void)
{
    static const rlim_t less[] = { 32 << 20, 128 << 20, 300 << 20, 400 << 20, 0 };
    check_for_ever(RLIMIT_AS, 4096 * MEGABYTE, less);
}

static void little_data_for_ever(void)
{
    static const rlim_t less[] = { 16 << 20, 64 << 20, 280 << 20, 0 };
    check_for_ever(RLIMIT_DATA, 4096 * MEGABYTE, less);
}

static void small_files_for_ever(void)
{
    static const rlim_t less[] = { 1, 4096, 16384, 0 };
    check_for_ever(RLIMIT_FSIZE, 64 * MEGABYTE, less);
}

static void little_time(void) { check_own(RLIMIT_CPU, 3600); }
static void few_descriptors(void) { check_own(RLIMIT_NOFILE, 32); }
static void small_files(void) { check_own(RLIMIT_FSIZE, 8 * MEGABYTE); }

static void compile_large(mgenjit_executor *executor)
{
    char *ir = large_ir(50);
    CHECK_INT(MGENJIT_STATUS_OK, try_ir(executor, ir));
    free(ir);
}

/* The processor time that all servers have used, in seconds. */
static double time_of_servers(void)
{
    pid_t ids[MOST_SERVERS];
    double ticks = 0;
    for (int i = servers(ids); i-- > 0;)
        ticks += (double)process_field(ids[i], 11) + (double)process_field(ids[i], 12);
    return ticks / (double)sysconf(_SC_CLK_TCK);
}

/* Less than all compiles together take: no server is killed for it in the middle of one. */
static void little_time_for_ever(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    double one;
    rlim_t limit;
    /* A server begins nothing once half of its time is over, and one compile must fit into the rest on any machine. */
    compile_large(executor);
    one = time_of_servers() + 0.01;
    limit = (rlim_t)(4 * one) + 2;
    mgenjit_executor_free(executor);
    end_servers();

    set_limit(RLIMIT_CPU, limit, limit);
    executor = new_executor(NULL);
    for (double used = 0; used < 1.5 * (double)limit; used += one) {
        compile_large(executor);
        compile_fresh(executor);
    }
    mgenjit_executor_free(executor);
}

/* Hits take no file that grows. What cannot be handed over is an error, and no signal. */
static void no_files(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    struct rlimit before;
    use_common(executor);
    before = set_limit(RLIMIT_FSIZE, 0, RLIM_INFINITY);
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_common(executor));
    CHECK(!can_compile(executor));
    CHECK_MESSAGE("File too large");
    set_limit(RLIMIT_FSIZE, before.rlim_cur, RLIM_INFINITY);
    use_everything(executor);
    mgenjit_executor_free(executor);
}

/* No processes: root has no such limit. */
static void no_processes(void)
{
    struct rlimit limit = { 0, 0 };
    mgenjit_executor *executor = new_executor(NULL);
    char *command = NULL;
    use_common(executor);
    mgenjit_executor_free(executor);
    if (geteuid() == 0) {
        const char *folder = getenv("CHECK_FOLDER"), *runtime = getenv("XDG_RUNTIME_DIR");
        end_servers();
        CHECK(asprintf(&command, "chmod 0755 '%s' && chown -R 65534:65534 '%s/cache' '%s'", folder, folder, runtime) > 0);
        CHECK_INT(0, system(command));
        free(command);
        CHECK(setgroups(0, NULL) == 0 && setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
    }
    if (access(getenv("MGENJIT_SERVER"), X_OK) != 0) {
        SKIP("another user than root cannot reach %s", getenv("CHECK_FOLDER"));
        return;
    }
    executor = new_executor(NULL);
    CHECK(setrlimit(RLIMIT_NPROC, &limit) == 0);
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_common(executor));
    CHECK(!can_compile(executor));
    CHECK_INT(MGENJIT_STATUS_SERVER_UNAVAILABLE, mgenjit_error_status(failure));
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_common(executor));
    check_no_children();
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(little_address_space),
        CASE(little_data),
        CASE(little_stack),
        CASE(little_locked_memory),
        CASE(little_time),
        CASE(few_descriptors),
        CASE(small_files),
        CASE(little_address_space_for_ever),
        CASE(little_data_for_ever),
        CASE(small_files_for_ever),
        CASE(little_time_for_ever),
        CASE(no_files),
        /* It gives the folders to another user. */
        CASE(no_processes),
    };
    check_seconds = 120;
    return RUN_HOSTS(cases);
}
