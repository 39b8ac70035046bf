// warm: no server

/* What a module says of itself and of its functions. */
#include "check.h"

static void check_signature(const char *ir, const char *name, const char *expected)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_function *function;
    mgenjit_module_free(add(executor, ir));
    function = find_function(executor, name);
    CHECK_STRING(name, mgenjit_function_name(function));
    CHECK_STRING(expected, mgenjit_function_signature(function));
    mgenjit_function_free(function);
    mgenjit_executor_free(executor);
}

static void signatures(void)
{
    check_signature("define i64 @add(i64 %a, i64 %b) {\n  ret i64 0\n}\n", "add", "i64 @add(i64, i64)");
    check_signature("define void @nothing() {\n  ret void\n}\n", "nothing", "void @nothing()");
    check_signature("define double @mixed(i1 %a, i8 %b, i16 %c, i32 %d, float %e, ptr %f) {\n  ret double 0.0\n}\n",
                    "mixed", "double @mixed(i1, i8, i16, i32, float, ptr)");
    check_signature("define i32 @many(ptr %f, ...) {\n  ret i32 0\n}\n", "many", "i32 @many(ptr, ...)");
    check_signature("define i32 @\"two words\"(i64* %p) {\n  ret i32 0\n}\n", "two words", "i32 @\"two words\"(ptr)");
}

static void types(void)
{
    static const int expected[] = {
        MGENJIT_TYPE_I1, MGENJIT_TYPE_I8, MGENJIT_TYPE_I16, MGENJIT_TYPE_I32, MGENJIT_TYPE_I64, MGENJIT_TYPE_FLOAT,
        MGENJIT_TYPE_DOUBLE, MGENJIT_TYPE_POINTER, MGENJIT_TYPE_OTHER, MGENJIT_TYPE_OTHER,
    };
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_function *function;
    mgenjit_module_free(add(executor, "define void @all(i1 %a, i8 %b, i16 %c, i32 %d, i64 %e, float %f, double %g, ptr %h, "
                                      "i128 %i, <2 x i32> %j) {\n  ret void\n}\n"));
    function = find_function(executor, "all");
    CHECK_INT(MGENJIT_TYPE_VOID, mgenjit_function_result_type(function));
    CHECK_INT(10, mgenjit_function_parameter_count(function));
    for (size_t i = 0; i < 10; i++)
        CHECK_INT(expected[i], mgenjit_function_parameter_type(function, i));
    CHECK_INT(MGENJIT_TYPE_OTHER, mgenjit_function_parameter_type(function, 10));
    CHECK_INT(0, mgenjit_function_is_variadic(function));
    mgenjit_function_free(function);
    mgenjit_executor_free(executor);
}

