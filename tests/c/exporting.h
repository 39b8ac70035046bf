/* Exporting modules, and running what comes out. */
#ifndef EXPORTING_H
#define EXPORTING_H

#include "caches.h"

#include <dirent.h>

/* What a process did. */
typedef struct outcome {
    int status;
    char output[8192];
} outcome;

/* Runs the program at a path to its end; its output and its errors are taken together. */
static inline outcome run_at(const char *path, const char *const *argv)
{
    outcome outcome;
    size_t length = 0;
    ssize_t count;
    int ends[2], status;
    pid_t process;
    memset(&outcome, 0, sizeof outcome);
    fflush(NULL);
    CHECK(pipe(ends) == 0);
    process = fork();
    CHECK(process >= 0);
    if (process == 0) {
        signal(SIGCHLD, SIG_DFL);
        if (dup2(ends[1], 1) != 1 || dup2(ends[1], 2) != 2)
            _exit(126);
        close(ends[0]);
        close(ends[1]);
        execvp(path, (char *const *)argv);
        _exit(127);
    }
    close(ends[1]);
    while (length < sizeof outcome.output - 1
           && (count = read(ends[0], outcome.output + length, sizeof outcome.output - 1 - length)) != 0) {
        CHECK(count > 0 || errno == EINTR);
        length += count > 0 ? (size_t)count : 0;
    }
    close(ends[0]);
    while (waitpid(process, &status, 0) < 0)
        CHECK(errno == EINTR);
    outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    return outcome;
}

static inline outcome run_program(const char *const *argv)
{
    return run_at(argv[0], argv);
}

/* Runs a command of the shell's, in the program's folder, and expects that it succeeds. */
__attribute__((format(printf, 1, 2))) static inline char *shell(const char *format, ...)
{
    static outcome last;
    const char *argv[] = { "sh", "-c", NULL, NULL };
    char *command = NULL, *whole = NULL;
    va_list arguments;
    va_start(arguments, format);
    CHECK(vasprintf(&command, format, arguments) > 0);
    va_end(arguments);
    CHECK(asprintf(&whole, "cd '%s' && %s", getenv("CHECK_FOLDER"), command) > 0);
    argv[2] = whole;
    last = run_program(argv);
    if (last.status != 0)
        check_failed(__FILE__, __LINE__, "%s: status %d\n%s", command, last.status, last.output);
    free(command);
    free(whole);
    return last.output;
}

static inline mgenjit_blob *export_blob(mgenjit_module *module, int kind, const mgenjit_export_options *options)
{
    mgenjit_blob *blob = NULL;
    CHECK_OK(mgenjit_module_export_blob(module, kind, options, &blob, &failure));
    CHECK(mgenjit_blob_size(blob) > 0);
    return blob;
}

/* Exports to a file in the program's folder and returns its path. */
static inline char *export_file(mgenjit_module *module, int kind, const char *name, const mgenjit_export_options *options)
{
    char *path = in_folder(name);
    CHECK_OK(mgenjit_module_export(module, kind, path, options, &failure));
    return path;
}

/* Options with libraries or flags: what begins with a dash is a flag. */
static inline mgenjit_export_options *options_with(const char *const *arguments)
{
    mgenjit_export_options *options = default_options();
    for (; *arguments != NULL; arguments++) {
        if (**arguments == '-')
            CHECK_OK(mgenjit_export_options_add_flag(options, *arguments, &failure));
        else
            CHECK_OK(mgenjit_export_options_add_library(options, *arguments, &failure));
    }
    return options;
}

static inline int same_blobs(const mgenjit_blob *one, const mgenjit_blob *other)
{
    const size_t length = mgenjit_blob_size(one);
    return length == mgenjit_blob_size(other)
           && memcmp(mgenjit_blob_data(one), mgenjit_blob_data(other), length) == 0;
}

/* Whether bytes begin so. */
static inline int begins_with(const mgenjit_blob *blob, const char *start)
{
    return mgenjit_blob_size(blob) >= strlen(start) && memcmp(mgenjit_blob_data(blob), start, strlen(start)) == 0;
}

/* How many files a folder has, hidden ones included. */
static inline int files_in(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    int count = 0;
    CHECK(folder != NULL);
    while ((entry = readdir(folder)) != NULL)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(folder);
    return count;
}

/* A new folder in the program's, to which temporary files go from now on. */
static inline char *own_temporary_folder(const char *name)
{
    char *path = in_folder(name);
    CHECK(mkdir(path, 0700) == 0 || errno == EEXIST);
    CHECK(setenv("TMPDIR", path, 1) == 0);
    return path;
}

#endif
