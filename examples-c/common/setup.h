#ifndef COMMON_SETUP_H
#define COMMON_SETUP_H

#include "arguments.h"
#include "mgenjit.h"

/* The options that all programs have that compile: what they set. */
struct setup {
    mgenjit_config *config;
    int time;
    /* Limits of each compile, in milliseconds and bytes; 0: none. */
    uint64_t max_time;
    uint64_t max_memory;
    /* The remotes, with spaces between them; NULL: none. */
    char *remotes;
};

/* Their numbers, behind those of a program's own. The level is -O as well. */
enum {
    SETUP_CACHE_DIR = 512,
    SETUP_DEBUG_IR,
    SETUP_LAYER,
    SETUP_MAX_MEMORY,
    SETUP_MAX_TIME,
    SETUP_NO_CACHE,
    SETUP_PIECES,
    SETUP_PROFILE_USE,
    SETUP_REMOTE,
    SETUP_REMOTE_WAIT,
    SETUP_REPRODUCERS,
    SETUP_SERVER,
    SETUP_SERVER_IDLE,
    SETUP_SERVER_LOG,
    SETUP_SIGN,
    SETUP_TIME,
    SETUP_TRUST,
    SETUP_VERBOSE
};

/* Their rows of a program's options. */
#define SETUP_OPTIONS \
    {"O", VALUE, 'O'}, \
    {"cache-dir", VALUE, SETUP_CACHE_DIR}, \
    {"debug-ir", NO_VALUE, SETUP_DEBUG_IR}, \
    {"layer", VALUE, SETUP_LAYER}, \
    {"max-memory", VALUE, SETUP_MAX_MEMORY}, \
    {"max-time", VALUE, SETUP_MAX_TIME}, \
    {"no-cache", NO_VALUE, SETUP_NO_CACHE}, \
    {"opt", VALUE, 'O'}, \
    {"pieces", VALUE, SETUP_PIECES}, \
    {"profile-use", VALUE, SETUP_PROFILE_USE}, \
    {"remote", VALUE, SETUP_REMOTE}, \
    {"remote-wait", VALUE, SETUP_REMOTE_WAIT}, \
    {"reproducers", VALUE, SETUP_REPRODUCERS}, \
    {"server", VALUE, SETUP_SERVER}, \
    {"server-idle", VALUE, SETUP_SERVER_IDLE}, \
    {"server-log", VALUE, SETUP_SERVER_LOG}, \
    {"sign", VALUE, SETUP_SIGN}, \
    {"time", NO_VALUE, SETUP_TIME}, \
    {"trust", VALUE, SETUP_TRUST}, \
    {"verbose", NO_VALUE, SETUP_VERBOSE}

/* Their lines of a program's help. */
#define SETUP_HELP \
    "  -O0 -O1 -O2 -O3 -Os -Oz, --opt LEVEL\n" \
    "                       how far to optimise; default: 2\n" \
    "  --pieces WHICH       auto: compile large modules in pieces, at the same time; off: each as one;\n" \
    "                       N: cut small ones too, into pieces of N instructions; default: $MGENJIT_PIECES, else auto\n" \
    "  --profile-use FILE   optimise by what the program did: a file of mgenjit run --profile-generate or of LLVM's\n" \
    "  --cache-dir DIR      where compiled code is kept; default: $MGENJIT_CACHE_DIR,\n" \
    "                       else $XDG_CACHE_HOME/mgenjit, else ~/.cache/mgenjit\n" \
    "  --no-cache           neither look in the cache nor store in it\n" \
    "  --layer DIR          a read-only cache below that one, or a bundle (repeatable)\n" \
    "  --trust KEYFILE      a key; what none signed is not taken from the cache (repeatable)\n" \
    "  --sign KEYFILE       sign what is stored with this private key\n" \
    "  --remote URL         a store that machines share, asked for what is not in the cache (repeatable); what\n" \
    "                       follows a | says how: read, write, read-write, unsigned, namespace=NAME;\n" \
    "                       default: $MGENJIT_REMOTE\n" \
    "  --remote-wait SECONDS\n" \
    "                       compile no later than so long after remotes were asked; default: 0.01\n" \
    "  --debug-ir           let debuggers show the IR itself, where it has no debug information; best with -O0\n" \
    "  --max-time SECONDS, --max-memory MIB\n" \
    "                       give up a compile that takes more\n" \
    "  --reproducers DIR    keep there what shows why a compile server died, for a report\n" \
    "  --server WHOSE       private: compile servers of its own; shared: the one of all the user's programs;\n" \
    "                       default: $MGENJIT_SERVER_MODE, else private\n" \
    "  --server-idle SECONDS\n" \
    "                       a shared server that is started ends after so long without a request; default: 600\n" \
    "  --server-log FILE    where servers that are started add lines of JSON that say what they do; - for stderr\n" \
    "  --time               tell on stderr what each step took, and whether the cache had the code\n" \
    "  --verbose            tell on stderr what happens, as it happens\n"

/*
 * Takes an option, if it is one of these. Returns 1 if it is, else 0. `*exit_code` becomes what to end with if its
 * value is wrong, which has been said.
 */
int setup_take(struct setup *setup, int option, const char *value, const char *usage, int *exit_code);

/* What is said of anything else, before it. */
#define SETUP_NOT_PIECES "not auto, off or a number of instructions from 1 on: "

/* Reads auto, off or a number as what mgenjit_config_set_partition takes. Returns 0 if it is none of these. */
int setup_pieces(const char *text, int32_t *size);

/*
 * Adds a remote to `*remotes`, which setup_free_remotes frees, and to a configuration. The word itself is overwritten: it
 * may have a password in it, which `ps` would show.
 */
void setup_add_remote(mgenjit_config *config, char **remotes, const char *url, mgenjit_error **error);
void setup_free_remotes(char **remotes);

/* Reads a number of seconds as milliseconds, rounded up. Returns 0 if it is none. */
int setup_seconds(const char *text, uint64_t *milliseconds);

#endif
