#define _XOPEN_SOURCE 700

#include "files.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void path_join(char path[PATH_SIZE], const char *folder, const char *name)
{
    if (snprintf(path, PATH_SIZE, "%s/%s", folder, name) >= PATH_SIZE)
        path[0] = '\0';
}

int path_beside_program(char path[PATH_SIZE], const char *relative)
{
    char program[PATH_SIZE];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length < 0)
        return errno;
    program[length] = '\0';
    *strrchr(program, '/') = '\0';
    char joined[PATH_SIZE];
    path_join(joined, program, relative);
    return realpath(joined, path) == NULL ? errno : 0;
}

int temporary_folder(char path[PATH_SIZE])
{
    const char *parent = getenv("TMPDIR");
    path_join(path, parent != NULL ? parent : "/tmp", "mgenjit-XXXXXX");
    return mkdtemp(path) == NULL ? errno : 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *position)
{
    (void)status;
    (void)type;
    (void)position;
    return remove(path);
}

void remove_folder(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Whether a folder of a colon-separated list has the program. */
static int find_in(char path[PATH_SIZE], const char *folders, const char *name)
{
    while (folders != NULL && *folders != '\0') {
        size_t length = strcspn(folders, ":");
        int written = snprintf(path, PATH_SIZE, "%.*s/%s", (int)length, folders, name);
        if (written < PATH_SIZE && access(path, X_OK) == 0)
            return 1;
        folders += length + (folders[length] == ':');
    }
    return 0;
}

int find_llvm_tool(char path[PATH_SIZE], const char *name)
{
    char bin[PATH_SIZE];
    char versioned[PATH_SIZE];
    const char *prefix = getenv("LLVM_SYS_221_PREFIX");

    path_join(bin, prefix != NULL ? prefix : "/usr/lib/llvm-22", "bin");
    snprintf(versioned, sizeof versioned, "%s-22", name);
    return find_in(path, bin, name) || find_in(path, getenv("PATH"), versioned);
}

int write_all(int file, const void *bytes, size_t size)
{
    const char *rest = bytes;
    while (size > 0) {
        ssize_t written = write(file, rest, size);
        if (written == 0 || (written < 0 && errno != EINTR))
            return 0;
        rest += written > 0 ? written : 0;
        size -= written > 0 ? (size_t)written : 0;
    }
    return 1;
}

char *read_to_end(int file, size_t *length)
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
        ssize_t count = read(file, bytes + *length, room - *length);
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
