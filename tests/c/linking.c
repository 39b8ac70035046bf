// flags: -rdynamic
// warm: no server

/* How modules that wait are linked to each other. */
#include "check.h"

typedef int (*int_function)(void);

static const char EVEN[] =
    "declare i1 @is_odd(i32)\n"
    "define i1 @is_even(i32 %n) {\n"
    "  %zero = icmp eq i32 %n, 0\n  br i1 %zero, label %yes, label %no\n"
    "yes:\n  ret i1 true\nno:\n  %m = sub i32 %n, 1\n  %r = call i1 @is_odd(i32 %m)\n  ret i1 %r\n}\n";
static const char ODD[] =
    "declare i1 @is_even(i32)\n"
    "define i1 @is_odd(i32 %n) {\n"
    "  %zero = icmp eq i32 %n, 0\n  br i1 %zero, label %no, label %go\n"
    "no:\n  ret i1 false\ngo:\n  %m = sub i32 %n, 1\n  %r = call i1 @is_even(i32 %m)\n  ret i1 %r\n}\n";

static void check_mutual(const char *first, const char *second)
{
    mgenjit_executor *executor = new_executor(NULL);
    add(executor, first);
    add(executor, second);
    CHECK(FUNCTION(_Bool (*)(int), executor, "is_even")(10));
    CHECK(!FUNCTION(_Bool (*)(int), executor, "is_odd")(10));
    mgenjit_executor_free(executor);
}

static void mutual(void)
{
    check_mutual(EVEN, ODD);
    check_mutual(ODD, EVEN);
}

/* Each module calls the next; they are added in every order of three. */
static void chain_in_any_order(void)
{
    static const char *const links[3] = {
        "declare i32 @b()\ndefine i32 @a() {\n  %r = call i32 @b()\n  %s = add i32 %r, 1\n  ret i32 %s\n}\n",
        "declare i32 @c()\ndefine i32 @b() {\n  %r = call i32 @c()\n  %s = add i32 %r, 10\n  ret i32 %s\n}\n",
        "define i32 @c() {\n  ret i32 100\n}\n",
    };
    static const int orders[6][3] = {
        { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 },
    };
    for (int i = 0; i < 6; i++) {
        mgenjit_executor *executor = new_executor(NULL);
        for (int j = 0; j < 3; j++)
            add(executor, links[orders[i][j]]);
        CHECK_INT(111, FUNCTION(int_function, executor, "a")());
        mgenjit_executor_free(executor);
    }
}

static void data_across_modules(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    add(executor, "@shared = external global i32\n@pointer_to_shared = global ptr @shared\n"
                  "define void @set(i32 %x) {\n  store i32 %x, ptr @shared\n  ret void\n}\n");
    add(executor, "@shared = global i32 1\n@table = global [2 x ptr] [ptr @set, ptr @shared]\n"
                  "declare void @set(i32)\n");
    FUNCTION(void (*)(int), executor, "set")(77);
    CHECK_INT(77, *(int *)find(executor, "shared"));
    CHECK(*(void **)find(executor, "pointer_to_shared") == find(executor, "shared"));
    CHECK(((void **)find(executor, "table"))[0] == find(executor, "set"));
    CHECK(((void **)find(executor, "table"))[1] == find(executor, "shared"));
    mgenjit_executor_free(executor);
}

static int has_symbol(const char *name)
{
    for (size_t i = 0; i < mgenjit_error_symbol_count(failure); i++)
        if (strcmp(mgenjit_error_symbol(failure, i), name) == 0)
            return 1;
    return 0;
}

static int supplied(void)
{
    return 5;
}

