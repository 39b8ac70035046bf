/* Modules that take LLVM long. */
#ifndef LARGE_H
#define LARGE_H

#include "check.h"

/* So many functions of some hundred instructions each: seconds of work for LLVM, and hundreds of megabytes. */
static inline char *large_module(int functions)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    CHECK(out != NULL);
    for (int f = 0; f < functions; f++) {
        fprintf(out, "define i64 @f%d(i64 %%x0, ptr %%p) {\n", f);
        for (int i = 0; i < 100; i++) {
            fprintf(out, "  %%a%d = mul i64 %%x%d, %d\n  %%b%d = lshr i64 %%a%d, %d\n", i, i, 2 * i + 3, i, i, i % 31 + 1);
            fprintf(out, "  store volatile i64 %%b%d, ptr %%p\n  %%x%d = xor i64 %%a%d, %%b%d\n", i, i + 1, i, i);
        }
        fprintf(out, "  ret i64 %%x100\n}\n");
    }
    CHECK_INT(0, fclose(out));
    return text;
}

#endif
