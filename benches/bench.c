/*
 * Measures libmgenjit against its peers: README.md says what. Each benchmark's ways take turns; what is
 * printed are medians.
 *
 * bench [a] [b] [c] [d] [e] [f] [g] [h] [i] [j]   only these; default: all. It runs beside what prepare.sh and make put
 * there.
 */

#define _XOPEN_SOURCE 700

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "export.h"
#include "harness.h"
#include "picture.h"
#include "servers.h"
#include "trace.h"

struct subject {
    const char *name;
    /* Whether hashing the IR, which a hit cannot do without, takes longer than all the rest. */
    int is_large;
    int warm_rounds;
    int cold_rounds;
    const char *in_process_rounds;
    int traced_rounds;
    const char *ir_name;
    const char *library_name;
    char ir[PATH_SIZE];
    char library[PATH_SIZE];
};

static char warm_cache[PATH_SIZE];
static char cold_cache[PATH_SIZE];
static char first_call_mgenjit[PATH_SIZE];
static char first_call_dlopen[PATH_SIZE];
static char in_process[PATH_SIZE];
static char calls[PATH_SIZE];

/* (a) A new process to its first call. */
static void bench_warm_start(const struct subject *subject)
{
    static double ours[MOST_ROUNDS];
    static double hashing[MOST_ROUNDS];
    static double theirs[MOST_ROUNDS];
    const char *const mgenjit[] = {first_call_mgenjit, warm_cache, subject->ir, "length", NULL};
    const char *const dlopen[] = {first_call_dlopen, subject->library, "length", NULL};
    double numbers[MOST_NUMBERS];

    run(mgenjit, NULL);
    for (int i = 0; i < subject->warm_rounds; i++) {
        struct process_result result = run(mgenjit, numbers);
        ours[i] = numbers[0] - result.started;
        hashing[i] = numbers[1];
        result = run(dlopen, numbers);
        theirs[i] = numbers[0] - result.started;
    }
    double our = median(ours, (size_t)subject->warm_rounds);
    double hash = median(hashing, (size_t)subject->warm_rounds);
    double their = median(theirs, (size_t)subject->warm_rounds);
    printf("\n(a) %s, warm: start of a process to its first call, %d rounds\n", subject->name, subject->warm_rounds);
    row("libmgenjit", our, "ms");
    row("  of it, hashing the IR", hash, "ms");
    row("dlopen of the same code, built before", their, "ms");
    if (subject->is_large)
        verdict("libmgenjit / (hashing + dlopen)", our, hash + their, 1.5);
    else
        verdict("libmgenjit / dlopen", our, their, 1.5);
}

/* (b) In one process. */
static void bench_warm_in_process(const struct subject *subject)
{
    const char *const both[] = {in_process,     warm_cache, subject->ir, "length", subject->in_process_rounds,
                                subject->library, NULL};
    const char *const alone[] = {in_process, warm_cache, subject->ir, "length", "", NULL};
    double numbers[MOST_NUMBERS];

    run(both, numbers);
    printf("\n(b) %s, warm, in one process: %s rounds\n", subject->name, subject->in_process_rounds);
    row("libmgenjit: compile call to callable address", numbers[0] * 1e3, "us");
    row("  of it, hashing the IR", numbers[2] * 1e3, "us");
    row("dlopen and dlsym", numbers[3] * 1e3, "us");
    if (subject->is_large) {
        ratio("libmgenjit / dlopen and dlsym", numbers[0], numbers[3]);
        verdict("libmgenjit / (hashing + dlopen and dlsym)", numbers[0], numbers[2] + numbers[3], 1.0);
    } else {
        verdict("libmgenjit / dlopen and dlsym", numbers[0], numbers[3], 1.0);
    }
    row("libmgenjit: there and back (module removed)", numbers[1] * 1e3, "us");
    row("dlopen, dlsym and dlclose", numbers[4] * 1e3, "us");
    print_instructions(alone, 4, subject->traced_rounds, folder);
    print_system_calls(alone, 4, subject->traced_rounds, folder);
}

