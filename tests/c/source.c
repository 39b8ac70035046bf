// warm: no server

/* Sources: several inputs that become one module, under one key, in one entry. */
#include "caches.h"

#include <sys/wait.h>

static const char CALLER[] =
    "declare i32 @runtime_add(i32, i32)\n"
    "define i32 @program(i32 %x) {\n  %r = call i32 @runtime_add(i32 %x, i32 2)\n  ret i32 %r\n}\n";
static const char RUNTIME[] =
    "define i32 @runtime_add(i32 %a, i32 %b) {\n  %r = add i32 %a, %b\n  ret i32 %r\n}\n";
static const char OTHER_RUNTIME[] =
    "define i32 @runtime_add(i32 %a, i32 %b) {\n  %r = mul i32 %a, %b\n  ret i32 %r\n}\n";

static mgenjit_source *new_source(const char *name)
{
    mgenjit_source *source = NULL;
    CHECK_OK(mgenjit_source_new(name, &source, &failure));
    return source;
}

static void add_input(mgenjit_source *source, const char *name, const char *text)
{
    CHECK_OK(mgenjit_source_add(source, name, text, strlen(text), &failure));
}

/* Both inputs, under these names, the first before the second. */
static mgenjit_source *two(const char *first, const char *one, const char *second, const char *other)
{
    mgenjit_source *source = new_source("the program");
    add_input(source, first, one);
    add_input(source, second, other);
    return source;
}

static mgenjit_module *add_source(mgenjit_executor *executor, const mgenjit_source *source)
{
    mgenjit_module *module = NULL;
    CHECK_OK(mgenjit_executor_compile_source(executor, source, &module, &failure));
    return module;
}

static mgenjit_status try_source(mgenjit_executor *executor, const mgenjit_source *source)
{
    mgenjit_module *module = NULL;
    mgenjit_status status;
    check_reset();
    status = mgenjit_executor_compile_source(executor, source, &module, &failure);
    CHECK((module != NULL) == (status == MGENJIT_STATUS_OK));
    mgenjit_module_free(module);
    return status;
}

static int program_of(mgenjit_executor *executor, int x)
{
    return FUNCTION(int (*)(int), executor, "program")(x);
}

static int is_there(mgenjit_executor *executor, const char *name)
{
    void *address = NULL;
    mgenjit_status status;
    check_reset();
    status = mgenjit_executor_lookup(executor, name, &address, &failure);
    CHECK(status == MGENJIT_STATUS_OK || status == MGENJIT_STATUS_NOT_FOUND);
    return status == MGENJIT_STATUS_OK;
}

static void ir_and_ir(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_source *source = two("caller.ll", CALLER, "runtime.ll", RUNTIME);
    mgenjit_module *module = add_source(executor, source);
    mgenjit_source_free(source);
    CHECK_INT(42, program_of(executor, 40));
    CHECK_STRING("the program", mgenjit_module_name(module));
    CHECK_INT(2, (long long)mgenjit_module_function_count(module));
    CHECK(is_there(executor, "runtime_add"));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

/* The runtime's function is inlined, and then it is gone. */
static void kept(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_source *source = two("caller.ll", CALLER, "runtime.ll", RUNTIME);
    mgenjit_module *module;
    const unsigned char *code;
    int calls = 0;
    CHECK_OK(mgenjit_source_keep(source, "program", &failure));
    CHECK_OK(mgenjit_source_keep(source, "program", &failure));
    module = add_source(executor, source);
    CHECK_INT(42, program_of(executor, 40));
    CHECK_INT(1, (long long)mgenjit_module_function_count(module));
    CHECK(!is_there(executor, "runtime_add"));
    /* A call or a jump to another function, before the function returns. */
    code = (const unsigned char *)find(executor, "program");
    for (int i = 0; i < 16 && code[i] != 0xc3; i++)
        calls += code[i] == 0xe8 || code[i] == 0xe9;
    CHECK_INT(0, calls);
    mgenjit_module_free(module);

    /* Another module can have the name for itself. */
    add(executor, "define i32 @runtime_add(i32 %a, i32 %b) {\n  ret i32 7\n}\n");
    CHECK_INT(7, FUNCTION(int (*)(int, int), executor, "runtime_add")(1, 2));
    CHECK_INT(42, program_of(executor, 40));

    CHECK_OK(mgenjit_source_keep(source, "absent", &failure));
    CHECK_OK(mgenjit_source_keep(source, "absent_too", &failure));
    CHECK_INT(MGENJIT_STATUS_NOT_FOUND, is_warm() ? MGENJIT_STATUS_NOT_FOUND : try_source(executor, source));
    if (!is_warm()) {
        CHECK_MESSAGE("`absent`, `absent_too`");
        CHECK_MESSAGE("the program: ");
    }
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_source_keep(source, "", &failure));
    mgenjit_source_free(source);
    mgenjit_executor_free(executor);
}

