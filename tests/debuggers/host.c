/* Adds modules and removes them; a debugger looks at `code` whenever `marker` is called. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgenjit.h"

static const char ir[] = "define i32 @answer() {\n  ret i32 42\n}\n";

void *code;

void marker(int what);
__attribute__((noinline)) void marker(int what)
{
    __asm__ volatile("" : : "r"(what));
}

int main(void)
{
    const char *other = getenv("OTHER");
    mgenjit_config *config;
    mgenjit_executor *executor;
    mgenjit_module *module;
    if (other != NULL && dlopen(other, RTLD_NOW | RTLD_GLOBAL) == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    mgenjit_config_new(&config, NULL);
    mgenjit_executor_new(config, &executor, NULL);
    for (int what = 1; what <= 3; what += 2) {
        if (mgenjit_executor_compile(executor, "answer", ir, strlen(ir), &module, NULL) != MGENJIT_STATUS_OK
            || mgenjit_module_lookup(module, "answer", &code, NULL) != MGENJIT_STATUS_OK)
            return 2;
        marker(what);
        if (((int (*)(void))code)() != 42)
            return 3;
        mgenjit_module_remove(module, NULL);
        mgenjit_module_free(module);
        if (what == 1)
            marker(2);
    }
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
    return 0;
}
