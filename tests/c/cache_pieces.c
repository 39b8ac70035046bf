// runs: once

/* What a module and its entry say of the pieces that they were made of. */
#include "caches.h"

#include <stddef.h>

enum { PIECES = 3 };

static check_events events;

/* Three functions that know nothing of each other. */
static const char *ir_of(int first, int second, int third)
{
    static char ir[512];
    const char *format = "define i32 @f%d(i32 %%x) {\n  %%y = mul i32 %%x, %d\n  ret i32 %%y\n}\n";
    const int factors[PIECES] = { first, second, third };
    size_t length = 0;
    for (int i = 0; i < PIECES; i++)
        length += (size_t)snprintf(ir + length, sizeof ir - length, format, i, factors[i]);
    return ir;
}

/* A configuration that cuts after each function. */
static mgenjit_config *cutting(const char *folder)
{
    mgenjit_config *config = config_for(folder, &events);
    CHECK_OK(mgenjit_config_set_partition(config, 1, &failure));
    return config;
}

/* Compiles or finds a module, calls its third function with 10, and checks its pieces: of those whose bits are set in
 * `compiled` it says that they were compiled. Returns its key. */
static char *use_pieces(const mgenjit_config *config, const char *ir, int origin, int expect, unsigned compiled)
{
    mgenjit_executor *executor = new_executor(config);
    mgenjit_module *module = add(executor, ir);
    int (*third)(int) = (int (*)(int))find(executor, "f2");
    char *key = strdup(mgenjit_module_key(module));
    CHECK_INT(origin, mgenjit_module_origin(module));
    CHECK_INT(expect, third(10));
    CHECK_INT(PIECES, mgenjit_module_piece_count(module));
    for (unsigned i = 0; i < PIECES; i++) {
        char name[8];
        mgenjit_piece piece;
        memset(&piece, 0xaa, sizeof piece);
        piece.size = sizeof piece;
        CHECK_OK(mgenjit_module_piece(module, i, &piece, &failure));
        snprintf(name, sizeof name, "f%u", i);
        CHECK_INT(sizeof piece, piece.size);
        CHECK_STRING(name, piece.name);
        CHECK_INT(64, strlen(piece.key));
        CHECK_INT(1, piece.functions);
        CHECK_INT(2, piece.instructions);
        CHECK_INT((compiled >> i) & 1, piece.compiled);
    }
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    return key;
}

static void edited(void)
{
    char *folder = new_cache("edited"), *first, *second;
    mgenjit_config *config = cutting(folder);
    mgenjit_cache *cache = open_cache(config);
    mgenjit_cache_entry *one, *two, *part;
    mgenjit_cache_info info = { .size = sizeof info };
    mgenjit_piece before, after, itself;
    mgenjit_cache_statistics stats;

    first = use_pieces(config, ir_of(3, 5, 7), MGENJIT_ORIGIN_COMPILED, 70, 7);
    second = use_pieces(config, ir_of(3, 5, 9), MGENJIT_ORIGIN_COMPILED, 90, 4);
    /* A hit says how the entry came to be. */
    free(use_pieces(config, ir_of(3, 5, 9), MGENJIT_ORIGIN_CACHE, 90, 4));
    stats = statistics_of(cache);
    CHECK_INT(PIECES + 1, stats.pieces);
    CHECK_INT(PIECES + 3, stats.entries);
    CHECK_INT(PIECES + 1, stats.piece_stores);
    CHECK_INT(PIECES - 1, stats.piece_hits);
    CHECK_INT(2, stats.stores);
    CHECK_INT(1, stats.hits);

    CHECK_OK(mgenjit_cache_entry_open(cache, first, &one, &failure));
    CHECK_OK(mgenjit_cache_entry_open(cache, second, &two, &failure));
    CHECK_OK(mgenjit_cache_entry_info(two, &info, &failure));
    CHECK_INT(PIECES, info.pieces);
    CHECK_INT(0, info.is_piece);
    before.size = after.size = itself.size = sizeof before;
    for (size_t i = 0; i < PIECES; i++) {
        CHECK_OK(mgenjit_cache_entry_piece(one, i, &before, &failure));
        CHECK_OK(mgenjit_cache_entry_piece(two, i, &after, &failure));
        CHECK_INT(1, before.compiled);
        CHECK_INT(i == 2, after.compiled);
        CHECK_INT(i != 2, strcmp(before.key, after.key) == 0);
    }
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_entry_piece(two, PIECES, &after, &failure));
    CHECK_MESSAGE("there are 3");

    CHECK_OK(mgenjit_cache_entry_open(cache, after.key, &part, &failure));
    CHECK_OK(mgenjit_cache_entry_info(part, &info, &failure));
    CHECK_INT(1, info.is_piece);
    CHECK_INT(1, info.pieces);
    CHECK_INT(0, info.image_bytes);
    CHECK_INT(1, mgenjit_cache_entry_piece_count(part));
    CHECK_OK(mgenjit_cache_entry_piece(part, 0, &itself, &failure));
    CHECK_STRING("f2", itself.name);
    CHECK_STRING(after.key, itself.key);
    CHECK_INT(after.compile_us, itself.compile_us);
    CHECK_INT(0, mgenjit_cache_entry_function_count(part));

    /* A caller that knows fewer fields gets these. */
    itself.size = offsetof(mgenjit_piece, functions);
    itself.functions = 77;
    CHECK_OK(mgenjit_cache_entry_piece(part, 0, &itself, &failure));
    CHECK_INT(77, itself.functions);
    CHECK_INT(offsetof(mgenjit_piece, functions), itself.size);
    mgenjit_cache_entry_free(part);
    mgenjit_cache_entry_free(two);
    mgenjit_cache_entry_free(one);
    mgenjit_cache_free(cache);
    mgenjit_config_free(config);
    free(first);
    free(second);
}