/* The source, in an executor of its own. Returns where the code came from. */
static int origin_of(const char *folder, mgenjit_source *source, int expected)
{
    mgenjit_config *config = config_for(folder, NULL);
    mgenjit_executor *executor = new_executor(config);
    mgenjit_module *module = add_source(executor, source);
    const int origin = mgenjit_module_origin(module);
    CHECK_INT(expected, program_of(executor, 40));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
    mgenjit_source_free(source);
    return origin;
}

static void one_key_over_all(void)
{
    char *folder = in_folder(is_warm() ? "one-key-warm" : "one-key");
    mgenjit_source *source;
    if (is_warm())
        return;
    CHECK(mkdir(folder, 0700) == 0);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, origin_of(folder, two("c", CALLER, "r", RUNTIME), 42));
    CHECK_INT(1, (long long)statistics_in(folder).entries);
    CHECK_INT(MGENJIT_ORIGIN_CACHE, origin_of(folder, two("c", CALLER, "r", RUNTIME), 42));
    /* Names are no part of it, nor whether an input is a file. */
    CHECK_INT(MGENJIT_ORIGIN_CACHE, origin_of(folder, two("x", CALLER, "y", RUNTIME), 42));
    source = new_source("files");
    CHECK_OK(mgenjit_source_add_file(source, write_file("caller.ll", CALLER, 0600), &failure));
    CHECK_OK(mgenjit_source_add_file(source, write_file("runtime.ll", RUNTIME, 0600), &failure));
    CHECK_INT(MGENJIT_ORIGIN_CACHE, origin_of(folder, source, 42));
    CHECK_INT(1, (long long)statistics_in(folder).entries);
    /* Bytes are, of each input, and the order. */
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, origin_of(folder, two("c", CALLER, "r", OTHER_RUNTIME), 80));
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, origin_of(folder, two("r", RUNTIME, "c", CALLER), 42));
    CHECK_INT(3, (long long)statistics_in(folder).entries);
    /* So is what is kept. */
    source = two("c", CALLER, "r", RUNTIME);
    CHECK_OK(mgenjit_source_keep(source, "program", &failure));
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, origin_of(folder, source, 42));
    source = two("c", CALLER, "r", RUNTIME);
    CHECK_OK(mgenjit_source_keep(source, "runtime_add", &failure));
    CHECK_OK(mgenjit_source_keep(source, "program", &failure));
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, origin_of(folder, source, 42));
    source = two("c", CALLER, "r", RUNTIME);
    CHECK_OK(mgenjit_source_keep(source, "program", &failure));
    CHECK_OK(mgenjit_source_keep(source, "runtime_add", &failure));
    CHECK_INT(MGENJIT_ORIGIN_CACHE, origin_of(folder, source, 42));
    CHECK_INT(5, (long long)statistics_in(folder).entries);
    /* What is there needs no server. */
    lose_the_server();
    CHECK_INT(MGENJIT_ORIGIN_CACHE, origin_of(folder, two("c", CALLER, "r", RUNTIME), 42));
}

/* What the inputs are together is what one input is that holds it all. */
static void names_that_do_not_matter(void)
{
    char *folder = in_folder("by-alias");
    if (is_warm())
        return;
    CHECK(mkdir(folder, 0700) == 0);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, origin_of(folder, two("c", CALLER, "r", RUNTIME), 42));
    CHECK_INT(MGENJIT_ORIGIN_CACHE,
              origin_of(folder, two("c", CALLER, "r", "; a comment\n"
                                    "define i32 @runtime_add(i32 %one, i32 %two) {\n"
                                    "  %sum = add i32 %one, %two\n  ret i32 %sum\n}\n"), 42));
    CHECK_INT(1, (long long)statistics_in(folder).entries);
}

static void check_conflict(const char *one, const char *other, mgenjit_status expected, const char *part)
{
    mgenjit_executor *executor;
    if (is_warm())
        return;
    executor = new_executor(NULL);
    for (int turn = 0; turn < 2; turn++) {
        mgenjit_source *source = turn == 0 ? two("one.ll", one, "other.ll", other) : two("other.ll", other, "one.ll", one);
        CHECK_INT(expected, try_source(executor, source));
        CHECK_MESSAGE("one.ll");
        CHECK_MESSAGE("other.ll");
        CHECK_MESSAGE(part);
        mgenjit_source_free(source);
    }
    check_usable(executor);
    mgenjit_executor_free(executor);
}

