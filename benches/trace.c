#include "trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/files.h"
#include "common/measure.h"

enum { ARGUMENTS = 32, CALL_KINDS = 64 };

/* Runs the program under a tracer, with `rounds` in its place. Returns 1 for success. */
static int run_traced(const char *const *tracer, const char *const *argv, int position, int rounds)
{
    const char *all[ARGUMENTS];
    char number[16];
    int count = 0;
    struct process_result result;

    snprintf(number, sizeof number, "%d", rounds);
    while (*tracer != NULL)
        all[count++] = *tracer++;
    for (int i = 0; argv[i] != NULL; i++)
        all[count++] = i == position ? number : argv[i];
    all[count] = NULL;
    if (process_run(all, &result) != 0)
        return 0;
    free(result.output);
    return result.status == 0;
}

static int read_instructions(const char *path, double *instructions)
{
    static const char label[] = "Collected : ";
    char line[512];
    FILE *file = fopen(path, "r");
    int found = 0;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *collected = strstr(line, label);
        if (collected != NULL)
            found = sscanf(collected + sizeof label - 1, "%lf", instructions) == 1;
    }
    if (file != NULL)
        fclose(file);
    return found;
}

void print_instructions(const char *const *argv, int position, int rounds, const char *folder)
{
    char path[PATH_SIZE];
    char log_file[PATH_SIZE + 16];
    double counts[2];
    path_join(path, folder, "valgrind.log");
    snprintf(log_file, sizeof log_file, "--log-file=%s", path);
    const char *const tracer[] = {"valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", log_file, NULL};
    /* Below valgrind the CPU is another one, and so is the key: the first run compiles. */
    run_traced(tracer, argv, position, 1);
    for (int i = 0; i < 2; i++) {
        remove(path);
        if (!run_traced(tracer, argv, position, rounds * (i + 1)) || !read_instructions(path, &counts[i])) {
            printf("  instructions of one hit: not counted, valgrind is missing or failed\n");
            return;
        }
    }
    printf("  instructions of one hit, without the kernel's: %.0f (valgrind)\n", (counts[1] - counts[0]) / rounds);
}

struct call_count {
    char name[32];
    long counts[2];
};

/* Adds what strace -c wrote as the run `run`. Returns how many kinds of call there are now, -1 for failure. */
static int read_calls(const char *path, struct call_count *calls, int kinds, int run)
{
    char line[512];
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return -1;
    while (fgets(line, sizeof line, file) != NULL) {
        /* % time, seconds, usecs/call, calls, [errors,] syscall */
        long count;
        char *space = strrchr(line, ' ');
        if (space == NULL || sscanf(line, "%*f %*f %*d %ld", &count) != 1)
            continue;
        const char *name = space + 1;
        space[1 + strcspn(name, "\n")] = '\0';
        if (strcmp(name, "total") == 0)
            continue;
        int i = 0;
        while (i < kinds && strcmp(calls[i].name, name) != 0)
            i++;
        if (i == CALL_KINDS)
            break;
        if (i == kinds) {
            memset(&calls[kinds], 0, sizeof calls[kinds]);
            snprintf(calls[kinds].name, sizeof calls[kinds].name, "%.31s", name);
            kinds++;
        }
        calls[i].counts[run] = count;
    }
    fclose(file);
    return kinds;
}

void print_system_calls(const char *const *argv, int position, int rounds, const char *folder)
{
    static struct call_count calls[CALL_KINDS];
    char path[PATH_SIZE];
    int kinds = 0;
    long total = 0;
    path_join(path, folder, "strace.log");
    const char *const tracer[] = {"strace", "-f", "-c", "-o", path, NULL};
    for (int i = 0; i < 2; i++) {
        remove(path);
        if (!run_traced(tracer, argv, position, rounds * (i + 1))
            || (kinds = read_calls(path, calls, kinds, i)) < 0) {
            printf("  system calls of one hit: not counted, strace is missing or failed\n");
            return;
        }
    }
    for (int i = 0; i < kinds; i++)
        total += calls[i].counts[1] - calls[i].counts[0];
    printf("  system calls of one hit, there and back: %.1f (strace):", (double)total / rounds);
    for (int i = 0; i < kinds; i++) {
        double each = (double)(calls[i].counts[1] - calls[i].counts[0]) / rounds;
        if (each > 0.05)
            printf(" %s %.1f", calls[i].name, each);
    }
    putchar('\n');
}
