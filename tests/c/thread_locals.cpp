// ir: default.ll = thread_locals.cpp -O2
// ir: pic.ll = thread_locals.cpp -O2 -fPIC
// ir: no_pic.ll = thread_locals.cpp -O0 -fno-pic
// ir: local_exec.ll = thread_locals.cpp -O2 -fno-pic -ftls-model=local-exec
// ir: initial_exec.ll = thread_locals.cpp -O2 -fPIC -ftls-model=initial-exec
// flags: -rdynamic -pthread
// warm: no server

/* thread_local variables, with and without destructors, in threads from before and after their module. */
#include "check.h"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

static std::mutex notes_mutex;
static std::string notes;
static int notes_file = -1;

extern "C" void note(int what);
extern "C" void note(int what)
{
    const char byte = static_cast<char>(what);
    if (notes_file >= 0)
        CHECK(write(notes_file, &byte, 1) == 1);
    std::lock_guard<std::mutex> lock(notes_mutex);
    notes.push_back(byte);
}

static const char *flavour;

static mgenjit_module *add_flavour(mgenjit_executor *executor)
{
    return add_file(executor, fixture((std::string(flavour) + ".ll").c_str()));
}

/* A thread that runs what it is given, one after the other, until it is told to end. */
class Worker {
public:
    Worker() : thread([this] { loop(); }) {}

    ~Worker() { end(); }

    void run(std::function<void()> job)
    {
        std::unique_lock<std::mutex> lock(mutex);
        task = std::move(job);
        changed.notify_all();
        changed.wait(lock, [this] { return !task; });
    }

    void end()
    {
        if (!thread.joinable())
            return;
        {
            std::lock_guard<std::mutex> lock(mutex);
            ended = true;
            changed.notify_all();
        }
        thread.join();
    }

private:
    void loop()
    {
        std::unique_lock<std::mutex> lock(mutex);
        while (true) {
            changed.wait(lock, [this] { return task || ended; });
            if (!task)
                return;
            task();
            task = nullptr;
            changed.notify_all();
        }
    }

    std::mutex mutex;
    std::condition_variable changed;
    std::function<void()> task;
    bool ended = false;
    std::thread thread;
};

static void each_thread_has_its_own()
{
    Worker before;
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module_free(add_flavour(executor));
    int (*bump)() = FUNCTION(int (*)(), executor, "bump");
    long (*sum)() = FUNCTION(long (*)(), executor, "sum_of_zeroes");
    Worker after;
    CHECK_INT(6, bump());
    CHECK_INT(7, bump());
    before.run([&] { CHECK_INT(0, sum()); CHECK_INT(6, bump()); });
    after.run([&] { CHECK_INT(6, bump()); });
    after.run([&] { CHECK_INT(7, bump()); CHECK_INT(2, sum()); });
    CHECK_INT(8, bump());
    CHECK_INT(3, sum());
    before.end();
    after.end();
    mgenjit_executor_free(executor);
}

static void lookup_finds_the_calling_thread_s()
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add_flavour(executor);
    int *mine = static_cast<int *>(find(executor, "exported")), *others = NULL;
    void *again = NULL;
    CHECK_INT(7, *mine);
    *mine = 8;
    Worker worker;
    worker.run([&] {
        others = static_cast<int *>(find(executor, "exported"));
        CHECK_INT(7, *others);
    });
    CHECK(mine != others);
    CHECK_INT(8, *static_cast<int *>(find(executor, "exported")));
    CHECK_OK(mgenjit_module_lookup(module, "exported", &again, &failure));
    CHECK(again == mine);
    worker.end();
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

