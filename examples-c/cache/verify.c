#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "common/json.h"
#include "common/message.h"
#include "common/table.h"
#include "common/text.h"
#include "entries.h"
#include "progress.h"
#include "report.h"

/* The results so far. */
struct round {
    uint64_t total;
    uint64_t done;
    uint64_t bad;
    /* Entries that should be compiled again, and cannot be. */
    uint64_t not_compiled;
};

#define NOT_COMPILED "not compiled"

/* The result of a verification, in a word; NULL if it failed for a reason that is not the entry's. */
static const char *result_name(mgenjit_status status)
{
    switch (status) {
    case MGENJIT_STATUS_OK: return "ok";
    case MGENJIT_STATUS_DAMAGED: return "damaged";
    case MGENJIT_STATUS_UNTRUSTED: return "untrusted";
    case MGENJIT_STATUS_DIFFERENT: return "different";
    /* It compiled once, and now does not. */
    case MGENJIT_STATUS_PARSE:
    case MGENJIT_STATUS_VERIFY:
    case MGENJIT_STATUS_CODEGEN:
    case MGENJIT_STATUS_LINK:
    case MGENJIT_STATUS_SERVER_CRASHED: return "fails";
    /* Another machine's, another version's, or without its IR, as all pieces are. */
    case MGENJIT_STATUS_TARGET:
    case MGENJIT_STATUS_CPU:
    case MGENJIT_STATUS_NOT_FOUND: return NOT_COMPILED;
    default: return NULL;
    }
}

static void print_json(const char *key, const char *name, const char *result, const mgenjit_error *error)
{
    json_open(NULL);
    json_string("key", key);
    json_string("name", name);
    json_string("result", result);
    json_string("message", error == NULL ? NULL : mgenjit_error_message(error));
    json_end();
}

static void print_text(const char *key, const char *name, const char *result, const mgenjit_error *error)
{
    char *message = message_for_tools(mgenjit_error_message(error));
    printf("%s%-12s%s  %.12s  ", color(RED), result, color_end(), key);
    text_put(stdout, name == NULL ? "" : name);
    fputs("\n    ", stdout);
    text_put_lines(stdout, message != NULL ? message : mgenjit_error_message(error));
    putchar('\n');
    free(message);
}

/* Verifies one entry. `name` may be NULL. Returns an exit code: not 0 if the round cannot go on. */
static int verify(struct context *context, const char *key, const char *name, struct round *round)
{
    const struct options *options = context->options;
    mgenjit_error *error = NULL;
    mgenjit_status status = mgenjit_cache_verify(context->cache, key, options->recompile, &error);
    /* Either there is no IR to compile, or the entry is gone. */
    if (status == MGENJIT_STATUS_NOT_FOUND
        && mgenjit_cache_verify(context->cache, key, 0, NULL) == MGENJIT_STATUS_NOT_FOUND) {
        if (options->arguments.count > 0)
            return report_cache_error(error);
        /* Somebody removed it meanwhile, so it does not count. */
        mgenjit_error_free(error);
        return EXIT_DONE;
    }
    const char *result = result_name(status);
    int is_compiled = result == NULL || strcmp(result, NOT_COMPILED) != 0;
    int is_bad = status != MGENJIT_STATUS_OK && is_compiled;
    if (result == NULL)
        return report_cache_error(error);
    round->done++;
    round->bad += (uint64_t)is_bad;
    round->not_compiled += (uint64_t)!is_compiled;
    progress_tell(round->done, round->total, NULL);
    if (options->json) {
        print_json(key, name, result, error);
    } else if (is_bad) {
        progress_end();
        print_text(key, name, result, error);
    }
    mgenjit_error_free(error);
    return ferror(stdout) ? EXIT_OUTPUT : EXIT_DONE;
}

static int visit(struct context *context, const mgenjit_cache_info *info, void *user)
{
    return verify(context, info->key, info->name, user);
}

static int verify_named(struct context *context, struct round *round)
{
    key_text *keys = NULL;
    size_t count;
    int exit_code = entries_resolve(context, &keys, &count);
    round->total = count;
    for (size_t i = 0; exit_code == EXIT_DONE && i < count; i++)
        exit_code = verify(context, keys[i], NULL, round);
    free(keys);
    return exit_code;
}

static int verify_all(struct context *context, struct round *round)
{
    mgenjit_cache_statistics stats;
    mgenjit_error *error = NULL;
    stats.size = sizeof stats;
    if (mgenjit_cache_stats(context->cache, &stats, &error) != MGENJIT_STATUS_OK)
        return report_cache_error(error);
    round->total = stats.entries;
    return entries_each(context, visit, round);
}

int command_verify(struct context *context)
{
    const struct options *options = context->options;
    struct round round = {0, 0, 0, 0};
    progress_start("verify");
    int exit_code = options->arguments.count > 0 ? verify_named(context, &round) : verify_all(context, &round);
    progress_end();
    if (exit_code != EXIT_DONE)
        return exit_code;
    if (!options->json) {
        printf("%" PRIu64 " %s verified, %s%" PRIu64 " bad%s", round.done, round.done == 1 ? "entry" : "entries",
               color(round.bad > 0 ? RED : GREEN), round.bad, color_end());
        if (round.not_compiled > 0)
            printf(", %" PRIu64 " not compiled again: pieces, stored without IR, or for another machine or version",
                   round.not_compiled);
        putchar('\n');
    }
    return round.bad > 0 ? EXIT_NOT_WELL : EXIT_DONE;
}
