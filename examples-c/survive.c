/*
 * Compiled code is a part of the process that calls it: what it does, the process does. A host that calls code which may
 * fault or never end has three ways to survive it:
 *
 * - A signal handler that leaves the code by siglongjmp. It costs next to nothing. But what the code was doing stays half
 *   done: memory is not freed, locks stay locked, destructors do not run, and what it wrote where it should not is
 *   written. Leave only code that you call by its address, and neither calls of the library nor static constructors.
 * - A child process, by fork: the code has a copy of the memory, and a fault ends the copy.
 * - An executable that is exported from the cache: a process that has nothing of the host's.
 *
 * None of them is a sandbox: the code may still do what the user may do, such as remove files.
 */
#define _XOPEN_SOURCE 700
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mgenjit.h"

typedef void function(void);

static const char ir[] =
    "define void @fault() {\n"
    "  store volatile i32 1, ptr null\n"
    "  ret void\n"
    "}\n"
    "define void @recursion() {\n"
    "  %frame = alloca [1024 x i8]\n"
    "  store volatile i8 0, ptr %frame\n"
    "  call void @recursion()\n"
    "  store volatile i8 1, ptr %frame\n"
    "  ret void\n"
    "}\n"
    "define void @loop() {\n"
    "  br label %again\n"
    "again:\n"
    "  br label %again\n"
    "}\n"
    "define void @work() {\n"
    "  ret void\n"
    "}\n"
    "declare i32 @getpid()\n"
    "define i32 @process() {\n"
    "  %id = call i32 @getpid()\n"
    "  ret i32 %id\n"
    "}\n"
    "define i32 @main(i32 %argc, ptr %argv) {\n"
    "  switch i32 %argc, label %work [ i32 2, label %fault i32 3, label %recursion i32 4, label %loop ]\n"
    "fault:\n"
    "  call void @fault()\n"
    "  br label %work\n"
    "recursion:\n"
    "  call void @recursion()\n"
    "  br label %work\n"
    "loop:\n"
    "  call void @loop()\n"
    "  br label %work\n"
    "work:\n"
    "  ret i32 0\n"
    "}\n";

/* How many seconds code may take. */
enum { LIMIT = 1 };

/*
 * The first way. This host has one thread. Where there are several, each needs a `back`, a `guarded` and a signal stack of
 * its own (thread-local), and a timer whose signal goes to it: timer_create with SIGEV_THREAD_ID, or pthread_kill.
 */
static sigjmp_buf back;
static volatile sig_atomic_t guarded;

static void leave(int number)
{
    if (guarded) {
        guarded = 0;
        siglongjmp(back, number);
    }
    /* A fault of the host's own: it happens again when this returns, and ends the process. */
    if (number != SIGALRM)
        signal(number, SIG_DFL);
}

static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM };

static void install_handlers(void)
{
    static char memory[65536];
    struct sigaction action;
    stack_t stack;
    /* Where the handler runs when the code has used up its stack. */
    memset(&stack, 0, sizeof stack);
    stack.ss_sp = memory;
    stack.ss_size = sizeof memory;
    sigaltstack(&stack, NULL);
    memset(&action, 0, sizeof action);
    action.sa_handler = leave;
    action.sa_flags = SA_ONSTACK;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
}

/* Returns 0, or the signal that ended the call. */
static int call_guarded(function *code)
{
    int number = sigsetjmp(back, 1);
    if (number == 0) {
        guarded = 1;
        alarm(LIMIT);
        code();
    }
    /* In this order: a signal that comes before the timer is stopped still finds its way back. */
    alarm(0);
    guarded = 0;
    return number;
}

static void prepare_child(void)
{
    struct rlimit none = { 0, 0 };
    setrlimit(RLIMIT_CORE, &none);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        signal(signals[i], SIG_DFL);
    /* It survives exec, and ends the process. */
    alarm(LIMIT);
}

/* Returns 0, the signal that ended the child, or -1 if it ended otherwise than expected. */
static int wait_for(pid_t child)
{
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("survive");
        exit(1);
    }
    return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status) == 0 ? 0 : -1;
}

static int call_in_child(function *code)
{
    pid_t child = fork();
    if (child == 0) {
        prepare_child();
        code();
        _exit(0);
    }
    return wait_for(child);
}

/* With so many arguments. */
static int run_executable(const char *path, int count)
{
    char *arguments[] = { (char *)path, "x", "x", "x", NULL };
    pid_t child = fork();
    if (child == 0) {
        prepare_child();
        arguments[count] = NULL;
        execv(path, arguments);
        _exit(127);
    }
    return wait_for(child);
}

static const char *name_of(int number)
{
    return number == 0 ? "done" : number == SIGSEGV ? "SIGSEGV" : number == SIGALRM ? "SIGALRM" : "something else";
}

static mgenjit_executor *executor;
static mgenjit_error *error;

static void check(mgenjit_status status)
{
    if (status == MGENJIT_STATUS_OK)
        return;
    fprintf(stderr, "survive: %s\n", mgenjit_error_message(error));
    exit(1);
}

int main(void)
{
    static const char *const names[] = { "work", "fault", "recursion", "loop" };
    static const char program[] = "./survive-program";
    mgenjit_module *module = NULL;
    int32_t (*process)(void) = NULL;

    check(mgenjit_executor_new(NULL, &executor, &error));
    check(mgenjit_executor_compile(executor, "survive", ir, strlen(ir), &module, &error));
    check(mgenjit_module_export(module, MGENJIT_EXPORT_EXECUTABLE, program, NULL, &error));
    check(mgenjit_executor_lookup(executor, "process", (void **)&process, &error));
    printf("the code runs in this process: %s\n", process() == getpid() ? "yes" : "no");

    install_handlers();
    for (int i = 0; i < 4; i++) {
        function *code = NULL;
        check(mgenjit_executor_lookup(executor, names[i], (void **)&code, &error));
        printf("%s: siglongjmp %s, ", names[i], name_of(call_guarded(code)));
        fflush(stdout);
        printf("fork %s, executable %s\n", name_of(call_in_child(code)), name_of(run_executable(program, i + 1)));
    }

    remove(program);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    return 0;
}
