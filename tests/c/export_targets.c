/* What is exported for other machines, run by emulators. */
#include "exporting.h"

static const char HELLO[] =
    "@text = private constant [11 x i8] c\"hello %ld\\0A\\00\"\n"
    "declare i32 @printf(ptr, ...)\n"
    "define i64 @twice(i64 %x) {\n  %y = mul i64 %x, 2\n  ret i64 %y\n}\n"
    "define i64 @main(i64 %argc) {\n  %t = call i64 @twice(i64 %argc)\n"
    "  %n = call i32 (ptr, ...) @printf(ptr @text, i64 %t)\n  ret i64 5\n}\n";

static const char PURE[] = "define i32 @twice(i32 %x) {\n  %y = mul i32 %x, 2\n  ret i32 %y\n}\n";

/* As clang writes a function of two versions. */
static const char VERSIONS[] =
    "@__aarch64_cpu_features = external dso_local global { i64 }\n"
    "@chosen = ifunc i32 (), ptr @resolve\n"
    "declare dso_local void @__init_cpu_features_resolver()\n"
    "define internal ptr @resolve() {\n  call void @__init_cpu_features_resolver()\n"
    "  %f = load i64, ptr @__aarch64_cpu_features\n  %s = and i64 %f, 69793284352\n"
    "  %h = icmp eq i64 %s, 69793284352\n  %c = select i1 %h, ptr @sve2, ptr @plain\n  ret ptr %c\n}\n"
    "define internal i32 @sve2() {\n  ret i32 2\n}\ndefine internal i32 @plain() {\n  ret i32 1\n}\n"
    "define i32 @has_sve2() {\n  %f = load i64, ptr @__aarch64_cpu_features\n  %s = lshr i64 %f, 36\n"
    "  %t = trunc i64 %s to i32\n  %h = and i32 %t, 1\n  ret i32 %h\n}\n"
    "define i32 @sum() {\n  %a = call i32 @chosen()\n  %b = call i32 @has_sve2()\n"
    "  %c = mul i32 %a, 10\n  %r = add i32 %b, %c\n  ret i32 %r\n}\n"
    "define i32 @main() {\n  %r = call i32 @sum()\n  ret i32 %r\n}\n"
    "!llvm.module.flags = !{!0}\n!0 = !{i32 8, !\"branch-target-enforcement\", i32 1}\n";

/* What the constructor of a user found. */
static const char READS[] =
    "@__aarch64_cpu_features = external dso_local global { i64 }\n@found = internal global i64 0\n"
    "@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 101, ptr @find, ptr null }]\n"
    "define internal void @find() {\n  %f = load i64, ptr @__aarch64_cpu_features\n  store i64 %f, ptr @found\n"
    "  ret void\n}\n"
    "define i32 @sum() {\n  %f = load i64, ptr @found\n  %k = lshr i64 %f, 63\n  %s = lshr i64 %f, 36\n"
    "  %t = and i64 %s, 1\n  %m = mul i64 %k, 10\n  %n = add i64 %m, %t\n  %r = trunc i64 %n to i32\n  ret i32 %r\n}\n"
    "define i32 @main() {\n  %r = call i32 @sum()\n  ret i32 %r\n}\n";

static mgenjit_module *compile(const char *triple, const char *linker, const char *ir, mgenjit_executor **executor)
{
    mgenjit_config *config = default_config();
    mgenjit_module *module = NULL;
    CHECK_OK(mgenjit_config_set_target(config, triple, NULL, NULL, &failure));
    CHECK_OK(mgenjit_config_set_linker(config, linker, &failure));
    *executor = new_executor(config);
    CHECK_OK(mgenjit_executor_compile(*executor, "hello.ll", ir, strlen(ir), &module, &failure));
    mgenjit_config_free(config);
    return module;
}

