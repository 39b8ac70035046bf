// libs: -ldl
// runs: once

/*
 * Objects with more in them than code: whatever gcc and clang put there, they run in memory as in a library that the
 * system's own linker makes of them, and in one that is exported.
 */
#include "exporting.h"

#include <dlfcn.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Of this machine: the oldest version of what glibc has, and a function that returns a number and one that calls what `v`
 * holds and subtracts a number; each number is two of 16 bits, the lower one first. */
#ifdef __aarch64__
#define OLDEST_GLIBC "GLIBC_2.17"
#define RETURN_NUMBER "movz w0, #%d\n movk w0, #%d, lsl #16\n ret\n"
#define CALL_AND_SUBTRACT                                                                                                 \
    "stp x29, x30, [sp, #-16]!\n adrp x1, v\n ldr x1, [x1, :lo12:v]\n blr x1\n movz w1, #%d\n movk w1, #%d, lsl #16\n" \
    " sub w0, w0, w1\n ldp x29, x30, [sp], #16\n ret\n"
#else
#define OLDEST_GLIBC "GLIBC_2.2.5"
#define RETURN_NUMBER "movl $%d | %d << 16, %%eax\n ret\n"
#define CALL_AND_SUBTRACT "call *v(%%rip)\n sub $%d | %d << 16, %%eax\n ret\n"
#endif

static mgenjit_status try_object(mgenjit_executor *executor, const char *name, mgenjit_module **module)
{
    mgenjit_source *source = NULL;
    mgenjit_status status;
    CHECK_OK(mgenjit_source_new(name, &source, &failure));
    CHECK_OK(mgenjit_source_add_file(source, in_folder(name), &failure));
    check_reset();
    status = mgenjit_executor_compile_source(executor, source, module, &failure);
    mgenjit_source_free(source);
    return status;
}

/* helper(1) is 42. */
static void check_object(const char *what, const char *name)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = NULL;
    void *library;
    int (*helper)(int);
    char *path;
    if (try_object(executor, name, &module) != MGENJIT_STATUS_OK)
        check_failed(__FILE__, __LINE__, "%s: %s", what, mgenjit_error_message(failure));
    if (FUNCTION(int (*)(int), executor, "helper")(1) != 42)
        check_failed(__FILE__, __LINE__, "%s: in memory, helper(1) is not 42", what);
    path = export_file(module, MGENJIT_EXPORT_SHARED_LIBRARY, "libkind.so", NULL);
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        check_failed(__FILE__, __LINE__, "%s: %s", what, dlerror());
    *(void **)&helper = dlsym(library, "helper");
    CHECK(helper != NULL);
    if (helper(1) != 42)
        check_failed(__FILE__, __LINE__, "%s: in the library, helper(1) is not 42", what);
    CHECK(dlclose(library) == 0 && unlink(path) == 0);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

/* Compiles a source with each command, in which %s stands for "-fPIC -c kind.c -o kind.o". */
static void check_kinds(const char *source, const char *const *commands, size_t count)
{
    write_file("kind.c", source, 0600);
    for (size_t i = 0; i < count; i++) {
        shell("%s -fPIC -c kind.c -o kind.o", commands[i]);
        check_object(commands[i], "kind.o");
    }
}

static const char plain[] = "static int counter = 41;\nstatic const char *const names[] = {\"a\", \"bb\", \"ccc\"};\n"
                            "int helper(int x) { return x + counter + (names[x > 5] == 0); }\n";

/* What is for debuggers, profilers and other linkers. */
static void needless_sections(void)
{
    static const char *const commands[] = {
        "gcc -O1 -flto -ffat-lto-objects",
        "gcc -O1 -g3 -flto -ffat-lto-objects",
        "clang-22 -O1 -flto -ffat-lto-objects",
        "clang-22 -O1 -flto=thin -ffat-lto-objects",
        "clang-22 -g -gz=zlib",
        "clang-22 -g -gz=zstd",
        "gcc -g -gz=zlib-gnu",
        "gcc -g3 -gsplit-dwarf",
        "clang-22 -g -gdwarf-5 -fdebug-types-section",
        "clang-22 -faddrsig",
        "clang-22 -fbasic-block-address-map",
        "clang-22 -fstack-size-section",
        "clang-22 -fpatchable-function-entry=4,2",
        "clang-22 -O1 -fpseudo-probe-for-profiling",
        "clang-22 -fxray-instrument -fxray-instruction-threshold=1",
        "clang-22 -fembed-bitcode",
#ifdef __aarch64__
        "gcc -mbranch-protection=standard",
        "clang-22 -mbranch-protection=standard",
        "clang-22 -mcmodel=tiny",
#else
        "clang-22 -fcf-protection=full",
        "clang-22 -mcmodel=large",
        "gcc -mcmodel=medium -mlarge-data-threshold=1",
#endif
    };
    check_kinds(plain, commands, COUNT(commands));

    /* So many names that they are compressed, too. */
    static const char *const compressed[] = { "gcc -g -gz=zlib-gnu", "gcc -g -gz=zlib" };
    char *source = NULL;
    size_t size;
    FILE *file = open_memstream(&source, &size);
    CHECK(file != NULL);
    for (int i = 0; i < 100; i++)
        fprintf(file, "static int a_variable_that_is_number_%d = %d;\n", i, i);
    fprintf(file, "int helper(int x) { return x + a_variable_that_is_number_41");
    for (int i = 1; i < 100; i++)
        fprintf(file, " + (a_variable_that_is_number_%d != %d)", i, i);
    fprintf(file, "; }\n");
    CHECK(fclose(file) == 0);
    check_kinds(source, compressed, COUNT(compressed));
    free(source);
}