/* With a cache or without, whoever stored what: verify mode compiles all pieces, and finds the same code. */
static void verified(void)
{
    char *folder = new_cache("verified"), *key;
    mgenjit_config *config = cutting(folder);
    mgenjit_cache *cache = open_cache(config);
    memset(&events, 0, sizeof events);
    free(use_pieces(config, ir_of(3, 5, 7), MGENJIT_ORIGIN_COMPILED, 70, 7));
    key = use_pieces(config, ir_of(3, 5, 9), MGENJIT_ORIGIN_COMPILED, 90, 4);
    CHECK_OK(mgenjit_config_set_cache_verify(config, true, &failure));
    free(use_pieces(config, ir_of(3, 5, 9), MGENJIT_ORIGIN_CACHE, 90, 4));
    CHECK_INT(3, events.count[MGENJIT_EVENT_COMPILED]);
    CHECK_INT(0, events.count[MGENJIT_EVENT_DIFFERENT]);
    CHECK_INT(PIECES - 1, statistics_of(cache).piece_hits);
    CHECK_OK(mgenjit_cache_verify(cache, key, true, &failure));
    CHECK_INT(PIECES - 1, statistics_of(cache).piece_hits);
    free(key);
    mgenjit_cache_free(cache);
    mgenjit_config_free(config);
}

/* A module knows its pieces without a cache, too. */
static void without_a_cache(void)
{
    mgenjit_config *config = cutting(new_cache("off"));
    CHECK_OK(mgenjit_config_set_cache_mode(config, MGENJIT_CACHE_OFF, &failure));
    free(use_pieces(config, ir_of(3, 5, 7), MGENJIT_ORIGIN_COMPILED, 70, 7));
    free(use_pieces(config, ir_of(3, 5, 7), MGENJIT_ORIGIN_COMPILED, 70, 7));
    mgenjit_config_free(config);
}

/* Pieces that are damaged, or that a read-only cache has: all is compiled that has to be. */
static void some_are_lost(void)
{
    char *folder = new_cache("lost");
    mgenjit_config *config = cutting(folder);
    mgenjit_cache *cache = open_cache(config);
    mgenjit_cache_entry *entry;
    mgenjit_piece piece = { .size = sizeof piece };
    char *key = use_pieces(config, ir_of(3, 5, 7), MGENJIT_ORIGIN_COMPILED, 70, 7);
    unsigned char *bytes;
    size_t length;

    CHECK_OK(mgenjit_cache_entry_open(cache, key, &entry, &failure));
    CHECK_OK(mgenjit_cache_entry_piece(entry, 0, &piece, &failure));
    CHECK_OK(mgenjit_cache_remove(cache, piece.key, &failure));
    CHECK_OK(mgenjit_cache_entry_piece(entry, 1, &piece, &failure));
    {
        mgenjit_cache_entry *part;
        char *path;
        CHECK_OK(mgenjit_cache_entry_open(cache, piece.key, &part, &failure));
        path = strdup(mgenjit_cache_entry_path(part));
        mgenjit_cache_entry_free(part);
        bytes = read_whole(path, &length);
        bytes[length / 2] ^= 1;
        replace_file(path, bytes, length);
        free(bytes);
        free(path);
    }
    mgenjit_cache_entry_free(entry);
    CHECK_OK(mgenjit_config_set_cache_mode(config, MGENJIT_CACHE_READ_ONLY, &failure));
    memset(&events, 0, sizeof events);
    free(use_pieces(config, ir_of(3, 5, 8), MGENJIT_ORIGIN_COMPILED, 80, 7));
    CHECK(events.count[MGENJIT_EVENT_CACHE_WARNING] > 0);
    CHECK_OK(mgenjit_config_set_cache_mode(config, MGENJIT_CACHE_READ_WRITE, &failure));
    free(use_pieces(config, ir_of(3, 5, 8), MGENJIT_ORIGIN_COMPILED, 80, 7));
    /* Now they are there again. */
    free(use_pieces(config, ir_of(3, 5, 6), MGENJIT_ORIGIN_COMPILED, 60, 4));
    free(key);
    mgenjit_cache_free(cache);
    mgenjit_config_free(config);
}

int main(void)
{
    static const check_case cases[] = { CASE(edited), CASE(verified), CASE(without_a_cache), CASE(some_are_lost) };
    return RUN_CASES(cases);
}
