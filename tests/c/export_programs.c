// ir: quicksort.ll = quicksort.c -O0
// ir: matrix.ll = matrix.c -O0
// ir: workers.ll = workers.cpp -O1
// ir: runtime.ll = runtime.c -O2
// ir: flavours.ll = flavours.c -O2
// ir: variadic.ll = variadic.c -O2
// ir: ifunc.ll = ifunc.c -O1 --rtlib=compiler-rt
// ir: lifecycle.ll = lifecycle.c -O1
// ir: tagged.ll = tagged.c -O1 -DTAG=100
// ir: call_once.ll = call_once.cpp -std=c++17 -O1
// ir: features.ll = cpp_features.cpp -std=c++17 -O2
// ir: catcher.ll = catcher.cpp -O2
// ir: thrower.ll = thrower.cpp -O2
// ir: inline_one.ll = inline_variables.cpp -std=c++17 -O1 -DNAME=one
// ir: inline_two.ll = inline_variables.cpp -std=c++17 -O1 -DNAME=two
// ir: static_objects.ll = static_objects.cpp -O1
// ir: thread_locals.ll = thread_locals.cpp -O2
// ir: fork_handlers.ll = fork_handlers.c -O1
// ir: backtrace.ll = backtrace.c -O2
// ir: answer.ll = answer.c -O2
// ir: FLAVOURS.ll = drivers.c -O1 -DFLAVOURS
// ir: VARIADIC.ll = drivers.c -O1 -DVARIADIC
// ir: IFUNC.ll = drivers.c -O1 -DIFUNC
// ir: LIFECYCLE.ll = drivers.c -O1 -DLIFECYCLE
// ir: TAGGED.ll = drivers.c -O1 -DTAGGED
// ir: CALL_ONCE.ll = drivers.c -O1 -DCALL_ONCE
// ir: FEATURES.ll = drivers.c -O1 -DFEATURES
// ir: EXCEPTIONS.ll = drivers.c -O1 -DEXCEPTIONS
// ir: INLINE_VARIABLES.ll = drivers.c -O1 -DINLINE_VARIABLES
// ir: STATIC_OBJECTS.ll = drivers.c -O1 -DSTATIC_OBJECTS
// ir: THREAD_LOCALS.ll = drivers.c -O1 -DTHREAD_LOCALS
// ir: FORK_HANDLERS.ll = drivers.c -O1 -DFORK_HANDLERS
// ir: BACKTRACE.ll = drivers.c -O1 -DBACKTRACE
// ir: ANSWER.ll = drivers.c -O1 -DANSWER
// ir: CHURN.ll = drivers.c -O1 -DCHURN
// ir: CALLS.ll = drivers.c -O1 -DCALLS

/* Every program of the test set prints the same in memory, as an executable, as a shared library and as an archive. */
#include "exporting.h"

typedef struct sample {
    /* Without it, a file of drivers.c of this name has the main that uses the others. */
    int has_main;
    const char *name;
    const char *files[3];
    const char *argument;
    /* Whether it needs the libraries of C++. */
    int is_cpp;
    /*
     * What it prints when it is a library that a program is linked with, if that differs: such libraries' destructors
     * run before the handlers that their constructors registered.
     */
    const char *as_library;
} sample;

