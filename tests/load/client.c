/*
 * A client of the load test, which is run with one of
 *
 * - work SEED COUNT KINDS: compiles or hits COUNT of KINDS modules, which ones and in which order the seed says, and checks what
 *   their functions give. Prints what happened.
 * - trim ENTRIES: trims the cache to so many entries.
 * - clear: removes all entries.
 * - check: trims the cache to nothing less, and checks each entry. Prints how many there are.
 *
 * Ends with status 0 if all was as it should be.
 */
#include "mgenjit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How often a module is tried whose compile takes a worker that is killed. */
enum { MOST_TRIES = 20 };

static unsigned long compiled, hit, crashed, cache_warnings, server_warnings;

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static void expect(mgenjit_status status, const char *what, mgenjit_error *error)
{
    if (status != MGENJIT_STATUS_OK)
        fail("%s: %s: %s", what, mgenjit_status_name(status), mgenjit_error_message(error));
}

static void on_event(const mgenjit_event *event, void *user)
{
    (void)user;
    if (event->kind == MGENJIT_EVENT_CACHE_WARNING || event->kind == MGENJIT_EVENT_SERVER_WARNING)
        fprintf(stderr, "warning: %s\n", event->message);
    cache_warnings += event->kind == MGENJIT_EVENT_CACHE_WARNING;
    server_warnings += event->kind == MGENJIT_EVENT_SERVER_WARNING;
}

static mgenjit_config *new_config(void)
{
    mgenjit_config *config = NULL;
    mgenjit_error *error = NULL;
    expect(mgenjit_config_new(&config, &error), "a configuration", error);
    /* However many wait, it is the shared server that is looked at. */
    mgenjit_config_set_server_limits(config, MGENJIT_SERVER_DEFAULT, MGENJIT_SERVER_DEFAULT, 0, &error);
    expect(mgenjit_config_set_event_hook(config, on_event, NULL, NULL, &error), "the hook", error);
    return config;
}

/* Splitmix64. */
static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* What the function of module `number` gives. */
static uint32_t answer(uint32_t number, uint32_t x)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < x; i++)
        sum = (sum ^ i) * (2 * number + 3) + number;
    return sum;
}

static char *ir_of(uint32_t number)
{
    static char text[1024];
    snprintf(text, sizeof text,
             "define i32 @answer_%" PRIu32 "(i32 %%x) {\n"
             "start:\n"
             "  %%none = icmp eq i32 %%x, 0\n"
             "  br i1 %%none, label %%end, label %%loop\n"
             "loop:\n"
             "  %%i = phi i32 [ 0, %%start ], [ %%more, %%loop ]\n"
             "  %%sum = phi i32 [ 0, %%start ], [ %%next, %%loop ]\n"
             "  %%mixed = xor i32 %%sum, %%i\n"
             "  %%product = mul i32 %%mixed, %" PRIu32 "\n"
             "  %%next = add i32 %%product, %" PRIu32 "\n"
             "  %%more = add i32 %%i, 1\n"
             "  %%done = icmp eq i32 %%more, %%x\n"
             "  br i1 %%done, label %%end, label %%loop\n"
             "end:\n"
             "  %%result = phi i32 [ 0, %%start ], [ %%next, %%loop ]\n"
             "  ret i32 %%result\n"
             "}\n",
             number, 2 * number + 3, number);
    return text;
}

static mgenjit_module *compile(mgenjit_executor *executor, uint32_t number)
{
    const char *ir = ir_of(number);
    for (int tries = 1;; tries++) {
        mgenjit_module *module = NULL;
        mgenjit_error *error = NULL;
        const mgenjit_status status = mgenjit_executor_compile(executor, "load", ir, strlen(ir), &module, &error);
        if (status == MGENJIT_STATUS_OK)
            return module;
        /* A worker that is killed takes the compile along on which it is. */
        if (status != MGENJIT_STATUS_SERVER_CRASHED || tries == MOST_TRIES
            || strstr(mgenjit_error_message(error), "died") == NULL)
            expect(status, "compile", error);
        crashed++;
        fprintf(stderr, "crashed: %s\n", mgenjit_error_message(error));
        mgenjit_error_free(error);
    }
}

