// libs: -lpthread
// warm: no server

/* A host that has the library linked into it. tests/archive.rs links it in several ways; its own functions have names
 * of the libraries that the library has in it. */
#include "check.h"

#include <pthread.h>

/* Never called by the library, which has its own. */
#define OF_THE_HOST(name) \
    int name(void); \
    int name(void) { return ++of_the_host; }
static int of_the_host;
OF_THE_HOST(sqlite3_open_v2)
OF_THE_HOST(sqlite3_prepare_v2)
OF_THE_HOST(sqlite3_step)
OF_THE_HOST(ZSTD_compress)
OF_THE_HOST(ZSTD_decompress)
OF_THE_HOST(blake3_hasher_update)
#ifndef WITH_RUST
OF_THE_HOST(rust_eh_personality)
#endif

static const char counter_ir[] =
    "@count = thread_local global i32 5\n"
    "define i32 @next() {\n"
    "  %old = load i32, ptr @count\n"
    "  %new = add i32 %old, 1\n"
    "  store i32 %new, ptr @count\n"
    "  ret i32 %new\n"
    "}\n";

static void *count(void *next)
{
    int (*function)(void);
    memcpy(&function, &next, sizeof next);
    for (int i = 6; i < 100; i++)
        CHECK_INT(i, function());
    return NULL;
}

static void thread_locals(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    pthread_t thread;
    mgenjit_module_free(add(executor, counter_ir));
    void *next = find(executor, "next");
    count(next);
    CHECK_INT(0, pthread_create(&thread, NULL, count, next));
    CHECK_INT(0, pthread_join(thread, NULL));
    mgenjit_executor_free(executor);
}

static int add_one(int value)
{
    return value + 1;
}

static void symbols(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module_free(add(executor,
                            "declare i32 @add_one(i32)\n"
                            "define i32 @twice(i32 %x) {\n"
                            "  %y = call i32 @add_one(i32 %x)\n"
                            "  %z = call i32 @add_one(i32 %y)\n"
                            "  ret i32 %z\n"
                            "}\n"));
    void *address = NULL;
    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, mgenjit_executor_lookup(executor, "twice", &address, &failure));
    CHECK_MESSAGE("add_one");
    if (getenv("CHECK_STATIC") != NULL)
        CHECK_MESSAGE("this program is statically linked");
    else
        CHECK(strstr(mgenjit_error_message(failure), "static") == NULL);
    int (*function)(int) = add_one;
    memcpy(&address, &function, sizeof address);
    CHECK_OK(mgenjit_executor_define(executor, "add_one", address, &failure));
    CHECK_INT(7, FUNCTION(int (*)(int), executor, "twice")(5));
    mgenjit_executor_free(executor);
}

/* What compilers count on, and what the process has if it can be asked for it. */
static void what_compilers_count_on(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    char bytes[1000];
    memset(bytes, 1, sizeof bytes);
    mgenjit_module_free(add(executor,
                            "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)\n"
                            "define void @clear(ptr %p, i64 %n) {\n"
                            "  call void @llvm.memset.p0.i64(ptr %p, i8 0, i64 %n, i1 false)\n"
                            "  ret void\n"
                            "}\n"));
    FUNCTION(void (*)(char *, size_t), executor, "clear")(bytes, sizeof bytes);
    CHECK_INT(0, bytes[0] + bytes[999]);
    mgenjit_module_free(add(executor,
                            "declare i32 @puts(ptr)\n"
                            "define i32 @print(ptr %text) {\n"
                            "  %r = call i32 @puts(ptr %text)\n"
                            "  ret i32 %r\n"
                            "}\n"));
    void *address = NULL;
    mgenjit_status expected = getenv("CHECK_STATIC") != NULL ? MGENJIT_STATUS_UNRESOLVED : MGENJIT_STATUS_OK;
    CHECK_STATUS(expected, mgenjit_executor_lookup(executor, "print", &address, &failure));
    mgenjit_executor_free(executor);
}

/* The cache's index is a database, and what it keeps is packed. */
static void the_cache(void)
{
    mgenjit_cache *cache = NULL;
    mgenjit_cache_statistics statistics;
    CHECK_OK(mgenjit_cache_open(NULL, &cache, &failure));
    statistics.size = sizeof statistics;
    CHECK_OK(mgenjit_cache_stats(cache, &statistics, &failure));
    CHECK(statistics.entries > 0);
    mgenjit_cache_free(cache);
    CHECK_INT(0, of_the_host);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(thread_locals),
        CASE(symbols),
        CASE(what_compilers_count_on),
        CASE(the_cache),
    };
    check_reset();
    return RUN_CASES(cases);
}
