// runs: once

/* Verify mode: a hit is compiled all the same and compared, for one compile or for an entry of the cache. */
#include "caches.h"

static check_events events;

static mgenjit_config *verifying(const char *folder)
{
    mgenjit_config *config = config_for(folder, &events);
    CHECK_OK(mgenjit_config_set_cache_verify(config, 1, &failure));
    return config;
}

static void equal_code(void)
{
    mgenjit_config *config = verifying(new_cache("equal"));
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_with(config));
    CHECK_INT(1, events.count[MGENJIT_EVENT_COMPILED]);
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_with(config));
    CHECK_INT(2, events.count[MGENJIT_EVENT_COMPILED]);
    CHECK_INT(1, events.count[MGENJIT_EVENT_STORED]);
    CHECK_INT(0, events.count[MGENJIT_EVENT_DIFFERENT]);
    mgenjit_config_free(config);
}

/* A server that is not deterministic: another entry's code, signed as this one's, is what it would leave. */
static void other_code(void)
{
    static const char OTHER[] = "define i32 @entry(i32 %x) {\n  %y = mul i32 %x, 7\n  ret i32 %y\n}\n";
    char *folder = new_cache("other");
    mgenjit_config *config = config_for(folder, &events);
    mgenjit_executor *executor = new_executor(config);
    mgenjit_cache *cache = open_cache(config);
    char keys[64][MGENJIT_KEY_SIZE];
    mgenjit_module *module;
    mgenjit_module_free(add(executor, OTHER));
    CHECK_INT(1, list_keys(cache, keys));

    /* The entry says which IR it is of; what it was compiled from is that. */
    CHECK_OK(mgenjit_cache_verify(cache, keys[0], 0, &failure));
    CHECK_OK(mgenjit_cache_verify(cache, keys[0], 1, &failure));
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);

    config = verifying(folder);
    executor = new_executor(config);
    module = add(executor, OTHER);
    CHECK_INT(MGENJIT_ORIGIN_CACHE, mgenjit_module_origin(module));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
    mgenjit_cache_free(cache);
}

/* A server that first does something else, and then what servers do. */
static void server_after(const char *command)
{
    char *script = NULL;
    CHECK(asprintf(&script, "#!/bin/sh\n%s\nexec '%s' \"$@\"\n", command, getenv("MGENJIT_SERVER")) > 0);
    CHECK(setenv("MGENJIT_SERVER", write_file("server", script, 0755), 1) == 0);
    free(script);
}

/* What becomes of an entry while it is compiled again: it is told as it is then, not as different. */
static void changed_meanwhile(void)
{
    static const struct {
        const char *name;
        /* "%s" is the entry. */
        const char *command;
        int expect;
    } changes[] = {
        { "rewritten", "chmod u+w '%s'; printf other | dd of='%s' conv=notrunc bs=1 seek=100 2>'%s.log'",
          MGENJIT_STATUS_DAMAGED },
        { "cut", "chmod u+w '%s'; : >'%s'", MGENJIT_STATUS_DAMAGED },
        { "removed", "rm -f '%s'", MGENJIT_STATUS_OK },
        { "copied", "cp '%s' '%s.new'; mv -f '%s.new' '%s'", MGENJIT_STATUS_OK },
    };
    char *server = strdup(getenv("MGENJIT_SERVER"));
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char *folder = new_cache(changes[i].name), *command = NULL;
        mgenjit_config *config = config_for(folder, &events);
        mgenjit_cache *cache;
        char keys[64][MGENJIT_KEY_SIZE];
        CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_with(config));
        CHECK_INT(1, list_entries(folder));
        CHECK(asprintf(&command, changes[i].command, entries[0], entries[0], entries[0], entries[0]) > 0);
        server_after(command);
        cache = open_cache(config);
        CHECK_INT(1, list_keys(cache, keys));
        CHECK_STATUS(changes[i].expect, mgenjit_cache_verify(cache, keys[0], 1, &failure));
        mgenjit_cache_free(cache);
        mgenjit_config_free(config);
        CHECK(setenv("MGENJIT_SERVER", server, 1) == 0);
        free(command);
    }
    free(server);
}

/* Without the IR there is nothing to compile again; the bytes are checked all the same. */
static void without_the_ir(void)
{
    mgenjit_config *config = config_for(new_cache("no-ir"), &events);
    mgenjit_cache *cache;
    mgenjit_cache_entry *entry;
    mgenjit_blob *blob = NULL;
    char keys[64][MGENJIT_KEY_SIZE];
    CHECK_OK(mgenjit_config_set_cache_keep_ir(config, 0, &failure));
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_with(config));
    cache = open_cache(config);
    CHECK_INT(1, list_keys(cache, keys));
    CHECK_OK(mgenjit_cache_verify(cache, keys[0], 0, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_verify(cache, keys[0], 1, &failure));
    CHECK_MESSAGE("IR");
    CHECK_OK(mgenjit_cache_entry_open(cache, keys[0], &entry, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_entry_read(entry, MGENJIT_PART_IR, &blob, &failure));
    CHECK_OK(mgenjit_cache_entry_read(entry, MGENJIT_PART_OBJECT, &blob, &failure));
    CHECK(mgenjit_blob_size(blob) > 64 && memcmp(mgenjit_blob_data(blob), "\x7f""ELF", 4) == 0);
    mgenjit_blob_free(blob);
    mgenjit_cache_entry_free(entry);
    mgenjit_cache_free(cache);
    mgenjit_config_free(config);
}

/* Entries of another version of the library cannot be compiled again, and that is said; a server is needed. */
static void without_a_server(void)
{
    mgenjit_config *config = config_for(new_cache("no-server"), &events);
    mgenjit_cache *cache;
    char keys[64][MGENJIT_KEY_SIZE];
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_with(config));
    lose_the_server();
    cache = open_cache(config);
    CHECK_INT(1, list_keys(cache, keys));
    CHECK_OK(mgenjit_cache_verify(cache, keys[0], 0, &failure));
    CHECK_STATUS(MGENJIT_STATUS_SERVER_UNAVAILABLE, mgenjit_cache_verify(cache, keys[0], 1, &failure));
    mgenjit_cache_free(cache);
    mgenjit_config_free(config);
}

static void no_such_key(void)
{
    mgenjit_config *config = config_for(new_cache("no-key"), &events);
    mgenjit_cache *cache = open_cache(config);
    char key[MGENJIT_KEY_SIZE];
    memset(key, 'a', 64);
    key[64] = '\0';
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_verify(cache, key, 0, &failure));
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_cache_verify(cache, "abc", 0, &failure));
    mgenjit_cache_free(cache);
    mgenjit_config_free(config);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(equal_code), CASE(other_code), CASE(changed_meanwhile), CASE(without_the_ir), CASE(without_a_server), CASE(no_such_key),
    };
    return RUN_CASES(cases);
}
