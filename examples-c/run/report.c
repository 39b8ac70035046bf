#include "report.h"

#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static int exit_code_of(mgenjit_status status)
{
    switch (status) {
    case MGENJIT_STATUS_INVALID_ARGUMENT: return EX_USAGE;
    case MGENJIT_STATUS_IO: return EX_NOINPUT;
    case MGENJIT_STATUS_PARSE:
    case MGENJIT_STATUS_VERIFY:
    case MGENJIT_STATUS_TARGET:
    case MGENJIT_STATUS_CODEGEN:
    case MGENJIT_STATUS_LINK:
    case MGENJIT_STATUS_UNRESOLVED:
    case MGENJIT_STATUS_NOT_FOUND:
    case MGENJIT_STATUS_TYPE: return EX_DATAERR;
    case MGENJIT_STATUS_SERVER_UNAVAILABLE:
    case MGENJIT_STATUS_SERVER_MISMATCH:
    case MGENJIT_STATUS_CPU:
    case MGENJIT_STATUS_LIBRARY: return EX_UNAVAILABLE;
    case MGENJIT_STATUS_LOAD: return EX_OSERR;
    default: return EX_SOFTWARE;
    }
}

/* Prints the source line and a caret under the column, which counts bytes: a tab stays a tab, and a
 * character of several bytes in UTF-8 takes one place. */
static void print_source_line(const char *line, uint32_t column)
{
    fprintf(stderr, "%s\n", line);
    if (column == 0)
        return;
    for (uint32_t i = 0; i + 1 < column && line[i] != '\0'; i++) {
        unsigned char byte = (unsigned char)line[i];
        if (byte == '\t')
            fputc('\t', stderr);
        else if ((byte & 0xc0) != 0x80)
            fputc(' ', stderr);
    }
    fputs("^\n", stderr);
}

int report_error(const char *subject, mgenjit_error *error)
{
    uint32_t column = mgenjit_error_column(error);
    const char *source_line = mgenjit_error_source_line(error);
    mgenjit_status status = mgenjit_error_status(error);

    /* The message names the file, and the place in it, by itself. */
    fprintf(stderr, "run: ");
    if (subject != NULL)
        fprintf(stderr, "%s: ", subject);
    fprintf(stderr, "%s\n", mgenjit_error_message(error));
    if (source_line != NULL)
        print_source_line(source_line, column);
    mgenjit_error_free(error);
    return exit_code_of(status);
}

void report_event(const mgenjit_event *event, void *user)
{
    (void)user;
    const mgenjit_times *times = event->times;
    fprintf(stderr, "run: %s %.12s: ", event->name, event->key);
    switch (event->kind) {
    case MGENJIT_EVENT_HIT:
        fprintf(stderr, "in the cache: %" PRIu64 " bytes, found in %" PRIu64 " µs", event->bytes,
                times->hash + times->find);
        break;
    case MGENJIT_EVENT_MISS: fprintf(stderr, "not in the cache"); break;
    case MGENJIT_EVENT_COMPILE_STARTED: fprintf(stderr, "compiling %" PRIu64 " bytes of IR", event->bytes); break;
    case MGENJIT_EVENT_COMPILED:
        fprintf(stderr, "compiled to %" PRIu64 " bytes in %" PRIu64 " µs", event->bytes, times->compile);
        break;
    case MGENJIT_EVENT_STORED:
        fprintf(stderr, "stored %" PRIu64 " bytes in %" PRIu64 " µs", event->bytes, times->store);
        break;
    case MGENJIT_EVENT_LOADED:
        fprintf(stderr, "mapped %" PRIu64 " bytes in %" PRIu64 " µs", event->bytes, times->map);
        break;
    case MGENJIT_EVENT_CACHE_TROUBLE: fprintf(stderr, "trouble with the cache"); break;
    default: fprintf(stderr, "event %" PRId32, event->kind);
    }
    fprintf(stderr, "%s%s\n", event->message[0] != '\0' ? ": " : "", event->message);
}

void report_times(const mgenjit_module *module)
{
    mgenjit_times times;
    times.size = sizeof times;
    if (mgenjit_module_times(module, &times, NULL) != MGENJIT_STATUS_OK)
        return;
    const struct {
        const char *name;
        uint64_t microseconds;
    } rows[] = {
        {"hash the IR", times.hash},
        {"look in the cache", times.find},
        {"wait for another's compile", times.wait},
        {"start a compile server", times.start},
        {"compile", times.compile},
        {"  read the module", times.parse},
        {"  optimise", times.optimise},
        {"  generate code", times.codegen},
        {"  link", times.link},
        {"store in the cache", times.store},
        {"map", times.map},
        {"bind symbols, construct", times.bind},
        {"total", times.hash + times.find + times.wait + times.start + times.compile + times.store + times.map
                      + times.bind},
    };

    fprintf(stderr, "%s: %s\nkey %s\n", mgenjit_module_name(module),
            mgenjit_module_origin(module) == MGENJIT_ORIGIN_CACHE ? "from the cache (hit)" : "compiled (miss)",
            mgenjit_module_key(module));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].microseconds > 0)
            fprintf(stderr, "  %-28s %9" PRIu64 " µs\n", rows[i].name, rows[i].microseconds);
}

int report_functions(mgenjit_module *module, mgenjit_error **error)
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

void report_value(const mgenjit_value *value)
{
    switch (value->type) {
    case MGENJIT_TYPE_VOID: break;
    case MGENJIT_TYPE_I1: puts(value->as.integer != 0 ? "true" : "false"); break;
    case MGENJIT_TYPE_FLOAT: print_float(value->as.single_precision); break;
    case MGENJIT_TYPE_DOUBLE: print_double(value->as.double_precision); break;
    case MGENJIT_TYPE_POINTER: printf("0x%" PRIxPTR "\n", (uintptr_t)value->as.pointer); break;
    default: printf("%" PRId64 "\n", value->as.integer);
    }
}