/* In the order of the IR; what others cannot see is not among them. */
static void list_of_functions(void)
{
    static const char *const names[] = { "zebra", "ant", "mouse" };
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add(executor,
        "declare i32 @puts(ptr)\n"
        "define i32 @zebra() {\n  %r = call i32 @inside()\n  ret i32 %r\n}\n"
        "define internal i32 @inside() noinline {\n  ret i32 1\n}\n"
        "define i32 @ant() {\n  ret i32 2\n}\n"
        "define private i32 @very_inside() noinline {\n  ret i32 1\n}\n"
        "define weak i32 @mouse(i32 %x) {\n  ret i32 %x\n}\n"
        "@data = global i32 1\n");
    CHECK_INT(3, mgenjit_module_function_count(module));
    for (size_t i = 0; i < 3; i++) {
        mgenjit_function *function = NULL;
        CHECK_OK(mgenjit_module_function(module, i, &function, &failure));
        CHECK_STRING(names[i], mgenjit_function_name(function));
        mgenjit_function_free(function);
    }
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

/* The same module as a list in bitcode and in text, and whether it was compiled or cached. */
static void origin_and_key(void)
{
    static const char IR[] = "define i32 @origin_and_key() {\n  ret i32 1\n}\n";
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *first = NULL, *second = NULL;
    CHECK_OK(mgenjit_executor_compile(executor, "first", IR, strlen(IR), &first, &failure));
    CHECK_INT(is_warm() ? MGENJIT_ORIGIN_CACHE : MGENJIT_ORIGIN_COMPILED, mgenjit_module_origin(first));
    CHECK_STRING("first", mgenjit_module_name(first));
    CHECK_OK(mgenjit_executor_compile(executor, "second", IR, strlen(IR), &second, &failure));
    CHECK_INT(MGENJIT_ORIGIN_CACHE, mgenjit_module_origin(second));
    CHECK_STRING("second", mgenjit_module_name(second));
    CHECK_INT(64, strlen(mgenjit_module_key(first)));
    CHECK_INT(64, strspn(mgenjit_module_key(first), "0123456789abcdef"));
    CHECK_STRING(mgenjit_module_key(first), mgenjit_module_key(second));
    mgenjit_module_free(first);
    mgenjit_module_free(second);
    mgenjit_executor_free(executor);
}

/* A file's module has the file's path as its name, and the key that its bytes have from memory. */
static void file_and_memory(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *file = add_file(executor, program("main_void_i32.ll"));
    char text[1000];
    FILE *stream = fopen(program("main_void_i32.ll"), "r");
    size_t length;
    mgenjit_module *memory = NULL;
    CHECK(stream != NULL);
    length = fread(text, 1, sizeof text, stream);
    fclose(stream);
    CHECK_OK(mgenjit_executor_compile(executor, NULL, text, length, &memory, &failure));
    CHECK_STRING(program("main_void_i32.ll"), mgenjit_module_name(file));
    CHECK_STRING("<memory>", mgenjit_module_name(memory));
    CHECK_STRING(mgenjit_module_key(file), mgenjit_module_key(memory));
    mgenjit_module_free(file);
    mgenjit_module_free(memory);
    mgenjit_executor_free(executor);
}

/* What can change the code changes the key: the IR and the level. What cannot does not. */
static void keys_differ(void)
{
    char keys[8][65];
    int count = 0;
    for (int level = MGENJIT_OPT_O0; level <= MGENJIT_OPT_OZ; level++) {
        mgenjit_config *config = default_config();
        mgenjit_executor *executor;
        mgenjit_module *module;
        CHECK_OK(mgenjit_config_set_opt_level(config, level, &failure));
        CHECK_OK(mgenjit_config_set_lock_timeout(config, (uint32_t)level * 1000, &failure));
        executor = new_executor(config);
        module = add(executor, "define i32 @keyed() {\n  ret i32 1\n}\n");
        strcpy(keys[count++], mgenjit_module_key(module));
        mgenjit_module_free(module);
        if (level <= MGENJIT_OPT_O1) {
            module = add(executor, "define i32 @keyed() {\n  ret i32 2\n}\n");
            strcpy(keys[count++], mgenjit_module_key(module));
            mgenjit_module_free(module);
        }
        mgenjit_executor_free(executor);
        mgenjit_config_free(config);
    }
    for (int i = 0; i < count; i++)
        for (int j = 0; j < i; j++)
            CHECK(strcmp(keys[i], keys[j]) != 0);
}

static void times(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add(executor, "define i32 @timed() {\n  ret i32 1\n}\n");
    mgenjit_times times = { .size = sizeof times };
    CHECK_OK(mgenjit_module_times(module, &times, &failure));
    CHECK_INT(sizeof times, times.size);
    CHECK_INT(0, times.bind_us);
    if (is_warm())
        CHECK_INT(0, times.start_us + times.parse_us + times.optimise_us + times.codegen_us + times.link_us + times.compile_us
                         + times.store_us);
    else
        CHECK(times.start_us > 0 && times.compile_us > 0
              && times.compile_us >= times.parse_us + times.optimise_us + times.codegen_us + times.link_us);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(signatures), CASE(types), CASE(list_of_functions), CASE(origin_and_key), CASE(file_and_memory),
        CASE(keys_differ), CASE(times),
    };
    return RUN_CASES(cases);
}
