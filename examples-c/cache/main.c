/*
 * Inspects and changes a cache.
 *
 * options.c reads the command line and has the table of commands; each command is in the file of its group, with
 * change.c for those that change something and bundle.c for import and export. info.c
 * and text, units, table and json of ../common print; report.c says what failed, and has the exit codes.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "common/program.h"
#include "common/tools.h"
#include "mgenjit.h"
#include "options.h"
#include "report.h"

/* The remotes that a command asks; without --remote, `explain` asks none. Returns 1 for success. */
static int configure_remote(mgenjit_config *config, const struct options *options, mgenjit_error **error)
{
    const char *url = options->remote;
    int mode = MGENJIT_REMOTE_READ;
    if (options->action == NULL && !options->has_remote)
        url = "";
    else if (options->action != NULL && (strcmp(options->action, "push") == 0 || strcmp(options->action, "gc") == 0))
        mode = MGENJIT_REMOTE_WRITE;
    return mgenjit_config_set_remote(config, url, mode, error) == MGENJIT_STATUS_OK;
}

/* Returns 1 for success. */
static int configure(mgenjit_config *config, const struct options *options, mgenjit_error **error)
{
    if (options->cache_dir != NULL
        && mgenjit_config_set_cache_dir(config, options->cache_dir, error) != MGENJIT_STATUS_OK)
        return 0;
    if (mgenjit_config_set_opt_level(config, options->opt_level, error) != MGENJIT_STATUS_OK)
        return 0;
    if (options->has_partition && mgenjit_config_set_partition(config, options->partition, error) != MGENJIT_STATUS_OK)
        return 0;
    if (options->debug_ir && mgenjit_config_set_debug_ir(config, true, error) != MGENJIT_STATUS_OK)
        return 0;
    if (options->target != NULL) {
        if (mgenjit_config_set_target(config, options->target, options->cpu, options->features, error)
            != MGENJIT_STATUS_OK)
            return 0;
    } else if (mgenjit_config_set_cpu(config, options->cpu, error) != MGENJIT_STATUS_OK) {
        return 0;
    }
    if (options->sign != NULL
        && mgenjit_config_set_cache_signing_key(config, options->sign, error) != MGENJIT_STATUS_OK)
        return 0;
    for (int i = 0; i < options->trusted.count; i++)
        if (mgenjit_config_add_cache_trusted_key(config, options->trusted.items[i], error) != MGENJIT_STATUS_OK)
            return 0;
    for (int i = 0; i < options->layers.count; i++)
        if (mgenjit_config_add_cache_layer(config, options->layers.items[i], error) != MGENJIT_STATUS_OK)
            return 0;
    return configure_remote(config, options, error);
}

int cache_main(int argc, char **argv)
{
    struct options options;
    struct context context = {&options, NULL, NULL};
    mgenjit_error *error = NULL;
    int exit_code = EXIT_DONE;

    if (cache_options_parse(&options, argc, argv, &exit_code)) {
        if (mgenjit_config_new(&context.config, &error) == MGENJIT_STATUS_OK
            && configure(context.config, &options, &error)
            && mgenjit_cache_open(context.config, &context.cache, &error) == MGENJIT_STATUS_OK)
            exit_code = options.command->run(&context);
        else
            exit_code = report_cache_error(error);
        mgenjit_cache_free(context.cache);
        mgenjit_config_free(context.config);
    }
    cache_options_free(&options);

    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "%s: stdout: %s\n", program_name, strerror(errno));
        return EXIT_OUTPUT;
    }
    return exit_code;
}
