#define _POSIX_C_SOURCE 200809L

#include "line.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Guarded by the lock of stderr. */
static int is_shown;

int line_is_possible(void)
{
    const char *terminal = getenv("TERM");
    return terminal != NULL && strcmp(terminal, "dumb") != 0 && isatty(STDERR_FILENO);
}

/* A wrapped line could not be removed, so wrapping is off while it is drawn. */
void line_draw(const char *format, ...)
{
    char text[256];
    va_list values;

    if (!line_is_possible())
        return;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    flockfile(stderr);
    is_shown = 1;
    dprintf(STDERR_FILENO, "\r\033[?7l%s\033[K\033[?7h", text);
    funlockfile(stderr);
}

void line_clear(void)
{
    flockfile(stderr);
    if (is_shown)
        dprintf(STDERR_FILENO, "\r\033[K");
    is_shown = 0;
    funlockfile(stderr);
}
