/* What the kernel runs AArch64 programs with (binfmt_misc): qemu, with a root that has their libraries. A program
   whose environment is empty finds them too. The kernel gives the program's path, and its first argument before the others. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int count, char **arguments)
{
    if (count < 3) {
        fprintf(stderr, "usage: %s PROGRAM NAME [ARGUMENT...]\n", arguments[0]);
        return 127;
    }
    char **all = calloc((size_t)count + 5, sizeof *all);
    if (all == NULL) {
        return 127;
    }
    int length = 0;
    all[length++] = "qemu-aarch64";
    all[length++] = "-L";
    all[length++] = ROOT;
    all[length++] = "-0";
    all[length++] = arguments[2];
    all[length++] = arguments[1];
    memcpy(all + length, arguments + 3, (size_t)(count - 3) * sizeof *all);
    execv(QEMU, all);
    fprintf(stderr, "%s: %s\n", QEMU, strerror(errno));
    return 127;
}
