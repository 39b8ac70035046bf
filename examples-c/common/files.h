#ifndef COMMON_FILES_H
#define COMMON_FILES_H

#include <stddef.h>

/* Room for a path and its NUL: Linux's PATH_MAX. */
enum { PATH_SIZE = 4096 };

/* Writes `folder`/`name` to `path`, or "", which is no file, if there is no room for it. */
void path_join(char path[PATH_SIZE], const char *folder, const char *name);

/*
 * Writes the absolute path of a file, given relative to the folder of this executable file. Returns 0, or an
 * errno if it is not there.
 */
int path_beside_program(char path[PATH_SIZE], const char *relative);

/* Makes an empty folder for temporary files. Returns 0 or an errno. */
int temporary_folder(char path[PATH_SIZE]);

/* Removes a folder with all that is in it, if it is there. */
void remove_folder(const char *path);

/* Reads an open file to its end, into memory that the caller frees. Returns NULL and sets errno if that fails. */
char *read_to_end(int file, size_t *length);

/* Writes all of it to an open file. Returns 0 if that fails; errno says why. Signal handlers may call it. */
int write_all(int file, const void *bytes, size_t size);

/*
 * Finds a tool of LLVM 22: `name` where $LLVM_SYS_221_PREFIX or Debian has it, else `name`-22 on $PATH.
 * Returns 1 if it is there.
 */
int find_llvm_tool(char path[PATH_SIZE], const char *name);

#endif
