// libs: -lpthread
// timeout: 400

/* Objects and static archives that gcc, clang and rustc made, as inputs of a source. */
#include "check.h"

/* Runs a command of the shell with %s replaced by the fixtures' folder, %p by that of the programs. */
static void shell(const char *command)
{
    char line[4096];
    size_t length = 0;
    for (; *command != '\0'; command++) {
        const char *text = NULL;
        if (command[0] == '%' && command[1] == 's')
            text = in_folder("fixtures");
        else if (command[0] == '%' && command[1] == 'p')
            text = getenv("CHECK_PROGRAMS");
        if (text != NULL)
            command++;
        length += (size_t)snprintf(line + length, sizeof line - length, "%.*s", text ? (int)strlen(text) : 1,
                                   text ? text : command);
        CHECK(length < sizeof line);
    }
    if (system(line) != 0)
        check_failed(__FILE__, __LINE__, "failed: %s", line);
}

static mgenjit_source *new_source(const char *const *files)
{
    mgenjit_source *source = NULL;
    CHECK_OK(mgenjit_source_new("the source", &source, &failure));
    for (; *files != NULL; files++)
        CHECK_OK(mgenjit_source_add_file(source, fixture(*files), &failure));
    return source;
}

static mgenjit_module *add_files(mgenjit_executor *executor, const char *const *files)
{
    mgenjit_module *module = NULL;
    mgenjit_source *source = new_source(files);
    CHECK_OK(mgenjit_executor_compile_source(executor, source, &module, &failure));
    mgenjit_source_free(source);
    CHECK(!is_warm() || mgenjit_module_origin(module) == MGENJIT_ORIGIN_CACHE);
    return module;
}

static mgenjit_status try_files(mgenjit_executor *executor, const char *const *files)
{
    mgenjit_module *module = NULL;
    mgenjit_source *source = new_source(files);
    mgenjit_status status;
    check_reset();
    status = mgenjit_executor_compile_source(executor, source, &module, &failure);
    mgenjit_source_free(source);
    mgenjit_module_free(module);
    return status;
}

static void check_c(const char *file)
{
    const char *const files[] = { file, NULL };
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add_files(executor, files);
    const char *const again[] = { file, "ir.ll", NULL };
    /* Nothing is known of an object's functions but where they are. */
    CHECK_INT(0, (long long)mgenjit_module_function_count(module));
    CHECK_INT(0, FUNCTION(int (*)(void), executor, "objects_c")());
    CHECK_INT(5, *(int *)find(executor, "common_value"));
    CHECK_INT(0, *(int *)find(executor, "finished"));
    CHECK_OK(mgenjit_module_remove(module, &failure));
    mgenjit_module_free(module);

    module = add_files(executor, again);
    CHECK_INT(1, (long long)mgenjit_module_function_count(module));
    CHECK_INT(0, FUNCTION(int (*)(void), executor, "from_ir")());
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

static void c_objects(void)
{
    check_c("gcc0.o");
    check_c("gcc2.o");
    check_c("clang0.o");
    check_c("clang2.o");
    check_c("sections.o");
}

static void check_cpp(const char *one, const char *other)
{
    const char *const first[] = { one, NULL }, *const second[] = { other, NULL };
    mgenjit_executor *executor = new_executor(NULL);
    CHECK_OK(mgenjit_executor_load_library(executor, "libstdc++.so.6", &failure));
    mgenjit_module_free(add_files(executor, first));
    mgenjit_module_free(add_files(executor, second));
    CHECK_INT(0, FUNCTION(int (*)(void), executor, "one_objects")());
    CHECK_INT(0, FUNCTION(int (*)(void), executor, "two_objects")());
    /* An inline variable is one in the whole process. */
    CHECK(FUNCTION(int *(*)(void), executor, "one_counter")() == FUNCTION(int *(*)(void), executor, "two_counter")());
    CHECK(FUNCTION(void *(*)(void), executor, "one_holder")() == FUNCTION(void *(*)(void), executor, "two_holder")());
    mgenjit_executor_free(executor);
}

static void cpp_objects(void)
{
    check_cpp("gcc_one.o", "gcc_two.o");
    check_cpp("clang_one.o", "clang_two.o");
    check_cpp("gcc_one.o", "clang_two.o");
}

/* Two objects of C++ in one image. */
static void cpp_together(void)
{
    const char *const files[] = { "gcc_one.o", "clang_two.o", NULL };
    mgenjit_executor *executor = new_executor(NULL);
    CHECK_OK(mgenjit_executor_load_library(executor, "libstdc++.so.6", &failure));
    mgenjit_module_free(add_files(executor, files));
    CHECK_INT(0, FUNCTION(int (*)(void), executor, "one_objects")());
    CHECK_INT(0, FUNCTION(int (*)(void), executor, "two_objects")());
    CHECK(FUNCTION(int *(*)(void), executor, "one_counter")() == FUNCTION(int *(*)(void), executor, "two_counter")());
    mgenjit_executor_free(executor);
}

static void check_rust(const char *const *files, const char *keep)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_source *source = new_source(files);
    mgenjit_module *module = NULL;
    if (keep != NULL)
        CHECK_OK(mgenjit_source_keep(source, keep, &failure));
    CHECK_OK(mgenjit_executor_compile_source(executor, source, &module, &failure));
    mgenjit_source_free(source);
    if (keep != NULL)
        CHECK_INT(0, FUNCTION(int (*)(void), executor, keep)());
    else
        CHECK_INT(5, FUNCTION(int (*)(int, int), executor, "rust_add")(2, 3));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

static void a_rust_library(void)
{
    const char *const alone[] = { "librust.a", NULL }, *const called[] = { "calls_rust.ll", "librust.a", NULL };
    check_rust(called, "calls_rust");
    check_rust(alone, "rust_works");
    check_rust(alone, NULL);
}

static void archives(void)
{
    const char *const files[] = { "ir.ll", "libobjects.a", NULL };
    const char *const thin[] = { "ir.ll", "libthin.a", NULL };
    mgenjit_executor *executor = new_executor(NULL);
    void *address = NULL;
    mgenjit_module_free(add_files(executor, files));
    CHECK_INT(0, FUNCTION(int (*)(void), executor, "from_ir")());
    /* A member that nothing refers to is not there. */
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_executor_lookup(executor, "one_objects", &address, &failure));
    CHECK_INT(MGENJIT_STATUS_PARSE, try_files(executor, thin));
    CHECK_MESSAGE("libthin.a: the input is a thin archive");
    CHECK_MESSAGE("ar rcs");
    mgenjit_executor_free(executor);
}