/* Constants that hold addresses, which no compiler makes read-only for a library, but assembly may. */
static void constants_with_addresses(void)
{
    static const char *const commands[] = { "gcc", "clang-22" };
    check_kinds("__asm__(\".section .gnu.warning.helper,\\\"\\\",@progbits\\n.string \\\"bad\\\"\\n\"\n"
                "\".section .gnu_debuglink,\\\"\\\",@progbits\\n.string \\\"x.debug\\\"\\n.balign 4\\n.long 0\\n\"\n"
                "\".section .only_for_the_linker,\\\"e\\\",@progbits\\n.quad helper\\n\"\n"
                "\".section .my_map,\\\"a\\\",@progbits\\n.globl map\\n.hidden map\\nmap: .quad helper\\n\"\n"
                "\".section .rodata.map,\\\"a\\\",@progbits\\n.globl other\\n.hidden other\\nother: .quad helper\\n.text\");\n"
                "extern int (*const map)(int), (*const other)(int);\n"
                "int helper(int x) { return x + 41 + (map != other) + (map != helper); }\n",
                commands, COUNT(commands));
    /* A GNU property and a note are neither. */
    check_kinds("__asm__(\".section .note.mine,\\\"a\\\",@note\\n.long 4, 4, 1\\n.string \\\"ABC\\\"\\n.long 0\\n.text\");\n"
                "static int one(int x) { return x + 41; }\nstatic int (*choose(void))(int) { return one; }\n"
                "int helper(int) __attribute__((ifunc(\"choose\")));\n",
                commands, COUNT(commands));
}

#ifdef __aarch64__
/* As gcc declares them from version 14 on. The constructor has run, though nothing calls the resolver. */
static void hidden_features_of_the_cpu(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = NULL;
    free(write_file("features.c",
                    "__attribute__((visibility(\"hidden\"))) extern struct { unsigned long known; } __aarch64_cpu_features;\n"
                    "__attribute__((visibility(\"hidden\"))) void __init_cpu_features_resolver(unsigned long, const void *);\n"
                    "int helper(int x) { return x + 41 + (__aarch64_cpu_features.known >> 63 == 0); }\n"
                    "void learn(void) { __init_cpu_features_resolver(0, 0); }\n",
                    0600));
    shell("gcc -c -O1 -fPIC -mbranch-protection=standard -o features.o features.c");
    CHECK_OK(try_object(executor, "features.o", &module));
    CHECK_INT(42, FUNCTION(int (*)(int), executor, "helper")(1));
    /* What comes along has landing pads, too. */
    free(export_file(module, MGENJIT_EXPORT_SHARED_LIBRARY, "libfeatures.so", NULL));
    shell("readelf -nW libfeatures.so | grep -q 'AArch64 feature:.*BTI'");
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}
#endif

static void constructors(void)
{
    static const char *const commands[] = { "gcc", "clang-22" };
    check_kinds("static int seen;\nvoid early(void) { seen |= 1; }\n"
                "__asm__(\".section .ctors,\\\"aw\\\",@progbits\\n.balign 8\\n.quad early\\n.text\");\n"
                "int helper(int x) { return x + 40 + seen; }\n",
                commands, COUNT(commands));
}