/* All that is missing is named at once; it can be supplied in each of the ways, or the module be removed. */
static void missing_symbols(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    void *address = NULL;
    int data = 6;
    add(executor, "declare i32 @missing_one()\n@missing_data = external global i32\n"
                  "define i32 @first() {\n  %a = call i32 @missing_one()\n  %b = load i32, ptr @missing_data\n"
                  "  %c = add i32 %a, %b\n  ret i32 %c\n}\n");
    add(executor, "declare i32 @missing_two()\ndeclare i32 @missing_one()\n"
                  "define i32 @second() {\n  %a = call i32 @missing_two()\n  %b = call i32 @missing_one()\n"
                  "  %c = add i32 %a, %b\n  ret i32 %c\n}\n");
    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, mgenjit_executor_lookup(executor, "first", &address, &failure));
    CHECK_INT(3, mgenjit_error_symbol_count(failure));
    CHECK(has_symbol("missing_one") && has_symbol("missing_two") && has_symbol("missing_data"));
    CHECK(mgenjit_error_symbol(failure, 3) == NULL);
    CHECK_MESSAGE("missing_one");
    CHECK_MESSAGE("missing_two");
    CHECK_MESSAGE("missing_data");
    CHECK(address == NULL);

    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, mgenjit_executor_link(executor, &failure));
    CHECK_INT(3, mgenjit_error_symbol_count(failure));

    CHECK_OK(mgenjit_executor_define(executor, "missing_one", (void *)supplied, &failure));
    CHECK_OK(mgenjit_executor_define(executor, "missing_data", &data, &failure));
    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, mgenjit_executor_link(executor, &failure));
    CHECK_INT(1, mgenjit_error_symbol_count(failure));
    CHECK_STRING("missing_two", mgenjit_error_symbol(failure, 0));

    add(executor, "define i32 @missing_two() {\n  ret i32 7\n}\n");
    CHECK_OK(mgenjit_executor_link(executor, &failure));
    CHECK_INT(11, FUNCTION(int_function, executor, "first")());
    CHECK_INT(12, FUNCTION(int_function, executor, "second")());
    mgenjit_executor_free(executor);
}

static void missing_symbols_and_removal(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *bad = add(executor, "declare i32 @missing()\n"
                                        "define i32 @calls_missing() {\n  %r = call i32 @missing()\n  ret i32 %r\n}\n");
    add(executor, "define i32 @good() {\n  ret i32 1\n}\n");
    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, mgenjit_executor_link(executor, &failure));
    CHECK_OK(mgenjit_module_remove(bad, &failure));
    mgenjit_module_free(bad);
    CHECK_INT(1, FUNCTION(int_function, executor, "good")());
    check_usable(executor);
    mgenjit_executor_free(executor);
}

/* Nothing of a module that could not be linked has run. */
static void no_constructor_before_all_is_resolved(void)
{
    static int constructed;
    mgenjit_executor *executor = new_executor(NULL);
    CHECK_OK(mgenjit_executor_define(executor, "constructed", &constructed, &failure));
    add(executor, "@constructed = external global i32\ndeclare void @missing()\n"
                  "@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] "
                  "[{ i32, ptr, ptr } { i32 65535, ptr @construct, ptr null }]\n"
                  "define internal void @construct() {\n  %o = load i32, ptr @constructed\n  %n = add i32 %o, 1\n"
                  "  store i32 %n, ptr @constructed\n  ret void\n}\n"
                  "define void @use() {\n  call void @missing()\n  ret void\n}\n");
    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, mgenjit_executor_link(executor, &failure));
    CHECK_INT(0, constructed);
    add(executor, "define void @missing() {\n  ret void\n}\n");
    CHECK_OK(mgenjit_executor_link(executor, &failure));
    CHECK_OK(mgenjit_executor_link(executor, &failure));
    CHECK_INT(1, constructed);
    mgenjit_executor_free(executor);
}

static void weak_undefined(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    add(executor, "declare extern_weak i32 @perhaps()\n@perhaps_data = extern_weak global i32\n"
                  "define i32 @ask() {\n"
                  "  %there = icmp ne ptr @perhaps, null\n  br i1 %there, label %yes, label %no\n"
                  "yes:\n  %r = call i32 @perhaps()\n  ret i32 %r\nno:\n  ret i32 -1\n}\n"
                  "define ptr @data() {\n  ret ptr @perhaps_data\n}\n");
    CHECK_INT(-1, FUNCTION(int_function, executor, "ask")());
    CHECK(FUNCTION(void *(*)(void), executor, "data")() == NULL);
    mgenjit_executor_free(executor);
}

static void weak_undefined_that_is_there(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    add(executor, "declare extern_weak i32 @perhaps()\n"
                  "define i32 @ask() {\n"
                  "  %there = icmp ne ptr @perhaps, null\n  br i1 %there, label %yes, label %no\n"
                  "yes:\n  %r = call i32 @perhaps()\n  ret i32 %r\nno:\n  ret i32 -1\n}\n");
    add(executor, "define i32 @perhaps() {\n  ret i32 8\n}\n");
    CHECK_INT(8, FUNCTION(int_function, executor, "ask")());
    mgenjit_executor_free(executor);
}

