// runs: once

/* A remote store, by way of a storage helper that may misbehave: what others compiled is fetched, what is compiled is
 * put, and whatever the store does, the code is right. */
#include "remotes.h"

static const char SECRET[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
static const char OTHER[] = "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";

enum { BOTH = MGENJIT_REMOTE_READ | MGENJIT_REMOTE_WRITE, UNSIGNED = BOTH | MGENJIT_REMOTE_UNSIGNED };

/* How long a store may take: so long that a busy machine does not compile what a store has. */
enum { PATIENT_MS = 20000, IMPATIENT_MS = 500 };
static uint64_t patience_ms = PATIENT_MS;

static check_events events;

/* A configuration for a machine: a cache and a store. */
static mgenjit_config *machine(const char *folder, const char *url, int mode)
{
    mgenjit_config *config = config_for(folder, &events);
    CHECK_OK(mgenjit_config_set_remote(config, url, mode, &failure));
    CHECK_OK(mgenjit_config_set_remote_timeouts(config, patience_ms, patience_ms, patience_ms, &failure));
    return config;
}

static int use_on(const char *folder, const char *url, int mode)
{
    mgenjit_config *config = machine(folder, url, mode);
    int origin = use_with(config);
    mgenjit_config_free(config);
    return origin;
}

/* A store with ENTRY_IR: its entry and its alias. */
static struct remote *filled_remote(const char *name)
{
    struct remote *remote = start_remote(name);
    char *first = NULL;
    CHECK(asprintf(&first, "%s-first", name) > 0);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_on(new_cache(first), remote->url, UNSIGNED));
    CHECK_UNTIL(remote->puts == 2);
    free(first);
    return remote;
}

/* Each machine fetches once, and its own hits ask nobody. */
static void one_compiles_for_all(void)
{
    struct remote *remote = filled_remote("all");
    char *first = in_folder("all-first");
    CHECK_UNTIL(statistics_in(first).remote_puts == 2);
    CHECK(statistics_in(first).remote_misses >= 1 && statistics_in(first).remote_put_errors == 0);
    lose_the_server();
    for (int number = 0; number < 3; number++) {
        char name[32];
        snprintf(name, sizeof name, "all-%d", number);
        char *folder = new_cache(name);
        CHECK_INT(MGENJIT_ORIGIN_CACHE, use_on(folder, remote->url, UNSIGNED));
        CHECK_INT(1, events.count[MGENJIT_EVENT_REMOTE_HIT]);
        CHECK_INT(0, events.count[MGENJIT_EVENT_HIT] + events.count[MGENJIT_EVENT_REMOTE_WARNING]);
        CHECK_STRING(remote->url, events.remote);
        long gets = remote->gets;
        long connections = remote->connections;
        CHECK_INT(MGENJIT_ORIGIN_CACHE, use_on(folder, remote->url, UNSIGNED));
        CHECK_INT(1, events.count[MGENJIT_EVENT_HIT]);
        CHECK_INT(gets, remote->gets);
        CHECK_INT(connections, remote->connections);
        mgenjit_cache_statistics statistics = statistics_in(folder);
        CHECK_INT(1, (long long)statistics.remote_hits);
        /* What is saved depends on the machine: a look-up may take longer than the compile took. */
        CHECK(statistics.remote_bytes > 0 && statistics.entries == 1);
    }
    CHECK_INT(2, remote->puts);
}

/* The same module by other names has another key: it is found by what it says. */
static void canonical_modules(void)
{
    struct remote *remote = filled_remote("canonical");
    char *folder = new_cache("canonical-second");
    mgenjit_config *config = machine(folder, remote->url, UNSIGNED);
    mgenjit_executor *executor = new_executor(config);
    mgenjit_module *module = add(executor, "define i32 @entry(i32 %a) {\n  %b = mul i32 %a, 6\n  ret i32 %b\n}\n");
    CHECK_INT(MGENJIT_ORIGIN_CACHE, mgenjit_module_origin(module));
    CHECK_INT(1, events.count[MGENJIT_EVENT_REMOTE_HIT]);
    CHECK_INT(42, FUNCTION(int (*)(int), executor, "entry")(7));
    /* That key leads there for others, too. */
    CHECK_UNTIL(remote->puts == 3);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
}

