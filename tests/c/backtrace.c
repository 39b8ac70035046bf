// ir: backtrace_o2.ll = backtrace.c -O2
// ir: backtrace_o0.ll = backtrace.c -O0 -fno-pic
// ir: backtrace_frames.ll = backtrace.c -O2 -fomit-frame-pointer -fPIC
// flags: -rdynamic
// libs: -ldl
// warm: no server

/* Stack traces from below JIT frames reach the host's frames above them. */
#include "check.h"

#include <dlfcn.h>
#include <execinfo.h>

enum { MOST = 64 };

static void *frames[MOST];
static int frame_count;

void host_backtrace(void);
void host_backtrace(void)
{
    frame_count = backtrace(frames, MOST);
}

static int frame_of(const char *name)
{
    for (int i = 0; i < frame_count; i++) {
        Dl_info info;
        if (dladdr(frames[i], &info) && info.dli_sname != NULL && strcmp(info.dli_sname, name) == 0)
            return i;
    }
    return -1;
}

static int frames_between(const void *address, size_t length)
{
    int count = 0;
    for (int i = 0; i < frame_count; i++)
        count += (const char *)frames[i] > (const char *)address
                 && (const char *)frames[i] < (const char *)address + length;
    return count;
}

/* Not static, for dladdr. */
void host_outer(void (*function)(void));
__attribute__((noinline)) void host_outer(void (*function)(void))
{
    function();
    __asm__ volatile("");
}

static void check_backtrace(const char *file)
{
    mgenjit_executor *executor = new_executor(NULL);
    void *inner;
    mgenjit_module_free(add_file(executor, fixture(file)));
    inner = find(executor, "jit_inner");
    host_outer((void (*)(void))find(executor, "jit_outer"));
    CHECK(frame_of("host_backtrace") == 0);
    CHECK(frames_between(inner, 4096) >= 4);
    CHECK(frame_of("host_outer") > 5);
    CHECK(frame_of("main") > frame_of("host_outer"));
    mgenjit_executor_free(executor);
}

static void optimised(void) { check_backtrace("backtrace_o2.ll"); }
static void not_optimised(void) { check_backtrace("backtrace_o0.ll"); }
static void without_frame_pointers(void) { check_backtrace("backtrace_frames.ll"); }

/* IR that says nothing of unwinding. */
static void ir_by_hand(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module_free(add(executor, "declare void @host_backtrace()\n"
                                      "define void @by_hand() {\n  %room = alloca [48 x i8]\n"
                                      "  store volatile i8 1, ptr %room\n"
                                      "  call void @host_backtrace()\n"
                                      "  store volatile i8 2, ptr %room\n  ret void\n}\n"));
    host_outer((void (*)(void))find(executor, "by_hand"));
    CHECK(frame_of("host_outer") == 2);
    CHECK(frame_of("main") > 2);
    mgenjit_executor_free(executor);
}

/* The same with functions that cannot throw, for which LLVM leaves unwind tables out unless told otherwise. */
static void ir_by_hand_that_cannot_throw(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module_free(add(executor, "declare void @host_backtrace() nounwind\n"
                                      "define void @by_hand() nounwind {\n  %room = alloca [48 x i8]\n"
                                      "  store volatile i8 1, ptr %room\n"
                                      "  call void @host_backtrace()\n"
                                      "  store volatile i8 2, ptr %room\n  ret void\n}\n"));
    host_outer((void (*)(void))find(executor, "by_hand"));
    CHECK(frame_of("host_outer") == 2);
    CHECK(frame_of("main") > 2);
    mgenjit_executor_free(executor);
}

/* Through the library's own frames too. */
static void from_a_checked_call(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_function *function;
    mgenjit_module_free(add_file(executor, fixture("backtrace_o2.ll")));
    function = find_function(executor, "jit_outer");
    CHECK_OK(mgenjit_function_call(function, NULL, 0, NULL, &failure));
    CHECK(frame_of("main") > 6);
    mgenjit_function_free(function);
    mgenjit_executor_free(executor);
}

/* After a module is gone, another one at perhaps the same place. */
static void after_other_modules(void)
{
    static const char *const files[] = { "backtrace_o2.ll", "backtrace_o0.ll", "backtrace_frames.ll" };
    for (int i = 0; i < 60; i++)
        check_backtrace(files[i % 3]);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(optimised), CASE(not_optimised), CASE(without_frame_pointers), CASE(ir_by_hand),
        CASE(ir_by_hand_that_cannot_throw), CASE(from_a_checked_call), CASE(after_other_modules),
    };
    return RUN_CASES(cases);
}
