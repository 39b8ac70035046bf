// flags: -pthread
// runs: once
// servers: private shared

/* Many threads at once. */
#include "servers.h"

#include <pthread.h>

enum { THREADS = 8, ROUNDS = 20 };

typedef struct job {
    mgenjit_executor *executor;
    int number;
} job;

static pthread_barrier_t barrier;

static void in_threads(void *(*body)(void *), mgenjit_executor *shared)
{
    pthread_t threads[THREADS];
    job jobs[THREADS];
    CHECK(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
    for (int i = 0; i < THREADS; i++) {
        jobs[i].executor = shared;
        jobs[i].number = i;
        CHECK(pthread_create(&threads[i], NULL, body, &jobs[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    pthread_barrier_destroy(&barrier);
}

static char *numbered_ir(int number)
{
    char *ir = NULL;
    CHECK(asprintf(&ir, "define i32 @numbered_%d(i32 %%x) {\n  %%y = add i32 %%x, %d\n  ret i32 %%y\n}\n", number, number) > 0);
    return ir;
}

static void compile_numbered(mgenjit_executor *executor, int number)
{
    char *ir = numbered_ir(number), name[32];
    mgenjit_module *module = add(executor, ir);
    void *address;
    snprintf(name, sizeof name, "numbered_%d", number);
    CHECK_OK(mgenjit_module_lookup(module, name, &address, &failure));
    CHECK_INT(number + 5, ((int (*)(int))address)(5));
    CHECK_INT(number + 5, FUNCTION(int (*)(int), executor, name)(5));
    mgenjit_module_free(module);
    free(ir);
}

static void *the_same_module(void *argument)
{
    job *mine = argument;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&barrier);
        compile_numbered(mine->executor, 1000 + round);
    }
    return NULL;
}

static void *different_modules(void *argument)
{
    job *mine = argument;
    pthread_barrier_wait(&barrier);
    for (int round = 0; round < ROUNDS; round++)
        compile_numbered(mine->executor, 2000 + mine->number * ROUNDS + round);
    return NULL;
}

static void *own_executors(void *argument)
{
    job *mine = argument;
    for (int round = 0; round < ROUNDS; round++) {
        mgenjit_executor *executor = new_executor(NULL);
        pthread_barrier_wait(&barrier);
        compile_numbered(executor, 3000 + round);
        compile_numbered(executor, 4000 + mine->number * ROUNDS + round);
        mgenjit_executor_free(executor);
    }
    return NULL;
}

static void *add_and_remove(void *argument)
{
    job *mine = argument;
    pthread_barrier_wait(&barrier);
    for (int round = 0; round < 10 * ROUNDS; round++) {
        char *ir = numbered_ir(5000 + round % 5);
        mgenjit_module *module = add(mine->executor, ir);
        char name[32];
        void *address;
        snprintf(name, sizeof name, "numbered_%d", 5000 + round % 5);
        CHECK_OK(mgenjit_module_lookup(module, name, &address, &failure));
        CHECK_INT(5001 + round % 5, ((int (*)(int))address)(1));
        CHECK_OK(mgenjit_module_remove(module, &failure));
        mgenjit_module_free(module);
        free(ir);
    }
    return NULL;
}

static void *bad_and_good(void *argument)
{
    job *mine = argument;
    pthread_barrier_wait(&barrier);
    for (int round = 0; round < ROUNDS; round++) {
        void *address;
        if (mine->number % 2 == 0) {
            CHECK_STATUS(MGENJIT_STATUS_PARSE, mgenjit_executor_compile(mine->executor, NULL, "bad", 3, NULL, &failure));
            CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND,
                         mgenjit_executor_lookup(mine->executor, "nowhere", &address, &failure));
        } else {
            compile_numbered(mine->executor, 6000 + round);
        }
    }
    return NULL;
}

/* A module that defines `replaced` is there at every moment, and so is the function. */
static void *find_replaced(void *argument)
{
    job *mine = argument;
    mgenjit_executor *executor = mine->executor;
    if (mine->number == 0) {
        static const char IR[] = "define i32 @replaced() {\n  ret i32 1\n}\n";
        mgenjit_module *old = add(executor, IR);
        pthread_barrier_wait(&barrier);
        for (int round = 0; round < 50 * ROUNDS; round++) {
            mgenjit_module *new = add(executor, IR);
            CHECK_OK(mgenjit_module_remove(old, &failure));
            mgenjit_module_free(old);
            old = new;
        }
        mgenjit_module_free(old);
        return NULL;
    }
    pthread_barrier_wait(&barrier);
    for (int round = 0; round < 200 * ROUNDS; round++) {
        if (mine->number % 2 == 0)
            find(executor, "replaced");
        else
            mgenjit_function_free(find_function(executor, "replaced"));
    }
    return NULL;
}

static void *call_checked(void *argument)
{
    job *mine = argument;
    mgenjit_function *function = find_function(mine->executor, "numbered_1");
    pthread_barrier_wait(&barrier);
    for (int round = 0; round < 10000; round++) {
        mgenjit_value value = mgenjit_i32(round), result;
        CHECK_OK(mgenjit_function_call(function, &value, 1, &result, &failure));
        CHECK_INT(round + 1, result.of.integer);
    }
    mgenjit_function_free(function);
    return NULL;
}

static void check_shared(void *(*body)(void *))
{
    mgenjit_executor *executor = new_executor(NULL);
    in_threads(body, executor);
    mgenjit_executor_free(executor);
}

static void the_same_module_in_one_executor(void) { check_shared(the_same_module); }
static void different_modules_in_one_executor(void) { check_shared(different_modules); }
static void an_executor_each(void) { in_threads(own_executors, NULL); }
static void add_and_remove_in_one_executor(void) { check_shared(add_and_remove); }
static void bad_and_good_in_one_executor(void) { check_shared(bad_and_good); }

static void found_while_it_is_replaced(void) { check_shared(find_replaced); }

static void one_function_called_by_all(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    compile_numbered(executor, 1);
    in_threads(call_checked, executor);
    mgenjit_executor_free(executor);
}

/* Of several that miss the same code at once one compiles and the others wait for its entry. */
static check_events events;

static void *compile_counted(void *argument)
{
    job *mine = argument;
    pthread_barrier_wait(&barrier);
    compile_numbered(mine->executor, 7000);
    return NULL;
}

static void compiled_once(void)
{
    mgenjit_executor *executor = new_watched_executor(&events);
    in_threads(compile_counted, executor);
    CHECK_INT(1, events.count[MGENJIT_EVENT_COMPILED]);
    CHECK_INT(1, events.count[MGENJIT_EVENT_STORED]);
    CHECK_INT(THREADS, events.count[MGENJIT_EVENT_LOADED]);
    CHECK_INT(0, events.count[MGENJIT_EVENT_CACHE_WARNING]);
    mgenjit_executor_free(executor);
}

/* The same among processes. */
static void compiled_once_among_processes(void)
{
    char *ir = fresh_ir();
    int ends[2], go[2], compiled = 0;
    char byte;
    CHECK(pipe(ends) == 0 && pipe(go) == 0);
    for (int i = 0; i < THREADS; i++) {
        if (fork() == 0) {
            mgenjit_executor *executor = new_executor(NULL);
            mgenjit_module *module;
            close(go[1]);
            CHECK(read(go[0], &byte, 1) == 0);
            module = add(executor, ir);
            CHECK_INT(2, FUNCTION(int (*)(int), executor, "fresh")(1));
            byte = mgenjit_module_origin(module) == MGENJIT_ORIGIN_COMPILED ? 'c' : 'h';
            CHECK(write(ends[1], &byte, 1) == 1);
            _exit(0);
        }
    }
    close(go[0]);
    close(go[1]);
    for (int i = 0; i < THREADS; i++) {
        CHECK(read(ends[0], &byte, 1) == 1);
        compiled += byte == 'c';
    }
    while (wait(NULL) > 0)
        ;
    CHECK_INT(1, compiled);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(the_same_module_in_one_executor), CASE(different_modules_in_one_executor), CASE(an_executor_each),
        CASE(add_and_remove_in_one_executor), CASE(bad_and_good_in_one_executor), CASE(found_while_it_is_replaced), CASE(one_function_called_by_all),
        CASE(compiled_once), CASE(compiled_once_among_processes),
    };
    return RUN_CASES(cases);
}