/* Whom nobody trusts is not asked. */
static void trust(void)
{
    struct remote *remote = filled_remote("trust");
    char *secret = write_file("trust-secret", SECRET, 0600);
    char *other = write_file("trust-other", OTHER, 0600);
    mgenjit_executor *executor = NULL;
    mgenjit_config *config = machine(new_cache("trust-cache"), remote->url, MGENJIT_REMOTE_READ);
    CHECK_STATUS(MGENJIT_STATUS_UNTRUSTED, mgenjit_executor_new(config, &executor, &failure));
    CHECK_MESSAGE("no key is trusted");
    CHECK_OK(mgenjit_config_add_cache_trusted_key(config, secret, &failure));
    CHECK_OK(mgenjit_config_set_remote(config, remote->url, BOTH, &failure));
    CHECK_STATUS(MGENJIT_STATUS_UNTRUSTED, mgenjit_executor_new(config, &executor, &failure));
    CHECK_MESSAGE("nobody signed");
    CHECK_OK(mgenjit_config_set_cache_signing_key(config, secret, &failure));
    /* Nobody signed what is there: it is compiled, and nothing of it is stored. */
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_with(config));
    CHECK_CONTAINS("signature", events.remote);
    CHECK(events.count[MGENJIT_EVENT_REMOTE_WARNING] >= 1);
    CHECK_INT(0, events.count[MGENJIT_EVENT_REMOTE_HIT]);
    mgenjit_config_free(config);

    /* Signed by a key that is trusted, and by another one. */
    struct remote *clean = start_remote("trust-signed");
    for (int round = 0; round < 3; round++) {
        char name[32];
        snprintf(name, sizeof name, "trust-%d", round);
        config = machine(new_cache(name), clean->url, BOTH);
        char *key = round == 2 ? other : secret;
        CHECK_OK(mgenjit_config_add_cache_trusted_key(config, key, &failure));
        CHECK_OK(mgenjit_config_set_cache_signing_key(config, key, &failure));
        CHECK_INT(round == 1 ? MGENJIT_ORIGIN_CACHE : MGENJIT_ORIGIN_COMPILED, use_with(config));
        CHECK_INT(round == 2, events.count[MGENJIT_EVENT_REMOTE_WARNING]);
        mgenjit_config_free(config);
        CHECK_UNTIL(clean->puts >= 2);
    }
    /* A reader needs no key that signs. */
    config = machine(new_cache("trust-reader"), clean->url, MGENJIT_REMOTE_READ);
    CHECK_OK(mgenjit_config_add_cache_trusted_key(config, secret, &failure));
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_with(config));
    mgenjit_config_free(config);
}

/* The environment's remotes: what is wrong with them is told, and is no error. */
static void of_the_environment(void)
{
    struct remote *remote = filled_remote("environment");
    char *text = NULL;
    CHECK(asprintf(&text, "%s|unsigned", remote->url) > 0);
    lose_the_server();
    setenv("MGENJIT_REMOTE", text, 1);
    mgenjit_config *config = config_for(new_cache("environment-1"), &events);
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_with(config));
    mgenjit_config_free(config);
    const char *wrong[][2] = {{remote->url, "no key is trusted"},
                              {"redis://me:hunter2@host|hunter3", "redis://host: attribute 1 after the URL is unknown"},
                              {"hunter2", "not a URL"}};
    for (int i = 0; i < 3; i++) {
        setenv("MGENJIT_REMOTE", wrong[i][0], 1);
        char name[32];
        snprintf(name, sizeof name, "environment-wrong-%d", i);
        mgenjit_executor *executor = executor_with_cache(new_cache(name), &events);
        CHECK_INT(MGENJIT_STATUS_SERVER_UNAVAILABLE, try_ir(executor, ENTRY_IR));
        CHECK_INT(MGENJIT_STATUS_SERVER_UNAVAILABLE, try_ir(executor, ENTRY_IR));
        CHECK_INT(1, events.count[MGENJIT_EVENT_REMOTE_WARNING]);
        CHECK_CONTAINS(wrong[i][1], events.remote);
        CHECK(strstr(events.remote, "hunter2") == NULL);
        mgenjit_executor_free(executor);
    }
    setenv("MGENJIT_REMOTE", remote->url, 1);
    /* "" is none, whatever the environment says. */
    config = machine(new_cache("environment-none"), "", BOTH);
    mgenjit_executor *executor = new_executor(config);
    CHECK_INT(MGENJIT_STATUS_SERVER_UNAVAILABLE, try_ir(executor, ENTRY_IR));
    CHECK_INT(0, events.count[MGENJIT_EVENT_REMOTE_WARNING]);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
}

