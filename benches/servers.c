#define _XOPEN_SOURCE 700

#include "servers.h"

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "parallel.h"

enum { COLD_ROUNDS = 31, MODULES = 100, CLIENTS = 8, MANY_ROUNDS = 5, WARM_UPS = 8, MEMORY_ROUNDS = 11 };

/* The shared server's socket, "" if it does not run. */
static char shared_socket[PATH_SIZE];

/* What libmgenjit's servers are from now on: "shared" or "private". */
static void use_servers(const char *mode)
{
    setenv("MGENJIT_SERVER_MODE", mode, 1);
}

int start_shared_server(const char *client, const char *ir)
{
    char runtime[PATH_SIZE];
    char cache[PATH_SIZE];
    char pattern[PATH_SIZE];
    glob_t found;

    path_join(runtime, folder, "runtime");
    path_join(cache, folder, "server-cache");
    path_join(pattern, runtime, "mgenjit/*.socket");
    mkdir(runtime, 0700);
    setenv("XDG_RUNTIME_DIR", runtime, 1);
    use_servers("shared");
    for (int i = 0; i < WARM_UPS; i++) {
        remove_folder(cache);
        run((const char *[]){client, cache, ir, "main", NULL}, NULL);
    }
    if (glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc == 1)
        snprintf(shared_socket, sizeof shared_socket, "%s", found.gl_pathv[0]);
    else
        printf("\n(g), (h) and (j): skipped: no shared server has a socket in %s\n", runtime);
    globfree(&found);
    use_servers("private");
    return shared_socket[0] != '\0';
}

void stop_shared_server(void)
{
    char lock[PATH_SIZE];
    if (shared_socket[0] == '\0')
        return;
    snprintf(lock, sizeof lock, "%.*s.lock", (int)strlen(shared_socket) - (int)strlen(".socket"), shared_socket);
    /* It ends when nobody can find it any more, and has the lock for as long as it lives. */
    int descriptor = open(lock, O_RDWR | O_CLOEXEC);
    unlink(shared_socket);
    shared_socket[0] = '\0';
    if (descriptor >= 0) {
        flock(descriptor, LOCK_EX);
        close(descriptor);
    }
}

void bench_warm_server(const char *client, const char *name, const char *ir, double target)
{
    enum { SHARED, PRIVATE, LLI, OPT, WAYS };
    static double times[WAYS][COLD_ROUNDS];
    char lli[PATH_SIZE];
    char opt[PATH_SIZE];
    char cache[PATH_SIZE];
    char optimised[PATH_SIZE];

    path_join(cache, folder, "server-cache");
    path_join(optimised, folder, "peer.bc");
    find_tool(lli, "lli");
    find_tool(opt, "opt");
    for (size_t i = 0; i < COLD_ROUNDS; i++) {
        remove_folder(cache);
        use_servers("shared");
        times[SHARED][i] = run_time((const char *[]){client, cache, ir, "main", NULL});
        remove_folder(cache);
        use_servers("private");
        times[PRIVATE][i] = run_time((const char *[]){client, cache, ir, "main", NULL});
        if (lli[0] == '\0')
            continue;
        times[LLI][i] = run_time((const char *[]){lli, "-O2", ir, NULL});
        if (opt[0] != '\0')
            times[OPT][i] = run_time((const char *[]){opt, "-O2", "-o", optimised, ir, NULL})
                            + run_time((const char *[]){lli, "-O2", optimised, NULL});
    }

    double shared = median(times[SHARED], COLD_ROUNDS);
    printf("\n(g) %s, cold, with a shared server that is warm: a process from IR to the end of main, %d rounds\n", name,
           COLD_ROUNDS);
    row("libmgenjit -O2, shared server", shared, "ms");
    row("libmgenjit -O2, private servers", median(times[PRIVATE], COLD_ROUNDS), "ms");
    if (lli[0] == '\0')
        return;
    double theirs = median(times[LLI], COLD_ROUNDS);
    row("lli -O2", theirs, "ms");
    if (target > 0)
        verdict("shared server / lli", shared, theirs, target);
    else
        ratio("shared server / lli", shared, theirs);
    if (opt[0] != '\0') {
        theirs = median(times[OPT], COLD_ROUNDS);
        row("opt -O2, lli -O2", theirs, "ms");
        ratio("shared server / (opt, lli)", shared, theirs);
    }
}

static char modules[MODULES][PATH_SIZE];
static char optimised_modules[MODULES][PATH_SIZE];

/* Writes the program so many times, each for another count of values. Returns 0, which has been said, if it cannot. */
static int vary(const char *ir)
{
    static const char count[] = "ret i64 50000\n";
    static char text[1 << 16];
    FILE *file = fopen(ir, "r");
    size_t length = file == NULL ? 0 : fread(text, 1, sizeof text - 1, file);
    char *place = strstr(text, count);
    if (file != NULL)
        fclose(file);
    if (place == NULL) {
        printf("\n(h) many modules: skipped: %s is not the program that is varied\n", ir);
        return 0;
    }
    text[length] = '\0';
    *place = '\0';
    for (int i = 0; i < MODULES; i++) {
        char name[32];
        snprintf(name, sizeof name, "module-%d.ll", i);
        path_join(modules[i], folder, name);
        snprintf(name, sizeof name, "module-%d.bc", i);
        path_join(optimised_modules[i], folder, name);
        file = fopen(modules[i], "w");
        if (file == NULL)
            return 0;
        fprintf(file, "%sret i64 %d\n%s", text, 50000 + i, place + strlen(count));
        fclose(file);
    }
    return 1;
}

