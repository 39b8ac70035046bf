/*
 * The compile servers of this program, among all processes, and the helpers that run linkers: those whose executable
 * file is this program's own copy of the server, or the helper beside it.
 */
#ifndef SERVERS_H
#define SERVERS_H

#include "check.h"

#include <dirent.h>

enum { MOST_SERVERS = 64 };

/* Whether a process runs this file, if by the emulator of tests/aarch64: its arguments are -L, a folder, -0, a name, and
 * the file. */
static inline int does_run(pid_t id, const char *path)
{
    enum { EMULATED = 5 };
    char name[64], text[8192];
    const char *argument = text;
    size_t length;
    FILE *file;
    ssize_t found;
    snprintf(name, sizeof name, "/proc/%d/exe", (int)id);
    found = readlink(name, text, sizeof text - 1);
    if (found < 0)
        return 0;
    text[found] = '\0';
    if (strcmp(text, path) == 0)
        return 1;
    if (strstr(text, "/qemu-aarch64") == NULL)
        return 0;
    snprintf(name, sizeof name, "/proc/%d/cmdline", (int)id);
    file = fopen(name, "r");
    if (file == NULL)
        return 0;
    length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    for (int i = 0; i < EMULATED && argument < text + length; i++)
        argument += strlen(argument) + 1;
    return argument < text + length && strcmp(argument, path) == 0;
}

/* Writes the ids of the servers that run to `ids` and returns how many there are. */
static inline int servers(pid_t *ids)
{
    const char *path = getenv("MGENJIT_SERVER");
    DIR *folder = opendir("/proc");
    struct dirent *entry;
    int count = 0;
    char helper[4096];
    CHECK(folder != NULL && path != NULL && strrchr(path, '/') != NULL);
    snprintf(helper, sizeof helper, "%.*s/mgenjit-helper", (int)(strrchr(path, '/') - path), path);
    while ((entry = readdir(folder)) != NULL && count < MOST_SERVERS) {
        const pid_t id = (pid_t)strtol(entry->d_name, NULL, 10);
        if (id > 0 && (does_run(id, path) || does_run(id, helper)))
            ids[count++] = id;
    }
    closedir(folder);
    return count;
}

static inline int server_count(void)
{
    pid_t ids[MOST_SERVERS];
    return servers(ids);
}

/* Waits until so many servers run. */
static inline void wait_for_servers(int expected)
{
    CHECK_UNTIL(server_count() == expected);
}

/* To be run before each case: the servers of the one before are gone. */
static inline void no_servers(void)
{
    wait_for_servers(0);
}

/* The field of /proc/<id>/stat after the name, counted from 0: 0 is the state, 1 the parent, 2 the group, 3 the
 * session. */
static inline long process_field(pid_t id, int field)
{
    char path[64], text[1024];
    char *place;
    FILE *file;
    size_t length;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)id);
    file = fopen(path, "r");
    if (file == NULL)
        return -1;
    length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    place = strrchr(text, ')');
    CHECK(place != NULL);
    place += 2;
    for (; field > 0; field--)
        place = strchr(place, ' ') + 1;
    return strtol(place, NULL, 10);
}

/* How many servers have no parent among the others: those are not workers. `one` is one of them, if there is any. Their order
 * says nothing: the kernel uses numbers again. */
static inline int shared_servers_of(pid_t *one)
{
    pid_t ids[MOST_SERVERS];
    int found = 0;
    const int count = servers(ids);
    for (int i = 0; i < count; i++) {
        int is_worker = 0;
        for (int j = 0; j < count; j++)
            is_worker |= process_field(ids[i], 1) == ids[j];
        if (!is_worker && found++ == 0)
            *one = ids[i];
    }
    return found;
}

static inline int shared_servers(void)
{
    pid_t one;
    return shared_servers_of(&one);
}

/* 0: there is none. */
static inline pid_t find_shared_server(void)
{
    pid_t one = 0;
    shared_servers_of(&one);
    return one;
}

/* Different IR each time, which no cache has. */
static inline char *fresh_ir(void)
{
    static int number;
    char *ir = NULL;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    /* A comment would not do: what differs only in that is the same code. */
    CHECK(asprintf(&ir,
                   "@stamp = internal constant [4 x i64] [i64 %d, i64 %d, i64 %lld, i64 %ld]\n"
                   "define i32 @fresh(i32 %%x) {\n  %%y = add i32 %%x, 1\n  ret i32 %%y\n}\n",
                   (int)getpid(), __atomic_add_fetch(&number, 1, __ATOMIC_RELAXED), (long long)now.tv_sec, now.tv_nsec)
          > 0);
    return ir;
}

/* Compiles something new, and uses it. */
static inline void compile_fresh(mgenjit_executor *executor)
{
    char *ir = fresh_ir();
    mgenjit_module *module = add(executor, ir);
    void *address;
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, mgenjit_module_origin(module));
    CHECK_OK(mgenjit_module_lookup(module, "fresh", &address, &failure));
    CHECK_INT(8, ((int (*)(int))address)(7));
    CHECK_OK(mgenjit_module_remove(module, &failure));
    mgenjit_module_free(module);
    free(ir);
}

#endif