static const sample samples[] = {
    { 1, "fibonacci", { "fibonacci.ll" }, NULL, 0, NULL },
    { 1, "main_void_i32", { "main_void_i32.ll" }, NULL, 0, NULL },
    { 1, "print_and_exit", { "print_and_exit.ll" }, "one", 0, NULL },
    { 1, "quicksort", { ":quicksort.ll" }, NULL, 0, NULL },
    { 1, "matrix", { ":matrix.ll" }, NULL, 0, NULL },
    { 1, "word_count", { "word_count.ll", ":runtime.ll" }, NULL, 0, NULL },
    { 1, "workers", { ":workers.ll" }, "6", 1, NULL },
    { 1, "example_fibonacci", { "../../examples-c/programs/fibonacci.ll" }, "20", 0, NULL },
    { 1, "example_matrix", { "../../examples-c/programs/matrix.ll" }, NULL, 0, NULL },
    { 1, "example_quicksort", { "../../examples-c/programs/quicksort.ll" }, NULL, 0, NULL },
    { 0, "FLAVOURS", { ":flavours.ll" }, NULL, 0, NULL },
    { 0, "VARIADIC", { ":variadic.ll" }, NULL, 0, NULL },
    { 0, "IFUNC", { ":ifunc.ll" }, NULL, 0, NULL },
    { 0, "LIFECYCLE", { ":lifecycle.ll" }, NULL, 0, NULL },
    { 0, "TAGGED", { ":tagged.ll" }, NULL, 0, "[100]tagged_100 100\n[102][101]" },
    { 0, "CALL_ONCE", { ":call_once.ll" }, NULL, 1, NULL },
    { 0, "FEATURES", { ":features.ll" }, NULL, 1, NULL },
    { 0, "EXCEPTIONS", { ":catcher.ll", ":thrower.ll" }, NULL, 1, NULL },
    { 0, "INLINE_VARIABLES", { ":inline_one.ll", ":inline_two.ll" }, NULL, 1, NULL },
    { 0, "STATIC_OBJECTS", { ":static_objects.ll" }, NULL, 1, NULL },
    { 0, "THREAD_LOCALS", { ":thread_locals.ll" }, NULL, 1, NULL },
    { 0, "FORK_HANDLERS", { ":fork_handlers.ll" }, NULL, 0, NULL },
    { 0, "BACKTRACE", { ":backtrace.ll" }, NULL, 0, NULL },
    { 0, "ANSWER", { ":answer.ll" }, NULL, 0, NULL },
    { 0, "CHURN", { ":churn.ll" }, NULL, 0, NULL },
    { 0, "CALLS", { "calls.ll" }, NULL, 0, NULL },
};

/* The main of a library, for a program that is linked with it. */
static const char CALLER[] =
    "#define _GNU_SOURCE\n#include <dlfcn.h>\n"
    "int main(int argc, char **argv, char **envp) {\n"
    "  int (*next)(int, char **, char **) = (int (*)(int, char **, char **))dlsym(RTLD_NEXT, \"main\");\n"
    "  return next ? next(argc, argv, envp) : 99;\n}\n";

/* Compiles the modules of a sample, and the driver's before them if there is one. Returns how many there are. */
static int compile_all(mgenjit_executor *executor, const sample *sample, mgenjit_module **modules)
{
    int count = 0;
    CHECK_OK(mgenjit_executor_load_library(executor, "libstdc++.so.6", &failure));
    if (!sample->has_main) {
        char *name = NULL;
        CHECK(asprintf(&name, "%s.ll", sample->name) > 0);
        modules[count++] = add_file(executor, fixture(name));
    }
    for (const char *const *file = sample->files; *file != NULL; file++)
        modules[count++] = add_file(executor, **file == ':' ? fixture(*file + 1) : program(*file));
    return count;
}

/* What it does in this process's memory: in a child, whose output ends when it exits. */
static outcome run_in_memory(const sample *sample)
{
    const char *self[] = { "/proc/self/exe", NULL };
    outcome outcome;
    CHECK(setenv("EXPORT_SAMPLE", sample->name, 1) == 0);
    outcome = run_program(self);
    CHECK(unsetenv("EXPORT_SAMPLE") == 0);
    return outcome;
}

static int main_of_sample(const char *name)
{
    mgenjit_module *modules[4];
    mgenjit_executor *executor = new_executor(NULL);
    const sample *sample = samples;
    const char *argv[] = { "program", NULL, NULL };
    int status = -1, count;
    while (strcmp(sample->name, name) != 0)
        sample++;
    argv[1] = sample->argument;
    count = compile_all(executor, sample, modules);
    CHECK_OK(mgenjit_executor_run_main(executor, sample->argument ? 2 : 1, argv, &status, &failure));
    for (int i = 0; i < count; i++)
        mgenjit_module_free(modules[i]);
    mgenjit_executor_free(executor);
    return status;
}

