/* Prints what of the process's state a program can find changed when it starts. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

static int seen_argc;
static char **seen_argv, **seen_envp;
__attribute__((constructor)) static void construct(int argc, char **argv, char **envp)
{
    seen_argc = argc;
    seen_argv = argv;
    seen_envp = envp;
}

static int count(const char *path)
{
    DIR *folder = opendir(path);
    int entries = 0;
    while (readdir(folder) != NULL)
        entries++;
    closedir(folder);
    return entries;
}

int main(int argc, char **argv, char **envp)
{
    int error = errno, exceptions = fetestexcept(FE_ALL_EXCEPT), rounding = fegetround();
    printf("errno %d, exceptions %d, rounding %d\n", error, exceptions, rounding);
    printf("constructor: %d %d %d %s\n", seen_argc == argc, seen_argv == argv, seen_envp == envp, seen_argv[argc - 1]);
    printf("getopt %d %d %d, ", optind, opterr, optopt);
    printf("name %s %s\n", program_invocation_name, program_invocation_short_name);
    printf("orientation %d %d %d\n", fwide(stdin, 0), fwide(stdout, 0), fwide(stderr, 0));
    printf("buffers %zu %zu %d\n", __fbufsize(stdin), __fbufsize(stderr), __flbf(stdout));
    printf("stdin at %ld\n", (long)lseek(0, 0, SEEK_CUR));
    printf("locale %s, zone %s\n", setlocale(LC_ALL, NULL), tzname[0]);
    printf("rand %d, ", rand());
    printf("random %ld, drand %f\n", random(), drand48());
    mode_t mask = umask(0);
    struct rlimit limit;
    printf("umask %o, ", (unsigned)mask);
    for (int i = 0; i < 16; i++) {
        getrlimit(i, &limit);
        printf("%lx:%lx ", (long)limit.rlim_cur, (long)limit.rlim_max);
    }
    printf("\nsignals");
    sigset_t set;
    sigprocmask(SIG_BLOCK, NULL, &set);
    for (int i = 1; i < 65; i++) {
        struct sigaction action;
        if (sigaction(i, NULL, &action) == 0 && (action.sa_handler != SIG_DFL || sigismember(&set, i)))
            printf(" %d", i);
    }
    stack_t stack;
    sigaltstack(NULL, &stack);
    struct itimerval timer;
    getitimer(ITIMER_REAL, &timer);
    int subreaper = 0, death = 0;
    prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
    prctl(PR_GET_PDEATHSIG, &death);
    printf("\nstack %d, timer %ld, subreaper %d, death %d, dumpable %d, nnp %d\n", stack.ss_flags, timer.it_value.tv_sec,
           subreaper, death, prctl(PR_GET_DUMPABLE), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    int waited = waitpid(-1, NULL, WNOHANG);
    printf("children %d %d, threads %d\n", waited, errno, count("/proc/self/task"));
    unsigned long hash = 5381;
    for (char **one = environ; *one != NULL; one++)
        for (char *c = *one; *c != '\0' && strncmp(*one, "_=", 2) != 0; c++)
            hash = hash * 33 + (unsigned char)*c;
    printf("environment %lx %d\n", hash, environ == envp);
    return 0;
}
