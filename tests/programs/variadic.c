#include <stdarg.h>
#include <stdio.h>

/* Each letter of `types` says what the next argument is; they are written to `into`. */
int write_all(char *into, const char *types, ...)
{
    int length = 0;
    va_list arguments;
    va_start(arguments, types);
    for (; *types != '\0'; types++) {
        switch (*types) {
        case 'i': length += sprintf(into + length, "%d ", va_arg(arguments, int)); break;
        case 'l': length += sprintf(into + length, "%ld ", va_arg(arguments, long)); break;
        case 'd': length += sprintf(into + length, "%g ", va_arg(arguments, double)); break;
        case 's': length += sprintf(into + length, "%s ", va_arg(arguments, const char *)); break;
        default: return -1;
        }
    }
    va_end(arguments);
    return length;
}

/* Only the library's caller knows a variadic function of the process if a module wraps it. */
int print_to(char *into, const char *format, ...)
{
    va_list arguments;
    int length;
    va_start(arguments, format);
    length = vsprintf(into, format, arguments);
    va_end(arguments);
    return length;
}