static void modes(void)
{
    const int wrong[] = {0, 4, 8, 9, -1};
    mgenjit_config *config = default_config();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT,
                     mgenjit_config_set_remote(config, "redis://host", wrong[i], &failure));
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_set_remote(config, "host", BOTH, &failure));
    mgenjit_config_free(config);

    /* One that is only written is not asked, and one that is only read gets nothing. */
    struct remote *remote = filled_remote("modes");
    long gets = remote->gets;
    CHECK_INT(MGENJIT_ORIGIN_COMPILED,
              use_on(new_cache("modes-w"), remote->url, MGENJIT_REMOTE_WRITE | MGENJIT_REMOTE_UNSIGNED));
    CHECK_INT(gets, remote->gets);
    struct remote *empty = start_remote("modes-empty");
    CHECK_INT(MGENJIT_ORIGIN_COMPILED,
              use_on(new_cache("modes-r"), empty->url, MGENJIT_REMOTE_READ | MGENJIT_REMOTE_UNSIGNED));
    CHECK(empty->gets >= 1);
    CHECK_INT(0, empty->exists + empty->puts);

    /* Several in order: the second has it, and the first gets it. A namespace keeps entries apart. */
    char *both = NULL, *apart = NULL;
    CHECK(asprintf(&both, "%s %s", empty->url, remote->url) > 0);
    CHECK(asprintf(&apart, "%s|namespace=other", remote->url) > 0);
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_on(new_cache("modes-two"), both, UNSIGNED));
    CHECK_STRING(remote->url, events.remote);
    CHECK_UNTIL(empty->puts == 1);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_on(new_cache("modes-apart"), apart, UNSIGNED));
}

/* Whatever a store does, the code is right; and a store that fails is left alone. */
static void misconduct(void)
{
    static const struct {
        enum conduct conduct;
        const char *name;
        /* Part of what is told; NULL: nothing need be. */
        const char *told;
        /* Whether it is left alone afterwards. */
        int is_left_alone;
    } cases[] = {{MUTE, "mute", NULL, 0},
                 {SILENT, "silent", NULL, 0},
                 {STRANGE, "strange", "protocol", 1},
                 {REFUSING, "refusing", "no: pw  [1m", 1},
                 {CORRUPTING, "corrupting", "is not used", 0},
                 {LYING, "lying", "1152921504606846976 bytes is longer", 0},
                 {TRUNCATING, "truncating", "closed", 1},
                 {REPLAYING, "replaying", "is not used", 0},
                 {BABBLING, "babbling", "7 is no answer", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[64];
        struct remote *remote = filled_remote(cases[i].name);
        remote->conduct = cases[i].conduct;
        patience_ms = cases[i].told == NULL ? IMPATIENT_MS : PATIENT_MS;
        for (int round = 0; round < 2; round++) {
            snprintf(name, sizeof name, "%s-%d", cases[i].name, round);
            long connections = remote->connections;
            CHECK_INT(MGENJIT_ORIGIN_COMPILED,
                      use_on(new_cache(name), remote->url, MGENJIT_REMOTE_READ | MGENJIT_REMOTE_UNSIGNED));
            CHECK_INT(0, events.count[MGENJIT_EVENT_REMOTE_HIT]);
            if (round == 0 && cases[i].told != NULL)
                CHECK_CONTAINS(cases[i].told, events.remote);
            /* For five seconds, the first time. */
            if (round == 1 && cases[i].is_left_alone && is_emulated())
                SKIP("a second compile takes longer than a store is left alone");
            else if (round == 1 && cases[i].is_left_alone) {
                CHECK_INT(connections, remote->connections);
                CHECK_INT(0, events.count[MGENJIT_EVENT_REMOTE_WARNING]);
            }
            CHECK(statistics_in(in_folder(name)).entries == 1);
        }
        kill(remote->process, SIGKILL);
        patience_ms = PATIENT_MS;
    }
}

/* A store that takes nothing costs its puts. */
static void a_full_store(void)
{
    struct remote *remote = start_remote("full");
    char *folder = new_cache("full-cache");
    remote->conduct = FULL;
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_on(folder, remote->url, UNSIGNED));
    CHECK_UNTIL(statistics_in(folder).remote_put_errors == 2);
    CHECK_INT(0, remote->puts);
}