static void large_alignments(void)
{
    static const char *const commands[] = { "gcc -O1", "gcc -O1 -fcommon", "clang-22 -O1",
                                            "clang-22 -O1 -fdata-sections -ffunction-sections" };
    static const char *const sizes[] = { "65536", "131072", "2097152" };
    for (size_t i = 0; i < COUNT(sizes); i++) {
        char *source = NULL;
        CHECK(asprintf(&source,
                       "#include <stdint.h>\n#define HIGH __attribute__((aligned(%s)))\n"
                       "#define OFF(x) (((uintptr_t)(x)) %% %s != 0)\n"
                       "HIGH char big[4096] = {1}, second[100] = {3};\nHIGH const char constant[10] = {2};\n"
                       "HIGH char zeros[10], common[20];\nint beside = 5;\n"
                       "HIGH int helper(int x) { volatile uintptr_t wrong = OFF(big) | OFF(second) | OFF(constant) | OFF(zeros)\n"
                       "| OFF(common) | OFF(helper);\n"
                       "return x + 41 + (int)wrong + (big[0] - 1) + (second[0] - 3) + (constant[0] - 2) + zeros[9] + common[19]\n"
                       "+ big[4095] + (beside - 5); }\n",
                       sizes[i], sizes[i])
              > 0);
        /* Images that are long take long. */
        check_kinds(source, commands, i == 2 ? 1 : COUNT(commands));
        free(source);
    }
}

static void versions(void)
{
    static const char *const commands[] = { "gcc", "clang-22" };
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = NULL;
    check_kinds("#include <string.h>\n__asm__(\".symver old_memcpy, memcpy@" OLDEST_GLIBC "\");\n"
                "void *old_memcpy(void *, const void *, size_t);\n"
                "int helper(int x) { int y; old_memcpy(&y, &x, 4); return y + 41; }\n",
                commands, COUNT(commands));
    /* A version that nobody has. */
    write_file("kind.c", "__asm__(\".symver old, strlen@NOBODY_1\");\nint old(int);\nint helper(int x) { return old(x); }\n",
               0600);
    shell("gcc -fPIC -c kind.c -o kind.o");
    CHECK(try_object(executor, "kind.o", &module) == MGENJIT_STATUS_OK);
    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, mgenjit_executor_link(executor, &failure));
    CHECK_CONTAINS("strlen@NOBODY_1", mgenjit_error_message(failure));
    CHECK_OK(mgenjit_module_remove(module, &failure));
    mgenjit_module_free(module);
    /* Its own: the default version is what the plain name means, here and for others. */
    write_file("kind.c",
               "__asm__(\".symver new_helper, helper@@TWO\\n.symver old_helper, helper@ONE\");\n"
               "int new_helper(int x) { return x + 41; }\nint old_helper(int x) { return x; }\n",
               0600);
    shell("gcc -fPIC -c kind.c -o kind.o");
    CHECK(try_object(executor, "kind.o", &module) == MGENJIT_STATUS_OK);
    mgenjit_module_free(add(executor, "declare i32 @helper(i32)\ndefine i32 @user(i32 %x) {\n"
                                      "  %r = call i32 @helper(i32 %x)\n  ret i32 %r\n}\n"));
    CHECK_INT(42, FUNCTION(int (*)(int), executor, "helper")(1));
    CHECK_INT(42, FUNCTION(int (*)(int), executor, "user")(1));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

/* More sections than ELF's 16-bit numbers have room for. */
static void many_sections(void)
{
    char *path = in_folder("many.s");
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    for (int i = 0; i < 66000; i++)
        fprintf(file, ".section .text.f%d,\"ax\",@progbits\n.globl f%d\nf%d: " RETURN_NUMBER, i, i, i, i & 0xffff, i >> 16);
    fprintf(file, ".section .data.x,\"aw\"\n.balign 8\nv: .quad f65999\n.section .text.helper,\"ax\",@progbits\n"
                  ".globl helper\nhelper: " CALL_AND_SUBTRACT ".section .note.GNU-stack,\"\",@progbits\n",
            65957 & 0xffff, 65957 >> 16);
    CHECK(fclose(file) == 0);
    shell("gcc -c -o many.o many.s");
    check_object("66,000 sections", "many.o");
}

