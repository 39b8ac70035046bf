// runs: once
// libs: -lpthread

/* Modules of the first tier that go on as code of the second one, while they run. */
#include "check.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* `where` returns an address of its own code; `run` calls it until it is told to stop. */
static const char FUNCTIONS[] =
    "@table = internal constant [4 x i64] [i64 1, i64 2, i64 3, i64 4]\n"
    "@limit = constant i64 4\n"
    "declare ptr @llvm.returnaddress(i32)\n"
    "define ptr @back() noinline {\n  %r = call ptr @llvm.returnaddress(i32 0)\n  ret ptr %r\n}\n"
    "define ptr @where() noinline {\n  %r = notail call ptr @back()\n  ret ptr %r\n}\n"
    "define i64 @at(i64 %i) {\n"
    "  %l = load i64, ptr @limit\n  %j = urem i64 %i, %l\n  %p = getelementptr i64, ptr @table, i64 %j\n"
    "  %v = load i64, ptr %p\n  ret i64 %v\n}\n"
    "define i64 @sum(i64 %n) {\n"
    "entry:\n  br label %loop\n"
    "loop:\n"
    "  %i = phi i64 [0, %entry], [%next, %loop]\n  %s = phi i64 [0, %entry], [%more, %loop]\n"
    "  %v = call i64 @at(i64 %i)\n  %more = add i64 %s, %v\n  %next = add i64 %i, 1\n"
    "  %done = icmp eq i64 %next, %n\n  br i1 %done, label %end, label %loop\n"
    "end:\n  ret i64 %more\n}\n"
    "define void @run(ptr %stop, ptr %seen) {\n"
    "entry:\n  br label %loop\n"
    "loop:\n"
    "  %w = call ptr @where()\n  store atomic ptr %w, ptr %seen seq_cst, align 8\n"
    "  %s = load atomic i32, ptr %stop seq_cst, align 4\n  %on = icmp eq i32 %s, 0\n"
    "  br i1 %on, label %loop, label %end\n"
    "end:\n  ret void\n}\n";

typedef char *(*where_function)(void);
typedef long (*sum_function)(long);
typedef void (*run_function)(atomic_int *stop, char *_Atomic *seen);

static char folder[4096];
static check_events events;
static int expected_warnings;

static void write_script(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
    CHECK(chmod(path, 0700) == 0);
}

/* A cache of this case's own, and a server that does `background` before it does what nobody waits for. */
static mgenjit_config *tiered(const char *name, const char *background)
{
    mgenjit_config *config = new_watched_config(&events);
    const char *server = getenv("MGENJIT_SERVER");
    char *path = in_folder(name), *script = NULL;
    snprintf(folder, sizeof folder, "%s", path);
    CHECK(mkdir(folder, 0700) == 0);
    CHECK(asprintf(&script,
                   "#!/bin/sh\ncase \"$*\" in *--background*) cd '%s' && %s;; esac\nexec '%s' \"$@\"\n", folder, background,
                   server) > 0);
    write_script(join(folder, "server"), script);
    CHECK(asprintf(&script, "%.*s/mgenjit-helper", (int)(strrchr(server, '/') - server), server) > 0);
    CHECK(symlink(script, join(folder, "mgenjit-helper")) == 0);
    CHECK_OK(mgenjit_config_set_server_path(config, join(folder, "server"), &failure));
    CHECK_OK(mgenjit_config_set_cache_dir(config, join(folder, "cache"), &failure));
    CHECK_OK(mgenjit_config_set_tiers(config, MGENJIT_OPT_O0, MGENJIT_OPT_O2, &failure));
    return config;
}

#define WAITS "while [ ! -e go ]; do /bin/sleep 0.02; done"

/* What waits goes on. */
static void go(void)
{
    write_script(join(folder, "go"), "");
}

static int count(int kind)
{
    return __atomic_load_n(&events.count[kind], __ATOMIC_ACQUIRE);
}

static void wait_until_switched(int modules)
{
    CHECK_UNTIL(count(MGENJIT_EVENT_SWITCHED) >= modules || count(MGENJIT_EVENT_SERVER_WARNING) > expected_warnings);
    if (count(MGENJIT_EVENT_SERVER_WARNING) > expected_warnings)
        CHECK_STRING("no warning", events.server_warning);
    CHECK_INT(modules, count(MGENJIT_EVENT_SWITCHED));
}

