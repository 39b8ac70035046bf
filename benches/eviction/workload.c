/*
 * Writes a trace of what is asked of a cache: the order in which a simulated developer runs modules, whose costs
 * and sizes were measured (measure.c).
 *
 * In 40 days, each with some sessions on one of several projects: edit a module, run, which looks up all modules of
 * the project; take an edit back; switch to another branch and return; run a while unoptimised, or once as a
 * release; type lines into a REPL, which nobody asks for again; run everything each night. Now and then two
 * sessions are interleaved. On day 25 the compile server is updated, so that every key changes.
 *
 * An edit gives a module a key that was never seen. What that costs is what one of the module's measured edits
 * cost.
 *
 * workload < measured > trace
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DAYS = 40,
    UPDATE_DAY = 25,
    LEVELS = 4,
    EDITS = 3,
    BRANCHES = 3,
    MOST_SOURCES = 512,
    MOST_MODULES = 96,
    MOST_PROJECTS = 8,
    MOST_KEYS = 1 << 18,
};

struct measured {
    unsigned long long cost;
    unsigned long long bytes;
};

struct source {
    char project[32];
    char file[128];
    struct measured measured[EDITS][LEVELS];
    int edits;
    /* The newest version; version v costs what edit v % edits did. */
    int newest;
};

struct project {
    const char *name;
    int sources[MOST_MODULES];
    int count;
    /* Which version of each module each branch has. */
    int versions[BRANCHES][MOST_MODULES];
    int branch;
    int level;
};

struct key {
    int source;
    int version;
    int level;
    int epoch;
};

static struct source sources[MOST_SOURCES];
static int source_count;
static struct project projects[MOST_PROJECTS];
static int project_count;
static int repl[MOST_SOURCES];
static int repl_count;
static struct key keys[MOST_KEYS];
static int slots[2 * MOST_KEYS];
static int key_count;
static int epoch;

/* xorshift64*, so that a trace can be made again. */
static uint64_t state = 20260101;

static int below(int limit)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (int)((state * 2685821657736338717u >> 33) % (uint64_t)limit);
}

static int percent(int chance)
{
    return below(100) < chance;
}

/* The number of a key. Writes what is known of one that is new. */
static int key_number(int source, int version, int level)
{
    struct key key = {source, version, level, epoch};
    uint64_t hash = ((((uint64_t)source << 20) + (uint64_t)version) * 8 + (uint64_t)level) * 4 + (uint64_t)epoch;
    size_t slot = (hash * 0x9e3779b97f4a7c15u >> 20) % (2 * MOST_KEYS);
    for (; slots[slot] != 0; slot = (slot + 1) % (2 * MOST_KEYS))
        if (memcmp(&keys[slots[slot] - 1], &key, sizeof key) == 0)
            return slots[slot] - 1;
    if (key_count == MOST_KEYS) {
        fprintf(stderr, "workload: too many keys\n");
        exit(1);
    }
    const struct source *of = &sources[source];
    const struct measured *measured = &of->measured[version % of->edits][level];
    printf("+ %llu %llu %s/%s %d O%d\n", measured->cost, measured->bytes, of->project, of->file, version, level);
    keys[key_count] = key;
    slots[slot] = ++key_count;
    return key_count - 1;
}

static void run(const struct project *project, int level)
{
    int numbers[MOST_MODULES];
    for (int i = 0; i < project->count; i++)
        numbers[i] = key_number(project->sources[i], project->versions[project->branch][i], level);
    for (int i = 0; i < project->count; i++)
        printf("%s%d", i == 0 ? "" : " ", numbers[i]);
    putchar('\n');
}

static void edit(struct project *project, int module)
{
    int *version = &project->versions[project->branch][module];
    if (*version > 0 && percent(10))
        --*version;
    else
        *version = ++sources[project->sources[module]].newest;
}

/* One edit-run cycle. A session has few modules that it works on. */
static void cycle(struct project *project, const int hot[3])
{
    if (percent(85))
        edit(project, hot[below(3)]);
    if (percent(4)) {
        /* A look at another branch, or to stay there. */
        int branch = project->branch;
        project->branch = below(BRANCHES);
        run(project, project->level);
        if (percent(60))
            project->branch = branch;
    }
    run(project, project->level);
    if (percent(4))
        run(project, percent(50) ? 3 : 0);
}

