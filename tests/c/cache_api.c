// runs: once

/* The cache's own functions: what is in it, what it did, and how it is changed. */
#include "entries.h"

#include <stddef.h>

#define REFUSED(call) CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, call)

static char *folder;

static mgenjit_config *new_config(int32_t level)
{
    mgenjit_config *config = default_config();
    CHECK_OK(mgenjit_config_set_cache_dir(config, folder, &failure));
    CHECK_OK(mgenjit_config_set_opt_level(config, level, &failure));
    return config;
}

static mgenjit_cache *open_with(mgenjit_config *config)
{
    mgenjit_cache *cache = NULL;
    CHECK_OK(mgenjit_cache_open(config, &cache, &failure));
    mgenjit_config_free(config);
    return cache;
}

/* A cache of this case's own, with nothing in it. */
static mgenjit_cache *start(const char *name)
{
    folder = new_cache(name);
    return open_with(new_config(MGENJIT_OPT_O2));
}

static mgenjit_cache *open_limited(uint64_t bytes, uint64_t count, uint64_t age_ms)
{
    mgenjit_config *config = new_config(MGENJIT_OPT_O2);
    CHECK_OK(mgenjit_config_set_cache_limits(config, bytes, count, age_ms, &failure));
    return open_with(config);
}

static const char *ir_of(int number)
{
    static char ir[256];
    snprintf(ir, sizeof ir, "define i64 @f%d(i64 %%x) {\n  %%y = mul i64 %%x, %d\n  ret i64 %%y\n}\n", number,
             number + 7);
    return ir;
}

/* Compiles or finds one of a row of modules in this case's cache. Returns its key, which is not freed. */
static char *use_ir(const char *name, const char *ir, int32_t level, int origin)
{
    mgenjit_config *config = new_config(level);
    mgenjit_executor *executor = new_executor(config);
    mgenjit_module *module = NULL;
    char *key;
    CHECK_OK(mgenjit_executor_compile(executor, name, ir, strlen(ir), &module, &failure));
    CHECK_INT(origin, mgenjit_module_origin(module));
    key = strdup(mgenjit_module_key(module));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
    return key;
}

static char *store(const char *name, int number)
{
    return use_ir(name, ir_of(number), MGENJIT_OPT_O2, MGENJIT_ORIGIN_COMPILED);
}

static char *hit(const char *name, int number)
{
    return use_ir(name, ir_of(number), MGENJIT_OPT_O2, MGENJIT_ORIGIN_CACHE);
}

static mgenjit_cache_statistics stats_of(mgenjit_cache *cache)
{
    mgenjit_cache_statistics stats;
    memset(&stats, 0xaa, sizeof stats);
    stats.size = sizeof stats;
    CHECK_OK(mgenjit_cache_stats(cache, &stats, &failure));
    CHECK_INT(sizeof stats, stats.size);
    return stats;
}

static mgenjit_cache_info info_of(mgenjit_cache *cache, const char *key)
{
    mgenjit_cache_entry *entry = NULL;
    mgenjit_cache_info info;
    info.size = sizeof info;
    CHECK_OK(mgenjit_cache_entry_open(cache, key, &entry, &failure));
    CHECK_OK(mgenjit_cache_entry_info(entry, &info, &failure));
    /* The entry stays, for its strings. */
    return info;
}

/* Overwrites a byte of an entry's code. */
static void damage(mgenjit_cache *cache, const char *key)
{
    mgenjit_cache_entry *entry = NULL;
    size_t length;
    unsigned char *bytes;
    CHECK_OK(mgenjit_cache_entry_open(cache, key, &entry, &failure));
    bytes = read_whole(mgenjit_cache_entry_path(entry), &length);
    bytes[length / 2] ^= 1;
    replace_file(mgenjit_cache_entry_path(entry), bytes, length);
    mgenjit_cache_entry_free(entry);
    free(bytes);
}

/* The keys that a filter lets through, joined as their modules' names in the order of the keys. */
static const char *names_of(mgenjit_cache *cache, const mgenjit_cache_filter *filter)
{
    static char names[1024];
    char last[MGENJIT_KEY_SIZE] = "";
    mgenjit_cache_iterator *iterator = NULL;
    CHECK_OK(mgenjit_cache_iterate(cache, filter, &iterator, &failure));
    for (names[0] = '\0';;) {
        mgenjit_cache_info info;
        info.size = sizeof info;
        CHECK_OK(mgenjit_cache_iterator_next(iterator, &info, &failure));
        if (info.key == NULL)
            break;
        CHECK(strcmp(last, info.key) < 0);
        snprintf(last, sizeof last, "%s", info.key);
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s ", info.name);
    }
    mgenjit_cache_iterator_free(iterator);
    return names;
}

static int count_of(mgenjit_cache *cache, const mgenjit_cache_filter *filter)
{
    int count = 0;
    for (const char *names = names_of(cache, filter); *names != '\0'; names++)
        count += *names == ' ';
    return count;
}

static mgenjit_cache_filter no_filter(void)
{
    mgenjit_cache_filter filter;
    memset(&filter, 0, sizeof filter);
    filter.size = sizeof filter;
    return filter;
}

struct told {
    uint64_t calls, done, total;
};

static void tell(uint64_t done, uint64_t total, void *user)
{
    struct told *told = user;
    CHECK(done <= total && done >= told->done);
    told->calls++;
    told->done = done;
    told->total = total;
}

