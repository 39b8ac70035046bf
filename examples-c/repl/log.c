#define _GNU_SOURCE

#include "log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/files.h"

static int kept = -1, is_incomplete;
static off_t length;

void log_add(const char *text)
{
    size_t size = strlen(text);
    if (kept < 0)
        kept = memfd_create("definitions", MFD_CLOEXEC);
    is_incomplete |= kept < 0 || !write_all(kept, text, size) || !write_all(kept, "\n", 1);
    length += (off_t)size + 1;
}

void log_say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        return;
}

/* The code may have closed the file, or put another in its place. */
static int copy(int to)
{
    char bytes[4096];
    struct stat state;
    if (to < 0 || is_incomplete || fstat(kept, &state) != 0 || state.st_size != length)
        return 0;
    for (off_t at = 0; at < length;) {
        ssize_t size = pread(kept, bytes, sizeof bytes, at);
        if (size <= 0 || !write_all(to, bytes, (size_t)size))
            return 0;
        at += size;
    }
    return 1;
}

void log_save(const char *path)
{
    if (length == 0)
        return;
    if (!copy(path != NULL ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1)) {
        log_say("What was defined is lost.\n");
    } else {
        log_say("What was defined is in ");
        log_say(path);
        log_say(".\n");
    }
}