static void check_machine(const char *triple, const char *compiler, const char *emulator, const char *root)
{
    mgenjit_executor *executor;
    mgenjit_module *module = compile(triple, compiler, HELLO, &executor);
    mgenjit_export_options *options = default_options();
    free(write_file("user.c", "#include \"hello.h\"\n#include <stdio.h>\n"
                              "int main(void) { printf(\"%d\\n\", (int)twice(21)); return 0; }\n", 0600));
    free(export_file(module, MGENJIT_EXPORT_EXECUTABLE, "foreign", NULL));
    CHECK_STRING("hello 4\n", shell("%s -L %s ./foreign one; test $? = 5", emulator, root));
    CHECK_OK(mgenjit_export_options_set_static(options, 1, &failure));
    free(export_file(module, MGENJIT_EXPORT_EXECUTABLE, "foreign-static", options));
    CHECK_STRING("hello 2\n", shell("%s ./foreign-static; test $? = 5", emulator));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);

    module = compile(triple, compiler, PURE, &executor);
    free(export_file(module, MGENJIT_EXPORT_HEADER, "hello.h", NULL));
    free(export_file(module, MGENJIT_EXPORT_OBJECT, "foreign.o", NULL));
    free(export_file(module, MGENJIT_EXPORT_ARCHIVE, "libforeign.a", NULL));
    free(export_file(module, MGENJIT_EXPORT_ASSEMBLY, "foreign.s", NULL));
    free(export_file(module, MGENJIT_EXPORT_SHARED_LIBRARY, "libforeign.so", NULL));
    shell("%s -o with-object user.c foreign.o && %s -o with-archive user.c -L. -l:libforeign.a", compiler, compiler);
    shell("%s -o with-library user.c libforeign.so -Wl,-rpath,.", compiler);
    /* The system's assembler may be older than this LLVM. */
    shell("clang-22 --target=%s -c -o assembled.o foreign.s && %s -o with-assembly user.c assembled.o", triple, compiler);
    CHECK_STRING("42\n42\n42\n42\n", shell("for one in object archive library assembly; do %s -L %s ./with-$one || exit 1; done",
                                           emulator, root));
    mgenjit_export_options_free(options);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

