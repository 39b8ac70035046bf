#!/usr/bin/env python3
"""Writes a program of many files as one IR module: many_files.py CLANG LLVM_LINK FOLDER FILES OUTPUT.ll

Each file sorts numbers, multiplies matrices and counts words in its own way, and calls small functions of the others.
The program prints one checksum. Its argument says how often to run all; default: 1."""

import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

COMMON = """
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
uint64_t next_number(uint64_t *state);
uint64_t mix(uint64_t sum, uint64_t value);
int is_letter(int character);
"""

SHARED = """
uint64_t next_number(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}
uint64_t mix(uint64_t sum, uint64_t value)
{
    return (sum ^ value) * UINT64_C(1099511628211);
}
int is_letter(int character)
{
    return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z');
}
"""

FILE = """
%(declarations)s
static int calls_%(n)d;
static const char *const title_%(n)d = "file number %(n)d";
struct record_%(n)d { %(type)s key; uint32_t weight[%(weights)d]; };

uint64_t small_%(n)d(uint64_t value)
{
    return value * %(odd)dU + %(n)d;
}

static int before(const struct record_%(n)d *one, const struct record_%(n)d *other)
{
    if (one->key != other->key)
        return one->key %(order)s other->key;
    return one->weight[%(weight)d] < other->weight[%(weight)d];
}

static void swap(struct record_%(n)d *one, struct record_%(n)d *other)
{
    struct record_%(n)d saved = *one;
    *one = *other;
    *other = saved;
}

static void sort(struct record_%(n)d *records, long low, long high)
{
    while (low < high) {
        long left = low, right = high;
        struct record_%(n)d pivot = records[low + (high - low) / %(pivot)d];
        do {
            while (before(&records[left], &pivot))
                left++;
            while (before(&pivot, &records[right]))
                right--;
            if (left <= right)
                swap(&records[left++], &records[right--]);
        } while (left <= right);
        if (right - low < high - left) {
            sort(records, low, right);
            low = left;
        } else {
            sort(records, left, high);
            high = right;
        }
    }
}

static uint64_t sort_some(uint64_t seed)
{
    enum { COUNT = %(count)d };
    static struct record_%(n)d records[COUNT];
    uint64_t sum = 0;
    for (int i = 0; i < COUNT; i++) {
        records[i].key = (%(type)s)(next_number(&seed) %% 1000);
        for (int k = 0; k < %(weights)d; k++)
            records[i].weight[k] = (uint32_t)next_number(&seed);
    }
    sort(records, 0, COUNT - 1);
    for (int i = 0; i < COUNT; i += 7)
        sum = mix(sum, (uint64_t)records[i].key + records[i].weight[0]);
    return sum;
}

static double matrix_a[%(size)d][%(size)d], matrix_b[%(size)d][%(size)d];

static void fill(double matrix[%(size)d][%(size)d], int by)
{
    for (int i = 0; i < %(size)d; i++)
        for (int k = 0; k < %(size)d; k++)
            matrix[i][k] = (i * by + k * %(n)d) %% 17 - 8;
}

static uint64_t multiply(void)
{
    double result[%(size)d][%(size)d];
    uint64_t sum = 0;
    fill(matrix_a, %(pivot)d);
    fill(matrix_b, %(odd)d);
    for (int i = 0; i < %(size)d; i++)
        for (int k = 0; k < %(size)d; k++) {
            double total = 0;
            for (int m = 0; m < %(size)d; m++)
                total += matrix_a[i][m] * matrix_b[m][k];
            result[i][k] = total;
        }
    for (int i = 0; i < %(size)d; i++)
        sum = mix(sum, (uint64_t)(int64_t)result[i][(i * 3) %% %(size)d]);
    return sum;
}

static uint64_t count_words(const char *text)
{
    unsigned counts[64] = { 0 };
    uint64_t hash = 0, sum = 0;
    int inside = 0;
    for (; *text != 0; text++) {
        if (is_letter((unsigned char)*text)) {
            hash = mix(hash, (uint64_t)(*text %(case)s));
            inside = 1;
        } else if (inside) {
            counts[hash %% 64]++;
            hash = inside = 0;
        }
    }
    for (int i = 0; i < 64; i++)
        sum = mix(sum, counts[i]);
    return sum;
}

static uint64_t apply(uint64_t (*function)(uint64_t), uint64_t value, int times)
{
    while (times-- > 0)
        value = function(value);
    return value;
}

uint64_t work_%(n)d(uint64_t sum)
{
    char text[640];
    calls_%(n)d++;
    for (int i = 0; i < 500; i++)
        text[i] = (i * %(odd)d + calls_%(n)d) %% 7 == 0 ? ' ' : (char)('a' + i * %(pivot)d %% 26);
    text[500] = 0;
    strcat(text, title_%(n)d);
    switch ((sum + %(n)d) %% 5) {
    case 0: sum = mix(sum, sort_some(sum | 1)); break;
    case 1: sum = mix(sum, multiply()); break;
    case 2: sum = mix(sum, count_words(text)); break;
    default: sum = mix(sum, sort_some(%(odd)d) + multiply() + count_words(text)); break;
    }
%(calls)s
    return apply(small_%(n)d, sum, %(pivot)d) + apply(%(neighbour)s, sum, 3);
}
"""


def write(folder, number, files, choose):
    others = sorted(choose.sample(range(files), min(4, files)))
    declarations = "".join(f"uint64_t small_{other}(uint64_t);\n" for other in others)
    text = COMMON + FILE % {
        "n": number,
        "type": choose.choice(["int32_t", "int64_t", "double", "uint16_t", "float"]),
        "weights": choose.randint(1, 5),
        "weight": 0,
        "odd": choose.randrange(3, 99, 2),
        "order": choose.choice("<>"),
        "pivot": choose.randint(2, 5),
        "count": choose.randint(200, 900),
        "size": choose.randint(6, 24),
        "case": choose.choice(["| 32", "& ~32", "+ 0"]),
        "declarations": declarations,
        "neighbour": f"small_{others[0]}",
        "calls": "".join(f"    sum += small_{other}(sum);\n" for other in others),
    }
    path = os.path.join(folder, f"file_{number}.c")
    with open(path, "w") as file:
        file.write(text)
    return path


def main():
    clang, link, folder, files, output = sys.argv[1:]
    files = int(files)
    os.makedirs(folder, exist_ok=True)
    choose = random.Random(16)
    paths = [write(folder, number, files, choose) for number in range(files)]
    declarations = "".join(f"uint64_t work_{number}(uint64_t);\n" for number in range(files))
    calls = "".join(f"        sum = work_{number}(sum);\n" for number in range(files))
    path = os.path.join(folder, "main.c")
    with open(path, "w") as file:
        file.write(
            COMMON
            + SHARED
            + declarations
            + "int main(int argc, char **argv)\n{\n    uint64_t sum = 1;\n    int times = argc > 1 ? atoi(argv[1]) : 1;\n"
            + "    while (times-- > 0) {\n"
            + calls
            + '    }\n    printf("%016llx\\n", (unsigned long long)sum);\n    return 0;\n}\n'
        )
    paths.append(path)

    def compile_one(path):
        bitcode = path[:-2] + ".bc"
        subprocess.run(
            [clang, "-O2", "-Xclang", "-disable-llvm-passes", "-fPIC", "-w", "-c", "-emit-llvm", "-o", bitcode, path],
            check=True,
        )
        return bitcode

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        bitcode = list(pool.map(compile_one, paths))
    subprocess.run([link, "-S", "-o", output, *bitcode], check=True)


main()
