/* Files: :load compiles one, :reload puts what it has now in the place of what it had. */
#define _GNU_SOURCE

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "commands.h"
#include "common/files.h"
#include "isolate.h"
#include "repl.h"
#include "scan.h"

extern char **environ;

static int has_ending(const char *path, const char *const *endings)
{
    const char *dot = strrchr(path, '.');
    for (; dot != NULL && *endings != NULL; endings++)
        if (strcmp(dot, *endings) == 0)
            return 1;
    return 0;
}

static const char *const for_clang[] = {".c", ".cc", ".cpp", ".cxx", ".C", NULL};

static int is_library(const char *path)
{
    static const char *const endings[] = {".so", NULL};
    return has_ending(path, endings) || strstr(path, ".so.") != NULL;
}

static int read_all(int file, struct buffer *text)
{
    char bytes[1 << 14];
    ssize_t length;
    while ((length = read(file, bytes, sizeof bytes)) != 0) {
        if (length > 0)
            buffer_add_bytes(text, bytes, (size_t)length);
        else if (errno != EINTR)
            return 0;
    }
    return 1;
}

/* C++ needs its library, which this program is without. If it is not there, what is missing is told. */
static void load_cplusplus(const char *path)
{
    if (strcmp(strrchr(path, '.'), ".c") != 0)
        mgenjit_executor_load_library(repl.executor, "libstdc++.so.6", NULL);
}