static void across_modules()
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module_free(add(executor, "@exported = external thread_local global i32\n"
                                      "declare ptr @llvm.threadlocal.address.p0(ptr)\n"
                                      "define i32 @read_other() {\n"
                                      "  %p = call ptr @llvm.threadlocal.address.p0(ptr @exported)\n"
                                      "  %r = load i32, ptr %p\n  ret i32 %r\n}\n"));
    mgenjit_module_free(add_flavour(executor));
    int (*read)() = FUNCTION(int (*)(), executor, "read_other");
    CHECK_INT(7, read());
    *static_cast<int *>(find(executor, "exported")) = 9;
    CHECK_INT(9, read());
    Worker worker;
    worker.run([&] { CHECK_INT(7, read()); });
    worker.end();
    mgenjit_executor_free(executor);
}

extern "C" {
thread_local int host_thread_local = 70;
}

/* The process's own are used as a shared library would use them. */
static void of_the_host()
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module_free(add(executor, "@host_thread_local = external thread_local global i32\n"
                                      "declare ptr @llvm.threadlocal.address.p0(ptr)\n"
                                      "define ptr @where_is_the_host_s() {\n"
                                      "  %p = call ptr @llvm.threadlocal.address.p0(ptr @host_thread_local)\n"
                                      "  ret ptr %p\n}\n"));
    int *(*where)() = FUNCTION(int *(*)(), executor, "where_is_the_host_s");
    CHECK(where() == &host_thread_local);
    Worker worker;
    worker.run([&] { CHECK(where() == &host_thread_local && *where() == 70); });
    worker.end();
    CHECK(find(executor, "host_thread_local") == &host_thread_local);
    mgenjit_executor_free(executor);
}

static void destructors_at_the_end_of_threads()
{
    Worker before;
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module_free(add_flavour(executor));
    int (*touch)() = FUNCTION(int (*)(), executor, "touch");
    Worker after;
    before.run([&] { CHECK_INT(1, touch()); CHECK_INT(2, touch()); });
    CHECK(notes == "c");
    after.run([&] { CHECK_INT(1, touch()); });
    CHECK(notes == "cc");
    before.end();
    CHECK(notes == "ccd");
    after.end();
    CHECK(notes == "ccdd");
    mgenjit_executor_free(executor);
    CHECK(notes == "ccdd");
}

/* Whether code was unmapped. The address of a function that can be replaced stays as long as its executor. */
static bool is_gone(void *address)
{
#ifdef REPLACEABLE_EXECUTORS
    return in_maps(address);
#else
    return !in_maps(address);
#endif
}

/* The module waits for the thread; its destructor runs in code that is still there. */
static void removed_while_a_thread_lives()
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add_flavour(executor);
    int (*touch)() = FUNCTION(int (*)(), executor, "touch");
    Worker worker;
    worker.run([&] { touch(); });
    CHECK_OK(mgenjit_module_remove(module, &failure));
    CHECK(in_maps(reinterpret_cast<void *>(touch)));
    CHECK(notes == "c");
    mgenjit_module_free(module);
    worker.end();
    CHECK(notes == "cd");
    check_usable(executor);
    CHECK(is_gone(reinterpret_cast<void *>(touch)));
    mgenjit_executor_free(executor);
}

static void executor_freed_while_a_thread_lives()
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module_free(add_flavour(executor));
    int (*touch)() = FUNCTION(int (*)(), executor, "touch");
    Worker worker;
    worker.run([&] { touch(); });
    mgenjit_executor_free(executor);
    CHECK(notes == "c");
    worker.end();
    CHECK(notes == "cd");
}

