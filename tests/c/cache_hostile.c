// runs: once

/*
 * What others may put into a cache's directory: links, pipes, folders and files in the place of its own. Code is
 * compiled and right, nothing hangs, and nothing is written or removed outside the directory.
 */
#include "entries.h"

#include <sys/resource.h>

static check_events events;
static char *cache, *outside;

/* What is behind links. It must stay as it is. */

static const char SECRET[] = "nobody is to change this\n";

static char *victim_file(void) { return join(outside, "file"); }
static char *victim_folder(void) { return join(outside, "folder"); }

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
    CHECK(chmod(path, mode) == 0);
}

static void remove_all(const char *path)
{
    char *command = NULL;
    CHECK(asprintf(&command, "rm -rf '%s'", path) > 0);
    CHECK_INT(0, system(command));
    free(command);
}

static void make_victims(void)
{
    remove_all(in_folder("outside"));
    outside = new_cache("outside");
    write_file(victim_file(), SECRET, 0600);
    CHECK(mkdir(victim_folder(), 0700) == 0);
    write_file(join(victim_folder(), "inside"), SECRET, 0600);
}

static void check_secret(const char *path)
{
    size_t length;
    unsigned char *bytes = read_whole(path, &length);
    CHECK_INT(sizeof SECRET - 1, length);
    CHECK(memcmp(bytes, SECRET, length) == 0);
    free(bytes);
}

static int count_below(const char *path)
{
    char *command = NULL, text[32] = "";
    FILE *pipe;
    CHECK(asprintf(&command, "find '%s' | wc -l", path) > 0);
    pipe = popen(command, "r");
    CHECK(pipe != NULL && fgets(text, sizeof text, pipe) != NULL);
    pclose(pipe);
    free(command);
    return atoi(text);
}

static void check_victims(const char *what)
{
    struct stat status;
    if (count_below(outside) != 4)
        check_failed(__FILE__, __LINE__, "%s: something outside was made or removed", what);
    check_secret(victim_file());
    check_secret(join(victim_folder(), "inside"));
    CHECK(stat(victim_file(), &status) == 0 && (status.st_mode & 07777) == 0600);
    CHECK(stat(victim_folder(), &status) == 0 && (status.st_mode & 07777) == 0700);
}

/* What is put in a place. */
typedef enum kind {
    LINK_TO_FILE,
    LINK_TO_FOLDER,
    LINK_TO_NOWHERE,
    LINK_TO_ITSELF,
    PIPE,
    FOLDER,
    FULL_FOLDER,
    TEXT,
    EMPTY,
    FORBIDDEN,
    HARD_LINK,
    OF_SOMEONE_ELSE,
    WRITABLE_BY_OTHERS,
    FOLDER_WRITABLE_BY_OTHERS,
    KINDS,
} kind;

static const char *const KIND_NAMES[KINDS] = {
    "a link to a file", "a link to a folder", "a link to nowhere", "a link to itself", "a pipe", "a folder",
    "a folder with a file", "a text", "an empty file", "a file without permissions", "a hard link",
    "a file of someone else", "a file that others may write", "a folder that others may write",
};

/* Puts it there. Returns 0 if this user cannot. */
static int put(kind what, const char *path)
{
    switch (what) {
    case LINK_TO_FILE:
        return symlink(victim_file(), path) == 0;
    case LINK_TO_FOLDER:
        return symlink(victim_folder(), path) == 0;
    case LINK_TO_NOWHERE:
        return symlink(join(outside, "nothing"), path) == 0;
    case LINK_TO_ITSELF:
        return symlink(path, path) == 0;
    case PIPE:
        return mkfifo(path, 0600) == 0;
    case FOLDER:
        return mkdir(path, 0700) == 0;
    case FULL_FOLDER:
        return mkdir(path, 0700) == 0 && mknod(join(path, "file"), S_IFREG | 0600, 0) == 0;
    case TEXT:
        write_file(path, SECRET, 0600);
        return 1;
    case EMPTY:
        write_file(path, "", 0600);
        return 1;
    case FORBIDDEN:
        write_file(path, SECRET, 0);
        return 1;
    case HARD_LINK:
        return link(victim_file(), path) == 0;
    case OF_SOMEONE_ELSE:
        write_file(path, SECRET, 0600);
        return geteuid() == 0 && chown(path, 65534, 65534) == 0;
    case WRITABLE_BY_OTHERS:
        write_file(path, SECRET, 0666);
        return 1;
    case FOLDER_WRITABLE_BY_OTHERS:
        return mkdir(path, 0700) == 0 && chmod(path, 0777) == 0;
    case KINDS:
        break;
    }
    return 0;
}

