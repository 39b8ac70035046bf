#ifndef SERVER_PRINT_H
#define SERVER_PRINT_H

#include "mgenjit.h"

/* Print what a server does now, and what it has done. */
void print_status(const char *socket, const mgenjit_server_statistics *statistics);
void print_stats(const mgenjit_server_statistics *statistics);

/* The same, each as a JSON object. */
void print_status_json(const char *socket, const mgenjit_server_statistics *statistics);
void print_stats_json(const mgenjit_server_statistics *statistics);

#endif
