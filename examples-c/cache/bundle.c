#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "common/json.h"
#include "common/program.h"
#include "common/text.h"
#include "entries.h"
#include "progress.h"
#include "report.h"

static int export_keys(struct context *context, const struct keys *keys)
{
    const char *path = context->options->output;
    mgenjit_error *error = NULL;
    const char **pointers = keys_pointers(keys);
    if (pointers == NULL)
        return report_no_memory();
    progress_start("export");
    mgenjit_status status =
        mgenjit_cache_export(context->cache, path, pointers, keys->count, progress_tell, NULL, &error);
    progress_end();
    free(pointers);
    if (status != MGENJIT_STATUS_OK) {
        int exit_code = report_cache_error(error);
        return status == MGENJIT_STATUS_IO ? EXIT_CANNOT_WRITE : exit_code;
    }
    if (context->options->json) {
        json_open(NULL);
        json_string("bundle", path);
        json_number("exported", keys->count);
        json_number("pieces_left_out", keys->pieces);
        json_end();
    } else {
        printf("exported %zu %s to ", keys->count, keys->count == 1 ? "entry" : "entries");
        text_put(stdout, path);
        if (keys->pieces > 0)
            printf(", without %zu %s: see --pieces", keys->pieces, keys->pieces == 1 ? "piece" : "pieces");
        putchar('\n');
    }
    return EXIT_DONE;
}

int command_export(struct context *context)
{
    struct keys keys = {NULL, 0, 0, 0};
    int exit_code = entries_choose(context, &keys);
    if (exit_code == EXIT_DONE)
        exit_code = export_keys(context, &keys);
    free(keys.items);
    return exit_code;
}

int command_import(struct context *context)
{
    const struct list *bundles = &context->options->arguments;
    for (int i = 0; i < bundles->count; i++) {
        uint64_t imported = 0;
        mgenjit_error *error = NULL;
        progress_start("import");
        mgenjit_status status =
            mgenjit_cache_import(context->cache, bundles->items[i], &imported, progress_tell, NULL, &error);
        progress_end();
        if (status != MGENJIT_STATUS_OK)
            return report_cache_error(error);
        if (context->options->json) {
            json_open(NULL);
            json_string("bundle", bundles->items[i]);
            json_number("imported", imported);
            json_end();
        } else {
            printf("imported %" PRIu64 " new %s from ", imported, imported == 1 ? "entry" : "entries");
            text_put(stdout, bundles->items[i]);
            putchar('\n');
        }
    }
    return EXIT_DONE;
}