/* A store that answers the first question at once, and the second too late, which is no failure. */
static void a_store_that_lags(void)
{
    struct remote *remote = filled_remote("lagging");
    mgenjit_config *config = machine(new_cache("lagging-cache"), remote->url, MGENJIT_REMOTE_READ | MGENJIT_REMOTE_UNSIGNED);
    CHECK_OK(mgenjit_config_set_remote_timeouts(config, PATIENT_MS, PATIENT_MS, 100, &failure));
    mgenjit_executor *executor = new_executor(config);
    /* The same module by other names: its key is not there, and its canonical key is. */
    remote->conduct = LAGGING;
    remote->gets = 0;
    mgenjit_module *module = add(executor, "define i32 @entry(i32 %c) {\n  %d = mul i32 %c, 6\n  ret i32 %d\n}\n");
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, mgenjit_module_origin(module));
    CHECK_INT(0, events.count[MGENJIT_EVENT_REMOTE_WARNING]);
    remote->conduct = WELL;
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_entry(executor));
    CHECK_INT(0, events.count[MGENJIT_EVENT_REMOTE_WARNING]);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
}

/* A store whose helper is gone, frozen, and back. */
static void killed_and_frozen(void)
{
    struct remote *remote = filled_remote("killed");
    const int reading = MGENJIT_REMOTE_READ | MGENJIT_REMOTE_UNSIGNED;
    kill(remote->process, SIGSTOP);
    patience_ms = IMPATIENT_MS;
    /* It is found slow three times, and then left alone. */
    for (int round = 0; round < 4; round++) {
        char name[32];
        snprintf(name, sizeof name, "frozen-%d", round);
        CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_on(new_cache(name), remote->url, reading));
    }
    CHECK(access(in_folder("killed.down"), F_OK) == 0);
    kill(remote->process, SIGCONT);
    patience_ms = PATIENT_MS;
    CHECK(unlink(in_folder("killed.down")) == 0);
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_on(new_cache("thawed"), remote->url, reading));

    /* Within one executor, whose connection is gone. */
    mgenjit_config *config = machine(new_cache("killed-cache"), remote->url, reading);
    mgenjit_executor *executor = new_executor(config);
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_entry(executor));
    kill(remote->process, SIGKILL);
    CHECK_INT(remote->process, waitpid(remote->process, NULL, 0));
    check_usable(executor);
    CHECK(events.count[MGENJIT_EVENT_REMOTE_WARNING] >= 1);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
}

/* A module that takes long to compile. `number`: what its function f4 multiplies by. */
static char *large_module_with(int number)
{
    char *text = malloc(1 << 20), *out = text;
    for (int i = 0; i < 1500; i++)
        out += sprintf(out,
                       "define i32 @f%d(i32 %%x, ptr %%p) {\n  %%a = mul i32 %%x, %d\n  %%b = load i32, ptr %%p\n"
                       "  %%c = udiv i32 %%a, %d\n  %%d = xor i32 %%b, %%c\n  store i32 %%d, ptr %%p\n  ret i32 %%d\n}\n",
                       i, i == 4 ? number : i + 3, i + 7);
    return text;
}

static char *large_module(void)
{
    return large_module_with(7);
}

/* What comes first is used: here the store, although the compile began. */
static void the_store_is_faster(void)
{
    struct remote *remote = start_remote("race");
    char *text = large_module();
    for (int round = 0; round < 2; round++) {
        mgenjit_config *config = machine(new_cache(round == 0 ? "race-0" : "race-1"), remote->url, UNSIGNED);
        /* The compile starts at once. */
        CHECK_OK(mgenjit_config_set_remote_timeouts(config, 5000, 20000, 0, &failure));
        CHECK_OK(mgenjit_config_set_partition(config, MGENJIT_PARTITION_OFF, &failure));
        mgenjit_executor *executor = new_executor(config);
        mgenjit_module *module = add(executor, text);
        CHECK_INT(round == 0 ? MGENJIT_ORIGIN_COMPILED : MGENJIT_ORIGIN_CACHE, mgenjit_module_origin(module));
        CHECK_INT(1, events.count[MGENJIT_EVENT_COMPILE_STARTED]);
        int number = 12;
        CHECK_INT((12 * 7 / 11) ^ 12, FUNCTION(int (*)(int, int *), executor, "f4")(12, &number));
        check_usable(executor);
        mgenjit_module_free(module);
        mgenjit_executor_free(executor);
        mgenjit_config_free(config);
        CHECK_UNTIL(remote->puts >= 2);
        remote->delay_ms = 20;
    }
    free(text);
}

