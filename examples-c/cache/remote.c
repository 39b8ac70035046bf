#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "common/json.h"
#include "common/program.h"
#include "common/table.h"
#include "common/text.h"
#include "common/units.h"
#include "entries.h"
#include "progress.h"
#include "report.h"

/* As report_cache_error, of a remote that does not do what it should. */
static int report_remote_error(mgenjit_error *error)
{
    int is_remote = mgenjit_error_status(error) == MGENJIT_STATUS_IO;
    int exit_code = report_cache_error(error);
    return is_remote ? EXIT_UNAVAILABLE : exit_code;
}

static void print_json(const mgenjit_remote_status *status)
{
    json_open(NULL);
    json_string("remote", status->url);
    json_bool("reads", status->reads);
    json_bool("writes", status->writes);
    json_bool("unsigned", status->accepts_unsigned);
    json_bool("answers", status->answers);
    json_string("problem", status->answers ? NULL : status->problem);
    json_string("helper", status->helper[0] != '\0' ? status->helper : NULL);
    json_number("answer_time", status->answer_us);
    json_number("paused_for", status->paused_ms * 1000);
    json_number("failures", status->failures);
    json_end();
}

static void print_text(const mgenjit_remote_status *status)
{
    char time[UNITS_SIZE], text[160];
    printf("%s%s%s ", color(status->answers ? GREEN : RED), status->answers ? "answers:" : "does not answer:",
           color_end());
    text_put(stdout, status->url);
    putchar('\n');
    if (status->answers)
        table_fact("answer", format_duration(time, status->answer_us));
    else
        table_fact("why", status->problem);
    snprintf(text, sizeof text, "%s%s%s%s", status->reads ? "read" : "", status->reads && status->writes ? "-" : "",
             status->writes ? "write" : "", status->accepts_unsigned ? ", also what nobody signed" : "");
    table_fact("use", text);
    if (status->helper[0] != '\0')
        table_fact("helper", status->helper);
    if (status->paused_ms > 0) {
        snprintf(text, sizeof text, "for %s, after %" PRIu32 " failures",
                 format_duration(time, status->paused_ms * 1000), status->failures);
        table_fact("left alone", text);
    }
}

static int show_status(struct context *context)
{
    mgenjit_remote_status status;
    mgenjit_error *error = NULL;
    int all_answer = 1;
    for (size_t i = 0;; i++) {
        status.size = sizeof status;
        if (mgenjit_cache_remote_status(context->cache, i, &status, &error) != MGENJIT_STATUS_OK) {
            if (i == 0 || mgenjit_error_status(error) != MGENJIT_STATUS_NOT_FOUND)
                return report_cache_error(error);
            mgenjit_error_free(error);
            return all_answer ? EXIT_DONE : EXIT_NOT_WELL;
        }
        all_answer &= status.answers;
        if (context->options->json)
            print_json(&status);
        else
            print_text(&status);
    }
}

static void report_count(struct context *context, const char *what, uint64_t count, size_t of)
{
    if (context->options->json) {
        json_open(NULL);
        json_number(what, count);
        json_number("entries", of);
        json_end();
    } else {
        printf("%s %" PRIu64 " of %zu %s\n", what, count, of, of == 1 ? "entry" : "entries");
    }
}

static int push(struct context *context)
{
    struct keys keys = {NULL, 0, 0, 0};
    mgenjit_error *error = NULL;
    uint64_t pushed = 0;
    int exit_code = entries_choose(context, &keys);
    const char **pointers = exit_code == EXIT_DONE ? keys_pointers(&keys) : NULL;
    if (exit_code == EXIT_DONE && pointers == NULL)
        exit_code = report_no_memory();
    if (exit_code == EXIT_DONE) {
        progress_start("push");
        mgenjit_status status = mgenjit_cache_remote_push(context->cache, pointers, keys.count, &pushed, progress_tell,
                                                          NULL, &error);
        progress_end();
        if (status == MGENJIT_STATUS_OK)
            report_count(context, "pushed", pushed, keys.count);
        else
            exit_code = report_remote_error(error);
    }
    free(pointers);
    free(keys.items);
    return exit_code;
}

static int pull(struct context *context)
{
    const struct list *keys = &context->options->arguments;
    mgenjit_error *error = NULL;
    uint64_t pulled = 0;
    progress_start("pull");
    mgenjit_status status = mgenjit_cache_remote_pull(context->cache, (const char *const *)keys->items,
                                                      (size_t)keys->count, &pulled, progress_tell, NULL, &error);
    progress_end();
    if (status == MGENJIT_STATUS_OK || (status == MGENJIT_STATUS_NOT_FOUND && pulled > 0))
        report_count(context, "pulled", pulled, (size_t)keys->count);
    return status == MGENJIT_STATUS_OK ? EXIT_DONE : report_remote_error(error);
}

static int collect(struct context *context)
{
    const struct options *options = context->options;
    uint64_t bytes = options->max_bytes != NO_LIMIT_GIVEN ? options->max_bytes : 0;
    uint64_t age = options->max_age != NO_LIMIT_GIVEN ? options->max_age : 0;
    mgenjit_remote_collection done = {.size = sizeof done};
    mgenjit_error *error = NULL;
    char one[UNITS_SIZE], two[UNITS_SIZE];
    if (mgenjit_cache_remote_gc(context->cache, bytes, age < UINT64_MAX / 1000 ? age * 1000 : UINT64_MAX, &done,
                                &error)
        != MGENJIT_STATUS_OK)
        return report_remote_error(error);
    if (options->json) {
        json_open(NULL);
        json_number("removed", done.removed);
        json_number("removed_bytes", done.removed_bytes);
        json_number("left", done.left);
        json_number("left_bytes", done.left_bytes);
        json_end();
    } else {
        printf("removed %" PRIu64 " files (%s); %" PRIu64 " are left (%s)\n", done.removed,
               format_size(one, done.removed_bytes), done.left, format_size(two, done.left_bytes));
    }
    return EXIT_DONE;
}

static const struct {
    const char *name;
    int (*run)(struct context *context);
} actions[] = {{"status", show_status}, {"push", push}, {"pull", pull}, {"gc", collect}};

int command_remote(struct context *context)
{
    const struct options *options = context->options;
    const char *action = options->action;
    int count = options->arguments.count;
    int chosen = (count > 0) + (options->name != NULL) + options->all;
    int is_push = strcmp(action, "push") == 0, is_pull = strcmp(action, "pull") == 0;
    int has_limit = options->max_bytes != NO_LIMIT_GIVEN || options->max_age != NO_LIMIT_GIVEN;
    if (is_push && chosen != 1)
        return options_wrong(options, "give either keys, --name GLOB or --all", "");
    if (is_pull && count == 0)
        return options_wrong(options, "missing: KEY...", "");
    if (!is_push && !is_pull && count > 0)
        return options_wrong(options, "too many arguments: ", options->arguments.items[0]);
    if (!is_push && (options->name != NULL || options->all))
        return options_wrong(options, "--name and --all go with push: remotes do not list what they have", "");
    if ((strcmp(action, "gc") == 0) != has_limit)
        return options_wrong(options, "gc needs --max-size or --max-age, and nothing else takes them", "");
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (strcmp(actions[i].name, action) == 0)
            return actions[i].run(context);
    return options_wrong(options, "not one of status, push, pull and gc: ", action);
}
