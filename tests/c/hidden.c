// libs: -ldl

/* Symbols that are hidden, internal or protected: the modules of an executor are one program. */
#include "check.h"

#include <dlfcn.h>

typedef int (*int_function)(void);

/* Has the shell build something in the fixtures' folder. */
static void build(const char *command)
{
    char line[1024];
    snprintf(line, sizeof line, "cd '%s' && %s", in_folder("fixtures"), command);
    CHECK_INT(0, system(line));
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(fixture(name), "w");
    CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

static int has_symbol(const char *name)
{
    for (size_t i = 0; i < mgenjit_error_symbol_count(failure); i++)
        if (strcmp(mgenjit_error_symbol(failure, i), name) == 0)
            return 1;
    return 0;
}

#define DEFINES(kind) \
    "@data = " kind " global i32 20\n@text = " kind " constant [3 x i8] c\"abc\"\n" \
    "@thread = " kind " thread_local global i32 300\n" \
    "define " kind " i32 @code(i32 %x) {\n  %r = add i32 %x, 1000\n  ret i32 %r\n}\n"

#define USES(kind) \
    "@data = external " kind " global i32\n@text = external " kind " constant [0 x i8]\n" \
    "@thread = external " kind " thread_local global i32\n@pointer = global ptr @code\n" \
    "declare " kind " i32 @code(i32)\n" \
    "define i32 @uses() {\n  %a = load i32, ptr @data\n  %c = load i8, ptr @text\n  %b = zext i8 %c to i32\n" \
    "  %t = load i32, ptr @thread\n  %f = load ptr, ptr @pointer\n  %d = call i32 %f(i32 %a)\n" \
    "  %e = call i32 @code(i32 %t)\n  %r1 = add i32 %b, %d\n  %r = add i32 %r1, %e\n  ret i32 %r\n}\n"

static const int SUM = 'a' + 1020 + 1300;

static void check_uses(const char *uses, const char *defines)
{
    mgenjit_executor *executor = new_executor(NULL);
    void *address = NULL;
    mgenjit_module *module;
    add(executor, uses);
    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, mgenjit_executor_lookup(executor, "uses", &address, &failure));
    CHECK_INT(4, mgenjit_error_symbol_count(failure));
    CHECK(has_symbol("data") && has_symbol("text") && has_symbol("thread") && has_symbol("code"));
    module = add(executor, defines);
    CHECK_INT(SUM, FUNCTION(int_function, executor, "uses")());
    /* The host finds them, too, as with lli. */
    CHECK_INT(20, *(int *)find(executor, "data"));
    CHECK_INT(1001, FUNCTION(int (*)(int), executor, "code")(1));
    CHECK_OK(mgenjit_module_lookup(module, "code", &address, &failure));
    mgenjit_function_free(find_function(executor, "code"));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

static void in_another_module(void)
{
    check_uses(USES("hidden"), DEFINES("hidden"));
    check_uses(USES("protected"), DEFINES("protected"));
    check_uses(USES("hidden"), DEFINES("default"));
    check_uses(USES("default"), DEFINES("hidden"));
    check_uses(USES("protected"), DEFINES("hidden"));
}

/* Functions that are hidden are called with checks as well. */
static void checked_calls(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_function *function;
    mgenjit_value argument = mgenjit_i32(5), result;
    add(executor, DEFINES("hidden"));
    function = find_function(executor, "code");
    CHECK_OK(mgenjit_function_call(function, &argument, 1, &result, &failure));
    CHECK_INT(1005, result.of.integer);
    mgenjit_function_free(function);
    mgenjit_executor_free(executor);
}

/* Hidden means: in this program. What a library or the process has is not it; what the host defines is. */
static void not_in_libraries(void)
{
    static const char IR[] = "declare hidden i32 @getpid()\ndefine i32 @ask() {\n"
                             "  %r = call i32 @getpid()\n  ret i32 %r\n}\n";
    mgenjit_executor *executor = new_executor(NULL);
    void *address = NULL;
    add(executor, IR);
    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, mgenjit_executor_lookup(executor, "ask", &address, &failure));
    CHECK(has_symbol("getpid"));
    CHECK_MESSAGE("hidden");
    CHECK_OK(mgenjit_executor_define(executor, "getpid", (void *)getppid, &failure));
    CHECK_INT(getppid(), FUNCTION(int_function, executor, "ask")());
    mgenjit_executor_free(executor);
}

