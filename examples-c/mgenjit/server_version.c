#define _POSIX_C_SOURCE 200809L

#include "server_version.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Milliseconds to wait for more output. */
enum { TIMEOUT_MS = 10000 };

/* Reads to the end. Returns 0 if the end does not come, or the output does not fit. */
static int read_all(int descriptor, char *text, size_t size)
{
    struct pollfd readable = {descriptor, POLLIN, 0};
    size_t length = 0;
    while (length + 1 < size && poll(&readable, 1, TIMEOUT_MS) > 0) {
        ssize_t count = read(descriptor, text + length, size - 1 - length);
        if (count <= 0) {
            text[length] = '\0';
            return 1;
        }
        length += (size_t)count;
    }
    return 0;
}

int server_version(const char *path, char text[SERVER_VERSION_SIZE])
{
    static const char beginning[] = "mgenjit-server ";
    char option[] = "--version", answer[SERVER_VERSION_SIZE];
    char *arguments[] = {(char *)path, option, NULL};
    posix_spawn_file_actions_t actions;
    int ends[2], status = 0;
    pid_t process;

    if (pipe(ends) != 0)
        return 0;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", 0, 0);
    int failure = posix_spawn(&process, path, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (failure == 0 && !read_all(ends[0], answer, sizeof answer))
        kill(process, SIGKILL);
    close(ends[0]);
    if (failure != 0)
        return 0;
    while (waitpid(process, &status, 0) < 0 && errno == EINTR)
        ;
    if (status != 0 || strncmp(answer, beginning, strlen(beginning)) != 0)
        return 0;

    /* A line each for the version, the build and LLVM. */
    text[0] = '\0';
    const char *line = answer + strlen(beginning);
    while (*line != '\0') {
        size_t length = strcspn(line, "\n"), used = strlen(text);
        snprintf(text + used, SERVER_VERSION_SIZE - used, "%s%.*s", used > 0 ? ", " : "", (int)length, line);
        line += length + (line[length] == '\n');
    }
    return 1;
}
