#include "entries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/program.h"
#include "common/text.h"
#include "report.h"

int entries_resolve(struct context *context, key_text **keys, size_t *count)
{
    const struct list *arguments = &context->options->arguments;
    int exit_code = EXIT_DONE;
    *count = (size_t)arguments->count;
    *keys = malloc(sizeof **keys * (*count + 1));
    if (*keys == NULL)
        return report_no_memory();
    for (int i = 0; i < arguments->count; i++) {
        mgenjit_error *error = NULL;
        if (mgenjit_cache_resolve(context->cache, arguments->items[i], (*keys)[i], sizeof (*keys)[i], &error) != MGENJIT_STATUS_OK) {
            int failed = report_cache_error(error);
            exit_code = exit_code == EXIT_DONE ? failed : exit_code;
            /* The others would fail for the same reason. */
            if (failed == EXIT_CACHE || failed == EXIT_DEFECT)
                break;
        }
    }
    if (exit_code != EXIT_DONE) {
        free(*keys);
        *keys = NULL;
    }
    return exit_code;
}

int entries_each(struct context *context, entries_visit visit, void *user)
{
    const struct options *options = context->options;
    mgenjit_cache_filter filter;
    mgenjit_cache_iterator *iterator = NULL;
    mgenjit_error *error = NULL;
    int exit_code = EXIT_DONE;

    memset(&filter, 0, sizeof filter);
    filter.size = sizeof filter;
    filter.name = options->name;
    filter.pinned = options->pinned;
    filter.unused_since_us = options->unused_since;
    filter.min_bytes = options->min_bytes;
    if (mgenjit_cache_iterate(context->cache, &filter, &iterator, &error) != MGENJIT_STATUS_OK)
        return report_cache_error(error);
    while (exit_code == EXIT_DONE) {
        mgenjit_cache_info info;
        info.size = sizeof info;
        if (mgenjit_cache_iterator_next(iterator, &info, &error) != MGENJIT_STATUS_OK) {
            exit_code = report_cache_error(error);
            break;
        }
        if (info.key == NULL)
            break;
        exit_code = visit(context, &info, user);
    }
    mgenjit_cache_iterator_free(iterator);
    return exit_code;
}

static int collect(struct context *context, const mgenjit_cache_info *info, void *user)
{
    struct keys *keys = user;
    if (info->is_piece && !context->options->pieces) {
        keys->pieces++;
        return EXIT_DONE;
    }
    if (keys->count == keys->room) {
        size_t room = keys->room * 2 + 64;
        key_text *larger = realloc(keys->items, room * sizeof *larger);
        if (larger == NULL)
            return report_no_memory();
        keys->items = larger;
        keys->room = room;
    }
    snprintf(keys->items[keys->count++], MGENJIT_KEY_SIZE, "%s", info->key);
    return EXIT_DONE;
}

int entries_choose(struct context *context, struct keys *keys)
{
    const struct options *options = context->options;
    int exit_code;
    if (options->arguments.count > 0)
        exit_code = entries_resolve(context, &keys->items, &keys->count);
    else
        exit_code = entries_each(context, collect, keys);
    if (exit_code == EXIT_DONE && keys->count == 0 && options->name != NULL) {
        fprintf(stderr, "%s: no entry has a name like ", program_name);
        text_put(stderr, options->name);
        fputc('\n', stderr);
        exit_code = EXIT_NOT_FOUND;
    }
    return exit_code;
}

const char **keys_pointers(const struct keys *keys)
{
    const char **pointers = malloc(sizeof *pointers * (keys->count + 1));
    for (size_t i = 0; pointers != NULL && i < keys->count; i++)
        pointers[i] = keys->items[i];
    return pointers;
}
