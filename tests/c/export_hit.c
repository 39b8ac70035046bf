/* What needs no process, exported between two marks as in hit.c. */
#include "exporting.h"

static void mark(const char *text)
{
    CHECK(write(-1, text, strlen(text)) == -1);
}

int main(void)
{
    static const int kinds[] = { MGENJIT_EXPORT_OBJECT, MGENJIT_EXPORT_ARCHIVE, MGENJIT_EXPORT_HEADER };
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add(executor, ENTRY_IR);
    char *path = in_folder("exported");
    CHECK_INT(is_warm() ? MGENJIT_ORIGIN_CACHE : MGENJIT_ORIGIN_COMPILED, mgenjit_module_origin(module));
    mark("<compile>");
    for (int i = 0; i < 3; i++)
        CHECK_OK(mgenjit_module_export(module, kinds[i], path, NULL, &failure));
    mark("</compile>");
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    return 0;
}
