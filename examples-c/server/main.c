/*
 * Shows what the shared compile server is doing, and stops it.
 *
 * options.c reads the command line, print.c prints.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/message.h"
#include "common/program.h"
#include "common/text.h"
#include "common/tools.h"
#include "mgenjit.h"
#include "options.h"
#include "print.h"

/* Prints an error, frees it, and returns the exit code for it. */
static int report(mgenjit_error *error)
{
    mgenjit_status status = mgenjit_error_status(error);
    char *message = message_for_tools(mgenjit_error_message(error));
    fprintf(stderr, "%s: ", program_name);
    text_put_lines(stderr, message != NULL ? message : mgenjit_error_message(error));
    fputc('\n', stderr);
    free(message);
    mgenjit_error_free(error);
    return status == MGENJIT_STATUS_NOT_FOUND ? EXIT_NO_SERVER : EXIT_FAILED;
}

static int show(const struct options *options)
{
    mgenjit_server_statistics statistics;
    char *path = NULL;
    mgenjit_error *error = NULL;

    statistics.size = sizeof statistics;
    if (mgenjit_server_status(&statistics, &error) != MGENJIT_STATUS_OK
        || mgenjit_server_socket(&path, &error) != MGENJIT_STATUS_OK)
        return report(error);
    if (options->command == STATS && options->json)
        print_stats_json(&statistics);
    else if (options->command == STATS)
        print_stats(&statistics);
    else if (options->json)
        print_status_json(path, &statistics);
    else
        print_status(path, &statistics);
    mgenjit_string_free(path);
    return EXIT_DONE;
}

static int stop(const struct options *options)
{
    mgenjit_error *error = NULL;
    if (mgenjit_server_stop(options->force, options->timeout, &error) != MGENJIT_STATUS_OK)
        return report(error);
    puts(options->timeout == 0 ? "told to end" : "ended");
    return EXIT_DONE;
}

int server_main(int argc, char **argv)
{
    struct options options;
    int exit_code;

    if (server_options_parse(&options, argc, argv, &exit_code))
        exit_code = options.command == STOP ? stop(&options) : show(&options);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "%s: stdout: %s\n", program_name, strerror(errno));
        return EXIT_FAILED;
    }
    return exit_code;
}
