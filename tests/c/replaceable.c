// warm: no server
// bc: ifunc_replaced.bc = ifunc.c -O1 -Xclang -disable-llvm-passes --rtlib=compiler-rt
// libs: -lpthread

/* Functions that are redefined while others call them: by a later module, and by a new version of their own. */
#include "check.h"
#include "replacing.h"

/* A module with a caller and a callee, in which LLVM would fold all calls. */
static char *callee_and_caller(const char *head, int result)
{
    char *ir = NULL;
    CHECK(asprintf(&ir,
                   "%s {\n  ret i32 %d\n}\n"
                   "define i32 @g() {\n  %%r = call i32 @f()\n  ret i32 %%r\n}\n"
                   "define i32 @deep() {\n  %%r = call i32 @g()\n  ret i32 %%r\n}\n"
                   "@table = constant [1 x ptr] [ptr @f]\n"
                   "define ptr @address() {\n  ret ptr @f\n}\n",
                   head, result) > 0);
    return ir;
}

static void check_redefined(const char *head, const char *again)
{
    mgenjit_executor *executor = new_replaceable();
    char *ir = callee_and_caller(head, 1), *redefinition = NULL;
    mgenjit_module *module = add(executor, ir), *second;
    int_function f = FUNCTION(int_function, executor, "f"), g = FUNCTION(int_function, executor, "g");
    int_function deep = FUNCTION(int_function, executor, "deep");
    void *(*address)(void) = FUNCTION(void *(*)(void), executor, "address");
    int_function *table = find(executor, "table");
    CHECK_INT(1, f());
    CHECK_INT(1, deep());
    CHECK(address() == (void *)f && table[0] == f);

    CHECK(asprintf(&redefinition, "%s {\n  ret i32 2\n}\n", again) > 0);
    second = add(executor, redefinition);
    CHECK_INT(1, f()); /* not linked yet */
    CHECK_OK(mgenjit_executor_link(executor, &failure));
    CHECK_INT(2, f());
    CHECK_INT(2, g());
    CHECK_INT(2, deep());
    CHECK(find(executor, "f") == (void *)f && address() == (void *)f);
    CHECK_INT(2, table[0]());

    /* Without it, the one before counts again. */
    CHECK_OK(mgenjit_module_remove(second, &failure));
    CHECK_INT(1, deep());
    CHECK(find(executor, "f") == (void *)f);
    free(ir);
    free(redefinition);
    mgenjit_module_free(second);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

static void redefined_by_a_later_module(void)
{
    static const char *const heads[] = {
        "define i32 @f()",
        "define dso_local i32 @f()",
        "define hidden i32 @f()",
        "define protected i32 @f()",
        "define weak i32 @f()",
        "define weak_odr i32 @f()",
        "define linkonce i32 @f()",
        "define linkonce_odr hidden i32 @f()",
        "define i32 @f() unnamed_addr",
        "$f = comdat any\ndefine linkonce_odr i32 @f() comdat",
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        fprintf(stderr, "%s\n", heads[i]);
        check_redefined(heads[i], "define i32 @f()");
    }
    check_redefined("define weak i32 @f()", "define weak i32 @f()");
    check_redefined("define hidden i32 @f()", "define hidden i32 @f()");
}

/* A function calls what its name means, itself too. */
static void recursion(void)
{
    mgenjit_executor *executor = new_replaceable();
    mgenjit_module *old = add(executor, "define i32 @down(i32 %n) {\n"
                                        "  %done = icmp eq i32 %n, 0\n"
                                        "  br i1 %done, label %end, label %more\n"
                                        "end:\n  ret i32 1\n"
                                        "more:\n  %less = sub i32 %n, 1\n"
                                        "  %r = call i32 @down(i32 %less)\n  ret i32 %r\n}\n");
    int (*down)(int) = FUNCTION(int (*)(int), executor, "down");
    CHECK_INT(1, down(5));
    mgenjit_module_free(add(executor, "define i32 @down(i32 %n) {\n  %r = add i32 %n, 100\n  ret i32 %r\n}\n"));
    CHECK_OK(mgenjit_executor_link(executor, &failure));
    CHECK_INT(105, down(5));
    mgenjit_module_free(old);
    mgenjit_executor_free(executor);
}

static void aliases(void)
{
    mgenjit_executor *executor = new_replaceable();
    mgenjit_module_free(add(executor, "define dso_local i32 @f() {\n  ret i32 1\n}\n"
                                      "@other = dso_local alias i32 (), ptr @f\n"
                                      "@unseen = internal alias i32 (), ptr @f\n"
                                      "define i32 @g() {\n  %r = call i32 @other()\n  ret i32 %r\n}\n"
                                      "define i32 @h() {\n  %r = call i32 @unseen()\n  ret i32 %r\n}\n"));
    int_function g = FUNCTION(int_function, executor, "g"), h = FUNCTION(int_function, executor, "h");
    int_function other = FUNCTION(int_function, executor, "other"), f = FUNCTION(int_function, executor, "f");
    CHECK_INT(1, g());
    CHECK_INT(1, h());
    mgenjit_module_free(add(executor, "define i32 @other() {\n  ret i32 2\n}\n"));
    CHECK_OK(mgenjit_executor_link(executor, &failure));
    CHECK_INT(2, g());
    CHECK_INT(2, other());
    CHECK_INT(1, f());
    CHECK_INT(1, h());
    mgenjit_executor_free(executor);
}

/* Functions that a resolver chooses, before and after. */
static void indirect_functions(void)
{
    mgenjit_executor *executor = new_replaceable();
    mgenjit_module *module = add_file(executor, fixture("ifunc_replaced.bc"));
    int (*call)(int) = FUNCTION(int (*)(int), executor, "call_dispatched");
    int (*dispatched)(int) = FUNCTION(int (*)(int), executor, "dispatched");
    int (**pointer)(int) = find(executor, "pointer_to_dispatched");
    const int values[] = { 1, 2, 3 };
    CHECK_INT(50, call(3));
    CHECK_INT(5, dispatched(3));
    CHECK_INT(5, (*pointer)(3));
    CHECK(*pointer == dispatched);
    CHECK_INT(6, FUNCTION(int (*)(const int *, int), executor, "sum_of")(values, 3));
    mgenjit_module *second = add(executor, "define i32 @dispatched(i32 %x) {\n  ret i32 %x\n}\n");
    CHECK_OK(mgenjit_executor_link(executor, &failure));
    CHECK_INT(30, call(3));
    CHECK_INT(3, (*pointer)(3));
    CHECK_OK(mgenjit_module_remove(second, &failure));
    CHECK_INT(50, call(3));
    mgenjit_module_free(second);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

/* What a C compiler made an object of, with calls and addresses of all kinds. */
static void check_object(const char *flags)
{
    static const char code[] = "__attribute__((noinline, noipa)) int f(void) { return 1; }\n"
                               "int g(void) { return f() + 10; }\n"
                               "int tail(void) { return f(); }\n"
                               "int (*pointer)(void) = f;\n"
                               "int (*address(void))(void) { return f; }\n";
    mgenjit_executor *executor = new_replaceable();
    char *command = NULL, *file = in_folder("code.c"), *object = in_folder("code.o");
    FILE *text = fopen(file, "w");
    CHECK(text != NULL && fputs(code, text) >= 0 && fclose(text) == 0);
    CHECK(asprintf(&command, "cc -O2 -c %s -o %s %s", flags, object, file) > 0);
    CHECK_INT(0, system(command));
    mgenjit_module *module = add_file(executor, object);
    int_function g = FUNCTION(int_function, executor, "g"), tail = FUNCTION(int_function, executor, "tail");
    int_function f = FUNCTION(int_function, executor, "f"), *pointer = find(executor, "pointer");
    int_function (*address)(void) = FUNCTION(int_function (*)(void), executor, "address");
    fprintf(stderr, "%s\n", flags);
    CHECK_INT(11, g());
    CHECK(address() == f && *pointer == f);
    mgenjit_module *new = add(executor, "define i32 @f() {\n  ret i32 2\n}\n");
    CHECK_OK(mgenjit_executor_link(executor, &failure));
    CHECK_INT(12, g());
    /* The assembler may have bound this jump. */
    CHECK(tail() == 2 || strstr(flags, "-fPIE") != NULL || strstr(flags, "visibility") != NULL);
    CHECK_INT(2, address()());
    CHECK_INT(2, (*pointer)());
    mgenjit_module_free(module);
    mgenjit_module_free(new);
    mgenjit_executor_free(executor);
    free(command);
}

static void objects(void)
{
    check_object("-fPIC");
    check_object("-fPIE");
    check_object("-fPIC -fvisibility=hidden");
    check_object("-fPIC -fvisibility=protected");
    check_object("-fPIC -fno-plt");
}

/* Modules that refer to each other, of which one is replaced. */
static void callers_in_other_modules(void)
{
    mgenjit_executor *executor = new_replaceable();
    mgenjit_module *caller = add(executor, "declare i32 @f()\n"
                                           "@pointer = global ptr @f\n"
                                           "define i32 @g() {\n  %r = call i32 @f()\n  ret i32 %r\n}\n");
    mgenjit_module *old = add(executor, "define i32 @f() {\n  ret i32 1\n}\n"), *new;
    int_function g = FUNCTION(int_function, executor, "g"), *pointer = find(executor, "pointer");
    int_function f = FUNCTION(int_function, executor, "f");
    mgenjit_function *checked = find_function(executor, "f");
    mgenjit_value result;
    CHECK_INT(1, g());
    new = replaced(old, "define i32 @f() {\n  ret i32 2\n}\n");
    CHECK_INT(2, g());
    CHECK_INT(2, f());
    CHECK_INT(2, (*pointer)());
    CHECK(f == *pointer);
    CHECK_OK(mgenjit_function_call(checked, NULL, 0, &result, &failure));
    CHECK_INT(2, result.of.integer);
    /* The function's handle keeps the old code. */
    CHECK(!retired(old));
    mgenjit_function_free(checked);
    CHECK_INT(0, (long long)old_code(executor).kept);
    CHECK_INT(2, g());
    mgenjit_module_free(old);
    mgenjit_module_free(new);
    mgenjit_module_free(caller);
    mgenjit_executor_free(executor);
}

static void handles_of_a_replaced_module(void)
{
    mgenjit_executor *executor = new_replaceable();
    mgenjit_module *old = add(executor, "define i32 @f() {\n  ret i32 1\n}\n"), *new;
    mgenjit_source *source = source_of("define i32 @f() {\n  ret i32 3\n}\n");
    mgenjit_function *function = NULL;
    void *address = NULL;
    bool unmapped = true;
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_module_retire(old, &unmapped, &failure));
    CHECK_MESSAGE("was not replaced");
    new = replaced(old, "define i32 @f() {\n  ret i32 2\n}\n");
    CHECK_STATUS(MGENJIT_STATUS_REMOVED, mgenjit_module_lookup(old, "f", &address, &failure));
    CHECK_MESSAGE("was replaced");
    CHECK_STATUS(MGENJIT_STATUS_REMOVED, mgenjit_module_remove(old, &failure));
    CHECK_STATUS(MGENJIT_STATUS_REMOVED, mgenjit_module_function(old, 0, &function, &failure));
    CHECK_STATUS(MGENJIT_STATUS_REMOVED, mgenjit_module_replace(old, source, 0, NULL, &failure));
    CHECK_OK(mgenjit_module_lookup(new, "f", &address, &failure));
    CHECK(address == find(executor, "f"));
    CHECK_INT(64, (long long)strlen(mgenjit_module_key(old)));
    CHECK(strcmp(mgenjit_module_key(old), mgenjit_module_key(new)) != 0);
    CHECK_INT(1, (long long)old_code(executor).waiting);
    CHECK(old_code(executor).waiting_bytes > 0);
    CHECK(retired(old));
    CHECK_INT(0, (long long)old_code(executor).waiting);
    CHECK_STATUS(MGENJIT_STATUS_REMOVED, mgenjit_module_retire(old, NULL, &failure));
    CHECK_OK(mgenjit_module_remove(new, &failure));
    CHECK_STATUS(MGENJIT_STATUS_REMOVED, mgenjit_module_replace(new, source, 0, NULL, &failure));
    CHECK_STATUS(MGENJIT_STATUS_REMOVED, mgenjit_module_retire(new, NULL, &failure));
    mgenjit_source_free(source);
    mgenjit_module_free(old);
    mgenjit_module_free(new);
    mgenjit_executor_free(executor);
}

/* What a new version must be, unless it is allowed not to. The old one goes on. */
static void what_a_version_must_define(void)
{
    static const char OLD[] = "define i32 @a() {\n  ret i32 1\n}\n"
                              "define i32 @b(i32 %x) {\n  ret i32 %x\n}\n"
                              "define i32 @c() {\n  ret i32 3\n}\n"
                              "define linkonce_odr i32 @inline() {\n  ret i32 4\n}\n"
                              "@keep = global ptr @inline\n";
    static const char NEW[] = "define i32 @a() {\n  ret i32 11\n}\ndefine i64 @b(i64 %x) {\n  ret i64 %x\n}\n";
    mgenjit_executor *executor = new_replaceable();
    mgenjit_module *old = add(executor, OLD), *new = NULL;
    mgenjit_source *source = source_of(NEW);
    int_function a = FUNCTION(int_function, executor, "a"), c = FUNCTION(int_function, executor, "c");
    void *address = NULL;
    CHECK_STATUS(MGENJIT_STATUS_TYPE, mgenjit_module_replace(old, source, MGENJIT_ALLOW_NOTHING, &new, &failure));
    CHECK_MESSAGE("it does not define `c`; `i32 @b(i32)` has become `i64 @b(i64)`");
    CHECK_INT(2, (long long)mgenjit_error_symbol_count(failure));
    CHECK_STRING("b", mgenjit_error_symbol(failure, 0));
    CHECK_STRING("c", mgenjit_error_symbol(failure, 1));
    CHECK_STATUS(MGENJIT_STATUS_TYPE, mgenjit_module_replace(old, source, MGENJIT_ALLOW_VANISHED, &new, &failure));
    CHECK_INT(1, (long long)mgenjit_error_symbol_count(failure));
    CHECK_STATUS(MGENJIT_STATUS_TYPE, mgenjit_module_replace(old, source, MGENJIT_ALLOW_CHANGED, &new, &failure));
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_module_replace(old, source, 4, &new, &failure));
    CHECK(new == NULL);
    CHECK_INT(1, a());
    CHECK_INT(3, c());
    CHECK_INT(0, (long long)old_code(executor).waiting);
    CHECK_OK(mgenjit_module_replace(old, source, MGENJIT_ALLOW_VANISHED | MGENJIT_ALLOW_CHANGED, &new, &failure));
    CHECK_INT(11, a());
    CHECK_INT(3, c()); /* until it is retired */
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_executor_lookup(executor, "c", &address, &failure));
    CHECK_INT(7, (long long)FUNCTION(int64_t (*)(int64_t), executor, "b")(7));
    mgenjit_source_free(source);
    mgenjit_module_free(old);
    mgenjit_module_free(new);
    mgenjit_executor_free(executor);
}

