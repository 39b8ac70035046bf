// runs: once

/* Entries of the cache that are damaged: they are not run, the hook is told, and the code is compiled anew. */
#include "entries.h"

static char *cache;
static unsigned char *original;
static size_t length;

/* A cache with one entry. */
static void setup(void)
{
    check_events events;
    mgenjit_executor *executor;
    char name[64];
    snprintf(name, sizeof name, "damaged-%d", (int)getpid());
    cache = new_cache(name);
    executor = executor_with_cache(cache, &events);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_entry(executor));
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_entry(executor));
    CHECK_INT(1, events.count[MGENJIT_EVENT_STORED]);
    mgenjit_executor_free(executor);
    CHECK_INT(1, list_entries(cache));
    original = read_whole(entries[0], &length);
    CHECK(memcmp(original, "\x7f""ELF", 4) == 0);
}

/* With these bytes in the entry's place: a miss that says why, and a good entry after it. */
static void check_recompiled(const unsigned char *bytes, size_t count)
{
    check_events events;
    mgenjit_executor *executor = executor_with_cache(cache, &events);
    unsigned char *stored;
    size_t stored_length;
    replace_file(entries[0], bytes, count);
    if (use_entry(executor) != MGENJIT_ORIGIN_COMPILED)
        check_failed(__FILE__, __LINE__, "a damaged entry of %d bytes was used", (int)count);
    CHECK_INT(1, events.count[MGENJIT_EVENT_COMPILED]);
    CHECK(events.miss[0] != '\0' || events.warning[0] != '\0');
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_entry(executor));
    mgenjit_executor_free(executor);
    stored = read_whole(entries[0], &stored_length);
    CHECK(stored_length >= length / 2 && memcmp(stored, "\x7f""ELF", 4) == 0);
    free(stored);
}

static void cut_short(void)
{
    setup();
    for (size_t count = 0; count < length; count += 1 + length / (is_emulated() ? 15 : 60))
        check_recompiled(original, count);
    check_recompiled(original, length - 1);
}

static void longer(void)
{
    unsigned char *bytes;
    setup();
    bytes = calloc(1, length + 4096);
    CHECK(bytes != NULL);
    memcpy(bytes, original, length);
    check_recompiled(bytes, length + 1);
    check_recompiled(bytes, length + 4096);
    memcpy(bytes + 4096, original, length);
    check_recompiled(bytes, length + 4096);
    free(bytes);
}

/* The key that an entry's file is named after. */
static void key_of(const char *path, char key[MGENJIT_KEY_SIZE])
{
    const char *file = strrchr(path, '/') + 1;
    CHECK(strlen(file) == 62 + strlen(".so"));
    memcpy(key, file - 3, 2);
    memcpy(key + 2, file, 62);
    key[64] = '\0';
}

/* With these bytes in the entry's place: as check_recompiled, unless what is damaged does not run, but is attached.
 * Then whoever reads it notices. */
static void check_noticed(const unsigned char *bytes, size_t count)
{
    check_events events;
    mgenjit_executor *executor = executor_with_cache(cache, &events);
    mgenjit_config *config = default_config();
    mgenjit_cache *opened;
    char key[MGENJIT_KEY_SIZE];
    int origin;
    key_of(entries[0], key);
    CHECK_OK(mgenjit_config_set_cache_dir(config, cache, &failure));
    CHECK_OK(mgenjit_cache_open(config, &opened, &failure));
    replace_file(entries[0], bytes, count);
    CHECK_INT(MGENJIT_STATUS_DAMAGED, mgenjit_cache_verify(opened, key, 0, NULL));
    origin = use_entry(executor);
    mgenjit_executor_free(executor);
    if (origin == MGENJIT_ORIGIN_COMPILED) {
        CHECK_OK(mgenjit_cache_verify(opened, key, 0, &failure));
        check_recompiled(bytes, count);
    }
    mgenjit_cache_free(opened);
    mgenjit_config_free(config);
}

static void flipped_bits(void)
{
    setup();
    for (size_t place = 0; place < length; place += 1 + length / (is_emulated() ? 25 : 100)) {
        original[place] ^= (unsigned char)(1u << place % 8);
        check_noticed(original, length);
        original[place] ^= (unsigned char)(1u << place % 8);
    }
    /* Each byte of the tail: it has lengths and versions that must not be trusted before they are checked. */
    for (size_t place = length - 200; place < length; place += is_emulated() ? 4 : 1) {
        original[place] ^= 0xff;
        check_recompiled(original, length);
        original[place] ^= 0xff;
    }
}

