#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static void say(const char *what, const char *name)
{
    char text[80];
    write(1, text, (size_t)snprintf(text, sizeof text, "%s %s\n", what, name));
}
struct Noisy {
    const char *name;
    explicit Noisy(const char *name);
    ~Noisy();
};
struct Other {
    const char *name;
    explicit Other(const char *name) : name(name) { say("+", name); }
    ~Other() { say("-", name); name = "gone"; }
};
Other other_global("other global");
static thread_local Other other_local("other thread_local");
void other_touch() { say("touch", other_local.name); }
__attribute__((constructor)) static void construct() { say("constructor", "other"); atexit([] { say("atexit", "of other's constructor"); }); }
__attribute__((destructor)) static void destruct() { say("destructor", other_global.name); }
