#ifndef RUN_PROFILE_H
#define RUN_PROFILE_H

#include "mgenjit.h"

/*
 * Has the profile of these modules be added to a file: now, by profile_write, or else when the process ends by exit, as
 * programs may do. Modules that are NULL then are left out. All must stay until then.
 */
void profile_write_at_exit(const char *path, const mgenjit_config *config, mgenjit_module **modules, int count);

/* Does that now, and not at the exit. Returns 0 or an exit code; what went wrong was said. */
int profile_write(void);

#endif
