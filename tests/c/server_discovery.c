// runs: once

/* Where the library looks for its server, in this order: the configuration, MGENJIT_SERVER, beside the library,
 * in a folder there, in the libexec folder, on PATH. */
#include "servers.h"

static char *real_server;

/* Takes the server away from everywhere, and MGENJIT_SERVER with it. */
static void nowhere(void)
{
    real_server = strdup(getenv("MGENJIT_SERVER"));
    CHECK(unsetenv("MGENJIT_SERVER") == 0);
    CHECK(mkdir(in_folder("empty"), 0700) == 0 || errno == EEXIST);
    CHECK(setenv("PATH", in_folder("empty"), 1) == 0);
    unlink(in_folder("lib/mgenjit-server"));
    unlink(in_folder("lib/mgenjit/mgenjit-server"));
    unlink(in_folder("libexec/mgenjit/mgenjit-server"));
}

static void put(const char *path)
{
    CHECK(link(real_server, path) == 0 || symlink(real_server, path) == 0);
}

static void check_found_at(const mgenjit_config *config, const char *expected)
{
    char *path = NULL;
    CHECK_OK(mgenjit_server_path(config, &path, &failure));
    char *found = realpath(path, NULL);
    char *real = realpath(expected, NULL);
    CHECK_STRING(real, found);
    free(real);
    free(found);
    mgenjit_string_free(path);
}

static void check_found(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    compile_fresh(executor);
    mgenjit_executor_free(executor);
}

static void check_not_found(const mgenjit_config *config)
{
    mgenjit_executor *executor = new_executor(config);
    char *ir = fresh_ir();
    CHECK_STATUS(MGENJIT_STATUS_SERVER_UNAVAILABLE,
                 mgenjit_executor_compile(executor, NULL, ir, strlen(ir), NULL, &failure));
    mgenjit_executor_free(executor);
    char *path = NULL;
    CHECK_STATUS(MGENJIT_STATUS_SERVER_UNAVAILABLE, mgenjit_server_path(config, &path, &failure));
    CHECK(path == NULL);
}

/* Every place that was tried is named; code in the cache still runs. */
static void none(void)
{
    static const char IR[] = "define i32 @cached() {\n  ret i32 5\n}\n";
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module_free(add(executor, IR));
    mgenjit_executor_free(executor);
    nowhere();
    check_not_found(NULL);
    CHECK_MESSAGE("MGENJIT_SERVER");
    CHECK_MESSAGE(in_folder("lib/mgenjit-server"));
    CHECK_MESSAGE("libexec/mgenjit/mgenjit-server");
    CHECK_MESSAGE(in_folder("empty"));
    executor = new_executor(NULL);
    CHECK_INT(MGENJIT_ORIGIN_CACHE, mgenjit_module_origin(add(executor, IR)));
    CHECK_INT(5, FUNCTION(int (*)(void), executor, "cached")());
    mgenjit_executor_free(executor);
}

