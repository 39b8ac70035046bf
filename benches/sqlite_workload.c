/* Queries that show how good SQLite's code is. Its argument is the number of rows. */

#include <stdio.h>
#include <stdlib.h>

typedef struct sqlite3 sqlite3;
int sqlite3_open(const char *, sqlite3 **);
int sqlite3_exec(sqlite3 *, const char *, int (*)(void *, int, char **, char **), void *, char **);

static long rows;

static int count(void *user, int columns, char **values, char **names)
{
    (void)user, (void)columns, (void)values, (void)names;
    rows++;
    return 0;
}

static void run(sqlite3 *database, const char *query)
{
    char *error = NULL;
    if (sqlite3_exec(database, query, count, NULL, &error) != 0) {
        fprintf(stderr, "%s: %s\n", query, error);
        exit(1);
    }
}

static const char *const QUERIES[] = {
    "create index a_by_k on a(k)",
    "create index b_by_u on b(u, k)",
    "select a.t, b.u, count(*), sum(f) from a join b on a.k = b.k group by b.u order by 3 desc, a.t",
    "select * from a where t like '%7 of%' order by f desc limit 500",
    "with recursive r(i, s) as (select 1, 0 union all select i + 1, s + i * i % 7 from r where i < 100000)"
    " select max(s), avg(i) from r",
    "update a set f = f * 2 + length(t) where k % 3 = 0",
    "delete from a where id % 5 = 0",
    "select substr(t, 1, 6) x, min(f), max(f), group_concat(k) from a group by x having count(*) > 3 order by x",
    "select count(*) from a where exists (select 1 from b where b.k = a.k and b.u like 'u1%')",
    "pragma integrity_check",
};

int main(int argc, char **argv)
{
    int wanted = argc > 1 ? atoi(argv[1]) : 6000;
    char query[200];
    sqlite3 *database;
    sqlite3_open(":memory:", &database);
    run(database, "create table a(id integer primary key, k int, t text, f real)");
    run(database, "create table b(id integer primary key, k int, u text)");
    run(database, "begin");
    for (int i = 0; i < wanted; i++) {
        snprintf(query, sizeof query, "insert into a values(%d, %d, 'text %d of the row', %d.5)", i, (int)(i * 7919L % wanted),
                 i, i * 31 % 1000);
        run(database, query);
        if (i % 3 == 0) {
            snprintf(query, sizeof query, "insert into b(k, u) values(%d, 'u%d')", i * 13 % wanted, i % 50);
            run(database, query);
        }
    }
    run(database, "commit");
    for (size_t i = 0; i < sizeof QUERIES / sizeof QUERIES[0]; i++)
        run(database, QUERIES[i]);
    printf("%ld rows\n", rows);
    return 0;
}
