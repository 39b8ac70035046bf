/* The cache's entry files, found by what the directory holds. */
#ifndef ENTRIES_H
#define ENTRIES_H

#include "check.h"

#include <ftw.h>

enum { MOST_ENTRIES = 64 };

static char *entries[MOST_ENTRIES];
static int entry_count;

static inline int collect_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    const size_t length = strlen(path);
    (void)place;
    if (kind == FTW_F && S_ISREG(status->st_mode) && length > 3 && strcmp(path + length - 3, ".so") == 0
        && entry_count < MOST_ENTRIES)
        entries[entry_count++] = strdup(path);
    return 0;
}

/* Lists the entries below a cache directory in `entries`. */
static inline int list_entries(const char *folder)
{
    for (int i = 0; i < entry_count; i++)
        free(entries[i]);
    entry_count = 0;
    nftw(folder, collect_entry, 16, FTW_PHYS);
    return entry_count;
}

/* A new cache directory in this program's folder, with an executor whose events are counted. */
static inline char *new_cache(const char *name)
{
    char *path = in_folder(name);
    CHECK(mkdir(path, 0700) == 0);
    return path;
}

static inline mgenjit_executor *executor_with_cache(const char *folder, check_events *events)
{
    mgenjit_config *config = new_watched_config(events);
    mgenjit_executor *executor;
    CHECK_OK(mgenjit_config_set_cache_dir(config, folder, &failure));
    executor = new_executor(config);
    mgenjit_config_free(config);
    return executor;
}

#define ENTRY_IR "define i32 @entry(i32 %x) {\n  %y = mul i32 %x, 6\n  ret i32 %y\n}\n"

/* Compiles or hits, and uses the code. Returns where it came from. */
static inline int use_entry(mgenjit_executor *executor)
{
    mgenjit_module *module = add(executor, ENTRY_IR);
    int origin = mgenjit_module_origin(module);
    void *address;
    CHECK_OK(mgenjit_module_lookup(module, "entry", &address, &failure));
    CHECK_INT(42, ((int (*)(int))address)(7));
    mgenjit_module_free(module);
    return origin;
}

static inline unsigned char *read_whole(const char *path, size_t *length)
{
    unsigned char *bytes = (unsigned char *)malloc(1 << 20);
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL && bytes != NULL);
    *length = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

/* Puts a file of other bytes in the entry's place: entries are never changed where they are. */
static inline void replace_file(const char *path, const unsigned char *bytes, size_t length)
{
    struct stat status;
    char *temporary = join(getenv("CHECK_FOLDER"), "replacement");
    FILE *file = fopen(temporary, "wb");
    CHECK(stat(path, &status) == 0);
    CHECK(file != NULL && fwrite(bytes, 1, length, file) == length && fclose(file) == 0);
    CHECK(chmod(temporary, status.st_mode & 07777) == 0);
    CHECK(rename(temporary, path) == 0);
    free(temporary);
}

#endif
