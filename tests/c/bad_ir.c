// runs: once
// servers: private shared

/* Input that no code can be made of. After each the same executor compiles and runs good code. */
#include "check.h"

#include <sys/mman.h>

static mgenjit_executor *executor;

static void check_bad(mgenjit_status expected, const void *ir, size_t length)
{
    mgenjit_module *module = NULL;
    if (executor == NULL)
        executor = new_executor(NULL);
    CHECK_STATUS(expected, mgenjit_executor_compile(executor, "the name", ir, length, &module, &failure));
    CHECK(module == NULL);
    CHECK_MESSAGE("the name");
    check_usable(executor);
}

static void check_bad_text(mgenjit_status expected, const char *ir)
{
    check_bad(expected, ir, strlen(ir));
}

/* The error of IR text has a place: line, column, the line's text. */
static void check_place(const char *ir, unsigned line, unsigned column, const char *source_line)
{
    mgenjit_executor *fresh = new_executor(NULL);
    CHECK_INT(MGENJIT_STATUS_PARSE, try_ir(fresh, ir));
    CHECK_INT(line, mgenjit_error_line(failure));
    CHECK_INT(column, mgenjit_error_column(failure));
    CHECK_STRING(source_line, mgenjit_error_source_line(failure));
    check_usable(fresh);
    mgenjit_executor_free(fresh);
}

