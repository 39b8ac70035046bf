// runs: once

/* Caches that other versions left: read, or left alone. tests/fixtures has one of each format. */
#include "caches.h"

/* A copy of tests/fixtures/<name> as a cache directory. */
static char *copy_of(const char *name)
{
    char *folder = in_folder(name), *command = NULL;
    CHECK(asprintf(&command, "cp -r '%s/../fixtures/%s' '%s' && chmod -R go-w '%s' && chmod 0700 '%s'",
                   getenv("CHECK_PROGRAMS"), name, folder, folder, folder)
          > 0);
    CHECK_INT(0, system(command));
    free(command);
    return folder;
}

static int count_files(const char *folder)
{
    char *command = NULL, line[32];
    FILE *output;
    CHECK(asprintf(&command, "find '%s' -type f | wc -l", folder) > 0);
    output = popen(command, "r");
    CHECK(output != NULL && fgets(line, sizeof line, output) != NULL);
    pclose(output);
    free(command);
    return atoi(line);
}

/* A format that is no longer read: its entries are not found, and stay until the cache is cleared. */
static void old_format(const char *name, const char *version, int files)
{
    char *folder = copy_of(name);
    mgenjit_config *config = config_for(folder, NULL);
    mgenjit_cache *cache = open_cache(config);
    CHECK_INT(files, count_files(join(folder, version)));
    CHECK_INT(0, (long long)statistics_of(cache).entries);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_with(config));
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_with(config));
    CHECK_INT(1, (long long)statistics_of(cache).entries);
    CHECK_OK(mgenjit_cache_rebuild(cache, NULL, NULL, &failure));
    CHECK_OK(mgenjit_cache_trim(cache, NULL, NULL, &failure));
    CHECK_INT(files, count_files(join(folder, version)));
    CHECK_OK(mgenjit_cache_clear(cache, 1, NULL, NULL, &failure));
    CHECK(access(join(folder, version), F_OK) == -1);
    mgenjit_cache_free(cache);
    mgenjit_config_free(config);
}

static void format_1(void)
{
    old_format("format-1", "v1", 2);
}

static void format_2(void)
{
    old_format("format-2", "v2", 4);
}

static void format_3(void)
{
    old_format("format-3", "v3", 4);
}

/* Format 4, written when it was new, with its index: a later build of this version still reads it. */
static void format_4(void)
{
    char *folder = copy_of("format-4");
    mgenjit_config *config = config_for(folder, NULL);
    mgenjit_cache *cache = open_cache(config);
    mgenjit_cache_entry *entry;
    mgenjit_cache_info info;
    mgenjit_blob *blob;
    char keys[64][MGENJIT_KEY_SIZE];
    CHECK_INT(1, (long long)statistics_of(cache).entries);
    CHECK_INT(1, (long long)statistics_of(cache).stores);
    CHECK_INT(2, (long long)statistics_of(cache).hits);
    CHECK_INT(1, list_keys(cache, keys));
    CHECK_OK(mgenjit_cache_verify(cache, keys[0], 0, &failure));
    CHECK_OK(mgenjit_cache_entry_open(cache, keys[0], &entry, &failure));
    info.size = sizeof info;
    CHECK_OK(mgenjit_cache_entry_info(entry, &info, &failure));
    CHECK_STRING("fixture", info.name);
    CHECK_STRING("x86-64-v2", info.machine);
    CHECK_INT(2, (long long)info.hits);
    CHECK_INT(MGENJIT_OPT_O1, info.opt_level);
    CHECK_INT(1, (long long)mgenjit_cache_entry_function_count(entry));
    CHECK_STRING("int32_t entry(int32_t);", mgenjit_cache_entry_prototype(entry, 0));
    CHECK_OK(mgenjit_cache_entry_read(entry, MGENJIT_PART_IR, &blob, &failure));
    CHECK_INT(strlen(ENTRY_IR), (long long)mgenjit_blob_size(blob));
    CHECK(memcmp(mgenjit_blob_data(blob), ENTRY_IR, strlen(ENTRY_IR)) == 0);
    mgenjit_blob_free(blob);
    mgenjit_cache_entry_free(entry);
    /* And without its index. */
    CHECK_OK(mgenjit_cache_rebuild(cache, NULL, NULL, &failure));
    CHECK_INT(1, (long long)statistics_of(cache).entries);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_with(config));
    CHECK_INT(2, (long long)statistics_of(cache).entries);
    mgenjit_cache_free(cache);
    mgenjit_config_free(config);
}

/* What a newer version left is not touched, whatever is asked for. */
static void newer_formats(void)
{
    char *folder = new_cache("newer"), *path;
    mgenjit_config *config = config_for(folder, NULL);
    mgenjit_cache *cache = open_cache(config);
    unsigned char *bytes;
    size_t length;
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_with(config));
    CHECK_INT(1, list_entries(folder));
    bytes = read_whole(entries[0], &length);
    /* The version stands 16 bytes before the end, in every version. */
    CHECK_INT(4, bytes[length - 16]);
    bytes[length - 16] = 5;
    path = join(folder, "v4/entries/ab");
    CHECK(mkdir(path, 0700) == 0 || errno == EEXIST);
    path = join(path, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.so");
    {
        FILE *file = fopen(path, "w");
        CHECK(file != NULL && fwrite(bytes, 1, length, file) == length && fclose(file) == 0);
    }
    CHECK(mkdir(join(folder, "v5"), 0700) == 0 && mkdir(join(folder, "v5/entries"), 0700) == 0);
    CHECK_OK(mgenjit_cache_rebuild(cache, NULL, NULL, &failure));
    CHECK_OK(mgenjit_cache_trim(cache, NULL, NULL, &failure));
    CHECK_OK(mgenjit_cache_clear(cache, 1, NULL, NULL, &failure));
    CHECK(access(path, F_OK) == 0);
    CHECK(access(join(folder, "v5/entries"), F_OK) == 0);
    CHECK_INT(0, (long long)statistics_of(cache).entries);
    mgenjit_cache_free(cache);
    mgenjit_config_free(config);
}

int main(void)
{
    static const check_case cases[] = { CASE(format_1), CASE(format_2), CASE(format_3), CASE(format_4),
                                        CASE(newer_formats) };
    return RUN_CASES(cases);
}