/* What a destructor calls in other modules is there as long as it waits, whatever needs what. */
static void removed_with_what_a_destructor_calls()
{
    for (int by_executor = 0; by_executor < 2; by_executor++) {
        mgenjit_executor *executor = new_executor(NULL);
        mgenjit_module *modules[] = {
            add(executor, "@__dso_handle = external hidden global i8\n"
                          "declare i32 @__cxa_thread_atexit(ptr, ptr, ptr)\ndeclare void @first_other()\n"
                          "define internal void @destroy(ptr %p) {\n  call void @first_other()\n  ret void\n}\n"
                          "define i32 @arm() {\n"
                          "  %r = call i32 @__cxa_thread_atexit(ptr @destroy, ptr null, ptr @__dso_handle)\n"
                          "  ret i32 %r\n}\n"),
            add(executor, "declare void @second_other(i32)\n"
                          "define void @first_other() {\n  call void @second_other(i32 1)\n  ret void\n}\n"
                          "define void @back() {\n  call void @second_other(i32 0)\n  ret void\n}\n"),
            add(executor, "declare void @note(i32)\ndeclare void @back()\n"
                          "define void @second_other(i32 %more) {\n  call void @note(i32 111)\n"
                          "  %again = icmp ne i32 %more, 0\n  br i1 %again, label %call, label %done\n"
                          "call:\n  call void @back()\n  br label %done\ndone:\n  ret void\n}\n"),
        };
        void *other = find(executor, "second_other");
        int (*arm)() = FUNCTION(int (*)(), executor, "arm");
        notes.clear();
        Worker worker;
        worker.run([&] { CHECK_INT(0, arm()); });
        for (mgenjit_module *module : modules) {
            if (!by_executor)
                CHECK_OK(mgenjit_module_remove(module, &failure));
            mgenjit_module_free(module);
        }
        if (by_executor)
            mgenjit_executor_free(executor);
        CHECK(in_maps(other));
        worker.end();
        CHECK(notes == "oo");
        CHECK(by_executor ? !in_maps(other) : is_gone(other));
        if (!by_executor)
            mgenjit_executor_free(executor);
    }
}

/* The thread that uses the module removes it: its own destructor still has to run, when it ends. */
static void removed_by_the_thread_itself()
{
    mgenjit_executor *executor = new_executor(NULL);
    Worker worker;
    worker.run([&] {
        mgenjit_module *module = add_flavour(executor);
        CHECK_INT(1, FUNCTION(int (*)(), executor, "touch")());
        CHECK_OK(mgenjit_module_remove(module, &failure));
        mgenjit_module_free(module);
    });
    worker.end();
    CHECK(notes == "cd");
    mgenjit_executor_free(executor);
}

/* Without a destructor nothing has to wait. */
static void removed_at_once_without_destructors()
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add_flavour(executor);
    int (*bump)() = FUNCTION(int (*)(), executor, "bump");
    Worker worker;
    worker.run([&] { bump(); });
    CHECK_OK(mgenjit_module_remove(module, &failure));
    CHECK(is_gone(reinterpret_cast<void *>(bump)));
    mgenjit_module_free(module);
    worker.end();
    mgenjit_executor_free(executor);
}

/* A module that takes the place of another finds its variables fresh, in threads that used the other. */
static void fresh_in_an_old_thread()
{
    Worker worker;
    for (int i = 0; i < 300; i++) {
        mgenjit_executor *executor = new_executor(NULL);
        mgenjit_module_free(add_flavour(executor));
        int (*bump)() = FUNCTION(int (*)(), executor, "bump");
        worker.run([&] { CHECK_INT(6, bump()); });
        CHECK_INT(6, bump());
        mgenjit_executor_free(executor);
    }
}

static void many_modules_in_one_thread()
{
    std::vector<mgenjit_executor *> executors;
    std::vector<int (*)()> functions;
    Worker before;
    for (int i = 0; i < 200; i++) {
        executors.push_back(new_executor(NULL));
        mgenjit_module_free(add_flavour(executors.back()));
        functions.push_back(FUNCTION(int (*)(), executors.back(), "bump"));
    }
    before.run([&] {
        for (int (*bump)() : functions)
            CHECK_INT(6, bump());
    });
    for (int (*bump)() : functions)
        CHECK_INT(6, bump());
    before.end();
    for (mgenjit_executor *executor : executors)
        mgenjit_executor_free(executor);
}

