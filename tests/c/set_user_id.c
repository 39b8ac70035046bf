// runs: once

/* A set-user-ID program: nothing that its caller says in the environment is believed. */
#include "check.h"
#include <grp.h>
#include <sys/auxv.h>

/* What the inner program ends with where it has no more rights than its caller. */
enum { NOT_SET = 77 };

/* Runs with another user's rights, and with an environment in which everything leads to the caller's files. */
static int inner(const char *server, const char *output)
{
    check_events events;
    mgenjit_config *config;
    mgenjit_executor *executor;
    mgenjit_module *module;
    if (getauxval(AT_SECURE) == 0)
        return NOT_SET;

    /* No server but one beside the library. */
    config = new_watched_config(&events);
    executor = new_executor(config);
    CHECK_STATUS(MGENJIT_STATUS_SERVER_UNAVAILABLE, try_ir(executor, "define void @f() { ret void }"));
    CHECK(strstr(mgenjit_error_message(failure), "hostile") == NULL);
    CHECK_INT(1, events.count[MGENJIT_EVENT_MISS]);
    CHECK_CONTAINS("set-user-ID", events.miss);
    check_reset();
    mgenjit_executor_free(executor);

    /* What the program itself names is used. */
    CHECK_OK(mgenjit_config_set_server_path(config, server, &failure));
    executor = new_executor(config);
    check_usable(executor);
    module = add(executor, "define i32 @main() { ret i32 0 }");
    switch (mgenjit_module_export(module, MGENJIT_EXPORT_EXECUTABLE, output, NULL, &failure)) {
    case MGENJIT_STATUS_OK:
        CHECK(faccessat(AT_FDCWD, output, X_OK, AT_EACCESS) == 0);
        break;
    default:
        /* There may be no compiler where the system has its own. */
        CHECK_MESSAGE("cc");
    }
    CHECK_INT(0, events.count[MGENJIT_EVENT_SERVER_WARNING]);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);

    /* A server that the caller could have started is not asked. */
    check_reset();
    CHECK_OK(mgenjit_config_set_server_mode(config, MGENJIT_SERVER_SHARED, &failure));
    executor = new_executor(config);
    check_usable(executor);
    CHECK_INT(1, events.count[MGENJIT_EVENT_SERVER_WARNING]);
    CHECK_CONTAINS("set-user-ID", events.server_warning);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
    return 0;
}

static void put_script(const char *folder, const char *name, const char *marker)
{
    char *path = join(folder, name);
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    CHECK(fprintf(file, "#!/bin/sh\necho %s >> '%s'\nexit 1\n", name, marker) > 0);
    CHECK(fclose(file) == 0 && chmod(path, 0755) == 0);
    free(path);
}

static void copy_this_program(const char *path)
{
    char *command = NULL;
    CHECK(asprintf(&command, "cp /proc/%d/exe '%s' && chmod 4755 '%s'", getpid(), path, path) > 0);
    CHECK_INT(0, system(command));
    free(command);
}

static void the_environment_is_not_believed(void)
{
    static const char *const folders[] = { "MGENJIT_CACHE_DIR", "XDG_CACHE_HOME", "HOME", "XDG_RUNTIME_DIR", "TMPDIR" };
    char *server = realpath(getenv("MGENJIT_SERVER"), NULL);
    char folder[] = "/tmp/mgenjit-set-user-id-XXXXXX", *hostile, *callers, *marker, *command = NULL;
    pid_t process;
    int status;
    if (geteuid() != 0) {
        SKIP("it takes root to make a set-user-ID program of another user's");
        return;
    }
    CHECK(mkdtemp(folder) != NULL && chmod(folder, 0755) == 0);
    hostile = join(folder, "hostile");
    callers = join(folder, "callers");
    marker = join(folder, "marker");
    CHECK(mkdir(hostile, 0755) == 0 && mkdir(callers, 0700) == 0 && chown(callers, 65534, 65534) == 0);
    put_script(hostile, "mgenjit-server", marker);
    put_script(hostile, "cc", marker);
    copy_this_program(join(folder, "program"));

    process = fork();
    CHECK(process >= 0);
    if (process == 0) {
        /* The program's own name is the caller's choice as well. */
        char *const arguments[] = { join(hostile, "program"), "inner", server, join(folder, "output"), NULL };
        CHECK(setgroups(0, NULL) == 0 && setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
        for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
            CHECK(setenv(folders[i], callers, 1) == 0);
        CHECK(setenv("MGENJIT_SERVER", join(hostile, "mgenjit-server"), 1) == 0);
        CHECK(setenv("MGENJIT_CC", join(hostile, "cc"), 1) == 0);
        CHECK(setenv("MGENJIT_SERVER_LOG", join(callers, "log"), 1) == 0);
        CHECK(setenv("MGENJIT_SERVER_MODE", "shared", 1) == 0);
        CHECK(setenv("PATH", hostile, 1) == 0);
        execv(join(folder, "program"), arguments);
        CHECK(!"the program starts");
    }
    status = wait_for(process, 60);
    CHECK(WIFEXITED(status));
    if (WEXITSTATUS(status) == NOT_SET)
        SKIP("/tmp honours no set-user-ID programs");
    else
        CHECK_INT(0, WEXITSTATUS(status));
    CHECK(access(marker, F_OK) == -1);
    /* Nothing was written where the caller can change it: the folder is still empty. */
    CHECK(rmdir(callers) == 0);
    CHECK(asprintf(&command, "rm -r '%s'", folder) > 0);
    CHECK_INT(0, system(command));
    free(command);
    free(server);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = { CASE(the_environment_is_not_believed) };
    if (argc == 4 && strcmp(argv[1], "inner") == 0)
        return inner(argv[2], argv[3]);
    return RUN_CASES(cases);
}
