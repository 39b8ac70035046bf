#ifndef COMMON_TOOLS_H
#define COMMON_TOOLS_H

/* The tools, which are commands of mgenjit: each is what its main would be, and returns what the process ends with. */
int run_main(int argc, char **argv);
int build_main(int argc, char **argv);
int repl_main(int argc, char **argv);
int cache_main(int argc, char **argv);
int server_main(int argc, char **argv);
int doctor_main(int argc, char **argv);

#endif
