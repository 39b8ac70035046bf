/* A program of several processes. argv[1] says what it does. It exits with 0 if all is as it should be. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void wait_for_ever(void)
{
    for (;;)
        pause();
}

/* How many processes can be started beside this one; those wait. */
static int started(void)
{
    int count = 0;
    for (;;) {
        pid_t child = fork();
        if (child == 0)
            wait_for_ever();
        if (child < 0)
            return errno == EAGAIN ? count : 100 + errno;
        count++;
    }
}

static int status_of(pid_t child)
{
    int status = -1;
    return waitpid(child, &status, 0) == child ? status : -1;
}

static int is_refused(long result)
{
    return result == -1 && errno == EPERM;
}

/* Leaves an orphan that waits, in a session of its own, or one that ends. */
static int orphan(int waits)
{
    pid_t child = fork();
    if (child == 0) {
        setsid();
        if (fork() == 0) {
            signal(SIGTERM, SIG_IGN);
            if (waits)
                wait_for_ever();
        }
        _exit(0);
    }
    return child < 0 ? 20 : status_of(child);
}

static void *rest(void *unused)
{
    wait_for_ever();
    return unused;
}

int main(int argc, char **argv)
{
    const char *deed = argc > 1 ? argv[1] : "";
    pid_t child;
    int status;
    if (strcmp(deed, "status") == 0) {
        if ((child = fork()) == 0)
            exit(41);
        status = status_of(child);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 41)
            return 1;
        if ((child = vfork()) == 0)
            _exit(42);
        status = status_of(child);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 42)
            return 2;
        if ((child = fork()) == 0)
            wait_for_ever();
        if (kill(child, SIGTERM) != 0)
            return 3;
        status = status_of(child);
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM ? 0 : 4;
    }
    if (strcmp(deed, "count") == 0)
        return started();
    if (strcmp(deed, "threads") == 0) {
        pthread_t thread;
        int count = 0;
        while (pthread_create(&thread, NULL, rest, NULL) == 0)
            count++;
        return count;
    }
    if (strcmp(deed, "again") == 0) {
        /* Whoever has ended makes room, once its end was taken. */
        int count = 0;
        for (int i = 0; i < 200; i++)
            orphan(0);
        for (int tries = 0; tries < 10000 && count < 3; tries++) {
            child = fork();
            if (child == 0)
                wait_for_ever();
            if (child > 0)
                count++;
            else
                usleep(1000);
        }
        return started() == 0 ? count : 5;
    }
    if (strcmp(deed, "bomb") == 0)
        for (;;)
            fork();
    if (strcmp(deed, "outlive") == 0)
        return orphan(1);
    if (strcmp(deed, "outlive and wait") == 0) {
        orphan(1);
        wait_for_ever();
    }
    if (strcmp(deed, "raise") == 0) {
        orphan(1);
        raise(SIGUSR1);
    }
    if (strcmp(deed, "fault") == 0) {
        orphan(1);
        *(volatile int *)16 = 1;
    }
    if (strcmp(deed, "refused") == 0) {
        char *arguments[] = { "true", NULL };
        if (!is_refused(execv("/bin/true", arguments)))
            return 1;
        if (posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ) != EPERM)
            return 2;
        if (!is_refused(syscall(SYS_clone, SIGCHLD | CLONE_NEWUSER, NULL, NULL, NULL, 0)) || !is_refused(unshare(CLONE_NEWUSER)))
            return 3;
        if (!is_refused(setresuid((uid_t)-1, (uid_t)-1, (uid_t)-1)) || !is_refused(setreuid((uid_t)geteuid(), (uid_t)-1)))
            return 4;
        /* The first process of them all goes on. */
        kill(getppid(), SIGKILL);
        kill(getppid(), SIGTERM);
        usleep(10000);
        return getppid() == 1 ? 0 : 5;
    }
    if (strcmp(deed, "memory") == 0) {
        /* Of 256 MiB, each of four has 64. */
        int kind = MAP_PRIVATE | MAP_ANONYMOUS;
        void *most = mmap(NULL, 100 << 20, PROT_READ, kind, -1, 0), *part = mmap(NULL, 30 << 20, PROT_READ, kind, -1, 0);
        return most == MAP_FAILED && part != MAP_FAILED ? 0 : 1;
    }
    if (strcmp(deed, "burn") == 0) {
        if ((child = fork()) == 0)
            for (volatile int i = 0;; i++)
                ;
        status = status_of(child);
        return WIFSIGNALED(status) ? 0 : 1;
    }
    return 9;
}
