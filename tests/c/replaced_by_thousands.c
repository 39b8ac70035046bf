// warm: no server
// libs: -lpthread
// timeout: 1200

/* A module that is replaced again and again while threads call its functions. As often as $CHECK_REPLACEMENTS says. */
#include "replacing.h"

#include <pthread.h>
#include <sched.h>

enum { CALLERS = 8, WAITING = 256, DEFAULT_REPLACEMENTS = 512 };

/* Each version gives its number in both halves of a result, through a function of its own that others see, and counts in a
 * variable that all versions share. */
static char *version(int number, int kept)
{
    char *ir = NULL;
    CHECK(asprintf(&ir,
                   "@calls = %s\n"
                   "@own = internal global i64 %d\n"
                   "define i64 @half() {\n"
                   "  %%n = load volatile i64, ptr @own\n"
                   "  ret i64 %%n\n"
                   "}\n"
                   "define i64 @whole() {\n"
                   "  %%before = atomicrmw add ptr @calls, i64 1 monotonic\n"
                   "  %%low = load volatile i64, ptr @own\n"
                   "  %%high = shl i64 %%low, 32\n"
                   "  %%r = or i64 %%low, %%high\n"
                   "  ret i64 %%r\n"
                   "}\n",
                   kept ? "external global i64" : "global i64 0", number) > 0);
    return ir;
}

typedef int64_t (*number_function)(void);

static number_function whole, half;
static int ended;

/* How far each caller is: it runs no code of a module when it counts. */
static struct {
    _Alignas(64) unsigned long turns;
} callers[CALLERS];

static void *call(void *place)
{
    const struct timespec pause = { 0, 50000 };
    unsigned long *turns = place, calls = 0;
    while (!__atomic_load_n(&ended, __ATOMIC_ACQUIRE)) {
        for (int i = 0; i < 1000; i++) {
            int64_t both = whole(), one = half();
            CHECK(both >> 32 == (both & 0xffffffff));
            CHECK((both & 0xffffffff) == 1 || (both & 0xffffffff) == 2 || (both & 0xffffffff) == 3);
            CHECK(one == 1 || one == 2 || one == 3);
            calls++;
        }
        __atomic_add_fetch(turns, 1, __ATOMIC_SEQ_CST);
        /* So that what replaces has its turn on a machine with few cores. */
        nanosleep(&pause, NULL);
    }
    return (void *)calls;
}

/* Waits until no caller is in code that it entered before. */
static void quiesce(void)
{
    unsigned long seen[CALLERS];
    for (int i = 0; i < CALLERS; i++)
        seen[i] = __atomic_load_n(&callers[i].turns, __ATOMIC_SEQ_CST);
    for (int i = 0; i < CALLERS; i++)
        while (__atomic_load_n(&callers[i].turns, __ATOMIC_SEQ_CST) == seen[i])
            sched_yield();
}

static long memory(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL && fscanf(file, "%*d %ld", &pages) == 1);
    fclose(file);
    return pages;
}

static void replaced_while_it_is_called(void)
{
    const char *wanted = getenv("CHECK_REPLACEMENTS");
    const long replacements = wanted != NULL ? atol(wanted) : DEFAULT_REPLACEMENTS;
    mgenjit_executor *executor = new_replaceable();
    char *first = version(1, 0), *later[] = { version(2, 1), version(3, 1) };
    mgenjit_source *sources[] = { source_of(later[0]), source_of(later[1]) };
    mgenjit_module *original = add(executor, first), *module = original;
    struct timespec begun, done;
    pthread_t threads[CALLERS];
    unsigned long calls = 0;
    long early = 0;
    mgenjit_module *waiting[WAITING];
    int count = 0;
    whole = FUNCTION(number_function, executor, "whole");
    half = FUNCTION(number_function, executor, "half");
    uint64_t *counted = find(executor, "calls");
    for (int i = 0; i < CALLERS; i++)
        CHECK_INT(0, pthread_create(&threads[i], NULL, call, &callers[i].turns));

    clock_gettime(CLOCK_MONOTONIC, &begun);
    for (long i = 0; i < replacements; i++) {
        mgenjit_module *next = NULL;
        CHECK_OK(mgenjit_module_replace(module, sources[i % 2], MGENJIT_ALLOW_NOTHING, &next, &failure));
        CHECK_INT(2 + i % 2, whole() & 0xffffffff);
        waiting[count++] = module;
        /* Old versions go a few at a time. */
        if (count == WAITING || i == replacements - 1) {
            quiesce();
            while (count > 0) {
                mgenjit_module *old = waiting[--count];
                CHECK_INT(old != original, retired(old));
                if (old != original)
                    mgenjit_module_free(old);
            }
            /* The first one is kept by @calls. */
            CHECK_INT(0, (long long)old_code(executor).waiting);
            CHECK_INT(1, (long long)old_code(executor).kept);
        }
        module = next;
        if (i == replacements / 4)
            early = memory();
    }
    clock_gettime(CLOCK_MONOTONIC, &done);
    const long late = memory();
    __atomic_store_n(&ended, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < CALLERS; i++) {
        void *made;
        CHECK_INT(0, pthread_join(threads[i], &made));
        calls += (unsigned long)made;
    }
    CHECK_INT((long long)(calls + (unsigned long)replacements), (long long)*counted);
    fprintf(stderr, "%ld replacements in %.1f s, %lu calls, %ld KiB resident after a quarter, %ld KiB at the end\n",
            replacements, (double)(done.tv_sec - begun.tv_sec) + (double)(done.tv_nsec - begun.tv_nsec) / 1e9, calls,
            early * 4, late * 4);
    /* Not a page for every hundred replacements. */
    CHECK(late - early < 256 + replacements / 100);
    mgenjit_module_free(module);
    mgenjit_module_free(original);
    mgenjit_executor_free(executor);
    for (int i = 0; i < 2; i++) {
        mgenjit_source_free(sources[i]);
        free(later[i]);
    }
    free(first);
}

int main(void)
{
    static const check_case cases[] = { CASE(replaced_while_it_is_called) };
    if (getenv("CHECK_REPLACEMENTS") != NULL)
        check_seconds = 3600;
    return RUN_CASES(cases);
}