/* Two modules with a definition of this linkage have one variable between them. */
static void check_unified(const char *linkage)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *modules[2];
    int *seen[2];
    for (int i = 0; i < 2; i++) {
        char ir[512];
        snprintf(ir, sizeof ir, "@unified = %s global i32 0\ndefine ptr @where_%d() {\n  ret ptr @unified\n}\n",
                 linkage, i);
        modules[i] = add(executor, ir);
    }
    seen[0] = FUNCTION(int *(*)(void), executor, "where_0")();
    seen[1] = FUNCTION(int *(*)(void), executor, "where_1")();
    if (seen[0] != seen[1])
        check_failed(__FILE__, __LINE__, "%s: %p and %p", linkage, (void *)seen[0], (void *)seen[1]);
    CHECK(find(executor, "unified") == seen[0]);
    mgenjit_module_free(modules[0]);
    mgenjit_module_free(modules[1]);
    mgenjit_executor_free(executor);
}

static void unified_weak(void) { check_unified("weak"); }
static void unified_weak_odr(void) { check_unified("weak_odr"); }
static void unified_linkonce(void) { check_unified("linkonce"); }
static void unified_linkonce_odr(void) { check_unified("linkonce_odr"); }
static void unified_common(void) { check_unified("common"); }

/* A module that comes later and has the same weak variable uses the one that is already in use. */
static void unified_with_a_linked_module(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    int *first;
    add(executor, "@unified = weak global i32 0\ndefine ptr @where_0() {\n  ret ptr @unified\n}\n");
    first = FUNCTION(int *(*)(void), executor, "where_0")();
    add(executor, "@unified = weak global i32 0\ndefine ptr @where_1() {\n  ret ptr @unified\n}\n");
    CHECK(FUNCTION(int *(*)(void), executor, "where_1")() == first);
    CHECK(FUNCTION(int *(*)(void), executor, "where_0")() == first);
    CHECK(find(executor, "unified") == first);
    mgenjit_executor_free(executor);
}

/* A strong definition is preferred to a weak one that waits with it, in either order. */
static void strong_over_weak(void)
{
    static const char WEAK[] = "define weak i32 @which() {\n  ret i32 1\n}\n"
                               "define i32 @ask() {\n  %r = call i32 @which()\n  ret i32 %r\n}\n";
    static const char STRONG[] = "define i32 @which() {\n  ret i32 2\n}\n";
    for (int weak_first = 0; weak_first < 2; weak_first++) {
        mgenjit_executor *executor = new_executor(NULL);
        add(executor, weak_first ? WEAK : STRONG);
        add(executor, weak_first ? STRONG : WEAK);
        CHECK_INT(2, FUNCTION(int_function, executor, "ask")());
        CHECK_INT(2, FUNCTION(int_function, executor, "which")());
        mgenjit_executor_free(executor);
    }
}

/* Functions that the compiler calls by itself, and names that libc has in its static part only. */
/* What LLVM calls fp128. */
#ifdef __aarch64__
typedef long double quad;
#else
typedef __float128 quad;
#endif

static void compiler_helpers(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    add(executor, "define i64 @divide(i64 %a, i64 %b) {\n"
                  "  %wa = zext i64 %a to i128\n  %shifted = shl i128 %wa, 32\n  %wb = zext i64 %b to i128\n"
                  "  %q = sdiv i128 %shifted, %wb\n  %r = trunc i128 %q to i64\n  ret i64 %r\n}\n"
                  "define i64 @remainder_of(i64 %a, i64 %b) {\n"
                  "  %wa = zext i64 %a to i128\n  %shifted = shl i128 %wa, 32\n  %wb = zext i64 %b to i128\n"
                  "  %q = urem i128 %shifted, %wb\n  %r = trunc i128 %q to i64\n  ret i64 %r\n}\n"
                  "define double @through_half(double %x) {\n"
                  "  %h = fptrunc double %x to half\n  %d = fpext half %h to double\n  ret double %d\n}\n"
                  "define float @through_bfloat(float %x) {\n"
                  "  %h = fptrunc float %x to bfloat\n  %d = fpext bfloat %h to float\n  ret float %d\n}\n"
                  "define double @from_i128(i64 %a) {\n"
                  "  %w = sext i64 %a to i128\n  %s = mul i128 %w, 18446744073709551616\n"
                  "  %d = sitofp i128 %s to double\n  ret double %d\n}\n"
                  "define fp128 @quad(fp128 %a, fp128 %b) {\n  %r = fdiv fp128 %a, %b\n  ret fp128 %r\n}\n");
    CHECK_INT((3LL << 32) / 7, FUNCTION(long long (*)(long long, long long), executor, "divide")(3, 7));
    CHECK_INT((3LL << 32) % 7, FUNCTION(long long (*)(long long, long long), executor, "remainder_of")(3, 7));
    CHECK(FUNCTION(double (*)(double), executor, "through_half")(1.5) == 1.5);
    CHECK(FUNCTION(float (*)(float), executor, "through_bfloat")(1.5f) == 1.5f);
    CHECK(FUNCTION(double (*)(long long), executor, "from_i128")(2) == 36893488147419103232.0);
    CHECK(FUNCTION(quad (*)(quad, quad), executor, "quad")(3, 2) == 1.5);
    mgenjit_executor_free(executor);
}

