/* A function with the name of one of the C library's: LLVM may compute a call of it without calling it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgenjit.h"

static const char own[] = "define double @sin(double %x) {\n  ret double 42.0\n}\n";

static const char calls[] =
    "declare double @sin(double)\n"
    "define double @plain() {\n"
    "  %result = call double @sin(double 0.0)\n"
    "  ret double %result\n"
    "}\n"
    "define double @exact() {\n"
    "  %result = call double @sin(double 0.0) nobuiltin\n"
    "  ret double %result\n"
    "}\n";

static mgenjit_executor *executor;
static mgenjit_error *error;

static void check(mgenjit_status status)
{
    if (status == MGENJIT_STATUS_OK)
        return;
    fprintf(stderr, "library_names: %s\n", mgenjit_error_message(error));
    exit(1);
}

static double call(const char *name)
{
    double (*function)(void) = NULL;
    check(mgenjit_executor_lookup(executor, name, (void **)&function, &error));
    return function();
}

int main(void)
{
    check(mgenjit_executor_new(NULL, &executor, &error));
    check(mgenjit_executor_compile(executor, "own", own, strlen(own), NULL, &error));
    check(mgenjit_executor_compile(executor, "calls", calls, strlen(calls), NULL, &error));
    printf("sin(0.0): %g\n", call("plain"));
    printf("sin(0.0) nobuiltin: %g\n", call("exact"));
    mgenjit_executor_free(executor);
    return 0;
}
