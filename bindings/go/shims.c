#include <stdlib.h>
#include "shims.h"
#include "_cgo_export.h"

static void told(const mgenjit_event *event, void *user)
{
    mgenjitGoEvent((mgenjit_event *)event, (uintptr_t)user);
}

static void freed(void *user)
{
    mgenjitGoFree((uintptr_t)user);
}

mgenjit_status mgenjit_go_set_event_hook(mgenjit_config *config, uintptr_t hook, mgenjit_error **error)
{
    return mgenjit_config_set_event_hook(config, told, (void *)hook, freed, error);
}

mgenjit_status mgenjit_go_define(mgenjit_executor *executor, const char *name, uintptr_t address, mgenjit_error **error)
{
    return mgenjit_executor_define(executor, name, (const void *)address, error);
}

static void call(void *function, void *slots)
{
    mgenjitGoCall((uintptr_t)function, slots);
}

uintptr_t mgenjit_go_call_address(void)
{
    return (uintptr_t)call;
}

const char **mgenjit_go_strings(size_t count)
{
    return calloc(count, sizeof(char *));
}
