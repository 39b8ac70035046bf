/* Exports that cannot be: what is said, and that nothing is left. */
#include "exporting.h"
#include "servers.h"

#include <sys/wait.h>

static const char MAIN[] = "define i32 @main() {\n  ret i32 4\n}\n";
static const char NEEDY[] =
    "declare i32 @missing_one()\ndeclare i32 @\"missing two\"()\n"
    "declare i32 @_ZN7missing5threeEi(i32)\n"
    "define i32 @main() {\n  %a = call i32 @missing_one()\n  %b = call i32 @\"missing two\"()\n  %c = add i32 %a, %b\n"
    "  %d = call i32 @_ZN7missing5threeEi(i32 %c)\n  ret i32 %d\n}\n";

static mgenjit_module *compile(mgenjit_executor *executor, const char *name, const char *ir)
{
    mgenjit_module *module = NULL;
    CHECK_OK(mgenjit_executor_compile(executor, name, ir, strlen(ir), &module, &failure));
    return module;
}

static mgenjit_config *config_with(const char *linker)
{
    mgenjit_config *config = default_config();
    CHECK_OK(mgenjit_config_set_linker(config, linker, &failure));
    return config;
}

/* Exports as an executable with this linker, which is expected to fail. */
static void check_linker(const mgenjit_config *config, const char *ir, mgenjit_status expected)
{
    char *temporary = own_temporary_folder("tmp");
    mgenjit_executor *executor = new_executor(config);
    mgenjit_module *module = compile(executor, "some/program.ll", ir);
    char *path = in_folder("never");
    CHECK_STATUS(expected, mgenjit_module_export(module, MGENJIT_EXPORT_EXECUTABLE, path, NULL, &failure));
    CHECK(access(path, F_OK) != 0);
    CHECK_INT(0, files_in(temporary));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

static void check_script(const char *text, const char *message)
{
    mgenjit_config *config = config_with(write_file("linker", text, 0755));
    check_linker(config, MAIN, MGENJIT_STATUS_LINKER);
    CHECK_MESSAGE(message);
    mgenjit_config_free(config);
}

static int has_symbol(const char *name)
{
    for (size_t i = 0; i < mgenjit_error_symbol_count(failure); i++)
        if (strcmp(mgenjit_error_symbol(failure, i), name) == 0)
            return 1;
    return 0;
}

static void undefined_symbols(void)
{
    static const char *const linkers[] = { "gcc", "clang-22" };
    static const char *const flags[] = { "-fuse-ld=bfd", "-fuse-ld=gold", "-fuse-ld=lld" };
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 3; j++) {
            mgenjit_config *config = config_with(linkers[i]);
            mgenjit_executor *executor = new_executor(config);
            mgenjit_module *module = compile(executor, "some/program.ll", NEEDY);
            const char *flag = j == 2 ? "-fuse-ld=lld-22" : flags[j];
            const char *const arguments[] = { flag, NULL };
            mgenjit_export_options *options = options_with(arguments);
            mgenjit_blob *blob = NULL;
            /* This gcc knows no lld with a version in its name. */
            if (i == 0 && j == 2) {
                mgenjit_export_options_free(options);
                options = NULL;
            }
            CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED,
                         mgenjit_module_export_blob(module, MGENJIT_EXPORT_EXECUTABLE, options, &blob, &failure));
            CHECK_INT(3, mgenjit_error_symbol_count(failure));
            CHECK(has_symbol("missing_one") && has_symbol("missing two") && has_symbol("_ZN7missing5threeEi"));
            CHECK_MESSAGE("missing_one");
            CHECK_MESSAGE("some/program.ll");
            CHECK(strstr(mgenjit_error_message(failure), "mgenjit-link-") == NULL);
            CHECK(blob == NULL);
            mgenjit_export_options_free(options);
            mgenjit_module_free(module);
            mgenjit_executor_free(executor);
            mgenjit_config_free(config);
        }
}

