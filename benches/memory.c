#include "memory.h"

#include <stdio.h>
#include <string.h>

/* The KiB that a line of a file in /proc tells; 0 if it is not there. */
static long field(const char *path, const char *name)
{
    char line[256];
    long kibibytes = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof line, file) != NULL) {
        size_t length = strlen(name);
        if (strncmp(line, name, length) == 0 && line[length] == ':')
            sscanf(line + length + 1, "%ld", &kibibytes);
    }
    fclose(file);
    return kibibytes;
}

void print_memory(void)
{
    long most = field("/proc/self/status", "VmHWM");
    long resident = field("/proc/self/smaps_rollup", "Rss");
    long share = field("/proc/self/smaps_rollup", "Pss");
    long own = field("/proc/self/smaps_rollup", "Anonymous");
    printf("%ld %ld %ld %ld\n", most, resident, share, own);
}
