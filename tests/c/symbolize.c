// ir: debugged4.ll = debugged.c -g -gdwarf-4 -O1
// ir: debugged5.ll = debugged.c -g -gdwarf-5 -O1
// libs: -lpthread

/* What an address in compiled code is. */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/time.h>

/* `twice` is seen by nobody else. `unnamed` follows it. */
static const char code[] =
    "define internal i64 @twice(i64 %n) noinline {\n"
    "  %result = mul i64 %n, 2\n"
    "  ret i64 %result\n"
    "}\n"
    "define i64 @four_times(i64 %n) {\n"
    "  %half = call i64 @twice(i64 %n)\n"
    "  %result = call i64 @twice(i64 %half)\n"
    "  ret i64 %result\n"
    "}\n"
    "define ptr @address() {\n"
    "  ret ptr @twice\n"
    "}\n"
    "@data = global i64 7\n";

static mgenjit_executor *executor_in_mode(int32_t mode)
{
    mgenjit_config *config;
    mgenjit_executor *executor;
    CHECK_OK(mgenjit_config_new(&config, &failure));
    CHECK_OK(mgenjit_config_set_cache_mode(config, mode, &failure));
    CHECK_OK(mgenjit_executor_new(config, &executor, &failure));
    mgenjit_config_free(config);
    return executor;
}

static void *lookup(mgenjit_executor *executor, const char *name)
{
    void *address;
    CHECK_OK(mgenjit_executor_lookup(executor, name, &address, &failure));
    return address;
}

static mgenjit_symbol symbol_of(const void *address)
{
    mgenjit_symbol symbol;
    memset(&symbol, 0x5a, sizeof symbol);
    symbol.size = sizeof symbol;
    CHECK(mgenjit_symbolize(address, &symbol));
    CHECK_INT(sizeof symbol, symbol.size);
    return symbol;
}

static void clear_cache(void)
{
    mgenjit_cache *cache;
    CHECK_OK(mgenjit_cache_open(NULL, &cache, &failure));
    CHECK_OK(mgenjit_cache_clear(cache, true, NULL, NULL, &failure));
    mgenjit_cache_free(cache);
}

static int is_known(const void *address)
{
    mgenjit_symbol symbol = {.size = sizeof symbol};
    return mgenjit_symbolize(address, &symbol);
}

typedef void *get(void);

static void check_names(mgenjit_executor *executor, mgenjit_module *module)
{
    char *four_times = lookup(executor, "four_times");
    get *address;
    char *twice;
    mgenjit_symbol symbol = symbol_of(four_times);
    CHECK_STRING("four_times", symbol.function);
    CHECK_STRING("numbers", symbol.module);
    CHECK_STRING(mgenjit_module_key(module), symbol.key);
    CHECK(symbol.function_address == four_times);
    CHECK((const char *)symbol.base < four_times);

    symbol = symbol_of(four_times + 3);
    CHECK_STRING("four_times", symbol.function);
    CHECK(symbol.function_address == four_times);

    *(void **)&address = lookup(executor, "address");
    twice = address();
    symbol = symbol_of(twice);
    CHECK_STRING("twice", symbol.function);
    CHECK(symbol.function_address == twice);

    /* In the image, but no function. */
    symbol = symbol_of(lookup(executor, "data"));
    CHECK_STRING("", symbol.function);
    CHECK_STRING("numbers", symbol.module);
    CHECK(symbol.function_address == NULL);
}