static void names_of_static_libc(void)
{
    static const char *const names[] = { "atexit", "at_quick_exit", "pthread_atfork", "stat", "fstat", "lstat", "mknod" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        mgenjit_executor *executor = new_executor(NULL);
        char ir[512];
        snprintf(ir, sizeof ir, "declare i32 @%s()\ndefine ptr @where() {\n  ret ptr @%s\n}\n", names[i], names[i]);
        add(executor, ir);
        CHECK(FUNCTION(void *(*)(void), executor, "where")() != NULL);
        mgenjit_executor_free(executor);
    }
}

/* An alias, and an absolute address in data. */
static void aliases(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    add(executor, "define i32 @original() {\n  ret i32 3\n}\n@other_name = alias i32 (), ptr @original\n"
                  "@weak_name = weak alias i32 (), ptr @original\n");
    CHECK_INT(3, FUNCTION(int_function, executor, "other_name")());
    CHECK(find(executor, "other_name") == find(executor, "original"));
    CHECK(find(executor, "weak_name") == find(executor, "original"));
    mgenjit_executor_free(executor);
}

/* What a second executor defines is its own. */
static void executors_are_separate(void)
{
    mgenjit_executor *one = new_executor(NULL);
    mgenjit_executor *two = new_executor(NULL);
    void *address;
    static const char IR[] = "@state = global i32 0\ndefine i32 @next() {\n  %o = load i32, ptr @state\n"
                             "  %n = add i32 %o, 1\n  store i32 %n, ptr @state\n  ret i32 %n\n}\n";
    add(one, IR);
    CHECK_INT(1, FUNCTION(int_function, one, "next")());
    CHECK_INT(2, FUNCTION(int_function, one, "next")());
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_executor_lookup(two, "next", &address, &failure));
    add(two, IR);
    CHECK_INT(1, FUNCTION(int_function, two, "next")());
    mgenjit_executor_free(one);
    CHECK_INT(2, FUNCTION(int_function, two, "next")());
    mgenjit_executor_free(two);
}

/* The same IR twice in one executor: two modules, each with its own data. */
static void the_same_module_twice(void)
{
    static const char IR[] = "@twice_state = global i32 0\ndefine ptr @twice() {\n  ret ptr @twice_state\n}\n";
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *one = add(executor, IR);
    mgenjit_module *two;
    void *first, *second;
    CHECK_OK(mgenjit_module_lookup(one, "twice", &first, &failure));
    two = add(executor, IR);
    CHECK_OK(mgenjit_module_lookup(two, "twice", &second, &failure));
    CHECK(first != second);
    CHECK_STRING(mgenjit_module_key(one), mgenjit_module_key(two));
    CHECK_OK(mgenjit_module_remove(two, &failure));
    CHECK(FUNCTION(void *(*)(void), executor, "twice")() == find(executor, "twice_state"));
    mgenjit_module_free(one);
    mgenjit_module_free(two);
    mgenjit_executor_free(executor);
}

static void an_empty_module(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add(executor, "; nothing but a comment\n");
    CHECK_INT(0, mgenjit_module_function_count(module));
    CHECK_OK(mgenjit_executor_link(executor, &failure));
    mgenjit_module_free(module);
    check_usable(executor);
    mgenjit_executor_free(executor);
}

static void an_empty_executor(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    CHECK_OK(mgenjit_executor_link(executor, &failure));
    mgenjit_executor_free(executor);
}

