#define _GNU_SOURCE

#include <dlfcn.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/report.h"
#include "expression.h"
#include "guard.h"
#include "isolate.h"
#include "repl.h"
#include "value.h"

typedef void code(void *slots);

void set_last(mgenjit_module *module, int is_ours)
{
    if (repl.last_is_ours)
        mgenjit_module_free(repl.last);
    repl.last = module;
    repl.last_is_ours = is_ours;
}

void tell_times(void)
{
    if (repl.last == NULL)
        return;
    report_times(repl.last);
    if (repl.last_call_us != UINT64_MAX)
        fprintf(stderr, "  %-28s %9" PRIu64 " µs\n", "run", repl.last_call_us);
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Compiles the translated expression. NULL: that failed, which has been said. */
static mgenjit_module *compile(const struct typed *typed, struct compiled_expression *expression, code **entry)
{
    struct buffer text = {NULL, 0, 0};
    mgenjit_module *module = NULL;
    mgenjit_error *error = NULL;
    size_t before = session_declare(&repl.session, buffer_text(&expression->ir), &text);
    for (size_t i = 0; i < expression->origin_count; i++)
        expression->origins[i].line += before;
    buffer_add(&text, buffer_text(&expression->ir));
    mgenjit_status status = compile_text("<stdin>", buffer_text(&text), text.length, &module, &error);
    if (status == MGENJIT_STATUS_OK && !isolate_is_on())
        status = mgenjit_module_lookup(module, EXPRESSION_NAME, (void **)entry, &error);
    buffer_free(&text);
    if (status == MGENJIT_STATUS_OK)
        return module;
    /* It would wait for what it needs. */
    mgenjit_module_remove(module, NULL);
    mgenjit_module_free(module);
    complain_error(error, expression->origins, expression->origin_count, typed);
    return NULL;
}

const char *signal_reason(int number)
{
    switch (number) {
    case SIGSEGV: return "a segmentation fault";
    case SIGBUS: return "a bus error";
    case SIGFPE: return "an arithmetic fault, such as a division by zero";
    case SIGILL: return "an illegal instruction, as of `unreachable`";
    case SIGTRAP: return "a trap";
    case SIGABRT: return "an abort";
    case SIGALRM: return "an alarm";
    case SIGINT: return "Ctrl-C";
    default: return "a signal";
    }
}

/* Where the code was. */
static void add_place(struct buffer *text, const struct fault *fault)
{
    mgenjit_symbol symbol;
    Dl_info library;
    if (fault->code == NULL)
        return;
    symbol.size = sizeof symbol;
    if (mgenjit_symbolize(fault->code, &symbol)) {
        if (symbol.function[0] != '\0' && strcmp(symbol.function, EXPRESSION_NAME) != 0)
            buffer_format(text, " in `%s`", symbol.function);
    } else if (dladdr(fault->code, &library) != 0 && library.dli_fname != NULL) {
        const char *slash = strrchr(library.dli_fname, '/');
        buffer_format(text, " in %s", slash != NULL ? slash + 1 : library.dli_fname);
        if (library.dli_sname != NULL)
            buffer_format(text, ", `%s`", library.dli_sname);
    }
}

static void tell_fault(const struct typed *typed, const struct fault *fault)
{
    struct buffer text = {NULL, 0, 0};
    if (!fault->is_ours && fault->code != NULL && !guard_heap_works())
        guard_give_up("The heap is damaged");
    buffer_add(&text, signal_reason(fault->signal));
    if (fault->signal == SIGSEGV || fault->signal == SIGBUS) {
        if (fault->address != NULL || fault->is_ours)
            buffer_format(&text, " at the address 0x%" PRIxPTR, (uintptr_t)fault->address);
    }
    add_place(&text, fault);
    complain(typed, NULL, "%s. The call is left half done: what it changed stays, locks that it holds stay locked",
             buffer_text(&text));
    buffer_free(&text);
}

/* Computes it in this process. Returns whether the call has returned. */
static int evaluate_here(const struct typed *typed, const struct compiled_expression *expression, code *entry)
{
    /* Elsewhere than on the stack, which an overflow could spoil. */
    static char slots[SLOT_SIZE * MAX_SLOTS];
    memset(slots, 0, sizeof slots);
    const struct fault fault = guard_call(entry, slots);
    if (fault.signal != 0)
        tell_fault(typed, &fault);
    else
        print_slots(expression->type, slots);
    return fault.signal == 0;
}

void evaluate(const char *text, size_t line)
{
    struct typed typed = {copy_text(text), line};
    struct compiled_expression expression;
    code *entry = NULL;
    mgenjit_module *module = NULL;
    if (expression_translate(&typed, &expression))
        module = compile(&typed, &expression, &entry);
    if (module != NULL) {
        uint64_t start = now_us();
        fflush(stdout);
        int has_returned = isolate_is_on() ? isolate_evaluate(&typed, &expression) : evaluate_here(&typed, &expression, entry);
        repl.last_call_us = now_us() - start;
        if (ferror(stdout))
            clearerr(stdout);
        fflush(stdout);
        /* Code may keep pointers to strings; and what was left half done may keep others. */
        if (!expression.has_strings && (has_returned || isolate_is_on()))
            mgenjit_module_remove(module, NULL);
        set_last(module, 1);
        if (repl.shows_times)
            tell_times();
    }
    expression_free(&expression);
    free(typed.text);
}
