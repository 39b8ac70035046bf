// runs: once

/* The library in a child after fork(). */
#include "servers.h"

#include <pthread.h>

static const char OLD[] = "define i32 @old(i32 %x) {\n  %y = mul i32 %x, 2\n  ret i32 %y\n}\n";

typedef int (*int_function)(int);

static void in_a_child(void (*body)(mgenjit_executor *), mgenjit_executor *executor)
{
    pid_t child;
    fflush(NULL);
    child = fork();
    if (child == 0) {
        body(executor);
        exit(0);
    }
    CHECK_INT(0, wait_for(child, 30));
}

static void compile_new_and_hit_old(mgenjit_executor *executor)
{
    mgenjit_module *module;
    compile_fresh(executor);
    module = add(executor, OLD);
    CHECK_INT(MGENJIT_ORIGIN_CACHE, mgenjit_module_origin(module));
    CHECK_INT(10, FUNCTION(int_function, executor, "old")(5));
    mgenjit_module_free(module);
}

static void call_old(mgenjit_executor *executor)
{
    CHECK_INT(10, FUNCTION(int_function, executor, "old")(5));
}

static void free_it(mgenjit_executor *executor)
{
    mgenjit_executor_free(executor);
}

static void with_a_new_executor(mgenjit_executor *unused)
{
    mgenjit_executor *executor = new_executor(NULL);
    (void)unused;
    mgenjit_module_free(add(executor, OLD));
    compile_new_and_hit_old(executor);
    mgenjit_executor_free(executor);
}

/* The parent has compiled; parent and child go on with the same executor. */
static void the_same_executor(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module_free(add(executor, OLD));
    compile_fresh(executor);
    for (int i = 0; i < 3; i++) {
        in_a_child(compile_new_and_hit_old, executor);
        in_a_child(call_old, executor);
        in_a_child(with_a_new_executor, executor);
        in_a_child(free_it, executor);
        compile_fresh(executor);
        call_old(executor);
    }
    mgenjit_executor_free(executor);
}

/* A module that was added but not linked is linked in each by itself. */
static void a_pending_module(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module_free(add(executor, OLD));
    in_a_child(call_old, executor);
    call_old(executor);
    mgenjit_executor_free(executor);
}

/* Each has its own server, and the child's ends with the child. */
static void servers_are_not_shared(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    int to_child[2], to_parent[2];
    char byte;
    pid_t child, before[MOST_SERVERS], after[MOST_SERVERS];
    CHECK(pipe(to_child) == 0 && pipe(to_parent) == 0);
    compile_fresh(executor);
    CHECK_INT(1, servers(before));
    child = fork();
    if (child == 0) {
        compile_fresh(executor);
        CHECK(write(to_parent[1], "x", 1) == 1);
        CHECK(read(to_child[0], &byte, 1) == 1);
        exit(0);
    }
    CHECK(read(to_parent[0], &byte, 1) == 1);
    CHECK_INT(2, server_count());
    compile_fresh(executor);
    CHECK(write(to_child[1], "x", 1) == 1);
    CHECK_INT(0, wait_for(child, 30));
    wait_for_servers(1);
    CHECK_INT(1, servers(after));
    CHECK_INT(before[0], after[0]);
    compile_fresh(executor);
    mgenjit_executor_free(executor);
}

static void generations(int depth, mgenjit_executor *executor)
{
    pid_t child;
    compile_fresh(executor);
    if (depth == 0)
        return;
    child = fork();
    if (child == 0) {
        generations(depth - 1, executor);
        exit(0);
    }
    CHECK_INT(0, wait_for(child, 30));
    compile_fresh(executor);
}

static void a_child_of_a_child(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    generations(4, executor);
    mgenjit_executor_free(executor);
}

/* Several children at once. */
static void many_children(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    pid_t children[8];
    mgenjit_module_free(add(executor, OLD));
    compile_fresh(executor);
    for (int i = 0; i < 8; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            compile_new_and_hit_old(executor);
            exit(0);
        }
    }
    for (int i = 0; i < 8; i++)
        CHECK_INT(0, wait_for(children[i], 60));
    compile_fresh(executor);
    mgenjit_executor_free(executor);
}

typedef struct loop {
    mgenjit_executor *executor;
    int ended;
} loop;

static void *compile_in_a_loop(void *argument)
{
    loop *shared = argument;
    while (!__atomic_load_n(&shared->ended, __ATOMIC_ACQUIRE)) {
        compile_fresh(shared->executor);
        mgenjit_module_free(add(shared->executor, OLD));
    }
    return NULL;
}

static void check_fork_during(void (*body)(mgenjit_executor *))
{
    loop shared = { new_executor(NULL), 0 };
    pthread_t threads[2];
    const int forks = is_emulated() ? 10 : 40;
    compile_fresh(shared.executor);
    mgenjit_module_free(add(shared.executor, OLD));
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, compile_in_a_loop, &shared) == 0);
    for (int i = 0; i < forks; i++) {
        const struct timespec pause = { 0, 3000000 };
        /* Whatever the threads are at by then. */
        nanosleep(&pause, NULL);
        in_a_child(body, shared.executor);
    }
    __atomic_store_n(&shared.ended, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    compile_fresh(shared.executor);
    mgenjit_executor_free(shared.executor);
}

/* While other threads compile: no lock that they hold may be locked for ever in the child. */
static void while_others_compile(void)
{
    check_fork_during(compile_new_and_hit_old);
}

static void while_others_compile_and_with_a_new_executor(void)
{
    check_fork_during(with_a_new_executor);
}

static int entered[2], leave[2];

/* What a module's constructor calls: it says that it runs, and waits until it may go on. */
static int block(void)
{
    char byte = 'x';
    CHECK(write(entered[1], &byte, 1) == 1);
    CHECK(read(leave[0], &byte, 1) == 1);
    return 0;
}

static void *link_all(void *executor)
{
    CHECK_OK(mgenjit_executor_link(executor, &failure));
    return NULL;
}

/* The thread that links is not in the child: nobody there may wait for it to finish. */
static void while_another_links(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    pthread_t thread;
    char byte;
    CHECK(pipe(entered) == 0 && pipe(leave) == 0);
    CHECK_OK(mgenjit_executor_define(executor, "block", (void *)block, &failure));
    mgenjit_module_free(add(executor,
        "declare i32 @block()\n"
        "@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] "
        "[{ i32, ptr, ptr } { i32 65535, ptr @construct, ptr null }]\n"
        "define internal void @construct() {\n  %r = call i32 @block()\n  ret void\n}\n"
        "define i32 @after_the_constructor() {\n  ret i32 4\n}\n"));
    CHECK(pthread_create(&thread, NULL, link_all, executor) == 0);
    CHECK(read(entered[0], &byte, 1) == 1);
    in_a_child(compile_fresh, executor);
    in_a_child(with_a_new_executor, executor);
    CHECK(write(leave[1], &byte, 1) == 1);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK_INT(4, FUNCTION(int (*)(void), executor, "after_the_constructor")());
    in_a_child(compile_fresh, executor);
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(while_another_links), CASE(the_same_executor), CASE(a_pending_module), CASE(servers_are_not_shared), CASE(a_child_of_a_child),
        CASE(many_children), CASE(while_others_compile), CASE(while_others_compile_and_with_a_new_executor),
    };
    check_before_case = no_servers;
    return RUN_CASES(cases);
}