/* Whether an address lies in this module's own code, and in which function. */
static bool is_first(mgenjit_module *module, const char *address, const char *function)
{
    mgenjit_symbol symbol = { .size = sizeof symbol };
    CHECK(mgenjit_symbolize(address - 1, &symbol));
    CHECK_STRING(function, symbol.function);
    return strcmp(symbol.key, mgenjit_module_key(module)) == 0;
}

/* A later process finds code of the second tier. */
static void check_found(mgenjit_config *config, const char *ir)
{
    /* Each turn orders it again, on a connection of its own. They must not fill the queue of who gets little processor time. */
    const struct timespec pause = { 0, 100000000 };
    for (int level = MGENJIT_OPT_O0; level != MGENJIT_OPT_O2;) {
        mgenjit_executor *executor = new_executor(config);
        mgenjit_module *module = add(executor, ir);
        level = mgenjit_module_opt_level(module);
        mgenjit_module_free(module);
        mgenjit_executor_free(executor);
        nanosleep(&pause, NULL);
    }
}

static atomic_int stop;
static sum_function shared_sum;
static where_function shared_where;
static atomic_long calls;

static void *call_all_the_time(void *unused)
{
    (void)unused;
    while (!stop) {
        CHECK_INT(250, shared_sum(100));
        CHECK(shared_where() != NULL);
        calls++;
    }
    return NULL;
}

static run_function shared_run;
static char *_Atomic seen;

static void *run_for_long(void *unused)
{
    (void)unused;
    shared_run(&stop, &seen);
    return NULL;
}

enum { THREADS = 8 };

static void check_calls(const char *name, bool replaceable)
{
    mgenjit_config *config = tiered(name, WAITS);
    CHECK_OK(mgenjit_config_set_replaceable(config, replaceable, &failure));
    mgenjit_executor *executor = new_executor(config);
    mgenjit_module *module = add(executor, FUNCTIONS);
    mgenjit_function *checked = find_function(executor, "at");
    mgenjit_value argument = mgenjit_i64(6), result;
    long *limit = find(executor, "limit");
    pthread_t threads[THREADS + 1];
    char *first;
    CHECK_INT(MGENJIT_OPT_O0, mgenjit_module_opt_level(module));
    shared_sum = FUNCTION(sum_function, executor, "sum");
    shared_where = FUNCTION(where_function, executor, "where");
    shared_run = FUNCTION(run_function, executor, "run");
    first = shared_where();
    CHECK(is_first(module, first, "where"));
    CHECK_OK(mgenjit_function_call(checked, &argument, 1, &result, &failure));
    CHECK_INT(3, result.of.integer);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, call_all_the_time, NULL) == 0);
    CHECK(pthread_create(&threads[THREADS], NULL, run_for_long, NULL) == 0);
    CHECK_UNTIL(seen != NULL && calls > 0);
    CHECK(is_first(module, seen, "where"));

    go();
    wait_until_switched(1);
    CHECK_INT(MGENJIT_OPT_O2, mgenjit_module_opt_level(module));
    /* What was called before goes on, and calls new code. */
    CHECK_UNTIL(!is_first(module, seen, "where"));
    CHECK(!is_first(module, shared_where(), "where"));
    CHECK(shared_where == FUNCTION(where_function, executor, "where"));
    CHECK(shared_sum == FUNCTION(sum_function, executor, "sum"));
    CHECK(limit == find(executor, "limit"));
    CHECK_OK(mgenjit_function_call(checked, &argument, 1, &result, &failure));
    CHECK_INT(3, result.of.integer);
    long before = calls;
    CHECK_UNTIL(calls > before + 1000);
    stop = 1;
    for (int i = 0; i <= THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    /* What ran first stays mapped, and goes with the module. */
    char *second = shared_where();
    CHECK(in_maps(first) && in_maps(second));
    mgenjit_function_free(checked);
    CHECK_OK(mgenjit_module_remove(module, &failure));
    CHECK(!in_maps(first) && !in_maps(second));
    mgenjit_module_free(module);
    check_usable(executor);
    mgenjit_executor_free(executor);
    check_found(config, FUNCTIONS);
    mgenjit_config_free(config);
}

static void switched_while_called(void)
{
    check_calls("called", false);
}

static void replaceable_modules(void)
{
    check_calls("replaceable", true);
}