static void other_files(void)
{
    static const unsigned char text[] = "this is no entry";
    unsigned char *bytes;
    size_t count;
    setup();
    check_recompiled(text, sizeof text);
    check_recompiled(text, 0);
    bytes = read_whole("/bin/true", &count);
    check_recompiled(bytes, count);
    free(bytes);
}

/* An entry of other code, whole and valid, under this one's name. */
static void another_entry(void)
{
    check_events events;
    mgenjit_executor *executor;
    unsigned char *bytes = NULL;
    size_t count = 0;
    char *mine;
    setup();
    mine = strdup(entries[0]);
    executor = executor_with_cache(cache, &events);
    mgenjit_module_free(add(executor, "define i32 @entry(i32 %x) {\n  ret i32 13\n}\n"));
    mgenjit_executor_free(executor);
    CHECK_INT(2, list_entries(cache));
    for (int i = 0; i < 2; i++)
        if (strcmp(entries[i], mine) != 0)
            bytes = read_whole(entries[i], &count);
    CHECK(bytes != NULL);
    entries[0] = mine;
    check_recompiled(bytes, count);
    free(bytes);
}

static void not_a_file(void)
{
    static const char *const kinds[] = { "directory", "link to itself", "link to nowhere", "pipe" };
    setup();
    for (int i = 0; i < 4; i++) {
        check_events events;
        mgenjit_executor *executor;
        CHECK(unlink(entries[0]) == 0);
        if (i == 0)
            CHECK(mkdir(entries[0], 0700) == 0);
        else if (i == 1)
            CHECK(symlink(entries[0], entries[0]) == 0);
        else if (i == 2)
            CHECK(symlink("/nowhere/else", entries[0]) == 0);
        else
            CHECK(mkfifo(entries[0], 0600) == 0);
        executor = executor_with_cache(cache, &events);
        if (use_entry(executor) != MGENJIT_ORIGIN_COMPILED)
            check_failed(__FILE__, __LINE__, "a %s was used", kinds[i]);
        use_entry(executor);
        mgenjit_executor_free(executor);
        CHECK(i != 0 ? unlink(entries[0]) == 0 : rmdir(entries[0]) == 0 || unlink(entries[0]) == 0);
        executor = executor_with_cache(cache, &events);
        CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_entry(executor));
        mgenjit_executor_free(executor);
    }
}

/* Entries are opened without following links: a link to a valid entry is not one. */
static void a_link_to_an_entry(void)
{
    char *moved;
    check_events events;
    mgenjit_executor *executor;
    setup();
    moved = in_folder("moved-entry");
    CHECK(rename(entries[0], moved) == 0);
    CHECK(symlink(moved, entries[0]) == 0);
    executor = executor_with_cache(cache, &events);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_entry(executor));
    mgenjit_executor_free(executor);
    unlink(moved);
}

/* Removing entries, and all of the cache, while code from them runs. */
static void removed_while_in_use(void)
{
    check_events events;
    mgenjit_executor *executor;
    int (*entry)(int);
    char *command = NULL;
    setup();
    executor = executor_with_cache(cache, &events);
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_entry(executor));
    entry = FUNCTION(int (*)(int), executor, "entry");
    CHECK(asprintf(&command, "rm -rf '%s'", cache) > 0);
    CHECK_INT(0, system(command));
    CHECK_INT(42, entry(7));
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_entry(executor));
    CHECK_INT(42, entry(7));
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_entry(executor));
    mgenjit_executor_free(executor);
}

/* Entries are not to be written, also not by who made them. */
static void permissions(void)
{
    struct stat status;
    setup();
    CHECK(stat(entries[0], &status) == 0);
    CHECK_INT(0400, status.st_mode & 0622);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(cut_short), CASE(longer), CASE(flipped_bits), CASE(other_files), CASE(another_entry), CASE(not_a_file),
        CASE(a_link_to_an_entry), CASE(removed_while_in_use), CASE(permissions),
    };
    return RUN_CASES(cases);
}