static mgenjit_config *new_config(void)
{
    mgenjit_config *config = new_watched_config(&events);
    CHECK_OK(mgenjit_config_set_cache_dir(config, cache, &failure));
    CHECK_OK(mgenjit_config_set_max_servers(config, 1, &failure));
    /* A store trims each time. */
    CHECK_OK(mgenjit_config_set_cache_limits(config, 0, 1, 0, &failure));
    return config;
}

/* It works, or says what is in its way. */
static int clean(mgenjit_status status)
{
    check_status(__FILE__, __LINE__, "an operation on the cache", status, status);
    if (status != MGENJIT_STATUS_OK && status != MGENJIT_STATUS_CACHE && status != MGENJIT_STATUS_NOT_FOUND)
        check_failed(__FILE__, __LINE__, "%s: %s", mgenjit_status_name(status), mgenjit_error_message(failure));
    if (status != MGENJIT_STATUS_OK)
        CHECK_MESSAGE(cache);
    return status == MGENJIT_STATUS_OK;
}

#define CLEAN(call) (check_reset(), clean(call))

/* Returns how many of these operations worked. */
static int administer(void)
{
    mgenjit_config *config = new_config();
    mgenjit_cache *opened = NULL;
    mgenjit_cache_iterator *iterator = NULL;
    mgenjit_cache_statistics statistics;
    int worked = 0;
    CHECK_OK(mgenjit_cache_open(config, &opened, &failure));
    for (int i = 0; i < 2; i++) {
        statistics.size = sizeof statistics;
        worked += CLEAN(mgenjit_cache_stats(opened, &statistics, &failure));
        if (CLEAN(mgenjit_cache_iterate(opened, NULL, &iterator, &failure))) {
            mgenjit_cache_info info;
            info.size = sizeof info;
            worked += CLEAN(mgenjit_cache_iterator_next(iterator, &info, &failure));
            mgenjit_cache_iterator_free(iterator);
        }
        worked += CLEAN(mgenjit_cache_trim(opened, NULL, NULL, &failure));
        worked += CLEAN(mgenjit_cache_rebuild(opened, NULL, NULL, &failure));
        if (i == 0)
            worked += CLEAN(mgenjit_cache_clear(opened, 1, NULL, NULL, &failure));
    }
    mgenjit_cache_free(opened);
    mgenjit_config_free(config);
    return worked;
}

/* Compiles twice, and something else, with an executor of its own. Returns whether it was stored. */
static int compile_and_check(const char *what)
{
    mgenjit_config *config = new_config();
    mgenjit_executor *executor = new_executor(config);
    int stored;
    use_entry(executor);
    stored = use_entry(executor) == MGENJIT_ORIGIN_CACHE;
    /* It may have been stored and evicted at once. */
    stored |= events.count[MGENJIT_EVENT_STORED] > 0;
    if (!stored && events.count[MGENJIT_EVENT_CACHE_WARNING] == 0)
        check_failed(__FILE__, __LINE__, "%s: nothing was stored, and nothing was said", what);
    check_usable(executor);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
    return stored;
}

/* A cache with one entry, and a journal and an index. */
static void fill(const char *name)
{
    cache = in_folder(name);
    remove_all(cache);
    cache = new_cache(name);
    CHECK(compile_and_check("a new cache"));
}

static int tried, worked_all, recovered;

/* One thing in one place: first with the cache as it is, then with a new folder around it. */
static void check_place(const char *place, kind what)
{
    char *path, *description = NULL;
    int stored;
    CHECK(asprintf(&description, "%s in the place of %s", KIND_NAMES[what], place) > 0);
    fill("cache");
    make_victims();
    path = join(cache, place);
    remove_all(path);
    if (!put(what, path)) {
        SKIP("%s: it takes root to give a file away", description);
        return;
    }
    stored = compile_and_check(description);
    check_victims(description);
    stored &= compile_and_check(description);
    check_victims(description);
    worked_all += administer() == 9;
    check_victims(description);
    recovered += stored;
    tried++;
    /* Out of the way, all is as it was. */
    remove_all(path);
    if (!compile_and_check(description))
        check_failed(__FILE__, __LINE__, "%s: nothing is stored when it is gone", description);
    if (administer() != 9)
        check_failed(__FILE__, __LINE__, "%s: %s", description, mgenjit_error_message(failure));
    check_victims(description);
    free(description);
}

