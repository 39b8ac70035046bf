/* What a program in a process of its own may try. argv[1] says what. It exits with 0 if it could do it, and with 1 if it was refused. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static int is(int argc, char **argv, const char *name)
{
    return argc > 1 && strcmp(argv[1], name) == 0;
}

__attribute__((noinline)) int write_to(volatile int *where)
{
    *where = 42;
    return 0;
}

__attribute__((noinline)) int overflow(int n)
{
    volatile char room[4096];
    room[n & 4095] = (char)n;
    return n == -1 ? 0 : overflow(n + 1) + room[0];
}

static void block_all(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    for (int signal = 1; signal < 65; signal++)
        sigaction(signal, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    prctl(PR_SET_PDEATHSIG, 0);
}

static int refused(long result)
{
    return result < 0;
}

static void *sleep_for_ever(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static void *answer(void *unused)
{
    return unused;
}

static void at_exit(void)
{
    puts("at exit");
}

int constructed;
void *volatile kept;

__attribute__((constructor)) static void construct(void)
{
    constructed = 1;
}

int main(int argc, char **argv)
{
    if (is(argc, argv, "hello")) {
        char line[64] = "";
        atexit(at_exit);
        if (fgets(line, sizeof line, stdin) == NULL)
            strcpy(line, "nothing");
        line[strcspn(line, "\n")] = '\0';
        printf("hello %s %s %d\n", line, argc > 2 ? argv[2] : "", constructed);
        fprintf(stderr, "%s\n", getenv("WHO") ? getenv("WHO") : "nobody");
        return 7;
    }
    if (is(argc, argv, "null"))
        return write_to(NULL);
    if (is(argc, argv, "wild"))
        return write_to((int *)0x123456789000);
    if (is(argc, argv, "overflow"))
        return overflow(0);
    if (is(argc, argv, "abort"))
        abort();
    if (is(argc, argv, "raise"))
        return raise(SIGTERM);
    if (is(argc, argv, "exit"))
        exit(3);
    if (is(argc, argv, "_exit"))
        _exit(4);
    if (is(argc, argv, "kill"))
        return refused(kill(getppid(), SIGKILL)) && refused(kill(-1, SIGKILL)) && refused(kill(0, SIGKILL))
               && refused(syscall(SYS_tkill, getppid(), SIGKILL));
    if (is(argc, argv, "ptrace"))
        return refused(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL)) && refused(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
    if (is(argc, argv, "fork")) {
        for (;;) {
            pid_t child = fork();
            if (child < 0)
                break;
        }
        return refused(vfork()) && refused(syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0))
               && refused(syscall(SYS_clone3, NULL, 0)) && refused(setsid());
    }
    if (is(argc, argv, "exec"))
        return refused(execl("/bin/true", "true", NULL));
    if (is(argc, argv, "memory")) {
        /* 100 GB, all of it touched. */
        for (int i = 0; i < 100 * 1024; i++)
            memset(kept = malloc(1 << 20), 1, 1 << 20);
        return 0;
    }
    if (is(argc, argv, "mappings")) {
        int refusals = 0;
        for (int i = 0; i < 100; i++)
            refusals += mmap(NULL, 1 << 30, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
        return refusals > 90 && refused(memfd_create("m", 0)) && refused(syscall(SYS_shmget, 0, 1 << 30, 0600));
    }
    if (is(argc, argv, "output")) {
        static char page[1 << 16];
        memset(page, 'x', sizeof page);
        for (long i = 0; i < (100L << 30) / (1 << 16); i++)
            if (write(1, page, sizeof page) < 0)
                return 1;
        return 0;
    }
    if (is(argc, argv, "loop")) {
        block_all();
        for (volatile long i = 0;; i++)
            ;
    }
    if (is(argc, argv, "sleep")) {
        block_all();
        for (;;)
            pause();
    }
    if (is(argc, argv, "threads")) {
        pthread_t thread;
        void *result = NULL;
        for (int i = 0; i < 50; i++) {
            if (pthread_create(&thread, NULL, answer, (void *)7) != 0 || pthread_join(thread, &result) != 0)
                return 1;
        }
        for (int i = 0; i < 3; i++)
            pthread_create(&thread, NULL, sleep_for_ever, NULL);
        return (intptr_t)result == 7 ? 0 : 1;
    }
    if (is(argc, argv, "thread_exit"))
        pthread_exit(NULL);
    if (is(argc, argv, "passwd"))
        return refused(open("/etc/passwd", O_RDONLY)) && fopen("/etc/passwd", "r") == NULL
               && refused(open("/proc/self/mem", O_RDWR)) && refused(open("/proc/1/environ", O_RDONLY));
    if (is(argc, argv, "read"))
        return refused(open(argv[2], O_RDONLY));
    if (is(argc, argv, "write")) {
        int file = open(argv[2], O_RDWR | O_CREAT, 0600);
        return refused(file) || write(file, "written", 7) != 7;
    }
    if (is(argc, argv, "long")) {
        static char page[1 << 16];
        int file = open(argv[2], O_RDWR | O_CREAT, 0600);
        for (int i = 0; i < 1 << 20; i++)
            if (write(file, page, sizeof page) < 0)
                return 1;
        return 0;
    }
    if (is(argc, argv, "sockets")) {
        int pair[2];
        return refused(socket(AF_INET, SOCK_STREAM, 0)) && refused(socket(AF_UNIX, SOCK_STREAM, 0))
               && refused(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair)) && refused(socket(AF_NETLINK, SOCK_RAW, 0));
    }
    if (is(argc, argv, "socket"))
        return refused(socket(AF_INET, SOCK_STREAM, 0));
    if (is(argc, argv, "io_uring"))
        return refused(syscall(425, 8, NULL)) && refused(syscall(SYS_bpf, 0, NULL, 0))
               && refused(syscall(SYS_userfaultfd, 0)) && refused(syscall(SYS_keyctl, 0, 0, 0, 0, 0))
               && refused(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0)) && refused(syscall(1000))
               && refused(unshare(CLONE_NEWUSER)) && refused(syscall(SYS_mount, "none", "/", "tmpfs", 0, NULL));
    if (is(argc, argv, "own_code")) {
        /* Its code is a file of the cache: neither memory nor a descriptor leads to it. */
        uintptr_t page = (uintptr_t)write_to & ~4095ul;
        for (int descriptor = 3; descriptor < 1024; descriptor++)
            if (fcntl(descriptor, F_GETFD) >= 0)
                return 0;
        if (mprotect((void *)page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) == 0)
            memset((void *)(page + 4000), 0x90, 8);
        return 1;
    }
    if (is(argc, argv, "close")) {
        for (int descriptor = 0; descriptor < 1024; descriptor++)
            close(descriptor);
        return 5;
    }
    if (is(argc, argv, "outlive")) {
        block_all();
        if (fork() == 0) {
            setsid();
            if (fork() == 0)
                for (;;)
                    pause();
        }
        for (;;)
            pause();
    }
    if (is(argc, argv, "limits")) {
        struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
        return refused(setrlimit(RLIMIT_AS, &limit)) && refused(setrlimit(RLIMIT_NOFILE, &limit))
               && refused(setpriority(PRIO_PROCESS, getppid(), 19)) && refused(setpriority(PRIO_USER, 0, 19))
               && refused(fcntl(1, F_SETOWN, getppid()));
    }
    if (is(argc, argv, "change")) {
        /* What is no byte of a file, by its path and by a descriptor. */
        int file = open(argv[2], O_RDONLY), watch = inotify_init();
        return refused(chmod(argv[2], 0777)) && refused(lchown(argv[2], getuid(), getgid()))
               && refused(utimensat(AT_FDCWD, argv[2], NULL, 0)) && refused(utimes(argv[2], NULL))
               && refused(setxattr(argv[2], "user.x", "x", 1, 0)) && refused(inotify_add_watch(watch, argv[2], IN_MODIFY))
               && refused(fchmod(file, 0777)) && refused(futimens(file, NULL))
               && refused(fsetxattr(file, "user.x", "x", 1, 0)) && refused(fcntl(file, F_SETLEASE, F_RDLCK));
    }
    if (is(argc, argv, "cut")) {
        int cut = truncate(argv[2], 0);
        return refused(open(argv[2], O_RDONLY | O_TRUNC)) && refused(open(argv[2], O_ACCMODE | O_TRUNC)) && refused(cut);
    }
    if (is(argc, argv, "abstract")) {
        struct sockaddr_un name = { .sun_family = AF_UNIX };
        int length = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "%s", argv[2]);
        return refused(connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&name,
                               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length)));
    }
    if (is(argc, argv, "timers")) {
        /* As many as there are. */
        struct sigevent silent = { .sigev_notify = SIGEV_NONE };
        timer_t timer;
        int count = 0;
        while (timer_create(CLOCK_MONOTONIC, &silent, &timer) == 0)
            count++;
        return count <= atoi(argv[2]);
    }
    if (is(argc, argv, "files")) {
        int count = 0;
        while (dup(0) >= 0)
            count++;
        return count;
    }
    return 9;
}
