#ifndef COMMON_UNIT_H
#define COMMON_UNIT_H

#include "list.h"
#include "mgenjit.h"

/*
 * Compiles files of any kind into one module, which is called as the first of them. If there are symbols to keep, it
 * keeps them alone; `keep` may be NULL.
 */
mgenjit_status unit_compile(mgenjit_executor *executor, const struct list *files, const struct list *keep,
                            mgenjit_module **module, mgenjit_error **error);

#endif