/* A machine that compiles a module in pieces, and waits for remotes as long as it takes. */
static int pieces_on(const char *folder, const char *url, int mode, int number, size_t *count, size_t *compiled)
{
    char *text = large_module_with(number);
    mgenjit_config *config = machine(new_cache(folder), url, mode);
    CHECK_OK(mgenjit_config_set_partition(config, 1000, &failure));
    mgenjit_executor *executor = new_executor(config);
    mgenjit_module *module = add(executor, text);
    int origin = mgenjit_module_origin(module), value = 12;
    *count = mgenjit_module_piece_count(module);
    *compiled = 0;
    for (size_t i = 0; i < *count; i++) {
        mgenjit_piece piece = {.size = sizeof piece};
        CHECK_OK(mgenjit_module_piece(module, i, &piece, &failure));
        *compiled += piece.compiled;
    }
    CHECK_INT((12 * number / 11) ^ 12, FUNCTION(int (*)(int, int *), executor, "f4")(12, &value));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
    free(text);
    return origin;
}

/* Of a module that was edited, the pieces that are as they were are fetched. */
static void pieces_travel(void)
{
    struct remote *remote = start_remote("pieces");
    size_t count, compiled, all;
    /* A remote that has none of them is not asked for each. */
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, pieces_on("pieces-1", remote->url, UNSIGNED, 7, &all, &compiled));
    CHECK(all >= 8 && compiled == all);
    CHECK(remote->gets <= 2 + 8 + 4);
    CHECK_UNTIL(remote->puts == (long)all + 2);
    CHECK_INT(0, events.count[MGENJIT_EVENT_REMOTE_WARNING]);

    long gets = remote->gets;
    CHECK_INT(MGENJIT_ORIGIN_CACHE, pieces_on("pieces-2", remote->url, UNSIGNED, 7, &count, &compiled));
    CHECK_INT(gets + 1, remote->gets);

    CHECK_INT(MGENJIT_ORIGIN_COMPILED, pieces_on("pieces-3", remote->url, UNSIGNED, 8, &count, &compiled));
    CHECK(count >= 8 && compiled >= 1 && compiled <= 2);
    mgenjit_cache_statistics statistics = statistics_in(in_folder("pieces-3"));
    CHECK_INT((long long)(count - compiled), (long long)statistics.remote_hits);
    CHECK_INT((long long)compiled, (long long)statistics.piece_stores);
    /* What is new is put: it, and the whole by both of its keys. */
    CHECK_UNTIL(remote->puts == (long)(all + 2 + compiled + 2));

    /* What is put last, in the place of each. */
    remote->conduct = REPLAYING;
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, pieces_on("pieces-4", remote->url, UNSIGNED, 9, &count, &compiled));
    CHECK_INT((long long)count, (long long)compiled);
    remote->conduct = CORRUPTING;
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, pieces_on("pieces-5", remote->url, UNSIGNED, 9, &count, &compiled));
    CHECK_INT((long long)count, (long long)compiled);
    CHECK(events.count[MGENJIT_EVENT_REMOTE_WARNING] >= 1);
}