static void check_not_replaced(const char *ir, mgenjit_status status, const char *message)
{
    mgenjit_executor *executor = new_replaceable();
    mgenjit_module *old = add(executor, "@v = global i32 1\n"
                                        "define i32 @f() {\n  %r = load i32, ptr @v\n  ret i32 %r\n}\n"),
                   *new = NULL;
    mgenjit_source *source = source_of(ir);
    int_function f = FUNCTION(int_function, executor, "f");
    int *v = find(executor, "v");
    *v = 5;
    for (int i = 0; i < 2; i++) {
        CHECK_STATUS(status, mgenjit_module_replace(old, source, 0, &new, &failure));
        CHECK_MESSAGE(message);
        CHECK(new == NULL);
        CHECK_INT(5, f());
        CHECK(find(executor, "v") == (void *)v && find(executor, "f") == (void *)f);
    }
    CHECK_INT(0, (long long)old_code(executor).waiting);
    check_usable(executor);
    new = replaced(old, "@v = external global i32\ndefine i32 @f() {\n  %r = load i32, ptr @v\n"
                        "  %s = add i32 %r, 1\n  ret i32 %s\n}\n");
    CHECK_INT(6, f());
    mgenjit_source_free(source);
    mgenjit_module_free(old);
    mgenjit_module_free(new);
    mgenjit_executor_free(executor);
}