static void compile_and_check(int32_t mode, int32_t origin)
{
    mgenjit_executor *executor = executor_in_mode(mode);
    mgenjit_module *module;
    char *four_times;
    CHECK_OK(mgenjit_executor_compile(executor, "numbers", code, strlen(code), &module, &failure));
    CHECK_INT(origin, mgenjit_module_origin(module));
    check_names(executor, module);
    four_times = lookup(executor, "four_times");
    CHECK_OK(mgenjit_module_remove(module, &failure));
    CHECK(!is_known(four_times));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

static void code_has_names_wherever_it_comes_from(void)
{
    clear_cache();
    compile_and_check(MGENJIT_CACHE_READ_WRITE, MGENJIT_ORIGIN_COMPILED);
    compile_and_check(MGENJIT_CACHE_READ_WRITE, MGENJIT_ORIGIN_CACHE);
    compile_and_check(MGENJIT_CACHE_READ_ONLY, MGENJIT_ORIGIN_CACHE);
    compile_and_check(MGENJIT_CACHE_OFF, MGENJIT_ORIGIN_COMPILED);
}

static void what_is_not_code_is_not_known(void)
{
    mgenjit_executor *executor = executor_in_mode(MGENJIT_CACHE_READ_WRITE), *other;
    mgenjit_symbol symbol = {.size = sizeof symbol};
    char *address;
    CHECK(!is_known(NULL));
    CHECK(!is_known((void *)-1));
    CHECK(!is_known((void *)&is_known));
    CHECK(!is_known(&symbol));
    CHECK_OK(mgenjit_executor_compile(executor, "numbers", code, strlen(code), NULL, &failure));
    address = lookup(executor, "four_times");
    CHECK(!mgenjit_symbolize(address, NULL));
    symbol.size = 0;
    CHECK(!mgenjit_symbolize(address, &symbol));
    symbol.size = sizeof symbol;
    CHECK_OK(mgenjit_executor_symbolize(executor, address, &symbol, &failure));
    CHECK_STRING("four_times", symbol.function);
    other = executor_in_mode(MGENJIT_CACHE_READ_WRITE);
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_executor_symbolize(other, address, &symbol, &failure));
    CHECK_MESSAGE("is not in compiled code of this executor");
    mgenjit_executor_free(other);
    mgenjit_executor_free(executor);
    CHECK(!is_known(address));
}

/* A caller of an earlier version has a shorter struct. */
static void a_shorter_struct_is_filled_as_far_as_it_goes(void)
{
    mgenjit_executor *executor = executor_in_mode(MGENJIT_CACHE_READ_WRITE);
    mgenjit_symbol symbol;
    void *address;
    CHECK_OK(mgenjit_executor_compile(executor, "numbers", code, strlen(code), NULL, &failure));
    address = lookup(executor, "four_times");
    memset(&symbol, 0x5a, sizeof symbol);
    symbol.size = offsetof(mgenjit_symbol, module);
    CHECK(mgenjit_symbolize(address, &symbol));
    CHECK_INT(offsetof(mgenjit_symbol, module), symbol.size);
    CHECK(symbol.function_address == address);
    CHECK_INT(0x5a, symbol.module[0]);
    mgenjit_executor_free(executor);
}

static void long_names_are_cut(void)
{
    mgenjit_executor *executor = executor_in_mode(MGENJIT_CACHE_OFF);
    static char name[3000], ir[4000];
    mgenjit_symbol symbol;
    memset(name, 'n', sizeof name - 1);
    snprintf(ir, sizeof ir, "define void @%s() {\n  ret void\n}\n", name);
    CHECK_OK(mgenjit_executor_compile(executor, name, ir, strlen(ir), NULL, &failure));
    symbol = symbol_of(lookup(executor, name));
    CHECK_INT(sizeof symbol.function - 1, strlen(symbol.function));
    CHECK_INT(sizeof symbol.module - 1, strlen(symbol.module));
    mgenjit_executor_free(executor);
}

/* When the cached file is gone, or is another one, functions that others can see still have names. */
static void a_file_that_is_gone_is_missed_for_local_functions_alone(void)
{
    mgenjit_executor *executor = executor_in_mode(MGENJIT_CACHE_READ_WRITE);
    get *address;
    CHECK_OK(mgenjit_executor_compile(executor, "numbers", code, strlen(code), NULL, &failure));
    *(void **)&address = lookup(executor, "address");
    CHECK_STRING("twice", symbol_of(address()).function);
    clear_cache();
    CHECK_STRING("", symbol_of(address()).function);
    CHECK_STRING("four_times", symbol_of(lookup(executor, "four_times")).function);
    CHECK_OK(mgenjit_executor_compile(executor, "again", code, strlen(code), NULL, &failure));
    CHECK_STRING("", symbol_of(address()).function);
    mgenjit_executor_free(executor);
}

static void many_images_are_told_apart(void)
{
    enum { COUNT = 300 };
    mgenjit_executor *executor = executor_in_mode(MGENJIT_CACHE_OFF);
    static mgenjit_module *modules[COUNT];
    static void *addresses[COUNT];
    char ir[100], name[20];
    for (int turn = 0; turn < COUNT; turn++) {
        snprintf(name, sizeof name, "f%d", turn);
        snprintf(ir, sizeof ir, "define i32 @f%d() {\n  ret i32 %d\n}\n", turn, turn);
        CHECK_OK(mgenjit_executor_compile(executor, name, ir, strlen(ir), &modules[turn], &failure));
        CHECK_OK(mgenjit_module_lookup(modules[turn], name, &addresses[turn], &failure));
    }
    /* Every third goes. */
    for (int turn = 0; turn < COUNT; turn += 3)
        CHECK_OK(mgenjit_module_remove(modules[turn], &failure));
    for (int turn = 0; turn < COUNT; turn++) {
        snprintf(name, sizeof name, "f%d", turn);
        if (turn % 3 == 0)
            CHECK(!is_known(addresses[turn]));
        else
            CHECK_STRING(name, symbol_of(addresses[turn]).function);
        mgenjit_module_free(modules[turn]);
    }
    mgenjit_executor_free(executor);
}

