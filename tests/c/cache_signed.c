// runs: once

/* Signed entries: with a key that is trusted, what no such key signed is a miss. The Ed25519 keys are those of the
 * first two tests in RFC 8032, section 7.1. */
#include "caches.h"

#define PRIVATE(key) "-----BEGIN PRIVATE KEY-----\n" key "\n-----END PRIVATE KEY-----\n"
#define PUBLIC(key) "-----BEGIN PUBLIC KEY-----\n" key "\n-----END PUBLIC KEY-----\n"

static const char PRIVATE_1[] = PRIVATE("MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g");
static const char PUBLIC_1[] = PUBLIC("MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
static const char PUBLIC_2[] = PUBLIC("MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=");
static const char SECRET[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";

static check_events events;

/* A configuration with a key that signs and one that is trusted; NULL for none. */
static mgenjit_config *with_keys(const char *folder, const char *signing, const char *trusted)
{
    mgenjit_config *config = config_for(folder, &events);
    CHECK_OK(mgenjit_config_set_cache_signing_key(config, signing, &failure));
    if (trusted != NULL)
        CHECK_OK(mgenjit_config_add_cache_trusted_key(config, trusted, &failure));
    return config;
}

static int use_with_keys(const char *folder, const char *signing, const char *trusted)
{
    mgenjit_config *config = with_keys(folder, signing, trusted);
    int origin = use_with(config);
    mgenjit_config_free(config);
    return origin;
}

static void check_scheme(const char *name, const char *signing, const char *trusted)
{
    char *folder = new_cache(name);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_with_keys(folder, signing, trusted));
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_with_keys(folder, NULL, trusted));
    CHECK_INT(0, events.count[MGENJIT_EVENT_CACHE_WARNING]);
    /* Whoever trusts nobody in particular uses it as well. */
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_with_keys(folder, NULL, NULL));
    /* Signed by another key than the one that is trusted. */
    lose_the_server();
    {
        mgenjit_config *config = with_keys(folder, NULL, write_file("other.pem", PUBLIC_2, 0644));
        mgenjit_executor *executor = new_executor(config);
        CHECK_INT(MGENJIT_STATUS_SERVER_UNAVAILABLE, try_ir(executor, ENTRY_IR));
        CHECK(events.count[MGENJIT_EVENT_CACHE_WARNING] >= 1);
        CHECK_CONTAINS("trusted", events.warning);
        mgenjit_executor_free(executor);
        mgenjit_config_free(config);
    }
    CHECK(statistics_in(folder).entries == 1);
}

static void ed25519(void)
{
    check_scheme("ed25519", write_file("private.pem", PRIVATE_1, 0600), write_file("public.pem", PUBLIC_1, 0644));
}

static void a_secret(void)
{
    char *secret = write_file("secret", SECRET, 0600);
    check_scheme("secret-cache", secret, secret);
}

/* An entry without a signature is compiled anew, and replaced by one with it. */
static void unsigned_entries(void)
{
    char *folder = new_cache("unsigned");
    char *private_key = write_file("unsigned.pem", PRIVATE_1, 0600);
    char *public_key = write_file("unsigned-public.pem", PUBLIC_1, 0644);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_with_keys(folder, NULL, NULL));
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_with_keys(folder, private_key, public_key));
    CHECK(events.count[MGENJIT_EVENT_CACHE_WARNING] >= 1);
    CHECK_CONTAINS("signature", events.warning);
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_with_keys(folder, private_key, public_key));
    CHECK_INT(1, (long long)statistics_in(folder).misses_untrusted);
}

