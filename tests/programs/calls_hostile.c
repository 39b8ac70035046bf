/* What a function in a process of its own may do to whoever calls it. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int64_t count;

int64_t next(void)
{
    return ++count;
}

int64_t process(void)
{
    return getpid();
}

/* The memory over which the process is called: its name tells it, and it is the first of two. */
static volatile uint32_t *control(uintptr_t *size, uintptr_t shared)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    uintptr_t first = 0, end = 0;
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
        if (strstr(line, "mgenjit-isolate") != NULL && sscanf(line, "%lx-%lx", &first, &end) == 2
            && (shared < first || shared >= end)) {
            *size = end - first;
            return (volatile uint32_t *)first;
        }
    return NULL;
}

/* How many mappings this process shares with others: of its host, of its monitor, and its own. */
int32_t shared_mappings(void)
{
    char line[512], access[8];
    int count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    if (maps == NULL)
        return -1;
    while (fgets(line, sizeof line, maps) != NULL)
        count += sscanf(line, "%*s %7s", access) == 1 && access[3] == 's';
    fclose(maps);
    return count;
}

/* Says that the process has ended, and stays. */
int32_t pretend(const void *shared)
{
    uintptr_t size = 0;
    volatile uint32_t *page = control(&size, (uintptr_t)shared);
    if (page == NULL)
        return -1;
    page[0] |= 0x80000000;
    syscall(SYS_futex, page, 1, 1 << 30, NULL, NULL, 0);
    for (;;)
        pause();
}

/* Writes nonsense there, and stays. `shared` is in the memory that it is not. Returns if it is not found. */
int32_t scribble(int32_t how, const void *shared)
{
    uintptr_t size = 0;
    uint32_t random = (uint32_t)how * 2654435761u + 1;
    volatile uint32_t *page = control(&size, (uintptr_t)shared);
    if (page == NULL)
        return -1;
    if (how < 6) {
        /* An answer, of so many bytes or of more than there are. */
        page[1] = how < 4 ? 8 : 0xffffffff;
        page[2] = how < 4 ? 8 : (uint32_t)how;
        page[3] = 0;
        page[4] = (uint32_t)how;
        page[5] = 0x01010101;
        __atomic_store_n(&page[0], 2, __ATOMIC_RELEASE);
    } else {
        for (size_t i = size / sizeof *page; i-- > 0;)
            page[i] = random = random * 1664525 + 1013904223;
    }
    /* FUTEX_WAKE: whoever waits there. */
    syscall(SYS_futex, page, 1, 1 << 30, NULL, NULL, 0);
    for (;;)
        pause();
}

static void *lie(void *page)
{
    volatile uint32_t *words = page;
    while (__atomic_load_n(&words[0], __ATOMIC_ACQUIRE) != 1)
        ;
    /* One byte: that it is done. */
    words[1] = 1;
    words[2] = 1;
    words[3] = 0;
    words[4] = 2;
    __atomic_store_n(&words[0], 2, __ATOMIC_RELEASE);
    syscall(SYS_futex, words, 1, 1 << 30, NULL, NULL, 0);
    return NULL;
}

/* Answers the next order before it is followed. */
int32_t lie_later(const void *shared)
{
    uintptr_t size = 0;
    pthread_t thread;
    return pthread_create(&thread, NULL, lie, (void *)control(&size, (uintptr_t)shared));
}

int32_t kill_itself(int32_t signal)
{
    return raise(signal);
}

static void *end_later(void *go)
{
    while (!*(volatile int32_t *)go)
        usleep(100);
    _exit(9);
}

/* Ends the process when `go` says so, after this call. */
int32_t end_between(void *go)
{
    pthread_t thread;
    return pthread_create(&thread, NULL, end_later, go);
}

int32_t close_all(void)
{
    for (int descriptor = 0; descriptor < 1000; descriptor++)
        close(descriptor);
    return 0;
}

void leave_thread(void)
{
    pthread_exit(NULL);
}

/* It cannot be ended by a signal but one, nor by the death of its parent. */
void stay(int32_t *begun)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    prctl(PR_SET_PDEATHSIG, 0);
    *begun = 1;
    for (;;)
        ;
}
