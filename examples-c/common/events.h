#ifndef COMMON_EVENTS_H
#define COMMON_EVENTS_H

#include "mgenjit.h"

/* An event hook: shows on a terminal how far a compile is, in a line that is gone when it ends. */
void events_show_progress(const mgenjit_event *event, void *user);

/* An event hook: prints a line to stderr for each event, and shows progress. */
void events_print(const mgenjit_event *event, void *user);

#endif
