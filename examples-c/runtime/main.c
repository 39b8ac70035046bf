/*
 * A program of LLVM IR that needs a runtime library in C, and three ways to give it one: as IR that is optimised
 * together with the program, as a static archive that is linked into the same image, as a shared library.
 *
 * ways.c has the ways; this file runs them in turns, compares their results and prints a table.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "common/files.h"
#include "common/report.h"
#include "ways.h"

static const char usage[] = "[LIBRARY_FOLDER PROGRAM.ll]\n";

/* What the program is given to do, and how often. */
enum { LIMIT = 1000000, ROUNDS = 15 };

/* Returns 0 or an exit code. */
static int measure(struct way *ways, int64_t *result)
{
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < WAYS; i++) {
            int64_t given = way_run(&ways[i], LIMIT);
            if (round == 0 && i == 0)
                *result = given;
            if (given != *result) {
                fprintf(stderr, "%s: %s gave %" PRId64 ", not %" PRId64 "\n", program_name, ways[i].name, given,
                        *result);
                return EX_SOFTWARE;
            }
        }
    return 0;
}

static void print_table(const struct way *ways, int64_t result)
{
    printf("All ways gave %" PRId64 ". The run is the best of %d.\n\n", result, ROUNDS);
    printf("  %-28s %10s %12s %10s %12s %12s\n", "the runtime library", "run", "cold", "warm", "image", "entry");
    for (int i = 0; i < WAYS; i++)
        printf("  %-28s %7.2f ms %9.2f ms %7.3f ms %8.1f KiB %8.1f KiB\n", ways[i].name, ways[i].run_time,
               ways[i].cold_time, ways[i].warm_time, (double)ways[i].image_bytes / 1024,
               (double)ways[i].entry_bytes / 1024);
    printf("\n  cold: from the files to the function's address, with an empty cache; warm: from the cache\n");
}

/* Returns 0 or an exit code. */
static int compare(struct way *ways, const char *folder)
{
    int64_t result = 0;
    int exit_code = 0;
    for (int i = 0; exit_code == 0 && i < WAYS; i++)
        exit_code = way_prepare(&ways[i], folder);
    if (exit_code == 0)
        exit_code = measure(ways, &result);
    if (exit_code == 0)
        print_table(ways, result);
    return exit_code;
}

int main(int argc, char **argv)
{
    static char library[PATH_SIZE], program[PATH_SIZE], folder[PATH_SIZE];
    static struct way ways[WAYS];

    if (argc != 1 && (argc != 3 || argv[1][0] == '-'))
        return report_wrong_usage(usage, "a folder and a program, or neither", "");
    int failure = temporary_folder(folder);
    if (failure == 0 && argc == 1)
        failure = path_beside_program(library, "../runtime");
    if (failure == 0 && argc == 1)
        failure = path_beside_program(program, "../../examples-c/runtime/program.ll");
    if (failure != 0) {
        fprintf(stderr, "%s: cannot begin: %s\n", program_name, strerror(failure));
        return EX_OSERR;
    }

    ways_describe(ways, argc == 1 ? library : argv[1], argc == 1 ? program : argv[2]);
    int exit_code = compare(ways, folder);
    for (int i = 0; i < WAYS; i++)
        way_free(&ways[i]);
    remove_folder(folder);
    return report_end(exit_code);
}
