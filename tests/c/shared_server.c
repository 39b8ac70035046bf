// flags: -pthread
// runs: once
// servers: shared
// timeout: 300

/* The server that all of a user's processes have together: how it is found and started, and what is done without it. */
#include "hosts.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* The file in the runtime folder that ends so. */
static const char *runtime_file(const char *suffix)
{
    static char path[4096];
    char folder[2048];
    struct dirent *entry;
    DIR *open_folder;
    path[0] = '\0';
    snprintf(folder, sizeof folder, "%s/mgenjit", getenv("XDG_RUNTIME_DIR"));
    open_folder = opendir(folder);
    CHECK(open_folder != NULL);
    while ((entry = readdir(open_folder)) != NULL)
        if (strstr(entry->d_name, suffix) != NULL)
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    closedir(open_folder);
    CHECK(path[0] != '\0');
    return path;
}

static pid_t shared_server(void)
{
    const pid_t server = find_shared_server();
    CHECK(server != 0);
    return server;
}

static void compile_and_free(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    compile_fresh(executor);
    mgenjit_executor_free(executor);
}

/* Compiles with a server of its own, and says why. */
static void compile_in_private(const char *why)
{
    check_events events;
    mgenjit_executor *executor = new_watched_executor(&events);
    compile_fresh(executor);
    CHECK_INT(1, events.count[MGENJIT_EVENT_SERVER_WARNING]);
    if (strstr(events.server_warning, why) == NULL)
        check_failed(__FILE__, __LINE__, "no \"%s\" in \"%s\"", why, events.server_warning);
    /* Not at once again. */
    compile_fresh(executor);
    CHECK_INT(1, events.count[MGENJIT_EVENT_SERVER_WARNING]);
    mgenjit_executor_free(executor);
}

static void processes_have_one_together(void)
{
    pid_t first;
    compile_and_free();
    first = shared_server();
    for (int i = 0; i < 3; i++) {
        const pid_t child = fork();
        if (child == 0) {
            compile_and_free();
            _exit(0);
        }
        CHECK_INT(0, wait_for(child, 60));
    }
    CHECK_INT(first, shared_server());
    CHECK_UNTIL(shared_servers() == 1);
}

static void many_first_clients_start_one(void)
{
    enum { MOST = 24 };
    pid_t clients[MOST];
    const int count = is_emulated() ? 8 : MOST;
    int gate[2];
    CHECK(pipe(gate) == 0);
    for (int i = 0; i < count; i++) {
        clients[i] = fork();
        CHECK(clients[i] >= 0);
        if (clients[i] == 0) {
            char byte;
            close(gate[1]);
            if (read(gate[0], &byte, 1) != 0)
                _exit(2);
            for (int turn = 0; turn < 3; turn++)
                compile_and_free();
            _exit(0);
        }
    }
    close(gate[0]);
    close(gate[1]);
    for (int i = 0; i < count; i++)
        CHECK_INT(0, wait_for(clients[i], 120));
    CHECK_UNTIL(shared_servers() == 1);
}

static void a_killed_server_is_replaced(void)
{
    check_events events;
    mgenjit_executor *executor = new_watched_executor(&events);
    for (int i = 0; i < 3; i++) {
        pid_t server;
        compile_fresh(executor);
        server = shared_server();
        kill(server, SIGKILL);
        /* With or without a connection to the old one. */
        if (i == 1)
            wait_for_servers(0);
        compile_fresh(executor);
        CHECK(shared_server() != server);
    }
    CHECK_INT(0, events.count[MGENJIT_EVENT_SERVER_WARNING]);
    mgenjit_executor_free(executor);
}

static int runs_a_compile(void)
{
    mgenjit_server_statistics statistics = { .size = sizeof statistics };
    return mgenjit_server_status(&statistics, NULL) == MGENJIT_STATUS_OK && statistics.running > 0;
}