static void errors_change_nothing(void)
{
    if (!is_warm()) {
        check_not_replaced("define i32 @f() {\n  ret i32 %x\n}\n", MGENJIT_STATUS_PARSE, "%x");
        check_not_replaced("define i32 @f() {\n  ret i32 1\n}\n!llvm.module.flags = !{!0}\n!0 = !{i32 9, !\"x\", i32 1}\n",
                           MGENJIT_STATUS_VERIFY, "");
    }
    check_not_replaced("declare i32 @nowhere()\ndefine i32 @f() {\n  %r = call i32 @nowhere()\n  ret i32 %r\n}\n",
                       MGENJIT_STATUS_UNRESOLVED, "nowhere");
    check_not_replaced("@v = external thread_local global i32\n"
                       "define i32 @f() {\n  %r = load i32, ptr @v\n  ret i32 %r\n}\n",
                       MGENJIT_STATUS_LOAD, "`v`");
}

static void only_in_a_replaceable_executor(void)
{
    mgenjit_executor *executor = new_executor(NULL), *other = new_replaceable();
    mgenjit_module *module = add(executor, "define i32 @f() {\n  ret i32 1\n}\n");
    mgenjit_module *same = add(other, "define i32 @f() {\n  ret i32 1\n}\n");
    mgenjit_config *config = default_config();
    mgenjit_source *source = source_of("define i32 @f() {\n  ret i32 2\n}\n");
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_module_replace(module, source, 0, NULL, &failure));
    CHECK_MESSAGE("mgenjit_config_set_replaceable");
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_module_retire(module, NULL, &failure));
    CHECK_INT(0, (long long)old_code(executor).waiting);
    /* It is part of the key, and off by default. */
    CHECK(strcmp(mgenjit_module_key(module), mgenjit_module_key(same)) != 0);
    CHECK_OK(mgenjit_config_set_replaceable(config, true, &failure));
    CHECK_OK(mgenjit_config_set_replaceable(config, false, &failure));
    mgenjit_executor *third = new_executor(config);
    mgenjit_module *off = add(third, "define i32 @f() {\n  ret i32 1\n}\n");
    CHECK_STRING(mgenjit_module_key(module), mgenjit_module_key(off));
    mgenjit_module_free(off);
    mgenjit_executor_free(third);
    mgenjit_config_free(config);
    mgenjit_source_free(source);
    mgenjit_module_free(module);
    mgenjit_module_free(same);
    mgenjit_executor_free(executor);
    mgenjit_executor_free(other);
}

