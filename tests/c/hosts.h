/* Hosts that make it hard for the library, whose servers are their own or shared: $MGENJIT_SERVER_MODE says which. */
#ifndef HOSTS_H
#define HOSTS_H

#include "servers.h"

static inline int is_shared(void)
{
    return strcmp(getenv("MGENJIT_SERVER_MODE"), "shared") == 0;
}

/* To be run before each case, and at the end: no case has the servers of another. */
static inline void end_servers(void)
{
    pid_t ids[MOST_SERVERS];
    if (is_shared())
        for (int i = servers(ids); i-- > 0;)
            kill(ids[i], SIGTERM);
    wait_for_servers(0);
}

#define RUN_HOSTS(cases) run_hosts((cases), sizeof(cases) / sizeof((cases)[0]))

static inline int run_hosts(const check_case *cases, size_t count)
{
    int failed;
    check_before_case = end_servers;
    failed = check_cases(cases, count);
    end_servers();
    return failed;
}

#define COMMON_IR "define i32 @common(i32 %x) {\n  %y = mul i32 %x, 6\n  ret i32 %y\n}\n"

/* Uses a module that every case has. Returns where it came from. */
static inline int use_common(mgenjit_executor *executor)
{
    mgenjit_module *module = add(executor, COMMON_IR);
    const int origin = mgenjit_module_origin(module);
    void *address;
    CHECK_OK(mgenjit_module_lookup(module, "common", &address, &failure));
    CHECK_INT(42, ((int (*)(int))address)(7));
    CHECK_OK(mgenjit_module_remove(module, &failure));
    mgenjit_module_free(module);
    return origin;
}

static inline mgenjit_source *source_of(const char *ir)
{
    mgenjit_source *source = NULL;
    CHECK_OK(mgenjit_source_new("the source", &source, &failure));
    CHECK_OK(mgenjit_source_add(source, "input", ir, strlen(ir), &failure));
    return source;
}

/* So many functions of some hundred instructions each, which no cache has. A hundred take a compile server some 0.2
 * seconds. */
static inline char *large_ir(int functions)
{
    char *text = NULL, *fresh = fresh_ir();
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    CHECK(out != NULL);
    fputs(fresh, out);
    for (int f = 0; f < functions; f++) {
        fprintf(out, "define i64 @large%d(i64 %%x0, ptr %%p) {\n", f);
        for (int i = 0; i < 100; i++)
            fprintf(out, "  %%a%d = mul i64 %%x%d, %d\n  store volatile i64 %%a%d, ptr %%p\n  %%x%d = xor i64 %%a%d, %%x%d\n",
                    i, i, 2 * i + 3, i, i + 1, i, i);
        fprintf(out, "  ret i64 %%x100\n}\n");
    }
    CHECK_INT(0, fclose(out));
    free(fresh);
    return text;
}

static inline mgenjit_task *begin(mgenjit_executor *executor, const char *ir)
{
    mgenjit_source *source = source_of(ir);
    mgenjit_task *task = NULL;
    CHECK_OK(mgenjit_executor_compile_async(executor, source, NULL, NULL, NULL, &task, &failure));
    mgenjit_source_free(source);
    return task;
}

static inline void compile_in_the_background(mgenjit_executor *executor)
{
    char *ir = fresh_ir();
    mgenjit_task *task = begin(executor, ir);
    mgenjit_module *module = NULL;
    void *address;
    CHECK_OK(mgenjit_task_result(task, &module, &failure));
    CHECK_OK(mgenjit_module_lookup(module, "fresh", &address, &failure));
    CHECK_INT(8, ((int (*)(int))address)(7));
    CHECK_OK(mgenjit_module_remove(module, &failure));
    mgenjit_module_free(module);
    mgenjit_task_free(task);
    free(ir);
}

/* A compile that would take long, begun and given up. */
static inline void cancel_a_compile(mgenjit_executor *executor)
{
    char *ir = large_ir(300);
    mgenjit_task *task = begin(executor, ir);
    const struct timespec pause = { 0, 20000000 };
    /* Whatever it is at by then: nothing tells that it has begun. */
    nanosleep(&pause, NULL);
    CHECK_OK(mgenjit_task_cancel(task, &failure));
    CHECK_STATUS(MGENJIT_STATUS_CANCELLED, mgenjit_task_result(task, NULL, &failure));
    check_reset();
    mgenjit_task_free(task);
    free(ir);
}

/* A later compile joins what is being prefetched. */
static inline void prefetch(mgenjit_executor *executor)
{
    char *ir = fresh_ir();
    mgenjit_source *source = source_of(ir);
    mgenjit_module *module = NULL;
    CHECK_OK(mgenjit_executor_prefetch(executor, source, &failure));
    CHECK_OK(mgenjit_executor_compile_source(executor, source, &module, &failure));
    CHECK_OK(mgenjit_module_remove(module, &failure));
    mgenjit_module_free(module);
    mgenjit_source_free(source);
    free(ir);
}

/* An object takes no server, a shared library takes one to link it. */
static inline void export(mgenjit_executor *executor)
{
    static const int kinds[] = { MGENJIT_EXPORT_OBJECT, MGENJIT_EXPORT_SHARED_LIBRARY };
    mgenjit_module *module = add(executor, COMMON_IR);
    for (int i = 0; i < 2; i++) {
        mgenjit_blob *blob = NULL;
        CHECK_OK(mgenjit_module_export_blob(module, kinds[i], NULL, &blob, &failure));
        CHECK(memcmp(mgenjit_blob_data(blob), "\177ELF", 4) == 0);
        mgenjit_blob_free(blob);
    }
    CHECK_OK(mgenjit_module_remove(module, &failure));
    mgenjit_module_free(module);
}

/* One of each thing that takes a server and ends before the next begins, and a hit. */
static inline void use_in_turn(mgenjit_executor *executor)
{
    compile_fresh(executor);
    use_common(executor);
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_common(executor));
    compile_in_the_background(executor);
    prefetch(executor);
    export(executor);
}

/* The same, beside a compile that was cancelled and may take a while to end. */
static inline void use_everything(mgenjit_executor *executor)
{
    compile_fresh(executor);
    cancel_a_compile(executor);
    use_in_turn(executor);
}

/* How many descriptors of this process are open. */
static inline int open_descriptors(void)
{
    struct dirent *entry;
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    CHECK(folder != NULL);
    while ((entry = readdir(folder)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(folder);
    /* Without that of the folder itself. */
    return count - 1;
}

/* That this process has no child, not even one that is waited for in a special way. */
static inline void check_no_children(void)
{
    CHECK(waitpid(-1, NULL, WNOHANG | __WALL) == -1 && errno == ECHILD);
}

#endif
