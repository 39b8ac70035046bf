// runs: once

/* Where exports are written: whole or not at all, with the right mode. */
#include "exporting.h"

#include <sys/resource.h>

static const char IR[] = "define i32 @main() {\n  ret i32 4\n}\n";

static mgenjit_executor *executor;
static mgenjit_module *module;
static mgenjit_blob *object;

static void set_up(void)
{
    executor = new_executor(NULL);
    module = add(executor, IR);
    object = export_blob(module, MGENJIT_EXPORT_OBJECT, NULL);
}

/* A new folder in the program's. */
static char *new_folder(const char *name)
{
    char *path = in_folder(name);
    CHECK(mkdir(path, 0755) == 0);
    return path;
}

static void check_content(const char *path)
{
    size_t length;
    unsigned char *bytes = read_whole(path, &length);
    CHECK_INT(mgenjit_blob_size(object), length);
    CHECK(memcmp(bytes, mgenjit_blob_data(object), length) == 0);
    free(bytes);
}

static mode_t mode_of(const char *path)
{
    struct stat status;
    CHECK(stat(path, &status) == 0);
    return status.st_mode & 07777;
}

static void check_mode(int kind, mode_t mask, mode_t expected)
{
    char *path = in_folder("mode");
    umask(mask);
    CHECK_OK(mgenjit_module_export(module, kind, path, NULL, &failure));
    umask(022);
    CHECK_INT(expected, mode_of(path));
    CHECK(unlink(path) == 0);
    free(path);
}

static void modes(void)
{
    set_up();
    check_mode(MGENJIT_EXPORT_OBJECT, 022, 0644);
    check_mode(MGENJIT_EXPORT_ARCHIVE, 027, 0640);
    check_mode(MGENJIT_EXPORT_HEADER, 0, 0666);
    check_mode(MGENJIT_EXPORT_EXECUTABLE, 022, 0755);
    check_mode(MGENJIT_EXPORT_EXECUTABLE, 077, 0700);
    check_mode(MGENJIT_EXPORT_SHARED_LIBRARY, 022, 0755);
}

/* A reader that has it open keeps the old file: it was replaced, not changed. */
static void replaced_whole(void)
{
    char *folder = new_folder("replaced"), *path = join(folder, "file"), text[8] = "";
    int old;
    set_up();
    umask(022);
    free(write_file("replaced/file", "old", 0600));
    old = open(path, O_RDONLY);
    CHECK_OK(mgenjit_module_export(module, MGENJIT_EXPORT_OBJECT, path, NULL, &failure));
    CHECK_INT(3, read(old, text, sizeof text));
    CHECK_STRING("old", text);
    check_content(path);
    CHECK_INT(0644, mode_of(path));
    CHECK_INT(1, files_in(folder));
    close(old);
}

static void links_are_followed(void)
{
    char *folder = new_folder("links"), *path = join(folder, "link"), *file;
    struct stat status;
    set_up();
    CHECK(symlink("second", path) == 0);
    CHECK(symlink("deeper/file", join(folder, "second")) == 0);
    CHECK(mkdir(join(folder, "deeper"), 0700) == 0);
    file = join(folder, "deeper/file");
    /* What they lead to is made, and then replaced. */
    for (int i = 0; i < 2; i++) {
        CHECK_OK(mgenjit_module_export(module, MGENJIT_EXPORT_OBJECT, path, NULL, &failure));
        CHECK(lstat(path, &status) == 0 && S_ISLNK(status.st_mode));
        CHECK(lstat(file, &status) == 0 && S_ISREG(status.st_mode));
        check_content(file);
        CHECK_INT(1, files_in(join(folder, "deeper")));
    }
    CHECK(symlink("loop", join(folder, "loop")) == 0);
    CHECK_STATUS(MGENJIT_STATUS_IO, mgenjit_module_export(module, MGENJIT_EXPORT_OBJECT, join(folder, "loop"), NULL, &failure));
    CHECK_MESSAGE("links/loop");
    CHECK_INT(4, files_in(folder));
}

