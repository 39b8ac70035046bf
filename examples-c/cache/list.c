#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "common/json.h"
#include "common/level.h"
#include "common/table.h"
#include "common/units.h"
#include "entries.h"
#include "info.h"
#include "report.h"

/* Digits of a key in a table: so many that two entries hardly ever share them, for copy and paste. */
enum { KEY_DIGITS = 12 };

static const struct column short_columns[] = {
    {"KEY", KEY_DIGITS, 0, YELLOW}, {"SIZE", 9, 1, PLAIN},       {"HITS", 6, 1, PLAIN},
    {"USED", 10, 1, PLAIN},         {" ", 1, 0, CYAN},           {"NAME", 0, 0, PLAIN},
};
static const struct column long_columns[] = {
    {"KEY", KEY_DIGITS, 0, YELLOW}, {"SIZE", 9, 1, PLAIN},     {"CODE", 9, 1, PLAIN}, {"IR", 9, 1, PLAIN},
    {"OPT", 3, 0, PLAIN},           {"COMPILED", 19, 0, PLAIN}, {"IN", 9, 1, PLAIN},   {"HITS", 6, 1, PLAIN},
    {"SAVED", 9, 1, PLAIN},         {"USED", 10, 1, PLAIN},    {"CPU", 14, 0, PLAIN}, {"PIECES", 6, 1, PLAIN},
    {" ", 1, 0, CYAN},              {"NAME", 0, 0, PLAIN},
};

enum {
    SHORT_COLUMNS = sizeof short_columns / sizeof short_columns[0],
    LONG_COLUMNS = sizeof long_columns / sizeof long_columns[0]
};

struct listing {
    uint64_t count;
    uint64_t bytes;
    /* The pieces that are left out. */
    uint64_t pieces;
    uint64_t piece_bytes;
    /* The rows to sort. */
    mgenjit_cache_info *items;
    size_t room;
};

/* The name, and the target if that is not this kind of machine. */
static const char *shown_name(char *text, size_t size, const mgenjit_cache_info *info)
{
    if (info->image_bytes > 0 || info->is_piece)
        return info->name;
    snprintf(text, size, "%s (%s)", info->name, info->triple);
    return text;
}

static void print_short(const mgenjit_cache_info *info)
{
    char key[KEY_DIGITS + 1], size[UNITS_SIZE], hits[24], used[UNITS_SIZE], name[512];
    snprintf(key, sizeof key, "%s", info->key);
    snprintf(hits, sizeof hits, "%" PRIu64, info->hits);
    const char *const cells[] = {key,
                                 format_size(size, info->bytes),
                                 hits,
                                 format_ago(used, info->last_used_us),
                                 info->pinned ? "P" : "",
                                 shown_name(name, sizeof name, info)};
    table_row(short_columns, SHORT_COLUMNS, cells);
}

static void print_long(const mgenjit_cache_info *info)
{
    char key[KEY_DIGITS + 1], size[UNITS_SIZE], image[UNITS_SIZE], ir[UNITS_SIZE], created[UNITS_SIZE];
    char compile[UNITS_SIZE], hits[24], saved[UNITS_SIZE], used[UNITS_SIZE], pieces[24] = "", name[512];
    snprintf(key, sizeof key, "%s", info->key);
    snprintf(hits, sizeof hits, "%" PRIu64, info->hits);
    if (info->pieces > 0 && !info->is_piece)
        snprintf(pieces, sizeof pieces, "%" PRIu64, info->pieces);
    const char *const cells[] = {key,
                                 format_size(size, info->bytes),
                                 format_size(image, info->image_bytes),
                                 format_size(ir, info->ir_bytes),
                                 level_name(info->opt_level),
                                 format_time(created, info->created_us),
                                 format_duration(compile, info->compile_us),
                                 hits,
                                 format_duration(saved, info->saved_us),
                                 format_ago(used, info->last_used_us),
                                 info->cpu,
                                 pieces,
                                 info->pinned ? "P" : "",
                                 shown_name(name, sizeof name, info)};
    table_row(long_columns, LONG_COLUMNS, cells);
}

