// flags: -rdynamic
// timeout: 900
// warm: no server

/* Modules that come and go leave nothing behind. */
#include "check.h"

#include <dirent.h>
#include <malloc.h>
#include <pthread.h>

enum { DISTINCT = 50, WARM_UP = 1000, MODULES = 10000 };

long long host_balance;

void host_call(long long *place);
void host_call(long long *place)
{
    *place += 1;
}

static char *sources[DISTINCT];

static void make_sources(void)
{
    char text[4096];
    FILE *file = fopen(program("churn.ll"), "r");
    size_t length;
    CHECK(file != NULL);
    length = fread(text, 1, sizeof text - 1, file);
    text[length] = '\0';
    fclose(file);
    for (int i = 0; i < DISTINCT; i++) {
        char *place;
        sources[i] = strdup(text);
        while ((place = strstr(sources[i], "NUMBER")) != NULL) {
            char number[8];
            snprintf(number, sizeof number, "%6d", i);
            memcpy(place, number, 6);
        }
    }
}

static void use(mgenjit_executor *executor, int number)
{
    mgenjit_module *module = add(executor, sources[number % DISTINCT]);
    void *address;
    CHECK_OK(mgenjit_module_lookup(module, "work", &address, &failure));
    CHECK_INT(number + 1 + number % DISTINCT, ((long long (*)(long long))address)(number));
    CHECK_INT(1, host_balance);
    CHECK_OK(mgenjit_module_remove(module, &failure));
    CHECK_INT(0, host_balance);
    mgenjit_module_free(module);
}

static void use_executor(mgenjit_executor *unused, int number)
{
    mgenjit_executor *executor = new_executor(NULL);
    (void)unused;
    mgenjit_module_free(add(executor, sources[number % DISTINCT]));
    CHECK_INT(number + 1 + number % DISTINCT, FUNCTION(long long (*)(long long), executor, "work")(number));
    mgenjit_executor_free(executor);
    CHECK_INT(0, host_balance);
}

static void *use_in_a_thread(void *number)
{
    use_executor(NULL, *(int *)number);
    return NULL;
}

static void use_thread(mgenjit_executor *unused, int number)
{
    pthread_t thread;
    (void)unused;
    CHECK(pthread_create(&thread, NULL, use_in_a_thread, &number) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

typedef struct usage {
    long resident, allocated, mappings, files;
} usage;

static usage measure(void)
{
    usage now = { 0, 0, 0, 0 };
    struct mallinfo2 heap;
    FILE *file;
    DIR *folder;
    long pages, resident;
    int c;
    malloc_trim(0);
    heap = mallinfo2();
    now.allocated = (long)(heap.uordblks + heap.hblkhd);
    file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL && fscanf(file, "%ld %ld", &pages, &resident) == 2);
    now.resident = resident * sysconf(_SC_PAGESIZE);
    fclose(file);
    file = fopen("/proc/self/maps", "r");
    CHECK(file != NULL);
    while ((c = getc(file)) != EOF)
        now.mappings += c == '\n';
    fclose(file);
    folder = opendir("/proc/self/fd");
    CHECK(folder != NULL);
    while (readdir(folder) != NULL)
        now.files++;
    closedir(folder);
    return now;
}

/* Uses what is used now and then only, so that its first use is no growth: the index, which hits are folded into. */
static void warm_the_index(void)
{
    mgenjit_cache *cache;
    mgenjit_cache_statistics statistics;
    statistics.size = sizeof statistics;
    CHECK_OK(mgenjit_cache_open(NULL, &cache, &failure));
    CHECK_OK(mgenjit_cache_stats(cache, &statistics, &failure));
    mgenjit_cache_free(cache);
}

/* Bounds that a leak of a few bytes, a mapping or a descriptor per module breaks many times over. */
static void check_churn(void (*one)(mgenjit_executor *, int), int count)
{
    mgenjit_executor *executor = new_executor(NULL);
    usage before, after;
    make_sources();
    for (int i = 0; i < WARM_UP; i++)
        one(executor, i);
    warm_the_index();
    before = measure();
    for (int i = 0; i < count; i++)
        one(executor, i);
    after = measure();
    fprintf(stderr, "resident %+ld, allocated %+ld, mappings %+ld, files %+ld\n", after.resident - before.resident,
            after.allocated - before.allocated, after.mappings - before.mappings, after.files - before.files);
    CHECK(after.allocated - before.allocated < 16 * 1024);
    CHECK(after.resident - before.resident < 512 * 1024);
    CHECK(after.mappings - before.mappings < 5);
    CHECK_INT(before.files, after.files);
    mgenjit_executor_free(executor);
}

static void modules(void)
{
    check_churn(use, MODULES);
}

static void executors(void)
{
    check_churn(use_executor, MODULES / 4);
}

static void executors_in_threads(void)
{
    check_churn(use_thread, MODULES / 4);
}

/* Compiles that fail leave nothing either. */
static void use_failing(mgenjit_executor *executor, int number)
{
    void *address;
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_executor_lookup(executor, "nowhere", &address, &failure));
    CHECK_STATUS(MGENJIT_STATUS_IO, mgenjit_executor_compile_file(executor, "/nowhere.ll", NULL, &failure));
    CHECK_STATUS(MGENJIT_STATUS_LIBRARY, mgenjit_executor_load_library(executor, "/nowhere.so", &failure));
    (void)number;
}

static void failures(void)
{
    check_churn(use_failing, MODULES / 4);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(modules), CASE(executors), CASE(executors_in_threads), CASE(failures),
    };
    check_seconds = 200;
    return RUN_CASES(cases);
}
