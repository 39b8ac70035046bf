// runs: once

/* A compile server whose kernel cannot isolate it in all ways: isolated in the others, and the host is told. */
#include "refusals.h"

#define GOOD "define i32 @good() {\n  ret i32 7\n}\n"
#define NOSY "module asm \".incbin \\22/etc/passwd\\22\"\n"

static char told[512];
static int told_count;

static void on_event(const mgenjit_event *event, void *user)
{
    (void)user;
    if (event->kind == MGENJIT_EVENT_NOT_ISOLATED) {
        told_count++;
        snprintf(told, sizeof told, "%s", event->message);
    }
}

/* Compiles twice, with up to two calls refused. `expect`: what is said to be lacking. */
static void check_without(int first, int second, const char *expect, mgenjit_status nosy)
{
    mgenjit_config *config = default_config();
    mgenjit_executor *executor;
    if ((first != 0 && !refuse((refusal){ first, ENOSYS, 0, 0 }))
        || (second != 0 && !refuse((refusal){ second, ENOSYS, 0, 0 })))
        return;
    CHECK_OK(mgenjit_config_set_cache_mode(config, MGENJIT_CACHE_OFF, &failure));
    CHECK_OK(mgenjit_config_set_event_hook(config, on_event, NULL, NULL, &failure));
    executor = new_executor(config);
    mgenjit_config_free(config);
    CHECK_INT(0, told_count);
    add(executor, GOOD);
    CHECK_INT(1, told_count);
    CHECK_CONTAINS(expect, told);
    CHECK_INT(7, FUNCTION(int (*)(void), executor, "good")());
    CHECK_STATUS(nosy, try_ir(executor, NOSY));
    check_usable(executor);
    CHECK_INT(1, told_count);
}

static void without_landlock(void)
{
    check_without(SYS_landlock_create_ruleset, 0, "Landlock", MGENJIT_STATUS_CODEGEN);
}

static void without_filters(void)
{
    if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 0) {
        SKIP("the kernel has no Landlock");
        return;
    }
    check_without(SYS_seccomp, 0, "system calls cannot be filtered", MGENJIT_STATUS_CODEGEN);
}

/* As little as on an old kernel: the code is compiled all the same. */
static void without_both(void)
{
    check_without(SYS_landlock_create_ruleset, SYS_seccomp, "Landlock; system calls cannot be filtered",
                  MGENJIT_STATUS_OK);
}

int main(void)
{
    static const check_case cases[] = { CASE(without_landlock), CASE(without_filters), CASE(without_both) };
    return RUN_CASES(cases);
}
