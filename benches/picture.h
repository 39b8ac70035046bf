#ifndef PICTURE_H
#define PICTURE_H

#include "harness.h"

/* What is drawn, and with what. `library` is the same code, built before; "" if there is none. */
struct drawn {
    const char *name;
    const char *client;
    const char *loader;
    const char *ir;
    const char *library;
    int rounds;
};

/* (j) Cold, edited and warm beside other ways: prints the medians and adds them to `results`, for picture.py. */
void bench_picture(const struct drawn *drawn, const char *results);

#endif
