// flags: -pthread
// runs: once
// servers: private shared

/* Hosts that have closed their standard streams, or may open few files. */
#include "hosts.h"

#include <linux/capability.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static int is_closed(int streams, int stream)
{
    return (streams & 1 << stream) != 0;
}

/* That no server has this file. */
static void check_servers_have_not(const char *file)
{
    pid_t ids[MOST_SERVERS];
    int count = servers(ids);
    CHECK(count >= 1);
    while (count-- > 0) {
        for (int descriptor = 0; descriptor < 64; descriptor++) {
            char path[64], target[4096];
            ssize_t length;
            snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)ids[count], descriptor);
            length = readlink(path, target, sizeof target - 1);
            if (length < 0)
                continue;
            target[length] = '\0';
            if (strcmp(target, file) == 0)
                check_failed(__FILE__, __LINE__, "a server has %s as %d", target, descriptor);
        }
    }
}

/* The streams that are closed; the others are the file. */
static void use_without(int streams, const char *file)
{
    mgenjit_executor *executor;
    const int written = open(file, O_RDWR | O_APPEND);
    int first_free, before;
    CHECK(written > 2);
    for (int stream = 0; stream < 3; stream++)
        if (is_closed(streams, stream))
            close(stream);
        else if (dup2(written, stream) < 0)
            _exit(10);
    close(written);
    first_free = open("/dev/null", O_RDWR);
    close(first_free);
    before = open_descriptors();
    executor = new_executor(NULL);
    use_everything(executor);
    compile_fresh(executor);
    check_servers_have_not(file);
    mgenjit_executor_free(executor);
    /* Threads may still be at what was cancelled. */
    CHECK_UNTIL(open_descriptors() <= before);
    /* Nothing of the library's is left in their places. */
    for (int stream = 0; stream < 3; stream++)
        if (is_closed(streams, stream) && open("/dev/null", O_RDWR) != stream)
            _exit(20 + stream);
    _exit(streams == 0 && open("/dev/null", O_RDWR) != first_free ? 30 : 0);
}

static void without_standard_streams(void)
{
    for (int streams = 0; streams < 8; streams++) {
        char name[32];
        struct stat written;
        char *file;
        pid_t host;
        snprintf(name, sizeof name, "streams-%d", streams);
        file = in_folder(name);
        CHECK(close(open(file, O_CREAT | O_EXCL | O_WRONLY, 0600)) == 0);
        host = fork();
        CHECK(host >= 0);
        if (host == 0)
            use_without(streams, file);
        CHECK_INT(0, wait_for(host, 60));
        CHECK(stat(file, &written) == 0);
        CHECK_INT(0, written.st_size);
        end_servers();
    }
}

