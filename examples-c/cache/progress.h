#ifndef CACHE_PROGRESS_H
#define CACHE_PROGRESS_H

#include <stdint.h>

/*
 * A line on stderr that shows the progress of something long, if stderr is a terminal. It appears after a while,
 * changes a few times a second, and disappears when the work is done.
 */
void progress_start(const char *what);

/* As a mgenjit_progress; `user` is not used. */
void progress_tell(uint64_t done, uint64_t total, void *user);

/* Removes the line. To be called before anything else is printed; the next progress_tell brings it back. */
void progress_end(void);

#endif