/* What later versions declare is kept, however many there are; what they define begins anew. */
static void variables(void)
{
    static const char LATER[] = "@kept = external global i32\n"
                                "@own = global i32 %d\n"
                                "@__thread = external thread_local global i32\n"
                                "define i32 @f() {\n  %%a = load i32, ptr @kept\n  %%b = load i32, ptr @own\n"
                                "  %%c = load i32, ptr @__thread\n  %%d = add i32 %%a, %%b\n"
                                "  %%e = add i32 %%c, %%d\n  ret i32 %%e\n}\n";
    mgenjit_executor *executor = new_replaceable();
    mgenjit_module *first = add(executor, "@kept = global i32 1000\n@own = global i32 100\n"
                                          "@__thread = thread_local global i32 10000\n"
                                          "define i32 @f() {\n  ret i32 0\n}\n"),
                   *module = first;
    int_function f = FUNCTION(int_function, executor, "f");
    int *kept = find(executor, "kept"), *of_thread = find(executor, "__thread"), *own = find(executor, "own");
    *own = 5;
    for (int i = 1; i < 5; i++) {
        char *ir = NULL;
        mgenjit_module *next;
        CHECK(asprintf(&ir, LATER, i) > 0);
        next = replaced(module, ir);
        *kept = 1000 * i;
        CHECK_INT(10000 + 1000 * i + i, f());
        CHECK(find(executor, "kept") == (void *)kept && find(executor, "__thread") == (void *)of_thread);
        CHECK_INT(i, *(int *)find(executor, "own"));
        /* The first one stays, for its variables; those between go. */
        CHECK_INT(module != first, retired(module));
        CHECK_INT(1, (long long)old_code(executor).kept);
        CHECK_INT(0, (long long)old_code(executor).waiting);
        if (module != first)
            mgenjit_module_free(module);
        module = next;
        free(ir);
    }
    /* Without them, it goes. */
    mgenjit_module *last = replaced(module, "define i32 @f() {\n  ret i32 7\n}\n");
    CHECK_INT(7, f());
    CHECK(retired(module));
    CHECK_INT(0, (long long)old_code(executor).kept);
    CHECK_INT(0, in_maps(kept));
    mgenjit_module_free(module);
    mgenjit_module_free(first);
    mgenjit_module_free(last);
    mgenjit_executor_free(executor);
}

