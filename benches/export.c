#include "export.h"

#include <stdio.h>

#include "harness.h"

static char tool_build[PATH_SIZE];
static char tool_run[PATH_SIZE];
static char clang[PATH_SIZE];
static char cache[PATH_SIZE];
static char object[PATH_SIZE];
static char our_program[PATH_SIZE];
static char their_program[PATH_SIZE];

/* Returns 0, which has been said, if something is missing. */
static int find_all(void)
{
    if (path_beside_program(tool_build, "../examples-c/build") != 0
        || path_beside_program(tool_run, "../examples-c/run") != 0) {
        printf("\n(e) and (f): skipped: run `make`\n");
        return 0;
    }
    find_tool(clang, "clang");
    path_join(cache, folder, "export-cache");
    path_join(object, folder, "exported.o");
    path_join(our_program, folder, "ours");
    path_join(their_program, folder, "theirs");
    return clang[0] != '\0';
}

static double build(const char *output, const char *ir)
{
    return run_time((const char *[]){tool_build, "--cache-dir", cache, "-o", output, ir, NULL});
}

static double build_by_clang(const char *ir)
{
    return run_time((const char *[]){clang, "-O2", "-march=native", "-w", "-o", their_program, ir, NULL});
}

void bench_export(const char *name, const char *ir, int is_large, int rounds)
{
    enum { EXPORT, OBJECT, LINK, CLANG, STEPS };
    static double times[STEPS][MOST_ROUNDS];
    size_t count = (size_t)rounds;

    if (!find_all())
        return;
    build(our_program, ir);
    for (size_t i = 0; i < count; i++) {
        times[EXPORT][i] = build(our_program, ir);
        times[OBJECT][i] = build(object, ir);
        times[LINK][i] = run_time((const char *[]){"cc", "-pie", "-o", our_program, object, "-lm", NULL});
        times[CLANG][i] = build_by_clang(ir);
    }
    double ours = median(times[EXPORT], count);
    double theirs = median(times[CLANG], count);
    printf("\n(e) %s: an executable from a warm cache, a process each, %d rounds\n", name, rounds);
    row("build -o program", ours, "ms");
    row("  beside it: build -o object.o", median(times[OBJECT], count), "ms");
    row("  beside it: cc -pie object.o, the link alone", median(times[LINK], count), "ms");
    row("clang -O2 -march=native", theirs, "ms");
    verdict("libmgenjit / clang", ours, theirs, is_large ? 0.05 : 0.2);
}

void bench_exported_code(void)
{
    enum { IN_MEMORY, EXPORTED, THEIRS, WAYS, ROUNDS = 11 };
    static const struct {
        const char *name;
        const char *argument;
    } programs[] = {{"work-quicksort.ll", NULL}, {"work-matrix.ll", NULL}, {"work-fibonacci.ll", "40"}};
    double times[WAYS][ROUNDS];
    char ir[PATH_SIZE];

    if (!find_all())
        return;
    for (size_t p = 0; p < sizeof programs / sizeof programs[0]; p++) {
        const char *argument = programs[p].argument;
        if (path_beside_program(ir, programs[p].name) != 0)
            continue;
        build(our_program, ir);
        build_by_clang(ir);
        for (int i = 0; i < ROUNDS; i++) {
            times[IN_MEMORY][i] =
                run_time((const char *[]){tool_run, "--cache-dir", cache, ir, argument, NULL});
            times[EXPORTED][i] = run_time((const char *[]){our_program, argument, NULL});
            times[THEIRS][i] = run_time((const char *[]){their_program, argument, NULL});
        }
        double theirs = median(times[THEIRS], ROUNDS);
        printf("\n(f) %s: processes that run it, %d rounds\n", programs[p].name, ROUNDS);
        row("in memory, from the cache", median(times[IN_MEMORY], ROUNDS), "ms");
        row("exported", median(times[EXPORTED], ROUNDS), "ms");
        row("clang -O2 -march=native", theirs, "ms");
        /* Some noise is allowed. */
        verdict("in memory / clang", median(times[IN_MEMORY], ROUNDS), theirs, 1.05);
        verdict("exported / clang", median(times[EXPORTED], ROUNDS), theirs, 1.05);
    }
}
