// Says in which order what a program leaves behind is ended. ./order WAY
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void say(const char *what, const char *name)
{
    char text[80];
    write(1, text, (size_t)snprintf(text, sizeof text, "%s %s\n", what, name));
}
struct Noisy {
    const char *name;
    explicit Noisy(const char *name) : name(name) { say("+", name); }
    ~Noisy() { say("-", name); name = "gone"; }
};
extern Noisy other_global;
void other_touch();
static Noisy global("global");
struct User {
    ~User() { say("- user of", global.name); say("- user of", other_global.name); }
};
static thread_local Noisy first("thread_local first");
static thread_local Noisy second("thread_local second");
static thread_local User user;
struct Late {
    ~Late() { static thread_local Noisy late("thread_local late"); say("- late", late.name); }
};
static thread_local Late late;
static void touch() { say("touch", first.name); say("touch", second.name); (void)&user; (void)&late; other_touch(); }
static Noisy &local() { static Noisy one("local static"); return one; }
static void handler() { say("atexit", "handler"); atexit([] { say("atexit", "of a handler"); }); }
static void quick() { say("at_quick_exit", "handler"); }
__attribute__((constructor)) static void construct() { say("constructor", "main"); atexit([] { say("atexit", "of the constructor"); }); }
__attribute__((destructor)) static void destruct() { say("destructor", global.name); }
extern "C" void *in_thread(void *way)
{
    touch();
    if (way != nullptr && strcmp((const char *)way, "thread_exits") == 0)
        exit(3);
    if (way != nullptr && strcmp((const char *)way, "thread_ends") == 0)
        pthread_exit(nullptr);
    return nullptr;
}
int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "return";
    pthread_t thread;
    atexit(handler);
    at_quick_exit(quick);
    touch();
    local();
    atexit([] { say("atexit", "second"); });
    if (pthread_create(&thread, nullptr, in_thread, (void *)way) != 0)
        return 1;
    pthread_join(thread, nullptr);
    say("joined", way);
    if (strcmp(way, "exit") == 0)
        exit(4);
    if (strcmp(way, "quick_exit") == 0)
        quick_exit(5);
    if (strcmp(way, "_exit") == 0)
        _exit(6);
    if (strcmp(way, "pthread_exit") == 0)
        pthread_exit(nullptr);
    if (strcmp(way, "thrown") == 0)
        try { throw Noisy("exception"); } catch (Noisy &noisy) { say("caught", noisy.name); }
    if (strcmp(way, "detached") == 0) {
        pthread_create(&thread, nullptr, [](void *) -> void * { volatile int n = 0; for (;;) n = n + 1; }, nullptr);
        pthread_detach(thread);
    }
    return 2;
}
