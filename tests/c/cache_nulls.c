// runs: once

/* As nulls.c, for the functions of caches. */
#include "caches.h"

#define REFUSED(call) CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, call)

static const char KEY[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

static void frees_and_questions(void)
{
    mgenjit_blob_free(NULL);
    mgenjit_cache_free(NULL);
    mgenjit_cache_iterator_free(NULL);
    mgenjit_cache_entry_free(NULL);
    mgenjit_explanation_free(NULL);
    CHECK(mgenjit_blob_data(NULL) == NULL);
    CHECK_INT(0, (long long)mgenjit_blob_size(NULL));
    CHECK(mgenjit_cache_directory(NULL) == NULL);
    CHECK(mgenjit_cache_entry_features(NULL) == NULL);
    CHECK(mgenjit_cache_entry_options(NULL) == NULL);
    CHECK(mgenjit_cache_entry_path(NULL) == NULL);
    CHECK_INT(0, (long long)mgenjit_cache_entry_alias_count(NULL));
    CHECK(mgenjit_cache_entry_alias(NULL, 0) == NULL);
    CHECK_INT(0, (long long)mgenjit_cache_entry_input_count(NULL));
    CHECK(mgenjit_cache_entry_input_name(NULL, 0) == NULL);
    CHECK_INT(0, (long long)mgenjit_cache_entry_input_size(NULL, 0));
    CHECK_INT(0, (long long)mgenjit_cache_entry_piece_count(NULL));
    CHECK_INT(0, (long long)mgenjit_cache_entry_function_count(NULL));
    CHECK(mgenjit_cache_entry_signature(NULL, 0) == NULL);
    CHECK(mgenjit_cache_entry_prototype(NULL, 0) == NULL);
    CHECK_INT(0, mgenjit_explanation_verdict(NULL));
    CHECK_INT(0, mgenjit_explanation_differences(NULL));
    CHECK(mgenjit_explanation_key(NULL) == NULL);
    CHECK(mgenjit_explanation_nearest(NULL) == NULL);
    CHECK_INT(0, (long long)mgenjit_explanation_time_us(NULL));
    CHECK_STRING("", mgenjit_explanation_message(NULL));
}

static void configuration(void)
{
    mgenjit_config *config = default_config();
    REFUSED(mgenjit_config_add_cache_layer(NULL, "/tmp", &failure));
    REFUSED(mgenjit_config_add_cache_layer(config, NULL, &failure));
    REFUSED(mgenjit_config_add_cache_layer(config, "", &failure));
    REFUSED(mgenjit_config_set_cache_limits(NULL, 1, 1, 1, &failure));
    REFUSED(mgenjit_config_set_cache_sync(NULL, 1, &failure));
    REFUSED(mgenjit_config_set_cache_keep_ir(NULL, 1, &failure));
    REFUSED(mgenjit_config_set_cache_index(NULL, 1, &failure));
    REFUSED(mgenjit_config_set_cache_verify(NULL, 1, &failure));
    REFUSED(mgenjit_config_set_cache_signing_key(NULL, "/tmp", &failure));
    REFUSED(mgenjit_config_set_cache_signing_key(config, "", &failure));
    CHECK_OK(mgenjit_config_set_cache_signing_key(config, NULL, &failure));
    REFUSED(mgenjit_config_add_cache_trusted_key(NULL, "/tmp", &failure));
    REFUSED(mgenjit_config_add_cache_trusted_key(config, NULL, &failure));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_add_cache_trusted_key(NULL, NULL, NULL));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_add_cache_layer(NULL, NULL, NULL));
    mgenjit_config_free(config);
}

