// warm: no server

/* Running a program's main: its forms, its exit status, its output. */
#include "check.h"

extern char **environ;

static const char *const ARGV[] = { "program", "one", "two", NULL };

/* Runs main of this IR, with two arguments. */
static int run(const char *ir)
{
    mgenjit_executor *executor = new_executor(NULL);
    int status = -1;
    mgenjit_module_free(add(executor, ir));
    CHECK_OK(mgenjit_executor_run_main(executor, 3, ARGV, &status, &failure));
    mgenjit_executor_free(executor);
    return status;
}

static void every_form(void)
{
    static const char *const results[] = { "i8", "i16", "i32", "i64" };
    static const char *const parameters[] = { "", "i32 %argc", "i32 %argc, ptr %argv", "i32 %argc, ptr %argv, ptr %envp" };
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            char ir[256];
            snprintf(ir, sizeof ir, "define %s @main(%s) {\n  ret %s %d\n}\n", results[i], parameters[j], results[i],
                     10 * i + j);
            CHECK_INT(10 * i + j, run(ir));
        }
    for (int j = 0; j < 4; j++) {
        char ir[256];
        snprintf(ir, sizeof ir, "define void @main(%s) {\n  ret void\n}\n", parameters[j]);
        CHECK_INT(0, run(ir));
    }
}

static void results(void)
{
    CHECK_INT(-1, run("define i32 @main() {\n  ret i32 -1\n}\n"));
    CHECK_INT(-1, run("define i64 @main() {\n  ret i64 -1\n}\n"));
    CHECK_INT(-1, run("define i8 @main() {\n  ret i8 -1\n}\n"));
    CHECK_INT(256, run("define i32 @main() {\n  ret i32 256\n}\n"));
}

static void arguments(void)
{
    CHECK_INT(3, run("define i32 @main(i32 %argc) {\n  ret i32 %argc\n}\n"));
    /* argc as another integer type, as transpilers have it. */
    CHECK_INT(3, run("define i64 @main(i64 %argc) {\n  ret i64 %argc\n}\n"));
    /* The first letter of the last argument, and the pointer after it, which is NULL. */
    CHECK_INT('t', run("define i32 @main(i32 %argc, ptr %argv) {\n"
                       "  %p = getelementptr ptr, ptr %argv, i64 2\n  %s = load ptr, ptr %p\n"
                       "  %c = load i8, ptr %s\n  %r = zext i8 %c to i32\n  ret i32 %r\n}\n"));
    CHECK_INT(1, run("define i32 @main(i32 %argc, ptr %argv) {\n"
                     "  %p = getelementptr ptr, ptr %argv, i64 3\n  %s = load ptr, ptr %p\n"
                     "  %n = icmp eq ptr %s, null\n  %r = zext i1 %n to i32\n  ret i32 %r\n}\n"));
}

static void environment(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    int status = -1;
    CHECK_OK(mgenjit_executor_define(executor, "expected_environment", &environ, &failure));
    add(executor, "@expected_environment = external global ptr\n"
                  "define i32 @main(i32 %argc, ptr %argv, ptr %envp) {\n  %e = load ptr, ptr @expected_environment\n"
                  "  %a = load ptr, ptr %e\n  %b = load ptr, ptr %envp\n  %same = icmp eq ptr %a, %b\n"
                  "  %r = zext i1 %same to i32\n  ret i32 %r\n}\n");
    CHECK_OK(mgenjit_executor_run_main(executor, 1, ARGV, &status, &failure));
    CHECK_INT(1, status);
    mgenjit_executor_free(executor);
}

static void no_main(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    int status = 77;
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_executor_run_main(executor, 1, ARGV, &status, &failure));
    add(executor, "define i32 @other() {\n  ret i32 1\n}\n");
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_executor_run_main(executor, 1, ARGV, &status, &failure));
    CHECK_MESSAGE("main");
    CHECK_INT(77, status);
    check_usable(executor);
    mgenjit_executor_free(executor);
}

static void other_forms(void)
{
    static const char *const forms[] = {
        "define double @main() {\n  ret double 1.0\n}\n",
        "define ptr @main() {\n  ret ptr null\n}\n",
        "define i128 @main() {\n  ret i128 0\n}\n",
        "define { i32, i32 } @main() {\n  ret { i32, i32 } zeroinitializer\n}\n",
        "define i32 @main(ptr %argv) {\n  ret i32 1\n}\n",
        "define i32 @main(double %x) {\n  ret i32 1\n}\n",
        "define i32 @main(i32 %argc, i32 %argv) {\n  ret i32 1\n}\n",
        "define i32 @main(i32 %argc, ptr %argv, ptr %envp, ptr %more) {\n  ret i32 1\n}\n",
        "define fastcc i32 @main(i32 %argc) {\n  ret i32 1\n}\n",
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        mgenjit_executor *executor = new_executor(NULL);
        int status = 77;
        add(executor, forms[i]);
        CHECK_STATUS(MGENJIT_STATUS_TYPE, mgenjit_executor_run_main(executor, 3, ARGV, &status, &failure));
        CHECK_MESSAGE("main");
        CHECK_INT(77, status);
        mgenjit_executor_free(executor);
    }
}

