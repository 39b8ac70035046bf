// flags: -pthread

/* What modules are exported as. */
#include "exporting.h"

#include <pthread.h>

static const char IR[] =
    "target triple = \"" MACHINE "-unknown-linux-gnu\"\n"
    "@counter = global i32 0\n"
    "define i64 @add(i64 %a, i64 %b) {\n  %s = add i64 %a, %b\n  ret i64 %s\n}\n"
    "define i1 @both(i1 zeroext %a, i8 signext %b) {\n  ret i1 %a\n}\n"
    "define double @half(double %x) {\n  %h = fmul double %x, 5.0e-1\n  ret double %h\n}\n"
    "define ptr @same(ptr %p) {\n  ret ptr %p\n}\n"
    "define { i32, i32 } @pair() {\n  ret { i32, i32 } { i32 1, i32 2 }\n}\n"
    "define i32 @\"not C\"() {\n  ret i32 9\n}\n"
    "define i32 @sum(i32 %n, ...) {\n  ret i32 %n\n}\n"
    "define void @anything(...) {\n  ret void\n}\n"
    "define void @count() {\n  %c = load i32, ptr @counter\n  %n = add i32 %c, 1\n  store i32 %n, ptr @counter\n"
    "  ret void\n}\n";

/* A C program that uses what the header declares. */
static const char USER[] =
    "#include \"answer.h\"\n#include <stdio.h>\nextern int counter;\n"
    "int main(void) {\n  count();\n  count();\n"
    "  printf(\"%d %d %g %d %d\\n\", (int)add(20, 22), both(1, 2), half(3), same(&counter) == (void *)&counter, counter);\n"
    "  return sum(7, 1, 2);\n}\n";

static mgenjit_module *compile(mgenjit_executor *executor, const char *name, const char *ir)
{
    mgenjit_module *module = NULL;
    CHECK_OK(mgenjit_executor_compile(executor, name, ir, strlen(ir), &module, &failure));
    return module;
}

static const char HELLO[] =
    "@text = private constant [7 x i8] c\"hello\\0A\\00\"\n"
    "declare i32 @printf(ptr, ...)\n"
    "define i32 @main() {\n  %n = call i32 (ptr, ...) @printf(ptr @text)\n  ret i32 %n\n}\n";

static void check_output(const char *command, int status, const char *output)
{
    const char *argv[] = { "sh", "-c", command, NULL };
    outcome outcome = run_program(argv);
    CHECK_STRING(output, outcome.output);
    CHECK_INT(status, outcome.status);
}

/* Links USER with what was exported, and runs it. */
static void check_user(const char *name, const char *arguments)
{
    char *command = NULL, *file = NULL;
    CHECK(asprintf(&file, "user-%s", name) > 0);
    free(write_file("user.c", USER, 0600));
    shell("cc -std=c99 -o %s user.c %s", file, arguments);
    CHECK(asprintf(&command, "'%s'", in_folder(file)) > 0);
    check_output(command, 7, "42 1 1.5 1 2\n");
    free(command);
    free(file);
}

