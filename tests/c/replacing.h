/* What programs share that replace functions. */
#ifndef REPLACING_H
#define REPLACING_H

#include "check.h"

typedef int (*int_function)(void);

static inline mgenjit_config *replaceable_config(void)
{
    mgenjit_config *config = default_config();
    CHECK_OK(mgenjit_config_set_replaceable(config, true, &failure));
    return config;
}

static inline mgenjit_executor *new_replaceable(void)
{
    mgenjit_config *config = replaceable_config();
    mgenjit_executor *executor = new_executor(config);
    mgenjit_config_free(config);
    return executor;
}

static inline mgenjit_source *source_of(const char *ir)
{
    mgenjit_source *source = NULL;
    CHECK_OK(mgenjit_source_new("new.ll", &source, &failure));
    CHECK_OK(mgenjit_source_add(source, "new.ll", ir, strlen(ir), &failure));
    return source;
}

/* The new version of a module. */
static inline mgenjit_module *replaced(mgenjit_module *module, const char *ir)
{
    mgenjit_source *source = source_of(ir);
    mgenjit_module *replacement = NULL;
    CHECK_OK(mgenjit_module_replace(module, source, MGENJIT_ALLOW_NOTHING, &replacement, &failure));
    mgenjit_source_free(source);
    return replacement;
}

/* Whether a module was unmapped when it was retired. */
static inline bool retired(mgenjit_module *module)
{
    bool unmapped = false;
    CHECK_OK(mgenjit_module_retire(module, &unmapped, &failure));
    return unmapped;
}

static inline mgenjit_old_code old_code(mgenjit_executor *executor)
{
    mgenjit_old_code old = { .size = sizeof old };
    CHECK_OK(mgenjit_executor_old_code(executor, &old, &failure));
    CHECK_INT(sizeof old, (long long)old.size);
    return old;
}

#endif
