// runs: once

/* IR that differs only in what does not matter maps to code that is there: the second level of keys. */
#include "caches.h"

static const char FIRST[] =
    "; ModuleID = 'first.c'\n"
    "source_filename = \"first.c\"\n"
    "@.str = private constant [3 x i8] c\"ab\\00\"\n"
    "define i32 @value(i32 %x) {\n"
    "entry:\n"
    "  %p = getelementptr i8, ptr @.str, i64 1\n"
    "  %c = load i8, ptr %p\n"
    "  %wide = zext i8 %c to i32\n"
    "  %sum = add i32 %wide, %x\n"
    "  ret i32 %sum\n"
    "}\n";
/* Other names, comments, white space; another file. */
static const char SECOND[] =
    "source_filename = \"/elsewhere/second.c\"\n"
    "@text = private constant [3 x i8] c\"ab\\00\"\n"
    "define i32 @value(i32 %argument) { start:\n"
    "  %1 = getelementptr i8, ptr @text, i64 1 ; the second\n"
    "  %2 = load i8, ptr %1\n"
    "  %3 = zext i8 %2 to i32\n"
    "  %4 = add i32 %3, %argument\n"
    "  ret i32 %4 }\n";
/* Another constant. */
static const char THIRD[] =
    "@text = private constant [3 x i8] c\"ac\\00\"\n"
    "define i32 @value(i32 %x) {\n"
    "  %p = getelementptr i8, ptr @text, i64 1\n"
    "  %c = load i8, ptr %p\n"
    "  %wide = zext i8 %c to i32\n"
    "  %sum = add i32 %wide, %x\n"
    "  ret i32 %sum\n"
    "}\n";

/* Adds the IR in an executor of its own, uses the code, and returns where it came from. */
static int use(const char *folder, const char *ir, int expected, check_events *events)
{
    mgenjit_executor *executor = executor_with_cache(folder, events);
    mgenjit_module *module = add(executor, ir);
    const int origin = mgenjit_module_origin(module);
    CHECK_INT(expected, FUNCTION(int (*)(int), executor, "value")(1));
    CHECK_INT(1, (int)mgenjit_module_function_count(module));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    return origin;
}

static void other_names(void)
{
    check_events events;
    mgenjit_cache_statistics found;
    char *folder = new_cache("canonical");
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use(folder, FIRST, 'b' + 1, &events));
    CHECK_INT(0, events.count[MGENJIT_EVENT_HIT]);

    CHECK_INT(MGENJIT_ORIGIN_CACHE, use(folder, SECOND, 'b' + 1, &events));
    CHECK_INT(0, events.count[MGENJIT_EVENT_COMPILED]);
    CHECK_INT(0, events.count[MGENJIT_EVENT_STORED]);
    CHECK_INT(1, events.count[MGENJIT_EVENT_HIT]);
    CHECK_INT(0, events.count[MGENJIT_EVENT_CACHE_WARNING]);

    /* It was recorded: now the first key hits, and no server is asked. */
    CHECK(setenv("MGENJIT_SERVER", "/nowhere", 1) == 0);
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use(folder, SECOND, 'b' + 1, &events));
    CHECK_INT(0, events.count[MGENJIT_EVENT_MISS]);
    CHECK_INT(0, events.count[MGENJIT_EVENT_COMPILE_STARTED]);

    found = statistics_in(folder);
    CHECK_INT(1, (long long)found.entries);
    CHECK_INT(1, (long long)found.stores);
    CHECK_INT(1, (long long)found.misses_new);
    CHECK_INT(0, (long long)found.hits);
    CHECK_INT(2, (long long)found.hits_by_alias);
    /* The canonical key and the second module's. */
    CHECK_INT(2, (long long)found.aliases);
}

static void another_constant(void)
{
    check_events events;
    char *folder = new_cache("constant");
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use(folder, FIRST, 'b' + 1, &events));
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use(folder, THIRD, 'c' + 1, &events));
    CHECK_INT(2, (long long)statistics_in(folder).entries);
}

/* The entry goes, and what leads to it is a miss again. */
static void the_entry_is_removed(void)
{
    check_events events;
    char *folder = new_cache("removed");
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use(folder, FIRST, 'b' + 1, &events));
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use(folder, SECOND, 'b' + 1, &events));
    CHECK_INT(1, list_entries(folder));
    CHECK(unlink(entries[0]) == 0);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use(folder, SECOND, 'b' + 1, &events));
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use(folder, FIRST, 'b' + 1, &events));
}

/* Two processes compile modules that differ in names, at the same time: one compile. */
static void at_the_same_time(void)
{
    char *folder = new_cache("together");
    pid_t children[8];
    for (int i = 0; i < 8; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            check_events events;
            char *ir = NULL;
            CHECK(asprintf(&ir, "define i32 @value(i32 %%name%d) {\n  %%y = add i32 %%name%d, 7\n  ret i32 %%y\n}\n", i, i)
                  > 0);
            use(folder, ir, 8, &events);
            CHECK_INT(0, events.count[MGENJIT_EVENT_CACHE_WARNING]);
            _exit(0);
        }
    }
    for (int i = 0; i < 8; i++)
        CHECK_INT(0, wait_for(children[i], 50));
    CHECK_INT(1, (long long)statistics_in(folder).stores);
    CHECK_INT(7, (long long)statistics_in(folder).hits_by_alias);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(other_names), CASE(another_constant), CASE(the_entry_is_removed), CASE(at_the_same_time),
    };
    return RUN_CASES(cases);
}
