/*
 * What a remote store costs and saves: remote URL PORT FOLDER SQLITE ROUNDS. remote.py starts the Redis at that port, which URL
 * leads to, perhaps by way of something slow, and prints what this prints as JSON.
 *
 * All is done in turns, so that what else the machine does hits all alike.
 */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/measure.h"
#include "mgenjit.h"

enum { MOST = 1000 };

static const char *folder, *url;

/* Nobody listens there. */
static const char DEAD[] = "redis://127.0.0.1:1";

static void fail(const char *what, mgenjit_error *error)
{
    fprintf(stderr, "remote: %s: %s\n", what, error == NULL ? "" : mgenjit_error_message(error));
    exit(1);
}

static void pause_for(long milliseconds)
{
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* What a remote was last said to do wrong. */
static char warning[512];

static void heard(const mgenjit_event *event, void *user)
{
    (void)user;
    if (event->kind == MGENJIT_EVENT_REMOTE_WARNING)
        snprintf(warning, sizeof warning, "%s", event->message);
}

/* The default. */
enum { HEDGE = 10 };

/* An executor with a cache of its own. `remote`: attributes of the remote, or NULL for none. */
static mgenjit_executor *executor_in(const char *cache, const char *remote, uint64_t hedge)
{
    char path[4096], text[4096] = "";
    mgenjit_error *error = NULL;
    mgenjit_config *config = NULL;
    mgenjit_executor *executor = NULL;
    snprintf(path, sizeof path, "%s/%s", folder, cache);
    if (remote != NULL)
        snprintf(text, sizeof text, "%s|unsigned|%s", strcmp(remote, "dead") == 0 ? DEAD : url,
                 strcmp(remote, "dead") == 0 ? "read" : remote);
    if (mgenjit_config_new(&config, &error) != MGENJIT_STATUS_OK
        || mgenjit_config_set_cache_dir(config, path, &error) != MGENJIT_STATUS_OK
        || mgenjit_config_set_partition(config, MGENJIT_PARTITION_OFF, &error) != MGENJIT_STATUS_OK
        || mgenjit_config_set_event_hook(config, heard, NULL, NULL, &error) != MGENJIT_STATUS_OK
        || mgenjit_config_set_remote(config, text, MGENJIT_REMOTE_READ, &error) != MGENJIT_STATUS_OK
        || mgenjit_config_set_remote_timeouts(config, 5000, 20000, hedge, &error) != MGENJIT_STATUS_OK
        || mgenjit_executor_new(config, &executor, &error) != MGENJIT_STATUS_OK)
        fail("an executor", error);
    mgenjit_config_free(config);
    return executor;
}

static char *small(int number)
{
    static char text[1024];
    snprintf(text, sizeof text,
             "define i32 @f(i32 %%n) {\nentry:\n  br label %%loop\nloop:\n  %%i = phi i32 [0, %%entry], [%%j, %%loop]\n"
             "  %%s = phi i32 [%d, %%entry], [%%t, %%loop]\n  %%m = mul i32 %%s, %d\n  %%t = xor i32 %%m, %%i\n"
             "  %%j = add i32 %%i, 1\n  %%c = icmp ult i32 %%j, %%n\n  br i1 %%c, label %%loop, label %%out\nout:\n"
             "  ret i32 %%t\n}\n",
             number, number + 3);
    return text;
}

/* The milliseconds until a module's code is there. */
static double compile(mgenjit_executor *executor, const char *ir, size_t length, int origin)
{
    mgenjit_error *error = NULL;
    mgenjit_module *module = NULL;
    double start = clock_milliseconds();
    if (mgenjit_executor_compile(executor, "module", ir, length, &module, &error) != MGENJIT_STATUS_OK)
        fail("a compile", error);
    double took = clock_milliseconds() - start;
    if (origin != 0 && mgenjit_module_origin(module) != origin) {
        fprintf(stderr, "remote: %s is not where the code should come from: %s\n", origin == MGENJIT_ORIGIN_CACHE ? "a cache" : "a compile", warning);
        exit(1);
    }
    mgenjit_module_free(module);
    return took;
}

static mgenjit_cache_statistics statistics_of(const char *cache)
{
    char path[4096];
    mgenjit_error *error = NULL;
    mgenjit_config *config = NULL;
    mgenjit_cache *opened = NULL;
    mgenjit_cache_statistics statistics = {.size = sizeof statistics};
    snprintf(path, sizeof path, "%s/%s", folder, cache);
    if (mgenjit_config_new(&config, &error) != MGENJIT_STATUS_OK
        || mgenjit_config_set_cache_dir(config, path, &error) != MGENJIT_STATUS_OK
        || mgenjit_cache_open(config, &opened, &error) != MGENJIT_STATUS_OK
        || mgenjit_cache_stats(opened, &statistics, &error) != MGENJIT_STATUS_OK)
        fail("statistics", error);
    mgenjit_cache_free(opened);
    mgenjit_config_free(config);
    return statistics;
}

static void wait_for_puts(const char *cache, uint64_t count)
{
    while (statistics_of(cache).remote_puts < count)
        pause_for(20);
}

/* Redis' own protocol: an answer's bytes, and how many they are. */
static int redis(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(connection, (struct sockaddr *)&address, sizeof address) != 0)
        fail("redis", NULL);
    return connection;
}

