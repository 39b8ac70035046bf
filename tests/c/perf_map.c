// runs: once

/* What the profiler perf is told of code that is mapped from no file. */
#include "check.h"

#include <dirent.h>
#include <elf.h>

static const char TWICE[] = "define i64 @twice(i64 %x) {\n  %y = mul i64 %x, 2\n  ret i64 %y\n}\n"
                            "define internal i64 @hidden(i64 %x) noinline {\n  %y = mul i64 %x, 7\n  ret i64 %y\n}\n"
                            "define i64 @with_hidden(i64 %x) {\n  %y = call i64 @hidden(i64 %x)\n  ret i64 %y\n}\n";
static const char THRICE[] = "define i64 @thrice(i64 %x) {\n  %y = mul i64 %x, 3\n  ret i64 %y\n}\n";

#ifdef __aarch64__
#define MACHINE_NUMBER EM_AARCH64
#else
#define MACHINE_NUMBER EM_X86_64
#endif

static check_events events;

static mgenjit_executor *new_profiled(int kind, int cache)
{
    mgenjit_config *config = new_watched_config(&events);
    mgenjit_executor *executor;
    CHECK_OK(mgenjit_config_set_opt_level(config, MGENJIT_OPT_O0, &failure));
    CHECK_OK(mgenjit_config_set_debug_ir(config, kind == MGENJIT_PERF_JITDUMP, &failure));
    if (kind >= 0)
        CHECK_OK(mgenjit_config_set_perf(config, kind, &failure));
    CHECK_OK(mgenjit_config_set_cache_mode(config, cache, &failure));
    executor = new_executor(config);
    mgenjit_config_free(config);
    return executor;
}

static char *map_path(void)
{
    char *path = NULL;
    CHECK(asprintf(&path, "/tmp/perf-%d.map", (int)getpid()) > 0);
    return path;
}

/* A whole file, with a NUL behind it; NULL if there is none. */
static char *contents(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, 1 << 16);
    if (file == NULL)
        return NULL;
    *length = fread(text, 1, (1 << 16) - 1, file);
    fclose(file);
    return text;
}

static char *map_text(void)
{
    size_t length;
    return contents(map_path(), &length);
}

/* Checks that the map has a function where it is. */
static void check_function(mgenjit_executor *executor, const char *name)
{
    char *line = NULL;
    char *text = map_text();
    unsigned long address = (unsigned long)find(executor, name);
    char *end;
    CHECK(text != NULL && asprintf(&line, "%lx ", address) > 0);
    line = strstr(text, line);
    CHECK(line != NULL && (line == text || line[-1] == '\n'));
    CHECK(strtoul(strchr(line, ' '), &end, 16) > 0);
    CHECK(*end == ' ' && strncmp(end + 1, name, strlen(name)) == 0 && end[1 + strlen(name)] == '\n');
}

static void a_map_has_all_functions(void)
{
    mgenjit_executor *executor = new_profiled(MGENJIT_PERF_MAP, MGENJIT_CACHE_OFF);
    mgenjit_module_free(add(executor, TWICE));
    check_function(executor, "twice");
    CHECK_CONTAINS(" hidden\n", map_text());
    mgenjit_module_free(add(executor, THRICE));
    check_function(executor, "twice");
    check_function(executor, "thrice");
    mgenjit_executor_free(executor);
    unlink(map_path());
}

static void code_from_the_cache_needs_none(void)
{
    for (int i = 0; i < 2; i++) {
        mgenjit_executor *executor = new_profiled(MGENJIT_PERF_MAP, MGENJIT_CACHE_READ_WRITE);
        mgenjit_module_free(add(executor, TWICE));
        find(executor, "twice");
        CHECK(map_text() == NULL);
        mgenjit_executor_free(executor);
    }
    /* Unless that is asked for: cached now, and stored just now. */
    mgenjit_executor *executor = new_profiled(MGENJIT_PERF_MAP | MGENJIT_PERF_ALL, MGENJIT_CACHE_READ_WRITE);
    mgenjit_module_free(add(executor, TWICE));
    mgenjit_module_free(add(executor, THRICE));
    CHECK_INT(1, events.count[MGENJIT_EVENT_HIT]);
    check_function(executor, "twice");
    check_function(executor, "thrice");
    mgenjit_executor_free(executor);
    unlink(map_path());
}