static void check_same(const sample *sample, const char *what, const char *path, const outcome *expected)
{
    const char *argv[] = { "program", sample->argument, NULL };
    const outcome found = run_at(path, argv);
    if (found.status != expected->status || strcmp(found.output, expected->output) != 0)
        check_failed(__FILE__, __LINE__, "%s as %s: status %d, not %d:\n%s\ninstead of:\n%s", sample->name, what,
                     found.status, expected->status, found.output, expected->output);
}

static void check_sample(const sample *sample)
{
    static const char *const cpp[] = { "stdc++", "m", NULL }, *const c[] = { "m", NULL };
    mgenjit_export_options *options = options_with(sample->is_cpp ? cpp : c), *by_compiler;
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *modules[4];
    const int count = compile_all(executor, sample, modules), own = sample->has_main ? 0 : 1;
    const outcome expected = run_in_memory(sample);
    outcome as_library = expected;
    const char *libraries = sample->is_cpp ? "-Wl,--no-as-needed -lstdc++ -lm -lgcc_s" : "-lm";
    const char *driver = sample->has_main ? "caller.c" : program("drivers.c");
    char *path = in_folder("exported"), *library = in_folder("libexported.so"), *archive = in_folder("libexported.a");
    if (expected.status >= 126 || (expected.status == 0 && expected.output[0] == '\0' && !sample->has_main))
        check_failed(__FILE__, __LINE__, "%s in memory: status %d\n%s", sample->name, expected.status, expected.output);

    CHECK_OK(mgenjit_modules_export(modules, (size_t)count, MGENJIT_EXPORT_EXECUTABLE, path, options, &failure));
    check_same(sample, "an executable", path, &expected);
#ifdef __aarch64__
    by_compiler = NULL;
#else
    /* What __builtin_cpu_supports uses is in the static part of libgcc alone, which only a compiler links with. */
    by_compiler = strcmp(sample->name, "IFUNC") == 0 ? options : NULL;
#endif
    CHECK_OK(mgenjit_modules_export(modules + own, (size_t)(count - own), MGENJIT_EXPORT_SHARED_LIBRARY, library,
                                    by_compiler, &failure));
    shell("cc -D%s -o with-library -Wl,--no-as-needed %s libexported.so %s -Wl,-rpath,.", sample->name, driver, libraries);
    CHECK(chdir(getenv("CHECK_FOLDER")) == 0);
    if (sample->as_library != NULL)
        snprintf(as_library.output, sizeof as_library.output, "%s", sample->as_library);
    check_same(sample, "a shared library", in_folder("with-library"), &as_library);
    CHECK_OK(mgenjit_modules_export(modules + own, (size_t)(count - own), MGENJIT_EXPORT_ARCHIVE, archive, NULL, &failure));
    shell("cc -D%s -o with-archive %s libexported.a %s", sample->name, sample->has_main ? "" : driver, libraries);
    check_same(sample, "an archive", in_folder("with-archive"), &expected);

    for (int i = 0; i < count; i++)
        mgenjit_module_free(modules[i]);
    mgenjit_export_options_free(options);
    mgenjit_executor_free(executor);
}

static void with_main(void)
{
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        if (samples[i].has_main)
            check_sample(&samples[i]);
}

static void with_a_driver(void)
{
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        if (!samples[i].has_main)
            check_sample(&samples[i]);
}

int main(void)
{
    static const check_case cases[] = { CASE(with_main), CASE(with_a_driver) };
    if (getenv("EXPORT_SAMPLE") != NULL)
        return main_of_sample(getenv("EXPORT_SAMPLE"));
    free(write_file("caller.c", CALLER, 0600));
    shell("sed s/NUMBER/5/ '%s' >fixtures/churn.ll", program("churn.ll"));
    check_seconds = 300;
    return RUN_CASES(cases);
}