static void many_threads()
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module_free(add_flavour(executor));
    int (*bump)() = FUNCTION(int (*)(), executor, "bump");
    int (*touch)() = FUNCTION(int (*)(), executor, "touch");
    for (int round = 0; round < 20; round++) {
        std::vector<std::thread> threads;
        for (int i = 0; i < 16; i++)
            threads.emplace_back([=] {
                for (int n = 0; n < 100; n++) {
                    CHECK_INT(6 + n, bump());
                    CHECK_INT(1 + n, touch());
                }
            });
        for (std::thread &thread : threads)
            thread.join();
    }
    CHECK_INT(2 * 16 * 20, notes.size());
    mgenjit_executor_free(executor);
}

/* Code and initialised variables of any size lie before those of zeros, whose alignment may be larger. */
static void aligned()
{
    for (int size = 1; size <= 40; size++) {
        const std::string bytes = "[" + std::to_string(size) + " x i8]";
        const std::string ir = "@small = thread_local global " + bytes + " c\"" + std::string(size, 'x') + "\"\n"
            "@large = thread_local global [16 x i64] zeroinitializer, align 64\n"
            "@two = thread_local global i16 2\n"
            "define ptr @get_small() {\n  ret ptr @small\n}\n"
            "define ptr @get_large() {\n  ret ptr @large\n}\n"
            "define ptr @get_two() {\n  ret ptr @two\n}\n"
            "define void @code() {\n  call void asm sideeffect \".skip " + std::to_string(size) + "\", \"\"()\n"
            "  ret void\n}\n";
        mgenjit_executor *executor = new_executor(NULL);
        mgenjit_module_free(add(executor, ir.c_str()));
        const auto small = FUNCTION(char *(*)(), executor, "get_small");
        const auto large = FUNCTION(long *(*)(), executor, "get_large");
        const auto two = FUNCTION(short *(*)(), executor, "get_two");
        const auto check = [&] {
            CHECK_INT(0, reinterpret_cast<uintptr_t>(large()) % 64);
            CHECK_INT(0, reinterpret_cast<uintptr_t>(two()) % alignof(short));
            CHECK_INT(2, *two());
            CHECK(std::string(small(), size) == std::string(size, 'x'));
            for (int i = 0; i < 16; i++)
                CHECK_INT(0, large()[i]);
            memset(large(), 1, 128);
        };
        std::thread(check).join();
        check();
        mgenjit_executor_free(executor);
    }
}

/* The main thread's are destroyed when the process ends. */
static void at_process_exit()
{
    int ends[2];
    char text[8] = "";
    CHECK(pipe(ends) == 0);
    const pid_t child = fork();
    if (child == 0) {
        notes_file = ends[1];
        mgenjit_executor *executor = new_executor(NULL);
        mgenjit_module_free(add_flavour(executor));
        FUNCTION(int (*)(), executor, "touch")();
        exit(0);
    }
    close(ends[1]);
    CHECK_INT(0, wait_for(child, 30));
    CHECK_INT(2, read(ends[0], text, sizeof text - 1));
    CHECK_STRING("cd", text);
}

int main()
{
    static const check_case cases[] = {
        CASE(each_thread_has_its_own), CASE(lookup_finds_the_calling_thread_s), CASE(across_modules), CASE(of_the_host),
        CASE(destructors_at_the_end_of_threads), CASE(removed_while_a_thread_lives),
        CASE(executor_freed_while_a_thread_lives), CASE(removed_with_what_a_destructor_calls), CASE(removed_by_the_thread_itself),
        CASE(removed_at_once_without_destructors), CASE(fresh_in_an_old_thread), CASE(many_modules_in_one_thread),
        CASE(many_threads), CASE(aligned), CASE(at_process_exit),
    };
    static const char *const flavours[] = { "default", "pic", "no_pic", "local_exec", "initial_exec" };
    int failed = 0;
    for (const char *each : flavours) {
        flavour = each;
        fprintf(stderr, "%s:\n", each);
        failed |= RUN_CASES(cases);
    }
    return failed;
}
