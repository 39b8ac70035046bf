/* What the event hook is told. */
#include "check.h"

#include <pthread.h>
#include <stddef.h>

typedef struct seen {
    int kind;
    char key[65];
    char name[64];
    uint64_t bytes;
    mgenjit_times times;
    pthread_t thread;
} seen;

static seen all[32];
static int count;
static int freed;

static void record(const mgenjit_event *event, void *user)
{
    seen *each;
    CHECK(user == &count);
    /* A machine that is busy makes any compile a long one, and its kernel may lack what isolates servers. */
    if (event->kind == MGENJIT_EVENT_PROGRESS || event->kind == MGENJIT_EVENT_NOT_ISOLATED)
        return;
    each = &all[count++];
    CHECK(event->size >= offsetof(mgenjit_event, times) + sizeof event->times);
    CHECK(event->times->size >= sizeof(mgenjit_times));
    CHECK(event->message != NULL);
    each->kind = event->kind;
    snprintf(each->key, sizeof each->key, "%s", event->key);
    snprintf(each->name, sizeof each->name, "%s", event->name);
    each->bytes = event->bytes;
    each->times = *event->times;
    each->thread = pthread_self();
}

static void count_free(void *user)
{
    CHECK(user == &count);
    freed++;
}

static mgenjit_config *recording_config(void)
{
    mgenjit_config *config = default_config();
    CHECK_OK(mgenjit_config_set_event_hook(config, record, &count, count_free, &failure));
    return config;
}

static mgenjit_executor *recording_executor(void)
{
    mgenjit_config *config = recording_config();
    mgenjit_executor *executor = new_executor(config);
    mgenjit_config_free(config);
    CHECK_INT(0, freed);
    return executor;
}

static void check_kinds(const int *kinds, int length)
{
    for (int i = 0; i < length && i < count; i++)
        CHECK_INT(kinds[i], all[i].kind);
    CHECK_INT(length, count);
}

static const int MISS[] = {
    MGENJIT_EVENT_MISS, MGENJIT_EVENT_COMPILE_STARTED, MGENJIT_EVENT_COMPILED, MGENJIT_EVENT_STORED,
    MGENJIT_EVENT_LOADED,
};
static const int HIT[] = { MGENJIT_EVENT_HIT, MGENJIT_EVENT_LOADED };

static const char IR[] = "define i32 @evented(i32 %x) {\n  %y = mul i32 %x, 3\n  ret i32 %y\n}\n";

/* A miss, then a hit: in a second run only hits. */
static void miss_and_hit(void)
{
    mgenjit_executor *executor = recording_executor();
    mgenjit_module *module = NULL;
    CHECK_INT(0, count);
    CHECK_OK(mgenjit_executor_compile(executor, "first name", IR, strlen(IR), &module, &failure));
    if (is_warm())
        check_kinds(HIT, 2);
    else
        check_kinds(MISS, 5);
    for (int i = 0; i < count; i++) {
        CHECK_STRING(mgenjit_module_key(module), all[i].key);
        CHECK_STRING("first name", all[i].name);
        CHECK(pthread_equal(all[i].thread, pthread_self()));
        if (all[i].kind == MGENJIT_EVENT_COMPILE_STARTED)
            CHECK_INT(strlen(IR), all[i].bytes);
        else if (all[i].kind != MGENJIT_EVENT_MISS)
            CHECK(all[i].bytes > 100);
        if (all[i].kind == MGENJIT_EVENT_COMPILED)
            CHECK(all[i].times.compile_us > 0 && all[i].times.start_us > 0);
    }
    count = 0;
    CHECK_OK(mgenjit_executor_compile(executor, "second name", IR, strlen(IR), NULL, &failure));
    check_kinds(HIT, 2);
    CHECK_STRING(mgenjit_module_key(module), all[0].key);
    CHECK_STRING("second name", all[0].name);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    CHECK_INT(1, freed);
}

