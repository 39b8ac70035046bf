#define _POSIX_C_SOURCE 200809L

#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct unit {
    const char *name;
    double factor;
};

const char *format_size(char buffer[UNITS_SIZE], uint64_t bytes)
{
    static const char *const names[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double amount = (double)bytes / 1024;
    size_t unit = 0;
    if (bytes < 1024) {
        snprintf(buffer, UNITS_SIZE, "%" PRIu64 " B", bytes);
        return buffer;
    }
    /* Rounding would print "1024.0 KiB". */
    for (; amount >= 1023.95; unit++)
        amount /= 1024;
    snprintf(buffer, UNITS_SIZE, "%.1f %s", amount, names[unit]);
    return buffer;
}

/* At least three digits, and all before the point. */
static void format_amount(char buffer[UNITS_SIZE], double amount, const char *unit)
{
    snprintf(buffer, UNITS_SIZE, "%.*f %s", amount < 9.995 ? 2 : amount < 99.95 ? 1 : 0, amount, unit);
}

static void format_pair(char buffer[UNITS_SIZE], uint64_t seconds, uint64_t large, const char *large_unit,
                        uint64_t small, const char *small_unit)
{
    uint64_t rest = seconds % large / small;
    if (rest == 0 || seconds / large >= 100)
        snprintf(buffer, UNITS_SIZE, "%" PRIu64 " %s", seconds / large, large_unit);
    else
        snprintf(buffer, UNITS_SIZE, "%" PRIu64 " %s %" PRIu64 " %s", seconds / large, large_unit, rest, small_unit);
}

const char *format_duration(char buffer[UNITS_SIZE], uint64_t duration)
{
    uint64_t seconds = duration / 1000000;
    if (duration < 1000)
        snprintf(buffer, UNITS_SIZE, "%" PRIu64 " µs", duration);
    else if (duration < 999500)
        format_amount(buffer, (double)duration / 1e3, "ms");
    else if (seconds < 60)
        format_amount(buffer, (double)duration / 1e6, "s");
    else if (seconds < 3600)
        format_pair(buffer, seconds, 60, "min", 1, "s");
    else if (seconds < 86400)
        format_pair(buffer, seconds, 3600, "h", 60, "min");
    else
        format_pair(buffer, seconds, 86400, "d", 3600, "h");
    return buffer;
}

const char *format_time(char buffer[UNITS_SIZE], uint64_t time)
{
    time_t seconds = (time_t)(time / 1000000);
    struct tm local;
    if (localtime_r(&seconds, &local) == NULL || strftime(buffer, UNITS_SIZE, "%Y-%m-%d %H:%M:%S", &local) == 0)
        snprintf(buffer, UNITS_SIZE, "%" PRIu64 " s", time / 1000000);
    return buffer;
}

const char *format_ago(char buffer[UNITS_SIZE], uint64_t time)
{
    static const struct {
        const char *name;
        uint64_t seconds;
    } units[] = {{"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}};
    uint64_t now = clock_now();
    uint64_t seconds = time < now ? (now - time) / 1000000 : 0;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (seconds >= units[i].seconds) {
            snprintf(buffer, UNITS_SIZE, "%" PRIu64 " %s ago", seconds / units[i].seconds, units[i].name);
            return buffer;
        }
    snprintf(buffer, UNITS_SIZE, "just now");
    return buffer;
}

/* A number, whole or with a point, and one of the units. Nothing is rounded if it is whole. */
static int parse(const char *text, const struct unit *units, size_t count, uint64_t *value)
{
    size_t digits = strspn(text, "0123456789");
    char *end;
    uint64_t whole;
    double fraction = 0;
    if (digits == 0)
        return 0;
    errno = 0;
    whole = strtoull(text, &end, 10);
    if (errno != 0)
        return 0;
    if (*end == '.') {
        double scale = 0.1;
        if (strspn(end + 1, "0123456789") == 0)
            return 0;
        for (end++; *end >= '0' && *end <= '9'; end++, scale /= 10)
            fraction += (*end - '0') * scale;
    }
    while (*end == ' ')
        end++;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(end, units[i].name) != 0)
            continue;
        /* The library counts to 2^63. */
        if ((double)whole * units[i].factor >= 9.2e18)
            return 0;
        *value = whole * (uint64_t)units[i].factor + (uint64_t)(fraction * units[i].factor + 0.5);
        return 1;
    }
    return 0;
}

int parse_size(const char *text, uint64_t *bytes)
{
    static const struct unit units[] = {
        {"", 1},          {"B", 1},           {"K", 1024.0},      {"M", 1048576.0},     {"G", 1073741824.0},
        {"T", 1099511627776.0}, {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}, {"TiB", 1099511627776.0},
        {"k", 1024.0},    {"kB", 1e3},        {"KB", 1e3},        {"MB", 1e6},          {"GB", 1e9},
        {"TB", 1e12},
    };
    return parse(text, units, sizeof units / sizeof units[0], bytes);
}

int parse_duration(const char *text, uint64_t *duration)
{
    static const struct unit units[] = {
        {"s", 1e6}, {"ms", 1e3}, {"m", 60e6}, {"min", 60e6}, {"h", 3600e6}, {"d", 86400e6}, {"w", 604800e6},
        {"", 1e6},
    };
    return parse(text, units, sizeof units / sizeof units[0], duration);
}

int parse_count(const char *text, uint64_t *count)
{
    static const struct unit units[] = {{"", 1}};
    return strchr(text, '.') == NULL && parse(text, units, 1, count);
}

uint64_t clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}
