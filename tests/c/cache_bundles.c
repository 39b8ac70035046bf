// runs: once

/* Bundles: what one machine compiled runs on another that has no compile server. Layers: the same, in place. */
#include "caches.h"

static check_events events;

/* A cache with ENTRY_IR and two other modules, all in one bundle. */
static char *make_bundle(const char *name, const mgenjit_config *config)
{
    mgenjit_executor *executor = new_executor(config);
    mgenjit_cache *cache = open_cache(config);
    char *path = in_folder(name);
    char keys[64][MGENJIT_KEY_SIZE];
    const char *pointers[64];
    int count;
    use_entry(executor);
    mgenjit_module_free(add(executor, "define i32 @two() {\n  ret i32 2\n}\n"));
    mgenjit_module_free(add(executor, "define i32 @three() {\n  ret i32 3\n}\n"));
    mgenjit_executor_free(executor);
    count = list_keys(cache, keys);
    CHECK_INT(3, count);
    for (int i = 0; i < count; i++)
        pointers[i] = keys[i];
    CHECK_OK(mgenjit_cache_export(cache, path, pointers, (size_t)count, NULL, NULL, &failure));
    mgenjit_cache_free(cache);
    return path;
}

static void run_without_a_server(void)
{
    mgenjit_config *config = config_for(new_cache("source"), NULL);
    char *bundle = make_bundle("bundle", config);
    char *folder = in_folder("not/there/yet");
    mgenjit_cache *cache;
    uint64_t count = 0;
    mgenjit_config_free(config);
    lose_the_server();
    config = config_for(folder, &events);
    cache = open_cache(config);
    CHECK_OK(mgenjit_cache_import(cache, bundle, &count, NULL, NULL, &failure));
    CHECK_INT(3, (long long)count);
    CHECK_INT(3, (long long)statistics_of(cache).entries);
    CHECK_INT(3, (long long)statistics_of(cache).imports);
    CHECK_INT(0, (long long)statistics_of(cache).stores);
    CHECK_OK(mgenjit_cache_import(cache, bundle, &count, NULL, NULL, &failure));
    CHECK_INT(0, (long long)count);
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_with(config));
    CHECK_INT(0, events.count[MGENJIT_EVENT_MISS]);
    CHECK_INT(1, (long long)statistics_of(cache).hits);
    CHECK_INT(3, (long long)statistics_of(cache).entries);
    mgenjit_cache_free(cache);
    mgenjit_config_free(config);
}

/* A bundle that is damaged anywhere is not imported at all. */
static void damaged(void)
{
    mgenjit_config *config = config_for(new_cache("damaged-source"), NULL);
    char *bundle = make_bundle("damaged-bundle", config), *folder = new_cache("damaged");
    size_t length;
    unsigned char *bytes = read_whole(bundle, &length);
    mgenjit_cache *cache;
    mgenjit_config_free(config);
    config = config_for(folder, &events);
    cache = open_cache(config);
    for (size_t place = 0; place < length; place += 1 + length / 50) {
        mgenjit_status status;
        bytes[place] ^= 1;
        replace_file(bundle, bytes, length);
        bytes[place] ^= 1;
        check_reset();
        status = mgenjit_cache_import(cache, bundle, NULL, NULL, NULL, &failure);
        if (status != MGENJIT_STATUS_DAMAGED && status != MGENJIT_STATUS_INVALID_ARGUMENT)
            check_failed(__FILE__, __LINE__, "a bundle with byte %d changed: %s: %s", (int)place,
                         mgenjit_status_name(status), mgenjit_error_message(failure));
        CHECK_MESSAGE(bundle);
        CHECK_INT(0, list_entries(folder));
    }
    for (size_t count = 0; count < length; count += 1 + length / 30) {
        replace_file(bundle, bytes, count);
        CHECK(mgenjit_cache_import(cache, bundle, NULL, NULL, NULL, NULL) != MGENJIT_STATUS_OK);
        CHECK_INT(0, list_entries(folder));
    }
    replace_file(bundle, bytes, length);
    CHECK_OK(mgenjit_cache_import(cache, bundle, NULL, NULL, NULL, &failure));
    CHECK_INT(3, list_entries(folder));
    CHECK_STATUS(MGENJIT_STATUS_IO, mgenjit_cache_import(cache, "/nowhere/bundle", NULL, NULL, NULL, &failure));
    CHECK_STATUS(MGENJIT_STATUS_DAMAGED, mgenjit_cache_import(cache, "/bin/true", NULL, NULL, NULL, &failure));
    mgenjit_cache_free(cache);
    mgenjit_config_free(config);
}