static size_t ask(int connection, const char *request, char *answer, size_t room)
{
    size_t length = 0, wanted = 0;
    if (write(connection, request, strlen(request)) < 0)
        fail("redis", NULL);
    for (;;) {
        ssize_t got = read(connection, answer + length, room - length);
        if (got <= 0)
            fail("redis", NULL);
        length += (size_t)got;
        char *end = memchr(answer, '\n', length);
        if (end == NULL)
            continue;
        if (wanted == 0)
            wanted = answer[0] == '$' ? (size_t)(end + 1 - answer) + (size_t)atoll(answer + 1) + 2 : 1;
        if (length >= wanted)
            return length;
    }
}

/* Small modules: hits here and there, and cold compiles with an empty remote and without one. */
static void small_modules(int rounds)
{
    static double local[MOST], fetched[MOST], first[MOST], cold[MOST], empty[MOST], written[MOST], dead[MOST];
    mgenjit_executor *writer = executor_in("writer", "read-write", 20000);
    for (int i = 0; i < 2 * rounds; i++)
        compile(writer, small(i), strlen(small(i)), MGENJIT_ORIGIN_COMPILED);
    wait_for_puts("writer", 4 * (uint64_t)rounds);
    mgenjit_executor_free(writer);

    mgenjit_executor *near = executor_in("writer", NULL, HEDGE), *far = executor_in("far", "read", 20000);
    mgenjit_executor *plain = executor_in("plain", NULL, HEDGE);
    mgenjit_executor *asking = executor_in("asking", "read|namespace=empty", HEDGE);
    mgenjit_executor *putting = executor_in("putting", "read-write|namespace=filling", HEDGE);
    mgenjit_executor *failing = executor_in("failing", "dead", HEDGE);
    const int base = 100000;
    mgenjit_executor *all[] = {plain, asking, putting, failing};
    enum { ALL = sizeof all / sizeof all[0] };
    /* Each has its server, warm, and its connection. */
    for (int i = 0; i < ALL; i++)
        compile(all[i], small(base - 1), strlen(small(base - 1)), MGENJIT_ORIGIN_COMPILED);
    for (int i = 0; i < rounds; i++) {
        local[i] = compile(near, small(i), strlen(small(i)), MGENJIT_ORIGIN_CACHE);
        fetched[i] = compile(far, small(i), strlen(small(i)), MGENJIT_ORIGIN_CACHE);
        mgenjit_executor *new = executor_in("first", "read", 20000);
        first[i] = compile(new, small(rounds + i), strlen(small(rounds + i)), MGENJIT_ORIGIN_CACHE);
        mgenjit_executor_free(new);
        double *times[] = {cold, empty, written, dead};
        /* In any order: what one leaves to do, an uploader for example, slows the next. */
        int order[ALL];
        for (int j = 0; j < ALL; j++)
            order[j] = j;
        for (int j = ALL; j > 1; j--) {
            int other = rand() % j, last = order[j - 1];
            order[j - 1] = order[other];
            order[other] = last;
        }
        for (int j = 0; j < ALL; j++) {
            int which = order[j];
            char *ir = small(base + i);
            times[which][i] = compile(all[which], ir, strlen(ir), MGENJIT_ORIGIN_COMPILED);
        }
    }
    printf("{\"local\": %.3f, \"fetched\": %.3f, \"first\": %.3f, ", median(local, (size_t)rounds), median(fetched, (size_t)rounds),
           median(first, (size_t)rounds));
    printf("\"cold\": %.3f, \"empty\": %.3f, \"written\": %.3f, \"dead\": %.3f}\n", median(cold, (size_t)rounds), median(empty, (size_t)rounds),
           median(written, (size_t)rounds), median(dead, (size_t)rounds));
    mgenjit_executor_free(near);
    mgenjit_executor_free(far);
    for (int i = 0; i < ALL; i++)
        mgenjit_executor_free(all[i]);
}

static void remove_cache(const char *cache)
{
    char command[4200];
    snprintf(command, sizeof command, "rm -rf '%s/%s'", folder, cache);
    if (system(command) != 0)
        fail("rm", NULL);
}