/* An export says that it is a link that cannot be, and says where the server was looked for. */
static void none_for_an_export(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add(executor, "define i32 @main() {\n  ret i32 5\n}\n");
    mgenjit_blob *blob = NULL;
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    nowhere();
    executor = new_executor(NULL);
    module = add(executor, "define i32 @main() {\n  ret i32 5\n}\n");
    CHECK_OK(mgenjit_module_export_blob(module, MGENJIT_EXPORT_OBJECT, NULL, &blob, &failure));
    mgenjit_blob_free(blob);
    blob = NULL;
    for (int kind = MGENJIT_EXPORT_SHARED_LIBRARY; kind <= MGENJIT_EXPORT_EXECUTABLE; kind++) {
        CHECK_STATUS(MGENJIT_STATUS_SERVER_UNAVAILABLE, mgenjit_module_export_blob(module, kind, NULL, &blob, &failure));
        CHECK(strstr(mgenjit_error_message(failure), "must be compiled") == NULL);
        CHECK_MESSAGE(kind == MGENJIT_EXPORT_EXECUTABLE ? "to link executables" : "to compile and link");
        CHECK_MESSAGE(in_folder("empty"));
        CHECK(blob == NULL);
    }
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

static void beside_the_library(void)
{
    nowhere();
    put(in_folder("lib/mgenjit-server"));
    check_found();
    check_found_at(NULL, in_folder("lib/mgenjit-server"));
}

/* Where an installation has put a link to another libexec folder. */
static void in_a_folder_beside_the_library(void)
{
    nowhere();
    CHECK(mkdir(in_folder("lib/mgenjit"), 0700) == 0 || errno == EEXIST);
    put(in_folder("lib/mgenjit/mgenjit-server"));
    check_found();
    check_found_at(NULL, in_folder("lib/mgenjit/mgenjit-server"));
}

static void in_libexec(void)
{
    nowhere();
    CHECK(mkdir(in_folder("libexec"), 0700) == 0 || errno == EEXIST);
    CHECK(mkdir(in_folder("libexec/mgenjit"), 0700) == 0 || errno == EEXIST);
    put(in_folder("libexec/mgenjit/mgenjit-server"));
    check_found();
}

static void on_path(void)
{
    char *path = NULL;
    nowhere();
    CHECK(mkdir(in_folder("on-path"), 0700) == 0 || errno == EEXIST);
    put(in_folder("on-path/mgenjit-server"));
    CHECK(asprintf(&path, "%s:/nowhere:%s:/usr/bin", in_folder("empty"), in_folder("on-path")) > 0);
    CHECK(setenv("PATH", path, 1) == 0);
    check_found();
}

static void by_the_environment(void)
{
    nowhere();
    CHECK(setenv("MGENJIT_SERVER", real_server, 1) == 0);
    check_found();
}

static void by_the_configuration(void)
{
    mgenjit_config *config = default_config();
    mgenjit_executor *executor;
    nowhere();
    CHECK(setenv("MGENJIT_SERVER", "/nowhere/server", 1) == 0);
    CHECK_OK(mgenjit_config_set_server_path(config, real_server, &failure));
    check_found_at(config, real_server);
    executor = new_executor(config);
    compile_fresh(executor);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
}

/* A path that is set is the only one tried. */
static void the_set_one_only(void)
{
    mgenjit_config *config = default_config();
    nowhere();
    put(in_folder("lib/mgenjit-server"));
    CHECK(setenv("MGENJIT_SERVER", "/nowhere/by-environment", 1) == 0);
    check_not_found(NULL);
    CHECK_MESSAGE("/nowhere/by-environment");
    CHECK_OK(mgenjit_config_set_server_path(config, "/nowhere/by-configuration", &failure));
    check_not_found(config);
    CHECK_MESSAGE("/nowhere/by-configuration");
    mgenjit_config_free(config);
}

/* Once it is there, the executor that missed it finds it. */
static void found_later(void)
{
    mgenjit_executor *executor;
    char *ir = fresh_ir();
    nowhere();
    executor = new_executor(NULL);
    CHECK_STATUS(MGENJIT_STATUS_SERVER_UNAVAILABLE,
                 mgenjit_executor_compile(executor, NULL, ir, strlen(ir), NULL, &failure));
    put(in_folder("lib/mgenjit-server"));
    check_usable(executor);
    mgenjit_executor_free(executor);
}

static void write_script(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    CHECK(file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text));
    close(file);
}

/* Programs that are no server: the error says so, and nothing hangs. */
static void not_a_server(void)
{
    static const struct {
        const char *text;
        const char *what;
    } scripts[] = {
        { "#!/bin/sh\nexit 3\n", "exits" },
        { "#!/bin/sh\nkill -9 $$\n", "dies" },
        { "#!/bin/sh\necho hello; echo hello >&0\n", "speaks another language" },
        { "not a program\n", "is no program" },
        { "", "is empty" },
        { "#!/nowhere/interpreter\n", "has no interpreter" },
    };
    nowhere();
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        mgenjit_config *config = default_config();
        mgenjit_executor *executor;
        mgenjit_status status;
        char *ir = fresh_ir(), *path = in_folder("not-a-server");
        write_script(path, scripts[i].text);
        CHECK_OK(mgenjit_config_set_server_path(config, path, &failure));
        executor = new_executor(config);
        status = mgenjit_executor_compile(executor, NULL, ir, strlen(ir), NULL, &failure);
        if (status != MGENJIT_STATUS_SERVER_UNAVAILABLE && status != MGENJIT_STATUS_SERVER_MISMATCH
            && status != MGENJIT_STATUS_SERVER_CRASHED)
            check_failed(__FILE__, __LINE__, "a server that %s: %s", scripts[i].what, mgenjit_status_name(status));
        CHECK_MESSAGE(path);
        write_script(path, "#!/bin/sh\n");
        mgenjit_executor_free(executor);
        mgenjit_config_free(config);
    }
}

/* A file that may not be executed, and a folder. */
static void not_executable(void)
{
    mgenjit_config *config = default_config();
    nowhere();
    write_script(in_folder("not-executable"), "#!/bin/sh\n");
    CHECK(chmod(in_folder("not-executable"), 0644) == 0);
    CHECK_OK(mgenjit_config_set_server_path(config, in_folder("not-executable"), &failure));
    check_not_found(config);
    CHECK_OK(mgenjit_config_set_server_path(config, in_folder("lib"), &failure));
    check_not_found(config);
    mgenjit_config_free(config);
}

