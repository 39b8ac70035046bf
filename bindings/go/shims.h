// What cgo cannot write: pointers that are numbers to Go, and functions of Go as C's hooks.

#include <stdint.h>
#include "mgenjit.h"

mgenjit_status mgenjit_go_set_event_hook(mgenjit_config *config, uintptr_t hook, mgenjit_error **error);
mgenjit_status mgenjit_go_define(mgenjit_executor *executor, const char *name, uintptr_t address, mgenjit_error **error);
uintptr_t mgenjit_go_call_address(void);
const char **mgenjit_go_strings(size_t count);
