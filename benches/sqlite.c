/* SQLite as one program. */

#include "sqlite3.c"

/* The function that the benchmarks call first: small, to measure the way to it. */
long long length(void)
{
    return sqlite3_libversion_number();
}

int main(void)
{
    sqlite3 *database;
    sqlite3_stmt *statement;
    if (sqlite3_open(":memory:", &database) != SQLITE_OK
        || sqlite3_prepare_v2(database, "select sum(value) from json_each('[1,2,3]')", -1, &statement, 0) != SQLITE_OK
        || sqlite3_step(statement) != SQLITE_ROW || sqlite3_column_int(statement, 0) != 6)
        return 1;
    sqlite3_finalize(statement);
    return sqlite3_close(database);
}
