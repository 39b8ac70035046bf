#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/message.h"
#include "common/program.h"
#include "common/text.h"
#include "progress.h"

int report_exit_code(mgenjit_status status)
{
    switch (status) {
    case MGENJIT_STATUS_OK: return EXIT_DONE;
    case MGENJIT_STATUS_INVALID_ARGUMENT: return EXIT_USAGE;
    case MGENJIT_STATUS_NOT_FOUND:
    case MGENJIT_STATUS_IO: return EXIT_NOT_FOUND;
    case MGENJIT_STATUS_DAMAGED:
    case MGENJIT_STATUS_UNTRUSTED:
    case MGENJIT_STATUS_DIFFERENT:
    case MGENJIT_STATUS_PARSE:
    case MGENJIT_STATUS_VERIFY:
    case MGENJIT_STATUS_TARGET:
    case MGENJIT_STATUS_CODEGEN:
    case MGENJIT_STATUS_LINK: return EXIT_BAD_DATA;
    case MGENJIT_STATUS_SERVER_UNAVAILABLE:
    case MGENJIT_STATUS_CPU:
    case MGENJIT_STATUS_SERVER_MISMATCH: return EXIT_UNAVAILABLE;
    case MGENJIT_STATUS_CACHE: return EXIT_CACHE;
    default: return EXIT_DEFECT;
    }
}

int report_cache_error(mgenjit_error *error)
{
    mgenjit_status status = mgenjit_error_status(error);
    char *message = message_for_tools(mgenjit_error_message(error));
    progress_end();
    fprintf(stderr, "%s: ", program_name);
    text_put_lines(stderr, message != NULL ? message : mgenjit_error_message(error));
    fputc('\n', stderr);
    free(message);
    mgenjit_error_free(error);
    return report_exit_code(status);
}

void report_failure(const char *what, int error)
{
    progress_end();
    fprintf(stderr, "%s: ", program_name);
    text_put(stderr, what);
    fprintf(stderr, ": %s\n", strerror(error));
}

int report_no_memory(void)
{
    fprintf(stderr, "%s: out of memory\n", program_name);
    return EXIT_OS;
}
