#ifndef MGENJIT_SERVER_VERSION_H
#define MGENJIT_SERVER_VERSION_H

enum { SERVER_VERSION_SIZE = 256 };

/*
 * Asks the compile server at `path` for its version, with --version. Writes such as "0.1.0, build 0123456789abcdef,
 * LLVM 22.1.8", and returns 1; 0 if it does not answer so.
 */
int server_version(const char *path, char text[SERVER_VERSION_SIZE]);

#endif
