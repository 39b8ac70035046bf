#include "print.h"

#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int print_functions(mgenjit_module *module, mgenjit_error **error)
{
    size_t count = mgenjit_module_function_count(module);
    for (size_t i = 0; i < count; i++) {
        mgenjit_function *function;
        if (mgenjit_module_function(module, i, &function, error) != MGENJIT_STATUS_OK)
            return 0;
        printf("%s\n", mgenjit_function_signature(function));
        mgenjit_function_free(function);
    }
    return 1;
}

/* As few digits as read back as the same number, but no fewer than the type can always keep. */
static void print_double(double number)
{
    char text[64];
    int precision = DBL_DIG;
    do
        snprintf(text, sizeof text, "%.*g", precision, number);
    while (strtod(text, NULL) != number && ++precision <= 17);
    puts(text);
}

static void print_float(float number)
{
    char text[64];
    int precision = FLT_DIG;
    do
        snprintf(text, sizeof text, "%.*g", precision, (double)number);
    while (strtof(text, NULL) != number && ++precision <= 9);
    puts(text);
}

void print_value(const mgenjit_value *value)
{
    switch (value->kind) {
    case MGENJIT_TYPE_VOID: break;
    case MGENJIT_TYPE_I1: puts(value->of.integer != 0 ? "true" : "false"); break;
    case MGENJIT_TYPE_FLOAT: print_float(value->of.single_precision); break;
    case MGENJIT_TYPE_DOUBLE: print_double(value->of.double_precision); break;
    case MGENJIT_TYPE_POINTER: printf("0x%" PRIxPTR "\n", (uintptr_t)value->of.pointer); break;
    default: printf("%" PRId64 "\n", value->of.integer);
    }
}