/* Code of the second tier takes part in redefinition as that of the first would. */
static void redefined_when_switched(void)
{
    mgenjit_config *config = tiered("redefined", "true");
    CHECK_OK(mgenjit_config_set_replaceable(config, true, &failure));
    mgenjit_executor *executor = new_executor(config);
    mgenjit_module *module = add(executor, FUNCTIONS);
    sum_function sum = FUNCTION(sum_function, executor, "sum");
    where_function where = FUNCTION(where_function, executor, "where");
    wait_until_switched(1);
    mgenjit_module *other = add(executor, "define i64 @at(i64 %i) {\n  ret i64 7\n}\n");
    CHECK_OK(mgenjit_executor_link(executor, &failure));
    CHECK_INT(700, sum(100));
    CHECK_OK(mgenjit_module_remove(other, &failure));
    CHECK_INT(250, sum(100));
    CHECK(!is_first(module, where(), "where"));
    mgenjit_module_free(other);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
}

/* Two modules that define a name mean what they meant. */
static void equal_names(void)
{
    mgenjit_config *config = tiered("names", "true");
    mgenjit_executor *executor = new_executor(config);
    mgenjit_module *one = add(executor, "define i64 @f() noinline {\n  ret i64 1\n}\n"
                                        "define i64 @one() {\n  %r = call i64 @f()\n  ret i64 %r\n}\n");
    mgenjit_module *user = add(executor, "declare i64 @f()\ndefine i64 @user() {\n  %r = call i64 @f()\n  ret i64 %r\n}\n");
    long (*call_one)(void) = FUNCTION(long (*)(void), executor, "one");
    long (*call_user)(void) = FUNCTION(long (*)(void), executor, "user");
    CHECK_INT(1, call_user());
    /* Also those that are switched after it is there. */
    mgenjit_module *two = add(executor, "define i64 @f() noinline {\n  ret i64 2\n}\n"
                                        "define i64 @two() {\n  %r = call i64 @f()\n  ret i64 %r\n}\n");
    long (*call_two)(void) = FUNCTION(long (*)(void), executor, "two");
    wait_until_switched(3);
    CHECK_INT(1, call_one());
    CHECK_INT(2, call_two());
    CHECK_INT(1, call_user());
    CHECK_INT(2, FUNCTION(long (*)(void), executor, "f")());
    mgenjit_module_free(one);
    mgenjit_module_free(two);
    mgenjit_module_free(user);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
}

/* It is switched when it is linked. */
static void stored_before_it_is_linked(void)
{
    mgenjit_config *config = tiered("linked", "true");
    mgenjit_executor *executor = new_executor(config);
    mgenjit_module *module = add(executor, FUNCTIONS);
    check_found(config, FUNCTIONS);
    mgenjit_module *other = add(executor, "define i64 @other() {\n  ret i64 1\n}\n");
    wait_until_switched(0);
    CHECK_INT(250, FUNCTION(sum_function, executor, "sum")(100));
    wait_until_switched(2);
    mgenjit_module_free(other);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
}

#ifdef __aarch64__
#define ONE_INTO_REGISTER "mov ${0:w}, #1"
#else
#define ONE_INTO_REGISTER "mov $$1, $0"
#endif