static void the_environment_decides_if_nothing_else_does(void)
{
    static const struct {
        const char *value;
        int kind, is_there;
    } cases[] = {{"map", -1, 1}, {"map", MGENJIT_PERF_OFF, 0}, {"", -1, 0}, {"maps", -1, 0}, {"map,all", -1, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        setenv("MGENJIT_PERF", cases[i].value, 1);
        mgenjit_executor *executor = new_profiled(cases[i].kind, MGENJIT_CACHE_OFF);
        mgenjit_module_free(add(executor, TWICE));
        char *text = map_text();
        CHECK((text != NULL && strstr(text, " twice\n") != NULL) == cases[i].is_there);
        mgenjit_executor_free(executor);
        if (text != NULL)
            CHECK_INT(0, truncate(map_path(), 0));
    }
    unlink(map_path());
}

static void others_of_the_process_keep_their_lines(void)
{
    FILE *file = fopen(map_path(), "w");
    fputs("1000 10 theirs\n", file);
    fclose(file);
    mgenjit_executor *executor = new_profiled(MGENJIT_PERF_MAP, MGENJIT_CACHE_OFF);
    mgenjit_module_free(add(executor, TWICE));
    check_function(executor, "twice");
    CHECK_CONTAINS("1000 10 theirs\n", map_text());
    mgenjit_executor_free(executor);
    unlink(map_path());
}

static void an_older_process_does_not(void)
{
    struct timespec old[2] = {{1000000, 0}, {1000000, 0}};
    FILE *file = fopen(map_path(), "w");
    fputs("1000 10 theirs\n", file);
    fclose(file);
    CHECK_INT(0, utimensat(AT_FDCWD, map_path(), old, 0));
    mgenjit_executor *executor = new_profiled(MGENJIT_PERF_MAP, MGENJIT_CACHE_OFF);
    mgenjit_module_free(add(executor, TWICE));
    check_function(executor, "twice");
    CHECK(strstr(map_text(), "theirs") == NULL);
    mgenjit_executor_free(executor);
    unlink(map_path());
}

static void links_of_others_are_not_followed(void)
{
    char *target = in_folder("target");
    for (int hard = 0; hard < 2; hard++) {
        FILE *file = fopen(target, "w");
        fclose(file);
        /* A hard link needs the same file system. */
        if (hard ? link(target, map_path()) : symlink(target, map_path()))
            continue;
        mgenjit_executor *executor = new_profiled(MGENJIT_PERF_MAP, MGENJIT_CACHE_OFF);
        mgenjit_module_free(add(executor, TWICE));
        CHECK_INT(1, events.count[MGENJIT_EVENT_WARNING]);
        CHECK_INT(10, ((long (*)(long))find(executor, "twice"))(5));
        mgenjit_executor_free(executor);
        struct stat status;
        CHECK(stat(target, &status) == 0 && status.st_size == 0);
        unlink(map_path());
    }
}

static void a_child_has_a_map_of_its_own(void)
{
    mgenjit_executor *executor = new_profiled(MGENJIT_PERF_MAP, MGENJIT_CACHE_OFF);
    mgenjit_module_free(add(executor, TWICE));
    find(executor, "twice");
    char *before = map_text();
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        mgenjit_module_free(add(executor, THRICE));
        /* What it has from its parent, too. */
        check_function(executor, "twice");
        check_function(executor, "thrice");
        unlink(map_path());
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_INT(0, status);
    CHECK_STRING(before, map_text());
    mgenjit_executor_free(executor);
    unlink(map_path());
}

static uint64_t number(const char *bytes, size_t length)
{
    uint64_t number = 0;
    memcpy(&number, bytes, length);
    return number;
}

/* The jitdump of this process, which is in a new folder. */
static char *jitdump(size_t *length)
{
    char *parent = join(in_folder("jit"), ".debug/jit");
    DIR *folder = opendir(parent);
    struct dirent *entry;
    char *name = NULL;
    CHECK(folder != NULL && asprintf(&name, "jit-%d.dump", (int)getpid()) > 0);
    while ((entry = readdir(folder)) != NULL) {
        char *found = contents(join(join(parent, entry->d_name), name), length);
        if (entry->d_name[0] != '.' && found != NULL)
            return found;
    }
    return NULL;
}

static void a_jitdump_has_the_code(void)
{
    size_t length = 0, functions = 0;
    setenv("JITDUMPDIR", in_folder("jit"), 1);
    mgenjit_executor *executor = new_profiled(MGENJIT_PERF_JITDUMP, MGENJIT_CACHE_OFF);
    mgenjit_module_free(add(executor, TWICE));
    mgenjit_module_free(add(executor, THRICE));
    find(executor, "thrice");
    char *bytes = jitdump(&length);
    CHECK(bytes != NULL && length > 40);
    CHECK_INT(0x4a695444, (long long)number(bytes, 4));
    CHECK_INT(1, (long long)number(bytes + 4, 4));
    CHECK_INT(40, (long long)number(bytes + 8, 4));
    CHECK_INT(MACHINE_NUMBER, (long long)number(bytes + 12, 4));
    CHECK_INT(getpid(), (long long)number(bytes + 20, 4));
    uint64_t last = number(bytes + 24, 8);
    char *end = bytes + length, *lines = NULL;
    for (char *record = bytes + 40; record < end; record += number(record + 4, 4)) {
        CHECK(number(record + 8, 8) >= last);
        last = number(record + 8, 8);
        if (number(record, 4) == 2) {
            lines = record;
            continue;
        }
        CHECK_INT(0, (long long)number(record, 4));
        CHECK_INT(getpid(), (long long)number(record + 16, 4));
        CHECK_INT((long long)functions, (long long)number(record + 48, 8));
        const char *name = record + 56;
        const char *code = name + strlen(name) + 1;
        uint64_t size = number(record + 40, 8);
        CHECK_INT((long long)number(record + 4, 4), code + size - record);
        CHECK(memcmp(code, (const void *)number(record + 32, 8), size) == 0);
        /* Just before it, its lines: of its beginning, of the operation, and of the return. */
        CHECK(lines != NULL && lines + number(lines + 4, 4) == record);
        CHECK(number(lines + 16, 8) == number(record + 32, 8));
        CHECK(number(lines + 24, 8) >= 3);
        CHECK(number(lines + 32, 8) == number(record + 32, 8));
        CHECK(number(lines + 40, 4) >= 1 && strstr(lines + 48, ".ll") != NULL);
        if (strcmp(name, "thrice") == 0)
            CHECK_INT((long long)(uintptr_t)find(executor, "thrice"), (long long)number(record + 32, 8));
        functions++;
    }
    CHECK_INT(4, (long long)functions);
    mgenjit_executor_free(executor);
}

static void other_kinds_are_refused(void)
{
    mgenjit_config *config = default_config();
    static const int kinds[] = {3, 7, 8, -1};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_set_perf(config, kinds[i], &failure));
    mgenjit_config_free(config);
}

int main(void)
{
    static const check_case cases[] = {
        CASE(a_map_has_all_functions),
        CASE(code_from_the_cache_needs_none),
        CASE(the_environment_decides_if_nothing_else_does),
        CASE(others_of_the_process_keep_their_lines),
        CASE(an_older_process_does_not),
        CASE(links_of_others_are_not_followed),
        CASE(a_child_has_a_map_of_its_own),
        CASE(a_jitdump_has_the_code),
        CASE(other_kinds_are_refused),
    };
    return RUN_CASES(cases);
}