/* (c) From IR to the program's end, with nothing cached. */
static void bench_cold(const struct subject *subject)
{
    enum { OURS, LLI, LLC, OPT, WAYS };
    static double times[WAYS][MOST_ROUNDS];
    static struct tools tools;
    char optimised[PATH_SIZE];
    size_t rounds = (size_t)subject->cold_rounds;

    path_join(optimised, folder, "peer.bc");
    find_tools(&tools);
    int can_build = tools.llc[0] != '\0' && tools.lld[0] != '\0';

    for (size_t i = 0; i < rounds; i++) {
        remove_folder(cold_cache);
        times[OURS][i] = run_time((const char *[]){first_call_mgenjit, cold_cache, subject->ir, "main", NULL});
        if (tools.lli[0] != '\0')
            times[LLI][i] = run_time((const char *[]){tools.lli, "-O2", subject->ir, NULL});
        if (can_build)
            times[LLC][i] = run_ahead(&tools, first_call_dlopen, subject->ir);
        if (can_build && tools.opt[0] != '\0')
            times[OPT][i] = run_time((const char *[]){tools.opt, "-O2", "-o", optimised, subject->ir, NULL})
                            + run_ahead(&tools, first_call_dlopen, optimised);
    }

    double ours = median(times[OURS], rounds);
    printf("\n(c) %s, cold: a process from IR to the end of main, %zu rounds\n", subject->name, rounds);
    row("libmgenjit -O2, and the code is cached then", ours, "ms");
    if (tools.lli[0] != '\0') {
        double theirs = median(times[LLI], rounds);
        row("lli -O2", theirs, "ms");
        verdict("libmgenjit / lli", ours, theirs, 0.6);
    }
    if (can_build) {
        double theirs = median(times[LLC], rounds);
        row("llc -O2, ld.lld -shared, dlopen", theirs, "ms");
        verdict("libmgenjit / llc, ld.lld, dlopen", ours, theirs, 0.6);
    }
    if (can_build && tools.opt[0] != '\0') {
        double theirs = median(times[OPT], rounds);
        row("opt -O2, llc -O2, ld.lld -shared, dlopen", theirs, "ms");
        ratio("libmgenjit / opt, llc, ld.lld, dlopen", ours, theirs);
    }
}

/* (d) Calls. */
static void bench_calls(const char *ir, const char *library)
{
    double numbers[MOST_NUMBERS];
    run((const char *[]){calls, warm_cache, ir, library, NULL}, numbers);
    printf("\n(d) one call of i64 @add(i64, i64)\n");
    row("by address", numbers[0], "ns");
    row("by address, in a library from dlopen", numbers[1], "ns");
    /* The same instructions: what is more than 1.0 is noise, of which some is allowed. */
    verdict("by address / in a library", numbers[0], numbers[1], 1.05);
    row("checked: mgenjit_function_call", numbers[2], "ns");
    row("raw: mgenjit_function_call_raw", numbers[3], "ns");
    row("libffi: ffi_call", numbers[4], "ns");
    verdict("checked / libffi", numbers[2], numbers[4], 1.5);
    ratio("raw / libffi", numbers[3], numbers[4]);
}

static int is_wanted(int argc, char **argv, const char *benchmark)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], benchmark) == 0)
            return 1;
    return argc == 1;
}

/* (j), of what prepare.sh could make. */
static void draw(const struct subject *subjects, size_t count)
{
    char here[PATH_SIZE];
    char results[PATH_SIZE];
    if (path_beside_program(here, ".") != 0)
        return;
    path_join(results, here, "picture.tsv");
    remove(results);
    for (size_t i = 0; i < count; i++) {
        struct drawn drawn = {subjects[i].name,       first_call_mgenjit, first_call_dlopen, subjects[i].ir,
                              subjects[i].library, subjects[i].cold_rounds};
        if (access(drawn.ir, R_OK) != 0)
            continue;
        if (access(drawn.library, R_OK) != 0)
            drawn.library = "";
        bench_picture(&drawn, results);
    }
}

