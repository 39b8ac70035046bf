#ifndef REPL_REPL_H
#define REPL_REPL_H

#include "buffer.h"
#include "mgenjit.h"
#include "session.h"

/* What the files here share: there is one session in a process. */
struct repl {
    mgenjit_config *config;
    mgenjit_executor *executor;
    struct session session;
    /* Whether somebody types, who sees prompts and what was defined. */
    int is_interactive;
    /* Whether to tell what each input took. */
    int shows_times;
    /* Whether something failed. */
    int has_failed;
    /* What :time tells of: the module compiled last, and what its call took; UINT64_MAX if there was none. */
    mgenjit_module *last;
    int last_is_ours;
    uint64_t last_call_us;
};

extern struct repl repl;

/* A text that was typed, with blanks before it as it stood in its line. */
struct typed {
    char *text;
    /* The number of its first line. */
    size_t line;
};

/* Where a part of what is compiled was typed: from a line and a column on, both from 1, so many lines. */
struct origin {
    size_t line;
    size_t column;
    size_t lines;
    const struct typed *typed;
    const char *at;
};

/* Says what is wrong, and shows where; `at`, which lies in the text, may be NULL. */
void complain(const struct typed *typed, const char *at, const char *format, ...);

/* The origin of a place in what was compiled. NULL if it was not typed. */
const struct origin *origin_of(const struct origin *origins, size_t count, size_t line, size_t column);

/*
 * Says what is wrong with what was compiled, where it was typed, and frees the error. `typed` is what is blamed if the place
 * is not known; it may be NULL.
 */
void complain_error(mgenjit_error *error, const struct origin *origins, size_t count, const struct typed *typed);

/* Says what is wrong with a file, with the line that is, if it is known, and a caret below the column. */
void complain_file(const char *message, const struct typed *line, size_t column);

/* Says something that is no failure. */
void remark(const char *format, ...);

/* Compiles a text, unless the user gives up. The error is the caller's. */
mgenjit_status compile_text(const char *name, const char *text, size_t length, mgenjit_module **module, mgenjit_error **error);

/* Takes a definition. It is compiled with those that follow, by definitions_compile at the latest. */
void definitions_add(const char *text, size_t line);
void definitions_compile(void);

/* Prints a function or a variable with its type. */
void describe(const struct entity *entity);

/* Says that a unit defines what a text defines. What only its own module sees is left out. */
void record(struct unit *unit, const char *text);

/* Evaluates an expression and prints its value. Returns what the process ends with, or -1 to go on. */
void evaluate(const char *text, size_t line);

/* What a signal is. */
const char *signal_reason(int number);

/* Has :time tell of a module, whose handle is freed with the next one if it is ours. */
void set_last(mgenjit_module *module, int is_ours);
void tell_times(void);

/* Does what a line that begins with a colon says. Returns 0 if it is the end. */
int command_run(const char *text, size_t line);

/* Compiles a file, or a new version of one. Returns 0 and says why, if it cannot. */
int load_file(const char *path);

/* The names of commands that begin so; NULL past the last. */
const char *command_name(int index);

#endif