/* SQLite's entry, and the same bytes by Redis' own protocol. */
static void large_module(int port, const char *path, int rounds)
{
    static double ours[MOST], theirs[MOST], local[MOST];
    uint64_t entry = 0;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail(path, NULL);
    char *ir = malloc(64 << 20);
    size_t length = fread(ir, 1, 64 << 20, file);
    fclose(file);
    mgenjit_executor *writer = executor_in("large", "read-write|namespace=large", 20000);
    compile(writer, ir, length, MGENJIT_ORIGIN_COMPILED);
    mgenjit_executor_free(writer);
    /* The entry and its alias. */
    wait_for_puts("large", 2);
    int connection = redis(port);
    char *answer = malloc(64 << 20), name[1024] = "", request[2048];
    size_t keys = ask(connection, "KEYS *large*\r\n", answer, 64 << 20), value = 0;
    answer[keys] = '\0';
    pause_for(100);
    /* There are an entry and perhaps an alias: the larger one. */
    for (char *line = strchr(answer, '/'); line != NULL; line = strchr(line, '/')) {
        while (line > answer && line[-1] != '\n')
            line--;
        size_t end = strcspn(line, "\r\n");
        static char got[64 << 20];
        snprintf(request, sizeof request, "GET %.*s\r\n", (int)end, line);
        size_t size = ask(connection, request, got, sizeof got);
        if (size > value) {
            value = size;
            snprintf(name, sizeof name, "%.*s", (int)end, line);
        }
        line += end;
    }
    snprintf(request, sizeof request, "GET %s\r\n", name);
    for (int i = 0; i < rounds; i++) {
        char cache[64];
        double start = clock_milliseconds();
        ask(connection, request, answer, 64 << 20);
        theirs[i] = clock_milliseconds() - start;
        snprintf(cache, sizeof cache, "large-%d", i);
        mgenjit_executor *reader = executor_in(cache, "read|namespace=large", 20000);
        /* Its helper runs, and it has a connection. */
        compile(reader, "define i32 @x() { ret i32 1 }\n", 30, 0);
        ours[i] = compile(reader, ir, length, MGENJIT_ORIGIN_CACHE);
        mgenjit_executor_free(reader);
        reader = executor_in(cache, NULL, HEDGE);
        local[i] = compile(reader, ir, length, MGENJIT_ORIGIN_CACHE);
        mgenjit_executor_free(reader);
        entry = statistics_of(cache).remote_bytes;
        /* So that the next file gets the memory of this one: to get new memory can take a virtual machine ten milliseconds. */
        remove_cache(cache);
    }
    printf("{\"value\": %zu, \"entry\": %llu, \"ours\": %.3f, \"local\": %.3f, \"theirs\": %.3f}\n", value,
           (unsigned long long)entry, median(ours, (size_t)rounds), median(local, (size_t)rounds),
           median(theirs, (size_t)rounds));
}

/* What a module takes whose entry is there, and how often it was compiled, by the time after which a compile begins. */
static void hedges(int rounds)
{
    static const uint64_t delays[] = {0, 2, 5, 10, 20, 50, 200};
    static double times[MOST];
    mgenjit_executor *writer = executor_in("hedge-writer", "read-write|namespace=hedge", 20000);
    const int base = 200000;
    int count = (int)(sizeof delays / sizeof delays[0]);
    for (int i = 0; i < rounds; i++)
        compile(writer, small(base + i), strlen(small(base + i)), MGENJIT_ORIGIN_COMPILED);
    wait_for_puts("hedge-writer", 2 * (uint64_t)rounds);
    mgenjit_executor_free(writer);
    for (int j = 0; j < count; j++) {
        char cache[64];
        snprintf(cache, sizeof cache, "hedge-%d", j);
        mgenjit_executor *reader = executor_in(cache, "read|namespace=hedge", delays[j]);
        compile(reader, "define i32 @x() { ret i32 1 }\n", 30, 0);
        for (int i = 0; i < rounds; i++) {
            /* A store that is slower than compiles is left alone: not here. */
            char command[4200];
            snprintf(command, sizeof command, "rm -f %s/mgenjit/*.down", getenv("XDG_RUNTIME_DIR"));
            if (system(command) != 0)
                fail("rm", NULL);
            times[i] = compile(reader, small(base + i), strlen(small(base + i)), 0);
        }
        mgenjit_executor_free(reader);
        mgenjit_cache_statistics statistics = statistics_of(cache);
        printf("{\"hedge\": %llu, \"time\": %.3f, \"fetched\": %llu}\n", (unsigned long long)delays[j], median(times, (size_t)rounds),
               (unsigned long long)statistics.remote_hits);
    }
}

int main(int argc, char **argv)
{
    if (argc != 7)
        return 2;
    int port = atoi(argv[3]), rounds = atoi(argv[6]);
    url = argv[2];
    folder = argv[4];
    if (rounds < 1 || rounds > MOST)
        return 2;
    if (strcmp(argv[1], "small") == 0)
        small_modules(rounds);
    else if (strcmp(argv[1], "large") == 0)
        large_module(port, argv[5], rounds);
    else
        hedges(rounds);
    return 0;
}