/* (g), (h) and (j). */
static void bench_shared_server(int argc, char **argv, const struct subject *subjects, size_t count)
{
    char quicksort[PATH_SIZE];
    char fibonacci[PATH_SIZE];

    if (path_beside_program(quicksort, "small.ll") != 0 || path_beside_program(fibonacci, "work-fibonacci.ll") != 0) {
        printf("\n(g), (h) and (j): skipped: prepare.sh has not run\n");
        return;
    }
    if (start_shared_server(first_call_mgenjit, quicksort)) {
        if (is_wanted(argc, argv, "g")) {
            bench_warm_server(first_call_mgenjit, "small program", quicksort, 0.35);
            bench_warm_server(first_call_mgenjit, "fibonacci", fibonacci, 0);
        }
        if (is_wanted(argc, argv, "h"))
            bench_many_modules(quicksort);
        if (is_wanted(argc, argv, "j"))
            draw(subjects, count);
    }
    stop_shared_server();
}

int main(int argc, char **argv)
{
    static struct subject subjects[] = {
        {"small program", 0, 101, 31, "2000", 100, "small.ll", "small.so", "", ""},
        {"SQLite", 1, 31, 3, "100", 5, "sqlite.ll", "sqlite.so", "", ""},
    };
    char add_ir[PATH_SIZE];
    char add_library[PATH_SIZE];
    int failure = temporary_folder(folder);
    if (failure != 0 || path_beside_program(first_call_mgenjit, "first_call_mgenjit") != 0
        || path_beside_program(first_call_dlopen, "first_call_dlopen") != 0
        || path_beside_program(in_process, "in_process") != 0 || path_beside_program(calls, "calls") != 0) {
        fprintf(stderr, "bench: cannot begin: run `make bench`\n");
        return 1;
    }
    path_join(warm_cache, folder, "warm");
    path_join(cold_cache, folder, "cold");

    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++) {
        struct subject *subject = &subjects[i];
        if (path_beside_program(subject->ir, subject->ir_name) != 0) {
            printf("\n%s: skipped, prepare.sh could not make its IR\n", subject->name);
            continue;
        }
        if (path_beside_program(subject->library, subject->library_name) == 0) {
            if (is_wanted(argc, argv, "a"))
                bench_warm_start(subject);
            if (is_wanted(argc, argv, "b"))
                bench_warm_in_process(subject);
            /* A hit reads the IR, which a process with dlopen has no use for. */
            if (is_wanted(argc, argv, "i"))
                bench_memory(first_call_mgenjit, first_call_dlopen, subject->name, subject->ir, subject->library,
                             subject->is_large ? 0 : 3);
        } else {
            printf("\n(a), (b) and (i) of %s: skipped, opt or llc of LLVM 22 is missing\n", subject->name);
        }
        if (is_wanted(argc, argv, "c"))
            bench_cold(subject);
        if (is_wanted(argc, argv, "e"))
            bench_export(subject->name, subject->ir, subject->is_large, subject->cold_rounds);
        fflush(stdout);
    }
    if (is_wanted(argc, argv, "d")) {
        if (path_beside_program(add_ir, "add.ll") == 0 && path_beside_program(add_library, "add.so") == 0)
            bench_calls(add_ir, add_library);
        else
            printf("\n(d) calls: skipped, opt or llc of LLVM 22 is missing\n");
    }

    if (is_wanted(argc, argv, "f"))
        bench_exported_code();
    if (is_wanted(argc, argv, "g") || is_wanted(argc, argv, "h") || is_wanted(argc, argv, "j"))
        bench_shared_server(argc, argv, subjects, sizeof subjects / sizeof subjects[0]);

    printf("\n%d of the targets were missed\n", missed);
    remove_folder(folder);
    return 0;
}
