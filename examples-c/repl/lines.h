#ifndef REPL_LINES_H
#define REPL_LINES_H

/*
 * Lines that are typed. On a terminal they are edited by libedit, if it is there, with a history in the user's state folder.
 */
void lines_start(int is_interactive);

enum line_end { LINE_READ, LINE_INTERRUPTED, LINE_NO_MORE };

/* Reads a line, without its newline, which the caller frees. */
enum line_end lines_read(const char *prompt, char **line);

/* Whether more is there to be read at once, as when something is pasted. */
int lines_are_waiting(void);

/* The folder for what the user's programs keep, or NULL. */
const char *state_folder(void);

#endif
