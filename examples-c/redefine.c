/* What a second definition of a function does to the callers of the first: nothing, if they are linked. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgenjit.h"

typedef int64_t function(void);

/* What `indirect` calls. The host sets it. */
static function *hook;

static const char first[] = "define i64 @value() {\n  ret i64 1\n}\n";
static const char second[] = "define i64 @value() {\n  ret i64 2\n}\n";

static const char early[] =
    "declare i64 @value()\n"
    "define i64 @early() {\n"
    "  %result = call i64 @value()\n"
    "  ret i64 %result\n"
    "}\n";

static const char late[] =
    "declare i64 @value()\n"
    "define i64 @late() {\n"
    "  %result = call i64 @value()\n"
    "  ret i64 %result\n"
    "}\n";

static const char indirect[] =
    "@hook = external global ptr\n"
    "define i64 @indirect() {\n"
    "  %function = load ptr, ptr @hook\n"
    "  %result = call i64 %function()\n"
    "  ret i64 %result\n"
    "}\n";

static mgenjit_executor *executor;
static mgenjit_error *error;

static void check(mgenjit_status status)
{
    if (status == MGENJIT_STATUS_OK)
        return;
    fprintf(stderr, "redefine: %s\n", mgenjit_error_message(error));
    exit(1);
}

static void add(const char *name, const char *ir)
{
    check(mgenjit_executor_compile(executor, name, ir, strlen(ir), NULL, &error));
}

static function *find(const char *name)
{
    function *found = NULL;
    check(mgenjit_executor_lookup(executor, name, (void **)&found, &error));
    return found;
}

int main(void)
{
    check(mgenjit_executor_new(NULL, &executor, &error));
    check(mgenjit_executor_define(executor, "hook", &hook, &error));
    add("first", first);
    add("early", early);
    add("indirect", indirect);
    function *call_early = find("early"); /* Links all that was added. */
    hook = find("value");
    printf("before: early %" PRId64 ", indirect %" PRId64 "\n", call_early(), find("indirect")());

    add("second", second);
    add("late", late);
    hook = find("value");
    printf("after: early %" PRId64 ", late %" PRId64 ", indirect %" PRId64 ", value %" PRId64 "\n", call_early(),
           find("late")(), find("indirect")(), find("value")());

    mgenjit_executor_free(executor);
    return 0;
}
