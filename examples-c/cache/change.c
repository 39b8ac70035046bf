#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "common/json.h"
#include "common/units.h"
#include "entries.h"
#include "progress.h"
#include "report.h"

/* Returns an exit code. */
static int get_stats(mgenjit_cache *cache, mgenjit_cache_statistics *stats)
{
    mgenjit_error *error = NULL;
    stats->size = sizeof *stats;
    return mgenjit_cache_stats(cache, stats, &error) == MGENJIT_STATUS_OK ? EXIT_DONE : report_cache_error(error);
}

/* Prints how much was removed and how much is left. Other processes may have stored or removed something meanwhile. */
static int report_removed(struct context *context, const mgenjit_cache_statistics *before)
{
    mgenjit_cache_statistics after;
    char one[UNITS_SIZE], two[UNITS_SIZE];
    int exit_code = get_stats(context->cache, &after);
    if (exit_code != EXIT_DONE)
        return exit_code;
    uint64_t entries = before->entries > after.entries ? before->entries - after.entries : 0;
    uint64_t bytes = before->bytes > after.bytes ? before->bytes - after.bytes : 0;
    if (context->options->json) {
        json_open(NULL);
        json_number("removed", entries);
        json_number("removed_bytes", bytes);
        json_number("entries", after.entries);
        json_number("bytes", after.bytes);
        json_number("pinned", after.pinned);
        json_end();
    } else {
        printf("removed %" PRIu64 " %s, %s; left %" PRIu64 ", %s", entries, entries == 1 ? "entry" : "entries",
               format_size(one, bytes), after.entries, format_size(two, after.bytes));
        if (after.pinned > 0)
            printf(" (%" PRIu64 " pinned)", after.pinned);
        putchar('\n');
    }
    return EXIT_DONE;
}

int command_trim(struct context *context)
{
    const struct options *options = context->options;
    mgenjit_cache_statistics before;
    mgenjit_error *error = NULL;
    int exit_code = get_stats(context->cache, &before);
    if (exit_code != EXIT_DONE)
        return exit_code;

    /* The statistics have the current limits. */
    uint64_t bytes = options->max_bytes != NO_LIMIT_GIVEN ? options->max_bytes : before.max_bytes;
    uint64_t entries = options->max_entries != NO_LIMIT_GIVEN ? options->max_entries : before.max_entries;
    uint64_t age = before.max_age_ms;
    if (options->max_age != NO_LIMIT_GIVEN)
        age = options->max_age < UINT64_MAX / 1000 ? options->max_age * 1000 : UINT64_MAX;
    mgenjit_cache *limited = NULL;
    if (mgenjit_config_set_cache_limits(context->config, bytes, entries, age, &error) != MGENJIT_STATUS_OK
        || mgenjit_cache_open(context->config, &limited, &error) != MGENJIT_STATUS_OK)
        return report_cache_error(error);

    progress_start("trim");
    mgenjit_status status = mgenjit_cache_trim(limited, progress_tell, NULL, &error);
    progress_end();
    mgenjit_cache_free(limited);
    return status == MGENJIT_STATUS_OK ? report_removed(context, &before) : report_cache_error(error);
}

/* Returns 1 for yes. */
static int ask(struct context *context, const mgenjit_cache_statistics *stats)
{
    const struct options *options = context->options;
    char size[UNITS_SIZE], answer[16];
    uint64_t entries = stats->entries - (options->pinned_too ? 0 : stats->pinned);
    fprintf(stderr, "Remove %" PRIu64 " of %" PRIu64 " entries (%s in all) in %s? [y/N] ", entries, stats->entries,
            format_size(size, stats->bytes), mgenjit_cache_directory(context->cache));
    fflush(stderr);
    if (fgets(answer, sizeof answer, stdin) == NULL)
        return 0;
    answer[strcspn(answer, "\n")] = '\0';
    return strcmp(answer, "y") == 0 || strcmp(answer, "Y") == 0 || strcmp(answer, "yes") == 0;
}

int command_clear(struct context *context)
{
    const struct options *options = context->options;
    mgenjit_cache_statistics before;
    mgenjit_error *error = NULL;
    if (!options->yes && !isatty(STDIN_FILENO))
        return options_wrong(options, "stdin is not a terminal, so nobody can be asked: use --yes", "");
    int exit_code = get_stats(context->cache, &before);
    if (exit_code != EXIT_DONE)
        return exit_code;
    if (!options->yes && !ask(context, &before)) {
        fputs("Nothing was removed.\n", stderr);
        return EXIT_NOT_WELL;
    }
    progress_start("clear");
    mgenjit_status status =
        mgenjit_cache_clear(context->cache, options->pinned_too, progress_tell, NULL, &error);
    progress_end();
    return status == MGENJIT_STATUS_OK ? report_removed(context, &before) : report_cache_error(error);
}

typedef mgenjit_status (*change)(mgenjit_cache *cache, const char *key, mgenjit_error **error);

static mgenjit_status pin(mgenjit_cache *cache, const char *key, mgenjit_error **error)
{
    return mgenjit_cache_pin(cache, key, true, error);
}

static mgenjit_status unpin(mgenjit_cache *cache, const char *key, mgenjit_error **error)
{
    return mgenjit_cache_pin(cache, key, false, error);
}

/* Changes the named entries, and prints each. */
static int change_named(struct context *context, change change, const char *done)
{
    key_text *keys = NULL;
    size_t count;
    int exit_code = entries_resolve(context, &keys, &count);
    progress_start(context->options->command->name);
    for (size_t i = 0; exit_code == EXIT_DONE && i < count; i++) {
        mgenjit_error *error = NULL;
        int is_repeated = 0;
        for (size_t j = 0; j < i && !is_repeated; j++)
            is_repeated = strcmp(keys[i], keys[j]) == 0;
        if (is_repeated)
            continue;
        if (change(context->cache, keys[i], &error) != MGENJIT_STATUS_OK) {
            exit_code = report_cache_error(error);
        } else if (context->options->json) {
            json_open(NULL);
            json_string("key", keys[i]);
            json_string("result", done);
            json_end();
        } else {
            printf("%s %s\n", done, keys[i]);
        }
        progress_tell(i + 1, count, NULL);
    }
    progress_end();
    free(keys);
    return exit_code;
}

int command_remove(struct context *context)
{
    return change_named(context, mgenjit_cache_remove, "removed");
}

int command_pin(struct context *context)
{
    return change_named(context, pin, "pinned");
}

int command_unpin(struct context *context)
{
    return change_named(context, unpin, "unpinned");
}

int command_rebuild(struct context *context)
{
    mgenjit_cache_statistics after;
    mgenjit_error *error = NULL;
    char size[UNITS_SIZE];
    progress_start("rebuild");
    mgenjit_status status = mgenjit_cache_rebuild(context->cache, progress_tell, NULL, &error);
    progress_end();
    if (status != MGENJIT_STATUS_OK)
        return report_cache_error(error);
    int exit_code = get_stats(context->cache, &after);
    if (exit_code != EXIT_DONE)
        return exit_code;
    if (context->options->json) {
        json_open(NULL);
        json_number("entries", after.entries);
        json_number("bytes", after.bytes);
        json_end();
    } else {
        printf("the index has %" PRIu64 " %s, %s\n", after.entries, after.entries == 1 ? "entry" : "entries",
               format_size(size, after.bytes));
    }
    return EXIT_DONE;
}
