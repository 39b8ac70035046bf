#include "unit.h"

#include "input.h"

static mgenjit_status fill(mgenjit_source *source, const struct list *files, const struct list *keep,
                           mgenjit_error **error)
{
    mgenjit_status status = MGENJIT_STATUS_OK;
    for (int i = 0; status == MGENJIT_STATUS_OK && i < files->count; i++)
        status = input_add(source, files->items[i], error);
    for (int i = 0; status == MGENJIT_STATUS_OK && keep != NULL && i < keep->count; i++)
        status = mgenjit_source_keep(source, keep->items[i], error);
    return status;
}

mgenjit_status unit_compile(mgenjit_executor *executor, const struct list *files, const struct list *keep,
                            mgenjit_module **module, mgenjit_error **error)
{
    mgenjit_source *source = NULL;
    mgenjit_status status = mgenjit_source_new(input_name(files->items[0]), &source, error);
    if (status == MGENJIT_STATUS_OK)
        status = fill(source, files, keep, error);
    if (status == MGENJIT_STATUS_OK)
        status = mgenjit_executor_compile_source(executor, source, module, error);
    mgenjit_source_free(source);
    return status;
}