static char told[64];

static void note(int what)
{
    size_t length = strlen(told);
    CHECK(length + 1 < sizeof told);
    told[length] = (char)what;
}

/* A version whose constructor and destructor call a function by its name. */
static char *living(const char *constructor, const char *destructor, char own)
{
    char *ir = NULL;
    CHECK(asprintf(&ir,
                   "declare void @note(i32)\n"
                   "@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 65535, ptr "
                   "@begin, ptr null }]\n"
                   "@llvm.global_dtors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 65535, ptr "
                   "@end, ptr null }]\n"
                   "define internal void @begin() {\n  call void @note(i32 %d)\n  call void @tell()\n  ret void\n}\n"
                   "define internal void @end() {\n  call void @note(i32 %d)\n  call void @tell()\n  ret void\n}\n"
                   "define void @tell() {\n  call void @note(i32 %d)\n  ret void\n}\n",
                   constructor[0], destructor[0], own) > 0);
    return ir;
}

/* Constructors of a new version call new functions; destructors run when the old one goes, and call them too. */
static void constructors_and_destructors(void)
{
    mgenjit_executor *executor = new_replaceable();
    char *one = living("(", ")", '1'), *two = living("[", "]", '2');
    CHECK_OK(mgenjit_executor_define(executor, "note", (const void *)note, &failure));
    mgenjit_module *old = add(executor, one), *new;
    CHECK_OK(mgenjit_executor_link(executor, &failure));
    CHECK_STRING("(1", told);
    new = replaced(old, two);
    CHECK_STRING("(1[2", told);
    CHECK(retired(old));
    CHECK_STRING("(1[2)2", told);
    mgenjit_module_free(old);
    mgenjit_module_free(new);
    mgenjit_executor_free(executor);
    CHECK_STRING("(1[2)2]2", told);
    free(one);
    free(two);
}

