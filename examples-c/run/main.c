/*
 * Runs a program of LLVM IR: its main, or functions that the command line calls.
 *
 * options.c reads the command line, call.c the calls in it; print.c prints results. isolated.c runs a program in a process of its
 * own.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "call.h"
#include "common/report.h"
#include "common/tools.h"
#include "common/unit.h"
#include "mgenjit.h"
#include "options.h"
#include "print.h"
#include "profile.h"

/* Loads libraries and modules, the program's file as modules[0]. Returns 0 or an exit code. */
static int load(mgenjit_executor *executor, const struct options *options, mgenjit_module **modules)
{
    mgenjit_error *error = NULL;
    if (mgenjit_executor_set_arguments(executor, options->argument_count, options->arguments, &error)
        != MGENJIT_STATUS_OK)
        return report_error(NULL, error);
    for (int i = 0; i < options->libraries.count; i++) {
        const char *path = options->libraries.items[i];
        if (mgenjit_executor_load_library(executor, path, &error) != MGENJIT_STATUS_OK)
            return report_error(NULL, error);
    }
    if (unit_compile(executor, &options->files, &options->keep, &modules[0], &error) != MGENJIT_STATUS_OK)
        return report_error(NULL, error);
    for (int i = 0; i < options->additions.count; i++) {
        struct list addition = list_part(&options->additions, i);
        if (unit_compile(executor, &addition, NULL, &modules[i + 1], &error) != MGENJIT_STATUS_OK)
            return report_error(NULL, error);
    }
    return 0;
}

static int run_calls(mgenjit_executor *executor, const struct options *options, struct call *calls)
{
    for (int i = 0; i < options->calls.count; i++) {
        int exit_code = call_parse(&calls[i], options->calls.items[i]);
        if (exit_code == 0)
            exit_code = call_run(&calls[i], executor);
        if (exit_code != 0)
            return exit_code;
    }
    return 0;
}

/* Gives the process the program's name, which the C library prints in messages. */
static void become(const char *path)
{
    const char *slash = strrchr(path, '/');
    program_invocation_name = (char *)path;
    program_invocation_short_name = slash == NULL ? (char *)path : (char *)slash + 1;
}

/* Does what the options ask for, with the modules loaded. Returns the exit code. */
static int run(mgenjit_executor *executor, struct options *options, mgenjit_module **modules,
               struct call *calls)
{
    mgenjit_error *error = NULL;
    int exit_code = load(executor, options, modules);
    if (exit_code != 0)
        return exit_code;

    if (options->list) {
        for (int i = 0; i <= options->additions.count; i++)
            if (!print_functions(modules[i], &error))
                return report_error(NULL, error);
    } else if (!options->is_isolated && mgenjit_executor_link(executor, &error) != MGENJIT_STATUS_OK) {
        return report_error(NULL, error);
    }

    /* Before the program runs: it may call exit. */
    if (options->setup.time)
        for (int i = 0; i <= options->additions.count; i++)
            report_times(modules[i]);

    if (options->list)
        return 0;
    if (options->profile != NULL)
        profile_write_at_exit(options->profile, options->setup.config, modules, options->additions.count + 1);
    if (options->calls.count > 0)
        return run_calls(executor, options, calls);
    if (options->is_isolated)
        return isolated_run(&options->isolated, executor, options->arguments, options->argument_count);
    become(options->arguments[0]);
    if (mgenjit_executor_run_main(executor, 0, NULL, &exit_code, &error) != MGENJIT_STATUS_OK)
        return report_error(NULL, error);
    /* As if it had called exit: its destructors run in their usual order, and threads that it has left still have code. */
    exit(report_end(exit_code));
}

int run_main(int argc, char **argv)
{
    struct options options;
    mgenjit_error *error = NULL;
    mgenjit_executor *executor = NULL;
    int exit_code = EX_OSERR;

    if (!run_options_parse(&options, argc, argv, &exit_code)) {
        run_options_free(&options);
        return report_end(exit_code);
    }

    mgenjit_module **modules = calloc((size_t)options.additions.count + 1, sizeof *modules);
    struct call *calls = calloc((size_t)options.calls.count + 1, sizeof *calls);
    if (modules != NULL && calls != NULL) {
        if (mgenjit_executor_new(options.setup.config, &executor, &error) == MGENJIT_STATUS_OK)
            exit_code = run(executor, &options, modules, calls);
        else
            exit_code = report_error(NULL, error);
    }

    int wrote = profile_write();
    exit_code = exit_code == 0 ? wrote : exit_code;
    for (int i = 0; modules != NULL && i <= options.additions.count; i++)
        mgenjit_module_free(modules[i]);
    mgenjit_executor_free(executor);
    for (int i = 0; calls != NULL && i < options.calls.count; i++)
        call_free(&calls[i]);
    free(calls);
    free(modules);
    run_options_free(&options);
    return report_end(exit_code);
}