static void check_places(const char *const *places)
{
    /* An emulator takes some of them, in each place others. */
    static int first;
    const int step = is_emulated() ? 5 : 1;
    tried = worked_all = recovered = 0;
    for (; *places != NULL; places++, first++)
        for (int what = first % step; what < KINDS; what += step)
            check_place(*places, (kind)what);
    fprintf(stderr, "%d cases: in %d all operations worked, in %d entries were stored and found\n", tried, worked_all,
            recovered);
}

static void folders(void)
{
    static const char *const PLACES[] = { "v4", "v4/entries", "v4/locks", "v4/tmp", "v4/pins", NULL };
    check_places(PLACES);
}

static void files(void)
{
    static const char *const PLACES[] = { "v4/journal", "v4/maintenance", NULL };
    check_places(PLACES);
}

static void index_files(void)
{
    static const char *const PLACES[] = { "v4/index.sqlite", "v4/index.sqlite-wal", "v4/index.sqlite-shm",
                                          "v4/index.sqlite-journal", NULL };
    check_places(PLACES);
}

/* The places that have a key in their names. */
static void named_places(void)
{
    char key[65] = "", lock[128], folder[32], pin[128];
    const char *places[4] = { folder, lock, pin, NULL };
    fill("cache");
    {
        mgenjit_config *config = new_config();
        mgenjit_executor *executor = new_executor(config);
        mgenjit_module *module = add(executor, ENTRY_IR);
        snprintf(key, sizeof key, "%s", mgenjit_module_key(module));
        mgenjit_module_free(module);
        mgenjit_executor_free(executor);
        mgenjit_config_free(config);
    }
    snprintf(lock, sizeof lock, "v4/locks/%s", key);
    snprintf(pin, sizeof pin, "v4/pins/%s", key);
    snprintf(folder, sizeof folder, "v4/entries/%.2s", key);
    check_places(places);
}

/* An entry under another key's name, renamed there or as another name of the same file. */
static void another_name(void)
{
    static const char OTHER[] = "define i32 @entry(i32 %x) {\n  ret i32 13\n}\n";
    for (int linked = 0; linked < 2; linked++) {
        mgenjit_config *config;
        mgenjit_executor *executor;
        char *mine, *other = NULL;
        cache = in_folder("renamed");
        remove_all(cache);
        cache = new_cache("renamed");
        config = new_watched_config(&events);
        CHECK_OK(mgenjit_config_set_cache_dir(config, cache, &failure));
        executor = new_executor(config);
        use_entry(executor);
        CHECK_INT(1, list_entries(cache));
        mine = strdup(entries[0]);
        mgenjit_module_free(add(executor, OTHER));
        CHECK_INT(2, list_entries(cache));
        for (int i = 0; i < 2; i++)
            if (strcmp(entries[i], mine) != 0)
                other = strdup(entries[i]);
        CHECK(other != NULL && unlink(mine) == 0);
        CHECK((linked ? link(other, mine) : rename(other, mine)) == 0);
        memset(&events, 0, sizeof events);
        CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_entry(executor));
        CHECK(events.count[MGENJIT_EVENT_CACHE_WARNING] >= 1);
        CHECK_CONTAINS("belongs to the key", events.warning);
        CHECK_INT(MGENJIT_ORIGIN_CACHE, use_entry(executor));
        {
            mgenjit_module *module = add(executor, OTHER);
            void *address;
            CHECK_INT(linked ? MGENJIT_ORIGIN_CACHE : MGENJIT_ORIGIN_COMPILED, mgenjit_module_origin(module));
            CHECK_OK(mgenjit_module_lookup(module, "entry", &address, &failure));
            CHECK_INT(13, ((int (*)(int))address)(7));
            mgenjit_module_free(module);
        }
        administer();
        mgenjit_executor_free(executor);
        mgenjit_config_free(config);
    }
}

/* `cp -al`: two caches whose files are the same files. Each goes its own way. */
static void a_copy_of_links(void)
{
    char *first, *second, *command = NULL;
    fill("cache");
    first = cache;
    second = in_folder("second");
    CHECK(asprintf(&command, "cp -al '%s' '%s'", first, second) > 0);
    CHECK_INT(0, system(command));
    for (int i = 0; i < 3; i++) {
        cache = i % 2 == 0 ? second : first;
        compile_and_check("a copy of links");
        CHECK_INT(9, administer());
        compile_and_check("a copy of links");
    }
}

int main(void)
{
    static const check_case cases[] = {
        CASE(folders), CASE(files), CASE(index_files), CASE(named_places), CASE(another_name), CASE(a_copy_of_links),
    };
    check_seconds = 200;
    return RUN_CASES(cases);
}