static void allow_descriptors(rlim_t count, rlim_t most)
{
    struct rlimit limit = { count, most };
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

/* Either it works, or it says why not. */
static int works_or_says(mgenjit_status status)
{
    check_status(__FILE__, __LINE__, "a compile with few descriptors", status, status);
    if (status == MGENJIT_STATUS_OK)
        return 1;
    if (status != MGENJIT_STATUS_IO && status != MGENJIT_STATUS_SERVER_UNAVAILABLE)
        check_failed(__FILE__, __LINE__, "%s: %s", mgenjit_status_name(status), mgenjit_error_message(failure));
    CHECK_MESSAGE("open files");
    return 0;
}

static int can_hit(mgenjit_executor *executor)
{
    check_reset();
    return works_or_says(
        mgenjit_executor_compile(executor, NULL, COMMON_IR, strlen(COMMON_IR), NULL, &failure));
}

static int can_compile(mgenjit_executor *executor)
{
    char *ir = fresh_ir();
    int can;
    check_reset();
    can = works_or_says(mgenjit_executor_compile(executor, NULL, ir, strlen(ir), NULL, &failure));
    free(ir);
    return can;
}

/* What a process with so many descriptors can do, the standard streams among them: 1 for hits, 2 for compiles. It can do
 * everything once it may open more. */
static int can_do(rlim_t descriptors)
{
    enum { FINE = 64 };
    const pid_t host = fork();
    int status;
    CHECK(host >= 0);
    if (host == 0) {
        mgenjit_executor *executor = new_executor(NULL);
        struct rlimit before;
        int can;
        CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
        for (int descriptor = 3; descriptor < 1000; descriptor++)
            close(descriptor);
        allow_descriptors(descriptors, before.rlim_max);
        can = can_hit(executor) | can_compile(executor) << 1;
        allow_descriptors(before.rlim_cur, before.rlim_max);
        use_everything(executor);
        mgenjit_executor_free(executor);
        _exit(FINE | can);
    }
    status = wait_for(host, 60);
    CHECK(WIFEXITED(status) && (WEXITSTATUS(status) & FINE) != 0);
    return WEXITSTATUS(status) & ~FINE;
}

/* From some number on, all works, and below it what does not work says so. */
static void with_ever_more_descriptors(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    int hits = 0, compiles = 0;
    use_common(executor);
    mgenjit_executor_free(executor);
    for (int count = 3; count <= 20; count++) {
        const int can = can_do((rlim_t)count);
        CHECK(can >= hits + compiles);
        if (hits == 0 && can & 1)
            fprintf(stderr, "hits take %d descriptors\n", count);
        if (compiles == 0 && can & 2)
            fprintf(stderr, "compiles take %d descriptors\n", count);
        hits = can & 1;
        compiles = can & 2;
        if (count >= 16)
            CHECK_INT(3, can);
    }
}

/* A limit that cannot be raised, from before the library is used, for everything that it does. */
static void with_sixteen_for_ever(void)
{
    mgenjit_config *config = default_config();
    mgenjit_executor *executor;
    int before;
    for (int descriptor = 3; descriptor < 1000; descriptor++)
        close(descriptor);
    allow_descriptors(16, 16);
    /* Two compiles at once would take more. */
    CHECK_OK(mgenjit_config_set_max_servers(config, 1, &failure));
    executor = new_executor(config);
    mgenjit_config_free(config);
    use_in_turn(executor);
    before = open_descriptors();
    cancel_a_compile(executor);
    CHECK_UNTIL(open_descriptors() <= before);
    for (int i = 0; i < 50; i++)
        compile_fresh(executor);
    mgenjit_executor_free(executor);
    CHECK_INT(3, open_descriptors());
}

/* Who may pass limits is not held up. */
static void give_up(int capability)
{
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[2];
    CHECK(syscall(SYS_capget, &header, data) == 0);
    data[capability / 32].effective &= ~(1U << capability % 32);
    CHECK(syscall(SYS_capset, &header, data) == 0);
}

/* Has the system drop what nobody has received. */
static void *close_later(void *socket)
{
    const struct timespec a_while = { 0, 300000000 };
    nanosleep(&a_while, NULL);
    close(*(int *)socket);
    return NULL;
}

/* The user's processes have more descriptors on their way than this one may have open, so its own have to wait: unix(7). */
static void with_many_on_their_way(void)
{
    enum { COUNT = 200 };
    mgenjit_executor *executor = new_executor(NULL);
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(COUNT * sizeof(int))];
    } control;
    char byte = 0;
    struct iovec part = { &byte, 1 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
    pthread_t thread;
    int ends[2];
    memset(&control, 0, sizeof control);
    control.head.cmsg_level = SOL_SOCKET;
    control.head.cmsg_type = SCM_RIGHTS;
    control.head.cmsg_len = CMSG_LEN(COUNT * sizeof(int));
    for (int i = 0; i < COUNT; i++)
        memcpy(CMSG_DATA(&control.head) + (size_t)i * sizeof(int), &(int){ 2 }, sizeof(int));
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    CHECK(sendmsg(ends[0], &message, 0) == 1);
    give_up(CAP_SYS_RESOURCE);
    give_up(CAP_SYS_ADMIN);
    allow_descriptors(COUNT / 2, COUNT / 2);
    CHECK(sendmsg(ends[0], &message, 0) == -1 && errno == ETOOMANYREFS);
    CHECK(pthread_create(&thread, NULL, close_later, &ends[1]) == 0);
    compile_fresh(executor);
    CHECK(pthread_join(thread, NULL) == 0);
    close(ends[0]);
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(without_standard_streams), CASE(with_ever_more_descriptors), CASE(with_sixteen_for_ever),
        CASE(with_many_on_their_way),
    };
    check_seconds = 120;
    return RUN_HOSTS(cases);
}