/* Of these, two codes could be told apart, or would have state of their own. */
static const char *const STAYS[] = {
    "@v = global i32 1\ndefine i32 @f() {\n  %r = load i32, ptr @v\n  ret i32 %r\n}\n",
    "@v = internal global i32 1\ndefine i32 @f() {\n  %r = load i32, ptr @v\n  %n = add i32 %r, 1\n  store i32 %n, ptr @v\n"
    "  ret i32 %r\n}\n",
    "@v = thread_local global i32 1\ndefine i32 @f() {\n  %r = load i32, ptr @v\n  ret i32 %r\n}\n",
    "@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 65535, ptr @c, ptr null }]\n"
    "define void @c() {\n  ret void\n}\ndefine i32 @f() {\n  ret i32 1\n}\n",
    "@llvm.global_dtors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 65535, ptr @c, ptr null }]\n"
    "define void @c() {\n  ret void\n}\ndefine i32 @f() {\n  ret i32 1\n}\n",
    "@llvm.used = appending global [1 x ptr] [ptr @f], section \"llvm.metadata\"\ndefine i32 @f() {\n  ret i32 1\n}\n",
    "define internal i32 @g() {\n  ret i32 1\n}\ndefine ptr @p() {\n  ret ptr @g\n}\ndefine i32 @f() {\n  ret i32 1\n}\n",
    "define ptr @p() {\n  ret ptr @f\n}\ndefine i32 @f() {\n  ret i32 1\n}\n",
    "@t = constant [1 x ptr] [ptr @f]\ndefine i32 @f() {\n  ret i32 1\n}\n",
    "@k = internal constant i32 1\ndefine i32 @f(ptr %p) {\n  %c = icmp eq ptr %p, @k\n  %r = zext i1 %c to i32\n  ret i32 %r\n}\n"
    "define ptr @p() {\n  ret ptr @k\n}\n",
    "@k = constant i32 1\ndefine ptr @f() {\n  ret ptr @k\n}\n",
    "@k = internal constant i32 1, section \"mine\"\ndefine i32 @f() {\n  %r = load i32, ptr @k\n  ret i32 %r\n}\n",
    "@a = alias i32 (), ptr @f\ndefine i32 @f() {\n  ret i32 1\n}\n",
    "define weak i32 @f() {\n  ret i32 1\n}\n",
    "$f = comdat any\ndefine linkonce_odr i32 @f() comdat {\n  ret i32 1\n}\n",
    "@k = weak constant i32 1\ndefine i32 @f() {\n  %r = load i32, ptr @k\n  ret i32 %r\n}\n",
    "@i = ifunc i32 (), ptr @r\ndefine ptr @r() {\n  ret ptr @f\n}\ndefine i32 @f() {\n  ret i32 1\n}\n",
    "module asm \".data\"\ndefine i32 @f() {\n  ret i32 1\n}\n",
    "define i32 @f() {\n  %r = call i32 asm \"" ONE_INTO_REGISTER "\", \"=r\"()\n  ret i32 %r\n}\n",
    "define ptr @f() {\n  br label %l\nl:\n  ret ptr blockaddress(@f, %l)\n}\n",
    "define i32 @f() prefix i32 1 {\n  ret i32 1\n}\n",
    "declare i32 @atexit(ptr)\ndefine i32 @f() {\n  %r = call i32 @atexit(ptr null)\n  ret i32 %r\n}\n",
    "define internal i32 @f() {\n  ret i32 1\n}\n@k = unnamed_addr constant i32 1\n",
};

/* Of these, nobody can. */
static const char *const MOVES[] = {
    "define i32 @f() {\n  ret i32 1\n}\n",
    "define hidden i32 @f() {\n  ret i32 1\n}\n",
    "define protected i32 @f() {\n  ret i32 1\n}\n",
    "define dso_local i32 @f() {\n  %r = call i32 @g()\n  ret i32 %r\n}\ndefine internal i32 @g() noinline {\n  ret i32 1\n}\n",
    "@k = private unnamed_addr constant [2 x i8] c\"k\\00\"\ndefine ptr @f() {\n  ret ptr @k\n}\n",
    "define i32 @f() unnamed_addr {\n  ret i32 1\n}\ndefine ptr @p() {\n  ret ptr @f\n}\n",
    "@environ = external global ptr\ndefine ptr @f() {\n  %r = load ptr, ptr @environ\n  ret ptr %r\n}\n",
    "define i32 @f() {\n  call void asm sideeffect \"\", \"~{memory}\"()\n  ret i32 1\n}\n",
    /* Optimised, it calls memset. */
    "define void @f(ptr %p, i64 %n) {\nentry:\n  br label %l\nl:\n  %i = phi i64 [0, %entry], [%j, %l]\n"
    "  %q = getelementptr i8, ptr %p, i64 %i\n  store i8 0, ptr %q\n  %j = add i64 %i, 1\n  %c = icmp ult i64 %j, %n\n"
    "  br i1 %c, label %l, label %e\ne:\n  ret void\n}\n",
};

enum { STAY = sizeof STAYS / sizeof *STAYS, MOVE = sizeof MOVES / sizeof *MOVES };

