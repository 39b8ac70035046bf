#include <inttypes.h>
#include <stdio.h>

#include "commands.h"
#include "common/json.h"
#include "common/table.h"
#include "common/text.h"
#include "common/units.h"
#include "report.h"

/* Prints a count, which may be unknown. */
static void json_counted(const mgenjit_cache_statistics *stats, const char *name, uint64_t value)
{
    if (stats->has_history)
        json_number(name, value);
    else
        json_null(name);
}

static void print_json(const char *directory, const mgenjit_cache_statistics *stats)
{
    json_open(NULL);
    json_string("directory", directory);
    json_number("entries", stats->entries);
    json_number("bytes", stats->bytes);
    json_number("pinned", stats->pinned);
    json_number("aliases", stats->aliases);
    json_number("pieces", stats->pieces);
    json_number("max_bytes", stats->max_bytes);
    json_number("max_entries", stats->max_entries);
    json_number("max_age", stats->max_age_ms / 1000);
    json_counted(stats, "hits", stats->hits);
    json_counted(stats, "hits_by_alias", stats->hits_by_alias);
    json_counted(stats, "hits_in_layers", stats->hits_in_layers);
    json_counted(stats, "misses_new", stats->misses_new);
    json_counted(stats, "misses_evicted", stats->misses_evicted);
    json_counted(stats, "misses_removed", stats->misses_removed);
    json_counted(stats, "misses_damaged", stats->misses_damaged);
    json_counted(stats, "misses_untrusted", stats->misses_untrusted);
    json_counted(stats, "stores", stats->stores);
    json_counted(stats, "piece_hits", stats->piece_hits);
    json_counted(stats, "piece_stores", stats->piece_stores);
    json_counted(stats, "imports", stats->imports);
    json_counted(stats, "evictions", stats->evictions);
    json_counted(stats, "evicted_bytes", stats->evicted_bytes);
    json_counted(stats, "removals", stats->removals);
    json_counted(stats, "compile_time", stats->compile_us);
    json_counted(stats, "saved_time", stats->saved_us);
    json_counted(stats, "remote_hits", stats->remote_hits);
    json_counted(stats, "remote_bytes", stats->remote_bytes);
    json_counted(stats, "remote_misses", stats->remote_misses);
    json_counted(stats, "remote_errors", stats->remote_errors);
    json_counted(stats, "remote_saved_time", stats->remote_saved_us);
    json_counted(stats, "remote_lost_time", stats->remote_lost_us);
    json_counted(stats, "remote_puts", stats->remote_puts);
    json_counted(stats, "remote_put_bytes", stats->remote_put_bytes);
    json_counted(stats, "remote_put_errors", stats->remote_put_errors);
    json_end();
}

/* Prints several counts: the first with `what`, the others in parentheses if they are not 0. */
struct count {
    uint64_t count;
    const char *what;
};

static void print_counts(const char *label, const char *first, const struct count *counts, size_t count)
{
    char line[256];
    size_t length = (size_t)snprintf(line, sizeof line, "%s", first);
    const char *before = " (";
    for (size_t i = 0; i < count; i++)
        if (counts[i].count > 0 && length < sizeof line) {
            length += (size_t)snprintf(line + length, sizeof line - length, "%s%" PRIu64 " %s", before,
                                       counts[i].count, counts[i].what);
            before = ", ";
        }
    if (before[0] == ',' && length < sizeof line)
        snprintf(line + length, sizeof line - length, ")");
    table_fact(label, line);
}

