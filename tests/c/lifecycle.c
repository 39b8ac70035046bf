// ir: lifecycle.ll = lifecycle.c -O1
// ir: tagged_100.ll = tagged.c -O1 -DTAG=100
// ir: tagged_200.ll = tagged.c -O1 -DTAG=200
// ir: fork_handlers.ll = fork_handlers.c -O1
// ir: static_objects.ll = static_objects.cpp -O1
// flags: -rdynamic
// warm: no server

/* Constructors, destructors and exit handlers. */
#include "check.h"

static unsigned char notes[64];
static int noted;
static int notes_pipe = -1;

/* What the modules call. In a process that is about to exit it writes to a pipe. */
void note(int what);
void note(int what)
{
    unsigned char byte = (unsigned char)what;
    if (notes_pipe >= 0)
        CHECK(write(notes_pipe, &byte, 1) == 1);
    else
        notes[noted++] = byte;
}

static void check_notes(const char *expected)
{
    notes[noted] = '\0';
    CHECK_STRING(expected, (const char *)notes);
}

/* The notes that are among `which`, in their order. */
static void check_notes_of(const char *which, const char *expected)
{
    char picked[sizeof notes];
    int count = 0;
    for (int i = 0; i < noted; i++)
        if (strchr(which, notes[i]) != NULL)
            picked[count++] = (char)notes[i];
    picked[count] = '\0';
    CHECK_STRING(expected, picked);
}

/* Runs `body` in a child until that exits, and reads what it noted. */
static void note_in_a_child(void (*body)(void))
{
    int ends[2];
    ssize_t got;
    pid_t child;
    CHECK(pipe(ends) == 0);
    child = fork();
    if (child == 0) {
        close(ends[0]);
        notes_pipe = ends[1];
        body();
        _exit(9);
    }
    close(ends[1]);
    CHECK_INT(0, wait_for(child, 30));
    noted = 0;
    while ((got = read(ends[0], notes + noted, sizeof notes - 1 - noted)) > 0)
        noted += (int)got;
    close(ends[0]);
}

static void constructors_before_lookup(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    add_file(executor, fixture("lifecycle.ll"));
    check_notes("");
    CHECK_INT(1, FUNCTION(int (*)(void), executor, "loaded")());
    check_notes("123");
    find(executor, "loaded");
    find(executor, "register_handlers");
    check_notes("123");
    mgenjit_executor_free(executor);
}

static void constructors_before_a_failed_lookup(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    void *address;
    add_file(executor, fixture("lifecycle.ll"));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_executor_lookup(executor, "nowhere", &address, &failure));
    check_notes("123");
    mgenjit_executor_free(executor);
}

static void constructors_by_link(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    add_file(executor, fixture("lifecycle.ll"));
    CHECK_OK(mgenjit_executor_link(executor, &failure));
    check_notes("123");
    mgenjit_executor_free(executor);
}

static void constructors_before_a_checked_call(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_function *function;
    mgenjit_value result;
    add_file(executor, fixture("lifecycle.ll"));
    function = find_function(executor, "loaded");
    check_notes("");
    CHECK_OK(mgenjit_function_call(function, NULL, 0, &result, &failure));
    check_notes("123");
    mgenjit_function_free(function);
    mgenjit_executor_free(executor);
}

static void at_removal(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add_file(executor, fixture("lifecycle.ll"));
    FUNCTION(void (*)(void), executor, "register_handlers")();
    check_notes("123");
    noted = 0;
    CHECK_OK(mgenjit_module_remove(module, &failure));
    check_notes_of("xyz", "xyz");
    check_notes_of("AB", "BA");
    CHECK_INT(5, noted);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    CHECK_INT(5, noted);
}

static void at_free(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module_free(add_file(executor, fixture("lifecycle.ll")));
    FUNCTION(void (*)(void), executor, "register_handlers")();
    noted = 0;
    mgenjit_executor_free(executor);
    check_notes_of("xyz", "xyz");
    check_notes_of("AB", "BA");
    CHECK_INT(5, noted);
}

/* Not when the executor's handle goes, but with the last handle of what is its. */
static void at_the_last_handle(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add_file(executor, fixture("lifecycle.ll"));
    find(executor, "loaded");
    noted = 0;
    mgenjit_executor_free(executor);
    CHECK_INT(0, noted);
    mgenjit_module_free(module);
    check_notes("xyz");
}

static void never_linked(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module_free(add_file(executor, fixture("lifecycle.ll")));
    mgenjit_executor_free(executor);
    check_notes("");
}

static void newest_module_goes_first(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    static const unsigned char both[] = { 100, 101, 102, 200, 201, 202 };
    int seen_old = 0;
    mgenjit_module_free(add_file(executor, fixture("tagged_100.ll")));
    find(executor, "tagged_100");
    mgenjit_module_free(add_file(executor, fixture("tagged_200.ll")));
    find(executor, "tagged_200");
    CHECK_INT(2, noted);
    CHECK(notes[0] == both[0] && notes[1] == both[3]);
    noted = 0;
    mgenjit_executor_free(executor);
    CHECK_INT(4, noted);
    for (int i = 0; i < noted; i++) {
        seen_old |= notes[i] < 200;
        CHECK(!(seen_old && notes[i] >= 200));
    }
}

/* The handlers of one module alone run when it is removed. */
static void only_the_removed_module(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *old = add_file(executor, fixture("tagged_100.ll"));
    mgenjit_module *new = add_file(executor, fixture("tagged_200.ll"));
    find(executor, "tagged_100");
    noted = 0;
    CHECK_OK(mgenjit_module_remove(old, &failure));
    CHECK_INT(2, noted);
    CHECK(notes[0] < 200 && notes[1] < 200);
    CHECK_INT(200, FUNCTION(int (*)(void), executor, "tagged_200")());
    CHECK_OK(mgenjit_module_remove(new, &failure));
    CHECK_INT(4, noted);
    mgenjit_module_free(old);
    mgenjit_module_free(new);
    mgenjit_executor_free(executor);
}