static void *kill_often(void *user)
{
    pid_t server = 0;
    for (int i = 0; i < 2; i++) {
        const pid_t before = server;
        CHECK_UNTIL((server = find_shared_server()) != 0 && server != before && runs_a_compile());
        kill(server, SIGKILL);
        __atomic_add_fetch((int *)user, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void a_server_that_is_killed_in_the_middle_costs_time(void)
{
    check_events events;
    mgenjit_executor *executor = new_watched_executor(&events);
    char *ir = large_ir(300);
    pthread_t killer;
    int kills = 0;
    mgenjit_module *module;
    compile_fresh(executor);
    CHECK_INT(0, pthread_create(&killer, NULL, kill_often, &kills));
    module = add(executor, ir);
    CHECK_INT(0, pthread_join(killer, NULL));
    CHECK_INT(2, kills);
    CHECK_INT(MGENJIT_ORIGIN_COMPILED, mgenjit_module_origin(module));
    CHECK_INT(0, events.count[MGENJIT_EVENT_SERVER_WARNING]);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    free(ir);
}

static void a_server_that_hangs_is_not_waited_for(void)
{
    pid_t server;
    compile_and_free();
    server = shared_server();
    kill(server, SIGSTOP);
    compile_in_private("it is stopped, or hangs");
    kill(server, SIGCONT);
    compile_and_free();
    CHECK_UNTIL(shared_servers() == 1);
}

/* A socket at the server's place. Returns what listens there. `user`: whose it is then. */
static int fake_server(uid_t user)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    compile_and_free();
    end_servers();
    snprintf(address.sun_path, sizeof address.sun_path, "%s", runtime_file(".lock"));
    strcpy(strstr(address.sun_path, ".lock"), ".socket");
    unlink(address.sun_path);
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    if (user == geteuid()) {
        CHECK(listen(fd, 16) == 0);
    } else {
        /* Who listens is whose it is. */
        const pid_t child = fork();
        if (child == 0)
            _exit(setuid(user) != 0 || listen(fd, 16) != 0);
        CHECK_INT(0, wait_for(child, 60));
    }
    return fd;
}

/* Takes connections, says this, and closes them. */
typedef struct answers {
    int fd;
    const char *bytes;
    size_t length;
} answers;

static void *answer(void *user)
{
    const answers *what = user;
    int connection;
    while ((connection = accept(what->fd, NULL, NULL)) >= 0) {
        char heard[512];
        CHECK(write(connection, what->bytes, what->length) == (ssize_t)what->length);
        CHECK(read(connection, heard, sizeof heard) >= 0);
        close(connection);
    }
    return NULL;
}

static void check_fake(const char *bytes, size_t length, const char *why)
{
    answers what = { fake_server(geteuid()), bytes, length };
    pthread_t thread;
    CHECK_INT(0, pthread_create(&thread, NULL, answer, &what));
    compile_in_private(why);
    shutdown(what.fd, SHUT_RDWR);
    CHECK_INT(0, pthread_join(thread, NULL));
    close(what.fd);
}

static void what_is_no_server_is_not_used(void)
{
    /* Another version's greeting: protocol 1, and three strings. */
    check_fake("\x0a\0\0\0\x01\x01x\x02yy\x03zzz", 14, "install the two together");
    check_fake("\xff\xff\xff\xff", 4, "does not answer as a compile server");
    check_fake("\x04\0\0\0\xff\xff\xff\xff", 8, "does not answer as a compile server");
}

static void what_listens_no_more_is_replaced(void)
{
    answers what = { fake_server(geteuid()), "", 0 };
    pthread_t thread;
    /* It closes every connection, as a server that is about to end. */
    CHECK_INT(0, pthread_create(&thread, NULL, answer, &what));
    compile_and_free();
    CHECK_UNTIL(shared_servers() == 1);
    shutdown(what.fd, SHUT_RDWR);
    CHECK_INT(0, pthread_join(thread, NULL));
    close(what.fd);
}

static void another_users_server_is_not_used(void)
{
    int fd;
    if (geteuid() != 0) {
        SKIP("it takes root to be another user");
        return;
    }
    fd = fake_server(65534);
    compile_in_private("is user 65534's");
    close(fd);
}

/* Uses a shared server that others find, or none, where the folders are these. */
static void folders(void)
{
    static char others[4096], temporary[4096];
    struct stat stat_of;
    char *runtime = strdup(getenv("XDG_RUNTIME_DIR"));
    snprintf(others, sizeof others, "%s/others", runtime);
    snprintf(temporary, sizeof temporary, "%s/mgenjit-%d", runtime, (int)geteuid());
    setenv("TMPDIR", runtime, 1);

    /* A folder that others may use is not used, and neither is one that is not there, or relative, or too long. */
    CHECK(mkdir(others, 0755) == 0);
    setenv("XDG_RUNTIME_DIR", others, 1);
    compile_and_free();
    strcat(others, "/mgenjit");
    CHECK(stat(others, &stat_of) == 0 && (stat_of.st_mode & 0777) == 0700);
    end_servers();
    CHECK(chmod(others, 0755) == 0);
    CHECK(stat(temporary, &stat_of) != 0);
    compile_and_free();
    CHECK(stat(temporary, &stat_of) == 0 && (stat_of.st_mode & 0777) == 0700);
    setenv("XDG_RUNTIME_DIR", "relative", 1);
    compile_and_free();
    setenv("XDG_RUNTIME_DIR", "/nowhere/at/all", 1);
    compile_and_free();
    setenv("XDG_RUNTIME_DIR",
           "/tmp/././././././././././././././././././././././././././././././././././././././././././././././././././././.", 1);
    compile_and_free();
    CHECK_UNTIL(shared_servers() == 1);
    end_servers();

    /* No folder at all. */
    CHECK(chmod(temporary, 0770) == 0);
    compile_in_private("others may use it: its permissions are 770 and must be 700");
    CHECK(chmod(temporary, 0700) == 0);
    setenv("XDG_RUNTIME_DIR", runtime, 1);
    unsetenv("TMPDIR");
    free(runtime);
}

static void modes(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    char *ir = fresh_ir();
    mgenjit_config *config;
    setenv("MGENJIT_SERVER_MODE", "public", 1);
    CHECK_STATUS(MGENJIT_STATUS_SERVER_UNAVAILABLE, try_ir(executor, ir));
    CHECK_MESSAGE("$MGENJIT_SERVER_MODE is \"public\"");
    check_reset();
    /* What the configuration says counts. */
    config = default_config();
    CHECK_OK(mgenjit_config_set_server_mode(config, MGENJIT_SERVER_SHARED, &failure));
    mgenjit_executor_free(executor);
    executor = new_executor(config);
    compile_fresh(executor);
    CHECK_UNTIL(shared_servers() == 1);
    mgenjit_executor_free(executor);
    wait_for_servers(server_count());
    setenv("MGENJIT_SERVER_MODE", "shared", 1);
    end_servers();
    CHECK_OK(mgenjit_config_set_server_mode(config, MGENJIT_SERVER_PRIVATE, &failure));
    executor = new_executor(config);
    compile_fresh(executor);
    mgenjit_executor_free(executor);
    wait_for_servers(0);
    mgenjit_config_free(config);
    free(ir);
}

static void it_ends_when_it_is_not_used(void)
{
    mgenjit_config *config = default_config();
    mgenjit_executor *executor;
    CHECK_OK(mgenjit_config_set_server_idle_timeout(config, 300, &failure));
    executor = new_executor(config);
    compile_fresh(executor);
    CHECK_UNTIL(shared_servers() == 1);
    /* Also when a client has a connection, which then gets another one. */
    wait_for_servers(0);
    compile_fresh(executor);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
}

/* A server whose only worker has more to do than a test has time for. Returns the process that wants it. */
static pid_t keep_busy(const mgenjit_config *config)
{
    int begun[2];
    char byte;
    pid_t child;
    CHECK(pipe(begun) == 0);
    child = fork();
    if (child == 0) {
        mgenjit_executor *executor = new_executor(config);
        compile_fresh(executor);
        /* Else its end would be taken for what comes now. */
        CHECK_UNTIL(!runs_a_compile());
        CHECK(write(begun[1], "x", 1) == 1);
        mgenjit_module_free(add(executor, large_ir(20000)));
        _exit(1);
    }
    CHECK(read(begun[0], &byte, 1) == 1);
    close(begun[0]);
    close(begun[1]);
    CHECK_UNTIL(runs_a_compile());
    return child;
}

static void end(pid_t child)
{
    kill(child, SIGKILL);
    wait_for(child, 60);
}

static void who_waits_too_long_has_a_private_server(void)
{
    check_events events;
    mgenjit_config *config = new_watched_config(&events);
    mgenjit_server_statistics statistics = { .size = sizeof statistics };
    mgenjit_executor *executor;
    pid_t child;
    CHECK_OK(mgenjit_config_set_max_servers(config, 1, &failure));
    CHECK_OK(mgenjit_config_set_server_limits(config, MGENJIT_SERVER_DEFAULT, MGENJIT_SERVER_DEFAULT, 1, &failure));
    child = keep_busy(config);
    executor = new_executor(config);
    for (int i = 1; i <= 2; i++) {
        compile_fresh(executor);
        CHECK_INT(i, events.count[MGENJIT_EVENT_SERVER_WARNING]);
        CHECK(strstr(events.server_warning, "had no free worker for") != NULL);
    }
    CHECK_OK(mgenjit_server_status(&statistics, &failure));
    CHECK_INT(2, statistics.sent_away);
    CHECK_INT(1, statistics.queue_timeout_ms);
    CHECK_INT(600000, statistics.max_cpu_ms);
    CHECK(statistics.max_memory_bytes >= 1 << 30);
    end(child);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
}

static void a_time_limit_counts_the_queue(void)
{
    check_events events;
    mgenjit_config *config = new_watched_config(&events);
    mgenjit_executor *executor;
    pid_t child;
    char *ir = fresh_ir();
    CHECK_OK(mgenjit_config_set_max_servers(config, 1, &failure));
    CHECK_OK(mgenjit_config_set_server_limits(config, 0, 0, 0, &failure));
    child = keep_busy(config);
    CHECK_OK(mgenjit_config_set_compile_limits(config, 300, 0, 0, &failure));
    executor = new_executor(config);
    for (int i = 0; i < 2; i++) {
        CHECK_STATUS(MGENJIT_STATUS_TIMEOUT, try_ir(executor, ir));
        CHECK_MESSAGE("the name was not compiled within the limit of 300 ms");
        CHECK_MESSAGE("were busy all that time");
    }
    CHECK_INT(0, events.count[MGENJIT_EVENT_SERVER_WARNING]);
    end(child);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
    free(ir);
}

/* Until the server's own limit ends it, whatever its client allows. */
static void a_server_has_limits_of_its_own(void)
{
    if (is_emulated()) {
        SKIP("an emulator takes more than the least limit of processor time");
        return;
    }
    mgenjit_config *config = default_config();
    mgenjit_executor *executor;
    char *ir = large_ir(20000);
    CHECK_OK(mgenjit_config_set_server_limits(config, 100, 0, 0, &failure));
    executor = new_executor(config);
    CHECK_STATUS(MGENJIT_STATUS_TIMEOUT, try_ir(executor, ir));
    CHECK_MESSAGE("limit of 100 ms of processor time");
    compile_fresh(executor);
    end_servers();
    CHECK_OK(mgenjit_config_set_server_limits(config, 0, 64 << 20, 0, &failure));
    mgenjit_executor_free(executor);
    executor = new_executor(config);
    CHECK_STATUS(MGENJIT_STATUS_MEMORY, try_ir(executor, ir));
    CHECK_MESSAGE("limit of 67108864 bytes of memory");
    compile_fresh(executor);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
    free(ir);
}

static void what_many_want_is_compiled_once(void)
{
    enum { CLIENTS = 8 };
    char *ir = large_ir(200);
    pid_t clients[CLIENTS];
    int counts[2];
    char told[CLIENTS];
    CHECK(pipe(counts) == 0);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = fork();
        if (clients[i] == 0) {
            mgenjit_executor *executor;
            mgenjit_module *module;
            char from;
            executor = new_executor(NULL);
            module = add(executor, ir);
            from = mgenjit_module_origin(module) == MGENJIT_ORIGIN_COMPILED ? 'c' : 'h';
            CHECK(write(counts[1], &from, 1) == 1);
            mgenjit_module_free(module);
            mgenjit_executor_free(executor);
            _exit(0);
        }
    }
    for (int i = 0; i < CLIENTS; i++)
        CHECK_INT(0, wait_for(clients[i], 60));
    CHECK(read(counts[0], told, CLIENTS) == CLIENTS);
    CHECK_INT(1, memchr(told, 'c', CLIENTS) != NULL);
    for (int i = 0, compiled = 0; i < CLIENTS; i++) {
        compiled += told[i] == 'c';
        CHECK(compiled <= 1);
    }
    close(counts[0]);
    close(counts[1]);
    free(ir);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(processes_have_one_together),
        CASE(many_first_clients_start_one),
        CASE(a_killed_server_is_replaced),
        CASE(a_server_that_is_killed_in_the_middle_costs_time),
        CASE(a_server_that_hangs_is_not_waited_for),
        CASE(what_is_no_server_is_not_used),
        CASE(what_listens_no_more_is_replaced),
        CASE(another_users_server_is_not_used),
        CASE(folders),
        CASE(modes),
        CASE(it_ends_when_it_is_not_used),
        CASE(what_many_want_is_compiled_once),
        CASE(who_waits_too_long_has_a_private_server),
        CASE(a_time_limit_counts_the_queue),
        CASE(a_server_has_limits_of_its_own),
    };
    return RUN_HOSTS(cases);
}