static void a_missing_linker(void)
{
    mgenjit_config *config = config_with("no-such-linker");
    check_linker(config, MAIN, MGENJIT_STATUS_LINKER);
    CHECK_MESSAGE("no-such-linker");
    CHECK_MESSAGE("mgenjit_config_set_linker");
    CHECK_MESSAGE("MGENJIT_CC");
    CHECK_MESSAGE("PATH");
    mgenjit_config_free(config);
    config = config_with("./nowhere/cc");
    check_linker(config, MAIN, MGENJIT_STATUS_LINKER);
    CHECK_MESSAGE("./nowhere/cc");
    mgenjit_config_free(config);
    CHECK(setenv("MGENJIT_CC", "no-such-compiler", 1) == 0);
    check_linker(NULL, MAIN, MGENJIT_STATUS_LINKER);
    CHECK_MESSAGE("no-such-compiler");
    CHECK_MESSAGE("MGENJIT_CC names it");
    CHECK(unsetenv("MGENJIT_CC") == 0 && setenv("PATH", "/nowhere", 1) == 0);
    check_linker(NULL, MAIN, MGENJIT_STATUS_LINKER);
    CHECK_MESSAGE("by cc");
    /* Not executable, and a folder. */
    config = config_with(write_file("linker", "#!/bin/sh\n", 0644));
    check_linker(config, MAIN, MGENJIT_STATUS_LINKER);
    mgenjit_config_free(config);
    config = config_with("/");
    check_linker(config, MAIN, MGENJIT_STATUS_LINKER);
    mgenjit_config_free(config);
}

/* What the configuration and the environment name, and what an empty name means. */
static void which_linker(void)
{
    mgenjit_config *config = config_with(write_file("linker", "#!/bin/sh\necho of the configuration\nexit 1\n", 0755));
    char *other = write_file("other", "#!/bin/sh\necho of the variable\nexit 1\n", 0755);
    CHECK(setenv("MGENJIT_CC", other, 1) == 0);
    check_linker(config, MAIN, MGENJIT_STATUS_LINKER);
    CHECK_MESSAGE("of the configuration");
    check_linker(NULL, MAIN, MGENJIT_STATUS_LINKER);
    CHECK_MESSAGE("of the variable");
    CHECK(setenv("MGENJIT_CC", "", 1) == 0);
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = compile(executor, "m", MAIN);
    mgenjit_blob_free(export_blob(module, MGENJIT_EXPORT_EXECUTABLE, NULL));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
}

static void failing_linkers(void)
{
    check_script("#!/bin/sh\necho on stdout\necho on stderr >&2\nexit 3\n", "exit status 3");
    CHECK_MESSAGE("on stdout\non stderr");
    CHECK_MESSAGE("-pie");
    CHECK_MESSAGE("some/program.ll");
    check_script("#!/bin/sh\nkill -SEGV $$\n", "signal 11");
    check_script("#!/bin/sh\nexit 0\n", "no output");
    check_script("#!/nowhere/sh\n", "could not be run");
    /* Its standard input is empty, and what it says is bounded. */
    check_script("#!/bin/sh\ncat\nyes 0123456789abcde | head -n 100000\necho the end\nexit 1\n", "left out");
    CHECK_MESSAGE("the end");
    CHECK(strlen(mgenjit_error_message(failure)) < 80000);
    /* Words of another language would be those of no known linker; bytes of none are replaced. */
    check_script("#!/bin/sh\necho $LC_ALL\nprintf '\\377'\nexit 1\n", "C\n");
}

/* What it leaves in its temporary folder goes too. */
static void untidy_linkers(void)
{
    check_script("#!/bin/sh\nmkdir -p \"$TMPDIR/a/b\"\ntouch \"$TMPDIR/a/b/c\"\nchmod 500 \"$TMPDIR/a\"\nexit 1\n", "status 1");
}

