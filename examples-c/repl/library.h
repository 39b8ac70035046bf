#ifndef REPL_LIBRARY_H
#define REPL_LIBRARY_H

/* The declaration of a function of the C library, as IR. NULL if it is not among those that are known. */
const char *library_declaration(const char *name);

/* The name of the one at an index. NULL past the last. */
const char *library_name(int index);

#endif