/* An executable's export, for which the library starts the helper. */
static mgenjit_status export_executable(const mgenjit_config *config)
{
    mgenjit_executor *executor = new_executor(config);
    mgenjit_module *module = add(executor, "define i32 @main() {\n  ret i32 5\n}\n");
    mgenjit_blob *blob = NULL;
    mgenjit_status status = mgenjit_module_export_blob(module, MGENJIT_EXPORT_EXECUTABLE, NULL, &blob, &failure);
    CHECK((status == MGENJIT_STATUS_OK) == (blob != NULL));
    mgenjit_blob_free(blob);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    return status;
}

/* Has the cache have the module, which then needs no server. Returns the folder of both programs. */
static char *compile_for_an_export(void)
{
    char *server = realpath(getenv("MGENJIT_SERVER"), NULL);
    CHECK_INT(MGENJIT_STATUS_OK, export_executable(NULL));
    *strrchr(server, '/') = '\0';
    return server;
}

static void expect_helper(const char *server)
{
    CHECK(setenv("MGENJIT_SERVER", server, 1) == 0);
    CHECK_INT(MGENJIT_STATUS_OK, export_executable(NULL));
}

static void put_helper(const char *folder, const char *path)
{
    char *real = NULL;
    CHECK(asprintf(&real, "%s/mgenjit-helper", folder) > 0);
    CHECK(link(real, path) == 0 || symlink(real, path) == 0);
    free(real);
}

/* Beside the server, or where its link leads to; else where a server is looked for. */
static void the_helper(void)
{
    char *folder = compile_for_an_export(), *path = NULL;
    mgenjit_config *config = default_config();
    CHECK(mkdir(in_folder("links"), 0700) == 0);
    CHECK(symlink(getenv("MGENJIT_SERVER"), in_folder("links/any-name")) == 0);
    expect_helper(in_folder("links/any-name"));
    put_helper(folder, in_folder("links/mgenjit-helper"));
    expect_helper(in_folder("links/there-is-none"));
    CHECK_OK(mgenjit_config_set_server_path(config, in_folder("links/there-is-none"), &failure));
    CHECK(setenv("MGENJIT_SERVER", "/nowhere/server", 1) == 0);
    CHECK_INT(MGENJIT_STATUS_OK, export_executable(config));

    put_helper(folder, in_folder("lib/mgenjit-helper"));
    expect_helper("/nowhere/server");
    CHECK(unsetenv("MGENJIT_SERVER") == 0);
    CHECK_INT(MGENJIT_STATUS_OK, export_executable(NULL));
    CHECK(unlink(in_folder("lib/mgenjit-helper")) == 0);
    CHECK(asprintf(&path, "%s:%s", getenv("PATH"), in_folder("links")) > 0);
    CHECK(setenv("PATH", path, 1) == 0);
    CHECK_INT(MGENJIT_STATUS_OK, export_executable(NULL));
    CHECK(unlink(in_folder("links/mgenjit-helper")) == 0);

    CHECK(setenv("MGENJIT_SERVER", "/nowhere/server", 1) == 0);
    CHECK_INT(MGENJIT_STATUS_SERVER_UNAVAILABLE, export_executable(NULL));
    CHECK_MESSAGE("/nowhere/mgenjit-helper");
    CHECK_MESSAGE(in_folder("lib/mgenjit-helper"));
    CHECK_MESSAGE("install it beside mgenjit-server");
    mgenjit_config_free(config);
    free(path);
    free(folder);
}

/* A helper that is another program: the error says what and where, and nothing hangs. */
static void not_a_helper(void)
{
    char *folder = compile_for_an_export();
    CHECK(mkdir(in_folder("wrong"), 0700) == 0);
    write_script(in_folder("wrong/mgenjit-helper"), "#!/bin/sh\nexit 3\n");
    CHECK(setenv("MGENJIT_SERVER", in_folder("wrong/mgenjit-server"), 1) == 0);
    CHECK_INT(MGENJIT_STATUS_SERVER_UNAVAILABLE, export_executable(NULL));
    CHECK_MESSAGE(in_folder("wrong/mgenjit-helper"));
    CHECK_MESSAGE("does not answer as a helper");
    free(folder);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(none), CASE(none_for_an_export), CASE(beside_the_library), CASE(in_a_folder_beside_the_library),
        CASE(in_libexec), CASE(on_path), CASE(by_the_environment),
        CASE(by_the_configuration), CASE(the_set_one_only), CASE(found_later), CASE(not_a_server),
        CASE(not_executable), CASE(the_helper), CASE(not_a_helper),
    };
    return RUN_CASES(cases);
}