static void hanging_linkers(void)
{
    mgenjit_config *config =
        config_with(write_file("linker", "#!/bin/sh\necho I wait\nsleep 1000 &\necho $! >\"$CHECK_FOLDER/sleeper\"\nwait\n", 0755));
    char *path = in_folder("sleeper");
    FILE *file;
    int sleeper = 0;
    CHECK_OK(mgenjit_config_set_linker_timeout(config, 1500, &failure));
    check_linker(config, MAIN, MGENJIT_STATUS_LINKER);
    CHECK_MESSAGE("1500 ms");
    CHECK_MESSAGE("mgenjit_config_set_linker_timeout");
    CHECK_MESSAGE("I wait");
    file = fopen(path, "r");
    CHECK(file != NULL && fscanf(file, "%d", &sleeper) == 1);
    fclose(file);
    /* And what it started. */
    CHECK_UNTIL(process_field(sleeper, 0) == -1 || kill(sleeper, 0) != 0);
    mgenjit_config_free(config);
}

/* The host is killed while the linker runs: nothing is left of either. */
static void a_host_that_dies(void)
{
    mgenjit_config *config =
        config_with(write_file("linker", "#!/bin/sh\ntouch \"$CHECK_FOLDER/started\"\nexec sleep 1000\n", 0755));
    char *temporary = own_temporary_folder("tmp-dies"), *started = in_folder("started");
    pid_t child = fork();
    if (child == 0) {
        mgenjit_executor *executor = new_executor(config);
        mgenjit_module *module = compile(executor, "m", MAIN);
        mgenjit_blob *blob = NULL;
        mgenjit_module_export_blob(module, MGENJIT_EXPORT_EXECUTABLE, NULL, &blob, NULL);
        _exit(1);
    }
    CHECK_UNTIL(access(started, F_OK) == 0);
    CHECK(server_count() > 0 && files_in(temporary) == 1);
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
    wait_for_servers(0);
    CHECK_INT(0, files_in(temporary));
    CHECK(unlink(started) == 0);
    mgenjit_config_free(config);
}

static volatile sig_atomic_t children_ended;

static void on_child(int signal)
{
    (void)signal;
    children_ended++;
}