static void caches(void)
{
    mgenjit_config *config = config_for(new_cache("nulls"), NULL);
    mgenjit_cache *cache;
    mgenjit_cache_iterator *iterator = NULL;
    mgenjit_cache_statistics statistics;
    mgenjit_cache_info info;
    char key[MGENJIT_KEY_SIZE];
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_with(config));
    REFUSED(mgenjit_cache_open(config, NULL, &failure));
    cache = open_cache(config);

    statistics.size = sizeof statistics;
    REFUSED(mgenjit_cache_stats(NULL, &statistics, &failure));
    REFUSED(mgenjit_cache_stats(cache, NULL, &failure));
    statistics.size = 0;
    REFUSED(mgenjit_cache_stats(cache, &statistics, &failure));

    REFUSED(mgenjit_cache_iterate(NULL, NULL, &iterator, &failure));
    REFUSED(mgenjit_cache_iterate(cache, NULL, NULL, &failure));
    CHECK_OK(mgenjit_cache_iterate(cache, NULL, &iterator, &failure));
    info.size = sizeof info;
    REFUSED(mgenjit_cache_iterator_next(NULL, &info, &failure));
    REFUSED(mgenjit_cache_iterator_next(iterator, NULL, &failure));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_cache_iterator_next(NULL, NULL, NULL));
    mgenjit_cache_iterator_free(iterator);

    REFUSED(mgenjit_cache_resolve(NULL, "a", key, MGENJIT_KEY_SIZE, &failure));
    REFUSED(mgenjit_cache_resolve(cache, NULL, key, MGENJIT_KEY_SIZE, &failure));
    REFUSED(mgenjit_cache_resolve(cache, "a", NULL, MGENJIT_KEY_SIZE, &failure));
    REFUSED(mgenjit_cache_remove(NULL, KEY, &failure));
    REFUSED(mgenjit_cache_remove(cache, NULL, &failure));
    REFUSED(mgenjit_cache_pin(NULL, KEY, 1, &failure));
    REFUSED(mgenjit_cache_pin(cache, NULL, 1, &failure));
    REFUSED(mgenjit_cache_trim(NULL, NULL, NULL, &failure));
    CHECK_OK(mgenjit_cache_trim(cache, NULL, NULL, &failure));
    REFUSED(mgenjit_cache_verify(NULL, KEY, 0, &failure));
    REFUSED(mgenjit_cache_verify(cache, NULL, 0, &failure));
    REFUSED(mgenjit_cache_rebuild(NULL, NULL, NULL, &failure));
    CHECK_OK(mgenjit_cache_rebuild(cache, NULL, NULL, &failure));
    REFUSED(mgenjit_cache_export(NULL, "/tmp/x", NULL, 0, NULL, NULL, &failure));
    REFUSED(mgenjit_cache_export(cache, NULL, NULL, 0, NULL, NULL, &failure));
    REFUSED(mgenjit_cache_export(cache, "/tmp/x", NULL, 1, NULL, NULL, &failure));
    REFUSED(mgenjit_cache_import(NULL, "/tmp/x", NULL, NULL, NULL, &failure));
    REFUSED(mgenjit_cache_import(cache, NULL, NULL, NULL, NULL, &failure));
    REFUSED(mgenjit_cache_clear(NULL, 0, NULL, NULL, &failure));
    CHECK_OK(mgenjit_cache_clear(cache, 0, NULL, NULL, &failure));
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_cache_clear(NULL, 0, NULL, NULL, NULL));
    mgenjit_cache_free(cache);
    mgenjit_config_free(config);

    /* The default cache: nothing is made by opening it. */
    CHECK_OK(mgenjit_cache_open(NULL, &cache, &failure));
    mgenjit_cache_free(cache);
}

