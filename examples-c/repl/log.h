#ifndef REPL_LOG_H
#define REPL_LOG_H

/* What was defined. The kernel keeps it: code that spoils the memory of the process does not reach it. */
void log_add(const char *text);

/*
 * Writes it to a file, and says on standard error where it is, or that it is lost. The path may be NULL. Calls only what a
 * signal handler may.
 */
void log_save(const char *path);

/* Writes a text to standard error. A signal handler may call it. */
void log_say(const char *text);

#endif
