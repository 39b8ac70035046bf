#define _POSIX_C_SOURCE 200809L

#include "buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/program.h"

static void *checked(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "%s: there is no memory left\n", program_name);
        exit(EX_OSERR);
    }
    return memory;
}

void *allocate(size_t size)
{
    return checked(calloc(1, size != 0 ? size : 1));
}

void *reallocate(void *old, size_t size)
{
    return checked(realloc(old, size != 0 ? size : 1));
}

char *copy_bytes(const char *bytes, size_t length)
{
    char *copy = allocate(length + 1);
    memcpy(copy, bytes, length);
    return copy;
}

char *copy_text(const char *text)
{
    return copy_bytes(text, strlen(text));
}

static void reserve(struct buffer *buffer, size_t more)
{
    if (buffer->length + more + 1 <= buffer->room)
        return;
    buffer->room = 2 * (buffer->length + more) + 64;
    buffer->bytes = reallocate(buffer->bytes, buffer->room);
}

void buffer_add_bytes(struct buffer *buffer, const char *bytes, size_t length)
{
    reserve(buffer, length);
    memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
    buffer->bytes[buffer->length] = '\0';
}

void buffer_add(struct buffer *buffer, const char *text)
{
    buffer_add_bytes(buffer, text, strlen(text));
}

void buffer_format_list(struct buffer *buffer, const char *format, va_list values)
{
    va_list again;
    va_copy(again, values);
    int length = vsnprintf(NULL, 0, format, values);
    if (length > 0) {
        reserve(buffer, (size_t)length);
        vsnprintf(buffer->bytes + buffer->length, (size_t)length + 1, format, again);
        buffer->length += (size_t)length;
    }
    va_end(again);
}

void buffer_format(struct buffer *buffer, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    buffer_format_list(buffer, format, values);
    va_end(values);
}

void buffer_clear(struct buffer *buffer)
{
    buffer->length = 0;
    if (buffer->bytes != NULL)
        buffer->bytes[0] = '\0';
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->bytes);
    memset(buffer, 0, sizeof *buffer);
}

const char *buffer_text(const struct buffer *buffer)
{
    return buffer->bytes != NULL ? buffer->bytes : "";
}

char *buffer_take(struct buffer *buffer)
{
    char *bytes = buffer->bytes != NULL ? buffer->bytes : copy_text("");
    memset(buffer, 0, sizeof *buffer);
    return bytes;
}