/* In IR: what LLVM makes of it needs the same care. */
static void from_ir(void)
{
    static const char *const modules[] = {
        /* Stack maps. */
        "declare void @llvm.experimental.stackmap(i64, i32, ...)\n@__LLVM_StackMaps = external hidden constant i8\n"
        "define i32 @helper(i32 %a) {\n  call void (i64, i32, ...) @llvm.experimental.stackmap(i64 7, i32 0, i32 %a)\n"
        "  %v = load i8, ptr @__LLVM_StackMaps\n  %e = zext i8 %v to i32\n  %r = add i32 %e, 39\n  ret i32 %r\n}\n",
        /* Thread-local variables of all models, and aliases of them, one to the inside of another. */
        "@ie = thread_local(initialexec) global [2 x i32] [i32 1, i32 20]\n"
        "@le = thread_local(localexec) global i32 20, align 128\n"
        "@whole = thread_local(initialexec) alias i32, ptr @ie\n"
        "@inside = thread_local(localexec) alias i32, getelementptr (i8, ptr @ie, i64 4)\n"
        "@weak = weak thread_local(initialexec) alias i32, ptr @le\n"
        "declare ptr @llvm.threadlocal.address.p0(ptr)\ndefine i32 @helper(i32 %x) {\n"
        "  %p = call ptr @llvm.threadlocal.address.p0(ptr @whole)\n  %q = call ptr @llvm.threadlocal.address.p0(ptr @inside)\n"
        "  %w = call ptr @llvm.threadlocal.address.p0(ptr @weak)\n  %a = load i32, ptr %p\n  %b = load i32, ptr %q\n"
        "  %c = load i32, ptr %w\n  %i = ptrtoint ptr %w to i32\n  %m = and i32 %i, 127\n  %s = add i32 %a, %b\n"
        "  %t = add i32 %s, %c\n  %u = add i32 %t, %m\n  %r = add i32 %u, %x\n  ret i32 %r\n}\n",
        /* An old version of a function. */
        "module asm \".symver old_abs, abs@" OLDEST_GLIBC "\"\ndeclare i32 @old_abs(i32)\ndefine i32 @helper(i32 %x) {\n"
        "  %n = sub i32 -41, %x\n  %r = call i32 @old_abs(i32 %n)\n  ret i32 %r\n}\n",
        /* A huge page. */
        "@huge = global [10 x i8] c\"ABCDEFGHIJ\", align 2097152\ndefine i32 @helper(i32 %x) {\n"
        "  %p = ptrtoint ptr @huge to i64\n  %l = and i64 %p, 2097151\n  %m = trunc i64 %l to i32\n"
        "  %r = add i32 %m, 42\n  ret i32 %r\n}\n",
    };
    for (size_t i = 0; i < COUNT(modules); i++) {
        char name[32];
        snprintf(name, sizeof name, "kind%d.ll", (int)i);
        write_file(name, modules[i], 0600);
        check_object(modules[i], name);
    }
}

/* What cannot be linked says why, and what to do. */
static void refused(void)
{
    mgenjit_executor *first = new_executor(NULL);
    CHECK(try_ir(first, "@x = global i8 1, align 134217728\n") == MGENJIT_STATUS_LINK);
    CHECK_CONTAINS("134217728 is more than can be kept, which is 67108864", mgenjit_error_message(failure));
    CHECK(try_ir(first, "@x = thread_local global i8 1, align 131072\n") == MGENJIT_STATUS_LINK);
    CHECK_CONTAINS("131072 is more than thread-local variables can have, which is 65536", mgenjit_error_message(failure));
    mgenjit_executor_free(first);
    static const struct {
        const char *command, *parts[2];
    } cases[] = {
        { "gcc -O1 -flto -fno-fat-lto-objects", { "-ffat-lto-objects", "no code" } },
        { "clang-22 -O1 -fPIC -ftls-model=initial-exec", { "-ftls-model=global-dynamic", "`shared`" } },
        { "gcc -O1 -fno-pic -mcmodel=large -DPLAIN", { "-fPIC", "absolute address" } },
    };
    write_file("kind.c", "#ifdef PLAIN\nextern int shared;\n#else\nextern __thread int shared;\n#endif\n\nextern int other(int);\nint helper(int x) { return x + other(shared); }\n", 0600);
    for (size_t i = 0; i < COUNT(cases); i++) {
        mgenjit_executor *executor = new_executor(NULL);
        shell("%s -c kind.c -o kind.o", cases[i].command);
        CHECK(try_object(executor, "kind.o", NULL) != MGENJIT_STATUS_OK);
        for (size_t part = 0; part < 2; part++)
            CHECK_CONTAINS(cases[i].parts[part], mgenjit_error_message(failure));
        mgenjit_executor_free(executor);
    }
}

int main(void)
{
    static const check_case cases[] = {
#ifdef __aarch64__
        CASE(hidden_features_of_the_cpu),
#endif
        CASE(needless_sections), CASE(constants_with_addresses), CASE(constructors), CASE(large_alignments),
        CASE(versions),          CASE(many_sections),            CASE(from_ir),      CASE(refused),
    };
    return check_cases(cases, COUNT(cases));
}
