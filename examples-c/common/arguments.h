#ifndef COMMON_ARGUMENTS_H
#define COMMON_ARGUMENTS_H

/*
 * Reads a command line as getopt_long does, but without it: getopt has one state for the whole process, which belongs
 * to the program that runs in this process.
 */

enum argument_value { NO_VALUE, OPTIONAL_VALUE, VALUE };

/* An option: its name, which is one letter for such as -o; whether it has a value; and its number, from 1 on. */
struct argument_row {
    const char *name;
    enum argument_value value;
    int number;
};

struct arguments {
    int argc;
    char **argv;
    /* Of the word that is read next. */
    int next;
    /* The rest of a word of several letters, else NULL. */
    const char *letters;
    int only_operands;
    char wrong[3];
};

/* What the next argument is, if it is no option. */
enum { ARGUMENT_END = 0, ARGUMENT_OPERAND = -1, ARGUMENT_WRONG = -2, ARGUMENT_VALUE_MISSING = -3 };

/* Begins behind argv[0]. */
struct arguments arguments_new(int argc, char **argv);

/*
 * Returns the next option's number, or what else is there. `rows` end with one without a name. `*value` becomes the
 * option's value, or NULL if it has none; the operand; or the option that is wrong or lacks its value.
 */
int arguments_next(struct arguments *arguments, const struct argument_row *rows, const char **value);

#endif
