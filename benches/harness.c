#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char folder[PATH_SIZE];
int missed;

void verdict(const char *what, double ours, double theirs, double target)
{
    int met = ours / theirs <= target;
    missed += !met;
    printf("  %-46s %9.2fx   target %.2fx  %s\n", what, ours / theirs, target, met ? "MET" : "MISSED");
}

void verdict_more(const char *what, double ours, double theirs, double target, const char *unit)
{
    int met = ours - theirs <= target;
    missed += !met;
    printf("  %-46s %9.3f %s  target %.0f %s  %s\n", what, ours - theirs, unit, target, unit, met ? "MET" : "MISSED");
}

void ratio(const char *what, double ours, double theirs)
{
    printf("  %-46s %9.2fx\n", what, ours / theirs);
}

void row(const char *what, double value, const char *unit)
{
    printf("  %-46s %9.3f %s\n", what, value, unit);
}

struct process_result run(const char *const *argv, double numbers[MOST_NUMBERS])
{
    struct process_result result;
    int failure = process_run(argv, &result);
    if (failure != 0 || result.status != 0) {
        fprintf(stderr, "bench: %s: %s\n", argv[0], failure != 0 ? strerror(failure) : "failed");
        remove_folder(folder);
        exit(1);
    }
    if (numbers != NULL)
        sscanf(result.output, "%lf %lf %lf %lf %lf %lf", &numbers[0], &numbers[1], &numbers[2], &numbers[3],
               &numbers[4], &numbers[5]);
    free(result.output);
    return result;
}

double run_time(const char *const *argv)
{
    struct process_result result = run(argv, NULL);
    return result.ended - result.started;
}

void find_tool(char path[PATH_SIZE], const char *name)
{
    if (find_llvm_tool(path, name))
        return;
    path[0] = '\0';
    printf("\n%s of LLVM 22 is missing: what needs it is skipped\n", name);
}

void find_tools(struct tools *tools)
{
    find_tool(tools->lli, "lli");
    find_tool(tools->opt, "opt");
    find_tool(tools->llc, "llc");
    find_tool(tools->lld, "ld.lld");
}

double run_ahead(const struct tools *tools, const char *loader, const char *ir)
{
    char object[PATH_SIZE];
    char library[PATH_SIZE];
    path_join(object, folder, "peer.o");
    path_join(library, folder, "peer.so");
    return run_time((const char *[]){tools->llc, "-O2", "-filetype=obj", "-relocation-model=pic", "-o", object, ir,
                                     NULL})
           + run_time((const char *[]){tools->lld, "-shared", "-o", library, object, NULL})
           + run_time((const char *[]){loader, library, "main", NULL});
}
