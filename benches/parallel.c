#define _POSIX_C_SOURCE 200809L

#include "parallel.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

extern char **environ;

static void give_up(const char *program, const char *why)
{
    fprintf(stderr, "bench: %s: %s\n", program, why);
    remove_folder(folder);
    exit(1);
}

static void start(const char *const *argv)
{
    pid_t child;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    int failure = posix_spawnp(&child, argv[0], &actions, NULL, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failure != 0)
        give_up(argv[0], strerror(failure));
}

double run_parallel(const char *const *const *commands, size_t count, size_t at_once)
{
    size_t started = 0;
    double began = clock_milliseconds();
    for (size_t ended = 0; ended < count; ended++) {
        int status = 0;
        while (started < count && started - ended < at_once)
            start(commands[started++]);
        while (waitpid(-1, &status, 0) < 0 && errno == EINTR) {
        }
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            give_up(commands[0][0], "failed");
    }
    return clock_milliseconds() - began;
}
