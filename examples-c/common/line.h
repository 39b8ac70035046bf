#ifndef COMMON_LINE_H
#define COMMON_LINE_H

/*
 * A line on stderr that tells how far something is: drawn in place again and again, and gone when the work is done.
 * It is for terminals that can do that; anywhere else there is none of it. Any thread may draw it.
 */

/* Whether there can be a line at all. */
int line_is_possible(void);

/* Draws the line, of what printf makes of these, instead of what it showed. What the terminal has no room for is left
 * out. */
void line_draw(const char *format, ...);

/* Removes the line, if there is one. To be called before anything else is printed. */
void line_clear(void);

#endif