static void one_entry(void)
{
    mgenjit_config *config = config_for(new_cache("nulls-entry"), NULL);
    mgenjit_cache *cache;
    mgenjit_cache_entry *entry = NULL;
    mgenjit_piece piece;
    mgenjit_explanation *explanation = NULL;
    mgenjit_remote_status remote = {.size = sizeof remote};
    mgenjit_remote_collection collection = {.size = sizeof collection};
    mgenjit_source *source = NULL;
    mgenjit_cache_info info;
    mgenjit_blob *blob = NULL;
    char keys[64][MGENJIT_KEY_SIZE];
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_with(config));
    cache = open_cache(config);
    CHECK_INT(1, list_keys(cache, keys));
    REFUSED(mgenjit_cache_entry_open(NULL, keys[0], &entry, &failure));
    REFUSED(mgenjit_cache_entry_open(cache, NULL, &entry, &failure));
    REFUSED(mgenjit_cache_entry_open(cache, keys[0], NULL, &failure));
    CHECK_OK(mgenjit_cache_entry_open(cache, keys[0], &entry, &failure));
    info.size = sizeof info;
    REFUSED(mgenjit_cache_entry_info(NULL, &info, &failure));
    REFUSED(mgenjit_cache_entry_info(entry, NULL, &failure));
    REFUSED(mgenjit_cache_entry_read(NULL, MGENJIT_PART_IMAGE, &blob, &failure));
    REFUSED(mgenjit_cache_entry_read(entry, MGENJIT_PART_IMAGE, NULL, &failure));
    REFUSED(mgenjit_cache_entry_read(entry, 99, &blob, &failure));
    piece.size = sizeof piece;
    REFUSED(mgenjit_cache_entry_piece(NULL, 0, &piece, &failure));
    REFUSED(mgenjit_cache_entry_piece(entry, 0, NULL, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_entry_piece(entry, 99, &piece, &failure));
    CHECK_INT(MGENJIT_STATUS_NOT_FOUND, mgenjit_cache_entry_piece(entry, 0, &piece, NULL));
    CHECK(mgenjit_cache_entry_signature(entry, 99) == NULL);
    CHECK(mgenjit_cache_entry_prototype(entry, 99) == NULL);
    CHECK(mgenjit_cache_entry_alias(entry, 99) == NULL);
    CHECK(mgenjit_cache_entry_input_name(entry, 99) == NULL);
    CHECK_INT(0, (long long)mgenjit_cache_entry_input_size(entry, 99));
    mgenjit_cache_entry_free(entry);

    REFUSED(mgenjit_cache_remote_status(NULL, 0, &remote, &failure));
    REFUSED(mgenjit_cache_remote_status(cache, 0, NULL, &failure));
    REFUSED(mgenjit_cache_remote_push(NULL, NULL, 0, NULL, NULL, NULL, &failure));
    REFUSED(mgenjit_cache_remote_push(cache, NULL, 1, NULL, NULL, NULL, &failure));
    REFUSED(mgenjit_cache_remote_pull(NULL, NULL, 0, NULL, NULL, NULL, &failure));
    REFUSED(mgenjit_cache_remote_pull(cache, NULL, 1, NULL, NULL, NULL, &failure));
    REFUSED(mgenjit_cache_remote_gc(NULL, 1, 1, &collection, &failure));
    REFUSED(mgenjit_cache_remote_gc(cache, 1, 1, NULL, &failure));
    CHECK(mgenjit_explanation_cpu(NULL) == NULL && mgenjit_explanation_remote(NULL) == NULL);
    REFUSED(mgenjit_cache_explain(NULL, "name", "x", 1, &explanation, &failure));
    REFUSED(mgenjit_cache_explain(cache, NULL, "x", 1, &explanation, &failure));
    REFUSED(mgenjit_cache_explain(cache, "name", NULL, 1, &explanation, &failure));
    REFUSED(mgenjit_cache_explain(cache, "name", "x", 1, NULL, &failure));
    CHECK_OK(mgenjit_source_new("name", &source, &failure));
    REFUSED(mgenjit_cache_explain_source(NULL, source, &explanation, &failure));
    REFUSED(mgenjit_cache_explain_source(cache, NULL, &explanation, &failure));
    REFUSED(mgenjit_cache_explain_source(cache, source, NULL, &failure));
    /* It has no inputs. */
    REFUSED(mgenjit_cache_explain_source(cache, source, &explanation, &failure));
    mgenjit_source_free(source);
    mgenjit_cache_free(cache);
    mgenjit_config_free(config);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(frees_and_questions), CASE(configuration), CASE(caches), CASE(one_entry),
    };
    return RUN_CASES(cases);
}
