#define _GNU_SOURCE

#include "isolated.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/report.h"
#include "common/text.h"

/* What timeout(1) ends with, and shells begin to count signals from. */
enum { TIMED_OUT = 124, SIGNALLED = 128 };

struct unit {
    const char *name;
    double factor;
};

static int read_number(const char *text, const struct unit *units, uint64_t *number)
{
    char *end;
    if (!isdigit((unsigned char)*text))
        return 0;
    errno = 0;
    double value = strtod(text, &end);
    while (units->name != NULL && strcasecmp(units->name, end) != 0)
        units++;
    if (units->name == NULL || errno != 0)
        return 0;
    value *= units->factor;
    if (!(value >= 0 && value < 9e18))
        return 0;
    *number = (uint64_t)value;
    /* As little as can be, and not none. */
    if (*number == 0 && value > 0)
        *number = 1;
    return *number > 0;
}

int isolated_duration(const char *text, uint64_t *milliseconds)
{
    static const struct unit units[] = {{"", 1e3}, {"s", 1e3}, {"ms", 1}, {"m", 60e3}, {"h", 3600e3}, {NULL, 0}};
    return read_number(text, units, milliseconds);
}

int isolated_size(const char *text, uint64_t *bytes)
{
    static const struct unit units[] = {
        {"", 1}, {"k", 1024}, {"m", 1 << 20}, {"g", 1 << 30}, {"t", 1024.0 * (1 << 30)}, {NULL, 0}};
    return read_number(text, units, bytes);
}

int isolated_count(const char *text, uint64_t *count)
{
    static const struct unit units[] = {{"", 1}, {NULL, 0}};
    return read_number(text, units, count);
}

int isolated_new(struct isolated *isolated, int argc, mgenjit_error **error)
{
    return list_new(&isolated->variables, argc) && mgenjit_isolation_new(&isolated->isolation, error) == MGENJIT_STATUS_OK;
}

void isolated_free(struct isolated *isolated)
{
    mgenjit_isolation_free(isolated->isolation);
    list_free(&isolated->variables);
}

/* The streams are this program's own, or kept until the end where their length has a limit. */
static int set_streams(const struct isolated *isolated, mgenjit_error **error)
{
    for (int stream = 0; stream < 3; stream++) {
        mgenjit_status status = MGENJIT_STATUS_OK;
        if (stream > 0 && isolated->output != 0)
            status = mgenjit_isolation_capture(isolated->isolation, stream, error);
        else if (fcntl(stream, F_GETFD) >= 0)
            status = mgenjit_isolation_set_stream(isolated->isolation, stream, stream, error);
        if (status != MGENJIT_STATUS_OK)
            return 0;
    }
    return mgenjit_isolation_set_output(isolated->isolation, isolated->output, error) == MGENJIT_STATUS_OK;
}

static void write_output(const mgenjit_outcome *outcome)
{
    FILE *const files[] = {NULL, stdout, stderr};
    for (int stream = 1; stream < 3; stream++) {
        size_t size;
        const void *bytes = mgenjit_outcome_output(outcome, stream, &size);
        fwrite(bytes, 1, size, files[stream]);
        fflush(files[stream]);
    }
}

/* Says why a program ended otherwise than by itself. */
static void report_outcome(const mgenjit_outcome *outcome, const char *program)
{
    static const char *const limits[] = {
        [MGENJIT_LIMIT_TIME] = "it ran for longer than --time allows",
        [MGENJIT_LIMIT_CPU_TIME] = "it used more processor time than --cpu allows",
        [MGENJIT_LIMIT_MEMORY] = "it needed more memory than --memory allows",
        [MGENJIT_LIMIT_OUTPUT] = "it wrote more than --output allows",
    };
    int32_t limit = mgenjit_outcome_limit(outcome);
    int signal = mgenjit_outcome_signal(outcome);
    mgenjit_fault fault = {.size = sizeof fault};
    if (mgenjit_outcome_missing(outcome) & MGENJIT_MISSING_FILES)
        fprintf(stderr, "%s: this kernel cannot restrict access to files: %s could open others\n", program_name, program);
    if (mgenjit_outcome_missing(outcome) & MGENJIT_MISSING_CALLS)
        fprintf(stderr, "%s: this kernel cannot filter system calls: %s could do what this program may\n", program_name,
                program);
    if (limit != MGENJIT_LIMIT_NONE)
        fprintf(stderr, "%s: %s: %s\n", program_name, program, limits[limit]);
    else if (signal != 0)
        fprintf(stderr, "%s: %s: %s\n", program_name, program, strsignal(signal));
    if (signal != 0 && mgenjit_outcome_fault(outcome, &fault) && fault.module[0] != '\0') {
        fputs("  in ", stderr);
        if (fault.function[0] != '\0') {
            text_put(stderr, fault.function);
            fprintf(stderr, "+0x%" PRIx64 ", ", fault.function_offset);
        }
        text_put(stderr, fault.module);
        fprintf(stderr, "+0x%" PRIx64 ", at address 0x%" PRIx64 "\n", fault.module_offset, fault.address);
    }
}

int isolated_run(struct isolated *isolated, mgenjit_executor *executor, const char *const *arguments, int argument_count)
{
    mgenjit_isolation *isolation = isolated->isolation;
    mgenjit_error *error = NULL;
    mgenjit_outcome *outcome = NULL;
    char *folder = getcwd(NULL, 0);

    if (mgenjit_isolation_set_arguments(isolation, argument_count, arguments, &error) == MGENJIT_STATUS_OK
        && mgenjit_isolation_set_environment(isolation, isolated->variables.count, isolated->variables.items, &error)
               == MGENJIT_STATUS_OK
        && (folder == NULL || mgenjit_isolation_set_directory(isolation, folder, &error) == MGENJIT_STATUS_OK)
        && set_streams(isolated, &error))
        mgenjit_executor_run_isolated(executor, isolation, &outcome, &error);
    free(folder);
    if (error != NULL)
        return report_error(NULL, error);

    if (isolated->output != 0)
        write_output(outcome);
    report_outcome(outcome, arguments[0]);
    int32_t limit = mgenjit_outcome_limit(outcome);
    int signal = mgenjit_outcome_signal(outcome);
    int exit_code = mgenjit_outcome_exit_status(outcome);
    if (limit == MGENJIT_LIMIT_TIME || limit == MGENJIT_LIMIT_CPU_TIME)
        exit_code = TIMED_OUT;
    else if (signal != 0)
        exit_code = SIGNALLED + signal;
    mgenjit_outcome_free(outcome);
    return exit_code;
}
