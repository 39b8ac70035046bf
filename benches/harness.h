#ifndef HARNESS_H
#define HARNESS_H

#include "common/files.h"
#include "common/measure.h"

enum { MOST_ROUNDS = 101, MOST_NUMBERS = 6 };

/* For temporary files; it is removed at the end. */
extern char folder[PATH_SIZE];

/* How many targets were missed. */
extern int missed;

/* Prints the ratio of two measures, and whether it is within its target. */
void verdict(const char *what, double ours, double theirs, double target);

/* The same of two measures, of which one may be so much more. */
void verdict_more(const char *what, double ours, double theirs, double target, const char *unit);

void ratio(const char *what, double ours, double theirs);

void row(const char *what, double value, const char *unit);

/* Runs a program that has to succeed, and reads the numbers that its output begins with. `numbers` may be NULL. */
struct process_result run(const char *const *argv, double numbers[MOST_NUMBERS]);

/* The milliseconds that a program takes, which has to succeed. */
double run_time(const char *const *argv);

/* What LLVM's tools need to build a library; "" for one that is missing. */
struct tools {
    char lli[PATH_SIZE];
    char opt[PATH_SIZE];
    char llc[PATH_SIZE];
    char lld[PATH_SIZE];
};

void find_tools(struct tools *tools);

/* Builds a library of IR or bitcode, loads it in a new process with `loader`, and calls main. Returns the time. */
double run_ahead(const struct tools *tools, const char *loader, const char *ir);

/* Finds a tool of LLVM 22; says so if it is missing, and writes "" then. */
void find_tool(char path[PATH_SIZE], const char *name);

#endif