static void not_for_an_image(void)
{
    const char *const foreign[] = { "foreign.o", NULL }, *const threads[] = { "tls.o", NULL };
    mgenjit_executor *executor = new_executor(NULL);
#ifndef __aarch64__
    /* Code for AArch64 has no absolute addresses, and what else it has becomes what an image needs. */
    const char *const code[] = { "ir.ll", "nopic.o", NULL }, *const data[] = { "pie.o", NULL };
    const char *const member[] = { "calls_get.ll", "libnopic.a", NULL };
    CHECK_INT(MGENJIT_STATUS_LINK, try_files(executor, code));
    CHECK_MESSAGE("nopic.o: the input holds the absolute address");
    CHECK_MESSAGE("compile it with -fPIC");
    CHECK_INT(MGENJIT_STATUS_LINK, try_files(executor, member));
    CHECK_MESSAGE("libnopic.a: its member nopic.o holds the absolute address");
    CHECK_INT(MGENJIT_STATUS_LINK, try_files(executor, data));
    CHECK_MESSAGE("pie.o: ");
    CHECK_MESSAGE("`environ`");
    CHECK_MESSAGE("compile it with -fPIC");
#endif
    CHECK_INT(MGENJIT_STATUS_LINK, try_files(executor, threads));
    CHECK_MESSAGE("tls.o: ");
    CHECK_MESSAGE("-ftls-model=global-dynamic");
    CHECK_INT(MGENJIT_STATUS_TARGET, try_files(executor, foreign));
    CHECK_MESSAGE("foreign.o: the input is an object for RISC-V, but code is generated for ");
    check_usable(executor);
    mgenjit_executor_free(executor);
}

static void build(void)
{
    static const char *const commands[] = {
        "echo 'declare i32 @objects_c()\ndefine i32 @from_ir() {\n  %r = call i32 @objects_c()\n"
        "  ret i32 %r\n}' > %s/ir.ll",
        "echo 'declare i32 @rust_works()\ndefine i32 @calls_rust() {\n  %r = call i32 @rust_works()\n"
        "  ret i32 %r\n}' > %s/calls_rust.ll",
        "echo 'declare ptr @get()\n@use = global ptr @get' > %s/calls_get.ll",
        "gcc -O0 -g -fPIC -fcommon -c %p/objects.c -o %s/gcc0.o",
        "gcc -O2 -fPIC -fno-plt -c %p/objects.c -o %s/gcc2.o",
        "clang-22 -O0 -g -fPIC -c %p/objects.c -o %s/clang0.o",
        "clang-22 -O2 -fPIC -c %p/objects.c -o %s/clang2.o",
        "gcc -O2 -g -gz -fPIC -ffunction-sections -fdata-sections -c %p/objects.c -o %s/sections.o",
        "g++ -std=c++17 -O2 -fPIC -DPREFIX=one -c %p/objects.cpp -o %s/gcc_one.o",
        "g++ -std=c++17 -O0 -g -fPIC -DPREFIX=two -c %p/objects.cpp -o %s/gcc_two.o",
        "clang++-22 -std=c++17 -O0 -fPIC -DPREFIX=one -c %p/objects.cpp -o %s/clang_one.o",
        "clang++-22 -std=c++17 -O2 -fPIC -DPREFIX=two -c %p/objects.cpp -o %s/clang_two.o",
        "cd %s && ar rcs libobjects.a gcc_one.o gcc2.o && ar rcsT libthin.a gcc2.o",
        "rustc --crate-type staticlib --edition 2024 -O -C panic=unwind %p/staticlib.rs -o %s/librust.a",
        "echo 'int x; int *get(void) { return &x; }' | gcc -fno-pic -xc - -c -o %s/nopic.o",
        "cd %s && ar rcs libnopic.a nopic.o",
        "echo 'extern char **environ; char **get(void) { return environ; }' | gcc -O1 -fPIE -xc - -c -o %s/pie.o",
        "echo 'extern __thread int x; int get(void) { return x; }' | gcc -fPIE -xc - -c -o %s/tls.o",
        "echo 'int x;' | riscv64-linux-gnu-gcc -xc - -c -o %s/foreign.o",
    };
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        shell(commands[i]);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(c_objects), CASE(cpp_objects), CASE(cpp_together), CASE(a_rust_library), CASE(archives),
        CASE(not_for_an_image),
    };
    if (!is_warm() && getenv("CHECK_CASE") == NULL)
        build();
    return RUN_CASES(cases);
}