static void choose_hot(const struct project *project, int hot[3])
{
    for (int i = 0; i < 3; i++)
        do {
            hot[i] = below(project->count);
            /* Few edit SQLite. */
        } while (strcmp(sources[project->sources[hot[i]]].file, "sqlite3.c") == 0 && !percent(5));
}

static void session(struct project *project, struct project *other)
{
    int hot[3];
    int other_hot[3];
    int cycles = 6 + below(20);
    choose_hot(project, hot);
    choose_hot(other, other_hot);
    project->level = percent(75) ? 2 : percent(60) ? 0 : 1;
    for (int i = 0; i < cycles; i++) {
        cycle(project, hot);
        if (other != project && percent(40))
            cycle(other, other_hot);
    }
}

static void repl_session(void)
{
    int lines = 20 + below(100);
    for (int i = 0; i < lines; i++) {
        int source = repl[below(repl_count)];
        int number = key_number(source, sources[source].newest++, 1);
        printf("%d\n", number);
    }
}

static void add_to_project(const char *name, int source)
{
    int i = 0;
    while (i < project_count && strcmp(projects[i].name, name) != 0)
        i++;
    if (i == project_count) {
        projects[i].name = name;
        projects[i].level = 2;
        project_count++;
    }
    if (projects[i].count < MOST_MODULES)
        projects[i].sources[projects[i].count++] = source;
}

static int is_complete(const struct source *source)
{
    for (int i = 0; i < source->edits * LEVELS; i++)
        if (source->measured[i / LEVELS][i % LEVELS].bytes == 0)
            return 0;
    return 1;
}

static void read_measured(void)
{
    char project[32];
    char file[128];
    int number;
    int level;
    struct measured measured;
    while (scanf("%31[^/]/%127[^/]/%d %d %llu %llu\n", project, file, &number, &level, &measured.cost,
                 &measured.bytes) == 6) {
        int i = 0;
        while (i < source_count && (strcmp(sources[i].project, project) != 0 || strcmp(sources[i].file, file) != 0))
            i++;
        if (i == MOST_SOURCES || number >= EDITS || level >= LEVELS)
            exit(1);
        if (i == source_count) {
            strcpy(sources[i].project, project);
            strcpy(sources[i].file, file);
            source_count++;
        }
        sources[i].measured[number][level] = measured;
        if (sources[i].edits <= number)
            sources[i].edits = number + 1;
    }
    for (int i = 0; i < source_count; i++) {
        if (!is_complete(&sources[i]))
            continue;
        if (strcmp(sources[i].project, "repl") == 0)
            repl[repl_count++] = i;
        else
            add_to_project(sources[i].project, i);
        /* An application that has SQLite in it. */
        if (strcmp(sources[i].project, "programs") == 0)
            add_to_project("sqlite", i);
    }
}

int main(void)
{
    int favourite = 0;
    read_measured();
    if (project_count == 0 || repl_count == 0)
        return 1;
    fputs("# What a simulated developer asks of a cache in 40 days (benches/eviction/workload.c), with costs and sizes\n"
          "# that were measured (measure.c): C and C++ of zstd, BLAKE3, SQLite, libFuzzer and tests/programs, compiled by\n"
          "# the library at four levels on a machine with other load. Recorded by `make record-trace`.\n"
          "#   + COST BYTES FILE VERSION LEVEL   the next key, from 0: microseconds to compile, bytes of its entry\n"
          "#   KEY KEY ...                       asked for in this order\n",
          stdout);
    for (int day = 0; day < DAYS; day++) {
        printf("# day %d\n", day);
        if (day == UPDATE_DAY)
            epoch++;
        if (day % 5 == 0)
            favourite = below(project_count);
        for (int sessions = 2 + below(3); sessions > 0; sessions--) {
            struct project *project = &projects[percent(60) ? favourite : below(project_count)];
            session(project, percent(25) ? &projects[below(project_count)] : project);
            if (percent(35))
                repl_session();
        }
        for (int i = 0; i < project_count; i++) {
            int branch = projects[i].branch;
            projects[i].branch = 0;
            run(&projects[i], day % 7 == 6 ? 3 : 2);
            projects[i].branch = branch;
        }
    }
    return 0;
}