static void conflicts(void)
{
    check_conflict(RUNTIME, OTHER_RUNTIME, MGENJIT_STATUS_LINK, "`runtime_add` is defined in both");
    check_conflict("define i32 @main() {\n  ret i32 0\n}\n", "define void @main() {\n  ret void\n}\n",
                   MGENJIT_STATUS_LINK, "`main` is defined in both");
    check_conflict(CALLER, "@runtime_add = global i32 0", MGENJIT_STATUS_LINK, "`runtime_add` is a variable");
    check_conflict("@v = external thread_local global i32\n@p = global ptr null\n"
                   "define ptr @at() {\n  %p = call ptr @llvm.threadlocal.address.p0(ptr @v)\n  ret ptr %p\n}\n"
                   "declare ptr @llvm.threadlocal.address.p0(ptr)\n",
                   "@v = global i32 0", MGENJIT_STATUS_LINK, "`v` is thread-local");
    check_conflict("target triple = \"" MACHINE "-linux-gnu\"\n@a = global i32 0",
                   "target triple = \"" OTHER_MACHINE "-linux-gnu\"\n@b = global i32 0", MGENJIT_STATUS_TARGET,
                   OTHER_MACHINE "-linux-gnu");
}

/* An input's own fault is told with its own name and place. */
static void a_fault_of_one(void)
{
    mgenjit_executor *executor;
    mgenjit_source *source;
    if (is_warm())
        return;
    executor = new_executor(NULL);
    source = two("caller.ll", CALLER, "broken.ll", "define i32 @f() {\n  ret i32 %x\n}\n");
    CHECK_INT(MGENJIT_STATUS_PARSE, try_source(executor, source));
    CHECK_MESSAGE("broken.ll:2:11: use of undefined value");
    CHECK_INT(2, mgenjit_error_line(failure));
    mgenjit_source_free(source);
    source = two("invalid.ll", "define i1 @f(i1 %c) {\n  br i1 %c, label %a, label %b\na:\n  %x = xor i1 1, 1\n"
                 "  br label %b\nb:\n  ret i1 %x\n}\n", "caller.ll", CALLER);
    CHECK_INT(MGENJIT_STATUS_VERIFY, try_source(executor, source));
    CHECK_MESSAGE("invalid.ll: in function @f");
    mgenjit_source_free(source);
    source = two("caller.ll", CALLER, "nothing.ll", "");
    CHECK_INT(MGENJIT_STATUS_PARSE, try_source(executor, source));
    CHECK_MESSAGE("nothing.ll: the input is empty");
    mgenjit_source_free(source);
    source = new_source("without inputs");
    CHECK_INT(MGENJIT_STATUS_INVALID_ARGUMENT, try_source(executor, source));
    CHECK_MESSAGE("without inputs has no inputs");
    CHECK_OK(mgenjit_source_add_file(source, "/nowhere/at/all.ll", &failure));
    CHECK_INT(MGENJIT_STATUS_IO, try_source(executor, source));
    CHECK_MESSAGE("/nowhere/at/all.ll cannot be read");
    mgenjit_source_free(source);
    check_usable(executor);
    mgenjit_executor_free(executor);
}

/* A process that writes the text into a pipe that has a name. */
static pid_t writer(const char *path, const char *text)
{
    pid_t process = fork();
    if (process == 0) {
        int pipe = open(path, O_WRONLY);
        _exit(pipe < 0 || write(pipe, text, strlen(text)) != (ssize_t)strlen(text));
    }
    return process;
}

static void pipes(void)
{
    char *one = in_folder("pipe-one"), *other = in_folder("pipe-other");
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_source *source = new_source("pipes");
    pid_t writers[2];
    CHECK(mkfifo(one, 0600) == 0 || errno == EEXIST);
    CHECK(mkfifo(other, 0600) == 0 || errno == EEXIST);
    CHECK_OK(mgenjit_source_add_file(source, one, &failure));
    CHECK_OK(mgenjit_source_add_file(source, other, &failure));
    writers[0] = writer(one, CALLER);
    writers[1] = writer(other, RUNTIME);
    mgenjit_module_free(add_source(executor, source));
    CHECK_INT(42, program_of(executor, 40));
    for (int i = 0; i < 2; i++)
        CHECK_INT(0, wait_for(writers[i], 10));
    mgenjit_source_free(source);
    mgenjit_executor_free(executor);
}

/* A source can be compiled again, for another executor, and after its inputs' files have changed. */
static void again(void)
{
    mgenjit_executor *executors[2];
    mgenjit_source *source = new_source("twice");
    char *path = write_file("changing.ll", RUNTIME, 0600);
    CHECK_OK(mgenjit_source_add_file(source, path, &failure));
    add_input(source, "caller.ll", CALLER);
    for (int i = 0; i < 2; i++) {
        executors[i] = new_executor(NULL);
        if (i == 1)
            write_file("changing.ll", OTHER_RUNTIME, 0600);
        mgenjit_module_free(add_source(executors[i], source));
    }
    mgenjit_source_free(source);
    CHECK_INT(42, program_of(executors[0], 40));
    CHECK_INT(80, program_of(executors[1], 40));
    for (int i = 0; i < 2; i++)
        mgenjit_executor_free(executors[i]);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(ir_and_ir), CASE(kept), CASE(one_key_over_all), CASE(names_that_do_not_matter), CASE(conflicts),
        CASE(a_fault_of_one), CASE(pipes), CASE(again),
    };
    return RUN_CASES(cases);
}