/* What a machine put itself, for whatever CPU, it takes. */
static void own_entries_are_taken(void)
{
#ifdef __aarch64__
    static const char *const cpus[] = {NULL, "native", OLDEST_CPU, "armv8-a", "armv8.2-a", "neoverse-n1", "armv9-a"};
#else
    static const char *const cpus[] = {NULL, "native", OLDEST_CPU, "x86-64-v2", "x86-64-v3", "x86-64-v4"};
#endif
    for (size_t i = 0; i < sizeof cpus / sizeof cpus[0]; i++) {
        char name[32];
        snprintf(name, sizeof name, "own-%zu", i);
        struct remote *remote = start_remote(name);
        for (int round = 0; round < 2; round++) {
            mgenjit_executor *executor;
            mgenjit_status status;
            snprintf(name, sizeof name, "own-%zu-%d", i, round);
            mgenjit_config *config = machine(new_cache(name), remote->url, UNSIGNED);
            CHECK_OK(mgenjit_config_set_cpu(config, cpus[i], &failure));
            executor = new_executor(config);
            /* The machine is looked at before the file, which need not exist. */
            status = mgenjit_executor_compile_file(executor, "/none", NULL, NULL);
            mgenjit_executor_free(executor);
            if (status == MGENJIT_STATUS_CPU) {
                printf("not tried: this machine lacks what %s needs\n", cpus[i]);
                mgenjit_config_free(config);
                break;
            }
            CHECK_INT(round == 0 ? MGENJIT_ORIGIN_COMPILED : MGENJIT_ORIGIN_CACHE, use_with(config));
            CHECK_INT(0, events.count[MGENJIT_EVENT_REMOTE_WARNING] + events.count[MGENJIT_EVENT_CACHE_WARNING]);
            CHECK_UNTIL(remote->puts >= 2);
            mgenjit_config_free(config);
        }
    }
}

static mgenjit_explanation *explain_on(mgenjit_config *config)
{
    mgenjit_explanation *explanation = NULL;
    mgenjit_cache *cache = open_cache(config);
    CHECK_OK(mgenjit_cache_explain(cache, "x", ENTRY_IR, strlen(ENTRY_IR), &explanation, &failure));
    mgenjit_cache_free(cache);
    return explanation;
}

/* An entry for another CPU that this machine could run is told, wherever it is. */
static void other_cpus(void)
{
    struct remote *remote = start_remote("cpus");
    char *folder = new_cache("cpus-first");
    mgenjit_config *config = machine(folder, remote->url, UNSIGNED);
    CHECK_OK(mgenjit_config_set_cpu(config, OLDEST_CPU, &failure));
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_with(config));
    CHECK_UNTIL(remote->puts == 2);
    mgenjit_config_free(config);
    for (int round = 0; round < 2; round++) {
        config = machine(round == 0 ? folder : new_cache("cpus-second"), round == 0 ? "" : remote->url, UNSIGNED);
        mgenjit_explanation *explanation = explain_on(config);
        CHECK(mgenjit_explanation_verdict(explanation) != MGENJIT_VERDICT_HIT);
        CHECK_STRING(OLDEST_CPU, mgenjit_explanation_cpu(explanation));
        CHECK(mgenjit_explanation_remote(explanation) == NULL);
        CHECK_CONTAINS(round == 0 ? "in the cache, and" : "in a remote, and", mgenjit_explanation_message(explanation));
        mgenjit_explanation_free(explanation);
        mgenjit_config_free(config);
    }
    /* The one that is asked for, in a remote: what else there is does not matter. */
    config = machine(new_cache("cpus-third"), remote->url, UNSIGNED);
    CHECK_OK(mgenjit_config_set_cpu(config, OLDEST_CPU, &failure));
    mgenjit_explanation *explanation = explain_on(config);
    CHECK_INT(MGENJIT_VERDICT_NEVER, mgenjit_explanation_verdict(explanation));
    CHECK_STRING(remote->url, mgenjit_explanation_remote(explanation));
    CHECK(mgenjit_explanation_cpu(explanation) == NULL);
    mgenjit_explanation_free(explanation);
    mgenjit_config_free(config);
    CHECK_INT(0, list_entries(in_folder("cpus-third")));
}