/* A function that nothing defines any more. */
static void removed_functions(void)
{
    mgenjit_executor *executor = new_replaceable();
    mgenjit_module *callee = add(executor, "define i32 @f() {\n  ret i32 1\n}\n");
    mgenjit_module *caller = add(executor, "declare i32 @f()\n"
                                           "define i32 @g() {\n  %r = call i32 @f()\n  ret i32 %r\n}\n");
    int_function g = FUNCTION(int_function, executor, "g"), f = FUNCTION(int_function, executor, "f");
    void *address = NULL;
    /* While its caller is there, it stays. */
    CHECK_OK(mgenjit_module_remove(callee, &failure));
    CHECK_INT(1, g());
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_executor_lookup(executor, "f", &address, &failure));
    CHECK_INT(1, (long long)old_code(executor).kept);
    /* Defined anew, it is called, and the old one goes with the next removal. */
    mgenjit_module *again = add(executor, "define i32 @f() {\n  ret i32 2\n}\n");
    CHECK_OK(mgenjit_executor_link(executor, &failure));
    CHECK_INT(2, g());
    CHECK(find(executor, "f") == (void *)f);
    check_usable(executor);
    CHECK_INT(0, (long long)old_code(executor).kept);
    CHECK_OK(mgenjit_module_remove(caller, &failure));
    CHECK_OK(mgenjit_module_remove(again, &failure));
    CHECK_INT(0, (long long)old_code(executor).kept);
    /* Now its address leads to a trap, and to nothing else. */
    pid_t child = fork();
    if (child == 0) {
        signal(SIGILL, SIG_DFL);
        f();
        _exit(0);
    }
    int status = wait_for(child, 60);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGILL);
    mgenjit_module_free(callee);
    mgenjit_module_free(caller);
    mgenjit_module_free(again);
    mgenjit_executor_free(executor);
}