/* The host sees no child and gets no signal, whatever it does about them. */
static void the_host_sees_nothing(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = compile(executor, "m", MAIN);
    mgenjit_blob *blobs[3];
    struct sigaction action;
    memset(&action, 0, sizeof action);
    for (int i = 0; i < 3; i++) {
        action.sa_handler = i == 0 ? on_child : i == 1 ? SIG_IGN : SIG_DFL;
        CHECK(sigaction(SIGCHLD, &action, NULL) == 0);
        blobs[i] = export_blob(module, MGENJIT_EXPORT_EXECUTABLE, NULL);
        CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
        CHECK_UNSEEN(children_ended);
        CHECK(same_blobs(blobs[0], blobs[i]));
    }
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

/* Descriptors that the host left open, and signals that it blocks, are not the linker's. */
static void nothing_is_inherited(void)
{
    mgenjit_config *config = config_with(write_file(
        "linker", "#!/bin/sh\nls /proc/self/fd | wc -l\ngrep SigBlk /proc/self/status\nexit 1\n", 0755));
    sigset_t all;
    CHECK(fcntl(0, F_DUPFD, 20) >= 20);
    sigfillset(&all);
    CHECK(sigprocmask(SIG_SETMASK, &all, NULL) == 0);
    check_linker(config, MAIN, MGENJIT_STATUS_LINKER);
    CHECK_MESSAGE("4\nSigBlk:\t0000000000000000");
    mgenjit_config_free(config);
}

static void two_mains(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *modules[2] = { compile(executor, "first.ll", MAIN),
                                   compile(executor, "second.ll", "define i32 @main() {\n  ret i32 5\n}\n") };
    static const int kinds[] = { MGENJIT_EXPORT_EXECUTABLE, MGENJIT_EXPORT_ARCHIVE, MGENJIT_EXPORT_SHARED_LIBRARY };
    mgenjit_blob *blob = NULL;
    for (int i = 0; i < 3; i++) {
        CHECK_STATUS(MGENJIT_STATUS_LINK, mgenjit_modules_export_blob(modules, 2, kinds[i], NULL, &blob, &failure));
        CHECK_MESSAGE("`main`");
        CHECK_MESSAGE("first.ll");
        CHECK_MESSAGE("second.ll");
        CHECK(has_symbol("main"));
    }
    CHECK(blob == NULL);
    mgenjit_module_free(modules[0]);
    mgenjit_module_free(modules[1]);
    mgenjit_executor_free(executor);
}

/* Weak definitions, and those of a group, are no conflict. */
static void definitions_that_may_be_many(void)
{
    static const char *const both =
        "$group = comdat any\n@weak = weak global i32 1\n"
        "define i32 @group() comdat {\n  ret i32 2\n}\n"
        "define linkonce_odr i32 @once() {\n  ret i32 3\n}\n"
        "define internal i32 @own() noinline {\n  ret i32 4\n}\n";
    mgenjit_executor *executor = new_executor(NULL);
    char *one = NULL, *other = NULL;
    mgenjit_module *modules[2];
    char *path = in_folder("many");
    const char *argv[] = { path, NULL };
    CHECK(asprintf(&one, "%sdefine i32 @main() {\n  %%a = call i32 @group()\n  %%b = call i32 @once()\n"
                         "  %%c = call i32 @own()\n  %%d = add i32 %%a, %%b\n  %%e = add i32 %%d, %%c\n  ret i32 %%e\n}\n", both) > 0);
    CHECK(asprintf(&other, "%sdefine i32 @more() {\n  %%a = call i32 @once()\n  ret i32 %%a\n}\n", both) > 0);
    modules[0] = compile(executor, "one.ll", one);
    modules[1] = compile(executor, "other.ll", other);
    CHECK_OK(mgenjit_modules_export(modules, 2, MGENJIT_EXPORT_EXECUTABLE, path, NULL, &failure));
    CHECK_INT(9, run_program(argv).status);
    mgenjit_module_free(modules[0]);
    mgenjit_module_free(modules[1]);
    mgenjit_executor_free(executor);
}

static void no_main(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = compile(executor, "library.ll", "define i32 @f() {\n  ret i32 5\n}\n");
    mgenjit_module *odd = compile(executor, "odd.ll", "define double @main() {\n  ret double 1.0\n}\n");
    mgenjit_blob *blob = NULL;
    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED,
                 mgenjit_module_export_blob(module, MGENJIT_EXPORT_EXECUTABLE, NULL, &blob, &failure));
    CHECK_MESSAGE("library.ll defines no `main`");
    CHECK(has_symbol("main"));
    CHECK_STATUS(MGENJIT_STATUS_TYPE, mgenjit_module_export_blob(odd, MGENJIT_EXPORT_EXECUTABLE, NULL, &blob, &failure));
    CHECK_MESSAGE("double @main()");
    mgenjit_module_free(module);
    mgenjit_module_free(odd);
    mgenjit_executor_free(executor);
}

static void kinds_that_cannot_be(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *modules[2] = { compile(executor, "one.ll", MAIN),
                                   compile(executor, "two.ll", "define void @f() {\n  ret void\n}\n") };
    static const int kinds[] = { MGENJIT_EXPORT_OBJECT, MGENJIT_EXPORT_BITCODE, MGENJIT_EXPORT_IR, MGENJIT_EXPORT_ASSEMBLY };
    static const int bad[] = { 0, -1, 9, 1 << 30 };
    mgenjit_blob *blob = NULL;
    for (int i = 0; i < 4; i++) {
        CHECK_STATUS(MGENJIT_STATUS_UNSUPPORTED, mgenjit_modules_export_blob(modules, 2, kinds[i], NULL, &blob, &failure));
        CHECK_MESSAGE(i == 0 ? "an archive" : "each by itself");
        CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_module_export_blob(modules[0], bad[i], NULL, &blob, &failure));
    }
    CHECK(blob == NULL);
    mgenjit_module_free(modules[0]);
    mgenjit_module_free(modules[1]);
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(undefined_symbols), CASE(a_missing_linker), CASE(which_linker), CASE(failing_linkers), CASE(untidy_linkers),
        CASE(hanging_linkers), CASE(a_host_that_dies), CASE(the_host_sees_nothing), CASE(nothing_is_inherited),
        CASE(two_mains), CASE(definitions_that_may_be_many), CASE(no_main), CASE(kinds_that_cannot_be),
    };
    return RUN_CASES(cases);
}
