// ir: isolate_calls.ll = isolate_calls.c -O1
// libs: -lpthread
// once

/* Many threads call functions in processes of their own that end at random: each call is told right, and nothing is left. */
#include "check.h"

#include <dirent.h>
#include <pthread.h>

enum { THREADS = 64 };

struct worker {
    mgenjit_executor *executor;
    unsigned random;
    long calls, ends;
};

static volatile int is_over;

static unsigned draw(struct worker *worker, unsigned below)
{
    worker->random = worker->random * 1103515245 + 12345;
    return (worker->random >> 16) % below;
}

static mgenjit_isolate *new_isolate(struct worker *worker)
{
    mgenjit_isolation *isolation = NULL;
    mgenjit_isolate *isolate = NULL;
    CHECK_OK(mgenjit_isolation_new(&isolation, &failure));
    CHECK_OK(mgenjit_isolation_set_pool(isolation, draw(worker, 2), &failure));
    if (draw(worker, 2) == 0)
        CHECK_OK(mgenjit_isolation_capture(isolation, 1, &failure));
    CHECK_OK(mgenjit_isolate_new(worker->executor, isolation, 1 << 16, &isolate, &failure));
    mgenjit_isolation_free(isolation);
    return isolate;
}

static mgenjit_status call(mgenjit_isolate *isolate, const char *name, mgenjit_value argument, uint64_t timeout, mgenjit_value *result)
{
    check_reset();
    return mgenjit_isolate_call(isolate, name, &argument, argument.kind == MGENJIT_TYPE_VOID ? 0 : 1, timeout, result, &failure);
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    mgenjit_isolate *isolate = new_isolate(worker);
    const mgenjit_value none = { .kind = MGENJIT_TYPE_VOID };
    int64_t expected = 0;
    while (!__atomic_load_n(&is_over, __ATOMIC_SEQ_CST)) {
        mgenjit_value result = { 0 };
        int exit_status = -1, signal = 0, limit = MGENJIT_LIMIT_NONE, status = (int)draw(worker, 256);
        mgenjit_status told = MGENJIT_STATUS_OK;
        void *memory = NULL;
        switch (draw(worker, 8)) {
        case 0:
            told = call(isolate, "crash", mgenjit_integer(MGENJIT_TYPE_I64, 0), MGENJIT_FOREVER, NULL);
            signal = SIGSEGV;
            break;
        case 1:
            told = call(isolate, "leave", mgenjit_integer(MGENJIT_TYPE_I32, status), MGENJIT_FOREVER, NULL);
            exit_status = status;
            break;
        case 2:
            told = call(isolate, "loop", none, 1 + draw(worker, 5), NULL);
            signal = SIGKILL;
            limit = MGENJIT_LIMIT_TIME;
            break;
        case 3:
            CHECK_OK(mgenjit_isolate_alloc(isolate, 1 + draw(worker, 30000), &memory, &failure));
            *(int64_t *)memory = status;
            CHECK_INT(MGENJIT_STATUS_OK, call(isolate, "kept", mgenjit_pointer(memory), MGENJIT_FOREVER, &result));
            CHECK_INT(status, result.of.integer);
            CHECK_OK(mgenjit_isolate_free_memory(isolate, memory, &failure));
            worker->calls++;
            continue;
        case 4:
            if (draw(worker, 4) == 0) {
                mgenjit_isolate_free(isolate);
                isolate = new_isolate(worker);
                expected = 0;
            }
            continue;
        default:
            expected += status;
            told = call(isolate, "count", mgenjit_integer(MGENJIT_TYPE_I64, status), MGENJIT_FOREVER, &result);
            CHECK_INT(MGENJIT_STATUS_OK, told);
            CHECK_INT(expected, result.of.integer);
            worker->calls++;
            continue;
        }
        CHECK_INT(MGENJIT_STATUS_ENDED, told);
        const mgenjit_outcome *outcome = mgenjit_error_outcome(failure);
        CHECK_INT(exit_status, mgenjit_outcome_exit_status(outcome));
        CHECK_INT(signal, mgenjit_outcome_signal(outcome));
        CHECK_INT(limit, mgenjit_outcome_limit(outcome));
        expected = 0;
        worker->ends++;
    }
    mgenjit_isolate_free(isolate);
    check_reset();
    return NULL;
}

static int open_descriptors(void)
{
    int count = 0;
    for (int descriptor = 0; descriptor < 4096; descriptor++)
        count += fcntl(descriptor, F_GETFD) >= 0;
    return count;
}

/* Of kilobytes in memory. */
static long resident(int64_t process)
{
    char path[64];
    long all = 0, pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)process);
    FILE *file = fopen(path, "r");
    CHECK(file != NULL && fscanf(file, "%ld %ld", &all, &pages) == 2);
    fclose(file);
    return pages * 4;
}

static int children(int64_t parent)
{
    int count = 0;
    DIR *folder = opendir("/proc");
    CHECK(folder != NULL);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[300];
        int found = 0;
        snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        FILE *file = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? fopen(path, "r") : NULL;
        if (file != NULL && fscanf(file, "%*d (%*[^)]) %*c %d", &found) == 1)
            count += found == (int)parent;
        if (file != NULL)
            fclose(file);
    }
    closedir(folder);
    return count;
}

/* Runs for some seconds. */
static void run(struct worker *workers, unsigned seconds)
{
    pthread_t threads[THREADS];
    is_over = 0;
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
    sleep(seconds);
    __atomic_store_n(&is_over, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void stress(void)
{
    const char *given = getenv("CHECK_SECONDS");
    unsigned seconds = given != NULL ? (unsigned)atoi(given) : 4;
    static struct worker workers[THREADS];
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module_free(add_file(executor, fixture("isolate_calls.ll")));
    mgenjit_isolate *isolate = NULL;
    mgenjit_value monitor;
    CHECK_OK(mgenjit_isolate_new(executor, NULL, 0, &isolate, &failure));
    CHECK_OK(mgenjit_isolate_call(isolate, "parent", NULL, 0, MGENJIT_FOREVER, &monitor, &failure));
    mgenjit_isolate_free(isolate);
    for (unsigned i = 0; i < THREADS; i++)
        workers[i] = (struct worker){ executor, i, 0, 0 };
    /* What each thread takes once is there after the first part. */
    run(workers, (seconds + 3) / 4);
    int descriptors = open_descriptors();
    long here = resident(getpid()), there = resident(monitor.of.integer);
    run(workers, seconds - seconds / 4);
    CHECK_INT(descriptors, open_descriptors());
    CHECK_UNTIL(children(monitor.of.integer) == 0);
    enum { ROOM = 32 << 10 };
    CHECK(resident(getpid()) < here + ROOM);
    CHECK(resident(monitor.of.integer) < there + ROOM);
    long calls = 0, ends = 0;
    for (int i = 0; i < THREADS; i++) {
        calls += workers[i].calls;
        ends += workers[i].ends;
    }
    printf("%ld calls, %ld ends\n", calls, ends);
    CHECK(calls > 0 && ends > 0);
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = { CASE(stress) };
    return RUN_CASES(cases);
}
