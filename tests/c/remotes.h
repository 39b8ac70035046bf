/* A remote store in memory, behind a storage helper that can misbehave: a process that speaks the protocol. */
#ifndef REMOTES_H
#define REMOTES_H

#include "caches.h"

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

enum conduct {
    WELL,
    /* Accepts, and says nothing. */
    MUTE,
    /* Greets, and answers nothing. */
    SILENT,
    /* A greeting of another protocol. */
    STRANGE,
    /* An error for each request. */
    REFUSING,
    /* Changes a byte of each value. */
    CORRUPTING,
    /* Says that a value is 2^60 bytes long. */
    LYING,
    /* Sends half of a value, and closes. */
    TRUNCATING,
    /* Answers each get with the value that was put last. */
    REPLAYING,
    /* Answers a get with bytes that are no answer. */
    BABBLING,
    /* Answers every second get half a second late. */
    LAGGING,
    /* Takes nothing. */
    FULL,
    /* Writes values into files of those who ask: the first one up to its middle, and closes. */
    FILLING
};

/* What the helper and the tests share. */
struct remote {
    int conduct;
    int delay_ms;
    long connections;
    long gets;
    /* Files that were written into. */
    long fills;
    long exists;
    long puts;
    /* Of the values that are there. */
    long values;
    long bytes;
    pid_t process;
    char url[128];
};

enum { MOST_VALUES = 4096 };

static struct remote *remote_;
static struct {
    unsigned char key[256];
    size_t key_length;
    char *value;
    uint64_t length;
} remote_values_[MOST_VALUES];
static pthread_mutex_t remote_lock_ = PTHREAD_MUTEX_INITIALIZER;

static inline void remote_count_(long *counter)
{
    __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
}

static inline int remote_read_(int socket, void *buffer, size_t length)
{
    while (length > 0) {
        ssize_t got = recv(socket, buffer, length, 0);
        if (got <= 0)
            return 0;
        buffer = (char *)buffer + got;
        length -= (size_t)got;
    }
    return 1;
}

static inline int remote_write_(int socket, const void *buffer, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(socket, buffer, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return 0;
        buffer = (const char *)buffer + sent;
        length -= (size_t)sent;
    }
    return 1;
}

/* The index of a key; `remote_->values` if it is not there. */
static inline long remote_find_(const unsigned char *key, size_t length)
{
    long at = 0;
    while (at < remote_->values
           && (remote_values_[at].key_length != length || memcmp(remote_values_[at].key, key, length) != 0))
        at++;
    return at;
}

static inline int remote_get_(int socket, long at)
{
    int conduct = remote_->conduct;
    if (conduct == REPLAYING && remote_->values > 0)
        at = remote_->values - 1;
    if (at == remote_->values)
        return remote_write_(socket, "\1", 1);
    uint64_t length = remote_values_[at].length;
    uint64_t said = conduct == LYING ? (uint64_t)1 << 60 : length;
    char *value = malloc(length);
    memcpy(value, remote_values_[at].value, length);
    if (conduct == CORRUPTING)
        value[length / 2] ^= 1;
    int goes_on = remote_write_(socket, "\0", 1) && remote_write_(socket, &said, sizeof said)
                  && remote_write_(socket, value, conduct == TRUNCATING ? length / 2 : length);
    free(value);
    return goes_on && conduct != TRUNCATING;
}

/* Writes a value into a file of whoever asks. */
static inline int remote_fill_(int socket, long at)
{
    char offer[9] = {3}, byte;
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    uint64_t length = remote_values_[at].length;
    int file;
    memcpy(offer + 1, &length, sizeof length);
    if (!remote_write_(socket, offer, sizeof offer) || recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1
        || CMSG_FIRSTHDR(&message) == NULL)
        return 0;
    memcpy(&file, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof file);
    uint64_t part_length = remote_->fills == 0 ? length / 2 : length;
    remote_count_(&remote_->fills);
    int is_whole = write(file, remote_values_[at].value, part_length) == (ssize_t)length;
    close(file);
    return is_whole && remote_write_(socket, "\4", 1);
}

