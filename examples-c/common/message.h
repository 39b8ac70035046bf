#ifndef COMMON_MESSAGE_H
#define COMMON_MESSAGE_H

/* The library's messages name functions of its API. Returns the text with the options of the tools for them, to be
 * freed, or NULL if there is not enough memory. */
char *message_for_tools(const char *text);

#endif
