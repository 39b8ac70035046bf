// runs: once
// servers: private shared

/* Hosts that may have no more memory, mappings or files: that is what the error says, and the cache is not blamed. */
#include "caches.h"

#include <sys/mman.h>
#include <sys/resource.h>

/* 2 GB of zeros. */
#define BIG "@big = global [2000000000 x i8] zeroinitializer\ndefine ptr @get() {\n  ret ptr @big\n}\n"

static void limit(__rlimit_resource_t resource, rlim_t most)
{
    struct rlimit limits;
    CHECK(getrlimit(resource, &limits) == 0);
    limits.rlim_cur = most < limits.rlim_max ? most : limits.rlim_max;
    CHECK(setrlimit(resource, &limits) == 0);
}

static void a_hit_without_memory(void)
{
    check_events events;
    const char *cache = in_folder("no-memory");
    mgenjit_config *config = config_for(cache, &events);
    mgenjit_executor *executor = new_executor(config);
    mgenjit_cache_statistics statistics;
    CHECK_STATUS(MGENJIT_STATUS_OK, try_ir(executor, BIG));
    limit(RLIMIT_AS, 3UL << 30);
    for (int i = 0; i < 2; i++) {
        CHECK_STATUS(MGENJIT_STATUS_MEMORY, try_ir(executor, BIG));
        CHECK_MESSAGE("the name: ");
        CHECK_MESSAGE("Cannot allocate memory");
        CHECK_MESSAGE("3221225472 bytes of address space");
    }
    limit(RLIMIT_AS, RLIM_INFINITY);
    CHECK_STATUS(MGENJIT_STATUS_OK, try_ir(executor, BIG));
    CHECK_INT(1, events.count[MGENJIT_EVENT_COMPILE_STARTED]);
    CHECK_INT(1, events.count[MGENJIT_EVENT_STORED]);
    CHECK_INT(0, events.count[MGENJIT_EVENT_CACHE_WARNING]);
    statistics = statistics_in(cache);
    CHECK_INT(1, statistics.stores);
    CHECK_INT(0, statistics.misses_damaged);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
}

static long most_mappings(void)
{
    long most = 0;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "r");
    CHECK(file != NULL && fscanf(file, "%ld", &most) == 1 && fclose(file) == 0);
    return most;
}

/* All mappings that a process may have. Returns where they are, or NULL where that would be too many for a test. */
static char *use_up_mappings(size_t *length)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const long most = most_mappings();
    char *region;
    if (most > 300000) {
        fprintf(stderr, "skipped: vm.max_map_count is %ld\n", most);
        return NULL;
    }
    *length = (size_t)most * 2 * page;
    region = mmap(NULL, *length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(region != MAP_FAILED);
    for (size_t at = page; at < *length; at += 2 * page)
        if (mprotect(region + at, page, PROT_READ) != 0)
            return region;
    check_failed(__FILE__, __LINE__, "there are more mappings than %ld", most);
    return NULL;
}

static void a_hit_and_a_miss_without_mappings(void)
{
    check_events events;
    const char *cache = in_folder("no-mappings");
    mgenjit_config *config = config_for(cache, &events);
    mgenjit_executor *executor = new_executor(config), *cold = new_executor(config);
    size_t length;
    char *region;
    use_entry(executor);
    region = use_up_mappings(&length);
    if (region == NULL)
        return;
    CHECK_STATUS(MGENJIT_STATUS_MEMORY, try_ir(executor, ENTRY_IR));
    CHECK_MESSAGE("vm.max_map_count allows");
    CHECK_MESSAGE("sysctl");
    CHECK_INT(1, events.count[MGENJIT_EVENT_COMPILE_STARTED]);
    CHECK_INT(0, events.count[MGENJIT_EVENT_CACHE_WARNING]);
    /* To start a server takes memory, too. */
    CHECK(try_ir(cold, "define i32 @f() {\n  ret i32 7\n}\n") != MGENJIT_STATUS_OK);
    CHECK_MESSAGE("vm.max_map_count allows");
    CHECK(munmap(region, length) == 0);
    check_usable(executor);
    check_usable(cold);
    CHECK_INT(0, statistics_in(cache).misses_damaged);
    mgenjit_executor_free(cold);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
}

/* The last one that does not fit is an error, and the others can be freed. */
static void as_many_modules_as_there_may_be(void)
{
    mgenjit_config *config = config_for(in_folder("many-modules"), NULL);
    mgenjit_executor *executor = new_executor(config);
    long count = 0;
    if (most_mappings() > 100000) {
        fprintf(stderr, "skipped: vm.max_map_count is %ld\n", most_mappings());
        return;
    }
    while (try_ir(executor, ENTRY_IR) == MGENJIT_STATUS_OK) {
        CHECK_OK(mgenjit_executor_lookup(executor, "entry", &(void *){ NULL }, &failure));
        count++;
    }
    CHECK_INT(MGENJIT_STATUS_MEMORY, mgenjit_error_status(failure));
    CHECK_MESSAGE("vm.max_map_count allows");
    CHECK(count > most_mappings() / 3);
    mgenjit_executor_free(executor);
    executor = new_executor(config);
    use_entry(executor);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
}

static void a_hit_without_files(void)
{
    check_events events;
    const char *cache = in_folder("no-files");
    mgenjit_config *config = config_for(cache, &events);
    mgenjit_executor *executor = new_executor(config);
    int file = open("/dev/null", O_RDONLY);
    CHECK_STATUS(MGENJIT_STATUS_OK, try_ir(executor, ENTRY_IR));
    CHECK_STATUS(MGENJIT_STATUS_OK, try_ir(executor, ENTRY_IR));
    CHECK(file >= 0 && close(file) == 0);
    limit(RLIMIT_NOFILE, 3);
    CHECK(try_ir(executor, ENTRY_IR) != MGENJIT_STATUS_OK);
    CHECK_MESSAGE("open files");
    limit(RLIMIT_NOFILE, 1024);
    CHECK_STATUS(MGENJIT_STATUS_OK, try_ir(executor, ENTRY_IR));
    CHECK_INT(1, events.count[MGENJIT_EVENT_STORED]);
    CHECK_INT(0, statistics_in(cache).misses_damaged);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
}

int main(void)
{
    static const check_case cases[] = { CASE(a_hit_without_memory), CASE(a_hit_and_a_miss_without_mappings),
                                        CASE(as_many_modules_as_there_may_be), CASE(a_hit_without_files) };
    return RUN_CASES(cases);
}
