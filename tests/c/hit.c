// warm: no server

/*
 * One compile, one look-up, one call, between two marks that a trace of system calls shows: writes to a
 * descriptor that cannot be. `tests/hit_path.rs` reads what is between them.
 */
#include "check.h"

static void mark(const char *text)
{
    CHECK(write(-1, text, strlen(text)) == -1);
}

int main(void)
{
    static const char IR[] = "define i64 @add(i64 %a, i64 %b) {\n  %sum = add i64 %a, %b\n  ret i64 %sum\n}\n";
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module;
    long long (*sum)(long long, long long);
    mark("<compile>");
    module = add(executor, IR);
    sum = FUNCTION(long long (*)(long long, long long), executor, "add");
    mark("</compile>");
    CHECK_INT(30, sum(10, 20));
    CHECK_INT(is_warm() ? MGENJIT_ORIGIN_CACHE : MGENJIT_ORIGIN_COMPILED, mgenjit_module_origin(module));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    return 0;
}