/* The time of the clients, which share the modules out. */
static double compile_all(const char *client, const char *cache, const char *mode)
{
    static const char *arguments[CLIENTS][MODULES / CLIENTS + 4];
    const char *const *commands[CLIENTS];

    for (size_t i = 0; i < CLIENTS; i++) {
        size_t count = 0;
        arguments[i][count++] = client;
        arguments[i][count++] = cache;
        for (size_t j = i; j < MODULES; j += CLIENTS)
            arguments[i][count++] = modules[j];
        arguments[i][count] = NULL;
        commands[i] = arguments[i];
    }
    remove_folder(cache);
    use_servers(mode);
    return run_parallel(commands, CLIENTS, CLIENTS);
}

/* The time of one process of LLVM's for each module. */
static double run_each(const char *(*arguments)[6])
{
    const char *const *commands[MODULES];
    for (size_t i = 0; i < MODULES; i++)
        commands[i] = arguments[i];
    return run_parallel(commands, MODULES, CLIENTS);
}

void bench_many_modules(const char *ir)
{
    enum { SHARED, PRIVATE, LLI, OPT, WAYS };
    static double times[WAYS][MANY_ROUNDS];
    static const char *lli_commands[MODULES][6];
    static const char *opt_commands[MODULES][6];
    static const char *lli_optimised_commands[MODULES][6];
    char client[PATH_SIZE];
    char lli[PATH_SIZE];
    char opt[PATH_SIZE];
    char cache[PATH_SIZE];

    if (path_beside_program(client, "compile_many") != 0 || !vary(ir))
        return;
    path_join(cache, folder, "server-cache");
    find_tool(lli, "lli");
    find_tool(opt, "opt");
    for (size_t i = 0; i < MODULES; i++) {
        memcpy(lli_commands[i], (const char *[]){lli, "-O2", modules[i], NULL}, 4 * sizeof(char *));
        memcpy(lli_optimised_commands[i], (const char *[]){lli, "-O2", optimised_modules[i], NULL}, 4 * sizeof(char *));
        memcpy(opt_commands[i], (const char *[]){opt, "-O2", "-o", optimised_modules[i], modules[i], NULL},
               6 * sizeof(char *));
    }
    for (size_t i = 0; i < MANY_ROUNDS; i++) {
        times[SHARED][i] = compile_all(client, cache, "shared");
        times[PRIVATE][i] = compile_all(client, cache, "private");
        if (lli[0] == '\0')
            continue;
        times[LLI][i] = run_each(lli_commands);
        if (opt[0] != '\0')
            times[OPT][i] = run_each(opt_commands) + run_each(lli_optimised_commands);
    }

    double shared = median(times[SHARED], MANY_ROUNDS);
    printf("\n(h) %d modules, cold, in all, %d rounds\n", MODULES, MANY_ROUNDS);
    row("8 clients of a shared server", shared, "ms");
    row("8 clients with private servers", median(times[PRIVATE], MANY_ROUNDS), "ms");
    if (lli[0] == '\0')
        return;
    double theirs = median(times[LLI], MANY_ROUNDS);
    row("lli -O2 for each, 8 at a time", theirs, "ms");
    verdict("8 clients of a shared server / lli", shared, theirs, 0.25);
    if (opt[0] != '\0') {
        theirs = median(times[OPT], MANY_ROUNDS);
        row("opt -O2 and lli -O2 for each, 8 at a time", theirs, "ms");
        ratio("8 clients of a shared server / (opt, lli)", shared, theirs);
    }
}

void bench_memory(const char *client, const char *peer, const char *name, const char *ir, const char *library,
                  double target)
{
    enum { MOST, RESIDENT, SHARE, OWN, KINDS };
    static const char *const kinds[KINDS] = {"most (VmHWM)", "at the end (Rss)",
                                             "a share of what others have too (Pss)", "its own (Anonymous)"};
    static double ours[KINDS][MEMORY_ROUNDS];
    static double theirs[KINDS][MEMORY_ROUNDS];
    char cache[PATH_SIZE];
    double numbers[MOST_NUMBERS];

    path_join(cache, folder, "memory-cache");
    /* The first one fills the cache. The others need no server, whatever it would be. */
    use_servers("private");
    run((const char *[]){client, cache, ir, "length", NULL}, NULL);
    use_servers("shared");
    for (size_t i = 0; i < MEMORY_ROUNDS; i++) {
        run((const char *[]){client, cache, ir, "length", NULL}, numbers);
        for (size_t kind = 0; kind < KINDS; kind++)
            ours[kind][i] = numbers[2 + kind] / 1024;
        run((const char *[]){peer, library, "length", NULL}, numbers);
        for (size_t kind = 0; kind < KINDS; kind++)
            theirs[kind][i] = numbers[2 + kind] / 1024;
    }
    use_servers("private");

    printf("\n(i) %s, warm: memory of a process that only hits, beside one with dlopen, %d rounds\n", name,
           MEMORY_ROUNDS);
    for (size_t kind = 0; kind < KINDS; kind++) {
        double our = median(ours[kind], MEMORY_ROUNDS);
        double their = median(theirs[kind], MEMORY_ROUNDS);
        printf("  %-46s %9.3f MB, dlopen %.3f MB\n", kinds[kind], our, their);
        if (kind == MOST && target > 0)
            verdict_more("  more than with dlopen", our, their, target, "MB");
    }
}