static void relative_paths(void)
{
    set_up();
    CHECK(chdir(new_folder("relative")) == 0);
    CHECK_OK(mgenjit_module_export(module, MGENJIT_EXPORT_OBJECT, "here.o", NULL, &failure));
    check_content("here.o");
    CHECK_OK(mgenjit_module_export(module, MGENJIT_EXPORT_OBJECT, "./../relative/here.o", NULL, &failure));
    CHECK_INT(1, files_in("."));
}

/* What is no file is written to, and stays what it is. */
static void pipes_and_devices(void)
{
    char *path = in_folder("pipe"), *bytes;
    int ends[2], saved = dup(1);
    struct stat status;
    set_up();
    bytes = malloc(mgenjit_blob_size(object));
    CHECK_OK(mgenjit_module_export(module, MGENJIT_EXPORT_OBJECT, "/dev/null", NULL, &failure));
    CHECK(stat("/dev/null", &status) == 0 && S_ISCHR(status.st_mode));
    CHECK(mkfifo(path, 0600) == 0);
    ends[0] = open(path, O_RDONLY | O_NONBLOCK);
    CHECK_OK(mgenjit_module_export(module, MGENJIT_EXPORT_OBJECT, path, NULL, &failure));
    CHECK_INT(mgenjit_blob_size(object), read(ends[0], bytes, mgenjit_blob_size(object)));
    CHECK(memcmp(bytes, mgenjit_blob_data(object), mgenjit_blob_size(object)) == 0);
    CHECK(stat(path, &status) == 0 && S_ISFIFO(status.st_mode));
    close(ends[0]);

    CHECK(pipe(ends) == 0 && dup2(ends[1], 1) == 1);
    CHECK_OK(mgenjit_module_export(module, MGENJIT_EXPORT_OBJECT, "/dev/stdout", NULL, &failure));
    CHECK_INT(mgenjit_blob_size(object), read(ends[0], bytes, mgenjit_blob_size(object)));
    /* Nobody reads any more: an error, and no signal. */
    close(ends[0]);
    CHECK_STATUS(MGENJIT_STATUS_IO, mgenjit_module_export(module, MGENJIT_EXPORT_OBJECT, "/dev/stdout", NULL, &failure));
    CHECK_MESSAGE("/dev/stdout");
    dup2(saved, 1);
    if (access("/dev/full", W_OK) == 0) {
        CHECK_STATUS(MGENJIT_STATUS_IO, mgenjit_module_export(module, MGENJIT_EXPORT_OBJECT, "/dev/full", NULL, &failure));
        CHECK_MESSAGE("No space left");
    }
}

/* Standard output that is a file keeps its file, behind what was printed before. */
static void standard_output_to_a_file(void)
{
    char *path = in_folder("stdout-file");
    int saved = dup(1), file = open(path, O_RDWR | O_CREAT, 0600);
    struct stat before, after;
    set_up();
    CHECK(write(file, "abc", 3) == 3 && dup2(file, 1) == 1);
    CHECK(fstat(file, &before) == 0);
    CHECK_OK(mgenjit_module_export(module, MGENJIT_EXPORT_OBJECT, "/dev/stdout", NULL, &failure));
    dup2(saved, 1);
    CHECK(stat(path, &after) == 0 && before.st_ino == after.st_ino);
    CHECK_INT(mgenjit_blob_size(object) + 3, after.st_size);
}

static void check_refused(const char *path, const char *why)
{
    CHECK_STATUS(MGENJIT_STATUS_IO, mgenjit_module_export(module, MGENJIT_EXPORT_OBJECT, path, NULL, &failure));
    CHECK_MESSAGE(path);
    CHECK_MESSAGE(why);
}

