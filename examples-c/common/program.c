#include "program.h"

#include <string.h>

#include "mgenjit.h"

const char *program_name = "mgenjit";

void program_print_usage(FILE *file, const char *usage)
{
    const char *before = "usage:";
    while (*usage != '\0') {
        int length = (int)strcspn(usage, "\n");
        fprintf(file, "%s %s %.*s\n", before, program_name, length, usage);
        usage += length + (usage[length] == '\n');
        before = "      ";
    }
}

void program_print_version(void)
{
    printf("%s, with libmgenjit %s and LLVM %s\n", program_name, mgenjit_version_string(), mgenjit_llvm_version());
}