static void what_stays(void)
{
    mgenjit_config *config = tiered("stays", "true");
    mgenjit_executor *executors[STAY];
    mgenjit_module *modules[STAY];
    for (int i = 0; i < STAY; i++) {
        executors[i] = new_executor(config);
        modules[i] = add(executors[i], STAYS[i]);
        CHECK_INT(MGENJIT_OPT_O0, mgenjit_module_opt_level(modules[i]));
        CHECK_OK(mgenjit_executor_link(executors[i], &failure));
    }
    for (int i = 0; i < STAY; i++)
        check_found(config, STAYS[i]);
    mgenjit_executor *last = new_executor(config);
    mgenjit_module *module = add(last, FUNCTIONS);
    CHECK_OK(mgenjit_executor_link(last, &failure));
    wait_until_switched(1);
    for (int i = 0; i < STAY; i++) {
        fprintf(stderr, "%s\n", STAYS[i]);
        CHECK_INT(MGENJIT_OPT_O0, mgenjit_module_opt_level(modules[i]));
        mgenjit_module_free(modules[i]);
        mgenjit_executor_free(executors[i]);
    }
    mgenjit_module_free(module);
    mgenjit_executor_free(last);
    mgenjit_config_free(config);
}

static void what_moves(void)
{
    mgenjit_config *config = tiered("moves", "true");
    mgenjit_executor *executors[MOVE];
    mgenjit_module *modules[MOVE];
    for (int i = 0; i < MOVE; i++) {
        executors[i] = new_executor(config);
        modules[i] = add(executors[i], MOVES[i]);
        CHECK_OK(mgenjit_executor_link(executors[i], &failure));
    }
    for (int i = 0; i < MOVE; i++) {
        fprintf(stderr, "%s\n", MOVES[i]);
        CHECK_UNTIL(mgenjit_module_opt_level(modules[i]) == MGENJIT_OPT_O2);
        CHECK(find(executors[i], "f") != NULL);
        mgenjit_module_free(modules[i]);
        mgenjit_executor_free(executors[i]);
    }
    mgenjit_config_free(config);
}

/* What is removed or freed meanwhile is not switched, and nothing waits for what is compiled. */
static void gone_meanwhile(void)
{
    mgenjit_config *config = tiered("gone", WAITS);
    mgenjit_executor *executor = new_executor(config), *freed = new_executor(config);
    mgenjit_module *module = add(executor, FUNCTIONS);
    CHECK_INT(250, FUNCTION(sum_function, executor, "sum")(100));
    CHECK_OK(mgenjit_module_remove(module, &failure));
    mgenjit_module_free(module);
    mgenjit_module_free(add(freed, FUNCTIONS));
    CHECK_INT(250, FUNCTION(sum_function, freed, "sum")(100));
    mgenjit_executor_free(freed);
    module = add(executor, "define i64 @other() {\n  ret i64 1\n}\n");
    CHECK_INT(1, FUNCTION(long (*)(void), executor, "other")());
    go();
    wait_until_switched(1);
    check_found(config, FUNCTIONS);
    CHECK_INT(1, count(MGENJIT_EVENT_SWITCHED));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
}

static void forked_meanwhile(void)
{
    if (is_emulated()) {
        SKIP("qemu-user fails when a process of several threads forks");
        return;
    }
    mgenjit_config *config = tiered("forked", WAITS);
    mgenjit_executor *executor = new_executor(config);
    mgenjit_module *module = add(executor, FUNCTIONS);
    where_function where = FUNCTION(where_function, executor, "where");
    pid_t process = fork();
    if (process == 0) {
        /* It has no thread that waits; what it compiles itself is waited for. */
        mgenjit_module *own = add(executor, "define i64 @own() {\n  ret i64 1\n}\n");
        CHECK(is_first(module, where(), "where"));
        CHECK_INT(1, FUNCTION(long (*)(void), executor, "own")());
        go();
        wait_until_switched(1);
        CHECK(is_first(module, where(), "where"));
        CHECK_INT(MGENJIT_OPT_O2, mgenjit_module_opt_level(own));
        mgenjit_module_free(own);
        mgenjit_module_free(module);
        mgenjit_executor_free(executor);
        exit(0);
    }
    CHECK_INT(0, wait_for(process, 60));
    wait_until_switched(1);
    CHECK(!is_first(module, where(), "where"));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
}

/* A process that ends does not wait. The case ends by itself, with its executor. */
static void ends_meanwhile(void)
{
    mgenjit_executor *executor = new_executor(tiered("ends", "for i in 1 2 3 4 5 6 7 8 9; do " WAITS "; done"));
    add(executor, FUNCTIONS);
    CHECK_INT(250, FUNCTION(sum_function, executor, "sum")(100));
    go();
}