static void use(mgenjit_executor *executor, uint32_t number)
{
    mgenjit_module *module = compile(executor, number);
    mgenjit_error *error = NULL;
    void *address = NULL;
    char name[32];
    snprintf(name, sizeof name, "answer_%" PRIu32, number);
    expect(mgenjit_module_lookup(module, name, &address, &error), "lookup", error);
    for (uint32_t x = 0; x < 10; x++) {
        const uint32_t result = ((uint32_t(*)(uint32_t))address)(x);
        if (result != answer(number, x))
            fail("%s(%" PRIu32 ") is %" PRIu32 ", not %" PRIu32, name, x, result, answer(number, x));
    }
    if (mgenjit_module_origin(module) == MGENJIT_ORIGIN_COMPILED)
        compiled++;
    else
        hit++;
    expect(mgenjit_module_remove(module, &error), "remove", error);
    mgenjit_module_free(module);
}

static void work(uint64_t seed, uint32_t count, uint32_t kinds)
{
    mgenjit_config *config = new_config();
    mgenjit_executor *executor = NULL;
    mgenjit_error *error = NULL;
    uint32_t *numbers = calloc(kinds, sizeof *numbers);
    if (numbers == NULL || count > kinds)
        fail("%" PRIu32 " of %" PRIu32 " modules", count, kinds);
    expect(mgenjit_executor_new(config, &executor, &error), "executor", error);
    mgenjit_config_free(config);
    for (uint32_t i = 0; i < kinds; i++)
        numbers[i] = i;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t other = i + (uint32_t)(next(&seed) % (kinds - i)), number = numbers[other];
        numbers[other] = numbers[i];
        numbers[i] = number;
        use(executor, number);
    }
    mgenjit_executor_free(executor);
    free(numbers);
    printf("compiled %lu hit %lu crashed %lu cache_warnings %lu server_warnings %lu\n", compiled, hit, crashed,
           cache_warnings, server_warnings);
}

static mgenjit_cache *open_cache(uint64_t most_entries)
{
    mgenjit_config *config = new_config();
    mgenjit_cache *cache = NULL;
    mgenjit_error *error = NULL;
    expect(mgenjit_config_set_cache_limits(config, 0, most_entries, 0, &error), "limits", error);
    expect(mgenjit_cache_open(config, &cache, &error), "cache", error);
    mgenjit_config_free(config);
    return cache;
}

static void trim(uint64_t most_entries)
{
    mgenjit_cache *cache = open_cache(most_entries);
    mgenjit_error *error = NULL;
    expect(mgenjit_cache_trim(cache, NULL, NULL, &error), "trim", error);
    mgenjit_cache_free(cache);
}

static void clear(void)
{
    mgenjit_cache *cache = open_cache(0);
    mgenjit_error *error = NULL;
    expect(mgenjit_cache_clear(cache, 1, NULL, NULL, &error), "clear", error);
    mgenjit_cache_free(cache);
}

static void check(void)
{
    mgenjit_cache *cache = open_cache(0);
    mgenjit_cache_iterator *iterator = NULL;
    mgenjit_error *error = NULL;
    unsigned long count = 0;
    expect(mgenjit_cache_trim(cache, NULL, NULL, &error), "trim", error);
    expect(mgenjit_cache_iterate(cache, NULL, &iterator, &error), "iterate", error);
    for (;;) {
        mgenjit_cache_info info;
        info.size = sizeof info;
        expect(mgenjit_cache_iterator_next(iterator, &info, &error), "next", error);
        if (info.key == NULL)
            break;
        expect(mgenjit_cache_verify(cache, info.key, 0, &error), info.key, error);
        count++;
    }
    mgenjit_cache_iterator_free(iterator);
    mgenjit_cache_free(cache);
    printf("entries %lu\n", count);
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    if (strcmp(mode, "work") == 0 && argc == 5)
        work(strtoull(argv[2], NULL, 10), (uint32_t)strtoul(argv[3], NULL, 10), (uint32_t)strtoul(argv[4], NULL, 10));
    else if (strcmp(mode, "trim") == 0 && argc == 3)
        trim(strtoull(argv[2], NULL, 10));
    else if (strcmp(mode, "clear") == 0)
        clear();
    else if (strcmp(mode, "check") == 0)
        check();
    else
        fail("usage: client work SEED COUNT KINDS | trim ENTRIES | clear | check");
    return 0;
}