static const char READS_X[] = "@x = external global i32\ndefine i32 @read_x() {\n  %v = load i32, ptr @x\n  ret i32 %v\n}\n";
static const char THREAD_X[] = "@x = thread_local global i32 5\ndefine i32 @get_x() {\n  %v = load i32, ptr @x\n  ret i32 %v\n}\n";
static const char NEEDS_READ_X[] =
    "declare i32 @read_x()\ndefine i32 @through() {\n  %v = call i32 @read_x()\n  ret i32 %v\n}\n";

static mgenjit_module *add_named(mgenjit_executor *executor, const char *name, const char *ir)
{
    mgenjit_module *module = NULL;
    CHECK_OK(mgenjit_executor_compile(executor, name, ir, strlen(ir), &module, &failure));
    return module;
}

static mgenjit_status look(mgenjit_executor *executor, const char *name)
{
    void *address = NULL;
    check_reset();
    return mgenjit_executor_lookup(executor, name, &address, &failure);
}

/* A module that contradicts another is blocked, and who needs it; all others link, and run their constructors. */
static void check_contradiction(const char *reader, const char *definer)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *bad = add_named(executor, "reader.ll", reader);
    add_named(executor, "definer.ll", definer);
    add_named(executor, "needs.ll", NEEDS_READ_X);
    add(executor, "@state = global i32 0\n"
                  "@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] "
                  "[{ i32, ptr, ptr } { i32 1, ptr @construct, ptr null }]\n"
                  "define internal void @construct() {\n  store i32 1, ptr @state\n  ret void\n}\n");
    for (int round = 0; round < 2; round++) {
        CHECK_INT(1, *(int *)find(executor, "state"));
        CHECK_INT(5, FUNCTION(int_function, executor, "get_x")());
        CHECK_STATUS(MGENJIT_STATUS_LOAD, look(executor, "read_x"));
        CHECK_MESSAGE("`x`");
        CHECK_MESSAGE("reader.ll");
        CHECK_MESSAGE("definer.ll");
        CHECK_STATUS(MGENJIT_STATUS_LOAD, look(executor, "through"));
        CHECK_MESSAGE("needs.ll");
        CHECK_MESSAGE("reader.ll");
        CHECK_STATUS(MGENJIT_STATUS_LOAD, mgenjit_executor_link(executor, &failure));
        CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, look(executor, "nowhere at all"));
        check_usable(executor);
    }
    /* One that lacks something is blocked for another reason. */
    add(executor, "declare i32 @lacks()\ndefine i32 @wants() {\n  %v = call i32 @lacks()\n  ret i32 %v\n}\n");
    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, look(executor, "wants"));
    CHECK_INT(1, mgenjit_error_symbol_count(failure));
    CHECK_STATUS(MGENJIT_STATUS_LOAD, look(executor, "read_x"));
    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, mgenjit_executor_link(executor, &failure));
    CHECK_MESSAGE("reader.ll");

    CHECK_OK(mgenjit_module_remove(bad, &failure));
    mgenjit_module_free(bad);
    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, look(executor, "through"));
    CHECK(has_symbol("read_x"));
    add(executor, "define i32 @read_x() {\n  ret i32 6\n}\n");
    CHECK_INT(6, FUNCTION(int_function, executor, "through")());
    mgenjit_executor_free(executor);
}

static void contradictions(void)
{
    static const char READS_THREAD_X[] =
        "@x = external thread_local global i32\ndefine i32 @read_x() {\n  %v = load i32, ptr @x\n  ret i32 %v\n}\n";
    static const char PLAIN_X[] = "@x = global i32 5\ndefine i32 @get_x() {\n  %v = load i32, ptr @x\n  ret i32 %v\n}\n";
    check_contradiction(READS_X, THREAD_X);
    check_contradiction(READS_THREAD_X, PLAIN_X);
}

/* The process has an ordinary variable of that name. */
static void contradiction_with_the_process(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    add_named(executor, "reader.ll",
              "@stdout = external thread_local global ptr\ndefine ptr @read() {\n  %v = load ptr, ptr @stdout\n  ret ptr %v\n}\n");
    add(executor, "define i32 @good() {\n  ret i32 1\n}\n");
    CHECK_INT(1, FUNCTION(int_function, executor, "good")());
    CHECK_STATUS(MGENJIT_STATUS_LOAD, look(executor, "read"));
    CHECK_MESSAGE("`stdout`");
    mgenjit_executor_free(executor);
}

#define VERSION_1 "define %s i32 @version() {\n  ret i32 1\n}\n"
#define VERSION_2 "declare i32 @lacking()\ndefine %s i32 @version() {\n  %%r = call i32 @lacking()\n  ret i32 %%r\n}\n"
#define ASKS "declare %s i32 @version()\ndefine i32 @ask_%d() {\n  %%r = call i32 @version()\n  ret i32 %%r\n}\n"