/* What people ask of remotes. */
static void on_request(void)
{
    struct remote *remote = start_remote("request"), *other = start_remote("request-other");
    char *folder = new_cache("request-cache"), *both = NULL;
    char keys[64][MGENJIT_KEY_SIZE];
    uint64_t done = 9;
    mgenjit_remote_status status = {.size = sizeof status};
    mgenjit_remote_collection collection = {.size = sizeof collection};
    mgenjit_config *config = config_for(folder, NULL);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_with(config));
    mgenjit_cache *cache = open_cache(config);
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_remote_status(cache, 0, &status, &failure));
    CHECK_INT(1, list_keys(cache, keys));
    mgenjit_cache_free(cache);
    const char *pointers[] = {keys[0]};

    CHECK(asprintf(&both, "%s|read-write|unsigned %s|read|unsigned", remote->url, other->url) > 0);
    CHECK_OK(mgenjit_config_set_remote(config, both, MGENJIT_REMOTE_READ, &failure));
    cache = open_cache(config);
    for (int round = 0; round < 2; round++) {
        CHECK_OK(mgenjit_cache_remote_push(cache, pointers, 1, &done, NULL, NULL, &failure));
        CHECK_INT(1 - round, (long long)done);
        CHECK_INT(2, remote->puts);
        CHECK_INT(0, other->puts);
    }
    other->conduct = REFUSING;
    for (int round = 0; round < 2; round++) {
        CHECK_OK(mgenjit_cache_remote_status(cache, (size_t)round, &status, &failure));
        CHECK_STRING(round == 0 ? remote->url : other->url, status.url);
        CHECK_STRING("fake", status.helper);
        CHECK(status.reads && status.writes == (round == 0) && status.accepts_unsigned);
        CHECK_INT(round == 0, status.answers);
        CHECK_CONTAINS(round == 0 ? "" : "no: pw", status.problem);
    }
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_remote_status(cache, 2, &status, &failure));
    /* This helper cannot list what it has. */
    CHECK_STATUS(MGENJIT_STATUS_IO, mgenjit_cache_remote_gc(cache, 1, 0, &collection, &failure));
    CHECK_MESSAGE("cannot list");
    mgenjit_cache_free(cache);
    mgenjit_config_free(config);

    config = machine(new_cache("request-second"), remote->url, MGENJIT_REMOTE_READ | MGENJIT_REMOTE_UNSIGNED);
    cache = open_cache(config);
    for (int round = 0; round < 2; round++) {
        CHECK_OK(mgenjit_cache_remote_pull(cache, pointers, 1, &done, NULL, NULL, &failure));
        CHECK_INT(1 - round, (long long)done);
        CHECK_INT(1, (long long)statistics_of(cache).entries);
    }
    char first = keys[0][0];
    keys[0][0] = first == '0' ? '1' : '0';
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_remote_pull(cache, pointers, 1, &done, NULL, NULL, &failure));
    CHECK_MESSAGE("no remote has an entry");
    keys[0][0] = first;
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT,
                 mgenjit_cache_remote_push(cache, pointers, 1, &done, NULL, NULL, &failure));
    CHECK_MESSAGE("written");
    mgenjit_cache_free(cache);
    lose_the_server();
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_with(config));
    mgenjit_config_free(config);
    CHECK_INT(0, other->puts);
}

/* Threads that want the same fetch it once. */
static struct remote *shared;
static mgenjit_executor *everybodys;

static void *want(void *argument)
{
    (void)argument;
    mgenjit_module *module = add(everybodys, ENTRY_IR);
    mgenjit_module_free(module);
    return NULL;
}

static void equal_requests(void)
{
    pthread_t threads[8];
    shared = filled_remote("equal");
    long gets = shared->gets;
    mgenjit_config *config = machine(new_cache("equal-second"), shared->url, UNSIGNED);
    CHECK_OK(mgenjit_config_set_remote_timeouts(config, 5000, 20000, 20000, &failure));
    everybodys = new_executor(config);
    shared->delay_ms = 50;
    for (int i = 0; i < 8; i++)
        CHECK(pthread_create(&threads[i], NULL, want, NULL) == 0);
    for (int i = 0; i < 8; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK_INT(gets + 1, shared->gets);
    CHECK_INT(1, events.count[MGENJIT_EVENT_REMOTE_HIT]);
    CHECK_INT(7, events.count[MGENJIT_EVENT_HIT]);
    mgenjit_executor_free(everybodys);
    mgenjit_config_free(config);
}

/* A child of the host does not use its parent's connections. */
static void forked(void)
{
    struct remote *remote = filled_remote("forked");
    mgenjit_config *config = machine(new_cache("forked-second"), remote->url, UNSIGNED);
    mgenjit_executor *executor = new_executor(config);
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_entry(executor));
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        check_usable(executor);
        _exit(0);
    }
    CHECK_INT(0, wait_for(child, 30));
    CHECK_UNTIL(remote->puts >= 4);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(one_compiles_for_all), CASE(canonical_modules), CASE(trust), CASE(of_the_environment), CASE(modes),
        CASE(misconduct), CASE(a_full_store), CASE(a_store_that_lags), CASE(killed_and_frozen), CASE(the_store_is_faster),
        CASE(equal_requests), CASE(forked), CASE(pieces_travel), CASE(own_entries_are_taken), CASE(other_cpus),
        CASE(on_request)};
    return RUN_CASES(cases);
}
