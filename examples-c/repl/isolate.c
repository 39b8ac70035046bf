/*
 * The session's code in a process of its own. A crash, an exit or Ctrl-C ends that process and not the session; the next call
 * gets a new one, in which all that was defined is there and variables begin anew.
 */
#define _GNU_SOURCE

#include "isolate.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "expression.h"
#include "guard.h"
#include "repl.h"
#include "value.h"

static mgenjit_isolate *isolate;
/* In memory that both processes have. */
static char *slots;

int isolate_is_on(void)
{
    return isolate != NULL;
}

/* The code may do what it could in this process, but for other processes. */
static mgenjit_status make(mgenjit_error **error)
{
    mgenjit_isolation *isolation = NULL;
    void *memory = NULL;
    mgenjit_status status = mgenjit_isolation_new(&isolation, error);
    if (status == MGENJIT_STATUS_OK)
        status = mgenjit_isolation_allow_all_files(isolation, true, error);
    if (status == MGENJIT_STATUS_OK)
        status = mgenjit_isolation_allow_network(isolation, true, error);
    if (status == MGENJIT_STATUS_OK)
        status = mgenjit_isolation_set_directory(isolation, ".", error);
    for (int stream = 0; stream < 3 && status == MGENJIT_STATUS_OK; stream++)
        status = mgenjit_isolation_set_stream(isolation, stream, stream, error);
    /* A new process is ready when it is needed. */
    if (status == MGENJIT_STATUS_OK)
        status = mgenjit_isolation_set_pool(isolation, 1, error);
    if (status == MGENJIT_STATUS_OK)
        status = mgenjit_isolate_new(repl.executor, isolation, SLOT_SIZE * MAX_SLOTS, &isolate, error);
    if (status == MGENJIT_STATUS_OK)
        status = mgenjit_isolate_alloc(isolate, SLOT_SIZE * MAX_SLOTS, &memory, error);
    mgenjit_isolation_free(isolation);
    slots = memory;
    if (status != MGENJIT_STATUS_OK)
        isolate_stop();
    return status;
}

void isolate_stop(void)
{
    mgenjit_isolate_free(isolate);
    isolate = NULL;
}

void isolate_set(const struct typed *typed, int is_on)
{
    mgenjit_error *error = NULL;
    if (is_on == isolate_is_on())
        return;
    if (!is_on) {
        isolate_stop();
        /* What was defined meanwhile was not linked here. */
        if (mgenjit_executor_link(repl.executor, &error) != MGENJIT_STATUS_OK) {
            if (mgenjit_error_status(error) != MGENJIT_STATUS_UNRESOLVED)
                complain_error(error, NULL, 0, typed);
            else
                mgenjit_error_free(error);
        }
    } else if (make(&error) != MGENJIT_STATUS_OK) {
        complain_error(error, NULL, 0, typed);
        return;
    }
    if (repl.session.unit_count > 0)
        remark(is_on ? "the code runs in a process of its own from now on, where variables have their first values"
                     : "the code runs in this process again: the values that variables had in the other are lost");
}

/* Ends the call that is made, at Ctrl-C. */
struct watch {
    pthread_t thread;
    volatile int is_over;
    int is_watching;
};

static void *watch(void *argument)
{
    struct watch *watch = argument;
    const struct timespec moment = {0, 1000000};
    sigset_t interrupt;
    int number;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    sigwait(&interrupt, &number);
    /* The call may not have begun. */
    while (!__atomic_load_n(&watch->is_over, __ATOMIC_SEQ_CST)) {
        mgenjit_isolate_cancel(isolate, NULL);
        nanosleep(&moment, NULL);
    }
    return NULL;
}

static mgenjit_status call(mgenjit_error **error)
{
    struct watch watched = {.is_over = 0};
    const mgenjit_value argument = mgenjit_pointer(slots);
    sigset_t interrupt, before;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    pthread_sigmask(SIG_BLOCK, &interrupt, &before);
    watched.is_watching = pthread_create(&watched.thread, NULL, watch, &watched) == 0;
    mgenjit_status status =
        mgenjit_isolate_call(isolate, EXPRESSION_NAME, &argument, 1, MGENJIT_FOREVER, NULL, error);
    __atomic_store_n(&watched.is_over, 1, __ATOMIC_SEQ_CST);
    if (watched.is_watching) {
        pthread_kill(watched.thread, SIGINT);
        pthread_join(watched.thread, NULL);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

/* How the process ended. */
static void tell_end(const struct typed *typed, mgenjit_status status, const mgenjit_outcome *outcome)
{
    struct buffer text = {NULL, 0, 0};
    mgenjit_fault fault = {.size = sizeof fault};
    int number = status == MGENJIT_STATUS_CANCELLED ? SIGINT : mgenjit_outcome_signal(outcome);
    if (number != 0)
        buffer_add(&text, signal_reason(number));
    else
        buffer_format(&text, "the code called exit(%d)", mgenjit_outcome_exit_status(outcome));
    if (status != MGENJIT_STATUS_CANCELLED && mgenjit_outcome_fault(outcome, &fault)) {
        if (number == SIGSEGV || number == SIGBUS)
            buffer_format(&text, " at the address 0x%llx", (unsigned long long)fault.address);
        if (fault.function[0] != '\0' && strcmp(fault.function, EXPRESSION_NAME) != 0)
            buffer_format(&text, " in `%s`", fault.function);
    }
    complain(typed, NULL, "%s. This ended the process that ran the code: what variables held and what was allocated is lost, "
             "what is defined stays", buffer_text(&text));
    buffer_free(&text);
}

int isolate_evaluate(const struct typed *typed, const struct compiled_expression *expression)
{
    mgenjit_error *error = NULL;
    memset(slots, 0, SLOT_SIZE * MAX_SLOTS);
    if (guard_is_interrupted()) {
        guard_calm();
        complain(typed, NULL, "%s", signal_reason(SIGINT));
        return 0;
    }
    mgenjit_status status = call(&error);
    if (status == MGENJIT_STATUS_OK) {
        print_slots(expression->type, slots);
        return 1;
    }
    const mgenjit_outcome *outcome = mgenjit_error_outcome(error);
    if (outcome == NULL) {
        complain_error(error, expression->origins, expression->origin_count, typed);
        return 0;
    }
    tell_end(typed, status, outcome);
    mgenjit_error_free(error);
    return 0;
}
