// ir: sqlite3.ll = {sqlite}/sqlite3.c -O1 -Xclang -disable-llvm-passes
// libs: -pthread
// warm: no server
// timeout: 900

/* SQLite, 14 MB of IR, with a database in memory. A second process loads it from the cache. */
#include "check.h"

#include <pthread.h>

typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;

static mgenjit_executor *executor;
static check_events events;

static int count_row(void *rows, int columns, char **values, char **names)
{
    CHECK_INT(2, columns);
    CHECK_STRING("name", names[0]);
    CHECK_STRING("total", names[1]);
    CHECK(values[0] != NULL && values[1] != NULL);
    ++*(int *)rows;
    return 0;
}

static void run_sql(sqlite3 *database, const char *sql)
{
    char *message = NULL;
    int status = FUNCTION(int (*)(sqlite3 *, const char *, int (*)(void *, int, char **, char **), void *, char **),
                          executor, "sqlite3_exec")(database, sql, NULL, NULL, &message);
    if (status != 0)
        check_failed(__FILE__, __LINE__, "%s: %s", sql, message ? message : "no message");
}

static sqlite3 *open_database(void)
{
    sqlite3 *database = NULL;
    CHECK_INT(0, FUNCTION(int (*)(const char *, sqlite3 **), executor, "sqlite3_open")(":memory:", &database));
    return database;
}

static void close_database(sqlite3 *database)
{
    CHECK_INT(0, FUNCTION(int (*)(sqlite3 *), executor, "sqlite3_close")(database));
}

static void queries(void)
{
    sqlite3 *database = open_database();
    int rows = 0;
    run_sql(database, "CREATE TABLE sales (name TEXT, amount REAL)");
    run_sql(database, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) "
                      "INSERT INTO sales SELECT 'name ' || (i % 7), i * 0.5 FROM n");
    CHECK_INT(0, FUNCTION(int (*)(sqlite3 *, const char *, int (*)(void *, int, char **, char **), void *, char **),
                          executor, "sqlite3_exec")(
                     database, "SELECT name, sum(amount) AS total FROM sales GROUP BY name ORDER BY total", count_row,
                     &rows, NULL));
    CHECK_INT(7, rows);
    close_database(database);
}

static void prepared_statements(void)
{
    sqlite3 *database = open_database();
    sqlite3_stmt *statement = NULL;
    int (*step)(sqlite3_stmt *) = FUNCTION(int (*)(sqlite3_stmt *), executor, "sqlite3_step");
    int (*reset)(sqlite3_stmt *) = FUNCTION(int (*)(sqlite3_stmt *), executor, "sqlite3_reset");
    int (*prepare)(sqlite3 *, const char *, int, sqlite3_stmt **, const char **) =
        FUNCTION(int (*)(sqlite3 *, const char *, int, sqlite3_stmt **, const char **), executor, "sqlite3_prepare_v2");
    long long sum = 0;
    run_sql(database, "CREATE TABLE numbers (n INTEGER PRIMARY KEY, square REAL)");
    CHECK_INT(0, prepare(database, "INSERT INTO numbers VALUES (?1, ?2)", -1, &statement, NULL));
    for (int i = 0; i < 100; i++) {
        CHECK_INT(0, FUNCTION(int (*)(sqlite3_stmt *, int, int), executor, "sqlite3_bind_int")(statement, 1, i));
        CHECK_INT(0, FUNCTION(int (*)(sqlite3_stmt *, int, double), executor, "sqlite3_bind_double")(statement, 2, i * (double)i));
        CHECK_INT(101, step(statement));
        CHECK_INT(0, reset(statement));
    }
    CHECK_INT(0, FUNCTION(int (*)(sqlite3_stmt *), executor, "sqlite3_finalize")(statement));
    CHECK_INT(0, prepare(database, "SELECT n, square FROM numbers WHERE square > 100 ORDER BY n DESC", -1, &statement, NULL));
    while (step(statement) == 100) {
        long long n = FUNCTION(long long (*)(sqlite3_stmt *, int), executor, "sqlite3_column_int64")(statement, 0);
        CHECK(FUNCTION(double (*)(sqlite3_stmt *, int), executor, "sqlite3_column_double")(statement, 1) == (double)(n * n));
        sum += n;
    }
    CHECK_INT(4950 - 55, sum);
    CHECK_INT(0, FUNCTION(int (*)(sqlite3_stmt *), executor, "sqlite3_finalize")(statement));
    close_database(database);
}

/* Errors come back as SQLite makes them. */
static void bad_sql(void)
{
    sqlite3 *database = open_database();
    sqlite3_stmt *statement = NULL;
    CHECK_INT(1, FUNCTION(int (*)(sqlite3 *, const char *, int, sqlite3_stmt **, const char **), executor,
                          "sqlite3_prepare_v2")(database, "SELEC 1", -1, &statement, NULL));
    CHECK_CONTAINS("syntax error", FUNCTION(const char *(*)(sqlite3 *), executor, "sqlite3_errmsg")(database));
    close_database(database);
}

static void *use_in_a_thread(void *unused)
{
    queries();
    return unused;
}

static void in_threads(void)
{
    pthread_t threads[4];
    CHECK(FUNCTION(int (*)(void), executor, "sqlite3_threadsafe")() != 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, use_in_a_thread, NULL) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

/* Variadic functions of the module, by checked calls. */
static void checked_calls(void)
{
    mgenjit_function *function = find_function(executor, "sqlite3_mprintf");
    mgenjit_value arguments[] = { mgenjit_pointer("%d %Q %.2f"), mgenjit_i32(5), mgenjit_pointer("it's"), mgenjit_double(0.125) };
    mgenjit_value result;
    CHECK_INT(1, mgenjit_function_is_variadic(function));
    CHECK_OK(mgenjit_function_call(function, arguments, 4, &result, &failure));
    CHECK_STRING("5 'it''s' 0.13", (char *)result.of.pointer);
    FUNCTION(void (*)(void *), executor, "sqlite3_free")(result.of.pointer);
    mgenjit_function_free(function);
}

static void all(void)
{
    mgenjit_config *config = new_watched_config(&events);
    mgenjit_module *module;
    /* An emulator would optimise for minutes. */
    if (is_emulated())
        CHECK_OK(mgenjit_config_set_opt_level(config, MGENJIT_OPT_O0, &failure));
    executor = new_executor(config);
    mgenjit_config_free(config);
    module = add_file(executor, fixture("sqlite3.ll"));
    CHECK_INT(is_warm() ? MGENJIT_ORIGIN_CACHE : MGENJIT_ORIGIN_COMPILED, mgenjit_module_origin(module));
    CHECK_INT(is_warm() ? 1 : 0, events.count[MGENJIT_EVENT_HIT]);
    CHECK_INT(is_warm() ? 0 : 1, events.count[MGENJIT_EVENT_STORED]);
    CHECK(mgenjit_module_function_count(module) > 200);
    CHECK_STRING(FUNCTION(const char *, executor, "sqlite3_version"),
                 FUNCTION(const char *(*)(void), executor, "sqlite3_libversion")());
    queries();
    prepared_statements();
    bad_sql();
    in_threads();
    checked_calls();
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = { CASE(all) };
    check_seconds = 600;
    return RUN_CASES(cases);
}
