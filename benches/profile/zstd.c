/* Compresses what looks like a log, and takes it apart again; the argument says how often. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zstd.h"

enum { SIZE = 4 << 20 };

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 1;
    char *text = malloc(SIZE + 256), *back = malloc(SIZE);
    size_t room = ZSTD_compressBound(SIZE), length = 0, packed = 0;
    char *out = malloc(room);
    unsigned seed = 1;
    if (text == NULL || back == NULL || out == NULL)
        return 1;
    while (length < SIZE) {
        seed = seed * 1103515245u + 12345u;
        length += (size_t)sprintf(text + length, "%u: request %u from host-%u took %u us: %s\n", (unsigned)length / 100,
                                  seed >> 8, seed >> 20 & 63, seed >> 12 & 4095, seed >> 28 ? "done" : "not found");
    }
    for (int i = 0; i < rounds; i++) {
        packed = ZSTD_compress(out, room, text, SIZE, i % 2 == 0 ? 3 : 6);
        if (ZSTD_isError(packed) || ZSTD_decompress(back, SIZE, out, packed) != SIZE || memcmp(text, back, SIZE) != 0)
            return 1;
    }
    printf("%zu\n", packed);
    return 0;
}
