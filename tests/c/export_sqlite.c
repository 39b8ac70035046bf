// ir: sqlite3.ll = {sqlite}/sqlite3.c -O1 -Xclang -disable-llvm-passes
// warm: no server
// timeout: 900

/*
 * SQLite leaves as a library, an archive and an executable, and a program that uses it prints the same as with the code
 * in memory. The second run has no server: the object alone, from the cache.
 */
#include "exporting.h"

/* Queries, and their results as text. It is compiled to IR for the executable and in memory, and by gcc for the rest. */
static const char USER[] =
    "#include <stdio.h>\n"
    "typedef struct sqlite3 sqlite3;\n"
    "int sqlite3_open(const char *, sqlite3 **), sqlite3_close(sqlite3 *);\n"
    "int sqlite3_exec(sqlite3 *, const char *, int (*)(void *, int, char **, char **), void *, char **);\n"
    "const char *sqlite3_libversion(void);\n"
    "static int row(void *rows, int columns, char **values, char **names) {\n"
    "  for (int i = 0; i < columns; i++)\n    printf(\"%s=%s \", names[i], values[i]);\n"
    "  printf(\"\\n\");\n  ++*(int *)rows;\n  return 0;\n}\n"
    "int main(void) {\n"
    "  sqlite3 *database;\n  int rows = 0;\n"
    "  if (sqlite3_open(\":memory:\", &database) != 0)\n    return 99;\n"
    "  printf(\"%s\\n\", sqlite3_libversion());\n"
    "  if (sqlite3_exec(database, \"CREATE TABLE sales (name TEXT, amount REAL);\"\n"
    "    \"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) \"\n"
    "    \"INSERT INTO sales SELECT 'name ' || (i % 7), i * 0.5 FROM n;\"\n"
    "    \"SELECT name, sum(amount) AS total FROM sales GROUP BY name ORDER BY total;\", row, &rows, 0) != 0)\n"
    "    return 98;\n"
    "  return sqlite3_close(database) == 0 ? rows : 97;\n}\n";

static mgenjit_executor *executor;
static mgenjit_module *modules[2];

static int run_in_memory(void)
{
    int status = -1;
    CHECK_OK(mgenjit_executor_run_main(executor, 0, NULL, &status, &failure));
    return status;
}

static outcome in_memory(void)
{
    const char *self[] = { "/proc/self/exe", NULL };
    outcome outcome;
    CHECK(setenv("EXPORT_MEMORY", "1", 1) == 0);
    outcome = run_program(self);
    CHECK(unsetenv("EXPORT_MEMORY") == 0);
    return outcome;
}

static void compile_all(void)
{
    executor = new_executor(NULL);
    modules[0] = add_file(executor, fixture("sqlite3.ll"));
    modules[1] = add_file(executor, fixture("user.ll"));
}

static void check_same(const char *name, const outcome *expected)
{
    const char *path = in_folder(name);
    const char *argv[] = { path, NULL };
    const outcome found = run_program(argv);
    CHECK_STRING(expected->output, found.output);
    CHECK_INT(expected->status, found.status);
}

static void all(void)
{
    static const char *const libraries[] = { "m", NULL };
    mgenjit_export_options *options = options_with(libraries);
    outcome expected;
    compile_all();
    expected = in_memory();
    CHECK_INT(7, expected.status);
    CHECK_CONTAINS("name=name 3 total=", expected.output);
    free(export_file(modules[0], MGENJIT_EXPORT_OBJECT, "sqlite3.o", NULL));
    shell("cc -o with-object user.c sqlite3.o -lm");
    check_same("with-object", &expected);
    free(export_file(modules[0], MGENJIT_EXPORT_ARCHIVE, "libsqlite3.a", NULL));
    shell("cc -o with-archive user.c libsqlite3.a -lm");
    check_same("with-archive", &expected);
    free(export_file(modules[0], MGENJIT_EXPORT_HEADER, "sqlite-header.h", NULL));
    shell("cc -std=c99 -Wall -Wextra -pedantic -Werror -fsyntax-only -x c sqlite-header.h");
    if (!is_warm()) {
        mgenjit_blob *blob = export_blob(modules[0], MGENJIT_EXPORT_SHARED_LIBRARY, NULL);
        char *path = in_folder("program-of-two");
        mgenjit_blob_free(blob);
        free(export_file(modules[0], MGENJIT_EXPORT_SHARED_LIBRARY, "libsqlite-exported.so", NULL));
        CHECK_CONTAINS("libc.so.6", shell("objdump -p libsqlite-exported.so | grep NEEDED"));
        shell("cc -o with-library user.c libsqlite-exported.so -Wl,-rpath,'%s'", getenv("CHECK_FOLDER"));
        check_same("with-library", &expected);
        CHECK_OK(mgenjit_modules_export(modules, 2, MGENJIT_EXPORT_EXECUTABLE, path, options, &failure));
        check_same("program-of-two", &expected);
    }
    mgenjit_export_options_free(options);
    mgenjit_module_free(modules[0]);
    mgenjit_module_free(modules[1]);
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = { CASE(all) };
    if (getenv("EXPORT_MEMORY") != NULL) {
        compile_all();
        return run_in_memory();
    }
    if (!is_warm()) {
        free(write_file("user.c", USER, 0600));
        shell("clang-22 -O1 -S -emit-llvm -o fixtures/user.ll user.c");
    }
    check_seconds = 600;
    return RUN_CASES(cases);
}