static void not_ir(void)
{
    static const char *const texts[] = {
        "nonsense", "int main() { return 0; }\n", "\x7f""ELF\x02\x01\x01", "BC", "BC\xc0\xde", "%PDF-1.4", "{}",
        "define", "define i32 @f() {", "define i32 @f() { ret i32 1", "@x = global", "\"unfinished", "@\"unfinished",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check_bad_text(MGENJIT_STATUS_PARSE, texts[i]);
}

static void places(void)
{
    check_place("nonsense", 1, 1, "nonsense");
    check_place("define i32 @f() {\n  ret i32 %x\n}\n", 2, 11, "  ret i32 %x");
    check_place("; fine\n\ndefine i32 @f() {\n  %x = frobnicate i32 1\n  ret i32 %x\n}\n", 4, 8, "  %x = frobnicate i32 1");
    check_place("define i32 @f() {\n  ret i64 1\n}\n", 2, 7, "  ret i64 1");
}

/* An error that is no parse error of text has none. */
static void no_place(void)
{
    mgenjit_executor *fresh = new_executor(NULL);
    CHECK_STATUS(MGENJIT_STATUS_IO, mgenjit_executor_compile_file(fresh, "/nowhere.ll", NULL, &failure));
    CHECK_INT(0, mgenjit_error_line(failure));
    CHECK_INT(0, mgenjit_error_column(failure));
    CHECK(mgenjit_error_source_line(failure) == NULL);
    CHECK_INT(0, mgenjit_error_symbol_count(failure));
    CHECK(mgenjit_error_symbol(failure, 0) == NULL);
    mgenjit_executor_free(fresh);
}

static void nul_bytes(void)
{
    static const char in_a_name[] = "define i32 @\"a\\00b\"() {\n  ret i32 1\n}\n";
    static const char in_the_text[] = "define i32 @f() {\n\0  ret i32 1\n}\n garbage";
    check_bad(MGENJIT_STATUS_PARSE, in_a_name, sizeof in_a_name - 1);
    check_bad(MGENJIT_STATUS_PARSE, in_the_text, sizeof in_the_text - 1);
}

/* Names that are not UTF-8 are LLVM's to allow: such a module works, though nobody can look them up. */
static void names_that_are_not_utf8(void)
{
    static const char ir[] = "define i32 @\"\\FF\\FE\"() {\n  ret i32 4\n}\n"
                             "define i32 @f() {\n  %r = call i32 @\"\\FF\\FE\"()\n  ret i32 %r\n}\n";
    mgenjit_executor *fresh = new_executor(NULL);
    mgenjit_module *module = add(fresh, ir);
    mgenjit_function *function;
    CHECK_INT(4, FUNCTION(int (*)(void), fresh, "f")());
    for (size_t i = 0; i < mgenjit_module_function_count(module); i++) {
        CHECK_OK(mgenjit_module_function(module, i, &function, &failure));
        CHECK(mgenjit_function_name(function) != NULL && mgenjit_function_signature(function) != NULL);
        mgenjit_function_free(function);
    }
    mgenjit_module_free(module);
    mgenjit_executor_free(fresh);
}

/* Nothing at all is a mistake, such as a file that was never written; nothing but comments is a module. */
static void no_bytes(void)
{
    executor = new_executor(NULL);
    check_bad(MGENJIT_STATUS_PARSE, "", 0);
    CHECK_INT(0, mgenjit_module_function_count(add(executor, "; a comment")));
    check_usable(executor);
    mgenjit_executor_free(executor);
}

static void a_gigabyte_of_zeros(void)
{
    const size_t length = (size_t)1 << 30;
    void *zeros = mmap(NULL, length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    mgenjit_status status;
    CHECK(zeros != MAP_FAILED);
    executor = new_executor(NULL);
    status = mgenjit_executor_compile(executor, NULL, zeros, length, NULL, &failure);
    CHECK_INT(MGENJIT_STATUS_PARSE, status);
    CHECK(strlen(mgenjit_error_message(failure)) < 4096);
    check_usable(executor);
    munmap(zeros, length);
    mgenjit_executor_free(executor);
}

/* A line of a megabyte does not make a message of a megabyte. */
static void a_long_line(void)
{
    const size_t length = 1 << 20;
    char *text = malloc(length + 1);
    CHECK(text != NULL);
    memset(text, 'x', length);
    text[length] = '\0';
    executor = new_executor(NULL);
    CHECK_INT(MGENJIT_STATUS_PARSE, mgenjit_executor_compile(executor, NULL, text, length, NULL, &failure));
    CHECK(strlen(mgenjit_error_message(failure)) < 65536);
    check_usable(executor);
    mgenjit_executor_free(executor);
    free(text);
}

/* The verifier's complaint names the function, and says what is wrong. */
static void not_verified(void)
{
    static const struct {
        const char *ir;
        const char *message;
    } cases[] = {
        { "define i32 @broken_one(i1 %c) {\n  br i1 %c, label %a, label %b\na:\n  %x = add i32 1, 2\n  br label %b\n"
          "b:\n  ret i32 %x\n}\n", "broken_one" },
        { "define i32 @broken_two() {\nentry:\n  br label %entry\n}\n", "broken_two" },
        { "define void @broken_three(ptr sret(i32) %a, ptr sret(i32) %b) {\n  ret void\n}\n", "broken_three" },
        { "define i32 @fine() {\n  ret i32 1\n}\n"
          "define i32 @broken_four(i32 %x) {\nentry:\n  br label %next\nnext:\n  %p = phi i32 [ 1, %entry ], [ 2, %entry2 ]\n"
          "  ret i32 %p\nentry2:\n  br label %entry3\nentry3:\n  ret i32 0\n}\n", "broken_four" },
    };
    executor = new_executor(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_bad_text(MGENJIT_STATUS_VERIFY, cases[i].ir);
        CHECK_INT(MGENJIT_STATUS_VERIFY, try_ir(executor, cases[i].ir));
        CHECK_MESSAGE(cases[i].message);
    }
    mgenjit_executor_free(executor);
}

/* What LLVM's code generator refuses, each in its own way: an error, a fatal error that ends the server. */
static void not_generated(void)
{
    static const char *const texts[] = {
        "define void @f() {\n  call void asm sideeffect \"frobnicate %rax\", \"\"()\n  ret void\n}\n",
        "module asm \"nonsense directive\"\n",
        "define i32 @f() {\n  %r = call i32 asm \"mov $0, $1\", \"=r,{no_such_register}\"(i32 1)\n  ret i32 %r\n}\n",
        "declare i32 @llvm.no.such.intrinsic(i32)\n"
        "define i32 @f() {\n  %r = call i32 @llvm.no.such.intrinsic(i32 1)\n  ret i32 %r\n}\n",
        "declare i32 @llvm.read_register.i32(metadata)\n"
        "define i32 @f() {\n  %r = call i32 @llvm.read_register.i32(metadata !0)\n  ret i32 %r\n}\n!0 = !{!\"nothing\\00\"}\n",
    };
    executor = new_executor(NULL);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        mgenjit_status status = try_ir(executor, texts[i]);
        if (status != MGENJIT_STATUS_CODEGEN && status != MGENJIT_STATUS_VERIFY && status != MGENJIT_STATUS_PARSE)
            check_failed(__FILE__, __LINE__, "case %d: %s: %s", (int)i, mgenjit_status_name(status),
                         mgenjit_error_message(failure));
        check_usable(executor);
    }
    mgenjit_executor_free(executor);
}

/* The LLVM fatal errors among them say what LLVM said. */
static void fatal_errors_are_explained(void)
{
    executor = new_executor(NULL);
    CHECK_INT(MGENJIT_STATUS_CODEGEN,
              try_ir(executor, "define void @f() {\n  call void asm sideeffect \"frobnicate %rax\", \"\"()\n"
                               "  ret void\n}\n"));
    CHECK_MESSAGE("frobnicate");
    check_usable(executor);
    mgenjit_executor_free(executor);
}

static void other_targets(void)
{
    static const char *const texts[] = {
        "target triple = \"" OTHER_MACHINE "-unknown-linux-gnu\"\ndefine i32 @f() {\n  ret i32 1\n}\n",
        "target triple = \"wasm32-unknown-unknown\"\n",
        "target triple = \"i686-unknown-linux-gnu\"\n",
        "target triple = \"" MACHINE "-pc-windows-msvc\"\n",
        "target triple = \"" MACHINE "-apple-macosx\"\n",
        "target triple = \"nonsense\"\n",
        "target datalayout = \"E-p:32:32\"\n",
        "target datalayout = \"e-m:e-p:32:32-i64:64-n8:16:32-S128\"\n",
    };
    executor = new_executor(NULL);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check_bad_text(MGENJIT_STATUS_TARGET, texts[i]);
    check_bad_text(MGENJIT_STATUS_PARSE, "target datalayout = \"nonsense\"\n");
    mgenjit_executor_free(executor);
}

/* Spellings of this machine's own target. */
static void this_target(void)
{
    static const char *const texts[] = {
        "target triple = \"\"\n", "target triple = \"" MACHINE "-pc-linux-gnu\"\n",
        "target triple = \"" MACHINE "-unknown-linux-gnu\"\n", "target triple = \"" MACHINE "-linux-gnu\"\n",
        "target triple = \"" MACHINE "-redhat-linux-gnu\"\n", "target datalayout = \"\"\n",
    };
    executor = new_executor(NULL);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char ir[256];
        snprintf(ir, sizeof ir, "%sdefine i32 @f() {\n  ret i32 %d\n}\n", texts[i], (int)i);
        mgenjit_module_free(add(executor, ir));
        CHECK_INT(i, FUNCTION(int (*)(void), executor, "f")());
    }
    mgenjit_executor_free(executor);
}

