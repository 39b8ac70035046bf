#ifndef SERVERS_H
#define SERVERS_H

/* Starts a shared server of the benchmark's own and warms it. Returns 0, which has been said, if there is none. */
int start_shared_server(const char *client, const char *ir);

/* Ends it, and waits for that. */
void stop_shared_server(void);

/* (g) A small program's cold compile in a new process. `target`: of `lli -O2`; 0: none. */
void bench_warm_server(const char *client, const char *name, const char *ir, double target);

/* (h) Many modules from many processes. `ir` is varied. */
void bench_many_modules(const char *ir);

/* (i) What a process takes that only hits. `target`: so many MB more than with dlopen; 0: none. */
void bench_memory(const char *client, const char *peer, const char *name, const char *ir, const char *library,
                  double target);

#endif
