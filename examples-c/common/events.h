#ifndef COMMON_EVENTS_H
#define COMMON_EVENTS_H

#include "mgenjit.h"

/* An event hook: shows the progress of a compile on a terminal, in a line that disappears when it ends. */
void events_show_progress(const mgenjit_event *event, void *user);

/* An event hook: prints a line to stderr for each event, and shows progress. */
void events_print(const mgenjit_event *event, void *user);

#endif