/* Has clang make IR of a file in C or C++, so that its functions can be replaced. Clang says what is wrong with it. */
static int read_by_clang(const char *path, struct buffer *text)
{
    char clang[PATH_SIZE];
    const char *const arguments[] = {"clang", "-O2", "-Xclang", "-disable-llvm-passes", "-fPIC", "-fsemantic-interposition",
                                     "-S", "-emit-llvm", "-o", "-", path, NULL};
    int ends[2], status = 0;
    pid_t process;
    posix_spawn_file_actions_t actions;
    if (!find_llvm_tool(clang, "clang"))
        snprintf(clang, sizeof clang, "clang");
    if (pipe(ends) != 0)
        return 0;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", 0, 0);
    int failure = posix_spawnp(&process, clang, &actions, NULL, (char *const *)(uintptr_t)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (failure != 0) {
        close(ends[0]);
        complain(NULL, NULL, "%s needs clang, which cannot be run: %s", path, strerror(failure));
        return 0;
    }
    int is_read = read_all(ends[0], text);
    close(ends[0]);
    while (waitpid(process, &status, 0) < 0 && errno == EINTR)
        ;
    if (!is_read || status != 0)
        complain(NULL, NULL, "%s: clang could not compile it", path);
    return is_read && status == 0;
}

/* The names that a new version lacks or changes are told, and replaced all the same: who replaces knows. */
static mgenjit_status replace(mgenjit_module *old, const mgenjit_source *source, mgenjit_module **module, mgenjit_error **error)
{
    if (isolate_is_on()) {
        /* To put it in the place of the old one would run its constructors here. */
        mgenjit_status compiled = mgenjit_executor_compile_source(repl.executor, source, module, error);
        if (compiled == MGENJIT_STATUS_OK)
            mgenjit_module_remove(old, NULL);
        return compiled;
    }
    mgenjit_status status = mgenjit_module_replace(old, source, MGENJIT_ALLOW_NOTHING, module, error);
    if (status != MGENJIT_STATUS_TYPE)
        return status;
    for (size_t i = 0; i < mgenjit_error_symbol_count(*error); i++)
        remark("@%s is gone or has another type: what calls it as it was must be defined again", mgenjit_error_symbol(*error, i));
    mgenjit_error_free(*error);
    *error = NULL;
    return mgenjit_module_replace(old, source, MGENJIT_ALLOW_VANISHED | MGENJIT_ALLOW_CHANGED, module, error);
}

/* What the module defines, from its IR where the file is none that can be read. */
static void record_module(struct unit *unit, const struct buffer *text)
{
    mgenjit_blob *blob = NULL;
    if (text->length > 0) {
        record(unit, buffer_text(text));
        return;
    }
    if (mgenjit_module_export_blob(unit->module, MGENJIT_EXPORT_IR, NULL, &blob, NULL) == MGENJIT_STATUS_OK) {
        char *ir = copy_bytes(mgenjit_blob_data(blob), mgenjit_blob_size(blob));
        record(unit, ir);
        free(ir);
    }
    mgenjit_blob_free(blob);
}

static struct unit *loaded(const char *path)
{
    for (size_t i = 0; i < repl.session.unit_count; i++)
        if (repl.session.units[i]->path != NULL && strcmp(repl.session.units[i]->path, path) == 0)
            return repl.session.units[i];
    return NULL;
}

static int load_library(const char *path)
{
    struct buffer slashed = {NULL, 0, 0};
    mgenjit_error *error = NULL;
    /* A file here, not one of the system's. */
    buffer_format(&slashed, "%s%s", strchr(path, '/') == NULL && access(path, F_OK) == 0 ? "./" : "", path);
    if (mgenjit_executor_load_library(repl.executor, buffer_text(&slashed), &error) != MGENJIT_STATUS_OK)
        complain_error(error, NULL, 0, NULL);
    buffer_free(&slashed);
    return error == NULL;
}

/* Reads what is to be compiled as IR text, if it is that. Returns 0 if it cannot be read, which has been said. */
static int read_text(const char *path, struct buffer *text)
{
    if (has_ending(path, for_clang)) {
        load_cplusplus(path);
        return read_by_clang(path, text);
    }
    FILE *file = fopen(path, "r");
    if (file == NULL || !read_all(fileno(file), text)) {
        complain(NULL, NULL, "%s: %s", path, strerror(errno));
        if (file != NULL)
            fclose(file);
        return 0;
    }
    fclose(file);
    /* Bitcode, an object or an archive. */
    if (memchr(buffer_text(text), '\0', text->length) != NULL || strncmp(buffer_text(text), "BC", 2) == 0)
        buffer_clear(text);
    return 1;
}

/* IR text as it was read; anything else by its path. */
static mgenjit_status add_input(mgenjit_source *source, const char *path, const struct buffer *text, mgenjit_error **error)
{
    if (text->length == 0)
        return mgenjit_source_add_file(source, path, error);
    return mgenjit_source_add(source, path, buffer_text(text), text->length, error);
}

mgenjit_status add_unit(mgenjit_source *source, const struct unit *unit, mgenjit_error **error)
{
    struct buffer text = {NULL, 0, 0};
    read_text(unit->path, &text);
    mgenjit_status status = add_input(source, unit->path, &text, error);
    buffer_free(&text);
    return status;
}

static mgenjit_status compile(const char *path, const struct buffer *text, struct unit *old, mgenjit_module **module,
                              mgenjit_error **error)
{
    mgenjit_source *source = NULL;
    mgenjit_status status = mgenjit_source_new(path, &source, error);
    if (status == MGENJIT_STATUS_OK)
        status = add_input(source, path, text, error);
    if (status == MGENJIT_STATUS_OK && old != NULL)
        status = replace(old->module, source, module, error);
    else if (status == MGENJIT_STATUS_OK)
        status = mgenjit_executor_compile_source(repl.executor, source, module, error);
    mgenjit_source_free(source);
    return status;
}

int load_file(const char *path)
{
    struct unit *unit = loaded(path);
    struct buffer text = {NULL, 0, 0};
    struct stat status;
    mgenjit_module *module = NULL;
    mgenjit_error *error = NULL;
    if (is_library(path))
        return load_library(path);
    if (stat(path, &status) != 0) {
        complain(NULL, NULL, "%s: %s", path, strerror(errno));
        return 0;
    }
    int is_done = read_text(path, &text);
    if (is_done && compile(path, &text, unit, &module, &error) != MGENJIT_STATUS_OK) {
        /* The message has the file and the place. */
        const char *line = mgenjit_error_source_line(error);
        struct typed shown = {copy_text(line != NULL ? line : ""), 0};
        complain_file(mgenjit_error_message(error), line != NULL ? &shown : NULL, mgenjit_error_column(error));
        free(shown.text);
        mgenjit_error_free(error);
        is_done = 0;
    }
    if (is_done) {
        if (unit == NULL)
            unit = session_add_unit(&repl.session, module, path);
        else if (unit->module != module)
            mgenjit_module_free(unit->module);
        unit->module = module;
        unit->status = status;
        set_last(module, 0);
        repl.last_call_us = UINT64_MAX;
        record_module(unit, &text);
        if (!isolate_is_on() && mgenjit_executor_link(repl.executor, &error) != MGENJIT_STATUS_OK) {
            /* It waits for what is not there yet. */
            if (mgenjit_error_status(error) != MGENJIT_STATUS_UNRESOLVED)
                complain(NULL, NULL, "%s", mgenjit_error_message(error));
            mgenjit_error_free(error);
        }
        if (repl.shows_times)
            tell_times();
    }
    buffer_free(&text);
    return is_done;
}

int has_changed(const struct unit *unit)
{
    struct stat now;
    return stat(unit->path, &now) != 0 || now.st_mtim.tv_sec != unit->status.st_mtim.tv_sec
           || now.st_mtim.tv_nsec != unit->status.st_mtim.tv_nsec || now.st_size != unit->status.st_size
           || now.st_ino != unit->status.st_ino;
}