static void unwritable_outputs(void)
{
    char *folder = new_folder("unwritable"), *file = write_file("unwritable/file", "old", 0600);
    char *name = malloc(302);
    const int is_root = geteuid() == 0;
    set_up();
    check_refused(folder, "irectory");
    check_refused(join(folder, "nowhere/file"), "No such file");
    check_refused(join(file, "x"), "Not a directory");
    check_refused(join(folder, "new/"), "No such file");
    CHECK_STATUS(MGENJIT_STATUS_IO, mgenjit_module_export(module, MGENJIT_EXPORT_OBJECT, "", NULL, &failure));
    memset(name, 'a', 301);
    name[301] = '\0';
    check_refused(join(folder, name), "too long");
    CHECK_INT(1, files_in(folder));
    /* A user who is not root, if this one is, and who has all but the folder. */
    if (is_root) {
        CHECK(chmod(folder, 0755) == 0 && chmod(file, 0444) == 0);
        CHECK(seteuid(65534) == 0);
    } else {
        CHECK(chmod(folder, 0555) == 0);
    }
    CHECK_STATUS(MGENJIT_STATUS_IO, mgenjit_module_export(module, MGENJIT_EXPORT_OBJECT, file, NULL, &failure));
    CHECK_MESSAGE("ermission denied");
    CHECK_STATUS(MGENJIT_STATUS_IO,
                 mgenjit_module_export(module, MGENJIT_EXPORT_OBJECT, join(folder, "new"), NULL, &failure));
    CHECK_MESSAGE("ermission denied");
    if (is_root)
        CHECK(seteuid(0) == 0);
    chmod(folder, 0755);
    CHECK_INT(1, files_in(folder));
    CHECK_STATUS(MGENJIT_STATUS_IO, mgenjit_module_export(module, MGENJIT_EXPORT_OBJECT, "/proc/version", NULL, &failure));
}

/* A file that must not become that large: no signal, nothing left, and the old one whole. */
static void a_limit_of_file_sizes(void)
{
    char *folder = new_folder("limited"), *path = join(folder, "file"), text[8] = "";
    struct rlimit limit;
    FILE *file;
    set_up();
    free(write_file("limited/file", "old", 0600));
    CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    limit.rlim_cur = 16;
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    check_refused(path, "limit");
    limit.rlim_cur = limit.rlim_max;
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    file = fopen(path, "r");
    CHECK(file != NULL && fgets(text, sizeof text, file) != NULL);
    CHECK_STRING("old", text);
    fclose(file);
    CHECK_INT(1, files_in(folder));
}

/* Killed at any moment, it leaves the old file or the new one. */
static void killed(void)
{
    char *folder = new_folder("killed"), *path = join(folder, "file");
    set_up();
    CHECK_OK(mgenjit_module_export(module, MGENJIT_EXPORT_OBJECT, path, NULL, &failure));
    for (int i = 0; i < 50; i++) {
        const struct timespec pause = { 0, 20000 * i };
        pid_t child = fork();
        if (child == 0) {
            for (;;)
                mgenjit_module_export(module, MGENJIT_EXPORT_OBJECT, path, NULL, NULL);
        }
        /* The moment of the kill is what is tried. */
        nanosleep(&pause, NULL);
        CHECK(kill(child, SIGKILL) == 0);
        CHECK(waitpid(child, NULL, 0) == child);
        check_content(path);
    }
}

/* Many at once, to one name: each is whole. */
static void at_once(void)
{
    char *folder = new_folder("at-once"), *path = join(folder, "file");
    pid_t children[4];
    set_up();
    for (int i = 0; i < 4; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            for (int j = 0; j < 50; j++) {
                CHECK_OK(mgenjit_module_export(module, MGENJIT_EXPORT_OBJECT, path, NULL, &failure));
                check_content(path);
            }
            _exit(0);
        }
    }
    for (int i = 0; i < 4; i++)
        CHECK_INT(0, wait_for(children[i], 60));
    CHECK_INT(1, files_in(folder));
}

int main(void)
{
    static const check_case cases[] = {
        CASE(modes), CASE(replaced_whole), CASE(links_are_followed), CASE(relative_paths), CASE(pipes_and_devices),
        CASE(standard_output_to_a_file), CASE(unwritable_outputs), CASE(a_limit_of_file_sizes), CASE(killed),
        CASE(at_once),
    };
    return RUN_CASES(cases);
}