static void weak_ones_may_be_missing(void)
{
    static const char *const kinds[] = { "hidden", "protected", "default" };
    for (int i = 0; i < 3; i++) {
        mgenjit_executor *executor = new_executor(NULL);
        char ir[512];
        snprintf(ir, sizeof ir,
                 "declare extern_weak %s i32 @nowhere()\n@no_data = extern_weak %s global i32\n"
                 "define i32 @ask() {\n  %%a = icmp eq ptr @nowhere, null\n  %%b = icmp eq ptr @no_data, null\n"
                 "  %%c = and i1 %%a, %%b\n  %%r = zext i1 %%c to i32\n  ret i32 %%r\n}\n"
                 "@no_thread = extern_weak %s thread_local global i32\n"
                 "define ptr @thread() {\n  ret ptr @no_thread\n}\n",
                 kinds[i], kinds[i], kinds[i]);
        add(executor, ir);
        CHECK_INT(1, FUNCTION(int_function, executor, "ask")());
        CHECK(FUNCTION(void *(*)(void), executor, "thread")() == NULL);
        mgenjit_executor_free(executor);
    }
}

/* Which definition is meant: `asks` says what it finds, and `own` how the asking module defines it itself. */
static void check_which(int expected, const char *first, const char *second, const char *own)
{
    mgenjit_executor *executor = new_executor(NULL);
    char ir[512];
    const char *definitions[2] = { first, second };
    for (int i = 0; i < 2; i++) {
        snprintf(ir, sizeof ir, "define %s i32 @which() {\n  ret i32 %d\n}\n", definitions[i], i + 1);
        add(executor, ir);
    }
    snprintf(ir, sizeof ir, "%s\ndefine i32 @asks() {\n  %%r = call i32 @which()\n  ret i32 %%r\n}\n", own);
    add(executor, ir);
    if (FUNCTION(int_function, executor, "asks")() != expected)
        check_failed(__FILE__, __LINE__, "'%s', '%s', '%s'", first, second, own);
    mgenjit_executor_free(executor);
}

static void which_definition(void)
{
    static const char NONE[] = "declare i32 @which()", HIDDEN_NONE[] = "declare hidden i32 @which()";
    static const char *const asking[] = { NONE, HIDDEN_NONE };
    for (int i = 0; i < 2; i++) {
        check_which(1, "default", "hidden", asking[i]);
        check_which(2, "hidden", "default", asking[i]);
        check_which(2, "hidden", "hidden", asking[i]);
        check_which(1, "hidden", "weak default", asking[i]);
        check_which(2, "weak", "hidden", asking[i]);
        check_which(1, "weak hidden", "weak hidden", asking[i]);
        check_which(2, "weak hidden", "weak", asking[i]);
    }
    check_which(3, "default", "hidden", "define hidden i32 @which() {\n  ret i32 3\n}");
    check_which(3, "default", "hidden", "define protected i32 @which() {\n  ret i32 3\n}");
    check_which(3, "default", "hidden", "define i32 @which() {\n  ret i32 3\n}");
    check_which(2, "weak", "hidden", "define weak hidden i32 @which() {\n  ret i32 3\n}");
}

static void two_modules(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    add(executor, "@state = hidden global i32 1\ndefine ptr @first_state() {\n  ret ptr @state\n}\n");
    add(executor, "@state = hidden global i32 2\ndefine ptr @second_state() {\n  ret ptr @state\n}\n");
    CHECK_INT(1, *FUNCTION(int *(*)(void), executor, "first_state")());
    CHECK_INT(2, *FUNCTION(int *(*)(void), executor, "second_state")());
    mgenjit_executor_free(executor);
}

#ifdef __aarch64__
#define IN_ASSEMBLY \
    " stp x29, x30, [sp, #-16]!\\0A mov w0, #5\\0A bl code\\0A adrp x1, text\\0A add x1, x1, :lo12:text\\0A" \
    " ldrb w1, [x1]\\0A add w0, w0, w1\\0A ldp x29, x30, [sp], #16\\0A ret"
#define RETURN_77 " mov w0, #77\\0A ret"
#else
#define IN_ASSEMBLY \
    " subq $8, %rsp\\0A movl $5, %edi\\0A call code\\0A leaq text(%rip), %rcx\\0A movzbl (%rcx), %ecx\\0A" \
    " addl %ecx, %eax\\0A addq $8, %rsp\\0A ret"
