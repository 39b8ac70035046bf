#ifndef RUNTIME_WAYS_H
#define RUNTIME_WAYS_H

#include <stdint.h>

#include "common/files.h"
#include "common/list.h"
#include "mgenjit.h"

/* As IR, as an archive, as a shared library. */
enum { WAYS = 3, MOST_FILES = 4 };

/* A way to give the program its runtime library. */
struct way {
    const char *name;
    /* What is compiled together; the first one is the program. */
    char paths[MOST_FILES][PATH_SIZE];
    int path_count;
    /* A shared library that is loaded; "": none. */
    char library[PATH_SIZE];

    mgenjit_executor *executor;
    int64_t (*work)(int64_t limit);

    /* Milliseconds. */
    double cold_time;
    double warm_time;
    double run_time;
    uint64_t image_bytes;
    uint64_t entry_bytes;
};

/* Fills in the ways, with the files that a library's folder has for each. */
void ways_describe(struct way ways[WAYS], const char *library_folder, const char *program);

/* Compiles the program with an empty cache below `folder`, and takes it from there again. Returns 0 or an exit code. */
int way_prepare(struct way *way, const char *folder);

/* Runs the program once, and keeps the best time. Returns its result. */
int64_t way_run(struct way *way, int64_t limit);

void way_free(struct way *way);

#endif