static void objects(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = compile(executor, "some/answer.ll", IR);
    mgenjit_blob *blob = export_blob(module, MGENJIT_EXPORT_OBJECT, NULL);
    CHECK(begins_with(blob, "\177ELF"));
    export_file(module, MGENJIT_EXPORT_HEADER, "answer.h", NULL);
    export_file(module, MGENJIT_EXPORT_OBJECT, "answer.o", NULL);
    check_user("object", "answer.o");
    mgenjit_blob_free(blob);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

static void archives(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *modules[3] = {
        compile(executor, "some/answer.ll", IR),
        compile(executor, "other/answer.ll", "define i32 @unused() {\n  %r = call i32 @missing()\n  ret i32 %r\n}\n"
                                             "declare i32 @missing()\n"),
        compile(executor, "a name.ll", "define i32 @third() {\n  ret i32 3\n}\n"),
    };
    char *path = in_folder("libanswer.a");
    mgenjit_blob *one = export_blob(modules[0], MGENJIT_EXPORT_ARCHIVE, NULL), *all = NULL;
    CHECK(begins_with(one, "!<arch>\n"));
    CHECK_OK(mgenjit_modules_export_blob(modules, 3, MGENJIT_EXPORT_ARCHIVE, NULL, &all, &failure));
    CHECK_OK(mgenjit_modules_export(modules, 3, MGENJIT_EXPORT_ARCHIVE, path, NULL, &failure));
    CHECK_STRING("answer.o\nanswer-2.o\na_name.o\n", shell("ar t libanswer.a"));
    CHECK_CONTAINS("third in a_name.o", shell("nm -s libanswer.a"));
    export_file(modules[0], MGENJIT_EXPORT_HEADER, "answer.h", NULL);
    /* The second member is not needed, and what it lacks is not missed: there is a symbol table. */
    check_user("archive", "-L. -lanswer");
    mgenjit_blob_free(one);
    mgenjit_blob_free(all);
    for (int i = 0; i < 3; i++)
        mgenjit_module_free(modules[i]);
    mgenjit_executor_free(executor);
}

static void headers(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *modules[2] = { compile(executor, "some/answer.ll", IR), compile(executor, "again.ll", IR) };
    mgenjit_export_options *options = default_options();
    mgenjit_blob *one = export_blob(modules[0], MGENJIT_EXPORT_HEADER, NULL), *two = NULL;
    char *text = strndup((const char *)mgenjit_blob_data(one), mgenjit_blob_size(one));
    CHECK_CONTAINS("#ifndef ANSWER_H", text);
    CHECK_CONTAINS("int64_t add(int64_t, int64_t);\n", text);
    CHECK_CONTAINS("{ i32, i32 } @pair()\n", text);
    CHECK_CONTAINS("i32 @\"not C\"()\n", text);
    /* Each function once. */
    CHECK_OK(mgenjit_modules_export_blob(modules, 2, MGENJIT_EXPORT_HEADER, NULL, &two, &failure));
    CHECK(same_blobs(one, two));
    free(export_file(modules[0], MGENJIT_EXPORT_HEADER, "answer.h", NULL));
    shell("echo '#include \"answer.h\"' >header.c && cp header.c header.cpp");
    shell("cc -std=c99 -Wall -Wextra -pedantic -Werror -fsyntax-only header.c");
    shell("clang-22 -std=c23 -Wall -Wextra -pedantic -Werror -fsyntax-only header.c");
    shell("g++ -std=c++98 -Wall -Wextra -Werror -fsyntax-only header.cpp");
    shell("clang++-22 -std=c++17 -Wall -Wextra -pedantic -Werror -fsyntax-only header.cpp");
    CHECK_OK(mgenjit_export_options_set_soname(options, "libanswer.so.1", &failure));
    mgenjit_blob_free(two);
    two = export_blob(modules[0], MGENJIT_EXPORT_HEADER, options);
    CHECK(begins_with(two, "#ifndef LIBANSWER_SO_H"));
    mgenjit_blob_free(one);
    mgenjit_blob_free(two);
    mgenjit_export_options_free(options);
    mgenjit_module_free(modules[0]);
    mgenjit_module_free(modules[1]);
    free(text);
    mgenjit_executor_free(executor);
}

static void shared_libraries(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = compile(executor, "answer.ll", IR);
    mgenjit_export_options *options = default_options();
    const char *const math[] = { "m", "-Wl,--no-as-needed", NULL };
    mgenjit_export_options *with_flags = options_with(math);
    CHECK_OK(mgenjit_export_options_set_soname(options, "libanswer.so.1", &failure));
    CHECK_OK(mgenjit_export_options_set_soname(with_flags, "libflags.so.1", &failure));
    export_file(module, MGENJIT_EXPORT_HEADER, "answer.h", NULL);
    export_file(module, MGENJIT_EXPORT_SHARED_LIBRARY, "libanswer.so.1", options);
    CHECK_CONTAINS("SONAME               libanswer.so.1\n", shell("objdump -p libanswer.so.1"));
    check_user("shared", "libanswer.so.1 -Wl,-rpath,.");
    /* By the compiler. */
    export_file(module, MGENJIT_EXPORT_SHARED_LIBRARY, "libflags.so.1", with_flags);
    CHECK_CONTAINS("SONAME               libflags.so.1\n", shell("objdump -p libflags.so.1"));
    check_user("flags", "libflags.so.1 -Wl,-rpath,.");
    mgenjit_export_options_free(options);
    mgenjit_export_options_free(with_flags);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

/* What __builtin_cpu_supports reads is in no shared library: a compiler links it. On AArch64 it comes along. */
#ifndef __aarch64__
static void libraries_that_ask_for_the_cpu(void)
{
    static const char ir[] =
        "@__cpu_model = external dso_local global { i32, i32, i32, [1 x i32] }\n"
        "declare dso_local i32 @__cpu_indicator_init()\n"
        "define i32 @has_sse2() {\n  %i = call i32 @__cpu_indicator_init()\n"
        "  %f = load i32, ptr getelementptr inbounds ({ i32, i32, i32, [1 x i32] }, ptr @__cpu_model, i32 0, i32 3, i32 0)\n"
        "  %b = lshr i32 %f, 4\n  %r = and i32 %b, 1\n  ret i32 %r\n}\n";
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = compile(executor, "cpu.ll", ir);
    CHECK_INT(1, FUNCTION(int (*)(void), executor, "has_sse2")());
    free(export_file(module, MGENJIT_EXPORT_SHARED_LIBRARY, "libcpu.so", NULL));
    free(write_file("cpu.c", "int has_sse2(void);\nint main(void) { return 10 + has_sse2(); }\n", 0600));
    shell("cc -o cpu cpu.c ./libcpu.so");
    CHECK(chdir(getenv("CHECK_FOLDER")) == 0);
    check_output("./cpu", 11, "");
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}
#endif

typedef struct exporter {
    mgenjit_module *module;
    mgenjit_blob *blobs[8];
} exporter;

static const int EXPORTED_KINDS[] = { MGENJIT_EXPORT_OBJECT, MGENJIT_EXPORT_SHARED_LIBRARY, MGENJIT_EXPORT_EXECUTABLE,
                                    MGENJIT_EXPORT_IR };

static void *export_all(void *argument)
{
    exporter *exporter = argument;
    for (int i = 0; i < 8; i++)
        CHECK(mgenjit_module_export_blob(exporter->module, EXPORTED_KINDS[i % 4], NULL, &exporter->blobs[i], NULL)
              == MGENJIT_STATUS_OK);
    return NULL;
}

/* One module, exported by several threads while it is removed. */
static void by_several_threads(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    exporter exporters[3];
    pthread_t threads[3];
    exporters[0].module = compile(executor, "hello.ll", HELLO);
    for (int i = 0; i < 3; i++) {
        exporters[i].module = exporters[0].module;
        CHECK(pthread_create(&threads[i], NULL, export_all, &exporters[i]) == 0);
    }
    CHECK_OK(mgenjit_module_remove(exporters[0].module, &failure));
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 8; j++)
            CHECK(same_blobs(exporters[0].blobs[j % 4], exporters[i].blobs[j]));
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 8; j++)
            mgenjit_blob_free(exporters[i].blobs[j]);
    mgenjit_module_free(exporters[0].module);
    mgenjit_executor_free(executor);
}

