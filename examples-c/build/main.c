/*
 * Builds a program or library from LLVM IR ahead of time: what `run` compiles and runs, this tool writes to a file.
 *
 * options.c reads the command line; kinds.c lists what can be written.
 */

#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "common/report.h"
#include "common/tools.h"
#include "common/unit.h"
#include "mgenjit.h"
#include "options.h"

static uint64_t microseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Compiles the files, to one module or to one each. Returns 0 or an exit code. */
static int compile(mgenjit_executor *executor, const struct options *options, mgenjit_module **modules, int count)
{
    mgenjit_error *error = NULL;
    for (int i = 0; i < count; i++) {
        struct list part = list_part(&options->files, i);
        const struct list *files = options->separate ? &part : &options->files;
        if (unit_compile(executor, files, &options->keep, &modules[i], &error) != MGENJIT_STATUS_OK)
            return report_error(NULL, error);
    }
    if (options->setup.time)
        for (int i = 0; i < count; i++)
            report_times(modules[i]);
    return 0;
}

/* Returns 0 or an exit code. */
static int export_to_stdout(const struct options *options, mgenjit_module **modules, size_t count)
{
    mgenjit_blob *blob = NULL;
    mgenjit_error *error = NULL;
    if (mgenjit_modules_export_blob(modules, count, options->kind->number, options->export, &blob, &error)
        != MGENJIT_STATUS_OK)
        return report_error(NULL, error);
    fwrite(mgenjit_blob_data(blob), 1, mgenjit_blob_size(blob), stdout);
    mgenjit_blob_free(blob);
    return 0;
}

/* Returns 0 or an exit code. */
static int export_to_file(const struct options *options, mgenjit_module **modules, size_t count)
{
    mgenjit_error *error = NULL;
    mgenjit_status status = mgenjit_modules_export(modules, count, options->kind->number, options->output,
                                                   options->export, &error);
    if (status == MGENJIT_STATUS_OK)
        return 0;
    int exit_code = report_error(NULL, error);
    /* All inputs were read by now. */
    return status == MGENJIT_STATUS_IO ? EX_CANTCREAT : exit_code;
}

static int build(mgenjit_executor *executor, const struct options *options, mgenjit_module **modules, int count)
{
    int exit_code = compile(executor, options, modules, count);
    if (exit_code != 0)
        return exit_code;

    uint64_t start = microseconds();
    exit_code = strcmp(options->output, "-") == 0 ? export_to_stdout(options, modules, (size_t)count)
                                                  : export_to_file(options, modules, (size_t)count);
    if (exit_code == 0 && options->setup.time)
        fprintf(stderr, "%s: exported as %s in %" PRIu64 " µs\n", options->output, options->kind->name,
                microseconds() - start);
    return exit_code;
}

int build_main(int argc, char **argv)
{
    struct options options;
    mgenjit_error *error = NULL;
    mgenjit_executor *executor = NULL;
    int exit_code = EX_OSERR;

    if (!build_options_parse(&options, argc, argv, &exit_code)) {
        build_options_free(&options);
        return report_end(exit_code);
    }

    int count = options.separate ? options.files.count : 1;
    mgenjit_module **modules = calloc((size_t)count, sizeof *modules);
    if (modules != NULL) {
        if (mgenjit_executor_new(options.setup.config, &executor, &error) == MGENJIT_STATUS_OK)
            exit_code = build(executor, &options, modules, count);
        else
            exit_code = report_error(NULL, error);
        for (int i = 0; i < count; i++)
            mgenjit_module_free(modules[i]);
    }
    mgenjit_executor_free(executor);
    free(modules);
    build_options_free(&options);
    return report_end(exit_code);
}