/* The definition that was added last is meant, although it cannot be linked: never the old one in its place. */
static void check_redefined(const char *kind, const char *asks)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *second;
    char ir[512];
    snprintf(ir, sizeof ir, VERSION_1, kind);
    add(executor, ir);
    snprintf(ir, sizeof ir, ASKS, "", 1);
    add(executor, ir);
    CHECK_INT(1, FUNCTION(int_function, executor, "ask_1")());
    snprintf(ir, sizeof ir, VERSION_2, kind);
    second = add(executor, ir);
    snprintf(ir, sizeof ir, ASKS, asks, 2);
    add(executor, ir);
    for (int round = 0; round < 2; round++) {
        CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, look(executor, "version"));
        CHECK(has_symbol("lacking"));
        CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, look(executor, "ask_2"));
        CHECK(has_symbol("lacking"));
        /* What was linked before stays linked. */
        CHECK_INT(1, FUNCTION(int_function, executor, "ask_1")());
    }
    if (strcmp(kind, "hidden") != 0) {
        mgenjit_function *function = find_function(executor, "version");
        mgenjit_value result;
        CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, mgenjit_function_call(function, NULL, 0, &result, &failure));
        mgenjit_function_free(function);
    }
    CHECK_OK(mgenjit_executor_define(executor, "lacking", (void *)supplied, &failure));
    CHECK_INT(5, FUNCTION(int_function, executor, "version")());
    CHECK_INT(5, FUNCTION(int_function, executor, "ask_2")());
    CHECK_INT(1, FUNCTION(int_function, executor, "ask_1")());
    CHECK_OK(mgenjit_module_remove(second, &failure));
    mgenjit_module_free(second);
    CHECK_INT(1, FUNCTION(int_function, executor, "version")());
    mgenjit_executor_free(executor);
}

static void redefined_by_what_lacks_something(void)
{
    check_redefined("default", "default");
    check_redefined("hidden", "hidden");
    check_redefined("default", "extern_weak");
}

/* Once it is removed, the old one is meant again. */
static void redefined_and_removed(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *second;
    char ir[512];
    snprintf(ir, sizeof ir, VERSION_1, "default");
    add(executor, ir);
    snprintf(ir, sizeof ir, VERSION_2, "default");
    second = add(executor, ir);
    CHECK_STATUS(MGENJIT_STATUS_UNRESOLVED, look(executor, "version"));
    CHECK_OK(mgenjit_module_remove(second, &failure));
    mgenjit_module_free(second);
    CHECK_INT(1, FUNCTION(int_function, executor, "version")());
    mgenjit_executor_free(executor);
}

/* A weak definition in a module that cannot be linked keeps no other from its own. */
static void weak_in_a_blocked_module(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    add(executor, "declare i32 @lacking()\n@one = linkonce_odr global i32 1\ndefine i32 @blocked() {\n"
                  "  %r = call i32 @lacking()\n  %v = load i32, ptr @one\n  ret i32 %v\n}\n");
    add(executor, "@one = linkonce_odr global i32 1\ndefine i32 @free_one() {\n  %v = load i32, ptr @one\n  ret i32 %v\n}\n");
    CHECK_INT(1, FUNCTION(int_function, executor, "free_one")());
    CHECK_INT(1, *(int *)find(executor, "one"));
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(mutual), CASE(chain_in_any_order), CASE(data_across_modules), CASE(missing_symbols),
        CASE(missing_symbols_and_removal), CASE(no_constructor_before_all_is_resolved), CASE(weak_undefined),
        CASE(weak_undefined_that_is_there), CASE(unified_weak), CASE(unified_weak_odr), CASE(unified_linkonce),
        CASE(unified_linkonce_odr), CASE(unified_common), CASE(unified_with_a_linked_module),
        CASE(strong_over_weak), CASE(compiler_helpers), CASE(names_of_static_libc), CASE(aliases),
        CASE(executors_are_separate), CASE(the_same_module_twice), CASE(an_empty_module), CASE(an_empty_executor),
        CASE(contradictions), CASE(contradiction_with_the_process), CASE(redefined_by_what_lacks_something),
        CASE(redefined_and_removed), CASE(weak_in_a_blocked_module),
    };
    return RUN_CASES(cases);
}