/* A bundle is signed when it is exported, and checked when it is imported. */
static void bundles(void)
{
    char *private_key = write_file("bundle.pem", PRIVATE_1, 0600);
    char *public_key = write_file("bundle-public.pem", PUBLIC_1, 0644);
    char *folder = new_cache("plain");
    char keys[64][MGENJIT_KEY_SIZE];
    const char *pointers[1] = { keys[0] };
    mgenjit_config *config;
    mgenjit_cache *cache;
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_with_keys(folder, NULL, NULL));
    for (int signs = 0; signs < 2; signs++) {
        config = with_keys(folder, signs ? private_key : NULL, NULL);
        cache = open_cache(config);
        CHECK_INT(1, list_keys(cache, keys));
        CHECK_OK(mgenjit_cache_export(cache, in_folder(signs ? "signed" : "not-signed"), pointers, 1, NULL, NULL,
                                      &failure));
        mgenjit_cache_free(cache);
        mgenjit_config_free(config);
    }
    lose_the_server();
    folder = new_cache("target");
    config = with_keys(folder, NULL, public_key);
    cache = open_cache(config);
    CHECK_STATUS(MGENJIT_STATUS_UNTRUSTED,
                 mgenjit_cache_import(cache, in_folder("not-signed"), NULL, NULL, NULL, &failure));
    CHECK_INT(0, list_entries(folder));
    CHECK_OK(mgenjit_cache_import(cache, in_folder("signed"), NULL, NULL, NULL, &failure));
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_with(config));
    mgenjit_cache_free(cache);
    mgenjit_config_free(config);
}

/* An alias says which code a module is: one without a signature is not followed, nor passed on with one. */
static void aliases(void)
{
    static const char OTHER_NAMES[] = "define i32 @entry(i32 %a) {\n  %b = mul i32 %a, 6\n  ret i32 %b\n}\n";
    char *private_key = write_file("alias.pem", PRIVATE_1, 0600);
    char *public_key = write_file("alias-public.pem", PUBLIC_1, 0644);
    char *folder = new_cache("aliases"), *target = new_cache("aliases-target");
    char keys[64][MGENJIT_KEY_SIZE];
    const char *pointers[1] = { keys[0] };
    mgenjit_config *config;
    mgenjit_executor *executor;
    mgenjit_cache *cache;
    mgenjit_module *module;
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_with_keys(folder, private_key, public_key));

    /* Somebody without the key finds it by its canonical form, and records that. */
    config = with_keys(folder, NULL, NULL);
    executor = new_executor(config);
    module = add(executor, OTHER_NAMES);
    CHECK_INT(MGENJIT_ORIGIN_CACHE, mgenjit_module_origin(module));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);

    config = with_keys(folder, private_key, public_key);
    cache = open_cache(config);
    CHECK_INT(1, list_keys(cache, keys));
    CHECK_OK(mgenjit_cache_export(cache, in_folder("aliases-bundle"), pointers, 1, NULL, NULL, &failure));
    mgenjit_cache_free(cache);
    mgenjit_config_free(config);
    lose_the_server();
    for (int i = 0; i < 2; i++) {
        config = with_keys(i == 0 ? folder : target, NULL, public_key);
        if (i == 1) {
            cache = open_cache(config);
            CHECK_OK(mgenjit_cache_import(cache, in_folder("aliases-bundle"), NULL, NULL, NULL, &failure));
            mgenjit_cache_free(cache);
        }
        executor = new_executor(config);
        CHECK_INT(MGENJIT_STATUS_SERVER_UNAVAILABLE, try_ir(executor, OTHER_NAMES));
        CHECK_INT(MGENJIT_ORIGIN_CACHE, use_entry(executor));
        mgenjit_executor_free(executor);
        mgenjit_config_free(config);
    }
}

/* What could not be trusted again is not stored, and that is said. */
static void trust_without_a_key(void)
{
    char *folder = new_cache("trust-only");
    char *public_key = write_file("trust-only.pem", PUBLIC_1, 0644);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_with_keys(folder, NULL, public_key));
    CHECK_INT(0, events.count[MGENJIT_EVENT_STORED]);
    CHECK_CONTAINS("signs", events.warning);
    CHECK_INT(0, list_entries(folder));
}

