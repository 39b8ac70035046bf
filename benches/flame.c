/* SQLite at work for about a second: what flame.sh draws. */

#include "sqlite3.c"

static void run(sqlite3 *database, const char *text)
{
    if (sqlite3_exec(database, text, 0, 0, 0) != SQLITE_OK)
        abort();
}

int main(void)
{
    sqlite3 *database;
    if (sqlite3_open(":memory:", &database) != SQLITE_OK)
        return 1;
    run(database, "create table word (id integer primary key, text, length)");
    run(database, "with recursive n(i) as (select 1 union all select i + 1 from n where i < 200000) "
                  "insert into word select i, hex(i * 7919 % 65537), i % 97 from n");
    run(database, "create index by_text on word (text)");
    run(database, "select length, count(*), group_concat(substr(text, 1, 2)) from word group by length order by 2 desc");
    run(database, "select a.id from word a join word b on a.text = b.text where a.length < b.length and b.id % 3 = 0");
    run(database, "update word set text = lower(text) || length where id % 5 = 0");
    return sqlite3_close(database);
}
