#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mgenjit.h"

static const char ir[] =
    "define i64 @add(i64 %a, i64 %b) {\n"
    "  %sum = add i64 %a, %b\n"
    "  ret i64 %sum\n"
    "}\n";

int main(void)
{
    mgenjit_executor *executor = NULL;
    mgenjit_error *error = NULL;
    int64_t (*add)(int64_t, int64_t) = NULL;

    if (mgenjit_executor_new(NULL, &executor, &error) != MGENJIT_STATUS_OK
        || mgenjit_executor_compile(executor, "quickstart", ir, strlen(ir), NULL, &error) != MGENJIT_STATUS_OK
        || mgenjit_executor_lookup(executor, "add", (void **)&add, &error) != MGENJIT_STATUS_OK) {
        fprintf(stderr, "quickstart: %s\n", mgenjit_error_message(error));
        mgenjit_error_free(error);
        mgenjit_executor_free(executor);
        return 1;
    }

    printf("%" PRId64 "\n", add(10, 20));

    mgenjit_executor_free(executor);
    return 0;
}
