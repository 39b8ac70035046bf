#include "library.h"

#include <stddef.h>
#include <string.h>

/* In the order of their names. What takes or returns structures, or has types of its own, is left out. */
static const struct {
    const char *name;
    const char *declaration;
} functions[] = {
    {"abort", "declare void @abort()"},
    {"abs", "declare i32 @abs(i32)"},
    {"acos", "declare double @acos(double)"},
    {"asin", "declare double @asin(double)"},
    {"atan", "declare double @atan(double)"},
    {"atan2", "declare double @atan2(double, double)"},
    {"atof", "declare double @atof(ptr)"},
    {"atoi", "declare i32 @atoi(ptr)"},
    {"atol", "declare i64 @atol(ptr)"},
    {"calloc", "declare ptr @calloc(i64, i64)"},
    {"cbrt", "declare double @cbrt(double)"},
    {"ceil", "declare double @ceil(double)"},
    {"cos", "declare double @cos(double)"},
    {"cosh", "declare double @cosh(double)"},
    {"dprintf", "declare i32 @dprintf(i32, ptr, ...)"},
    {"exit", "declare void @exit(i32)"},
    {"exp", "declare double @exp(double)"},
    {"exp2", "declare double @exp2(double)"},
    {"fabs", "declare double @fabs(double)"},
    {"fflush", "declare i32 @fflush(ptr)"},
    {"floor", "declare double @floor(double)"},
    {"fmod", "declare double @fmod(double, double)"},
    {"free", "declare void @free(ptr)"},
    {"getchar", "declare i32 @getchar()"},
    {"getenv", "declare ptr @getenv(ptr)"},
    {"getpid", "declare i32 @getpid()"},
    {"hypot", "declare double @hypot(double, double)"},
    {"isalnum", "declare i32 @isalnum(i32)"},
    {"isalpha", "declare i32 @isalpha(i32)"},
    {"isdigit", "declare i32 @isdigit(i32)"},
    {"isspace", "declare i32 @isspace(i32)"},
    {"labs", "declare i64 @labs(i64)"},
    {"log", "declare double @log(double)"},
    {"log10", "declare double @log10(double)"},
    {"log2", "declare double @log2(double)"},
    {"malloc", "declare ptr @malloc(i64)"},
    {"memchr", "declare ptr @memchr(ptr, i32, i64)"},
    {"memcmp", "declare i32 @memcmp(ptr, ptr, i64)"},
    {"memcpy", "declare ptr @memcpy(ptr, ptr, i64)"},
    {"memmove", "declare ptr @memmove(ptr, ptr, i64)"},
    {"memset", "declare ptr @memset(ptr, i32, i64)"},
    {"perror", "declare void @perror(ptr)"},
    {"pow", "declare double @pow(double, double)"},
    {"printf", "declare i32 @printf(ptr, ...)"},
    {"putchar", "declare i32 @putchar(i32)"},
    {"puts", "declare i32 @puts(ptr)"},
    {"qsort", "declare void @qsort(ptr, i64, i64, ptr)"},
    {"raise", "declare i32 @raise(i32)"},
    {"rand", "declare i32 @rand()"},
    {"realloc", "declare ptr @realloc(ptr, i64)"},
    {"round", "declare double @round(double)"},
    {"scanf", "declare i32 @scanf(ptr, ...)"},
    {"setenv", "declare i32 @setenv(ptr, ptr, i32)"},
    {"sin", "declare double @sin(double)"},
    {"sinh", "declare double @sinh(double)"},
    {"sleep", "declare i32 @sleep(i32)"},
    {"snprintf", "declare i32 @snprintf(ptr, i64, ptr, ...)"},
    {"sprintf", "declare i32 @sprintf(ptr, ptr, ...)"},
    {"sqrt", "declare double @sqrt(double)"},
    {"srand", "declare void @srand(i32)"},
    {"sscanf", "declare i32 @sscanf(ptr, ptr, ...)"},
    {"strcasecmp", "declare i32 @strcasecmp(ptr, ptr)"},
    {"strcat", "declare ptr @strcat(ptr, ptr)"},
    {"strchr", "declare ptr @strchr(ptr, i32)"},
    {"strcmp", "declare i32 @strcmp(ptr, ptr)"},
    {"strcpy", "declare ptr @strcpy(ptr, ptr)"},
    {"strdup", "declare ptr @strdup(ptr)"},
    {"strerror", "declare ptr @strerror(i32)"},
    {"strlen", "declare i64 @strlen(ptr)"},
    {"strncmp", "declare i32 @strncmp(ptr, ptr, i64)"},
    {"strncpy", "declare ptr @strncpy(ptr, ptr, i64)"},
    {"strrchr", "declare ptr @strrchr(ptr, i32)"},
    {"strstr", "declare ptr @strstr(ptr, ptr)"},
    {"strtod", "declare double @strtod(ptr, ptr)"},
    {"strtol", "declare i64 @strtol(ptr, ptr, i32)"},
    {"strtoul", "declare i64 @strtoul(ptr, ptr, i32)"},
    {"system", "declare i32 @system(ptr)"},
    {"tan", "declare double @tan(double)"},
    {"tanh", "declare double @tanh(double)"},
    {"time", "declare i64 @time(ptr)"},
    {"tolower", "declare i32 @tolower(i32)"},
    {"toupper", "declare i32 @toupper(i32)"},
    {"trunc", "declare double @trunc(double)"},
    {"usleep", "declare i32 @usleep(i32)"},
    {"write", "declare i64 @write(i32, ptr, i64)"},
};

enum { FUNCTIONS = sizeof functions / sizeof functions[0] };

const char *library_declaration(const char *name)
{
    int low = 0, high = FUNCTIONS;
    while (low < high) {
        int middle = (low + high) / 2, order = strcmp(name, functions[middle].name);
        if (order == 0)
            return functions[middle].declaration;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const char *library_name(int index)
{
    return index < FUNCTIONS ? functions[index].name : NULL;
}