/* Deep nesting, where a recursive parser could run out of stack: any error, or none, but nothing worse. */
static void deep_nesting(void)
{
    const int depth = 1000000;
    char *text = malloc((size_t)depth + 100), *end = text;
    mgenjit_status status;
    CHECK(text != NULL);
    end += sprintf(end, "@x = external global ");
    for (int i = 0; i < depth; i++)
        *end++ = '{';
    executor = new_executor(NULL);
    status = mgenjit_executor_compile(executor, NULL, text, (size_t)(end - text), NULL, &failure);
    CHECK(status != MGENJIT_STATUS_PANIC && status != MGENJIT_STATUS_INVALID_ARGUMENT);
    check_usable(executor);
    mgenjit_executor_free(executor);
    free(text);
}

/* More memory than there is: data that cannot be. */
static void enormous_data(void)
{
    executor = new_executor(NULL);
    CHECK(try_ir(executor, "@big = global [4611686018427387904 x i8] zeroinitializer\n") != MGENJIT_STATUS_PANIC);
    (void)mgenjit_executor_link(executor, NULL);
    mgenjit_executor_free(executor);
    executor = new_executor(NULL);
    check_usable(executor);
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(not_ir), CASE(places), CASE(no_place), CASE(nul_bytes), CASE(names_that_are_not_utf8), CASE(no_bytes),
        CASE(a_gigabyte_of_zeros), CASE(a_long_line), CASE(not_verified), CASE(not_generated),
        CASE(fatal_errors_are_explained), CASE(other_targets), CASE(this_target), CASE(deep_nesting),
        CASE(enormous_data),
    };
    return RUN_CASES(cases);
}