/* The key of a run is the next run's. */
static void keys_are_stable(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add(executor, IR);
    char saved[80] = "";
    FILE *file = fopen(in_folder("saved-key"), is_warm() ? "r" : "w");
    CHECK(file != NULL);
    if (is_warm()) {
        CHECK(fgets(saved, sizeof saved, file) != NULL);
        CHECK_STRING(saved, mgenjit_module_key(module));
    } else {
        fputs(mgenjit_module_key(module), file);
    }
    fclose(file);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

static void check_mode(int mode, const char *ir, const int *kinds, int length)
{
    mgenjit_config *config = recording_config();
    mgenjit_executor *executor;
    CHECK_OK(mgenjit_config_set_cache_mode(config, mode, &failure));
    executor = new_executor(config);
    mgenjit_config_free(config);
    count = 0;
    mgenjit_module_free(add(executor, ir));
    check_kinds(kinds, length);
    CHECK_INT(21, FUNCTION(int (*)(int), executor, "evented")(7));
    mgenjit_executor_free(executor);
}

static void read_only_stores_nothing(void)
{
    static const int kinds[] = {
        MGENJIT_EVENT_MISS, MGENJIT_EVENT_COMPILE_STARTED, MGENJIT_EVENT_COMPILED, MGENJIT_EVENT_LOADED,
    };
    static const char NEW[] = "define i32 @evented(i32 %x) {\n  %y = mul i32 3, %x\n  ret i32 %y\n}\n; read only\n";
    check_mode(MGENJIT_CACHE_READ_ONLY, NEW, kinds, 4);
    check_mode(MGENJIT_CACHE_READ_ONLY, NEW, kinds, 4);
    check_mode(MGENJIT_CACHE_READ_ONLY, IR, HIT, 2);
}

static void off_looks_nowhere(void)
{
    mgenjit_config *config = recording_config();
    mgenjit_executor *executor;
    CHECK_OK(mgenjit_config_set_cache_mode(config, MGENJIT_CACHE_OFF, &failure));
    executor = new_executor(config);
    mgenjit_config_free(config);
    mgenjit_module_free(add(executor, IR));
    for (int i = 0; i < count; i++)
        CHECK(all[i].kind != MGENJIT_EVENT_HIT && all[i].kind != MGENJIT_EVENT_STORED
              && all[i].kind != MGENJIT_EVENT_CACHE_WARNING);
    CHECK(count >= 3);
    CHECK_INT(MGENJIT_EVENT_LOADED, all[count - 1].kind);
    mgenjit_executor_free(executor);
}

static void freed_with_the_configuration(void)
{
    mgenjit_config *config = recording_config();
    mgenjit_config_free(config);
    CHECK_INT(1, freed);
}

static void freed_when_replaced(void)
{
    mgenjit_config *config = recording_config();
    CHECK_OK(mgenjit_config_set_event_hook(config, record, &count, count_free, &failure));
    CHECK_INT(1, freed);
    CHECK_OK(mgenjit_config_set_event_hook(config, NULL, NULL, NULL, &failure));
    CHECK_INT(2, freed);
    mgenjit_config_free(config);
    CHECK_INT(2, freed);
}

/* With the last of all that was made from the configuration, whatever that is. */
static void freed_with_the_last_handle(void)
{
    mgenjit_config *config = recording_config();
    mgenjit_executor *one = new_executor(config), *two = new_executor(config);
    mgenjit_module *module = add(two, IR);
    mgenjit_config_free(config);
    CHECK_INT(0, freed);
    mgenjit_executor_free(one);
    CHECK_INT(0, freed);
    mgenjit_executor_free(two);
    CHECK_INT(0, freed);
    mgenjit_module_free(module);
    CHECK_INT(1, freed);
}

static void a_failed_compile(void)
{
    mgenjit_executor *executor = recording_executor();
    CHECK_STATUS(MGENJIT_STATUS_PARSE, mgenjit_executor_compile(executor, "bad", "nonsense", 8, NULL, &failure));
    CHECK(count >= 1);
    for (int i = 0; i < count; i++)
        CHECK(all[i].kind != MGENJIT_EVENT_STORED && all[i].kind != MGENJIT_EVENT_LOADED
              && all[i].kind != MGENJIT_EVENT_COMPILED);
    mgenjit_executor_free(executor);
}

static mgenjit_executor *inner;
static int inner_result;

static void use_the_library(const mgenjit_event *event, void *user)
{
    (void)user;
    if (event->kind == MGENJIT_EVENT_LOADED && inner_result == 0)
        inner_result = FUNCTION(int (*)(int), inner, "evented")(14);
}

/* A hook may call the library. */
static void a_hook_that_uses_the_library(void)
{
    mgenjit_config *config = default_config();
    mgenjit_executor *executor;
    inner = new_executor(NULL);
    mgenjit_module_free(add(inner, IR));
    CHECK_OK(mgenjit_config_set_event_hook(config, use_the_library, NULL, NULL, &failure));
    executor = new_executor(config);
    mgenjit_config_free(config);
    mgenjit_module_free(add(executor, IR));
    CHECK_INT(42, inner_result);
    mgenjit_executor_free(executor);
    mgenjit_executor_free(inner);
}

static mgenjit_executor *same;

static void use_the_same_executor(const mgenjit_event *event, void *user)
{
    (void)user;
    if (event->kind == MGENJIT_EVENT_LOADED && same != NULL) {
        mgenjit_executor *executor = same;
        same = NULL;
        mgenjit_module_free(add(executor, "define i32 @from_hook() {\n  ret i32 6\n}\n"));
        inner_result = FUNCTION(int (*)(void), executor, "from_hook")();
    }
}

static void a_hook_that_uses_its_executor(void)
{
    mgenjit_config *config = default_config();
    mgenjit_executor *executor;
    CHECK_OK(mgenjit_config_set_event_hook(config, use_the_same_executor, NULL, NULL, &failure));
    executor = new_executor(config);
    mgenjit_config_free(config);
    same = executor;
    mgenjit_module_free(add(executor, IR));
    CHECK_INT(6, inner_result);
    CHECK_INT(21, FUNCTION(int (*)(int), executor, "evented")(7));
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(miss_and_hit), CASE(keys_are_stable), CASE(read_only_stores_nothing), CASE(off_looks_nowhere),
        CASE(freed_with_the_configuration), CASE(freed_when_replaced), CASE(freed_with_the_last_handle),
        CASE(a_failed_compile), CASE(a_hook_that_uses_the_library), CASE(a_hook_that_uses_its_executor),
    };
    return RUN_CASES(cases);
}