/* A function's handle keeps what it leads to. */
static void pinned_functions(void)
{
    mgenjit_executor *executor = new_replaceable();
    mgenjit_module *one = add(executor, "define i32 @f() {\n  ret i32 1\n}\n");
    mgenjit_function *function = find_function(executor, "f");
    mgenjit_module *two = add(executor, "define i32 @f() {\n  ret i32 2\n}\n");
    mgenjit_value result;
    CHECK_OK(mgenjit_function_call(function, NULL, 0, &result, &failure));
    CHECK_INT(2, result.of.integer);
    CHECK_OK(mgenjit_module_remove(one, &failure));
    CHECK_OK(mgenjit_module_remove(two, &failure));
    CHECK_OK(mgenjit_function_call(function, NULL, 0, &result, &failure));
    CHECK_INT(1, result.of.integer);
    mgenjit_function_free(function);
    mgenjit_module_free(one);
    mgenjit_module_free(two);
    mgenjit_executor_free(executor);
}

/* Only what is kept is seen by others, and has an entry. */
static void kept_symbols(void)
{
    mgenjit_executor *executor = new_replaceable();
    mgenjit_module *module = NULL;
    char *ir = callee_and_caller("define i32 @f()", 1);
    mgenjit_source *source = source_of(ir);
    CHECK_OK(mgenjit_source_keep(source, "deep", &failure));
    CHECK_OK(mgenjit_executor_compile_source(executor, source, &module, &failure));
    int_function deep = FUNCTION(int_function, executor, "deep");
    mgenjit_module_free(add(executor, "define i32 @f() {\n  ret i32 2\n}\n"));
    CHECK_OK(mgenjit_executor_link(executor, &failure));
    CHECK_INT(1, deep());
    mgenjit_module_free(add(executor, "define i32 @deep() {\n  ret i32 3\n}\n"));
    CHECK_OK(mgenjit_executor_link(executor, &failure));
    CHECK_INT(3, deep());
    free(ir);
    mgenjit_source_free(source);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

/* An address in an entry is that of the function it leads to. */
static void explained(void)
{
    mgenjit_executor *executor = new_replaceable();
    mgenjit_module *module = add(executor, "define i32 @f() {\n  ret i32 1\n}\n");
    char *address = find(executor, "f");
    for (int offset = 0; offset < 16; offset += 5) {
        mgenjit_symbol symbol = { .size = sizeof symbol };
        CHECK(mgenjit_symbolize(address + offset, &symbol));
        CHECK_STRING("f", symbol.function);
        CHECK_OK(mgenjit_executor_symbolize(executor, address + offset, &symbol, &failure));
        CHECK_STRING(mgenjit_module_key(module), symbol.key);
    }
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    mgenjit_symbol symbol = { .size = sizeof symbol };
    CHECK(!mgenjit_symbolize(address, &symbol));
}

/* More functions than one page of entries holds, in several modules. No page is writable and executable. */
static void many_functions(void)
{
    enum { MODULES = 4, FUNCTIONS = 500 };
    mgenjit_config *config = replaceable_config();
    CHECK_OK(mgenjit_config_set_opt_level(config, MGENJIT_OPT_O0, &failure));
    mgenjit_executor *executor = new_executor(config);
    mgenjit_config_free(config);
    for (int module = 0; module < MODULES; module++) {
        char *ir = NULL;
        size_t size;
        FILE *text = open_memstream(&ir, &size);
        for (int i = 0; i < FUNCTIONS; i++)
            fprintf(text, "define i32 @f%d() {\n  ret i32 %d\n}\n", module * FUNCTIONS + i, module * FUNCTIONS + i);
        fclose(text);
        mgenjit_module_free(add(executor, ir));
        free(ir);
    }
    for (int i = 0; i < MODULES * FUNCTIONS; i++) {
        char name[32];
        snprintf(name, sizeof name, "f%d", i);
        CHECK_INT(i, FUNCTION(int_function, executor, name)());
    }
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[4096];
    while (fgets(line, sizeof line, maps) != NULL)
        CHECK(strstr(line, " rwx") == NULL);
    fclose(maps);
    mgenjit_executor_free(executor);
}

static void after_fork(void)
{
    mgenjit_executor *executor = new_replaceable();
    mgenjit_module *module = add(executor, "define i32 @f() {\n  ret i32 1\n}\n");
    int_function f = FUNCTION(int_function, executor, "f");
    pid_t child = fork();
    if (child == 0) {
        mgenjit_module *new = replaced(module, "define i32 @f() {\n  ret i32 2\n}\n");
        CHECK_INT(2, f());
        CHECK(retired(module));
        mgenjit_module_free(new);
        _exit(0);
    }
    CHECK_INT(0, wait_for(child, 60));
    CHECK_INT(1, f());
    mgenjit_module_free(replaced(module, "define i32 @f() {\n  ret i32 2\n}\n"));
    CHECK_INT(2, f());
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(redefined_by_a_later_module),
        CASE(recursion),
        CASE(aliases),
        CASE(indirect_functions),
        CASE(objects),
        CASE(callers_in_other_modules),
        CASE(handles_of_a_replaced_module),
        CASE(what_a_version_must_define),
        CASE(errors_change_nothing),
        CASE(only_in_a_replaceable_executor),
        CASE(variables),
        CASE(constructors_and_destructors),
        CASE(removed_functions),
        CASE(pinned_functions),
        CASE(kept_symbols),
        CASE(explained),
        CASE(many_functions),
        CASE(after_fork),
    };
    return RUN_CASES(cases);
}
