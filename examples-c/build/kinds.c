#include "kinds.h"

#include <stddef.h>
#include <string.h>

#include "mgenjit.h"

static const struct kind kinds[] = {
    {"object", ".o", MGENJIT_EXPORT_OBJECT, 0},       {"archive", ".a", MGENJIT_EXPORT_ARCHIVE, 0},
    {"lib", ".so", MGENJIT_EXPORT_SHARED_LIBRARY, 0}, {"asm", ".s", MGENJIT_EXPORT_ASSEMBLY, 1},
    {"bitcode", ".bc", MGENJIT_EXPORT_BITCODE, 0},    {"ir", ".ll", MGENJIT_EXPORT_IR, 1},
    {"header", ".h", MGENJIT_EXPORT_HEADER, 1},       {"exe", NULL, MGENJIT_EXPORT_EXECUTABLE, 0},
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

const struct kind *kind_named(const char *name)
{
    for (size_t i = 0; i < KINDS; i++)
        if (strcmp(name, kinds[i].name) == 0)
            return &kinds[i];
    return NULL;
}

/* As libanswer.so.1.2. */
static int is_library_with_version(const char *path)
{
    const char *name = strrchr(path, '/');
    const char *version = strstr(name != NULL ? name : path, ".so.");
    return version != NULL && strspn(version + 3, ".0123456789") == strlen(version + 3);
}

/* The last one, executables, takes all names that no other kind has. */
const struct kind *kind_of_file(const char *path)
{
    const char *suffix = strrchr(path, '.');
    size_t i = 0;
    if (is_library_with_version(path))
        return kind_named("lib");
    while (kinds[i].suffix != NULL && (suffix == NULL || strcmp(suffix, kinds[i].suffix) != 0))
        i++;
    return &kinds[i];
}
