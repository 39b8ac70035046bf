#define _XOPEN_SOURCE 700

#include "picture.h"

#include <stdio.h>
#include <stdlib.h>

enum { COLD, EDITED, EDITED_SHARED, LLI, AHEAD, WARM, PREBUILT, WAYS };

/* The moment, and the way. picture.py draws them in this order. */
static const char *const labels[WAYS][2] = {
    {"first run", "libmgenjit"},
    {"after an edit", "libmgenjit"},
    {"after an edit", "libmgenjit, shared server"},
    /* They are given what was edited, and keep nothing: an edit takes them as long. */
    {"first run", "lli -O2, which does not optimise"},
    {"first run", "opt -O2, llc -O2, ld.lld, dlopen"},
    {"every later run", "libmgenjit"},
    {"every later run", "dlopen of a library built before"},
};

/* Writes the IR with one more function, which is another one each time. */
static void edit(const char *ir, const char *edited)
{
    static int number;
    static char buffer[1 << 16];
    FILE *in = fopen(ir, "r"), *out = fopen(edited, "w");
    size_t length;
    while (in != NULL && out != NULL && (length = fread(buffer, 1, sizeof buffer, in)) > 0)
        fwrite(buffer, 1, length, out);
    if (in == NULL || out == NULL || fprintf(out, "\ndefine i64 @edit() {\n  ret i64 %d\n}\n", number++) < 0
        || fclose(out) != 0) {
        fprintf(stderr, "bench: cannot write %s\n", edited);
        remove_folder(folder);
        exit(1);
    }
    fclose(in);
}

static double run_client(const struct drawn *drawn, const char *servers, const char *cache, const char *ir)
{
    setenv("MGENJIT_SERVER_MODE", servers, 1);
    double time = run_time((const char *[]){drawn->client, cache, ir, "main", NULL});
    setenv("MGENJIT_SERVER_MODE", "private", 1);
    return time;
}

void bench_picture(const struct drawn *drawn, const char *results)
{
    static double times[WAYS][MOST_ROUNDS];
    static struct tools tools;
    int is_measured[WAYS] = {[COLD] = 1, [EDITED] = 1, [EDITED_SHARED] = 1, [WARM] = 1};
    char cache[PATH_SIZE], edited[PATH_SIZE], optimised[PATH_SIZE];

    path_join(cache, folder, "picture-cache");
    path_join(edited, folder, "edited.ll");
    path_join(optimised, folder, "edited.bc");
    find_tools(&tools);
    is_measured[LLI] = tools.lli[0] != '\0';
    is_measured[AHEAD] = tools.opt[0] != '\0' && tools.llc[0] != '\0' && tools.lld[0] != '\0';
    is_measured[PREBUILT] = drawn->library[0] != '\0';
    for (int i = 0; i < drawn->rounds; i++) {
        remove_folder(cache);
        times[COLD][i] = run_client(drawn, "private", cache, drawn->ir);
        edit(drawn->ir, edited);
        times[EDITED][i] = run_client(drawn, "private", cache, edited);
        edit(drawn->ir, edited);
        times[EDITED_SHARED][i] = run_client(drawn, "shared", cache, edited);
        times[WARM][i] = run_client(drawn, "private", cache, drawn->ir);
        if (is_measured[LLI])
            times[LLI][i] = run_time((const char *[]){tools.lli, "-O2", edited, NULL});
        if (is_measured[AHEAD])
            times[AHEAD][i] = run_time((const char *[]){tools.opt, "-O2", "-o", optimised, edited, NULL})
                              + run_ahead(&tools, drawn->loader, optimised);
        if (is_measured[PREBUILT])
            times[PREBUILT][i] = run_time((const char *[]){drawn->loader, drawn->library, "main", NULL});
    }

    printf("\n(j) %s: a process from IR to the end of main, %d rounds\n", drawn->name, drawn->rounds);
    FILE *file = fopen(results, "a");
    for (int way = 0; way < WAYS; way++) {
        char what[128];
        if (!is_measured[way])
            continue;
        double time = median(times[way], (size_t)drawn->rounds);
        snprintf(what, sizeof what, "%s: %s", labels[way][0], labels[way][1]);
        row(what, time, "ms");
        if (file != NULL)
            fprintf(file, "%s\t%s\t%s\t%.3f\n", drawn->name, labels[way][0], labels[way][1], time);
    }
    if (file == NULL || fclose(file) != 0)
        fprintf(stderr, "bench: cannot write %s\n", results);
}