static void print_table(const char *directory, const mgenjit_cache_statistics *stats)
{
    static const char *const counted[] = {"hits", "misses", "stored", "imported", "evicted", "removed", "compiled for",
                                          "hits saved"};
    uint64_t hits = stats->hits + stats->hits_by_alias + stats->hits_in_layers;
    uint64_t misses = stats->misses_new + stats->misses_evicted + stats->misses_removed + stats->misses_damaged
                      + stats->misses_untrusted;
    char text[128], one[UNITS_SIZE], two[UNITS_SIZE];

    printf("%s", color(BOLD));
    text_put(stdout, directory);
    printf("%s\n", color_end());

    const struct count kinds[] = {{stats->pinned, "pinned"}, {stats->aliases, "other keys lead to them"}};
    snprintf(text, sizeof text, "%" PRIu64, stats->entries);
    if (stats->max_entries > 0)
        snprintf(text, sizeof text, "%" PRIu64 " of at most %" PRIu64, stats->entries, stats->max_entries);
    print_counts("entries", text, kinds, 2);

    snprintf(text, sizeof text, "%s", format_size(one, stats->bytes));
    if (stats->max_bytes > 0)
        snprintf(text, sizeof text, "%s of at most %s (%.1f %%)", format_size(one, stats->bytes),
                 format_size(two, stats->max_bytes), (double)stats->bytes / (double)stats->max_bytes * 100);
    table_fact("size", text);

    if (!stats->has_history) {
        for (size_t i = 0; i < sizeof counted / sizeof counted[0]; i++)
            table_fact(counted[i], "unknown");
        table_fact("index", "there is none, or it can be neither read nor created");
        return;
    }

    snprintf(text, sizeof text, "%" PRIu64, hits);
    if (hits + misses > 0)
        snprintf(text, sizeof text, "%" PRIu64 " of %" PRIu64 ", %.1f %%", hits, hits + misses,
                 (double)hits / (double)(hits + misses) * 100);
    const struct count ways[] = {{stats->hits_by_alias, "by another key"}, {stats->hits_in_layers, "in layers"}};
    print_counts("hits", text, ways, 2);

    const struct count reasons[] = {{stats->misses_new, "new"},
                                    {stats->misses_evicted, "evicted before"},
                                    {stats->misses_removed, "removed before"},
                                    {stats->misses_damaged, "damaged"},
                                    {stats->misses_untrusted, "not trusted"}};
    snprintf(text, sizeof text, "%" PRIu64, misses);
    print_counts("misses", text, reasons, 5);

    snprintf(text, sizeof text, "%" PRIu64, stats->stores);
    table_fact("stored", text);
    if (stats->pieces + stats->piece_hits + stats->piece_stores > 0) {
        snprintf(text, sizeof text, "%" PRIu64 " of the entries; found %" PRIu64 ", compiled and stored %" PRIu64,
                 stats->pieces, stats->piece_hits, stats->piece_stores);
        table_fact("pieces", text);
    }
    snprintf(text, sizeof text, "%" PRIu64, stats->imports);
    table_fact("imported", text);
    snprintf(text, sizeof text, "%" PRIu64 ", %s", stats->evictions, format_size(one, stats->evicted_bytes));
    table_fact("evicted", text);
    snprintf(text, sizeof text, "%" PRIu64, stats->removals);
    table_fact("removed", text);
    table_fact("compiled for", format_duration(one, stats->compile_us));
    table_fact("hits saved", format_duration(one, stats->saved_us));

    if (stats->remote_hits + stats->remote_misses + stats->remote_errors > 0) {
        snprintf(text, sizeof text, "%" PRIu64 ", %s", stats->remote_hits, format_size(one, stats->remote_bytes));
        const struct count others[] = {{stats->remote_misses, "not there"}, {stats->remote_errors, "errors"}};
        print_counts("fetched", text, others, 2);
        table_fact("remotes saved", format_duration(one, stats->remote_saved_us));
        table_fact("remotes cost", format_duration(one, stats->remote_lost_us));
    }
    if (stats->remote_puts + stats->remote_put_errors > 0) {
        snprintf(text, sizeof text, "%" PRIu64 ", %s", stats->remote_puts, format_size(one, stats->remote_put_bytes));
        const struct count others[] = {{stats->remote_put_errors, "failed"}};
        print_counts("put", text, others, 1);
    }
}

int command_stats(struct context *context)
{
    const char *directory = mgenjit_cache_directory(context->cache);
    mgenjit_cache_statistics stats;
    mgenjit_error *error = NULL;
    stats.size = sizeof stats;
    if (mgenjit_cache_stats(context->cache, &stats, &error) != MGENJIT_STATUS_OK)
        return report_cache_error(error);
    if (context->options->json)
        print_json(directory, &stats);
    else
        print_table(directory, &stats);
    return stats.has_history ? EXIT_DONE : EXIT_NOT_WELL;
}