static void *volatile wanted;
static volatile sig_atomic_t asked, wrong;

static void ask(int number)
{
    static mgenjit_symbol symbol;
    (void)number;
    symbol.size = sizeof symbol;
    errno = 77;
    if (!mgenjit_symbolize(wanted, &symbol) || strcmp(symbol.function, "four_times") != 0 || errno != 77)
        wrong = 1;
    asked++;
}

/* In a handler that interrupts whatever the library does, and what malloc does. */
static void a_signal_handler_may_ask_at_any_time(void)
{
    mgenjit_executor *executor = executor_in_mode(MGENJIT_CACHE_READ_WRITE);
    const struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
    struct sigaction action = {.sa_handler = ask, .sa_flags = SA_RESTART};
    CHECK_OK(mgenjit_executor_compile(executor, "numbers", code, strlen(code), NULL, &failure));
    wanted = lookup(executor, "four_times");
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int turn = 0; turn < 200 || asked < 50; turn++) {
        mgenjit_module *module;
        free(malloc(1000 + turn));
        CHECK_OK(mgenjit_executor_compile(executor, "more", code, strlen(code), &module, &failure));
        CHECK_OK(mgenjit_module_remove(module, &failure));
        mgenjit_module_free(module);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    CHECK_INT(0, wrong);
    mgenjit_executor_free(executor);
}

static volatile int done;
/* How often the other thread has asked. */
static volatile long looks;

static void *add_and_remove(void *unused)
{
    mgenjit_executor *executor = executor_in_mode(MGENJIT_CACHE_READ_WRITE);
    for (int turn = 0; turn < 300; turn++) {
        mgenjit_module *module;
        CHECK_OK(mgenjit_executor_compile(executor, "numbers", code, strlen(code), &module, &failure));
        wanted = lookup(executor, "four_times");
        /* It asks for this at least once while it is there, and goes on while it goes. */
        for (long before = looks; looks < before + 2;)
            sched_yield();
        CHECK_OK(mgenjit_module_remove(module, &failure));
        mgenjit_module_free(module);
    }
    mgenjit_executor_free(executor);
    __atomic_add_fetch(&done, 1, __ATOMIC_RELAXED);
    return unused;
}

/* What is asked for may go while it is looked at. */
static void images_come_and_go_meanwhile(void)
{
    pthread_t threads[2];
    mgenjit_symbol symbol = {.size = sizeof symbol};
    long found = 0;
    for (int i = 0; i < 2; i++)
        CHECK_INT(0, pthread_create(&threads[i], NULL, add_and_remove, NULL));
    while (__atomic_load_n(&done, __ATOMIC_RELAXED) < 2) {
        symbol.size = sizeof symbol;
        if (mgenjit_symbolize(wanted, &symbol)) {
            CHECK_STRING("numbers", symbol.module);
            found++;
        }
        looks++;
    }
    for (int i = 0; i < 2; i++)
        CHECK_INT(0, pthread_join(threads[i], NULL));
    CHECK(found > 0);
}

