#ifndef REPL_BUFFER_H
#define REPL_BUFFER_H

#include <stdarg.h>
#include <stddef.h>

/* A text that grows, with a NUL behind it. {NULL, 0, 0} is an empty one. Without memory, the process ends. */
struct buffer {
    char *bytes;
    size_t length;
    size_t room;
};

void buffer_add(struct buffer *buffer, const char *text);
void buffer_add_bytes(struct buffer *buffer, const char *bytes, size_t length);
void buffer_format(struct buffer *buffer, const char *format, ...);
void buffer_format_list(struct buffer *buffer, const char *format, va_list values);
void buffer_clear(struct buffer *buffer);
void buffer_free(struct buffer *buffer);
/* "" if nothing was added. */
const char *buffer_text(const struct buffer *buffer);
/* Gives the text away: it is the caller's to free. */
char *buffer_take(struct buffer *buffer);

/* As malloc, realloc and strndup, but the process ends if there is no memory. */
void *allocate(size_t size);
void *reallocate(void *old, size_t size);
char *copy_text(const char *text);
char *copy_bytes(const char *bytes, size_t length);

#endif
