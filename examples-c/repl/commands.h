#ifndef REPL_COMMANDS_H
#define REPL_COMMANDS_H

#include "mgenjit.h"
#include "session.h"

/* What commands do that is in files of its own. */

/* Whether a file was written since it was loaded. */
int has_changed(const struct unit *unit);

/* Adds what a file has, as it was loaded, to a source. */
mgenjit_status add_unit(mgenjit_source *source, const struct unit *unit, mgenjit_error **error);

/* Writes what is defined to a file. */
void export_session(const char *path);

#endif
