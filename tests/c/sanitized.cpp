// ir: thrower.ll = thrower.cpp -O1 -fPIC
// ir: catcher.ll = catcher.cpp -O1 -fPIC
// flags: -rdynamic -pthread
// warm: no server

/* What a host does that sanitizers watch. tests/sanitizers.rs builds this program with each of them. */
#include "check.h"

#include <initializer_list>

#include <pthread.h>

static const char counter_ir[] =
    "@count = thread_local global i32 5\n"
    "define i32 @next() {\n"
    "  %old = load i32, ptr @count\n"
    "  %new = add i32 %old, 1\n"
    "  store i32 %new, ptr @count\n"
    "  ret i32 %new\n"
    "}\n";

extern "C" void note(int what);
extern "C" void note(int) {}

static void compiles_and_unloads()
{
    mgenjit_executor *executor = new_executor(NULL);
    for (int i = 0; i < 3; i++) {
        mgenjit_module *module = add(executor, counter_ir);
        CHECK_INT(6, FUNCTION(int (*)(void), executor, "next")());
        CHECK_OK(mgenjit_module_remove(module, &failure));
        mgenjit_module_free(module);
    }
    mgenjit_executor_free(executor);
}

static int handled;

static void handle(int)
{
    handled++;
}

/* A server starts with handlers of its own; the host keeps its. */
static void keeps_its_signal_handlers()
{
    struct sigaction action, after;
    memset(&action, 0, sizeof action);
    action.sa_handler = handle;
    for (int signal : {SIGUSR1, SIGCHLD, SIGPIPE})
        CHECK_INT(0, sigaction(signal, &action, NULL));
    compiles_and_unloads();
    for (int signal : {SIGUSR1, SIGCHLD, SIGPIPE}) {
        CHECK_INT(0, sigaction(signal, NULL, &after));
        CHECK(after.sa_handler == handle);
        handled = 0;
        raise(signal);
        CHECK_INT(1, handled);
    }
}

static void *use_own_executor(void *)
{
    compiles_and_unloads();
    return NULL;
}

static void *use_shared_executor(void *executor)
{
    int (*next)(void) = FUNCTION(int (*)(void), (mgenjit_executor *)executor, "next");
    for (int i = 6; i < 100; i++)
        CHECK_INT(i, next());
    return NULL;
}

static void run_threads(void *(*run)(void *), void *argument)
{
    pthread_t threads[4];
    for (pthread_t &thread : threads)
        CHECK_INT(0, pthread_create(&thread, NULL, run, argument));
    for (pthread_t &thread : threads)
        CHECK_INT(0, pthread_join(thread, NULL));
}

static void threads_compile()
{
    run_threads(use_own_executor, NULL);
}

static void threads_call()
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module_free(add(executor, counter_ir));
    run_threads(use_shared_executor, executor);
    mgenjit_executor_free(executor);
}

static void compiles_in_the_background()
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_task *task = NULL;
    mgenjit_source *source = NULL;
    CHECK_OK(mgenjit_source_new("counter", &source, &failure));
    CHECK_OK(mgenjit_source_add(source, "counter", counter_ir, strlen(counter_ir), &failure));
    CHECK_OK(mgenjit_executor_compile_async(executor, source, NULL, NULL, NULL, &task, &failure));
    mgenjit_source_free(source);
    CHECK_OK(mgenjit_task_result(task, NULL, &failure));
    mgenjit_task_free(task);
    CHECK_INT(6, FUNCTION(int (*)(void), executor, "next")());
    mgenjit_executor_free(executor);
}

static void a_child_compiles()
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module_free(add(executor, counter_ir));
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        CHECK_INT(6, FUNCTION(int (*)(void), executor, "next")());
        check_usable(executor);
        _exit(0);
    }
    CHECK_INT(0, wait_for(child, check_seconds));
    mgenjit_executor_free(executor);
}

static void exceptions_pass()
{
    mgenjit_executor *executor = new_executor(NULL);
    for (const char *name : {"catcher.ll", "thrower.ll"}) {
        char *folder = in_folder("fixtures");
        char *path = join(folder, name);
        mgenjit_module_free(add_file(executor, path));
        free(path);
        free(folder);
    }
    CHECK_INT(3, FUNCTION(int (*)(int), executor, "catch_inside")(2));
    CHECK_INT(5, FUNCTION(int (*)(int), executor, "catch_int")(5));
    int caught = 0;
    try {
        FUNCTION(void (*)(int), executor, "throw_int")(7);
    } catch (int thrown) {
        caught = thrown;
    }
    CHECK_INT(7, caught);
    mgenjit_executor_free(executor);
}

static void errors_are_errors()
{
    mgenjit_executor *executor = new_executor(NULL);
    CHECK_INT(is_warm() ? MGENJIT_STATUS_SERVER_UNAVAILABLE : MGENJIT_STATUS_PARSE,
              try_ir(executor, "define i32 @f( {"));
    check_reset();
    mgenjit_executor_free(executor);
}

/* What compiled code allocates and keeps in its variables is not lost: it is there until the process ends. */
static void memory_is_kept()
{
    static mgenjit_executor *executor;
    executor = new_executor(NULL);
    mgenjit_module_free(add(executor,
                            "@kept = internal global ptr null\n"
                            "declare noalias ptr @malloc(i64)\n"
                            "define i32 @keep() {\n"
                            "  %memory = call ptr @malloc(i64 100)\n"
                            "  store volatile ptr %memory, ptr @kept\n"
                            "  ret i32 1\n"
                            "}\n"));
    CHECK_INT(1, FUNCTION(int (*)(void), executor, "keep")());
}

int main()
{
    static const check_case cases[] = {
        CASE(compiles_and_unloads),
        CASE(keeps_its_signal_handlers),
        CASE(threads_compile),
        CASE(threads_call),
        CASE(compiles_in_the_background),
        CASE(a_child_compiles),
        CASE(exceptions_pass),
        CASE(memory_is_kept),
        CASE(errors_are_errors),
    };
    check_reset();
    return RUN_CASES(cases);
}
