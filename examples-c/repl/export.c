/* :export compiles all that counts as one, as `mgenjit build` does: functions may be inlined into others there. */
#define _GNU_SOURCE

#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "repl.h"

static const struct {
    const char *ending;
    int32_t kind;
} kinds[] = {
    {".o", MGENJIT_EXPORT_OBJECT},        {".a", MGENJIT_EXPORT_ARCHIVE}, {".so", MGENJIT_EXPORT_SHARED_LIBRARY},
    {".bc", MGENJIT_EXPORT_BITCODE},      {".ll", MGENJIT_EXPORT_IR},     {".s", MGENJIT_EXPORT_ASSEMBLY},
    {".h", MGENJIT_EXPORT_HEADER},
};

static int32_t kind_of(const char *path)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash != NULL ? slash : path, '.');
    for (size_t i = 0; dot != NULL && i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(dot, kinds[i].ending) == 0)
            return kinds[i].kind;
    return MGENJIT_EXPORT_EXECUTABLE;
}

/* Each definition is an input of its own: so numbers of attributes and of metadata do not meet. */
static mgenjit_status fill(mgenjit_source *source, size_t *inputs, mgenjit_error **error)
{
    mgenjit_status status = MGENJIT_STATUS_OK;
    for (size_t i = 0; status == MGENJIT_STATUS_OK && i < repl.session.unit_count; i++)
        if (repl.session.units[i]->path != NULL) {
            status = add_unit(source, repl.session.units[i], error);
            ++*inputs;
        }
    for (size_t i = 0; status == MGENJIT_STATUS_OK && i < repl.session.count; i++) {
        const struct entity *entity = repl.session.entities[i];
        struct buffer text = {NULL, 0, 0};
        if (entity->text == NULL)
            continue;
        session_declare(&repl.session, entity->text, &text);
        buffer_format(&text, "%s\n", entity->text);
        status = mgenjit_source_add(source, entity->name + 1, buffer_text(&text), text.length, error);
        buffer_free(&text);
        ++*inputs;
    }
    return status;
}

void export_session(const char *path)
{
    mgenjit_executor *executor = NULL;
    mgenjit_source *source = NULL;
    mgenjit_module *module = NULL;
    mgenjit_error *error = NULL;
    size_t inputs = 0;
    mgenjit_config_set_replaceable(repl.config, false, NULL);
    mgenjit_status status = mgenjit_executor_new(repl.config, &executor, &error);
    mgenjit_config_set_replaceable(repl.config, true, NULL);
    if (status == MGENJIT_STATUS_OK)
        status = mgenjit_source_new("<session>", &source, &error);
    if (status == MGENJIT_STATUS_OK)
        status = fill(source, &inputs, &error);
    if (status == MGENJIT_STATUS_OK && inputs == 0) {
        complain(NULL, NULL, "there is nothing to export: nothing was defined");
    } else {
        if (status == MGENJIT_STATUS_OK)
            status = mgenjit_executor_compile_source(executor, source, &module, &error);
        if (status == MGENJIT_STATUS_OK)
            status = mgenjit_module_export(module, kind_of(path), path, NULL, &error);
        if (status != MGENJIT_STATUS_OK)
            complain_error(error, NULL, 0, NULL);
    }
    mgenjit_module_free(module);
    mgenjit_source_free(source);
    mgenjit_executor_free(executor);
}
