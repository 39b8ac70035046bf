// runs: once

/* Files that cannot be compiled because they cannot be read. */
#include "check.h"

#include <sys/un.h>
#include <sys/socket.h>

static void check_unreadable(const char *path, const char *reason)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = NULL;
    CHECK_STATUS(MGENJIT_STATUS_IO, mgenjit_executor_compile_file(executor, path, &module, &failure));
    CHECK_MESSAGE(path);
    CHECK_MESSAGE(reason);
    CHECK(module == NULL);
    check_usable(executor);
    mgenjit_executor_free(executor);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void missing(void)
{
    check_unreadable("/nowhere/at/all.ll", "No such file");
    check_unreadable("relative-and-missing.ll", "No such file");
    check_unreadable(join(program("main_void_i32.ll"), "below-a-file.ll"), "Not a directory");
}

static void an_empty_path(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_status status = mgenjit_executor_compile_file(executor, "", NULL, &failure);
    CHECK(status == MGENJIT_STATUS_IO || status == MGENJIT_STATUS_INVALID_ARGUMENT);
    mgenjit_executor_free(executor);
}

static void a_directory(void)
{
    check_unreadable(in_folder("fixtures"), "irectory");
    check_unreadable("/", "irectory");
}

static void a_loop_of_links(void)
{
    CHECK(symlink(in_folder("loop"), in_folder("loop")) == 0);
    check_unreadable(in_folder("loop"), "symbolic links");
}

static void a_name_too_long(void)
{
    char name[5000];
    mgenjit_executor *executor = new_executor(NULL);
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    CHECK_STATUS(MGENJIT_STATUS_IO, mgenjit_executor_compile_file(executor, name, NULL, &failure));
    mgenjit_executor_free(executor);
}

/* Root may read everything: as another user, in this process alone. */
static void without_permission(void)
{
    char *path = in_folder("secret.ll");
    write_file(path, "define i32 @f() {\n  ret i32 1\n}\n");
    CHECK(chmod(path, 0000) == 0);
    if (geteuid() == 0)
        CHECK(seteuid(65534) == 0);
    {
        mgenjit_executor *executor = new_executor(NULL);
        CHECK_STATUS(MGENJIT_STATUS_IO, mgenjit_executor_compile_file(executor, path, NULL, &failure));
        CHECK_MESSAGE("ermission denied");
        mgenjit_executor_free(executor);
    }
}

static void a_socket(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int file = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(address.sun_path, "a-socket");
    CHECK(bind(file, (struct sockaddr *)&address, sizeof address) == 0);
    check_unreadable("a-socket", "a-socket");
}

/* Files of no known size. */
static void a_pipe(void)
{
    static const char IR[] = "define i32 @from_a_pipe() {\n  ret i32 8\n}\n";
    mgenjit_executor *executor = new_executor(NULL);
    pid_t writer;
    CHECK(mkfifo("a-pipe", 0600) == 0);
    writer = fork();
    if (writer == 0) {
        write_file("a-pipe", IR);
        _exit(0);
    }
    mgenjit_module_free(add_file(executor, "a-pipe"));
    CHECK_INT(8, FUNCTION(int (*)(void), executor, "from_a_pipe")());
    CHECK_INT(0, wait_for(writer, 10));
    mgenjit_executor_free(executor);
}

static void dev_null(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    CHECK_STATUS(MGENJIT_STATUS_PARSE, mgenjit_executor_compile_file(executor, "/dev/null", NULL, &failure));
    CHECK_MESSAGE("/dev/null");
    check_usable(executor);
    mgenjit_executor_free(executor);
}

/* A parse error in a file names the file and the place in it. */
static void a_parse_error(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    char *path = in_folder("with an error.ll");
    write_file(path, "define i32 @f() {\n  ret i32 oops\n}\n");
    CHECK_STATUS(MGENJIT_STATUS_PARSE, mgenjit_executor_compile_file(executor, path, NULL, &failure));
    CHECK_MESSAGE("with an error.ll");
    CHECK_INT(2, mgenjit_error_line(failure));
    CHECK_INT(11, mgenjit_error_column(failure));
    CHECK_STRING("  ret i32 oops", mgenjit_error_source_line(failure));
    mgenjit_executor_free(executor);
}

/* A file that changes is a new module; the one that was compiled stays as it is. */
static void a_file_that_changes(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    char *path = in_folder("changing.ll");
    mgenjit_module *first, *second;
    void *address;
    write_file(path, "define i32 @changing() {\n  ret i32 1\n}\n");
    first = add_file(executor, path);
    CHECK_INT(1, FUNCTION(int (*)(void), executor, "changing")());
    write_file(path, "define i32 @changing() {\n  ret i32 2\n}\n");
    second = add_file(executor, path);
    CHECK_INT(2, FUNCTION(int (*)(void), executor, "changing")());
    CHECK_OK(mgenjit_module_lookup(first, "changing", &address, &failure));
    CHECK_INT(1, ((int (*)(void))address)());
    CHECK(strcmp(mgenjit_module_key(first), mgenjit_module_key(second)) != 0);
    mgenjit_module_free(first);
    mgenjit_module_free(second);
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(missing), CASE(an_empty_path), CASE(a_directory), CASE(a_loop_of_links), CASE(a_name_too_long),
        CASE(without_permission), CASE(a_socket), CASE(a_pipe), CASE(dev_null), CASE(a_parse_error),
        CASE(a_file_that_changes),
    };
    return RUN_CASES(cases);
}
