/*
 * A crash handler that prints the stack of a fault in compiled code, with the names of its functions and their source
 * lines. Compiled code is not a library of the system's loader: dladdr and backtrace_symbols do not know it, and
 * mgenjit_symbolize does.
 *
 * The stack itself is found by glibc's backtrace(), which unwinds through compiled code as through any other.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "mgenjit.h"

/* A function that adds up what an array of pointers leads to. Its debug information is as a compiler of a language `demo`
 * would write it for sums.demo. */
static const char ir[] =
    "define i32 @add_up(ptr %places, i32 %count) !dbg !4 {\n"
    "entry:\n"
    "  br label %next, !dbg !7\n"
    "next:\n"
    "  %i = phi i32 [ 0, %entry ], [ %i.next, %next ], !dbg !7\n"
    "  %sum = phi i32 [ 0, %entry ], [ %sum.next, %next ], !dbg !7\n"
    "  %at = getelementptr ptr, ptr %places, i32 %i, !dbg !8\n"
    "  %place = load ptr, ptr %at, !dbg !8\n"
    "  %value = call i32 @get(ptr %place), !dbg !8\n"
    "  %sum.next = add i32 %sum, %value, !dbg !8\n"
    "  %i.next = add i32 %i, 1, !dbg !7\n"
    "  %more = icmp slt i32 %i.next, %count, !dbg !7\n"
    "  br i1 %more, label %next, label %done, !dbg !7\n"
    "done:\n"
    "  ret i32 %sum.next, !dbg !9\n"
    "}\n"
    "define internal i32 @get(ptr %place) noinline !dbg !5 {\n"
    "  %value = load volatile i32, ptr %place, !dbg !10\n"
    "  ret i32 %value, !dbg !10\n"
    "}\n"
    "!llvm.dbg.cu = !{!0}\n"
    "!llvm.module.flags = !{!2}\n"
    "!0 = distinct !DICompileUnit(language: DW_LANG_C, file: !1, emissionKind: FullDebug)\n"
    "!1 = !DIFile(filename: \"sums.demo\", directory: \"/demo\")\n"
    "!2 = !{i32 2, !\"Debug Info Version\", i32 3}\n"
    "!3 = !DISubroutineType(types: !{})\n"
    "!4 = distinct !DISubprogram(name: \"add_up\", file: !1, line: 6, type: !3, unit: !0, spFlags: DISPFlagDefinition)\n"
    "!5 = distinct !DISubprogram(name: \"get\", file: !1, line: 1, type: !3, unit: !0,"
    " spFlags: DISPFlagLocalToUnit | DISPFlagDefinition)\n"
    "!7 = !DILocation(line: 8, column: 5, scope: !4)\n"
    "!8 = !DILocation(line: 9, column: 16, scope: !4)\n"
    "!9 = !DILocation(line: 10, column: 5, scope: !4)\n"
    "!10 = !DILocation(line: 3, column: 12, scope: !5)\n";

/* Prints a frame. In a signal handler, without the C library's buffers. */
static void print_frame(int number, void *address, void *fault)
{
    mgenjit_symbol symbol = {.size = sizeof symbol};
    mgenjit_location location = {.size = sizeof location};
    /* A return address belongs to the call before it; the address of the fault is exact. */
    char *code = address == fault ? (char *)address : (char *)address - 1;
    Dl_info library;
    if (!mgenjit_symbolize(code, &symbol)) {
        const char *name = dladdr(code, &library) && library.dli_sname ? library.dli_sname : "?";
        dprintf(STDERR_FILENO, "#%d %s\n", number, name);
        return;
    }
    /* This reads debug information, and allocates. The process ends anyway: if it hangs here, the alarm ends it. */
    if (mgenjit_source_location(code, 0, &location, NULL) == MGENJIT_STATUS_OK)
        dprintf(STDERR_FILENO, "#%d %s at %s:%u in %s\n", number, symbol.function, location.file, location.line,
                symbol.module);
    else
        dprintf(STDERR_FILENO, "#%d %s + %ld in %s\n", number, symbol.function[0] ? symbol.function : "?",
                (long)(code - (const char *)symbol.function_address), symbol.module);
}

static void crashed(int number, siginfo_t *info, void *context)
{
#ifdef __aarch64__
    void *fault = (void *)(uintptr_t)((ucontext_t *)context)->uc_mcontext.pc;
#else
    void *fault = (void *)(uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#endif
    void *stack[64];
    const int depth = backtrace(stack, 64);
    int first = 0;
    (void)info;
    alarm(5);
    dprintf(STDERR_FILENO, "signal %d\n", number);
    /* What comes before the fault is this handler. */
    while (first < depth && stack[first] != fault)
        first++;
    for (int i = first; i < depth; i++)
        print_frame(i - first, stack[i], fault);
    /* As shells tell of such an end. A handler that returns instead repeats the fault, which leaves a core file. */
    _exit(128 + number);
}

static void install_handler(void)
{
    static char memory[65536];
    void *warm_up[1];
    const stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = crashed;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND;
    sigaltstack(&stack, NULL);
    sigaction(SIGSEGV, &action, NULL);
    /* The first call loads a library, which a signal handler must not. */
    backtrace(warm_up, 1);
}

int main(void)
{
    const int one = 1, two = 2;
    const int *places[] = {&one, &two, NULL};
    mgenjit_executor *executor = NULL;
    mgenjit_error *error = NULL;
    int (*add_up)(const int **, int);
    void *address;

    if (mgenjit_executor_new(NULL, &executor, &error) != MGENJIT_STATUS_OK
        || mgenjit_executor_compile(executor, "sums", ir, strlen(ir), NULL, &error) != MGENJIT_STATUS_OK
        || mgenjit_executor_lookup(executor, "add_up", &address, &error) != MGENJIT_STATUS_OK) {
        fprintf(stderr, "backtrace: %s\n", mgenjit_error_message(error));
        mgenjit_error_free(error);
        mgenjit_executor_free(executor);
        return 1;
    }
    memcpy(&add_up, &address, sizeof add_up);
    install_handler();
    printf("%d\n", add_up(places, 2));
    fflush(stdout);
    /* The third leads nowhere. */
    printf("%d\n", add_up(places, 3));
    mgenjit_executor_free(executor);
    return 0;
}
