/*
 * Compares ways to run a program of LLVM IR: libmgenjit without and with its cache, a compiler ahead of time,
 * and LLVM's own JIT. Each way starts new processes; the ways take turns, round by round.
 */

#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/files.h"
#include "common/measure.h"

enum { COLD, WARM, LLI, AHEAD, PREBUILT, WAYS };

static const char *const names[WAYS] = {
    "libmgenjit, cold: compile, store, run",
    "libmgenjit, warm: a new process",
    "lli -O2",
    "ahead of time: llc -O2, cc, run",
    "ahead of time, built before: run",
};

enum { ROUNDS = 15, ARGUMENTS = 64 };

struct comparison {
    const char *file;
    /* The program's arguments, with a NULL after them. */
    char **arguments;

    char run[PATH_SIZE];
    char lli[PATH_SIZE];
    char llc[PATH_SIZE];
    int skipped[WAYS];

    char folder[PATH_SIZE];
    char cold_cache[PATH_SIZE];
    char warm_cache[PATH_SIZE];
    char object[PATH_SIZE];
    char executable[PATH_SIZE];

    /* What the first run of the program gave; every other has to give the same. */
    struct process_result expected;
    double milliseconds[WAYS][ROUNDS];
};

static void fail(const struct comparison *comparison, int exit_code, const char *what, const char *why)
{
    fprintf(stderr, "compare: %s: %s\n", what, why);
    if (comparison->folder[0] != '\0')
        remove_folder(comparison->folder);
    exit(exit_code);
}

/* Runs a command to its end. Returns how long it took. */
static double execute(const struct comparison *comparison, const char *const *argv, struct process_result *result)
{
    int failure = process_run(argv, result);
    if (failure != 0)
        fail(comparison, EX_OSERR, argv[0], strerror(failure));
    return result->ended - result->started;
}

/* Runs a tool that has to succeed. */
static double build(const struct comparison *comparison, const char *const *argv)
{
    struct process_result result;
    double milliseconds = execute(comparison, argv, &result);
    free(result.output);
    if (result.status != 0)
        fail(comparison, EX_SOFTWARE, argv[0], "failed");
    return milliseconds;
}

/* Runs the program by `argv`, to which its arguments are added, and checks what it did. */
static double run_program(struct comparison *comparison, const char *const *argv)
{
    const char *all[ARGUMENTS];
    size_t count = 0;
    while (*argv != NULL)
        all[count++] = *argv++;
    for (char **argument = comparison->arguments; *argument != NULL; argument++) {
        if (count == ARGUMENTS - 1)
            fail(comparison, EX_USAGE, comparison->file, "too many arguments");
        all[count++] = *argument;
    }
    all[count] = NULL;

    struct process_result result;
    struct process_result *expected = &comparison->expected;
    double milliseconds = execute(comparison, all, &result);
    if (expected->output == NULL) {
        *expected = result;
        return milliseconds;
    }
    if (result.status != expected->status || result.output_length != expected->output_length
        || memcmp(result.output, expected->output, result.output_length) != 0)
        fail(comparison, EX_SOFTWARE, all[0], "gave another output or exit status than the first way");
    free(result.output);
    return milliseconds;
}

static double measure(struct comparison *comparison, int way)
{
    const char *run = comparison->run;
    const char *file = comparison->file;
    const char *object = comparison->object;
    const char *executable = comparison->executable;
    switch (way) {
    case COLD:
        remove_folder(comparison->cold_cache);
        return run_program(comparison,
                           (const char *[]){run, "--cache-dir", comparison->cold_cache, "--", file, NULL});
    case WARM:
        return run_program(comparison,
                           (const char *[]){run, "--cache-dir", comparison->warm_cache, "--", file, NULL});
    case LLI: return run_program(comparison, (const char *[]){comparison->lli, "-O2", file, NULL});
    case AHEAD:
        return build(comparison, (const char *[]){comparison->llc, "-O2", "-filetype=obj", "-relocation-model=pic",
                                                  "-o", object, file, NULL})
               + build(comparison, (const char *[]){"cc", "-o", executable, object, NULL})
               + run_program(comparison, (const char *[]){executable, NULL});
    default: return run_program(comparison, (const char *[]){executable, NULL});
    }
}

static void prepare(struct comparison *comparison)
{
    int failure = path_beside_program(comparison->run, "run");
    if (failure == 0)
        failure = temporary_folder(comparison->folder);
    if (failure != 0)
        fail(comparison, EX_OSERR, "cannot begin", strerror(failure));
    path_join(comparison->cold_cache, comparison->folder, "cold");
    path_join(comparison->warm_cache, comparison->folder, "warm");
    path_join(comparison->object, comparison->folder, "program.o");
    path_join(comparison->executable, comparison->folder, "program");

    if (!find_llvm_tool(comparison->lli, "lli")) {
        comparison->skipped[LLI] = 1;
        printf("lli of LLVM 22 is not installed: skipped\n");
    }
    if (!find_llvm_tool(comparison->llc, "llc")) {
        comparison->skipped[AHEAD] = comparison->skipped[PREBUILT] = 1;
        printf("llc of LLVM 22 is not installed: ahead of time is skipped\n");
    }

    /* The warm runs find what this one stored. */
    measure(comparison, WARM);
    if (comparison->expected.status != 0)
        fail(comparison, EX_DATAERR, comparison->file, "the program failed");
}

static void print_table(struct comparison *comparison)
{
    double warm = median(comparison->milliseconds[WARM], ROUNDS);
    printf("%s: %d rounds, medians; every run gave the same %zu bytes of output\n\n", comparison->file, ROUNDS,
           comparison->expected.output_length);
    printf("  %-40s %10s %9s\n", "", "time", "to warm");
    for (int way = 0; way < WAYS; way++) {
        if (comparison->skipped[way])
            continue;
        double milliseconds = median(comparison->milliseconds[way], ROUNDS);
        printf("  %-40s %7.2f ms %8.1fx\n", names[way], milliseconds, milliseconds / warm);
    }
}

int main(int argc, char **argv)
{
    static struct comparison comparison;
    static char bundled[PATH_SIZE];

    if (argc > 1 && argv[1][0] == '-') {
        fprintf(stderr, "usage: compare [FILE.ll [ARGS...]]\n");
        return EX_USAGE;
    }
    comparison.arguments = argc > 1 ? argv + 2 : argv + argc;
    comparison.file = argc > 1 ? argv[1] : bundled;
    if (path_beside_program(bundled, "../../examples-c/programs/quicksort.ll") != 0)
        return EX_OSERR;

    prepare(&comparison);
    for (int round = 0; round < ROUNDS; round++)
        for (int way = 0; way < WAYS; way++)
            if (!comparison.skipped[way])
                comparison.milliseconds[way][round] = measure(&comparison, way);
    print_table(&comparison);

    free(comparison.expected.output);
    remove_folder(comparison.folder);
    return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}