#define RETURN_77 " movl $77, %eax\\0A ret"
#endif

/* Assembly outside of functions says by itself what is hidden. */
static void assembly(void)
{
    static const char *const kinds[] = { "hidden", "internal", "protected" };
    for (int i = 0; i < 3; i++) {
        mgenjit_executor *executor = new_executor(NULL);
        void *address = NULL;
        char ir[1024];
        snprintf(ir, sizeof ir,
                 "module asm \".%s code\\0A.%s text\\0A.globl in_assembly\\0Ain_assembly:\\0A%s\"\n"
                 "declare i32 @in_assembly()\ndefine i32 @asks() {\n  %%r = call i32 @in_assembly()\n  ret i32 %%r\n}\n",
                 kinds[i], kinds[i], IN_ASSEMBLY);
        add(executor, ir);
        CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, mgenjit_executor_lookup(executor, "asks", &address, &failure));
        CHECK(has_symbol("code") && has_symbol("text"));
        add(executor, DEFINES("hidden"));
        CHECK_INT(1005 + 'a', FUNCTION(int_function, executor, "asks")());
        mgenjit_executor_free(executor);
    }
}

/* Defined in assembly, used by IR. */
static void defined_in_assembly(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    add(executor, "declare hidden i32 @deep()\ndefine i32 @asks() {\n  %r = call i32 @deep()\n  ret i32 %r\n}\n");
    add(executor, "module asm \".globl deep\\0A.internal deep\\0Adeep:\\0A" RETURN_77 "\"\n");
    CHECK_INT(77, FUNCTION(int_function, executor, "asks")());
    mgenjit_executor_free(executor);
}

static const char OBJECT_DEFINES[] =
    "#pragma GCC visibility push(hidden)\n"
    "int table[4] = { 1, 2, 3, 4 }; int scalar = 5; _Thread_local int per_thread = 6;\n"
    "int inner(int x) { return x + 100; } __attribute__((visibility(\"internal\"))) int deep(int x) { return 3 * x; }\n"
    "__attribute__((weak)) int fallback(void) { return 8; }\n";
static const char OBJECT_USES[] =
    "#pragma GCC visibility push(hidden)\n"
    "extern int table[]; int inner(int); int deep(int); int fallback(void); int nowhere(void) __attribute__((weak));\n"
    "#pragma GCC visibility pop\n"
    "void *address(void) { return inner; }\n"
    "int uses(int x) { return inner(x) + table[x] + deep(x) + fallback() + (nowhere ? 1 : 0); }\n";

static void objects(void)
{
    static const char *const compilers[] = { "gcc", "clang-22" };
    write_file("defines.c", OBJECT_DEFINES);
    write_file("uses.c", OBJECT_USES);
    write_file("scalar.c", "__attribute__((visibility(\"hidden\"))) extern int scalar;\n"
                           "int uses_scalar(void) { return scalar; }\n");
    for (int i = 0; i < 2; i++) {
        char line[256];
        mgenjit_executor *executor = new_executor(NULL);
        mgenjit_source *source = NULL;
        void *address = NULL;
        snprintf(line, sizeof line,
                 "for file in defines uses scalar; do %s -O2 -fPIC -c $file.c -o $file.o || exit 1; done; "
                 "rm -f both.a; ar rcs both.a defines.o uses.o", compilers[i]);
        build(line);
        add_file(executor, fixture("uses.o"));
        CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, mgenjit_executor_lookup(executor, "uses", &address, &failure));
        CHECK(has_symbol("inner") && has_symbol("table") && has_symbol("deep") && has_symbol("fallback"));
        add_file(executor, fixture("defines.o"));
        CHECK_INT(102 + 3 + 6 + 8, FUNCTION(int (*)(int), executor, "uses")(2));
        CHECK(FUNCTION(void *(*)(void), executor, "address")() == find(executor, "inner"));
        mgenjit_executor_free(executor);

        /* Together they are one image; what is hidden in it is found by other modules. */
        executor = new_executor(NULL);
        add_file(executor, fixture("both.a"));
        add(executor, "declare hidden i32 @inner(i32)\ndefine i32 @asks() {\n"
                      "  %r = call i32 @inner(i32 1)\n  ret i32 %r\n}\n");
        CHECK_INT(119, FUNCTION(int (*)(int), executor, "uses")(2));
        CHECK_INT(101, FUNCTION(int_function, executor, "asks")());

        /* Code that cannot reach another image is refused, and says how it could. */
        CHECK_STATUS(MGENJIT_STATUS_LINK,
                     mgenjit_executor_compile_file(executor, fixture("scalar.o"), NULL, &failure));
        CHECK_MESSAGE("`scalar`");
        CHECK_MESSAGE("hidden");
        CHECK_OK(mgenjit_source_new("together", &source, &failure));
        CHECK_OK(mgenjit_source_add_file(source, fixture("scalar.o"), &failure));
        CHECK_OK(mgenjit_source_add_file(source, fixture("defines.o"), &failure));
        CHECK_OK(mgenjit_executor_compile_source(executor, source, NULL, &failure));
        CHECK_INT(5, FUNCTION(int_function, executor, "uses_scalar")());
        mgenjit_source_free(source);
        mgenjit_executor_free(executor);
    }
}