static void export_errors(void)
{
    mgenjit_config *config = config_for(new_cache("errors"), NULL);
    mgenjit_cache *cache = open_cache(config);
    char key[MGENJIT_KEY_SIZE];
    const char *keys[1] = { key };
    make_bundle("errors-bundle", config);
    memset(key, 'a', 64);
    key[64] = '\0';
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND,
                 mgenjit_cache_export(cache, in_folder("none"), keys, 1, NULL, NULL, &failure));
    CHECK(access(in_folder("none"), F_OK) == -1);
    CHECK_STATUS(MGENJIT_STATUS_IO, mgenjit_cache_export(cache, "/nowhere/x", NULL, 0, NULL, NULL, &failure));
    keys[0] = "xyz";
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT,
                 mgenjit_cache_export(cache, in_folder("none"), keys, 1, NULL, NULL, &failure));
    mgenjit_cache_free(cache);
    mgenjit_config_free(config);
}

/* A module of an executor is exported by its key, also if it was found by its canonical form. */
static void by_the_modules_key(void)
{
    mgenjit_config *config = config_for(new_cache("by-key"), NULL);
    mgenjit_executor *executor = new_executor(config);
    mgenjit_cache *cache = open_cache(config);
    mgenjit_module *module = add(executor, "define i32 @entry(i32 %a) {\n  %b = mul i32 %a, 6\n  ret i32 %b\n}\n");
    const char *keys[1];
    mgenjit_module_free(module);
    module = add(executor, ENTRY_IR);
    CHECK_INT(MGENJIT_ORIGIN_CACHE, mgenjit_module_origin(module));
    keys[0] = mgenjit_module_key(module);
    CHECK_OK(mgenjit_cache_export(cache, in_folder("by-key-bundle"), keys, 1, NULL, NULL, &failure));
    mgenjit_cache_free(cache);
    mgenjit_config_free(config);
    lose_the_server();
    config = config_for(new_cache("by-key-target"), NULL);
    cache = open_cache(config);
    CHECK_OK(mgenjit_cache_import(cache, in_folder("by-key-bundle"), NULL, NULL, NULL, &failure));
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_with(config));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    mgenjit_cache_free(cache);
    mgenjit_config_free(config);
}

/* A module that is found in a layer by its canonical form is found there again, without a server. */
static void an_alias_into_a_layer(void)
{
    static const char OTHER_NAMES[] = "define i32 @entry(i32 %a) {\n  %b = mul i32 %a, 6\n  ret i32 %b\n}\n";
    char *below = new_cache("alias-below");
    mgenjit_config *config = config_for(below, NULL);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_with(config));
    mgenjit_config_free(config);
    config = config_for(new_cache("alias-above"), &events);
    CHECK_OK(mgenjit_config_add_cache_layer(config, below, &failure));
    for (int i = 0; i < 2; i++) {
        mgenjit_executor *executor = new_executor(config);
        mgenjit_module *module = add(executor, OTHER_NAMES);
        CHECK_INT(MGENJIT_ORIGIN_CACHE, mgenjit_module_origin(module));
        CHECK_INT(42, FUNCTION(int (*)(int), executor, "entry")(7));
        mgenjit_module_free(module);
        mgenjit_executor_free(executor);
        lose_the_server();
    }
    CHECK_INT(0, events.count[MGENJIT_EVENT_COMPILED]);
    mgenjit_config_free(config);
}

/* A cache below: what it has is used there, and nothing is written to it. */
static void layers(void)
{
    char *below = new_cache("below"), *folder = new_cache("above"), *command = NULL;
    mgenjit_config *config = config_for(below, NULL);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_with(config));
    mgenjit_config_free(config);
    CHECK(asprintf(&command, "cd '%s' && find . -type f -newer '%s'", below, write_file("mark", "", 0600)) > 0);

    config = config_for(folder, &events);
    CHECK_OK(mgenjit_config_add_cache_layer(config, in_folder("no-such-layer"), &failure));
    CHECK_OK(mgenjit_config_add_cache_layer(config, below, &failure));
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_with(config));
    CHECK_INT(0, events.count[MGENJIT_EVENT_CACHE_WARNING]);
    CHECK_INT(0, list_entries(folder));
    {
        mgenjit_executor *executor = new_executor(config);
        mgenjit_module_free(add(executor, "define i32 @above() {\n  ret i32 3\n}\n"));
        CHECK_INT(3, FUNCTION(int (*)(void), executor, "above")());
        CHECK_INT(42, (use_entry(executor), 42));
        mgenjit_executor_free(executor);
    }
    CHECK_INT(1, list_entries(folder));
    CHECK_INT(1, (long long)statistics_in(folder).hits_in_layers);
    {
        FILE *changed = popen(command, "r");
        char line[256];
        CHECK(changed != NULL);
        if (fgets(line, sizeof line, changed) != NULL)
            check_failed(__FILE__, __LINE__, "%s was written in the layer", line);
        pclose(changed);
    }
    /* One that others may write is not used. */
    CHECK(chmod(below, 0777) == 0);
    lose_the_server();
    {
        mgenjit_executor *executor = new_executor(config);
        CHECK_INT(MGENJIT_STATUS_SERVER_UNAVAILABLE, try_ir(executor, ENTRY_IR));
        CHECK(events.count[MGENJIT_EVENT_CACHE_WARNING] >= 1);
        CHECK_CONTAINS(below, events.warning);
        mgenjit_executor_free(executor);
    }
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_add_cache_layer(config, NULL, &failure));
    mgenjit_config_free(config);
}