/* Old compilers' libraries lack what is asked: it comes along. */
static void check_cpu(const char *ir, int with_sve2, int without)
{
    static const char *const flags[] = { "", " -static", " -no-pie" };
    const char *const emulator = "qemu-aarch64 -L /usr/aarch64-linux-gnu";
    mgenjit_executor *executor;
    mgenjit_module *module = compile("aarch64-linux-gnu", "aarch64-linux-gnu-gcc", ir, &executor);
    size_t i;
    free(write_file("asks.c", "int sum(void);\nint main(void) { return sum(); }\n", 0600));
    free(export_file(module, MGENJIT_EXPORT_EXECUTABLE, "versions", NULL));
    free(export_file(module, MGENJIT_EXPORT_OBJECT, "versions.o", NULL));
    free(export_file(module, MGENJIT_EXPORT_ARCHIVE, "libversions.a", NULL));
    free(export_file(module, MGENJIT_EXPORT_SHARED_LIBRARY, "libversions.so", NULL));
    shell("aarch64-linux-gnu-gcc -o of-library asks.c libversions.so -Wl,-rpath,.");
    for (i = 0; i < sizeof flags / sizeof *flags; i++)
        shell("aarch64-linux-gnu-gcc%s -o of-object%zu versions.o && "
              "aarch64-linux-gnu-gcc%s -o of-archive%zu -Wl,-u,main -L. -l:libversions.a",
              flags[i], i, flags[i], i);
    CHECK_STRING("", shell("for one in versions of-library of-object? of-archive?; do\n"
                           "%s -cpu max ./$one; test $? = %d || echo $one $?\n"
                           "%s -cpu cortex-a72 ./$one; test $? = %d || echo $one $?\ndone",
                           emulator, with_sve2, emulator, without));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

static void versions_of_functions(void)
{
    check_cpu(VERSIONS, 21, 10);
    /* What comes along has landing pads, too. */
    CHECK_STRING("2\n", shell("aarch64-linux-gnu-readelf -nW libversions.a | grep -c 'AArch64 feature:.*BTI'"));
}

static void features_of_the_cpu(void) { check_cpu(READS, 11, 10); }

static void aarch64(void)
{
    check_machine("aarch64-linux-gnu", "aarch64-linux-gnu-gcc", "qemu-aarch64", "/usr/aarch64-linux-gnu");
}

static void riscv64(void)
{
    check_machine("riscv64-linux-gnu", "riscv64-linux-gnu-gcc", "qemu-riscv64", "/usr/riscv64-linux-gnu");
}

/* By the linker itself, and from an archive. */
static void web_assembly(void)
{
    static const char *const flags[] = { "--no-entry", "--export=twice", NULL };
    mgenjit_executor *executor;
    mgenjit_module *module = compile("wasm32-unknown-unknown", "wasm-ld-22", PURE, &executor);
    mgenjit_export_options *options = options_with(flags);
    mgenjit_blob *blob = NULL;
    free(export_file(module, MGENJIT_EXPORT_EXECUTABLE, "linked.wasm", options));
    free(export_file(module, MGENJIT_EXPORT_ARCHIVE, "wasm.a", NULL));
    shell("wasm-ld-22 --no-entry --export=twice -o archived.wasm wasm.a");
    free(write_file("run.js", "for (const name of ['linked', 'archived']) {\n"
                              "  const bytes = require('fs').readFileSync(name + '.wasm');\n"
                              "  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {});\n"
                              "  console.log(instance.exports.twice(21));\n}\n", 0600));
    CHECK_STRING("42\n42\n", shell("node run.js"));
    mgenjit_export_options_free(options);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    module = compile("wasm32-unknown-unknown", NULL, PURE, &executor);
    CHECK_STATUS(MGENJIT_STATUS_UNSUPPORTED,
                 mgenjit_module_export_blob(module, MGENJIT_EXPORT_SHARED_LIBRARY, NULL, &blob, &failure));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

#ifdef __aarch64__
#define OTHER_MACHINE "x86_64"
#else
#define OTHER_MACHINE "aarch64"
#endif

/* This machine's compiler links for this machine. */
static void no_linker_for_it(void)
{
    mgenjit_executor *executor;
    mgenjit_module *module = compile(OTHER_MACHINE "-linux-gnu", NULL, HELLO, &executor);
    mgenjit_blob *blob = NULL;
    CHECK_STATUS(MGENJIT_STATUS_LINKER, mgenjit_module_export_blob(module, MGENJIT_EXPORT_EXECUTABLE, NULL, &blob, &failure));
    CHECK_MESSAGE(OTHER_MACHINE);
    CHECK_MESSAGE("mgenjit_config_set_linker");
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

static void several_targets(void)
{
    mgenjit_executor *one, *other;
    mgenjit_module *modules[2] = { compile("aarch64-linux-gnu", NULL, HELLO, &one),
                                   compile("riscv64-linux-gnu", NULL, PURE, &other) };
    mgenjit_blob *blob = NULL;
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT,
                 mgenjit_modules_export_blob(modules, 2, MGENJIT_EXPORT_ARCHIVE, NULL, &blob, &failure));
    CHECK_MESSAGE("aarch64");
    CHECK_MESSAGE("riscv64");
    mgenjit_module_free(modules[0]);
    mgenjit_module_free(modules[1]);
    mgenjit_executor_free(one);
    mgenjit_executor_free(other);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(aarch64),      CASE(versions_of_functions), CASE(features_of_the_cpu), CASE(riscv64),
        CASE(web_assembly), CASE(no_linker_for_it),      CASE(several_targets),
    };
    return RUN_CASES(cases);
}