static void key_files(void)
{
    mgenjit_config *config = default_config();
    char *good = write_file("good.pem", PRIVATE_1, 0600);
    CHECK_STATUS(MGENJIT_STATUS_IO, mgenjit_config_set_cache_signing_key(config, "/nowhere/key", &failure));
    CHECK_MESSAGE("/nowhere/key");
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT,
                 mgenjit_config_set_cache_signing_key(config, write_file("text", "no key\n", 0600), &failure));
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT,
                 mgenjit_config_set_cache_signing_key(config, write_file("short", "0011\n", 0600), &failure));
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT,
                 mgenjit_config_set_cache_signing_key(config, write_file("public", PUBLIC_1, 0600), &failure));
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_add_cache_trusted_key(config, good, &failure));
    /* A key that others can read is nobody's secret. */
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT,
                 mgenjit_config_set_cache_signing_key(config, write_file("open", PRIVATE_1, 0644), &failure));
    CHECK_MESSAGE("chmod");
    CHECK_OK(mgenjit_config_set_cache_signing_key(config, good, &failure));
    CHECK_OK(mgenjit_config_set_cache_signing_key(config, NULL, &failure));
    mgenjit_config_free(config);
}

/* Changes a file where it lies, which the library never does. */
static void rewrite(const char *path, const unsigned char *bytes, size_t length, off_t cut_to)
{
    int file;
    CHECK(chmod(path, 0600) == 0);
    file = open(path, O_WRONLY);
    CHECK(file >= 0 && pwrite(file, bytes, length, 0) == (ssize_t)length && ftruncate(file, cut_to) == 0);
    CHECK(close(file) == 0);
}

static int is_mapped(const char *path)
{
    char line[8192];
    int found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL)
        found |= strstr(line, path) != NULL;
    fclose(maps);
    return found;
}

/* Code of an entry that is trusted stays what it was, whatever becomes of the file that it was read from; debuggers
 * and profilers know the file. */
static void changed_where_it_lies(void)
{
    char *secret = write_file("changed-secret", SECRET, 0600), *folder = new_cache("changed");
    unsigned char zeros[4096] = { 0 };
    mgenjit_config *config;
    mgenjit_executor *executor;
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_with_keys(folder, secret, secret));
    CHECK_INT(1, list_entries(folder));
    config = with_keys(folder, secret, secret);
    for (int is_cut = 0; is_cut < 2; is_cut++) {
        mgenjit_module *module;
        int (*entry)(int);
        struct stat status;
        size_t length;
        unsigned char *original = read_whole(entries[0], &length);
        executor = new_executor(config);
        module = add(executor, ENTRY_IR);
        CHECK_INT(MGENJIT_ORIGIN_CACHE, mgenjit_module_origin(module));
        CHECK(stat(entries[0], &status) == 0 && (status.st_mode & 0222) == 0);
        CHECK(is_mapped(entries[0]));
        /* Before it is linked, too: nothing of the file is read any more. */
        for (size_t at = 0; at + sizeof zeros < length; at += sizeof zeros)
            rewrite(entries[0], zeros, sizeof zeros, is_cut ? 0 : (off_t)length);
        entry = FUNCTION(int (*)(int), executor, "entry");
        CHECK_INT(42, entry(7));
        rewrite(entries[0], original, length, is_cut ? 1 : (off_t)length);
        CHECK_INT(42, entry(7));
        mgenjit_module_free(module);
        mgenjit_executor_free(executor);
        replace_file(entries[0], original, length);
        CHECK(chmod(entries[0], 0444) == 0);
        free(original);
    }
    mgenjit_config_free(config);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(changed_where_it_lies),
        CASE(ed25519), CASE(a_secret), CASE(unsigned_entries), CASE(bundles), CASE(aliases),
        CASE(trust_without_a_key), CASE(key_files),
    };
    return RUN_CASES(cases);
}