/* A bundle is a layer as it is: its code is run where it lies, by whoever trusts it. */
static void a_bundle_in_place(void)
{
    static const char HIDDEN_IR[] = "define internal i32 @hidden() noinline {\n  ret i32 7\n}\n"
                                    "define ptr @where() {\n  ret ptr @hidden\n}\n";
    char *below = new_cache("in-place-source"), *folder = new_cache("in-place");
    char *secret = write_file("in-place-key", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n",
                              0600);
    mgenjit_config *config = config_for(below, NULL);
    mgenjit_executor *executor = new_executor(config);
    mgenjit_module_free(add(executor, HIDDEN_IR));
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
    for (int is_signed = 0; is_signed < 2; is_signed++) {
        config = config_for(below, NULL);
        if (is_signed)
            CHECK_OK(mgenjit_config_set_cache_signing_key(config, secret, &failure));
        char *bundle = in_folder(is_signed ? "signed-layer" : "layer");
        mgenjit_cache *cache = open_cache(config);
        char keys[64][MGENJIT_KEY_SIZE];
        const char *pointers[64];
        int count = list_keys(cache, keys);
        for (int i = 0; i < count; i++)
            pointers[i] = keys[i];
        CHECK_OK(mgenjit_cache_export(cache, bundle, pointers, (size_t)count, NULL, NULL, &failure));
        mgenjit_cache_free(cache);
        mgenjit_config_free(config);
    }
    lose_the_server();
    for (int is_signed = 0; is_signed < 2; is_signed++) {
        mgenjit_symbol symbol = {.size = sizeof symbol};
        char *bundle = in_folder(is_signed ? "signed-layer" : "layer");
        size_t length;
        unsigned char *bytes = read_whole(bundle, &length);
        config = config_for(folder, &events);
        CHECK_OK(mgenjit_config_add_cache_layer(config, bundle, &failure));
        if (is_signed)
            CHECK_OK(mgenjit_config_add_cache_trusted_key(config, secret, &failure));
        executor = new_executor(config);
        mgenjit_module *module = add(executor, HIDDEN_IR);
        CHECK_INT(MGENJIT_ORIGIN_CACHE, mgenjit_module_origin(module));
        int (*hidden)(void) = FUNCTION(int (*(*)(void))(void), executor, "where")();
        CHECK_INT(7, hidden());
        /* Its name is in the file alone. */
        CHECK(mgenjit_symbolize(*(void **)&hidden, &symbol));
        CHECK_STRING("hidden", symbol.function);
        CHECK_INT(0, events.count[MGENJIT_EVENT_CACHE_WARNING]);
        CHECK_INT(0, list_entries(folder));
        /* Others get an object from it. */
        CHECK_OK(mgenjit_module_export(module, MGENJIT_EXPORT_OBJECT, in_folder("in-place.o"), NULL, &failure));
        if (is_signed) {
            /* What was verified runs, whatever becomes of the file. */
            CHECK(truncate(bundle, 0) == 0);
            CHECK_INT(7, hidden());
        } else {
            replace_file(bundle, (const unsigned char *)"no bundle", 9);
            CHECK_INT(7, hidden());
        }
        mgenjit_module_free(module);
        mgenjit_executor_free(executor);
        executor = new_executor(config);
        CHECK_INT(MGENJIT_STATUS_SERVER_UNAVAILABLE, try_ir(executor, HIDDEN_IR));
        CHECK_CONTAINS(bundle, events.warning);
        CHECK_CONTAINS("neither a folder nor a bundle", events.warning);
        mgenjit_executor_free(executor);
        replace_file(bundle, bytes, length);
        free(bytes);
        /* The first miss creates what counts them. */
        CHECK_INT(is_signed, (long long)statistics_in(folder).hits_in_layers);
        mgenjit_config_free(config);
    }
    /* Nobody signed it, and somebody must. */
    config = config_for(folder, &events);
    CHECK_OK(mgenjit_config_add_cache_layer(config, in_folder("layer"), &failure));
    CHECK_OK(mgenjit_config_add_cache_trusted_key(config, secret, &failure));
    executor = new_executor(config);
    CHECK_INT(MGENJIT_STATUS_SERVER_UNAVAILABLE, try_ir(executor, HIDDEN_IR));
    CHECK_CONTAINS("the layer ", events.warning);
    CHECK_CONTAINS("sign", events.warning);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(run_without_a_server), CASE(damaged), CASE(export_errors), CASE(by_the_modules_key),
        CASE(an_alias_into_a_layer), CASE(layers), CASE(a_bundle_in_place),
    };
    return RUN_CASES(cases);
}