static void unresolved(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    add(executor, "declare i32 @missing()\ndefine i32 @main() {\n  %r = call i32 @missing()\n  ret i32 %r\n}\n");
    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, mgenjit_executor_run_main(executor, 1, ARGV, NULL, &failure));
    CHECK_STRING("missing", mgenjit_error_symbol(failure, 0));
    mgenjit_executor_free(executor);
}

/* Sends stdout to a pipe, where it is buffered as a whole; returns the end to read. */
static int stdout_to_a_pipe(void)
{
    int ends[2];
    fflush(stdout);
    CHECK(pipe(ends) == 0);
    CHECK(dup2(ends[1], 1) == 1);
    close(ends[1]);
    CHECK(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
    return ends[0];
}

static void output_is_flushed(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    int status = 0, output = stdout_to_a_pipe();
    char text[100] = "";
    mgenjit_module_free(add_file(executor, program("print_and_exit.ll")));
    CHECK_OK(mgenjit_executor_run_main(executor, 3, ARGV, &status, &failure));
    CHECK_INT(43, status);
    CHECK(read(output, text, sizeof text - 1) > 0);
    CHECK_STRING("argc 3: program|one", text);
    CHECK_OK(mgenjit_executor_run_main(executor, 1, ARGV, &status, &failure));
    CHECK_INT(41, status);
    memset(text, 0, sizeof text);
    CHECK(read(output, text, sizeof text - 1) > 0);
    CHECK_STRING("argc 1: program|-", text);
    mgenjit_executor_free(executor);
}

/* The library itself writes nothing, also when things fail. */
static void nothing_else_is_written(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    int output = stdout_to_a_pipe(), saved = dup(2);
    char text[100] = "";
    void *address;
    CHECK(dup2(1, 2) == 2);
    add(executor, "define i32 @main() {\n  ret i32 0\n}\n");
    CHECK_INT(MGENJIT_STATUS_OK, mgenjit_executor_run_main(executor, 1, ARGV, NULL, NULL));
    CHECK_INT(MGENJIT_STATUS_NOT_FOUND, mgenjit_executor_lookup(executor, "nowhere", &address, NULL));
    CHECK_INT(MGENJIT_STATUS_LIBRARY, mgenjit_executor_load_library(executor, "/nowhere.so", NULL));
    CHECK_INT(MGENJIT_STATUS_IO, mgenjit_executor_compile_file(executor, "/nowhere.ll", NULL, NULL));
    CHECK(mgenjit_executor_compile(executor, NULL, "nonsense", 8, NULL, NULL) != MGENJIT_STATUS_OK);
    mgenjit_executor_free(executor);
    CHECK(dup2(saved, 2) == 2);
    CHECK(read(output, text, sizeof text - 1) == -1 && errno == EAGAIN);
}

/* A program that calls exit ends the process, with its output and handlers. */
static void a_main_that_exits(void)
{
    int ends[2];
    char text[8] = "";
    pid_t child;
    int status;
    CHECK(pipe(ends) == 0);
    child = fork();
    if (child == 0) {
        mgenjit_executor *executor = new_executor(NULL);
        CHECK(dup2(ends[1], 1) == 1);
        add(executor, "declare void @exit(i32)\ndeclare i32 @putchar(i32)\n"
                      "define i32 @main() {\n  %x = call i32 @putchar(i32 90)\n  call void @exit(i32 33)\n  unreachable\n}\n");
        CHECK_OK(mgenjit_executor_run_main(executor, 1, ARGV, NULL, &failure));
        _exit(1);
    }
    close(ends[1]);
    status = wait_for(child, 30);
    CHECK(WIFEXITED(status));
    CHECK_INT(33, WEXITSTATUS(status));
    CHECK_INT(1, read(ends[0], text, sizeof text));
    CHECK_INT('Z', text[0]);
}

static void run_file(void)
{
    check_events events;
    mgenjit_config *config = new_watched_config(&events);
    int status = 0, output = stdout_to_a_pipe();
    char text[100] = "";
    CHECK_OK(mgenjit_run_file(program("print_and_exit.ll"), 2, ARGV, config, &status, &failure));
    CHECK_INT(42, status);
    CHECK(read(output, text, sizeof text - 1) > 0);
    CHECK_STRING("argc 2: program|one", text);
    CHECK_INT(1, events.count[MGENJIT_EVENT_LOADED]);
    mgenjit_config_free(config);
    CHECK_OK(mgenjit_run_file(program("main_void_i32.ll"), 0, NULL, NULL, &status, &failure));
    CHECK_INT(12, status);
}

static void run_bad_files(void)
{
    int status = 77;
    CHECK_STATUS(MGENJIT_STATUS_IO, mgenjit_run_file("/nowhere.ll", 1, ARGV, NULL, &status, &failure));
    CHECK_MESSAGE("/nowhere.ll");
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_run_file(program("no_main.ll"), 1, ARGV, NULL, &status, &failure));
    CHECK_INT(77, status);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(every_form), CASE(results), CASE(arguments), CASE(environment), CASE(no_main), CASE(other_forms),
        CASE(unresolved), CASE(output_is_flushed), CASE(nothing_else_is_written), CASE(a_main_that_exits),
        CASE(run_file), CASE(run_bad_files),
    };
    return RUN_CASES(cases);
}
