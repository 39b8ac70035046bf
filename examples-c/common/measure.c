#define _POSIX_C_SOURCE 200809L

#include "measure.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

double clock_milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* Reads all there is into a string. Returns 0 or an errno; what was read so far is in the result. */
static int read_all(int descriptor, struct process_result *result)
{
    size_t capacity = 0;
    for (;;) {
        if (capacity - result->output_length < 4096) {
            capacity = capacity * 2 + 8192;
            char *larger = realloc(result->output, capacity);
            if (larger == NULL)
                return ENOMEM;
            result->output = larger;
        }
        ssize_t length = read(descriptor, result->output + result->output_length,
                              capacity - result->output_length - 1);
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0)
            return errno;
        result->output_length += (size_t)length;
        result->output[result->output_length] = '\0';
        if (length == 0)
            return 0;
    }
}

int process_run(const char *const *argv, struct process_result *result)
{
    int ends[2];
    pid_t child;
    posix_spawn_file_actions_t actions;

    result->output = NULL;
    result->output_length = 0;
    if (pipe(ends) != 0)
        return errno;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);

    result->started = clock_milliseconds();
    int failure = posix_spawnp(&child, argv[0], &actions, NULL, (char *const *)argv, environ);
    close(ends[1]);
    if (failure == 0) {
        int status = 0;
        failure = read_all(ends[0], result);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
        }
        result->ended = clock_milliseconds();
        result->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    close(ends[0]);
    posix_spawn_file_actions_destroy(&actions);
    return failure;
}
