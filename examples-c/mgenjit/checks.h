#ifndef MGENJIT_CHECKS_H
#define MGENJIT_CHECKS_H

/* A warning costs time, or protection; a problem keeps something from working. */
enum state { STATE_OK, STATE_WARNING, STATE_PROBLEM };

/* What was found, and what to do about it, "" for nothing. */
struct finding {
    const char *name;
    enum state state;
    char found[4096];
    char advice[512];
};

/* Checks one thing after the other. `show` is called with what was found of each. Returns the worst state. */
enum state checks_run(const char *cache_dir, void (*show)(const struct finding *));

#endif
