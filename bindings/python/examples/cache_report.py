"""What is in the cache, and what it saved."""

# Prints: 2 entries, 1 hit
# Prints: one.ll: used 1 time more
# Prints: two.ll: used 0 times more

import tempfile

import mgenjit


def plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


with tempfile.TemporaryDirectory() as folder, mgenjit.Executor(cache=folder) as ex:
    for name in ("one.ll", "two.ll", "one.ll"):
        value = len(name) + name.count("w")
        ex.compile(f"define i64 @f() {{\n  ret i64 {value}\n}}\n", name=name)
    cache = mgenjit.Cache(folder)
    stats = cache.stats()
    print(f"{stats.entries} entries, {plural(stats.hits, 'hit')}")
    for entry in sorted(cache.entries(), key=lambda entry: entry.name or ""):
        print(f"{entry.name}: used {plural(entry.hits, 'time')} more")
