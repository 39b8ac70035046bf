// runs: once
// servers: private shared

/* What the event hook is told while a compile goes on. */
#include "large.h"

#include <pthread.h>

/* A second of work or so. */
#define FUNCTIONS 300

static int told, started, compiled, is_over;
static char key[65];
static pthread_t compiling;

static void on_event(const mgenjit_event *event, void *user)
{
    const struct timespec *pause = user;
    if (is_over)
        return;
    started += event->kind == MGENJIT_EVENT_COMPILE_STARTED;
    compiled += event->kind == MGENJIT_EVENT_COMPILED;
    if (event->kind != MGENJIT_EVENT_PROGRESS) {
        CHECK(event->done == 0 && event->total == 0);
        snprintf(key, sizeof key, "%s", event->key);
        return;
    }
    told++;
    CHECK_INT(1, started);
    CHECK_INT(0, compiled);
    CHECK_STRING(key, event->key);
    CHECK_STRING("large", event->name);
    CHECK(pthread_equal(compiling, pthread_self()));
    CHECK_INT(0, event->bytes);
    if (strcmp(event->message, "codegen") == 0)
        CHECK(event->total == FUNCTIONS && event->done <= FUNCTIONS);
    else if (strcmp(event->message, "queue") != 0)
        CHECK((strcmp(event->message, "parse") == 0 || strcmp(event->message, "optimise") == 0
               || strcmp(event->message, "link") == 0)
              && event->done == 0 && event->total == 0);
    if (pause != NULL)
        nanosleep(pause, NULL);
}

static void check_told(int cache_mode, struct timespec *pause)
{
    mgenjit_config *config = default_config();
    mgenjit_executor *executor;
    char *large = large_module(FUNCTIONS);
    told = started = compiled = is_over = 0;
    compiling = pthread_self();
    CHECK_OK(mgenjit_config_set_cache_mode(config, cache_mode, &failure));
    CHECK_OK(mgenjit_config_set_partition(config, MGENJIT_PARTITION_OFF, &failure));
    CHECK_OK(mgenjit_config_set_event_hook(config, on_event, pause, NULL, &failure));
    executor = new_executor(config);
    mgenjit_config_free(config);
    CHECK_OK(mgenjit_executor_compile(executor, "large", large, strlen(large), NULL, &failure));
    CHECK_INT(1, compiled);
    CHECK(told > 0);
    CHECK(FUNCTION(int64_t (*)(int64_t, int64_t *), executor, "f0")(0, &(int64_t){ 1 }) == 0);
    /* The server is ready for the next compile, of which a busy machine may tell progress, too. */
    is_over = 1;
    check_usable(executor);
    mgenjit_executor_free(executor);
    free(large);
}

static void a_long_compile(void)
{
    check_told(MGENJIT_CACHE_OFF, NULL);
}

/* Before and after it is known by its canonical form. */
static void a_long_compile_for_the_cache(void)
{
    check_told(MGENJIT_CACHE_READ_WRITE, NULL);
}

/* A hook that sleeps misses what is told meanwhile, and that is all. */
static void a_slow_hook(void)
{
    struct timespec pause = { 0, 400000000 };
    check_told(MGENJIT_CACHE_OFF, &pause);
}

int main(void)
{
    static const check_case cases[] = { CASE(a_long_compile), CASE(a_long_compile_for_the_cache), CASE(a_slow_hook) };
    return RUN_CASES(cases);
}
