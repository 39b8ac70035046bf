#ifndef EXPORT_H
#define EXPORT_H

/* (e) An executable from a warm cache, beside clang's from the same IR. */
void bench_export(const char *name, const char *ir, int is_large, int rounds);

/* (f) The run time of what was exported and of the code in memory, beside that of clang's executable. */
void bench_exported_code(void);

#endif