/* C++ in a host that is C. */
static mgenjit_module *add_static_objects(mgenjit_executor *executor)
{
    CHECK_OK(mgenjit_executor_load_library(executor, "libstdc++.so.6", &failure));
    return add_file(executor, fixture("static_objects.ll"));
}

static void static_objects(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add_static_objects(executor);
    int (*touch)(void) = FUNCTION(int (*)(void), executor, "touch_local_static");
    check_notes("FS");
    CHECK_INT('L', touch());
    CHECK_INT('L', touch());
    check_notes("FSL");
    CHECK_OK(mgenjit_module_remove(module, &failure));
    check_notes("FSLlsf");
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    check_notes("FSLlsf");
}

/* Loaded again, all happens again. */
static void static_objects_again(void)
{
    for (int i = 0; i < 3; i++) {
        mgenjit_executor *executor = new_executor(NULL);
        mgenjit_module_free(add_static_objects(executor));
        find(executor, "second");
        noted = 0;
        mgenjit_executor_free(executor);
        check_notes("sf");
    }
}

static void exit_without_free(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    add_file(executor, fixture("lifecycle.ll"));
    FUNCTION(void (*)(void), executor, "register_handlers")();
    exit(0);
}

static void at_process_exit(void)
{
    note_in_a_child(exit_without_free);
    check_notes_of("123", "123");
    check_notes_of("AB", "BA");
    check_notes_of("xyz", "xyz");
}

static void exit_with_static_objects(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    add_static_objects(executor);
    FUNCTION(int (*)(void), executor, "touch_local_static")();
    exit(0);
}

static void static_objects_at_process_exit(void)
{
    note_in_a_child(exit_with_static_objects);
    check_notes("FSLlsf");
}

static mgenjit_executor *freed_late;

static void free_late(void)
{
    note('<');
    mgenjit_executor_free(freed_late);
    note('>');
}

static void exit_and_free(void)
{
    freed_late = new_executor(NULL);
    CHECK(atexit(free_late) == 0);
    mgenjit_module_free(add_file(freed_late, fixture("lifecycle.ll")));
    find(freed_late, "loaded");
    exit(0);
}

/* A host that frees the executor in its own exit handler: each destructor runs once. */
static void freed_during_exit(void)
{
    note_in_a_child(exit_and_free);
    check_notes_of("xyz", "xyz");
    check_notes_of("<>", "<>");
}

static void quick(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    add_file(executor, fixture("lifecycle.ll"));
    FUNCTION(void (*)(void), executor, "register_quick_handler")();
    quick_exit(0);
}

static void at_quick_exit_of_the_process(void)
{
    note_in_a_child(quick);
    check_notes("123Q");
}

static void quick_after_removal(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add_file(executor, fixture("lifecycle.ll"));
    FUNCTION(void (*)(void), executor, "register_quick_handler")();
    CHECK_OK(mgenjit_module_remove(module, &failure));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    quick_exit(0);
}

/* A handler whose code is gone is not called. */
static void quick_exit_after_removal(void)
{
    note_in_a_child(quick_after_removal);
    check_notes_of("Q", "");
}

static void fork_handlers(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add_file(executor, fixture("fork_handlers.ll"));
    pid_t child;
    CHECK_INT(0, FUNCTION(int (*)(void), executor, "register_fork_handlers")());
    child = fork();
    if (child == 0)
        _exit(noted == 2 && notes[1] == 'C' ? 0 : 1);
    CHECK_INT(0, wait_for(child, 30));
    check_notes("pP");
    CHECK_OK(mgenjit_module_remove(module, &failure));
    mgenjit_module_free(module);
    child = fork();
    if (child == 0)
        _exit(0);
    CHECK_INT(0, wait_for(child, 30));
    check_notes("pP");
    mgenjit_executor_free(executor);
}

/* A constructor may use the library: look something up in another executor. */
static mgenjit_executor *inner;

int call_inner(void);
int call_inner(void)
{
    return FUNCTION(int (*)(void), inner, "inner_function")();
}

static void a_constructor_that_uses_the_library(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    inner = new_executor(NULL);
    add(inner, "define i32 @inner_function() {\n  ret i32 31\n}\n");
    add(executor, "declare i32 @call_inner()\n@constructed = global i32 0\n"
                  "@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] "
                  "[{ i32, ptr, ptr } { i32 65535, ptr @construct, ptr null }]\n"
                  "define internal void @construct() {\n  %r = call i32 @call_inner()\n"
                  "  store i32 %r, ptr @constructed\n  ret void\n}\n");
    CHECK_INT(31, *(int *)find(executor, "constructed"));
    mgenjit_executor_free(executor);
    mgenjit_executor_free(inner);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(constructors_before_lookup), CASE(constructors_before_a_failed_lookup), CASE(constructors_by_link),
        CASE(constructors_before_a_checked_call), CASE(at_removal), CASE(at_free), CASE(at_the_last_handle),
        CASE(never_linked), CASE(newest_module_goes_first), CASE(only_the_removed_module), CASE(static_objects),
        CASE(static_objects_again), CASE(at_process_exit), CASE(static_objects_at_process_exit),
        CASE(freed_during_exit), CASE(at_quick_exit_of_the_process), CASE(quick_exit_after_removal),
        CASE(fork_handlers), CASE(a_constructor_that_uses_the_library),
    };
    return RUN_CASES(cases);
}
