// runs: once

/* What becomes of a store's answer that something else came between: its helper ended while it wrote, or a lock had to be waited
 * for. */
#include "remotes.h"

#include <glob.h>
#include <sys/file.h>

enum { UNSIGNED = MGENJIT_REMOTE_READ | MGENJIT_REMOTE_WRITE | MGENJIT_REMOTE_UNSIGNED, PATIENT_MS = 20000 };

static check_events events;

/* How long a compile waits for a store, and for how long a lock is held. */
enum { HEDGE_MS = 3000, HELD_MS = 4000 };

static mgenjit_config *machine(const char *folder, const char *url, uint64_t hedge_ms)
{
    mgenjit_config *config = config_for(folder, &events);
    CHECK_OK(mgenjit_config_set_remote(config, url, UNSIGNED, &failure));
    CHECK_OK(mgenjit_config_set_remote_timeouts(config, PATIENT_MS, PATIENT_MS, hedge_ms, &failure));
    return config;
}

/* A store with ENTRY_IR: its entry, and the alias of its canonical module. `folder`: the cache that they are of. */
static struct remote *filled_remote(const char *name, char **folder)
{
    struct remote *remote = start_remote(name);
    char *first = NULL;
    CHECK(asprintf(&first, "%s-first", name) > 0);
    *folder = new_cache(first);
    mgenjit_config *config = machine(*folder, remote->url, PATIENT_MS);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_with(config));
    CHECK_UNTIL(remote->puts == 2);
    mgenjit_config_free(config);
    free(first);
    return remote;
}

/* The helper ends in the middle of a value. The next one gets a file of its own: what the first one wrote is not gone on with. */
static void a_value_that_comes_twice(void)
{
    char *first;
    struct remote *remote = filled_remote("twice", &first);
    remote->conduct = FILLING;
    mgenjit_config *config = machine(new_cache("twice-cache"), remote->url, PATIENT_MS);
    mgenjit_executor *executor = new_executor(config);
    /* Only a connection that was there before is made again. */
    mgenjit_module *other = add(executor, "define i32 @other() {\n  ret i32 1\n}\n");
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, mgenjit_module_origin(other));
    CHECK_INT(0, remote->fills);
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_entry(executor));
    CHECK_INT(2, remote->fills);
    CHECK_INT(1, events.count[MGENJIT_EVENT_REMOTE_HIT]);
    CHECK_INT(0, events.count[MGENJIT_EVENT_REMOTE_WARNING]);
    mgenjit_module_free(other);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
}

static void *release_later(void *lock)
{
    usleep(HELD_MS * 1000);
    close((int)(intptr_t)lock);
    return NULL;
}

/* Somebody else has the canonical module's lock for longer than a compile waits for a store. The store has answered meanwhile. */
static void an_answer_behind_a_lock(void)
{
    char *first, *pattern = NULL, path[4096];
    glob_t found;
    pthread_t thread;
    struct remote *remote = filled_remote("locked", &first);
    char *folder = new_cache("locked-cache");
    mgenjit_config *config = machine(folder, remote->url, HEDGE_MS);
    mgenjit_executor *executor = new_executor(config);
    mgenjit_module *other = add(executor, "define i32 @other() {\n  ret i32 1\n}\n");
    mgenjit_module_free(other);

    CHECK(asprintf(&pattern, "%s/v*/entries/*/*.alias", first) > 0);
    CHECK_INT(0, glob(pattern, 0, NULL, &found));
    CHECK_INT(1, (long long)found.gl_pathc);
    /* .../VERSION/entries/TWO/REST.alias */
    const char *name = found.gl_pathv[0] + strlen(first) + 1;
    int version = (int)strcspn(name, "/");
    const char *key = name + version + strlen("/entries/");
    snprintf(path, sizeof path, "%s/%.*s/locks/%.2s%.62s", folder, version, name, key, key + 3);
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK(lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0);
    CHECK_INT(0, pthread_create(&thread, NULL, release_later, (void *)(intptr_t)lock));

    mgenjit_module *module = add(executor, "define i32 @entry(i32 %a) {\n  %b = mul i32 %a, 6\n  ret i32 %b\n}\n");
    CHECK_INT(MGENJIT_ORIGIN_CACHE, mgenjit_module_origin(module));
    CHECK_INT(1, events.count[MGENJIT_EVENT_REMOTE_HIT]);
    CHECK_INT(0, pthread_join(thread, NULL));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
    globfree(&found);
    free(pattern);
}

int main(void)
{
    static const check_case cases[] = {CASE(a_value_that_comes_twice), CASE(an_answer_behind_a_lock)};
    return RUN_CASES(cases);
}
