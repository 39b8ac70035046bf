#include "print.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/json.h"
#include "common/table.h"
#include "common/units.h"

enum { LINE_SIZE = 160 };

static void print_count(const char *label, uint64_t count)
{
    char line[LINE_SIZE];
    snprintf(line, sizeof line, "%" PRIu64, count);
    table_fact(label, line);
}

/* A limit, of which 0 is none. */
static const char *limit_text(uint64_t limit, const char *text)
{
    return limit == 0 ? "any amount" : text;
}

void print_status(const char *socket, const mgenjit_server_statistics *statistics)
{
    char line[LINE_SIZE], one[UNITS_SIZE], two[UNITS_SIZE];

    if (statistics->stopping)
        printf("%sstopping%s once it has answered its requests\n", color(YELLOW), color_end());
    else
        printf("%srunning%s\n", color(GREEN), color_end());
    print_count("process", statistics->process);
    table_fact("socket", socket);
    table_fact("up", format_duration(one, statistics->uptime_ms * 1000));
    snprintf(line, sizeof line, "after %s without a request",
             format_duration(one, statistics->idle_timeout_ms * 1000));
    table_fact("ends", line);
    print_count("clients", statistics->clients);
    snprintf(line, sizeof line, "%" PRIu64 ", with this one", statistics->connections);
    table_fact("connections", line);
    snprintf(line, sizeof line, "%" PRIu64 " worked on, %" PRIu64 " waiting", statistics->running,
             statistics->queued);
    table_fact("requests", line);
    snprintf(line, sizeof line, "%" PRIu64 ", %" PRIu64 " of them idle; %" PRIu64 " may work at once",
             statistics->workers, statistics->idle_workers, statistics->max_workers);
    table_fact("workers", line);
    snprintf(line, sizeof line, "%s, and %s of the workers", format_size(one, statistics->memory_bytes),
             format_size(two, statistics->worker_memory_bytes));
    table_fact("memory", line);
    snprintf(line, sizeof line, "%s of processor time and %s of memory at most",
             limit_text(statistics->max_cpu_ms, format_duration(one, statistics->max_cpu_ms * 1000)),
             limit_text(statistics->max_memory_bytes, format_size(two, statistics->max_memory_bytes)));
    table_fact("a request", line);
    if (statistics->queue_timeout_ms == 0)
        snprintf(line, sizeof line, "for ever");
    else
        snprintf(line, sizeof line, "for %s, and then uses a private server: %" PRIu64 " of %" PRIu64 " run now",
                 format_duration(one, statistics->queue_timeout_ms * 1000), statistics->private_servers,
                 statistics->max_private_servers);
    table_fact("waits", line);
}

void print_stats(const mgenjit_server_statistics *statistics)
{
    char line[LINE_SIZE], one[UNITS_SIZE];

    table_fact("up", format_duration(one, statistics->uptime_ms * 1000));
    print_count("requests", statistics->requests);
    print_count("compiled", statistics->compiled);
    print_count("failed", statistics->failed);
    print_count("joined", statistics->joined);
    print_count("cancelled", statistics->cancelled);
    print_count("crashed", statistics->crashed);
    snprintf(line, sizeof line, "%" PRIu64 " accepted, %" PRIu64 " refused or cut", statistics->accepted,
             statistics->refused);
    table_fact("connections", line);
    snprintf(line, sizeof line, "%" PRIu64 " started, %" PRIu64 " replaced for their memory",
             statistics->started_workers, statistics->recycled_workers);
    table_fact("workers", line);
    snprintf(line, sizeof line, "%" PRIu64 " requests, %" PRIu64 " workers that hung", statistics->limited,
             statistics->hung_workers);
    table_fact("ended", line);
    print_count("sent away", statistics->sent_away);
}

void print_status_json(const char *socket, const mgenjit_server_statistics *statistics)
{
    json_open(NULL);
    json_string("socket", socket);
    json_number("process", statistics->process);
    json_number("uptime", statistics->uptime_ms);
    json_number("idle_timeout", statistics->idle_timeout_ms);
    json_bool("stopping", statistics->stopping);
    json_number("connections", statistics->connections);
    json_number("clients", statistics->clients);
    json_number("queued", statistics->queued);
    json_number("running", statistics->running);
    json_number("workers", statistics->workers);
    json_number("idle_workers", statistics->idle_workers);
    json_number("max_workers", statistics->max_workers);
    json_number("memory", statistics->memory_bytes);
    json_number("worker_memory", statistics->worker_memory_bytes);
    json_number("max_time", statistics->max_cpu_ms);
    json_number("max_memory", statistics->max_memory_bytes);
    json_number("queue_timeout", statistics->queue_timeout_ms);
    json_number("private_servers", statistics->private_servers);
    json_number("max_private_servers", statistics->max_private_servers);
    json_end();
}

void print_stats_json(const mgenjit_server_statistics *statistics)
{
    json_open(NULL);
    json_number("uptime", statistics->uptime_ms);
    json_number("requests", statistics->requests);
    json_number("compiled", statistics->compiled);
    json_number("failed", statistics->failed);
    json_number("joined", statistics->joined);
    json_number("cancelled", statistics->cancelled);
    json_number("crashed", statistics->crashed);
    json_number("accepted", statistics->accepted);
    json_number("refused", statistics->refused);
    json_number("started_workers", statistics->started_workers);
    json_number("recycled_workers", statistics->recycled_workers);
    json_number("limited", statistics->limited);
    json_number("hung_workers", statistics->hung_workers);
    json_number("sent_away", statistics->sent_away);
    json_end();
}
