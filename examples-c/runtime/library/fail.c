#include "runtime.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void rt_fail(const char *format, ...)
{
    va_list arguments;
    fflush(stdout);
    fputs("runtime: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}