static mgenjit_status export_to(mgenjit_module *const *modules, size_t count, const char *path)
{
    check_reset();
    return mgenjit_modules_export(modules, count, MGENJIT_EXPORT_SHARED_LIBRARY, path, NULL, &failure);
}

/* In what is exported, hidden means what it does to the system's linker. */
static void exports(void)
{
    static const char *const kinds[] = { "hidden", "protected" };
    for (int i = 0; i < 2; i++) {
        mgenjit_executor *executor = new_executor(NULL);
        mgenjit_module *modules[2];
        void *library;
        int_function uses;
        modules[0] = add(executor, i == 0 ? USES("hidden") : USES("protected"));
        modules[1] = add(executor, DEFINES("hidden"));
        CHECK_STATUS(MGENJIT_STATUS_LINK, export_to(modules, 1, in_folder("alone.so")));
        CHECK_MESSAGE("`code`");
        CHECK_MESSAGE(kinds[0]);
        CHECK(access(in_folder("alone.so"), F_OK) != 0);
        CHECK_OK(export_to(modules, 2, in_folder("both.so")));
        library = dlopen(in_folder("both.so"), RTLD_NOW | RTLD_LOCAL);
        CHECK(library != NULL);
        CHECK(dlsym(library, "code") == NULL && dlsym(library, "data") == NULL);
        *(void **)&uses = dlsym(library, "uses");
        CHECK(uses != NULL);
        CHECK_INT(SUM, uses());
        CHECK_INT(0, dlclose(library));
        mgenjit_module_free(modules[0]);
        mgenjit_module_free(modules[1]);
        mgenjit_executor_free(executor);
    }
}

static void exported_weak_ones(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add(executor, "declare extern_weak hidden i32 @nowhere()\ndefine i32 @ask() {\n"
                                           "  %a = icmp eq ptr @nowhere, null\n  %r = zext i1 %a to i32\n  ret i32 %r\n}\n");
    void *library;
    int_function ask;
    CHECK_OK(export_to(&module, 1, in_folder("weak.so")));
    library = dlopen(in_folder("weak.so"), RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL);
    *(void **)&ask = dlsym(library, "ask");
    CHECK_INT(1, ask());
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

/* A header declares what a library of the module has. */
static void exported_header(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add(executor, "define hidden i32 @inside() {\n  ret i32 1\n}\n"
                                           "define i32 @outside() {\n  %r = call i32 @inside()\n  ret i32 %r\n}\n");
    mgenjit_blob *blob = NULL;
    char *text;
    CHECK_OK(mgenjit_module_export_blob(module, MGENJIT_EXPORT_HEADER, NULL, &blob, &failure));
    text = strndup(mgenjit_blob_data(blob), mgenjit_blob_size(blob));
    CHECK_CONTAINS("outside", text);
    CHECK(strstr(text, "inside") == NULL);
    free(text);
    mgenjit_blob_free(blob);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(in_another_module), CASE(checked_calls), CASE(not_in_libraries), CASE(weak_ones_may_be_missing),
        CASE(which_definition), CASE(two_modules), CASE(assembly), CASE(defined_in_assembly), CASE(objects),
        CASE(exports), CASE(exported_weak_ones), CASE(exported_header),
    };
    return RUN_CASES(cases);
}