/* The hook may free all there is. */
static mgenjit_executor *to_free;

static void free_in_hook(const mgenjit_event *event, void *user)
{
    if (event->kind == MGENJIT_EVENT_SWITCHED) {
        mgenjit_executor_free(to_free);
        atomic_store((atomic_int *)user, 1);
    }
}

static void freed_by_the_hook(void)
{
    atomic_int freed = 0;
    mgenjit_config *config = tiered("hook", WAITS);
    CHECK_OK(mgenjit_config_set_event_hook(config, free_in_hook, &freed, NULL, &failure));
    to_free = new_executor(config);
    mgenjit_config_free(config);
    mgenjit_module_free(add(to_free, FUNCTIONS));
    where_function where = FUNCTION(where_function, to_free, "where");
    char *first = where();
    go();
    CHECK_UNTIL(freed);
    CHECK_UNTIL(!in_maps(first));
}

/* Kills the processes that store for this program. Returns how many there are. */
static int kill_storers(void)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    DIR *all = opendir("/proc");
    struct dirent *entry;
    int found = 0;
    CHECK(all != NULL && runtime != NULL);
    while ((entry = readdir(all)) != NULL) {
        char path[300], line[4096] = "";
        snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
        FILE *file = fopen(path, "r");
        size_t length = file != NULL ? fread(line, 1, sizeof line - 1, file) : 0;
        if (file != NULL)
            fclose(file);
        for (size_t i = 0; i < length; i++)
            line[i] = line[i] == '\0' ? ' ' : line[i];
        if (strstr(line, "mgenjit-helper store") == NULL || strstr(line, runtime) == NULL)
            continue;
        found++;
        kill((pid_t)atoi(entry->d_name), SIGKILL);
    }
    closedir(all);
    return found;
}

static void stays_if_the_storing_process_is_killed(void)
{
    mgenjit_config *config = tiered("killed", WAITS);
    mgenjit_executor *executor = new_executor(config);
    mgenjit_module *module = add(executor, FUNCTIONS);
    where_function where = FUNCTION(where_function, executor, "where");
    CHECK_UNTIL(kill_storers() > 0);
    /* Until all its threads have ended, one can be connected to. */
    CHECK_UNTIL(kill_storers() == 0);
    CHECK_UNTIL(count(MGENJIT_EVENT_SERVER_WARNING) == 1);
    CHECK_CONTAINS("the process that stores it has ended", events.server_warning);
    expected_warnings = 1;
    CHECK(is_first(module, where(), "where"));
    go();
    /* Another one is found, or started. */
    mgenjit_module *other = add(executor, "define i64 @other() {\n  ret i64 1\n}\n");
    CHECK_INT(1, FUNCTION(long (*)(void), executor, "other")());
    wait_until_switched(1);
    CHECK_INT(MGENJIT_OPT_O0, mgenjit_module_opt_level(module));
    mgenjit_module_free(other);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
}

static void stays_if_it_cannot_be_compiled(void)
{
    mgenjit_config *config = tiered("fails", "exit 1");
    mgenjit_executor *executor = new_executor(config);
    mgenjit_module *module = add(executor, FUNCTIONS);
    where_function where = FUNCTION(where_function, executor, "where");
    CHECK_UNTIL(count(MGENJIT_EVENT_SERVER_WARNING) == 1);
    CHECK_CONTAINS("code of the level O0 goes on to run here", events.server_warning);
    CHECK(is_first(module, where(), "where"));
    CHECK_INT(MGENJIT_OPT_O0, mgenjit_module_opt_level(module));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
}

int main(void)
{
    const check_case cases[] = {
        CASE(switched_while_called),
        CASE(replaceable_modules),
        CASE(redefined_when_switched),
        CASE(equal_names),
        CASE(stored_before_it_is_linked),
        CASE(what_stays),
        CASE(what_moves),
        CASE(gone_meanwhile),
        CASE(forked_meanwhile),
        CASE(ends_meanwhile),
        CASE(freed_by_the_hook),
        CASE(stays_if_the_storing_process_is_killed),
        CASE(stays_if_it_cannot_be_compiled),
    };
    return RUN_CASES(cases);
}
