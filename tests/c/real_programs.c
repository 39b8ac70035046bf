// ir: runtime.ll = runtime.c -O2
// ir: runtime_pic.ll = runtime.c -O0 -fPIC
// ir: quicksort.ll = quicksort.c -O0
// ir: matrix.ll = matrix.c -O0
// ir: workers.ll = workers.cpp -O1
// libs: -lm
// warm: no server

/* Programs as users have them. */
#include "check.h"

#include <math.h>

/* Runs main of these modules and compares what it prints. */
static void check_main(const char *const *files, int argc, const char *const *argv, const char *expected)
{
    mgenjit_config *config = default_config();
    for (int level = MGENJIT_OPT_O0; level <= MGENJIT_OPT_O3; level++) {
        mgenjit_executor *executor;
        char text[4096] = "";
        int ends[2], saved, status = -1;
        CHECK_OK(mgenjit_config_set_opt_level(config, level, &failure));
        executor = new_executor(config);
        CHECK_OK(mgenjit_executor_load_library(executor, "libstdc++.so.6", &failure));
        for (const char *const *file = files; *file != NULL; file++)
            mgenjit_module_free(add_file(executor, **file == '/' ? *file : program(*file)));
        fflush(stdout);
        CHECK(pipe(ends) == 0 && (saved = dup(1)) >= 0 && dup2(ends[1], 1) == 1);
        CHECK_OK(mgenjit_executor_run_main(executor, argc, argv, &status, &failure));
        CHECK(dup2(saved, 1) == 1);
        close(ends[1]);
        close(saved);
        CHECK_INT(0, status);
        CHECK(read(ends[0], text, sizeof text - 1) >= 0);
        close(ends[0]);
        CHECK_STRING(expected, text);
        mgenjit_executor_free(executor);
    }
    mgenjit_config_free(config);
}

static void fibonacci(void)
{
    static const char *const files[] = { "fibonacci.ll", NULL };
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_value argument = mgenjit_i64(30), result;
    mgenjit_function *function;
    check_main(files, 0, NULL, "fibonacci(20) = 6765\n");
    mgenjit_module_free(add_file(executor, program("fibonacci.ll")));
    function = find_function(executor, "fibonacci");
    CHECK_OK(mgenjit_function_call(function, &argument, 1, &result, &failure));
    CHECK_INT(832040, result.of.integer);
    mgenjit_function_free(function);
    mgenjit_executor_free(executor);
}

static void quicksort(void)
{
    const char *const files[] = { fixture("quicksort.ll"), NULL };
    mgenjit_executor *executor = new_executor(NULL);
    int items[] = { 5, -3, 9, 0, 0, 2147483647, -2147483647, 1, 4, 4 };
    check_main(files, 0, NULL, "");
    mgenjit_module_free(add_file(executor, files[0]));
    FUNCTION(void (*)(int *, long), executor, "quicksort")(items, 10);
    for (int i = 1; i < 10; i++)
        CHECK(items[i - 1] <= items[i]);
    CHECK_INT(-2147483647, items[0]);
    mgenjit_executor_free(executor);
}

static void matrix(void)
{
    const char *const files[] = { fixture("matrix.ll"), NULL };
    mgenjit_executor *executor = new_executor(NULL);
    const double a[] = { 1, 2, 3, 4 }, b[] = { 5, 6, 7, 8 };
    double c[4];
    CHECK(cos(0) == 1);
    check_main(files, 0, NULL, "");
    mgenjit_module_free(add_file(executor, files[0]));
    FUNCTION(void (*)(const double *, const double *, double *, long), executor, "multiply")(a, b, c, 2);
    CHECK(c[0] == 19 && c[1] == 22 && c[2] == 43 && c[3] == 50);
    mgenjit_executor_free(executor);
}

#define COUNTED \
    "and: 1\nbrown: 1\ncat: 1\ndog: 2\nfox: 1\njumps: 1\nlazy: 1\nover: 1\nquick: 2\nsaw: 1\nthe: 4\n" \
    "16 words, 11 distinct\n"

/* The program needs the runtime, which needs the program; in either order. */
static void word_count(void)
{
    const char *const first[] = { "word_count.ll", fixture("runtime.ll"), NULL };
    const char *const last[] = { fixture("runtime.ll"), "word_count.ll", NULL };
    const char *const pic[] = { fixture("runtime_pic.ll"), "word_count.ll", NULL };
    mgenjit_executor *executor = new_executor(NULL);
    void *map;
    check_main(first, 0, NULL, COUNTED);
    check_main(last, 0, NULL, COUNTED);
    check_main(pic, 0, NULL, COUNTED);

    mgenjit_module_free(add_file(executor, program("word_count.ll")));
    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, mgenjit_executor_link(executor, &failure));
    CHECK_INT(5, mgenjit_error_symbol_count(failure));
    mgenjit_module_free(add_file(executor, fixture("runtime.ll")));
    map = FUNCTION(void *(*)(void), executor, "map.new")();
    CHECK_INT(4, FUNCTION(long (*)(void *, const char *), executor, "count words")(map, "b a b c "));
    CHECK_INT(3, FUNCTION(long (*)(void *), executor, "map.length")(map));
    CHECK_INT(4, FUNCTION(long (*)(void), executor, "map.total")());
    CHECK_INT(4, *(long long *)find(executor, "words.total"));
    FUNCTION(void (*)(void *), executor, "map.free")(map);
    mgenjit_executor_free(executor);
}

static void workers(void)
{
    static const char *const argv[] = { "workers", "6", NULL };
    const char *const files[] = { fixture("workers.ll"), NULL };
    check_main(files, 2, argv, "sum 899400, done 900, failed 100\n");
}

int main(void)
{
    static const check_case cases[] = {
        CASE(fibonacci), CASE(quicksort), CASE(matrix), CASE(word_count), CASE(workers),
    };
    return RUN_CASES(cases);
}