static void no_directory(void)
{
    static const char KEY[] = "0000000000000000000000000000000000000000000000000000000000000000";
    mgenjit_cache *cache;
    mgenjit_cache_statistics stats;
    mgenjit_cache_iterator *iterator = NULL;
    mgenjit_cache_entry *entry = NULL;
    mgenjit_explanation *explanation = NULL;
    struct stat status;
    char key[MGENJIT_KEY_SIZE] = "unchanged";
    folder = in_folder("no-directory");
    cache = open_with(new_config(MGENJIT_OPT_O2));
    CHECK_STRING(folder, mgenjit_cache_directory(cache));
    stats.size = sizeof stats;
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_stats(cache, &stats, &failure));
    CHECK_MESSAGE(folder);
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_iterate(cache, NULL, &iterator, &failure));
    CHECK(iterator == NULL);
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_resolve(cache, "0", key, MGENJIT_KEY_SIZE, &failure));
    CHECK_STRING("unchanged", key);
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_remove(cache, KEY, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_pin(cache, KEY, 1, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_pin(cache, KEY, 0, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_trim(cache, NULL, NULL, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_clear(cache, 0, NULL, NULL, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_verify(cache, KEY, 0, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_rebuild(cache, NULL, NULL, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_entry_open(cache, KEY, &entry, &failure));
    /* There is an answer to why a module is not in a cache that is not there. */
    CHECK_OK(mgenjit_cache_explain(cache, "name", "", 0, &explanation, &failure));
    CHECK_INT(MGENJIT_VERDICT_NEVER, mgenjit_explanation_verdict(explanation));
    mgenjit_explanation_free(explanation);
    CHECK(stat(folder, &status) == -1);

    /* The same handle works once there is one. */
    store("first", 1);
    CHECK_INT(1, stats_of(cache).entries);
    mgenjit_cache_free(cache);
}

static void no_cache(void)
{
    mgenjit_config *config = default_config();
    mgenjit_cache *cache = NULL;
    CHECK_OK(mgenjit_config_set_cache_mode(config, MGENJIT_CACHE_OFF, &failure));
    CHECK_STATUS(MGENJIT_STATUS_CACHE, mgenjit_cache_open(config, &cache, &failure));
    CHECK(cache == NULL);
    mgenjit_config_free(config);
    CHECK(unsetenv("MGENJIT_CACHE_DIR") == 0 && unsetenv("XDG_CACHE_HOME") == 0 && unsetenv("HOME") == 0);
    CHECK_STATUS(MGENJIT_STATUS_CACHE, mgenjit_cache_open(NULL, &cache, &failure));
    CHECK_MESSAGE("MGENJIT_CACHE_DIR");
}

static void by_default(void)
{
    mgenjit_cache *cache = NULL;
    CHECK_OK(mgenjit_cache_open(NULL, &cache, &failure));
    CHECK_STRING(getenv("MGENJIT_CACHE_DIR"), mgenjit_cache_directory(cache));
    CHECK_INT(5, stats_of(cache).max_bytes >> 30);
    CHECK_INT(0, stats_of(cache).max_entries);
    CHECK_INT(0, stats_of(cache).max_age_ms);
    mgenjit_cache_free(cache);
    cache = NULL;
    CHECK(chdir(getenv("CHECK_FOLDER")) == 0);
    folder = (char *)"relative";
    cache = open_with(new_config(MGENJIT_OPT_O2));
    CHECK(chdir("/") == 0);
    CHECK_STRING(in_folder("relative"), mgenjit_cache_directory(cache));
    mgenjit_cache_free(cache);
}

/* A directory that is there, in which nothing was stored yet. */
static void empty_directory(void)
{
    static const char KEY[] = "0000000000000000000000000000000000000000000000000000000000000000";
    mgenjit_cache *cache = start("empty");
    char key[MGENJIT_KEY_SIZE];
    CHECK_INT(0, stats_of(cache).entries);
    CHECK_STRING("", names_of(cache, NULL));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_resolve(cache, "0", key, MGENJIT_KEY_SIZE, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_remove(cache, KEY, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_pin(cache, KEY, 1, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_pin(cache, KEY, 0, &failure));
    CHECK_OK(mgenjit_cache_trim(cache, NULL, NULL, &failure));
    CHECK_OK(mgenjit_cache_clear(cache, 1, NULL, NULL, &failure));
    CHECK_OK(mgenjit_cache_rebuild(cache, NULL, NULL, &failure));
    /* None of these made anything. */
    CHECK_INT(0, rmdir(folder));
    CHECK(mkdir(folder, 0700) == 0);
    store("first", 1);
    CHECK_STRING("first ", names_of(cache, NULL));
    mgenjit_cache_free(cache);
}

static void not_safe(void)
{
    mgenjit_cache *cache = start("not-safe");
    mgenjit_cache_statistics stats;
    CHECK(chmod(folder, 0777) == 0);
    stats.size = sizeof stats;
    CHECK_STATUS(MGENJIT_STATUS_CACHE, mgenjit_cache_stats(cache, &stats, &failure));
    CHECK_MESSAGE(folder);
    mgenjit_cache_free(cache);
}

/* What is counted adds up exactly. */
static void statistics(void)
{
    mgenjit_cache *cache = start("statistics"), *limited;
    mgenjit_cache_statistics stats = stats_of(cache);
    mgenjit_cache_info one, two;
    char *first, *second;
    uint64_t spent;
    CHECK_INT(0, stats.entries);
    CHECK_INT(0, stats.bytes);
    CHECK_INT(0, stats.hits);
    CHECK_INT(0, stats.misses_new);

    first = store("first", 1);
    second = store("second", 2);
    CHECK_STRING(first, hit("another name", 1));
    hit("first", 1);
    hit("first", 1);
    hit("second", 2);
    one = info_of(cache, first);
    two = info_of(cache, second);
    CHECK_STRING("first", one.name);
    CHECK_INT(3, one.hits);
    CHECK_INT(1, two.hits);
    CHECK_INT(3 * one.compile_us, one.saved_us);
    spent = one.compile_us + two.compile_us;
    stats = stats_of(cache);
    CHECK_INT(2, stats.entries);
    CHECK_INT(one.bytes + two.bytes, stats.bytes);
    CHECK_INT(0, stats.pinned);
    /* Each entry has the key of its canonical module as well. */
    CHECK_INT(2, stats.aliases);
    CHECK_INT(4, stats.hits);
    CHECK_INT(0, stats.hits_by_alias);
    CHECK_INT(0, stats.hits_in_layers);
    CHECK_INT(2, stats.misses_new);
    CHECK_INT(2, stats.stores);
    CHECK_INT(0, stats.evictions);
    CHECK_INT(0, stats.removals);
    CHECK_INT(spent, stats.compile_us);
    CHECK_INT(one.saved_us + two.saved_us, stats.saved_us);

    /* Looking changes nothing. */
    CHECK_OK(mgenjit_cache_verify(cache, first, 0, &failure));
    CHECK_INT(4, stats_of(cache).hits);

    CHECK_OK(mgenjit_cache_remove(cache, first, &failure));
    stats = stats_of(cache);
    CHECK_INT(1, stats.entries);
    CHECK_INT(two.bytes, stats.bytes);
    CHECK_INT(1, stats.removals);
    CHECK_INT(one.saved_us + two.saved_us, stats.saved_us);
    store("first", 1);
    one = info_of(cache, first);
    spent += one.compile_us;
    CHECK_INT(0, one.hits);
    stats = stats_of(cache);
    CHECK_INT(1, stats.misses_removed);
    CHECK_INT(3, stats.stores);
    CHECK_INT(spent, stats.compile_us);

    CHECK_OK(mgenjit_cache_pin(cache, first, 1, &failure));
    CHECK_INT(1, stats_of(cache).pinned);
    limited = open_limited(0, 1, 0);
    CHECK_INT(1, stats_of(limited).max_entries);
    CHECK_OK(mgenjit_cache_trim(limited, NULL, NULL, &failure));
    mgenjit_cache_free(limited);
    stats = stats_of(cache);
    CHECK_INT(1, stats.entries);
    CHECK_INT(one.bytes, stats.bytes);
    CHECK_INT(1, stats.evictions);
    CHECK_INT(two.bytes, stats.evicted_bytes);
    CHECK_INT(1, stats.removals);
    store("second", 2);
    CHECK_INT(1, stats_of(cache).misses_evicted);

    damage(cache, second);
    store("second", 2);
    stats = stats_of(cache);
    CHECK_INT(1, stats.misses_damaged);
    CHECK_INT(2, stats.misses_new);
    CHECK_INT(1, stats.misses_removed);
    CHECK_INT(1, stats.misses_evicted);
    CHECK_INT(0, stats.misses_untrusted);
    CHECK_INT(2, stats.entries);
    CHECK_INT(5, stats.stores);
    CHECK_INT(4, stats.hits);
    CHECK_INT(one.bytes + info_of(cache, second).bytes, stats.bytes);
    mgenjit_cache_free(cache);
}

/* Keys of IR that differs in nothing that matters lead to one entry. */
static void other_keys(void)
{
    static const char IR[] = "define i64 @twice(i64 %x) {\n  %y = add i64 %x, %x\n  ret i64 %y\n}\n";
    static const char OTHER[] = "; A comment.\ndefine i64 @twice(i64 %a) {\n  %b = add i64 %a, %a\n  ret i64 %b\n}\n";
    mgenjit_cache *cache = start("other-keys");
    char *key = use_ir("first", IR, MGENJIT_OPT_O2, MGENJIT_ORIGIN_COMPILED);
    char *other = use_ir("second", OTHER, MGENJIT_OPT_O2, MGENJIT_ORIGIN_CACHE);
    char found[MGENJIT_KEY_SIZE];
    mgenjit_cache_statistics stats = stats_of(cache);
    mgenjit_cache_entry *entry = NULL;
    mgenjit_explanation *explanation = NULL;
    int is_alias = 0;
    CHECK(strcmp(key, other) != 0);
    CHECK_INT(1, stats.entries);
    CHECK_INT(1, stats.stores);
    CHECK_INT(1, stats.misses_new);
    CHECK_INT(0, stats.hits);
    CHECK_INT(1, stats.hits_by_alias);
    CHECK_INT(2, stats.aliases);
    use_ir("second", OTHER, MGENJIT_OPT_O2, MGENJIT_ORIGIN_CACHE);
    CHECK_INT(2, stats_of(cache).hits_by_alias);
    CHECK_INT(2, info_of(cache, key).hits);

    CHECK_OK(mgenjit_cache_entry_open(cache, key, &entry, &failure));
    CHECK_INT(2, mgenjit_cache_entry_alias_count(entry));
    for (size_t i = 0; i < 2; i++) {
        CHECK_OK(mgenjit_cache_resolve(cache, mgenjit_cache_entry_alias(entry, i), found, MGENJIT_KEY_SIZE, &failure));
        CHECK_STRING(key, found);
        is_alias |= strcmp(other, mgenjit_cache_entry_alias(entry, i)) == 0;
    }
    CHECK(is_alias);
    mgenjit_cache_entry_free(entry);
    CHECK_STRING(key, info_of(cache, other).key);

    CHECK_OK(mgenjit_cache_explain(cache, "third", OTHER, strlen(OTHER), &explanation, &failure));
    CHECK_INT(MGENJIT_VERDICT_HIT, mgenjit_explanation_verdict(explanation));
    CHECK_STRING(other, mgenjit_explanation_key(explanation));
    CHECK_STRING(key, mgenjit_explanation_nearest(explanation));
    mgenjit_explanation_free(explanation);

    CHECK_OK(mgenjit_cache_remove(cache, key, &failure));
    CHECK_INT(0, stats_of(cache).aliases);
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_resolve(cache, other, found, MGENJIT_KEY_SIZE, &failure));
    use_ir("second", OTHER, MGENJIT_OPT_O2, MGENJIT_ORIGIN_COMPILED);
    mgenjit_cache_free(cache);
}

static void filters(void)
{
    mgenjit_cache *cache = start("filters");
    mgenjit_cache_filter filter = no_filter();
    mgenjit_cache_iterator *iterator = NULL;
    char *pinned = store("lib/one.ll", 1);
    uint64_t least, before;
    store("lib/two.ll", 2);
    store("app.ll", 3);
    before = info_of(cache, pinned).last_used_us;
    least = info_of(cache, pinned).bytes;
    CHECK_OK(mgenjit_cache_pin(cache, pinned, 1, &failure));
    CHECK_INT(3, count_of(cache, NULL));
    CHECK_INT(3, count_of(cache, &filter));

    filter.name = "lib/*";
    CHECK_INT(2, count_of(cache, &filter));
    filter.name = "*o*";
    CHECK_INT(2, count_of(cache, &filter));
    filter.name = "???.ll";
    CHECK_STRING("app.ll ", names_of(cache, &filter));
    filter.name = "lib/[o]ne.ll";
    CHECK_STRING("lib/one.ll ", names_of(cache, &filter));
    filter.name = "APP.LL";
    CHECK_STRING("", names_of(cache, &filter));
    filter.name = "";
    CHECK_STRING("", names_of(cache, &filter));
    filter.name = "'; DROP TABLE entry; --";
    CHECK_STRING("", names_of(cache, &filter));
    filter.name = "lib/*";
    filter.pinned = 1;
    CHECK_STRING("lib/one.ll ", names_of(cache, &filter));
    filter.pinned = 2;
    CHECK_STRING("lib/two.ll ", names_of(cache, &filter));
    filter.name = NULL;
    CHECK_INT(2, count_of(cache, &filter));
    filter.pinned = 3;
    REFUSED(mgenjit_cache_iterate(cache, &filter, &iterator, &failure));
    filter.pinned = -1;
    REFUSED(mgenjit_cache_iterate(cache, &filter, &iterator, &failure));
    filter.pinned = 0;
    filter.pieces = MGENJIT_PIECES_NOT;
    CHECK_INT(3, count_of(cache, &filter));
    filter.pieces = MGENJIT_PIECES_ONLY;
    CHECK_INT(0, count_of(cache, &filter));
    filter.pieces = 3;
    REFUSED(mgenjit_cache_iterate(cache, &filter, &iterator, &failure));
    filter.pieces = 0;
    filter.name = "\xff";
    filter.pinned = 0;
    REFUSED(mgenjit_cache_iterate(cache, &filter, &iterator, &failure));
    CHECK(iterator == NULL);

    filter = no_filter();
    filter.unused_since_us = before;
    CHECK_STRING("", names_of(cache, &filter));
    filter.unused_since_us = before + 1;
    CHECK_STRING("lib/one.ll ", names_of(cache, &filter));
    filter.unused_since_us = UINT64_MAX;
    CHECK_INT(3, count_of(cache, &filter));
    hit("lib/one.ll", 1);
    filter.unused_since_us = before + 1;
    CHECK_STRING("", names_of(cache, &filter));

    filter = no_filter();
    filter.min_bytes = least;
    CHECK(count_of(cache, &filter) >= 1);
    filter.min_bytes = UINT64_MAX;
    CHECK_STRING("", names_of(cache, &filter));
    mgenjit_cache_free(cache);
}

/* An iterator reads as it goes, and outlives the cache's handle. */
static void iterators(void)
{
    mgenjit_cache *cache = start("iterators");
    mgenjit_cache_iterator *iterator = NULL, *empty = NULL;
    mgenjit_cache_info info;
    int count = 0;
    info.size = sizeof info;
    CHECK_OK(mgenjit_cache_iterate(cache, NULL, &empty, &failure));
    CHECK_OK(mgenjit_cache_iterator_next(empty, &info, &failure));
    CHECK(info.key == NULL);
    CHECK_INT(sizeof info, info.size);
    mgenjit_cache_iterator_free(empty);
    for (int i = 0; i < 10; i++)
        store("many", i);
    CHECK_OK(mgenjit_cache_iterate(cache, NULL, &iterator, &failure));
    mgenjit_cache_free(cache);
    for (;; count++) {
        CHECK_OK(mgenjit_cache_iterator_next(iterator, &info, &failure));
        if (info.key == NULL)
            break;
        /* Removing what was just told disturbs nothing. */
        cache = open_with(new_config(MGENJIT_OPT_O2));
        CHECK_OK(mgenjit_cache_remove(cache, info.key, &failure));
        mgenjit_cache_free(cache);
    }
    CHECK_INT(10, count);
    /* Behind the end it stays. */
    CHECK_OK(mgenjit_cache_iterator_next(iterator, &info, &failure));
    CHECK(info.key == NULL);
    mgenjit_cache_iterator_free(iterator);
}

static void resolving(void)
{
    mgenjit_cache *cache = start("resolving");
    char key[MGENJIT_KEY_SIZE] = "unchanged", prefix[MGENJIT_KEY_SIZE], other[MGENJIT_KEY_SIZE];
    char *keys[17];
    int is_shared = 0;
    /* Of 17 keys two begin alike. */
    for (int i = 0; i < 17; i++)
        keys[i] = store("one of many", i);
    for (int i = 0; i < 17; i++) {
        CHECK_OK(mgenjit_cache_resolve(cache, keys[i], key, MGENJIT_KEY_SIZE, &failure));
        CHECK_STRING(keys[i], key);
        for (int digits = 63; digits > 0; digits--) {
            int alike = 0;
            snprintf(prefix, sizeof prefix, "%.*s", digits, keys[i]);
            for (int j = 0; j < 17; j++)
                alike += strncmp(keys[i], keys[j], (size_t)digits) == 0;
            strcpy(other, "unchanged");
            if (alike == 1) {
                CHECK_OK(mgenjit_cache_resolve(cache, prefix, other, MGENJIT_KEY_SIZE, &failure));
                CHECK_STRING(keys[i], other);
            } else {
                REFUSED(mgenjit_cache_resolve(cache, prefix, other, MGENJIT_KEY_SIZE, &failure));
                CHECK_MESSAGE(prefix);
                CHECK_STRING("unchanged", other);
                is_shared = 1;
            }
        }
    }
    CHECK(is_shared);
    for (size_t i = 0; keys[0][i] != '\0'; i++)
        prefix[i] = (char)(keys[0][i] >= 'a' ? keys[0][i] - 'a' + 'A' : keys[0][i]);
    prefix[64] = '\0';
    /* Whether upper case is a key's is not said; if it is, it is the same one. */
    check_reset();
    if (mgenjit_cache_resolve(cache, prefix, other, MGENJIT_KEY_SIZE, &failure) == MGENJIT_STATUS_OK)
        CHECK_STRING(keys[0], other);
    REFUSED(mgenjit_cache_resolve(cache, "", key, MGENJIT_KEY_SIZE, &failure));
    REFUSED(mgenjit_cache_resolve(cache, keys[0], key, MGENJIT_KEY_SIZE - 1, &failure));
    CHECK_MESSAGE("key_bytes");
    REFUSED(mgenjit_cache_resolve(cache, keys[0], key, 0, &failure));
    REFUSED(mgenjit_cache_resolve(cache, "xyz", key, MGENJIT_KEY_SIZE, &failure));
    REFUSED(mgenjit_cache_resolve(cache, "0 ", key, MGENJIT_KEY_SIZE, &failure));
    REFUSED(mgenjit_cache_resolve(cache, "\xc3\xa9", key, MGENJIT_KEY_SIZE, &failure));
    snprintf(prefix, sizeof prefix, "%.63s%c", keys[0], keys[0][63] == '0' ? '1' : '0');
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_resolve(cache, prefix, key, MGENJIT_KEY_SIZE, &failure));
    mgenjit_cache_free(cache);
}

static void entry_of_a_module(void)
{
    static const char IR[] = "define i64 @add(i64 %a, i64 %b) {\n  ret i64 0\n}\n"
                             "define <4 x i32> @vector() {\n  ret <4 x i32> zeroinitializer\n}\n"
                             "define i32 @\"two words\"(ptr %p) {\n  ret i32 0\n}\n"
                             "define internal void @hidden() {\n  ret void\n}\n"
                             "define void @narrow(i8 zeroext %a, i16 signext %b, ...) {\n  ret void\n}\n";
    static const char *const signatures[] = {"i64 @add(i64, i64)", "<4 x i32> @vector()", "i32 @\"two words\"(ptr)"};
    mgenjit_cache *cache = start("entry");
    char *key = use_ir("a \"name\"\n\xc3\xa9", IR, MGENJIT_OPT_OS, MGENJIT_ORIGIN_COMPILED);
    mgenjit_cache_entry *entry = NULL;
    mgenjit_cache_info info;
    mgenjit_blob *image = NULL, *object = NULL, *ir = NULL;
    struct stat status;
    CHECK_OK(mgenjit_cache_entry_open(cache, key, &entry, &failure));
    CHECK_OK(mgenjit_cache_remove(cache, key, &failure));
    mgenjit_cache_free(cache);

    /* It stays as it was. */
    memset(&info, 0xaa, sizeof info);
    info.size = sizeof info;
    CHECK_OK(mgenjit_cache_entry_info(entry, &info, &failure));
    CHECK_STRING(key, info.key);
    CHECK_STRING("a \"name\"\n\xc3\xa9", info.name);
    CHECK_INT(MGENJIT_OPT_OS, info.opt_level);
    CHECK_INT(0, info.pinned);
    CHECK_CONTAINS(MACHINE, info.triple);
    CHECK(info.cpu[0] != '\0');
    CHECK_CONTAINS("native", info.machine);
    CHECK_STRING(mgenjit_llvm_version(), info.llvm_version);
    CHECK_STRING(mgenjit_version_string(), info.version);
    CHECK(info.build[0] != '\0');
    CHECK_INT(sizeof IR - 1, info.ir_bytes);
    CHECK(info.image_bytes > 0 && info.image_bytes < info.bytes);
    CHECK(info.compile_us > 0);
    CHECK(info.created_us > 1700000000000000u && info.last_used_us >= info.created_us);
    CHECK_INT(0, info.hits);
    CHECK_INT(0, info.saved_us);
    CHECK_INT(0, info.is_piece);
    CHECK_INT(0, info.pieces);
    CHECK_INT(0, mgenjit_cache_entry_piece_count(entry));

    CHECK_CONTAINS("sha", mgenjit_cache_entry_features(entry));
    CHECK_CONTAINS(folder, mgenjit_cache_entry_path(entry));
    CHECK(stat(mgenjit_cache_entry_path(entry), &status) == -1);
    CHECK_INT(1, mgenjit_cache_entry_alias_count(entry));
    CHECK_INT(64, strlen(mgenjit_cache_entry_alias(entry, 0)));
    CHECK(strcmp(key, mgenjit_cache_entry_alias(entry, 0)) != 0);
    CHECK(mgenjit_cache_entry_alias(entry, 1) == NULL);
    CHECK_INT(4, mgenjit_cache_entry_function_count(entry));
    for (size_t i = 0; i < 3; i++)
        CHECK_STRING(signatures[i], mgenjit_cache_entry_signature(entry, i));
    CHECK(mgenjit_cache_entry_signature(entry, 4) == NULL);
    CHECK_STRING("int64_t add(int64_t, int64_t);", mgenjit_cache_entry_prototype(entry, 0));
    CHECK(mgenjit_cache_entry_prototype(entry, 1) == NULL);
    CHECK(mgenjit_cache_entry_prototype(entry, 2) == NULL);
    CHECK_STRING("void narrow(uint8_t, int16_t, ...);", mgenjit_cache_entry_prototype(entry, 3));
    CHECK(mgenjit_cache_entry_prototype(entry, 4) == NULL);
    CHECK(mgenjit_cache_entry_prototype(entry, SIZE_MAX) == NULL);

    CHECK_OK(mgenjit_cache_entry_read(entry, MGENJIT_PART_IMAGE, &image, &failure));
    CHECK_OK(mgenjit_cache_entry_read(entry, MGENJIT_PART_OBJECT, &object, &failure));
    CHECK_OK(mgenjit_cache_entry_read(entry, MGENJIT_PART_IR, &ir, &failure));
    CHECK_INT(info.image_bytes, mgenjit_blob_size(image));
    CHECK(memcmp(mgenjit_blob_data(image), "\177ELF", 4) == 0);
    /* The types of the files: ET_DYN and ET_REL. */
    CHECK_INT(3, ((const char *)mgenjit_blob_data(image))[16]);
    CHECK(memcmp(mgenjit_blob_data(object), "\177ELF", 4) == 0);
    CHECK_INT(1, ((const char *)mgenjit_blob_data(object))[16]);
    CHECK_INT(sizeof IR - 1, mgenjit_blob_size(ir));
    CHECK(memcmp(mgenjit_blob_data(ir), IR, sizeof IR - 1) == 0);
    REFUSED(mgenjit_cache_entry_read(entry, 0, &image, &failure));
    REFUSED(mgenjit_cache_entry_read(entry, 5, &image, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_entry_read(entry, MGENJIT_PART_PROFILE, &image, &failure));
    mgenjit_cache_entry_free(entry);
    CHECK(memcmp(mgenjit_blob_data(ir), IR, sizeof IR - 1) == 0);
    mgenjit_blob_free(ir);
    mgenjit_blob_free(object);
    mgenjit_blob_free(image);
}

static void without_ir(void)
{
    mgenjit_cache *cache = start("without-ir");
    mgenjit_config *config = new_config(MGENJIT_OPT_O2);
    mgenjit_cache_entry *entry = NULL;
    mgenjit_executor *executor;
    mgenjit_blob *blob = NULL;
    char *key;
    CHECK_OK(mgenjit_config_set_cache_keep_ir(config, 0, &failure));
    executor = new_executor(config);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_entry(executor));
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
    key = use_ir("x", ENTRY_IR, MGENJIT_OPT_O2, MGENJIT_ORIGIN_CACHE);
    CHECK_OK(mgenjit_cache_entry_open(cache, key, &entry, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_entry_read(entry, MGENJIT_PART_IR, &blob, &failure));
    CHECK(blob == NULL);
    CHECK_OK(mgenjit_cache_entry_read(entry, MGENJIT_PART_OBJECT, &blob, &failure));
    mgenjit_blob_free(blob);
    CHECK_OK(mgenjit_cache_verify(cache, key, 0, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_verify(cache, key, 1, &failure));
    CHECK_MESSAGE("IR");
    mgenjit_cache_entry_free(entry);
    mgenjit_cache_free(cache);
}

static void pinning_and_removing(void)
{
    mgenjit_cache *cache = start("pinning"), *other;
    char *first = store("first", 1), *second = store("second", 2);
    CHECK_OK(mgenjit_cache_pin(cache, first, 1, &failure));
    CHECK_OK(mgenjit_cache_pin(cache, first, 1, &failure));
    CHECK_OK(mgenjit_cache_pin(cache, second, -5, &failure));
    CHECK_INT(2, stats_of(cache).pinned);
    other = open_with(new_config(MGENJIT_OPT_O2));
    CHECK_INT(1, info_of(other, first).pinned);
    CHECK_OK(mgenjit_cache_pin(cache, second, 0, &failure));
    CHECK_OK(mgenjit_cache_pin(cache, second, 0, &failure));
    CHECK_INT(1, stats_of(other).pinned);
    mgenjit_cache_free(other);

    /* A new index knows what is pinned, and a removed entry is so no more. */
    CHECK_OK(mgenjit_cache_rebuild(cache, NULL, NULL, &failure));
    CHECK_INT(1, info_of(cache, first).pinned);
    CHECK_OK(mgenjit_cache_remove(cache, first, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_remove(cache, first, &failure));
    CHECK_MESSAGE(first);
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_pin(cache, first, 1, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_pin(cache, first, 0, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_verify(cache, first, 0, &failure));
    store("first", 1);
    CHECK_INT(0, info_of(cache, first).pinned);

    first[63] = '\0';
    REFUSED(mgenjit_cache_remove(cache, first, &failure));
    REFUSED(mgenjit_cache_pin(cache, first, 1, &failure));
    REFUSED(mgenjit_cache_verify(cache, first, 0, &failure));
    REFUSED(mgenjit_cache_remove(cache, "", &failure));
    CHECK_INT(2, stats_of(cache).entries);
    mgenjit_cache_free(cache);
}

/* Code from an entry runs on when the entry is removed. */
static void removing_what_runs(void)
{
    mgenjit_cache *cache = start("running");
    mgenjit_config *config = new_config(MGENJIT_OPT_O2);
    mgenjit_executor *executor = new_executor(config);
    int (*entry)(int);
    use_entry(executor);
    entry = FUNCTION(int (*)(int), executor, "entry");
    CHECK_OK(mgenjit_cache_clear(cache, 1, NULL, NULL, &failure));
    CHECK_INT(0, stats_of(cache).entries);
    CHECK_INT(42, entry(7));
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_entry(executor));
    CHECK_INT(42, entry(7));
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
    mgenjit_cache_free(cache);
}

static void trimming(void)
{
    mgenjit_cache *cache = start("trimming"), *limited;
    struct told told = {0, 0, 0};
    char *pinned;
    uint64_t bytes;
    for (int i = 0; i < 8; i++)
        store("many", i);
    pinned = hit("many", 0);
    CHECK_OK(mgenjit_cache_pin(cache, pinned, 1, &failure));

    /* Limits that hold change nothing. */
    limited = open_limited(0, 0, 0);
    CHECK_OK(mgenjit_cache_trim(limited, tell, &told, &failure));
    mgenjit_cache_free(limited);
    limited = open_limited(UINT64_MAX, UINT64_MAX, UINT64_MAX);
    CHECK_OK(mgenjit_cache_trim(limited, tell, &told, &failure));
    mgenjit_cache_free(limited);
    CHECK_INT(8, stats_of(cache).entries);

    limited = open_limited(0, 5, 0);
    CHECK_OK(mgenjit_cache_trim(limited, tell, &told, &failure));
    mgenjit_cache_free(limited);
    CHECK_INT(5, stats_of(cache).entries);
    bytes = stats_of(cache).bytes;
    limited = open_limited(bytes - 1, 0, 0);
    CHECK_OK(mgenjit_cache_trim(limited, NULL, NULL, &failure));
    CHECK_OK(mgenjit_cache_trim(limited, NULL, NULL, &failure));
    mgenjit_cache_free(limited);
    CHECK_INT(4, stats_of(cache).entries);
    CHECK(stats_of(cache).bytes < bytes);

    /* A hit keeps an entry young. */
    /* Ages are whole seconds of the real clock, which no test can set. */
    CHECK(usleep(2100000) == 0);
    store("young", 100);
    limited = open_limited(0, 0, 2000);
    CHECK_OK(mgenjit_cache_trim(limited, NULL, NULL, &failure));
    mgenjit_cache_free(limited);
    CHECK_INT(2, stats_of(cache).entries);
    /* What is pinned may be more than a limit. */
    limited = open_limited(1, 1, 1000);
    CHECK_OK(mgenjit_cache_trim(limited, NULL, NULL, &failure));
    mgenjit_cache_free(limited);
    CHECK_INT(1, stats_of(cache).entries);
    CHECK_INT(1, info_of(cache, pinned).pinned);
    CHECK_INT(8, stats_of(cache).evictions);
    mgenjit_cache_free(cache);
}

static void clearing(void)
{
    mgenjit_cache *cache = start("clearing");
    struct told told = {0, 0, 0};
    char *old = join(folder, "v1"), *newer = join(folder, "v99"), *foreign = join(folder, "notes");
    char *pinned = store("pinned", 1);
    struct stat status;
    CHECK(mkdir(old, 0700) == 0 && mkdir(newer, 0700) == 0 && mkdir(foreign, 0700) == 0);
    store("first", 2);
    store("second", 3);
    CHECK_OK(mgenjit_cache_pin(cache, pinned, 1, &failure));
    CHECK_OK(mgenjit_cache_clear(cache, 0, tell, &told, &failure));
    CHECK(told.calls > 0);
    CHECK_INT(told.total, told.done);
    CHECK_INT(1, stats_of(cache).entries);
    CHECK_INT(2, stats_of(cache).removals);
    CHECK(stat(old, &status) == -1);
    CHECK(stat(newer, &status) == 0 && stat(foreign, &status) == 0);
    CHECK_OK(mgenjit_cache_clear(cache, 1, NULL, NULL, &failure));
    CHECK_INT(0, stats_of(cache).entries);
    CHECK_INT(0, stats_of(cache).bytes);
    CHECK_INT(0, stats_of(cache).pinned);
    CHECK_OK(mgenjit_cache_clear(cache, 1, NULL, NULL, &failure));
    CHECK_INT(3, stats_of(cache).removals);
    CHECK_INT(0, list_entries(folder));
    CHECK(stat(newer, &status) == 0 && stat(foreign, &status) == 0);
    mgenjit_cache_free(cache);
}

static void verifying(void)
{
    mgenjit_cache *cache = start("verifying");
    char *first = store("first", 1), *second = store("second", 2);
    mgenjit_cache_entry *entry = NULL;
    CHECK_OK(mgenjit_cache_verify(cache, first, 0, &failure));
    CHECK_OK(mgenjit_cache_verify(cache, first, 1, &failure));
    damage(cache, first);
    CHECK_STATUS(MGENJIT_STATUS_DAMAGED, mgenjit_cache_verify(cache, first, 0, &failure));
    CHECK_MESSAGE(folder);
    CHECK_STATUS(MGENJIT_STATUS_DAMAGED, mgenjit_cache_verify(cache, first, 1, &failure));
    CHECK_STATUS(MGENJIT_STATUS_DAMAGED, mgenjit_cache_entry_open(cache, first, &entry, &failure));
    CHECK_OK(mgenjit_cache_verify(cache, second, 0, &failure));
    /* It is listed, so that it can be found and removed. */
    CHECK_INT(2, count_of(cache, NULL));
    CHECK_OK(mgenjit_cache_remove(cache, first, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_verify(cache, first, 0, &failure));
    mgenjit_cache_free(cache);
}

static void rebuilding(void)
{
    mgenjit_cache *cache = start("rebuilding");
    struct told told = {0, 0, 0};
    char *first = store("first", 1), *second = store("second", 2), *path;
    mgenjit_cache_statistics before, after;
    hit("first", 1);
    CHECK_OK(mgenjit_cache_pin(cache, second, 1, &failure));
    before = stats_of(cache);
    CHECK_OK(mgenjit_cache_rebuild(cache, tell, &told, &failure));
    CHECK(told.calls > 0);
    CHECK_INT(told.total, told.done);
    after = stats_of(cache);
    CHECK(memcmp(&before, &after, offsetof(mgenjit_cache_statistics, has_history)) == 0);
    CHECK(before.has_history && after.has_history);

    /* A file that is gone, and one that came, by hand. */
    CHECK_INT(2, list_entries(folder));
    path = entries[strstr(entries[0], first + 2) == NULL];
    CHECK(unlink(path) == 0);
    CHECK_OK(mgenjit_cache_rebuild(cache, NULL, NULL, &failure));
    CHECK_INT(1, stats_of(cache).entries);

    /* No index at all, and one that is none. */
    path = join(folder, "v4/index.sqlite");
    for (int i = 0; i < 2; i++) {
        FILE *file;
        unlink(join(folder, "v4/index.sqlite-wal"));
        unlink(join(folder, "v4/index.sqlite-shm"));
        CHECK(unlink(path) == 0);
        file = i == 1 ? fopen(path, "w") : NULL;
        CHECK(i == 0 || (fputs("this is no database, and long enough to be looked at as one\n", file) > 0 && fclose(file) == 0));
        CHECK_OK(mgenjit_cache_rebuild(cache, NULL, NULL, &failure));
        CHECK_INT(1, stats_of(cache).entries);
        CHECK_INT(1, info_of(cache, second).pinned);
        CHECK_STRING("second ", names_of(cache, NULL));
    }
    mgenjit_cache_free(cache);
}

static void exporting(void)
{
    mgenjit_cache *cache = start("exporting"), *other;
    char *bundle = in_folder("bundle"), *first = store("first", 1), *second = store("second", 2);
    const char *keys[] = {first, second, first};
    const char *absent[] = {first, "0000000000000000000000000000000000000000000000000000000000000000"};
    struct told told = {0, 0, 0};
    struct stat status;
    uint64_t imported = 77;
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_export(cache, bundle, absent, 2, NULL, NULL, &failure));
    CHECK(stat(bundle, &status) == -1);
    CHECK_STATUS(MGENJIT_STATUS_IO, mgenjit_cache_export(cache, "/proc/none", keys, 1, NULL, NULL, &failure));
    CHECK_STATUS(MGENJIT_STATUS_IO, mgenjit_cache_import(cache, bundle, &imported, NULL, NULL, &failure));
    CHECK_INT(77, imported);
    /* What is no file is not replaced by one. */
    CHECK(mkfifo(in_folder("fifo"), 0600) == 0);
    CHECK_STATUS(MGENJIT_STATUS_IO, mgenjit_cache_export(cache, in_folder("fifo"), keys, 1, NULL, NULL, &failure));
    CHECK(stat(in_folder("fifo"), &status) == 0 && S_ISFIFO(status.st_mode));
    /* A key may be given twice. */
    CHECK_OK(mgenjit_cache_export(cache, bundle, keys, 3, tell, &told, &failure));
    CHECK_INT(told.total, told.done);
    CHECK_OK(mgenjit_cache_import(cache, bundle, &imported, NULL, NULL, &failure));
    CHECK_INT(0, imported);

    folder = in_folder("importing");
    other = open_with(new_config(MGENJIT_OPT_O2));
    memset(&told, 0, sizeof told);
    CHECK_OK(mgenjit_cache_import(other, bundle, &imported, tell, &told, &failure));
    CHECK_INT(told.total, told.done);
    CHECK_INT(2, imported);
    CHECK_INT(2, stats_of(other).imports);
    CHECK_INT(2, stats_of(other).entries);
    CHECK_INT(2, stats_of(other).aliases);
    CHECK_INT(0, stats_of(other).stores);
    CHECK_STRING(strdup(names_of(other, NULL)), names_of(cache, NULL));
    CHECK_STRING(first, hit("first", 1));
    CHECK_INT(1, stats_of(other).hits);
    CHECK_OK(mgenjit_cache_verify(other, second, 1, &failure));
    CHECK_OK(mgenjit_cache_remove(other, second, &failure));
    CHECK_OK(mgenjit_cache_import(other, bundle, NULL, NULL, NULL, &failure));
    CHECK_INT(3, stats_of(other).imports);
    mgenjit_cache_free(other);
    mgenjit_cache_free(cache);
}

static void check_verdict(mgenjit_cache *cache, const char *name, const char *ir, int verdict, uint32_t differences,
                          const char *nearest)
{
    mgenjit_explanation *explanation = NULL;
    CHECK_OK(mgenjit_cache_explain(cache, name, ir, strlen(ir), &explanation, &failure));
    if (verdict != mgenjit_explanation_verdict(explanation))
        check_failed(__FILE__, __LINE__, "%s: verdict %d, not %d: %s", name, mgenjit_explanation_verdict(explanation),
                     verdict, mgenjit_explanation_message(explanation));
    CHECK_INT(differences, mgenjit_explanation_differences(explanation));
    CHECK_INT(64, strlen(mgenjit_explanation_key(explanation)));
    CHECK(mgenjit_explanation_message(explanation)[0] != '\0');
    if (verdict == MGENJIT_VERDICT_HIT)
        CHECK_STRING(mgenjit_explanation_key(explanation), mgenjit_explanation_nearest(explanation));
    else if (nearest == NULL)
        CHECK(mgenjit_explanation_nearest(explanation) == NULL);
    else
        CHECK_STRING(nearest, mgenjit_explanation_nearest(explanation));
    if (verdict == MGENJIT_VERDICT_DIFFERS || verdict == MGENJIT_VERDICT_EVICTED)
        CHECK(mgenjit_explanation_time_us(explanation) > 1700000000000000u);
    if (verdict == MGENJIT_VERDICT_HIT || verdict == MGENJIT_VERDICT_NEVER)
        CHECK_INT(0, mgenjit_explanation_time_us(explanation));
    mgenjit_explanation_free(explanation);
}

static void explaining(void)
{
    mgenjit_cache *cache = start("explaining"), *o3 = open_with(new_config(MGENJIT_OPT_O3)), *limited, *trusting, *level;
    mgenjit_config *config;
    mgenjit_explanation *explanation = NULL;
    char *first = store("first", 1), *removed = store("removed", 2), *at_o3, *secret = in_folder("secret");
    FILE *file;
    check_verdict(cache, "first", ir_of(1), MGENJIT_VERDICT_HIT, 0, NULL);
    CHECK_OK(mgenjit_cache_explain(cache, "first", ir_of(1), strlen(ir_of(1)), &explanation, &failure));
    CHECK_STRING(first, mgenjit_explanation_key(explanation));
    mgenjit_explanation_free(explanation);
    /* A name is no part of a key. */
    check_verdict(cache, "other", ir_of(1), MGENJIT_VERDICT_HIT, 0, NULL);
    check_verdict(cache, "never", ir_of(50), MGENJIT_VERDICT_NEVER, 0, NULL);
    check_verdict(cache, "", "", MGENJIT_VERDICT_NEVER, 0, NULL);
    check_verdict(cache, "first", ir_of(50), MGENJIT_VERDICT_DIFFERS, MGENJIT_DIFFERS_IR, first);
    check_verdict(o3, "first", ir_of(1), MGENJIT_VERDICT_DIFFERS, MGENJIT_DIFFERS_OPT_LEVEL, first);
    check_verdict(o3, "first", ir_of(50), MGENJIT_VERDICT_DIFFERS, MGENJIT_DIFFERS_OPT_LEVEL | MGENJIT_DIFFERS_IR,
                  first);
    /* Of several the one that differs least. */
    at_o3 = use_ir("first", ir_of(50), MGENJIT_OPT_O3, MGENJIT_ORIGIN_COMPILED);
    check_verdict(o3, "first", ir_of(51), MGENJIT_VERDICT_DIFFERS, MGENJIT_DIFFERS_IR, at_o3);
    check_verdict(cache, "first", ir_of(51), MGENJIT_VERDICT_DIFFERS, MGENJIT_DIFFERS_IR, first);

    config = new_config(MGENJIT_OPT_O1);
    CHECK_OK(mgenjit_config_set_cpu(config, OLDEST_CPU, &failure));
    level = open_with(config);
    check_verdict(level, "removed", ir_of(2), MGENJIT_VERDICT_DIFFERS,
                  MGENJIT_DIFFERS_CPU | MGENJIT_DIFFERS_OPT_LEVEL, removed);
    mgenjit_cache_free(level);

    CHECK_OK(mgenjit_cache_remove(cache, removed, &failure));
    check_verdict(cache, "removed", ir_of(2), MGENJIT_VERDICT_REMOVED, 0, NULL);
    check_verdict(cache, "any name", ir_of(2), MGENJIT_VERDICT_REMOVED, 0, NULL);
    store("removed", 2);
    check_verdict(cache, "removed", ir_of(2), MGENJIT_VERDICT_HIT, 0, NULL);

    CHECK_OK(mgenjit_cache_pin(cache, first, 1, &failure));
    limited = open_limited(0, 1, 0);
    CHECK_OK(mgenjit_cache_trim(limited, NULL, NULL, &failure));
    mgenjit_cache_free(limited);
    check_verdict(cache, "removed", ir_of(2), MGENJIT_VERDICT_EVICTED, 0, NULL);
    check_verdict(cache, "first", ir_of(1), MGENJIT_VERDICT_HIT, 0, NULL);

    file = fopen(secret, "w");
    CHECK(file != NULL && fchmod(fileno(file), 0600) == 0);
    CHECK(fputs("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", file) > 0 && fclose(file) == 0);
    config = new_config(MGENJIT_OPT_O2);
    CHECK_OK(mgenjit_config_add_cache_trusted_key(config, secret, &failure));
    trusting = open_with(config);
    check_verdict(trusting, "first", ir_of(1), MGENJIT_VERDICT_UNTRUSTED, 0, NULL);
    CHECK_STATUS(MGENJIT_STATUS_UNTRUSTED, mgenjit_cache_verify(trusting, first, 0, &failure));
    mgenjit_cache_free(trusting);

    damage(cache, first);
    check_verdict(cache, "first", ir_of(1), MGENJIT_VERDICT_DAMAGED, 0, NULL);
    /* Deleted by hand: the index has not noticed. */
    CHECK_INT(1, list_entries(folder));
    CHECK(unlink(entries[0]) == 0);
    check_verdict(cache, "first", ir_of(1), MGENJIT_VERDICT_REMOVED, 0, NULL);
    CHECK_OK(mgenjit_cache_rebuild(cache, NULL, NULL, &failure));
    mgenjit_cache_free(o3);
    mgenjit_cache_free(cache);
}

/* Where no index is wanted, there is all that the files tell, and what was recorded before. */
static void without_an_index(void)
{
    mgenjit_config *config;
    mgenjit_cache *cache;
    char *key, prefix[9];
    char found[MGENJIT_KEY_SIZE];
    mgenjit_cache_free(start("no-index"));
    key = store("first", 1);
    store("second", 2);
    hit("second", 2);
    config = new_config(MGENJIT_OPT_O2);
    CHECK_OK(mgenjit_config_set_cache_index(config, 0, &failure));
    cache = open_with(config);
    CHECK_INT(2, stats_of(cache).entries);
    CHECK_INT(1, stats_of(cache).hits);
    CHECK_INT(1, stats_of(cache).has_history);
    CHECK(unlink(join(folder, "v4/journal")) == 0);
    CHECK(unlink(join(folder, "v4/index.sqlite")) == 0 || errno == ENOENT);
    CHECK_INT(0, stats_of(cache).hits);
    CHECK_INT(0, stats_of(cache).has_history);
    CHECK_INT(2, count_of(cache, NULL));
    snprintf(prefix, sizeof prefix, "%s", key);
    CHECK_OK(mgenjit_cache_resolve(cache, prefix, found, MGENJIT_KEY_SIZE, &failure));
    CHECK_STRING(key, found);
    CHECK_OK(mgenjit_cache_verify(cache, key, 0, &failure));
    CHECK_OK(mgenjit_cache_remove(cache, key, &failure));
    CHECK_INT(1, stats_of(cache).entries);
    CHECK_STATUS(MGENJIT_STATUS_CACHE, mgenjit_cache_rebuild(cache, NULL, NULL, &failure));
    CHECK_OK(mgenjit_cache_clear(cache, 0, NULL, NULL, &failure));
    CHECK_INT(0, stats_of(cache).entries);
    mgenjit_cache_free(cache);
}

/* A program of an older version of the header has shorter structs, one of a newer version longer ones. */
static void sizes_of_structs(void)
{
    mgenjit_cache *cache = start("sizes");
    char *key = store("first", 1);
    mgenjit_cache_iterator *iterator = NULL;
    mgenjit_cache_entry *entry = NULL;
    union {
        mgenjit_cache_statistics stats;
        mgenjit_cache_info info;
        mgenjit_cache_filter filter;
        unsigned char bytes[1024];
    } room;
    memset(&room, 0xaa, sizeof room);
    room.stats.size = offsetof(mgenjit_cache_statistics, bytes);
    CHECK_OK(mgenjit_cache_stats(cache, &room.stats, &failure));
    CHECK_INT(offsetof(mgenjit_cache_statistics, bytes), room.stats.size);
    CHECK_INT(1, room.stats.entries);
    for (size_t i = offsetof(mgenjit_cache_statistics, bytes); i < sizeof room; i++)
        CHECK_INT(0xaa, room.bytes[i]);
    room.stats.size = sizeof room;
    CHECK_OK(mgenjit_cache_stats(cache, &room.stats, &failure));
    CHECK_INT(sizeof room.stats, room.stats.size);
    for (size_t i = sizeof room.stats; i < sizeof room; i++)
        CHECK_INT(0xaa, room.bytes[i]);
    room.stats.size = sizeof(size_t) - 1;
    REFUSED(mgenjit_cache_stats(cache, &room.stats, &failure));
    room.stats.size = 0;
    REFUSED(mgenjit_cache_stats(cache, &room.stats, &failure));

    CHECK_OK(mgenjit_cache_entry_open(cache, key, &entry, &failure));
    memset(&room, 0xaa, sizeof room);
    room.info.size = offsetof(mgenjit_cache_info, name);
    CHECK_OK(mgenjit_cache_entry_info(entry, &room.info, &failure));
    CHECK_STRING(key, room.info.key);
    for (size_t i = offsetof(mgenjit_cache_info, name); i < sizeof room; i++)
        CHECK_INT(0xaa, room.bytes[i]);
    room.info.size = sizeof room;
    CHECK_OK(mgenjit_cache_entry_info(entry, &room.info, &failure));
    CHECK_INT(sizeof room.info, room.info.size);
    for (size_t i = sizeof room.info; i < sizeof room; i++)
        CHECK_INT(0xaa, room.bytes[i]);
    room.info.size = 1;
    REFUSED(mgenjit_cache_entry_info(entry, &room.info, &failure));
    mgenjit_cache_entry_free(entry);

    /* Of a shorter filter the rest lets everything through. */
    memset(&room, 0xaa, sizeof room);
    room.filter.size = offsetof(mgenjit_cache_filter, pinned);
    room.filter.name = "f*";
    CHECK_STRING("first ", names_of(cache, &room.filter));
    room.filter.size = sizeof(size_t);
    CHECK_STRING("first ", names_of(cache, &room.filter));
    memset(&room, 0xaa, sizeof room);
    room.filter = no_filter();
    room.filter.size = sizeof room;
    CHECK_STRING("first ", names_of(cache, &room.filter));
    room.filter.size = 0;
    REFUSED(mgenjit_cache_iterate(cache, &room.filter, &iterator, &failure));

    CHECK_OK(mgenjit_cache_iterate(cache, NULL, &iterator, &failure));
    memset(&room, 0xaa, sizeof room);
    room.info.size = 0;
    REFUSED(mgenjit_cache_iterator_next(iterator, &room.info, &failure));
    /* What was refused was not skipped. */
    room.info.size = offsetof(mgenjit_cache_info, name);
    CHECK_OK(mgenjit_cache_iterator_next(iterator, &room.info, &failure));
    CHECK_STRING(key, room.info.key);
    CHECK_OK(mgenjit_cache_iterator_next(iterator, &room.info, &failure));
    CHECK(room.info.key == NULL);
    mgenjit_cache_iterator_free(iterator);
    mgenjit_cache_free(cache);
}

static void nulls(void)
{
    mgenjit_cache *cache = start("nulls"), *none = NULL;
    char *key = store("first", 1), text[MGENJIT_KEY_SIZE];
    const char *keys[1] = {NULL};
    mgenjit_cache_statistics stats;
    mgenjit_cache_iterator *iterator = NULL;
    mgenjit_cache_info info;
    mgenjit_cache_entry *entry = NULL;
    mgenjit_blob *blob = NULL;
    mgenjit_explanation *explanation = NULL;
    stats.size = sizeof stats;
    info.size = sizeof info;
    mgenjit_cache_free(NULL);
    mgenjit_cache_iterator_free(NULL);
    mgenjit_cache_entry_free(NULL);
    mgenjit_blob_free(NULL);
    mgenjit_explanation_free(NULL);
    CHECK(mgenjit_cache_directory(NULL) == NULL);
    CHECK(mgenjit_blob_data(NULL) == NULL);
    CHECK_INT(0, mgenjit_blob_size(NULL));
    CHECK(mgenjit_cache_entry_features(NULL) == NULL);
    CHECK(mgenjit_cache_entry_options(NULL) == NULL);
    CHECK(mgenjit_cache_entry_path(NULL) == NULL);
    CHECK_INT(0, mgenjit_cache_entry_alias_count(NULL));
    CHECK(mgenjit_cache_entry_alias(NULL, 0) == NULL);
    CHECK_INT(0, mgenjit_cache_entry_function_count(NULL));
    CHECK(mgenjit_cache_entry_signature(NULL, 0) == NULL);
    CHECK(mgenjit_cache_entry_prototype(NULL, 0) == NULL);
    CHECK_INT(0, mgenjit_explanation_verdict(NULL));
    CHECK_INT(0, mgenjit_explanation_differences(NULL));
    CHECK(mgenjit_explanation_key(NULL) == NULL);
    CHECK(mgenjit_explanation_nearest(NULL) == NULL);
    CHECK_INT(0, mgenjit_explanation_time_us(NULL));
    CHECK_STRING("", mgenjit_explanation_message(NULL));

    REFUSED(mgenjit_cache_open(NULL, NULL, &failure));
    REFUSED(mgenjit_cache_stats(NULL, &stats, &failure));
    REFUSED(mgenjit_cache_stats(cache, NULL, &failure));
    REFUSED(mgenjit_cache_iterate(NULL, NULL, &iterator, &failure));
    REFUSED(mgenjit_cache_iterate(cache, NULL, NULL, &failure));
    REFUSED(mgenjit_cache_iterator_next(NULL, &info, &failure));
    CHECK_OK(mgenjit_cache_iterate(cache, NULL, &iterator, &failure));
    REFUSED(mgenjit_cache_iterator_next(iterator, NULL, &failure));
    mgenjit_cache_iterator_free(iterator);
    REFUSED(mgenjit_cache_resolve(NULL, key, text, MGENJIT_KEY_SIZE, &failure));
    REFUSED(mgenjit_cache_resolve(cache, NULL, text, MGENJIT_KEY_SIZE, &failure));
    REFUSED(mgenjit_cache_resolve(cache, key, NULL, MGENJIT_KEY_SIZE, &failure));
    REFUSED(mgenjit_cache_remove(NULL, key, &failure));
    REFUSED(mgenjit_cache_remove(cache, NULL, &failure));
    REFUSED(mgenjit_cache_pin(NULL, key, 1, &failure));
    REFUSED(mgenjit_cache_pin(cache, NULL, 1, &failure));
    REFUSED(mgenjit_cache_trim(NULL, NULL, NULL, &failure));
    REFUSED(mgenjit_cache_clear(NULL, 0, NULL, NULL, &failure));
    REFUSED(mgenjit_cache_verify(NULL, key, 0, &failure));
    REFUSED(mgenjit_cache_verify(cache, NULL, 0, &failure));
    REFUSED(mgenjit_cache_rebuild(NULL, NULL, NULL, &failure));
    REFUSED(mgenjit_cache_export(NULL, "bundle", NULL, 0, NULL, NULL, &failure));
    REFUSED(mgenjit_cache_export(cache, NULL, NULL, 0, NULL, NULL, &failure));
    REFUSED(mgenjit_cache_export(cache, "bundle", NULL, 1, NULL, NULL, &failure));
    REFUSED(mgenjit_cache_export(cache, "bundle", keys, 1, NULL, NULL, &failure));
    REFUSED(mgenjit_cache_import(NULL, "bundle", NULL, NULL, NULL, &failure));
    REFUSED(mgenjit_cache_import(cache, NULL, NULL, NULL, NULL, &failure));
    REFUSED(mgenjit_cache_entry_open(NULL, key, &entry, &failure));
    REFUSED(mgenjit_cache_entry_open(cache, NULL, &entry, &failure));
    REFUSED(mgenjit_cache_entry_open(cache, key, NULL, &failure));
    CHECK_OK(mgenjit_cache_entry_open(cache, key, &entry, &failure));
    REFUSED(mgenjit_cache_entry_info(NULL, &info, &failure));
    REFUSED(mgenjit_cache_entry_info(entry, NULL, &failure));
    REFUSED(mgenjit_cache_entry_read(NULL, MGENJIT_PART_IMAGE, &blob, &failure));
    REFUSED(mgenjit_cache_entry_read(entry, MGENJIT_PART_IMAGE, NULL, &failure));
    mgenjit_cache_entry_free(entry);
    REFUSED(mgenjit_cache_explain(NULL, "", "", 0, &explanation, &failure));
    REFUSED(mgenjit_cache_explain(cache, NULL, "", 0, &explanation, &failure));
    REFUSED(mgenjit_cache_explain(cache, "", NULL, 1, &explanation, &failure));
    REFUSED(mgenjit_cache_explain(cache, "", "", 0, NULL, &failure));
    CHECK(explanation == NULL);

    /* Nobody has to take an error, and without one all is as with it. */
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_cache_open(NULL, NULL, NULL));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_cache_remove(cache, "", NULL));
    CHECK_INT(MGENJIT_STATUS_OK, mgenjit_cache_stats(cache, &stats, NULL));
    CHECK_INT(1, stats.entries);
    CHECK(none == NULL);
    mgenjit_cache_free(cache);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(no_directory), CASE(no_cache), CASE(by_default), CASE(empty_directory), CASE(not_safe), CASE(statistics), CASE(other_keys), CASE(filters),
        CASE(iterators), CASE(resolving), CASE(entry_of_a_module), CASE(without_ir), CASE(pinning_and_removing),
        CASE(removing_what_runs), CASE(trimming), CASE(clearing), CASE(verifying), CASE(rebuilding), CASE(exporting),
        CASE(explaining), CASE(without_an_index), CASE(sizes_of_structs), CASE(nulls),
    };
    return RUN_CASES(cases);
}
