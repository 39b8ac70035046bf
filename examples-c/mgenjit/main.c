/*
 * One program that has all tools: `mgenjit run` is what examples-c/run is. Called by the name of a tool, it is that tool.
 *
 * doctor.c has the command `doctor`, checks.c what it checks; server_version.c asks a compile server for its version.
 */

#define _GNU_SOURCE

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sysexits.h>

#include "common/program.h"
#include "common/report.h"
#include "common/tools.h"
#include "mgenjit.h"
#include "server_version.h"

static const struct tool {
    const char *name;
    /* "mgenjit NAME". */
    const char *command;
    int (*main)(int argc, char **argv);
    const char *summary;
} tools[] = {
    {"run", "mgenjit run", run_main, "compile IR, or find its code in the cache, and run it"},
    {"build", "mgenjit build", build_main, "compile IR to an executable, a library or an object, ahead of time"},
    {"repl", "mgenjit repl", repl_main, "read IR as it is typed, compile it, and compute expressions"},
    {"cache", "mgenjit cache", cache_main, "inspect a cache, and change it"},
    {"server", "mgenjit server", server_main, "show what the shared compile server is doing, and stop it"},
    {"doctor", "mgenjit doctor", doctor_main, "check whether everything needed is there, and say what to do"},
};

enum { TOOLS = sizeof tools / sizeof tools[0] };

static const char usage[] = "COMMAND [options] [ARGS...]\n";

static const struct tool *find(const char *name)
{
    for (size_t i = 0; i < TOOLS; i++)
        if (strcmp(name, tools[i].name) == 0)
            return &tools[i];
    return NULL;
}

static int print_help(void)
{
    program_print_usage(stdout, usage);
    fputs("\nCompiles LLVM IR to native code, once: the code is kept in a cache.\n\n", stdout);
    for (size_t i = 0; i < TOOLS; i++)
        printf("  %-8s %s\n", tools[i].name, tools[i].summary);
    fputs("  help     describe a command: mgenjit help COMMAND\n"
          "\n"
          "  -h, --help, --version\n"
          "\n"
          "Each command has --help, with its exit codes. There is a manual: man mgenjit.\n",
          stdout);
    return report_end(EX_OK);
}

/* This program, the library, the server and LLVM, each on a line. */
static int print_version(void)
{
    Dl_info library;
    char *path = NULL;
    mgenjit_error *error = NULL;
    char server[SERVER_VERSION_SIZE];

    printf("mgenjit %d.%d.%d\n", MGENJIT_VERSION_MAJOR, MGENJIT_VERSION_MINOR, MGENJIT_VERSION_PATCH);
    printf("library  %s", mgenjit_version_string());
    const char *(*address)(void) = mgenjit_version_string;
    void *object;
    memcpy(&object, &address, sizeof object);
    if (dladdr(object, &library) != 0 && library.dli_fname != NULL)
        printf(", %s", library.dli_fname);
    printf("\nbuild    %s\nLLVM     %s\n", mgenjit_build_id(), mgenjit_llvm_version());
    if (mgenjit_server_path(NULL, &path, &error) != MGENJIT_STATUS_OK)
        printf("server   not found: see mgenjit doctor\n");
    else if (!server_version(path, server))
        printf("server   does not print its version, %s\n", path);
    else
        printf("server   %s, %s\n", server, path);
    mgenjit_error_free(error);
    mgenjit_string_free(path);
    return report_end(EX_OK);
}

/* argv[0] is the tool's name. */
static int run_tool(const struct tool *tool, int argc, char **argv)
{
    program_name = tool->command;
    return tool->main(argc, argv);
}

int main(int argc, char **argv)
{
    /* The file's name: whoever runs it may choose argv[0], which `run` hands on to the program. */
    const char *file = (const char *)(uintptr_t)getauxval(AT_EXECFN);
    const char *slash = file != NULL ? strrchr(file, '/') : NULL;
    const struct tool *tool = find(slash != NULL ? slash + 1 : "");
    if (tool != NULL) {
        program_name = tool->name;
        return tool->main(argc, argv);
    }

    if (argc < 2)
        return report_wrong_usage(usage, "no command was given", "");
    const char *command = argv[1];
    int is_help = strcmp(command, "help") == 0;
    if (is_help && argc > 2) {
        char help[] = "--help";
        char *arguments[] = {argv[2], help, NULL};
        tool = find(argv[2]);
        return tool != NULL ? run_tool(tool, 2, arguments)
                            : report_wrong_usage(usage, "no such command: ", argv[2]);
    }
    if (is_help || strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0)
        return print_help();
    if (strcmp(command, "--version") == 0)
        return print_version();
    tool = find(command);
    if (tool != NULL)
        return run_tool(tool, argc - 1, argv + 1);
    return report_wrong_usage(usage, command[0] == '-' ? "wrong option: " : "no such command: ", command);
}