/* The table's header is printed with its first row, so an empty table has none. */
static void print(const struct options *options, const mgenjit_cache_info *info, int is_first)
{
    if (is_first && !options->keys_only && !options->json) {
        if (options->is_long)
            table_header(long_columns, LONG_COLUMNS);
        else
            table_header(short_columns, SHORT_COLUMNS);
    }
    if (options->keys_only) {
        puts(info->key);
    } else if (options->json) {
        json_open(NULL);
        json_info(info);
        json_end();
    } else if (options->is_long) {
        print_long(info);
    } else {
        print_short(info);
    }
}

/* A copy whose strings are its own, in one block that begins with its key. */
static int copy(mgenjit_cache_info *to, const mgenjit_cache_info *from)
{
    const char **strings[] = {&to->key,     &to->name,         &to->triple,  &to->cpu,
                              &to->machine, &to->llvm_version, &to->version, &to->build};
    size_t length = 0;
    *to = *from;
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        length += strlen(*strings[i]) + 1;
    char *block = malloc(length);
    if (block == NULL)
        return 0;
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        size_t size = strlen(*strings[i]) + 1;
        memcpy(block, *strings[i], size);
        *strings[i] = block;
        block += size;
    }
    return 1;
}

static int keep(struct listing *listing, const mgenjit_cache_info *info)
{
    if (listing->count == listing->room) {
        size_t room = listing->room * 2 + 64;
        mgenjit_cache_info *larger = realloc(listing->items, room * sizeof *larger);
        if (larger == NULL)
            return report_no_memory();
        listing->items = larger;
        listing->room = room;
    }
    return copy(&listing->items[listing->count], info) ? EXIT_DONE : report_no_memory();
}

static int visit(struct context *context, const mgenjit_cache_info *info, void *user)
{
    struct listing *listing = user;
    if (info->is_piece && !context->options->pieces) {
        listing->pieces++;
        listing->piece_bytes += info->bytes;
        return EXIT_DONE;
    }
    if (context->options->sort == SORT_NONE) {
        print(context->options, info, listing->count == 0);
        /* The reader of stdout has gone. */
        if (ferror(stdout))
            return EXIT_OUTPUT;
    } else {
        int exit_code = keep(listing, info);
        if (exit_code != EXIT_DONE)
            return exit_code;
    }
    listing->count++;
    listing->bytes += info->bytes;
    return EXIT_DONE;
}

static enum sort order;

static uint64_t sort_number(const mgenjit_cache_info *info)
{
    switch (order) {
    case SORT_SIZE: return info->bytes;
    case SORT_USED: return info->last_used_us;
    case SORT_HITS: return info->hits;
    case SORT_SAVED: return info->saved_us;
    case SORT_CREATED: return info->created_us;
    default: return 0;
    }
}

/* The largest first; equal ones by name, then by key. */
static int compare(const void *left, const void *right)
{
    const mgenjit_cache_info *one = left, *other = right;
    uint64_t a = sort_number(one), b = sort_number(other);
    if (a != b)
        return a < b ? 1 : -1;
    int names = strcmp(one->name, other->name);
    return names != 0 ? names : strcmp(one->key, other->key);
}

int command_list(struct context *context)
{
    const struct options *options = context->options;
    struct listing listing = {0, 0, 0, 0, NULL, 0};
    int is_table = !options->keys_only && !options->json;
    char size[UNITS_SIZE], left[128] = "";

    int exit_code = entries_each(context, visit, &listing);
    if (exit_code == EXIT_DONE && options->sort != SORT_NONE) {
        order = options->sort;
        if (listing.count > 0)
            qsort(listing.items, listing.count, sizeof *listing.items, compare);
        for (size_t i = 0; i < listing.count; i++)
            print(options, &listing.items[i], i == 0);
    }
    for (size_t i = 0; listing.items != NULL && i < listing.count; i++)
        free((char *)listing.items[i].key);
    free(listing.items);
    if (listing.pieces > 0)
        snprintf(left, sizeof left, "; and %" PRIu64 " %s, %s: see --pieces", listing.pieces,
                 listing.pieces == 1 ? "piece" : "pieces", format_size(size, listing.piece_bytes));
    if (exit_code == EXIT_DONE && is_table)
        printf("%s%" PRIu64 " %s, %s%s%s\n", color(FAINT), listing.count, listing.count == 1 ? "entry" : "entries",
               format_size(size, listing.bytes), left, color_end());
    return exit_code;
}