static void executables(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = compile(executor, "hello.ll", HELLO);
    mgenjit_export_options *options = default_options();
    mgenjit_blob *blob = export_blob(module, MGENJIT_EXPORT_EXECUTABLE, NULL);
    CHECK(begins_with(blob, "\177ELF"));
    check_output(export_file(module, MGENJIT_EXPORT_EXECUTABLE, "hello", NULL), 6, "hello\n");
    CHECK_CONTAINS("DYN (Position-Independent Executable", shell("readelf -h hello"));
    CHECK_OK(mgenjit_export_options_set_static(options, 1, &failure));
    check_output(export_file(module, MGENJIT_EXPORT_EXECUTABLE, "hello-static", options), 6, "hello\n");
    CHECK_CONTAINS("There is no dynamic section", shell("readelf -d hello-static"));
    mgenjit_blob_free(blob);
    mgenjit_export_options_free(options);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

static void executables_of_several_modules(void)
{
    mgenjit_executor *one = new_executor(NULL), *other = new_executor(NULL);
    mgenjit_module *modules[2] = {
        compile(one, "main.ll", "declare double @twice(double)\ndefine i32 @main() {\n"
                                "  %d = call double @twice(double 4.0)\n  %i = fptosi double %d to i32\n  ret i32 %i\n}\n"),
        compile(other, "twice.ll", "declare double @sqrt(double)\ndeclare double @cbrt(double)\n"
                                   "define double @twice(double %x) {\n  %c = call double @cbrt(double %x)\n"
                                   "  %t = fmul double %x, 2.0\n  ret double %t\n}\n"),
    };
    const char *const math[] = { "m", "-Wl,-rpath,/nowhere", NULL };
    mgenjit_export_options *options = options_with(math);
    char *path = in_folder("twice");
    CHECK_OK(mgenjit_modules_export(modules, 2, MGENJIT_EXPORT_EXECUTABLE, path, options, &failure));
    check_output(path, 8, "");
    CHECK_CONTAINS("[/nowhere]", shell("readelf -d twice"));
    mgenjit_export_options_free(options);
    mgenjit_module_free(modules[0]);
    mgenjit_module_free(modules[1]);
    mgenjit_executor_free(one);
    mgenjit_executor_free(other);
}

/* A module of IR and an object: one archive with both, and one object of them. */
static void modules_of_several_objects(void)
{
    static const char ir[] = "declare i32 @native(i32)\ndefine i32 @main() {\n  %r = call i32 @native(i32 20)\n  ret i32 %r\n}\n";
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_source *source = NULL;
    mgenjit_module *module = NULL;
    free(write_file("native.c", "int native(int x) { return x + 1; }\n", 0600));
    shell("cc -O2 -fPIC -c -o native.o native.c");
    CHECK_OK(mgenjit_source_new("both", &source, &failure));
    CHECK_OK(mgenjit_source_add(source, "main.ll", ir, strlen(ir), &failure));
    CHECK_OK(mgenjit_source_add_file(source, in_folder("native.o"), &failure));
    CHECK_OK(mgenjit_executor_compile_source(executor, source, &module, &failure));
    mgenjit_source_free(source);
    check_output(export_file(module, MGENJIT_EXPORT_EXECUTABLE, "both", NULL), 21, "");
    free(export_file(module, MGENJIT_EXPORT_ARCHIVE, "both.a", NULL));
    CHECK_CONTAINS("native in ", shell("nm -s both.a"));
    shell("cc -o from-archive both.a");
    check_output(in_folder("from-archive"), 21, "");
    free(export_file(module, MGENJIT_EXPORT_OBJECT, "both.o", NULL));
    shell("cc -o from-object both.o");
    check_output(in_folder("from-object"), 21, "");
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

/* A path of a library is relative to where the host is. */
static void libraries_by_path(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *library = compile(executor, "nine.ll", "define i32 @nine() {\n  ret i32 9\n}\n");
    mgenjit_module *program_module =
        compile(executor, "main.ll", "declare i32 @nine()\ndefine i32 @main() {\n  %r = call i32 @nine()\n  ret i32 %r\n}\n");
    static const char *const paths[] = { "./libnine.a", "-dash/libnine.a", "@list/libnine.a" };
    shell("mkdir -p -- -dash @list list && echo --no-such-option >list/libnine.a");
    CHECK(chdir(getenv("CHECK_FOLDER")) == 0);
    for (int i = 0; i < 3; i++) {
        mgenjit_export_options *options = default_options();
        CHECK_OK(mgenjit_export_options_add_library(options, paths[i], &failure));
        CHECK_OK(mgenjit_module_export(library, MGENJIT_EXPORT_ARCHIVE, paths[i], NULL, &failure));
        check_output(export_file(program_module, MGENJIT_EXPORT_EXECUTABLE, "nine", options), 9, "");
        mgenjit_export_options_free(options);
    }
    mgenjit_module_free(library);
    mgenjit_module_free(program_module);
    mgenjit_executor_free(executor);
}

/* Main in every form that can be run. */
static void forms_of_main(void)
{
    static const struct {
        const char *ir;
        int status;
    } forms[] = {
        { "define i64 @main() {\n  ret i64 300\n}\n", 300 & 255 },
        { "define i64 @main() {\n  ret i64 -4294967291\n}\n", 5 },
        { "define void @main() {\n  ret void\n}\n", 0 },
        { "define i8 @main() {\n  ret i8 -1\n}\n", 255 },
        { "define i16 @main(i16 %argc) {\n  ret i16 %argc\n}\n", 3 },
        { "define i64 @main(i64 %argc) {\n  ret i64 %argc\n}\n", 3 },
        { "define i32 @main(i32 %argc) {\n  ret i32 %argc\n}\n", 3 },
        { "define void @main(i64 %argc, ptr %argv, ptr %envp) {\n  ret void\n}\n", 0 },
        { "define i64 @main(i64 %argc, ptr %argv) {\n  %p = getelementptr ptr, ptr %argv, i64 2\n"
          "  %s = load ptr, ptr %p\n  %c = load i8, ptr %s\n  %r = zext i8 %c to i64\n  ret i64 %r\n}\n", 't' },
    };
    mgenjit_executor *executor = new_executor(NULL);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        mgenjit_module *module = compile(executor, "main.ll", forms[i].ir);
        char *command = NULL;
        CHECK(asprintf(&command, "%s one two", export_file(module, MGENJIT_EXPORT_EXECUTABLE, "form", NULL)) > 0);
        check_output(command, forms[i].status, "");
        free(command);
        mgenjit_module_free(module);
    }
    mgenjit_executor_free(executor);
}

static void text_and_bitcode(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = compile(executor, "hello.ll", HELLO);
    mgenjit_blob *bitcode = export_blob(module, MGENJIT_EXPORT_BITCODE, NULL);
    mgenjit_blob *ir = export_blob(module, MGENJIT_EXPORT_IR, NULL);
    mgenjit_blob *assembly = export_blob(module, MGENJIT_EXPORT_ASSEMBLY, NULL);
    CHECK(begins_with(bitcode, "BC\xc0\xde"));
    CHECK(memmem(mgenjit_blob_data(ir), mgenjit_blob_size(ir), "define", 6) != NULL);
    CHECK(memmem(mgenjit_blob_data(assembly), mgenjit_blob_size(assembly), "main:", 5) != NULL);
    export_file(module, MGENJIT_EXPORT_BITCODE, "hello.bc", NULL);
    export_file(module, MGENJIT_EXPORT_IR, "hello.ll", NULL);
    export_file(module, MGENJIT_EXPORT_ASSEMBLY, "hello.s", NULL);
    shell("clang-22 -o hello-bc hello.bc && clang-22 -o hello-ll hello.ll && cc -o hello-s hello.s");
    check_output(in_folder("hello-bc"), 6, "hello\n");
    check_output(in_folder("hello-ll"), 6, "hello\n");
    check_output(in_folder("hello-s"), 6, "hello\n");
    mgenjit_blob_free(bitcode);
    mgenjit_blob_free(ir);
    mgenjit_blob_free(assembly);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

/* The same bytes from another process, another folder, with other temporary files, and compiled anew. */
static void reproducible(void)
{
    static const int kinds[] = {
        MGENJIT_EXPORT_OBJECT, MGENJIT_EXPORT_ARCHIVE, MGENJIT_EXPORT_SHARED_LIBRARY, MGENJIT_EXPORT_EXECUTABLE,
        MGENJIT_EXPORT_BITCODE, MGENJIT_EXPORT_IR, MGENJIT_EXPORT_ASSEMBLY, MGENJIT_EXPORT_HEADER,
    };
    static const char *const lld[] = { "-fuse-ld=lld-22", NULL };
    static const char *const gold[] = { "-fuse-ld=gold", NULL };
    static const char *const nothing[] = { NULL };
    const char *const *const flags[] = { nothing, lld, gold };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (int j = 0; j < (kinds[i] == MGENJIT_EXPORT_EXECUTABLE || kinds[i] == MGENJIT_EXPORT_SHARED_LIBRARY ? 3 : 1); j++) {
            mgenjit_blob *blobs[2];
            for (int k = 0; k < 2; k++) {
                mgenjit_config *config = default_config();
                mgenjit_export_options *options = options_with(flags[j]);
                /* Without a soname, gold writes the path of its output in the place of one. */
                if (j == 2)
                    CHECK_OK(mgenjit_export_options_set_soname(options, "libhello.so", &failure));
                mgenjit_executor *executor;
                mgenjit_module *module;
                own_temporary_folder(k == 0 ? "tmp-1" : "another-2");
                CHECK(chdir(getenv("TMPDIR")) == 0);
                if (k == 1)
                    CHECK_OK(mgenjit_config_set_cache_mode(config, MGENJIT_CACHE_OFF, &failure));
                if (j == 1)
                    CHECK_OK(mgenjit_config_set_linker(config, "clang-22", &failure));
                executor = new_executor(config);
                module = compile(executor, k == 0 ? "/here/hello.ll" : "there/hello.ll", HELLO);
                blobs[k] = export_blob(module, kinds[i], options);
                mgenjit_export_options_free(options);
                mgenjit_module_free(module);
                mgenjit_executor_free(executor);
                mgenjit_config_free(config);
            }
            if (!same_blobs(blobs[0], blobs[1]))
                check_failed(__FILE__, __LINE__, "kind %d, linker %d: the bytes differ", kinds[i], j);
            mgenjit_blob_free(blobs[0]);
            mgenjit_blob_free(blobs[1]);
        }
}

/* From a cache that keeps no IR: nothing but the text can need it. */
static void no_code_is_generated(void)
{
    check_events events;
    char *folder = new_cache(is_warm() ? "no-ir-warm" : "no-ir-cold");
    mgenjit_config *config = config_for(folder, &events);
    mgenjit_executor *executor;
    mgenjit_module *module;
    mgenjit_blob *blob = NULL;
    static const int from_the_cache[] = { MGENJIT_EXPORT_OBJECT, MGENJIT_EXPORT_ARCHIVE, MGENJIT_EXPORT_SHARED_LIBRARY,
                                          MGENJIT_EXPORT_EXECUTABLE, MGENJIT_EXPORT_HEADER };
    static const int from_ir[] = { MGENJIT_EXPORT_BITCODE, MGENJIT_EXPORT_IR, MGENJIT_EXPORT_ASSEMBLY };
    CHECK_OK(mgenjit_config_set_cache_keep_ir(config, 0, &failure));
    for (int i = 0; i < 2; i++) {
        executor = new_executor(config);
        module = compile(executor, "hello.ll", HELLO);
        CHECK_INT(i == 0 ? MGENJIT_ORIGIN_COMPILED : MGENJIT_ORIGIN_CACHE, mgenjit_module_origin(module));
        for (size_t j = 0; j < sizeof from_the_cache / sizeof *from_the_cache; j++)
            mgenjit_blob_free(export_blob(module, from_the_cache[j], NULL));
        for (size_t j = 0; j < sizeof from_ir / sizeof *from_ir; j++) {
            CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND,
                         mgenjit_module_export_blob(module, from_ir[j], NULL, &blob, &failure));
            CHECK_MESSAGE("mgenjit_config_set_cache_keep_ir");
        }
        mgenjit_module_free(module);
        mgenjit_executor_free(executor);
    }
    CHECK_INT(1, events.count[MGENJIT_EVENT_COMPILE_STARTED]);
    mgenjit_config_free(config);
}

/* There is no server: what needs no process is exported all the same, and the rest says what is missing. */
static void no_process(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module;
    mgenjit_blob *blob = NULL;
    static const int without[] = { MGENJIT_EXPORT_OBJECT, MGENJIT_EXPORT_ARCHIVE, MGENJIT_EXPORT_HEADER };
    static const int with[] = { MGENJIT_EXPORT_SHARED_LIBRARY, MGENJIT_EXPORT_EXECUTABLE, MGENJIT_EXPORT_BITCODE,
                                MGENJIT_EXPORT_IR, MGENJIT_EXPORT_ASSEMBLY };
    mgenjit_module_free(compile(executor, "hello.ll", HELLO));
    mgenjit_executor_free(executor);
    lose_the_server();
    executor = new_executor(NULL);
    module = compile(executor, "hello.ll", HELLO);
    for (size_t i = 0; i < sizeof without / sizeof *without; i++)
        mgenjit_blob_free(export_blob(module, without[i], NULL));
    for (size_t i = 0; i < sizeof with / sizeof *with; i++)
        CHECK_STATUS(MGENJIT_STATUS_SERVER_UNAVAILABLE,
                     mgenjit_module_export_blob(module, with[i], NULL, &blob, &failure));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

/* Assembly and IR are generated: that is told. */
static void text_is_generated(void)
{
    check_events events;
    mgenjit_executor *executor = new_watched_executor(&events);
    mgenjit_module *module = compile(executor, "hello.ll", HELLO);
    const int before = events.count[MGENJIT_EVENT_COMPILE_STARTED];
    mgenjit_blob_free(export_blob(module, MGENJIT_EXPORT_ASSEMBLY, NULL));
    CHECK_INT(before + 1, events.count[MGENJIT_EVENT_COMPILE_STARTED]);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

/* Modules that no cache has: it is off, or may not be written. */
static void unstored_modules(void)
{
    static const int modes[] = { MGENJIT_CACHE_OFF, MGENJIT_CACHE_READ_ONLY };
    for (int i = 0; i < 2; i++) {
        mgenjit_config *config = config_for(in_folder("nothing-here"), NULL);
        mgenjit_executor *executor;
        mgenjit_module *module;
        CHECK_OK(mgenjit_config_set_cache_mode(config, modes[i], &failure));
        executor = new_executor(config);
        module = compile(executor, "hello.ll", HELLO);
        mgenjit_blob_free(export_blob(module, MGENJIT_EXPORT_OBJECT, NULL));
        mgenjit_blob_free(export_blob(module, MGENJIT_EXPORT_ASSEMBLY, NULL));
        check_output(export_file(module, MGENJIT_EXPORT_EXECUTABLE, "unstored", NULL), 6, "hello\n");
        mgenjit_module_free(module);
        mgenjit_executor_free(executor);
        mgenjit_config_free(config);
    }
}

/* The cache has lost the entry since; what was loaded of it still runs. */
static void evicted_modules(void)
{
    char *folder = new_cache(is_warm() ? "evicted-warm" : "evicted-cold");
    check_events events;
    mgenjit_executor *executor = executor_with_cache(folder, &events);
    mgenjit_module *module = compile(executor, "hello.ll", HELLO);
    mgenjit_blob *blob = NULL;
    mgenjit_blob_free(export_blob(module, MGENJIT_EXPORT_OBJECT, NULL));
    CHECK(list_entries(folder) > 0);
    for (int i = 0; i < entry_count; i++)
        CHECK(unlink(entries[i]) == 0);
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND,
                 mgenjit_module_export_blob(module, MGENJIT_EXPORT_OBJECT, NULL, &blob, &failure));
    CHECK_MESSAGE("compile it again");
    CHECK_MESSAGE("hello.ll");
    CHECK(blob == NULL);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(objects), CASE(archives), CASE(headers), CASE(shared_libraries),
#ifndef __aarch64__
        CASE(libraries_that_ask_for_the_cpu),
#endif
        CASE(by_several_threads), CASE(executables), CASE(executables_of_several_modules),
        CASE(modules_of_several_objects), CASE(libraries_by_path), CASE(forms_of_main), CASE(text_and_bitcode),
        CASE(reproducible), CASE(no_code_is_generated), CASE(no_process), CASE(text_is_generated),
        CASE(unstored_modules), CASE(evicted_modules),
    };
    check_seconds = 300;
    return RUN_CASES(cases);
}
