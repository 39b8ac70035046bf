/*
 * A call that faults, or that the user interrupts, is left by siglongjmp. What it was doing stays half done. Some of that
 * matters to the session: a lock of the C library that is held for ever. So Ctrl-C waits a little for a moment in which the
 * code of a module runs, and after a fault elsewhere the heap is tried before it is needed.
 */
#define _GNU_SOURCE

#include "guard.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sysexits.h>
#include <ucontext.h>
#include <unistd.h>

#include "common/program.h"
#include "log.h"
#include "repl.h"

/* How often, and in which steps, Ctrl-C waits for the code of a module. */
enum { TRIES = 40, STEP_US = 5000 };
/* How long the heap may take. */
enum { HEAP_SECONDS = 2 };

static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
enum { FAULTS = sizeof faults / sizeof faults[0] };

static sigjmp_buf back;
static pthread_t thread;
static volatile sig_atomic_t is_calling, is_looking, tries, is_interrupted, is_stopped;
static volatile struct fault found;
static pid_t ending;
static const char *log_path;

/* One thread ends the session, and others wait for that. If it faults meanwhile, nothing more can be done. */
static void begin_to_end(void)
{
    pid_t who = 0, self = gettid();
    if (__atomic_compare_exchange_n(&ending, &who, self, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return;
    if (who == self)
        _exit(EX_SOFTWARE);
    for (;;)
        pause();
}

void guard_give_up(const char *why)
{
    begin_to_end();
    log_say(program_name);
    log_say(": ");
    log_say(why);
    log_say(": the session cannot go on. The values of variables are lost. ");
    log_save(log_path);
    _exit(EX_SOFTWARE);
}

static void wait_for_step(suseconds_t microseconds)
{
    const struct itimerval timer = {{0, 0}, {microseconds / 1000000, microseconds % 1000000}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void leave(int number, const siginfo_t *info, void *context)
{
    const ucontext_t *machine = context;
    mgenjit_symbol symbol;
    symbol.size = sizeof symbol;
    /* The timer is ours once Ctrl-C was pressed. */
    int is_fault = number != SIGINT && (number != SIGALRM || (is_calling && tries == 0));
    int is_mine = pthread_equal(pthread_self(), thread);
#ifdef __aarch64__
    void *code = (void *)(uintptr_t)machine->uc_mcontext.pc;
#else
    void *code = (void *)machine->uc_mcontext.gregs[REG_RIP];
#endif
    if (!is_fault && (!is_calling || !is_mine)) {
        is_interrupted |= number == SIGINT;
        /* A thread of the code got it. */
        if (is_calling)
            pthread_kill(thread, number);
        return;
    }
    if (!is_calling || !is_mine) {
        const char *where = is_mine ? "A fault outside of a call" : "A fault in another thread";
        begin_to_end();
        signal(number, SIG_DFL);
        log_say(program_name);
        log_say(": ");
        log_say(where);
        log_say(" ends the session. ");
        log_save(log_path);
        /* It happens again when this returns. */
        if (info->si_code <= 0)
            raise(number);
        return;
    }
    /* What it reads may be damaged too. */
    if (is_looking)
        guard_give_up("The heap is damaged");
    is_looking = 1;
    int is_ours = mgenjit_symbolize(code, &symbol);
    is_looking = 0;
    if (!is_fault && !is_ours && tries++ < TRIES) {
        wait_for_step(STEP_US);
        return;
    }
    is_calling = 0;
    wait_for_step(0);
    found.signal = is_fault ? number : SIGINT;
    found.code = code;
    found.address = is_fault && info->si_code > 0 ? info->si_addr : NULL;
    found.is_ours = is_ours;
    siglongjmp(back, 1);
}

/* Before each call, for code may have set others. */
static void install_handlers(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = (void (*)(int, siginfo_t *, void *))leave;
    /* Ctrl-C and the timer wait until `leave` has ended. */
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGINT);
    sigaddset(&action.sa_mask, SIGALRM);
    /* A fault does not: `leave` itself may fault. */
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    for (size_t i = 0; i < FAULTS; i++)
        sigaction(faults[i], &action, NULL);
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
}

/* Of `exit`, if the code called it. */
static void ended(int status, void *unused)
{
    (void)unused;
    if (is_stopped)
        return;
    fflush(stdout);
    fprintf(stderr, "%s: the code called exit(%d): the session ends\n", program_name, status);
}

void guard_stop(void)
{
    is_stopped = 1;
}

void guard_start(const char *path)
{
    static char memory[1 << 16];
    stack_t stack;
    memset(&stack, 0, sizeof stack);
    stack.ss_sp = memory;
    stack.ss_size = sizeof memory;
    sigaltstack(&stack, NULL);
    log_path = path;
    thread = pthread_self();
    install_handlers();
    on_exit(ended, NULL);
}

struct fault guard_call(void (*code)(void *), void *argument)
{
    struct fault result;
    memset((void *)&found, 0, sizeof found);
    install_handlers();
    if (sigsetjmp(back, 1) == 0) {
        tries = 0;
        is_calling = 1;
        /* Ctrl-C may have come while this was compiled. */
        if (!is_interrupted)
            code(argument);
        else
            found.signal = SIGINT;
        is_calling = 0;
    }
    is_interrupted = 0;
    result.signal = found.signal;
    result.code = found.code;
    result.address = found.address;
    result.is_ours = found.is_ours;
    return result;
}

static void try_heap(void *unused)
{
    /* More than what is kept for each thread, so that it takes the lock. */
    void *memory = malloc(1 << 16), *volatile more = malloc(1 << 12);
    (void)unused;
    free(memory);
    free(more);
    fflush(stdout);
}

static void too_late(int number)
{
    (void)number;
    guard_give_up("The code was in the C library, and its heap or its streams are locked for ever");
}

int guard_heap_works(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = too_late;
    sigaction(SIGALRM, &action, NULL);
    alarm(HEAP_SECONDS);
    struct fault fault;
    memset((void *)&found, 0, sizeof found);
    fault.signal = 0;
    if (sigsetjmp(back, 1) == 0) {
        is_calling = 1;
        try_heap(NULL);
        is_calling = 0;
    } else {
        fault.signal = found.signal;
    }
    alarm(0);
    install_handlers();
    return fault.signal == 0;
}

int guard_is_interrupted(void)
{
    return is_interrupted;
}

void guard_calm(void)
{
    is_interrupted = 0;
}
