#define _POSIX_C_SOURCE 200809L

#include "input.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"

const char *input_name(const char *path)
{
    return strcmp(path, "-") == 0 ? "<stdin>" : path;
}

mgenjit_status input_add(mgenjit_source *source, const char *path, mgenjit_error **error)
{
    size_t length;
    if (strcmp(path, "-") != 0)
        return mgenjit_source_add_file(source, path, error);
    /* Bypasses stdio, so that the program that runs later finds stdin untouched. */
    char *bytes = read_to_end(STDIN_FILENO, &length);
    /* The library says why it cannot be read. */
    if (bytes == NULL)
        return mgenjit_source_add_file(source, "/dev/stdin", error);
    mgenjit_status status = mgenjit_source_add(source, input_name(path), bytes, length, error);
    free(bytes);
    return status;
}
