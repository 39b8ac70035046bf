#define _POSIX_C_SOURCE 200809L

#include "input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *input_name(const char *path)
{
    return strcmp(path, "-") == 0 ? "<stdin>" : path;
}

/* Reads stdin to its end. Bypasses stdio, so that the program that runs later finds it untouched. Returns NULL and
 * sets errno if that fails. */
static char *read_stdin(size_t *length)
{
    size_t room = 0;
    char *bytes = NULL;
    *length = 0;
    for (;;) {
        if (*length == room) {
            room = room == 0 ? 65536 : 2 * room;
            char *more = realloc(bytes, room);
            if (more == NULL)
                break;
            bytes = more;
        }
        ssize_t count = read(STDIN_FILENO, bytes + *length, room - *length);
        if (count == 0)
            return bytes;
        if (count > 0)
            *length += (size_t)count;
        else if (errno != EINTR)
            break;
    }
    free(bytes);
    return NULL;
}

mgenjit_status input_add(mgenjit_source *source, const char *path, mgenjit_error **error)
{
    size_t length;
    if (strcmp(path, "-") != 0)
        return mgenjit_source_add_file(source, path, error);
    char *bytes = read_stdin(&length);
    /* The library says why it cannot be read. */
    if (bytes == NULL)
        return mgenjit_source_add_file(source, "/dev/stdin", error);
    mgenjit_status status = mgenjit_source_add(source, input_name(path), bytes, length, error);
    free(bytes);
    return status;
}