static void a_child_goes_on(void)
{
    mgenjit_executor *executor = executor_in_mode(MGENJIT_CACHE_READ_WRITE);
    mgenjit_module *module;
    pid_t child;
    CHECK_OK(mgenjit_executor_compile(executor, "numbers", code, strlen(code), &module, &failure));
    wanted = lookup(executor, "four_times");
    child = fork();
    if (child == 0) {
        CHECK(is_known(wanted));
        CHECK_OK(mgenjit_module_remove(module, &failure));
        CHECK(!is_known(wanted));
        _exit(0);
    }
    CHECK_INT(0, wait_for(child, 60));
    CHECK(is_known(wanted));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

static mgenjit_location location_of(const void *address, size_t frame)
{
    mgenjit_location location = {.size = sizeof location};
    CHECK_OK(mgenjit_source_location(address, frame, &location, &failure));
    CHECK_INT(sizeof location, location.size);
    return location;
}

static void check_lines(const char *file, int32_t mode)
{
    mgenjit_executor *executor = executor_in_mode(mode);
    mgenjit_location location = {.size = sizeof location};
    char *code_of_fib, *with_inlined;
    size_t offset;
    CHECK_OK(mgenjit_executor_compile_file(executor, fixture(file), NULL, &failure));
    code_of_fib = lookup(executor, "fib");
    location = location_of(code_of_fib, 0);
    CHECK_STRING("fib", location.function);
    CHECK_CONTAINS("debugged.c", location.file);
    CHECK(location.line == 24 || location.line == 25);
    CHECK(!location.inlined);
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_source_location(code_of_fib, 1, &location, &failure));
    CHECK_MESSAGE("has 1 frames: there is no frame 1");

    /* Some of its code is of the inlined function. */
    with_inlined = lookup(executor, "with_inlined");
    for (offset = 0; offset < 100 && !location_of(with_inlined + offset, 0).inlined; offset++)
        ;
    location = location_of(with_inlined + offset, 0);
    CHECK_STRING("inlined", location.function);
    CHECK(location.line == 19 || location.line == 20);
    location = location_of(with_inlined + offset, 1);
    CHECK_STRING("with_inlined", location.function);
    CHECK_INT(36, location.line);
    CHECK_STRING("with_inlined", symbol_of(with_inlined + offset).function);
    mgenjit_executor_free(executor);
}

static void lines_come_from_debug_information(void)
{
    static const int32_t modes[] = {MGENJIT_CACHE_READ_WRITE, MGENJIT_CACHE_READ_WRITE, MGENJIT_CACHE_OFF};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        check_lines("debugged4.ll", modes[i]);
        check_lines("debugged5.ll", modes[i]);
    }
}

static void without_debug_information_there_are_no_lines(void)
{
    mgenjit_executor *executor = executor_in_mode(MGENJIT_CACHE_READ_WRITE);
    mgenjit_location location = {.size = sizeof location};
    CHECK_OK(mgenjit_executor_compile(executor, "numbers", code, strlen(code), NULL, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND,
                 mgenjit_source_location(lookup(executor, "four_times"), 0, &location, &failure));
    CHECK_MESSAGE("is not in compiled code with debug information");
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_source_location((void *)&is_known, 0, &location, &failure));
    mgenjit_executor_free(executor);
}

static char *return_address;

/* Keeps where its caller returns to, as its caller's frame record has it. */
static void keep_return_address(void)
{
    char ***frame = __builtin_frame_address(0);
    return_address = frame[0][1];
}

typedef void call_host(void (*host)(void));

/* On AArch64, `inner` signs it. */
static void a_return_address_may_be_signed(void)
{
    static const char ir[] =
        "define void @outer(ptr %host) \"frame-pointer\"=\"all\" {\n"
        "  notail call void @inner(ptr %host)\n"
        "  ret void\n"
        "}\n"
        "define void @inner(ptr %host) noinline \"sign-return-address\"=\"non-leaf\" \"frame-pointer\"=\"all\" {\n"
        "  notail call void %host()\n"
        "  ret void\n"
        "}\n";
    mgenjit_config *config;
    mgenjit_executor *executor;
    mgenjit_symbol symbol = {.size = sizeof symbol};
    CHECK_OK(mgenjit_config_new(&config, &failure));
    CHECK_OK(mgenjit_config_set_debug_ir(config, true, &failure));
    executor = new_executor(config);
    mgenjit_config_free(config);
    CHECK_OK(mgenjit_executor_compile(executor, "calls", ir, strlen(ir), NULL, &failure));
    FUNCTION(call_host *, executor, "outer")(keep_return_address);
    CHECK_STRING("outer", symbol_of(return_address - 1).function);
    CHECK_OK(mgenjit_executor_symbolize(executor, return_address - 1, &symbol, &failure));
    CHECK_STRING("outer", symbol.function);
    CHECK_STRING("outer", location_of(return_address - 1, 0).function);
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(code_has_names_wherever_it_comes_from), CASE(what_is_not_code_is_not_known),
        CASE(a_shorter_struct_is_filled_as_far_as_it_goes), CASE(long_names_are_cut),
        CASE(a_file_that_is_gone_is_missed_for_local_functions_alone), CASE(many_images_are_told_apart),
        CASE(a_signal_handler_may_ask_at_any_time), CASE(images_come_and_go_meanwhile), CASE(a_child_goes_on),
        CASE(lines_come_from_debug_information), CASE(without_debug_information_there_are_no_lines),
        CASE(a_return_address_may_be_signed),
    };
    return RUN_CASES(cases);
}