static inline int remote_put_(int socket, const unsigned char *key, size_t key_length)
{
    unsigned char flags;
    uint64_t length;
    if (!remote_read_(socket, &flags, 1) || !remote_read_(socket, &length, sizeof length))
        return 0;
    char *value = malloc(length + 1);
    if (!remote_read_(socket, value, length))
        return 0;
    if (remote_->conduct == FULL)
        return remote_write_(socket, "\2\4full", 6);
    pthread_mutex_lock(&remote_lock_);
    long at = remote_find_(key, key_length);
    memcpy(remote_values_[at].key, key, key_length);
    remote_values_[at].key_length = key_length;
    remote_values_[at].value = value;
    remote_values_[at].length = length;
    if (at == remote_->values)
        remote_count_(&remote_->values);
    __atomic_add_fetch(&remote_->bytes, (long)length, __ATOMIC_SEQ_CST);
    remote_count_(&remote_->puts);
    pthread_mutex_unlock(&remote_lock_);
    return remote_write_(socket, "\0", 1);
}

/* Does one request. Returns whether the connection goes on. */
static inline int remote_serve_(int socket)
{
    unsigned char kind, key_length, key[256];
    if (!remote_read_(socket, &kind, 1))
        return 0;
    if (kind == 4)
        return remote_write_(socket, "\4fake\0", 6);
    if (!remote_read_(socket, &key_length, 1) || !remote_read_(socket, key, key_length))
        return 0;
    if (kind == 0)
        remote_count_(&remote_->gets);
    if (kind == 5)
        remote_count_(&remote_->exists);
    if (remote_->conduct == SILENT)
        pause();
    int lags = remote_->conduct == LAGGING && kind == 0 && remote_->gets % 2 == 0;
    usleep((useconds_t)(remote_->delay_ms + (lags ? 500 : 0)) * 1000);
    if (kind == 1)
        return remote_put_(socket, key, key_length);
    if (remote_->conduct == REFUSING)
        return remote_write_(socket, "\2\13no: pw\n\33[1m", 13);
    if (remote_->conduct == BABBLING)
        return remote_write_(socket, "\7babble", 7);
    pthread_mutex_lock(&remote_lock_);
    long at = remote_find_(key, key_length);
    pthread_mutex_unlock(&remote_lock_);
    if (kind == 129 && at < remote_->values)
        return remote_fill_(socket, at);
    if (kind == 0 || kind == 129)
        return remote_get_(socket, at);
    char there[2] = {0, at < remote_->values};
    return remote_write_(socket, there, 2);
}

static inline void *remote_talk_(void *argument)
{
    int socket = (int)(intptr_t)argument;
    if (remote_->conduct == MUTE)
        pause();
    if (remote_->conduct == STRANGE)
        remote_write_(socket, "HTTP/1.1 400", 12);
    else if (remote_->conduct == FILLING)
        remote_write_(socket, "\1\4\0\1\2\201", 6);
    else
        remote_write_(socket, "\1\3\0\1\2", 5);
    while (remote_serve_(socket))
        ;
    close(socket);
    return NULL;
}

/* Starts a helper for an empty store. It ends with this process. */
static inline struct remote *start_remote(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct remote *remote
        = mmap(NULL, sizeof *remote, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char *path = in_folder(name);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(remote != MAP_FAILED);
    snprintf(remote->url, sizeof remote->url, "crsh:%s", path);
    CHECK(strlen(path) < sizeof address.sun_path);
    strcpy(address.sun_path, path);
    unlink(path);
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 64) == 0);
    fflush(NULL);
    pid_t parent = getpid();
    pid_t process = fork();
    if (process == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(0);
        remote_ = remote;
        for (;;) {
            pthread_t thread;
            int client = accept(listener, NULL, NULL);
            remote_count_(&remote->connections);
            if (client >= 0 && pthread_create(&thread, NULL, remote_talk_, (void *)(intptr_t)client) == 0)
                pthread_detach(thread);
        }
    }
    close(listener);
    CHECK(process > 0);
    remote->process = process;
    return remote;
}

#endif
