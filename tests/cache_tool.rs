//! The command-line tool for caches, `examples-c/cache`, as its users run it: output, exit codes, JSON.

mod support;

use serde_json::Value;
use std::collections::BTreeSet;
use std::env::consts::ARCH;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use support::machine;
use support::terminal::{shown, terminal};
use support::tools::{self, Ran};
use tempfile::TempDir;

/// A folder with the programs `cache`, `run` and `build`.
fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| tools::build("cache-tool", &["cache", "run", "build"]))
}

/// A cache of a test's own, and a folder for IR.
struct Cache {
    folder: TempDir,
}

impl Cache {
    fn new() -> Cache {
        let folder = tempfile::Builder::new()
            .prefix("cache-tool-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("a temporary folder");
        Cache { folder }
    }

    /// With an entry for each name: of module 0, 1, 2, …
    fn filled(names: &[&str]) -> Cache {
        let cache = Cache::new();
        for (number, name) in names.iter().enumerate() {
            cache.fill(name, number, "2");
        }
        cache
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a module to a file, and has it compiled or found.
    fn fill(&self, name: &str, number: usize, level: &str) {
        self.write(name, number);
        let output = self
            .command("run")
            .args(["--opt", level, "--list", "--", name])
            .output()
            .expect("run");
        assert!(output.status.success(), "{output:?}");
    }

    fn write(&self, name: &str, number: usize) {
        std::fs::write(self.path(name), ir(number)).expect("a file");
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(programs().join(program));
        command
            .current_dir(self.folder.path())
            .env("MGENJIT_CACHE_DIR", self.path("cache"))
            .env("MGENJIT_SERVER", env!("CARGO_BIN_EXE_mgenjit-server"))
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .env("TERM", "xterm")
            .env_remove("NO_COLOR")
            .env_remove("OBJDUMP")
            .env_remove("LD_LIBRARY_PATH")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.command("cache").args(arguments).output();
        output.expect("the tool").into()
    }

    /// Runs the tool and checks its exit code and parts of its output. What goes wrong is told on stderr alone.
    #[track_caller]
    fn check(&self, arguments: &[&str], code: i32, parts: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
        let (text, empty) = if code < 64 {
            (&ran.out, &ran.err)
        } else {
            (&ran.err, &ran.out)
        };
        assert_eq!(empty, "", "{arguments:?}: {ran:?}");
        for part in parts {
            assert!(text.contains(part), "{arguments:?}: no {part:?} in {ran:?}");
        }
        assert!(!text.contains('\x1b'), "{arguments:?}: {ran:?}");
        ran.out
    }

    /// The objects that a command prints as JSON, one in each line.
    #[track_caller]
    fn json(&self, arguments: &[&str], code: i32) -> Vec<Value> {
        let (command, rest) = arguments.split_first().expect("a command");
        let arguments = [&[command, "--json"], rest].concat();
        self.check(&arguments, code, &[])
            .lines()
            .map(|line| {
                let value: Value = serde_json::from_str(line)
                    .unwrap_or_else(|error| panic!("{arguments:?}: {error} in {line}"));
                assert!(value.is_object(), "{arguments:?}: {line}");
                value
            })
            .collect()
    }

    fn keys(&self, arguments: &[&str]) -> Vec<String> {
        let arguments = [&["list", "--keys"], arguments].concat();
        let keys: Vec<String> = self
            .check(&arguments, 0, &[])
            .lines()
            .map(str::to_owned)
            .collect();
        for key in &keys {
            assert!(
                key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{key}"
            );
        }
        keys
    }

    fn names(&self, arguments: &[&str]) -> Vec<String> {
        let arguments = [&["list"], arguments].concat();
        self.json(&arguments, 0)
            .iter()
            .map(|entry| entry["name"].as_str().expect("a name").to_owned())
            .collect()
    }

    /// Flips a bit of an entry's code.
    fn damage(&self, key: &str) {
        let entry = &self.json(&["show", key], 0)[0];
        let path = PathBuf::from(entry["path"].as_str().expect("a path"));
        let mut bytes = std::fs::read(&path).expect("the entry");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        let mode = std::fs::metadata(&path).expect("the entry").permissions();
        std::fs::remove_file(&path).expect("removed");
        std::fs::write(&path, bytes).expect("written");
        std::fs::set_permissions(&path, mode).expect("permissions");
    }
}

/// Where no index can be kept, the statistics are those of the one that there is; without one they are unknown.
#[test]
fn what_is_unknown_is_said() {
    let cache = Cache::filled(&["a.ll", "b.ll"]);
    cache.check(&["stats"], 0, &["entries", "2", "0 of 2"]);
    let limited = |arguments: &[&str]| -> Ran {
        let tool = cache.command("cache");
        Command::new("sh")
            .env("MGENJIT_CACHE_DIR", cache.path("cache"))
            .args(["-c", "ulimit -f 0; exec \"$0\" \"$@\""])
            .arg(tool.get_program())
            .args(arguments)
            .output()
            .expect("the tool")
            .into()
    };
    let ran = limited(&["stats"]);
    assert!(ran.code == 0 && ran.out.contains("0 of 2"), "{ran:?}");
    std::fs::remove_file(cache.path("cache/v4/index.sqlite")).expect("an index");
    let ran = limited(&["stats"]);
    assert!(ran.code == 1 && ran.out.contains("unknown"), "{ran:?}");
    assert!(!ran.out.contains("0 of 2"), "{ran:?}");
    let ran = limited(&["stats", "--json"]);
    let stats: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(
        (ran.code, &stats["entries"], &stats["hits"]),
        (1, &Value::from(2), &Value::Null)
    );
    let ran = limited(&["clear", "--yes"]);
    assert!(
        ran.code == 0 && ran.out.contains("removed 2 entries"),
        "{ran:?}"
    );
    assert_eq!(cache.names(&[]).len(), 0);
}

fn ir(number: usize) -> String {
    format!(
        "define i64 @f{number}(i64 %x) {{\n  %y = mul i64 %x, {}\n  ret i64 %y\n}}\n",
        number + 3
    )
}

const COMMANDS: [&str; 13] = [
    "stats", "list", "show", "verify", "trim", "clear", "remove", "pin", "unpin", "explain",
    "export", "import", "rebuild",
];

#[test]
fn wrong_usage() {
    let cache = Cache::filled(&["a.ll"]);
    let check = |arguments: &str, part: &str| {
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        cache.check(&arguments, 64, &["cache", part, "--help"]);
    };
    check("", "no command");
    check("frob", "no such command: frob");
    check("--frob stats", "wrong option: --frob");
    check("-x stats", "wrong option: -x");
    check("--cache-dir", "a value is missing after --cache-dir");
    check("--json stats", "wrong option: --json");
    check("stats x", "too many arguments: x");
    check("stats --long", "wrong option: --long");
    check("list --sort", "a value is missing after --sort");
    check("list --sort weight", "not an order");
    check("list --min-size big", "not a size");
    check("list --min-size 5X", "not a size");
    check("list --min-size -5", "not a size");
    check("list --min-size 99999999999999999999", "not a size");
    check("list --min-size 9999999999T", "not a size");
    check("list --min-size 1.", "not a size");
    check("list --min-size 0x10", "not a size");
    check("list --unused-for 3months", "not a duration");
    check("list --unused-for=", "not a duration");
    check("list --pieces=3", "wrong option: --pieces=3");
    check("list --keys --json", "--keys");
    check("list --keys --long", "--keys");
    check("list a.ll", "too many arguments");
    check("show", "KEY");
    check("show a b", "too many arguments: b");
    check("show --disassemble --json a", "--disassemble");
    check("show --ir --json a", "--json");
    check("show --object", "a value is missing");
    check("show --profile --json a", "--json");
    check("show --profile --ir a", "--profile cannot go");
    check("trim --max-size 0", "not a size");
    check("trim --max-entries 0", "not a number");
    check("trim --max-entries 1.5", "not a number");
    check("trim --max-entries 5K", "not a number");
    check("trim --max-age 0s", "not a duration");
    check("trim 5", "too many arguments");
    check("clear", "--yes");
    check("clear --pinned-too", "--yes");
    check("remove", "KEY");
    check("pin", "KEY");
    check("unpin --json", "KEY");
    check("explain", "FILE");
    check("explain --features +sve a.ll", "--features needs --target");
    check("explain -O4 a.ll", "optimisation level");
    check("explain --pieces some a.ll", "not auto, off or a number");
    check("explain --pieces 0 a.ll", "not auto, off or a number");
    check("explain --pieces -1 a.ll", "not auto, off or a number");
    check(
        "explain --pieces 2147483648 a.ll",
        "not auto, off or a number",
    );
    check("export --all", "-o BUNDLE");
    check("export -o bundle", "either keys");
    check("export -o bundle --all 0123", "either keys");
    check("export -o bundle --all --name x", "either keys");
    check("export -o bundle --pieces 0123", "--pieces goes with");
    check("import", "BUNDLE");
    check("rebuild now", "too many arguments");
    assert_eq!(cache.keys(&[]).len(), 1);
}

#[test]
fn help_and_version() {
    let cache = Cache::new();
    let overall = cache.check(&["--help"], 0, &["usage: cache", "--cache-dir DIR", "64  "]);
    cache.check(&["-h"], 0, &[&overall]);
    for command in COMMANDS {
        assert!(overall.contains(&format!("\n  {command} ")), "{command}");
        let usage = format!("usage: cache {command} ");
        cache.check(&[command, "--help"], 0, &[&usage, "--cache-dir", "--json"]);
    }
    cache.check(&["list", "--help"], 0, &["--unused-for DURATION", "--sort"]);
    cache.check(&["--version"], 0, &["libmgenjit 0.", "LLVM 22"]);
    cache.check(&["list", "--version"], 0, &["libmgenjit 0."]);
    for line in overall.lines() {
        assert!(line.len() <= 120, "too long: {line}");
    }
}

#[test]
fn where_there_is_no_cache() {
    let cache = Cache::new();
    cache.write("a.ll", 1);
    for arguments in [
        &["stats"] as &[&str],
        &["list"],
        &["list", "--json"],
        &["show", "0"],
        &["verify"],
        &["verify", "0"],
        &["trim"],
        &["clear", "--yes"],
        &["remove", "0"],
        &["pin", "0"],
        &["unpin", "0"],
        &["export", "-o", "bundle", "--all"],
        &["rebuild"],
    ] {
        cache.check(arguments, 66, &["there is no cache at"]);
    }
    cache.check(&["explain", "a.ll"], 1, &["not found"]);
    assert!(!cache.path("cache").exists());
    assert!(!cache.path("bundle").exists());
}

#[test]
fn an_empty_cache() {
    let cache = Cache::filled(&["a.ll"]);
    let directory = cache.path("cache");
    let empty = cache.path("empty");
    std::fs::create_dir(&empty).expect("a folder");
    std::fs::set_permissions(&empty, std::fs::Permissions::from_mode(0o700)).expect("a mode");
    cache.check(&["clear", "--yes"], 0, &["removed 1 entry"]);
    for directory in [directory, empty] {
        let check = |arguments: &[&str], code: i32, parts: &[&str]| {
            let directory = directory.to_str().expect("UTF-8");
            let arguments = [arguments, &["--cache-dir", directory]].concat();
            cache.check(&arguments, code, parts)
        };
        check(&["stats"], 0, &["entries         0\n"]);
        assert_eq!(check(&["list"], 0, &[]), "0 entries, 0 B\n");
        assert_eq!(check(&["list", "--json"], 0, &[]), "");
        assert_eq!(check(&["list", "--keys", "--sort", "size"], 0, &[]), "");
        check(&["verify"], 0, &["0 entries verified, 0 bad"]);
        check(&["show", "0"], 66, &["no entry whose key begins with 0"]);
        check(&["trim"], 0, &["removed 0 entries, 0 B; left 0, 0 B\n"]);
        check(&["clear", "--yes"], 0, &["removed 0 entries"]);
        check(&["rebuild"], 0, &["the index has 0 entries"]);
    }
}

#[test]
fn a_directory_that_cannot_be_used() {
    let cache = Cache::filled(&["a.ll"]);
    std::fs::write(cache.path("file"), "").expect("a file");
    cache.check(&["stats", "--cache-dir", "file"], 78, &["file"]);
    let open_to_all = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(cache.path("cache"), open_to_all).expect("a mode");
    for arguments in [&["stats"] as &[&str], &["list"], &["remove", "0"]] {
        cache.check(arguments, 78, &["others may write it"]);
    }
}

/// Without the right to write, all that only looks works.
#[test]
fn a_read_only_cache() {
    const NOBODY: u32 = 65534;
    let filled = Cache::filled(&["a.ll", "b.ll"]);
    // Where another user finds it.
    let folder = tempfile::tempdir().expect("a folder");
    tools::build_in(&folder.path().join("bin"), &["cache", "run"]);
    let directory = folder.path().join("cache");
    let copied = Command::new("cp")
        .arg("-a")
        .args([filled.path("cache"), directory.clone()])
        .status();
    assert!(copied.expect("cp").success());
    let is_root = rustix::process::geteuid().is_root();
    let set_modes = |file: u32, directory_mode: u32| {
        for path in walk(folder.path()) {
            let is_program = !path.starts_with(&directory);
            let mode = match (path.is_dir(), is_program) {
                (true, true) => 0o755,
                (true, false) => directory_mode,
                (false, true) => 0o755,
                (false, false) => file,
            };
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("a mode");
            if is_root {
                chown(&path, Some(NOBODY), Some(NOBODY)).expect("another owner");
            }
        }
    };
    set_modes(0o400, 0o500);
    let run = |arguments: &[&str]| -> Ran {
        let mut command = Command::new(folder.path().join("bin/cache"));
        command
            .args(arguments)
            .env("MGENJIT_CACHE_DIR", &directory)
            .current_dir("/");
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.output().expect("the tool").into()
    };
    let listed = run(&["list", "--keys"]);
    assert_eq!(listed.code, 0, "{listed:?}");
    let keys: Vec<&str> = listed.out.lines().collect();
    assert_eq!(keys.len(), 2, "{listed:?}");
    for arguments in [
        &["stats"] as &[&str],
        &["list", "--sort", "name", "--json"],
        &["show", keys[0]],
        &["verify"],
        &["verify", &keys[1][..20]],
    ] {
        let ran = run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
    }
    for arguments in [
        &["remove", keys[0]] as &[&str],
        &["pin", keys[0]],
        &["clear", "--yes"],
        &["trim", "--max-entries", "1"],
        &["rebuild"],
    ] {
        let ran = run(arguments);
        assert_eq!(ran.code, 78, "{arguments:?}: {ran:?}");
        assert_ne!(ran.err, "", "{arguments:?}");
    }
    assert_eq!(run(&["list", "--keys"]).out, listed.out);
    set_modes(0o600, 0o700);
}

fn walk(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![path.to_owned()];
    if path.is_dir() {
        for child in std::fs::read_dir(path).expect("a folder") {
            found.extend(walk(&child.expect("a file").path()));
        }
    }
    found
}

#[test]
fn stats() {
    let cache = Cache::filled(&["a.ll", "b.ll"]);
    cache.fill("a.ll", 0, "2");
    cache.fill("a.ll", 0, "2");
    let key = &cache.keys(&["--name", "b.ll"])[0];
    cache.check(&["pin", key], 0, &[&format!("pinned {key}\n")]);
    let stats = &cache.json(&["stats"], 0)[0];
    let number = |name: &str| {
        stats[name]
            .as_u64()
            .unwrap_or_else(|| panic!("{name} in {stats}"))
    };
    for (name, expect) in [
        ("entries", 2),
        ("pinned", 1),
        ("hits", 2),
        ("misses_new", 2),
        ("stores", 2),
        ("evictions", 0),
        ("removals", 0),
        ("max_bytes", 5 << 30),
        ("max_entries", 0),
    ] {
        assert_eq!(number(name), expect, "{name}");
    }
    let entries = cache.json(&["list"], 0);
    let sum = |name: &str| -> u64 {
        entries
            .iter()
            .map(|entry| entry[name].as_u64().expect("a number"))
            .sum()
    };
    assert_eq!(number("bytes"), sum("bytes"));
    assert_eq!(number("compile_time"), sum("compile_time"));
    assert_eq!(number("saved_time"), sum("saved_time"));
    assert_eq!(
        stats["directory"].as_str(),
        cache.path("cache").to_str(),
        "{stats}"
    );
    cache.check(
        &["stats"],
        0,
        &[
            "entries         2 (1 pinned, 2 other keys lead to them)\n",
            "of at most 5.0 GiB",
            "hits            2 of 4, 50.0 %\n",
            "misses          2 (2 new)\n",
            "stored          2\n",
            "evicted         0, 0 B\n",
        ],
    );
    // The directory may be given before the command, and by a part of the option's name.
    let directory = cache.path("cache");
    let directory = directory.to_str().expect("UTF-8");
    let elsewhere = Cache::new();
    elsewhere.check(&["--cache-dir", directory, "stats"], 0, &[directory]);
    elsewhere.check(&["stats", "--cache", directory], 0, &[directory]);
}

#[test]
fn list() {
    let cache = Cache::filled(&["lib-a.ll", "lib-b.ll", "app.ll"]);
    cache.fill("app.ll", 2, "2");
    cache.fill("app.ll", 2, "2");
    cache.fill("lib-b.ll", 1, "2");
    cache.fill("app.ll", 2, "3");
    let keys = cache.keys(&[]);
    assert_eq!(keys.len(), 4);
    assert!(keys.is_sorted());
    assert_eq!(
        keys,
        cache
            .json(&["list"], 0)
            .iter()
            .map(|entry| entry["key"].as_str().expect("a key"))
            .collect::<Vec<_>>()
    );

    let pinned = cache.keys(&["--name", "lib-a*"])[0].clone();
    cache.check(&["pin", &pinned[..20]], 0, &[&pinned]);
    let check = |arguments: &str, expect: &[&str]| {
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        let mut names = cache.names(&arguments);
        if !arguments.contains(&"--sort") {
            names.sort();
        }
        assert_eq!(names, expect, "{arguments:?}");
    };
    let all = ["app.ll", "app.ll", "lib-a.ll", "lib-b.ll"];
    check("", &all);
    check("--name *", &all);
    check("--name lib-*", &["lib-a.ll", "lib-b.ll"]);
    check("--name lib-[b-z]*", &["lib-b.ll"]);
    check("--name none", &[]);
    check("--pinned", &["lib-a.ll"]);
    check("--unpinned", &["app.ll", "app.ll", "lib-b.ll"]);
    check("--unpinned --name lib-*", &["lib-b.ll"]);
    check("--unused-for 1h", &[]);
    check("--unused-for 0s", &all);
    check("--min-size 1", &all);
    check("--min-size 1.5G", &[]);
    check("--sort name", &all);
    check("--sort hits --name app*", &["app.ll", "app.ll"]);
    assert_eq!(
        cache.names(&["--sort", "hits"])[..2],
        ["app.ll", "lib-b.ll"]
    );
    assert_eq!(cache.names(&["--sort", "used"])[0], "app.ll");
    assert_eq!(
        cache.names(&["--sort", "created"]),
        ["app.ll", "app.ll", "lib-b.ll", "lib-a.ll"]
    );
    for (order, field) in [("size", "bytes"), ("saved", "saved_time")] {
        let values: Vec<u64> = cache
            .json(&["list", "--sort", order], 0)
            .iter()
            .map(|entry| entry[field].as_u64().expect("a number"))
            .collect();
        assert!(values.is_sorted_by(|a, b| a >= b), "{order}: {values:?}");
    }

    let table = cache.check(&["list", "--sort", "name"], 0, &["4 entries, "]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 6);
    let name_at = lines[0].find("NAME").expect("a column");
    assert!(lines[3].contains('P') && lines[3].starts_with(&pinned[..12]));
    for (line, name) in lines[1..5].iter().zip(all) {
        assert_eq!(&line[name_at..], name);
    }
    let long = cache.check(&["list", "-l", "--sort", "name"], 0, &["COMPILED", "O3"]);
    let lines: Vec<&str> = long.lines().collect();
    let name_at = lines[0].find("NAME").expect("a column");
    let at_column = |line: &str| line.chars().skip(name_at).collect::<String>();
    assert_eq!(at_column(lines[3]), "lib-a.ll");
}

/// Names that people choose, and ones that nobody would.
#[test]
fn strange_names() {
    let names = [
        "plain.ll",
        "with \"quotes\" and \\ back.ll",
        "two\nlines\tand a tab.ll",
        "\x1b[31mred\x07.ll",
        "größer-日本-🦀.ll",
        "\u{202e}reversed.ll",
        "c1-\u{9b}31m.ll",
        "\u{7f}\u{2028}.ll",
        "*",
        "%s%n",
        "-l",
    ];
    let cache = Cache::filled(&names);
    let listed: BTreeSet<String> = cache.names(&[]).into_iter().collect();
    assert_eq!(listed, names.iter().map(ToString::to_string).collect());

    // A row is a line, and nothing in it moves a terminal's cursor. (`check` looks for escapes.)
    for arguments in [&["list"] as &[&str], &["list", "--long", "--sort", "name"]] {
        let table = cache.check(
            arguments,
            0,
            &["größer-日本-🦀.ll", "two\\nlines\\tand a tab.ll"],
        );
        assert_eq!(table.lines().count(), names.len() + 2, "{table}");
        for wrong in ['\u{202e}', '\u{9b}', '\u{7f}', '\u{2028}', '\x07'] {
            assert!(!table.contains(wrong), "{wrong:?} in {table}");
        }
    }
    for name in names {
        let pattern = name.replace('[', "[[]").replace('*', "[*]");
        let keys = cache.keys(&["--name", &pattern]);
        assert_eq!(keys.len(), 1, "{name:?}");
        let shown = &cache.json(&["show", &keys[0]], 0)[0];
        assert_eq!(shown["name"], name);
        cache.check(&["show", &keys[0]], 0, &[&keys[0]]);
        let explained = &cache.json(&["explain", "--", name], 0)[0];
        assert_eq!(explained["name"], name);
        cache.damage(&keys[0]);
    }
    let bad = cache.check(&["verify"], 1, &["11 entries verified, 11 bad"]);
    assert_eq!(bad.lines().count(), 2 * names.len() + 1, "{bad}");
    assert_eq!(cache.json(&["verify"], 1).len(), names.len());
}

#[test]
fn show() {
    let cache = Cache::new();
    let module = "define i64 @add(i64 %a, i64 %b) {\n  %s = add i64 %a, %b\n  ret i64 %s\n}\n\
                  define <2 x i64> @vector() {\n  ret <2 x i64> zeroinitializer\n}\n";
    std::fs::write(cache.path("add.ll"), module).expect("a file");
    let run = cache
        .command("run")
        .args(["-Os", "--list", "add.ll"])
        .output();
    assert!(run.expect("run").status.success());
    let key = &cache.keys(&[])[0];
    let table = cache.check(
        &["show", &key[..6]],
        0,
        &[
            "add.ll\n",
            key,
            "optimised       Os\n",
            "pinned          no\n",
            &format!("target          {ARCH}"),
            "2 functions\n",
            "  int64_t add(int64_t, int64_t);\n",
            "  <2 x i64> @vector()\n",
        ],
    );
    assert!(table.lines().all(|line| line.len() < 240), "{table}");
    let shown = &cache.json(&["show", key], 0)[0];
    assert_eq!(shown["key"], key.as_str());
    assert_eq!(shown["opt_level"], "Os");
    assert_eq!(shown["pinned"], false);
    assert_eq!(shown["ir_bytes"], module.len());
    assert_eq!(
        shown["functions"][0]["prototype"],
        "int64_t add(int64_t, int64_t);"
    );
    assert_eq!(shown["functions"][1]["prototype"], Value::Null);
    assert_eq!(shown["functions"][1]["signature"], "<2 x i64> @vector()");
    assert!(Path::new(shown["path"].as_str().expect("a path")).is_file());

    assert_eq!(cache.check(&["show", key, "--ir"], 0, &[]), module);
    cache.check(
        &["show", key, "--ir=out.ll", "--object", "o", "--image", "i"],
        0,
        &[],
    );
    assert_eq!(
        std::fs::read_to_string(cache.path("out.ll")).expect("the IR"),
        module
    );
    for (name, kind) in [("o", 1), ("i", 3)] {
        let bytes = std::fs::read(cache.path(name)).expect("a part");
        assert_eq!(&bytes[..4], b"\x7fELF", "{name}");
        assert_eq!(bytes[16], kind, "{name}");
    }
    let piped = cache
        .command("cache")
        .args(["show", key, "--object", "-"])
        .output();
    assert_eq!(
        piped.expect("the tool").stdout,
        std::fs::read(cache.path("o")).expect("the object")
    );
    cache.check(&["show", key, "--ir=none/such"], 73, &["none/such"]);
    // What cannot be written stays as it was: by a link in this folder, for a test may run as root.
    symlink("/dev/full", cache.path("full")).expect("a link");
    cache.check(&["show", key, "--image", "full"], 73, &["full"]);
    assert!(cache.path("full").is_symlink());

    let ran: Ran = cache
        .command("cache")
        .args(["show", "-d", key])
        .env("OBJDUMP", "no-such-objdump")
        .output()
        .expect("the tool")
        .into();
    assert_eq!(ran.code, 69, "{ran:?}");
    // By qemu-user, `posix_spawn` does not tell that it found no program.
    if !machine::is_emulated() {
        assert!(ran.err.contains("no-such-objdump") && ran.err.contains("binutils"));
    }
    if Command::new("objdump").arg("--version").output().is_ok() {
        cache.check(&["show", "--disassemble", key], 0, &["<add>:", "ret"]);
    } else {
        eprintln!("there is no objdump: not tested");
    }
}

#[test]
fn prefixes_of_keys() {
    let cache = Cache::new();
    let names: Vec<String> = (0..17).map(|number| format!("{number}.ll")).collect();
    cache.write("16.ll", 16);
    let mut run = cache.command("run");
    run.arg("--list");
    for (number, name) in names[..16].iter().enumerate() {
        cache.write(name, number);
        run.args(["--add", name]);
    }
    assert!(run.arg("16.ll").output().expect("run").status.success());
    let keys = cache.keys(&[]);
    assert_eq!(keys.len(), 17);
    let ambiguous = keys
        .windows(2)
        .find(|pair| pair[0][..1] == pair[1][..1])
        .expect("of 17 keys two begin alike");
    for command in ["show", "verify", "remove", "pin", "unpin"] {
        let digit = &ambiguous[0][..1];
        cache.check(
            &[command, digit],
            64,
            &["more than one key begins with", "give more digits"],
        );
        cache.check(&[command, "xyz"], 64, &["not a key"]);
        cache.check(&[command, ""], 64, &["not a key"]);
        let absent = "f".repeat(64);
        cache.check(&[command, &absent], 66, &["no entry"]);
        // One that is wrong spoils all: nothing is changed.
        if command != "show" {
            cache.check(
                &[command, &keys[0], &absent, "xyz"],
                66,
                &["no entry", "not a key"],
            );
        }
    }
    assert_eq!(cache.keys(&["--unpinned"]), keys);

    let shortest = |key: &String| {
        (1..=64)
            .map(|digits| &key[..digits])
            .find(|prefix| keys.iter().filter(|key| key.starts_with(*prefix)).count() == 1)
            .expect("keys differ")
            .to_owned()
    };
    let prefixes: Vec<String> = keys.iter().map(shortest).collect();
    let mut pin: Vec<&str> = vec!["pin"];
    pin.extend(prefixes.iter().map(String::as_str));
    cache.check(&pin, 0, &[]);
    assert_eq!(cache.keys(&["--pinned"]), keys);
    let unpinned = cache.json(&["unpin", &prefixes[0], &prefixes[1], &keys[0]], 0);
    assert_eq!(unpinned.len(), 2);
    assert_eq!(unpinned[0]["key"], keys[0].as_str());
    assert_eq!(unpinned[0]["result"], "unpinned");
    assert_eq!(cache.keys(&["--unpinned"]), keys[..2]);
    cache.check(&["remove", &prefixes[16], &keys[16]], 0, &[&keys[16]]);
    assert_eq!(cache.keys(&[]), keys[..16]);
    // As a script does.
    let mut remove = vec!["remove"];
    let some = cache.keys(&["--name", "1?.ll"]);
    remove.extend(some.iter().map(String::as_str));
    assert_eq!(cache.json(&remove, 0).len(), some.len());
    assert_eq!(cache.keys(&[]).len(), 16 - some.len());
}

#[test]
fn verify() {
    let cache = Cache::filled(&["a.ll", "b.ll", "c.ll"]);
    let keys = cache.keys(&[]);
    // The second of them is to go; the order of the keys is another one for each build.
    let stays = ["a.ll", "b.ll"]
        .into_iter()
        .find(|name| cache.keys(&["--name", name])[0] != keys[1])
        .expect("one of two");
    cache.check(&["verify"], 0, &["3 entries verified, 0 bad\n"]);
    cache.check(&["verify", &keys[0]], 0, &["1 entry verified, 0 bad\n"]);
    cache.check(
        &["verify", "--recompile"],
        0,
        &["3 entries verified, 0 bad"],
    );
    let all = cache.json(&["verify"], 0);
    assert_eq!(all.len(), 3);
    assert!(
        all.iter()
            .all(|one| one["result"] == "ok" && one["message"].is_null())
    );

    cache.damage(&keys[1]);
    cache.check(
        &["verify"],
        1,
        &["damaged", &keys[1][..12], "3 entries verified, 1 bad\n"],
    );
    cache.check(&["verify", "--recompile"], 1, &["damaged"]);
    cache.check(&["verify", &keys[1][..16]], 1, &["damaged"]);
    cache.check(&["verify", &keys[0], &keys[2]], 0, &["2 entries verified"]);
    let results = cache.json(&["verify"], 1);
    assert_eq!(results[1]["result"], "damaged");
    assert_eq!(results[1]["key"], keys[1].as_str());
    assert!(
        results[1]["message"]
            .as_str()
            .expect("text")
            .contains("digest")
    );
    cache.check(&["show", &keys[1]], 65, &["digest"]);
    cache.check(&["remove", &keys[1]], 0, &[]);
    cache.check(&["verify"], 0, &["2 entries verified, 0 bad"]);

    let secret = cache.path("secret");
    std::fs::write(&secret, "0123456789abcdef".repeat(4)).expect("a file");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    cache.check(&["verify", "--trust", "secret"], 1, &["untrusted", "2 bad"]);
    cache.check(
        &["explain", "--trust", "secret", stays],
        1,
        &["not trusted"],
    );
}

#[test]
fn trim_and_clear() {
    let cache = Cache::filled(&["a.ll", "b.ll", "c.ll", "d.ll", "e.ll"]);
    let keys = cache.keys(&[]);
    let size = cache.json(&["stats"], 0)[0]["bytes"]
        .as_u64()
        .expect("a number");
    cache.check(&["trim"], 0, &["removed 0 entries, 0 B; left 5"]);
    cache.check(
        &["trim", "--max-age", "30d", "--max-size", "1G"],
        0,
        &["removed 0 entries"],
    );
    cache.check(
        &["trim", "--max-size", "none", "--max-entries", "none"],
        0,
        &["left 5"],
    );
    cache.check(
        &["trim", "--max-size", &(size - 1).to_string()],
        0,
        &["removed 1 entry, "],
    );
    cache.check(&["trim", "--max-entries", "3"], 0, &["left 3, "]);
    let pinned = cache.keys(&[])[0].clone();
    cache.check(&["pin", &pinned], 0, &[]);
    let trimmed = &cache.json(&["trim", "--max-entries", "2"], 0)[0];
    assert_eq!(
        (&trimmed["removed"], &trimmed["entries"]),
        (&1.into(), &2.into())
    );
    cache.check(
        &["trim", "--max-size", "1"],
        0,
        &["removed 1 entry", "(1 pinned)"],
    );
    assert_eq!(cache.keys(&[]), [pinned.as_str()]);
    assert!(keys.contains(&pinned));

    cache.fill("x.ll", 10, "2");
    let cleared = &cache.json(&["clear", "--yes"], 0)[0];
    assert_eq!(
        (&cleared["removed"], &cleared["entries"]),
        (&1.into(), &1.into())
    );
    cache.check(
        &["clear", "-y", "--pinned-too"],
        0,
        &["removed 1 entry", "left 0, 0 B\n"],
    );
    cache.check(&["stats"], 0, &["evicted         4", "removed         2\n"]);
}

#[test]
fn explain() {
    let cache = Cache::filled(&["a.ll", "b.ll"]);
    cache.write("other.ll", 70);
    let key = cache.keys(&["--name", "a.ll"])[0].clone();
    let check = |arguments: &[&str], verdict: &str, differences: &[&str], nearest: Option<&str>| {
        let arguments = [&["explain"], arguments].concat();
        let code = i32::from(verdict != "hit");
        let told = &cache.json(&arguments, code)[0];
        assert_eq!(told["verdict"], verdict, "{arguments:?}: {told}");
        assert_eq!(told["differences"], Value::from(differences), "{told}");
        let nearest = match verdict {
            "hit" => told["key"].clone(),
            _ => nearest.map_or(Value::Null, Value::from),
        };
        assert_eq!(told["nearest"], nearest, "{told}");
        let message = told["message"].as_str().expect("a message");
        cache.check(
            &arguments,
            code,
            &[message, told["key"].as_str().expect("a key")],
        );
    };
    check(&["a.ll"], "hit", &[], None);
    check(&["a.ll", "--name", "x"], "hit", &[], None);
    check(&["a.ll", "-O2"], "hit", &[], None);
    check(&["other.ll"], "never", &[], None);
    check(
        &["other.ll", "--name", "a.ll"],
        "differs",
        &["ir"],
        Some(&key),
    );
    check(&["a.ll", "-O3"], "differs", &["opt_level"], Some(&key));
    check(
        &["a.ll", "--opt", "s"],
        "differs",
        &["opt_level"],
        Some(&key),
    );
    check(
        &["other.ll", "-Oz", "--name", "a.ll"],
        "differs",
        &["ir", "opt_level"],
        Some(&key),
    );
    let b = &cache.keys(&["--name", "b.ll"])[0];
    cache.check(&["remove", b], 0, &[]);
    check(&["b.ll"], "removed", &[], None);
    cache.fill("b.ll", 1, "2");
    cache.check(&["pin", &key], 0, &[]);
    cache.check(&["trim", "--max-entries", "1"], 0, &["removed 1"]);
    check(&["b.ll"], "evicted", &[], None);
    cache.check(&["explain", "b.ll"], 1, &["not found: ", "gone since"]);
    cache.damage(&key);
    check(&["a.ll"], "damaged", &[], None);

    cache.check(&["explain", "none.ll"], 66, &["none.ll"]);
    cache.check(&["explain", "."], 66, &["."]);
    let mut child = cache
        .command("cache")
        .args(["explain", "-", "--name", "b.ll", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the tool");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(ir(1).as_bytes()).expect("written");
    drop(stdin);
    let output = child.wait_with_output().expect("output");
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["verdict"], "evicted");
}

/// Of another target, with an object that is linked in: what is shown, checked, moved and kept is like all others.
#[test]
fn entries_of_other_targets() {
    let cache = Cache::filled(&["host.ll"]);
    std::fs::write(
        cache.path("calls.ll"),
        "declare i64 @f7(i64)\ndefine i64 @calls() {\n  %r = call i64 @f7(i64 6)\n  ret i64 %r\n}\n",
    )
    .expect("a file");
    let succeeds = |mut command: Command| {
        let output = command.current_dir(cache.path("")).output();
        let output = output.expect("a program");
        assert!(output.status.success(), "{command:?}: {output:?}");
    };
    std::fs::write(
        cache.path("f7.c"),
        "long f7(long x) { return 7 * x; }\nint main(void) { extern long calls(void); return calls() != 42; }\n",
    )
    .expect("a file");
    let gcc = |arguments: &[&str]| {
        let mut command = Command::new("aarch64-linux-gnu-gcc");
        command.args(arguments);
        succeeds(command);
    };
    gcc(&["-fPIC", "-O1", "-c", "f7.c"]);
    let target = ["--target", "aarch64-linux-gnu", "--cpu", "cortex-a72"];
    let build = |directory: &str| {
        let mut command = cache.command("build");
        command.args(target).args([
            "--cache-dir",
            directory,
            "-o",
            "exported.a",
            "calls.ll",
            "f7.o",
        ]);
        command
    };
    succeeds(build("cache"));
    let exported = std::fs::read(cache.path("exported.a")).expect("the archive");

    let key = &cache.keys(&["--name", "calls.ll"])[0];
    cache.check(&["list"], 0, &["calls.ll (aarch64-", "host.ll\n"]);
    cache.check(
        &["show", key],
        0,
        &[
            "to export only\n",
            "inputs          calls.ll, ",
            "                f7.o, ",
            "target          aarch64-unknown-linux-gnu\n",
            "CPU             cortex-a72\n",
            "machine         aarch64-linux-gnu cortex-a72\n",
            "  int64_t calls(void);\n",
        ],
    );
    let shown = &cache.json(&["show", key], 0)[0];
    assert_eq!(shown["image_bytes"], 0);
    assert_eq!(shown["inputs"][1]["name"], "f7.o");
    cache.check(
        &["show", "--disassemble", key],
        64,
        &["calls.ll is for aarch64-", "--object"],
    );
    cache.check(&["show", "--object", "kept.a", key], 0, &[]);
    gcc(&[
        "-static",
        "-o",
        "program",
        "-Wl,--whole-archive,kept.a,--no-whole-archive",
    ]);
    let mut program = Command::new("qemu-aarch64");
    program.arg("./program");
    succeeds(program);

    cache.check(
        &["verify", "--recompile"],
        0,
        &["2 entries verified, 0 bad"],
    );
    let explain = |arguments: &[&str], code: i32, part: &str| {
        cache.check(
            &[&["explain", "calls.ll", "f7.o"], arguments].concat(),
            code,
            &[part],
        );
    };
    explain(&target, 0, "found");
    explain(
        &target[..2],
        1,
        "has code for aarch64-linux-gnu cortex-a72, not aarch64-linux-gnu\n",
    );
    explain(
        &[],
        1,
        "has code for aarch64-linux-gnu cortex-a72, not native",
    );
    explain(
        &[&target[..], &["--keep", "calls"]].concat(),
        1,
        "has other IR, other objects, or other symbols to keep",
    );

    cache.check(&["pin", key], 0, &["pinned"]);
    cache.check(
        &["trim", "--max-entries", "1"],
        0,
        &["removed 1", "1 pinned"],
    );
    cache.check(&["export", "-o", "bundle", key], 0, &["exported 1 entry"]);
    cache.check(
        &["--cache-dir", "other", "import", "bundle"],
        0,
        &["imported 1"],
    );
    cache.check(
        &["--cache-dir", "other", "verify", "--recompile"],
        0,
        &["1 entry verified, 0 bad"],
    );
    let mut without_server = build("other");
    without_server.env("MGENJIT_SERVER", "/nowhere/server");
    succeeds(without_server);
    assert_eq!(
        std::fs::read(cache.path("exported.a")).expect("the archive"),
        exported
    );
}

#[test]
fn rebuild() {
    let cache = Cache::filled(&["a.ll", "b.ll"]);
    let before = cache.check(&["stats", "--json"], 0, &[]);
    cache.check(&["rebuild"], 0, &["the index has 2 entries"]);
    assert_eq!(cache.check(&["stats", "--json"], 0, &[]), before);
    let folder = cache.path("cache/v4");
    std::fs::remove_file(folder.join("index.sqlite")).expect("an index");
    for file in ["index.sqlite-wal", "index.sqlite-shm"] {
        let _ = std::fs::remove_file(folder.join(file));
    }
    assert_eq!(cache.json(&["rebuild"], 0)[0]["entries"], 2);
    assert_eq!(cache.keys(&[]).len(), 2);
}

#[test]
fn bundles() {
    let from = Cache::filled(&["lib-a.ll", "lib-b.ll", "app.ll"]);
    let to = Cache::new();
    let keys = from.keys(&[]);
    let bundle = to.path("bundle");
    let bundle = bundle.to_str().expect("UTF-8");
    let secret = |name: &str, digits: &str| -> String {
        let path = to.path(name);
        std::fs::write(&path, digits.repeat(4)).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("a mode");
        path.to_str().expect("UTF-8").to_owned()
    };
    let ours = secret("ours", "0123456789abcdef");
    let theirs = secret("theirs", "fedcba9876543210");

    from.check(
        &["export", "-o", bundle, "--name", "none*"],
        66,
        &["no entry has a name like none*"],
    );
    from.check(
        &["export", "-o", bundle, "0123456789abcdef"],
        66,
        &["no entry"],
    );
    from.check(
        &["export", "-o", "/none/such", "--all"],
        73,
        &["/none/such"],
    );
    from.check(
        &["export", "-o", bundle, "--all", "--sign", "none"],
        66,
        &["none"],
    );
    to.check(&["import", bundle], 66, &[bundle]);
    assert!(!Path::new(bundle).exists());
    // A bundle takes no other thing's place.
    symlink(to.path("ours"), to.path("link")).expect("a link");
    let link = to.path("link");
    let link = link.to_str().expect("UTF-8");
    from.check(
        &["export", "-o", link, "--all"],
        73,
        &["not a regular file"],
    );
    assert!(to.path("link").is_symlink());

    from.check(
        &["export", "-o", bundle, "--name", "lib-*"],
        0,
        &["exported 2 entries to "],
    );
    to.check(&["import", bundle], 0, &["imported 2 new entries from "]);
    to.check(&["import", bundle], 0, &["imported 0 new entries from "]);
    assert_eq!(to.names(&["--sort", "name"]), ["lib-a.ll", "lib-b.ll"]);
    to.write("lib-a.ll", 0);
    to.check(&["explain", "lib-a.ll"], 0, &["found"]);
    let told = from.json(
        &["export", "-o", bundle, &keys[0], &keys[1][..12], &keys[2]],
        0,
    );
    assert_eq!(told[0]["exported"], 3);
    to.check(&["import", "--trust", &ours, bundle], 65, &["bundle"]);
    assert_eq!(to.json(&["import", bundle, bundle], 0)[0]["imported"], 1);
    assert_eq!(to.keys(&[]), keys);
    assert_eq!(to.json(&["stats"], 0)[0]["imports"], 3);
    to.check(&["stats"], 0, &["imported        3\n"]);

    let to_trusting = Cache::new();
    from.check(
        &["export", "-o", bundle, "--all", "--sign", &ours],
        0,
        &["exported 3"],
    );
    to_trusting.check(&["import", "--trust", &theirs, bundle], 65, &["bundle"]);
    to_trusting.check(
        &["import", "--trust", &theirs, "--trust", &ours, bundle],
        0,
        &["imported 3"],
    );
    to_trusting.check(
        &["verify", "--trust", &ours],
        0,
        &["3 entries verified, 0 bad"],
    );
    to_trusting.check(&["verify", "--trust", &theirs], 1, &["untrusted", "3 bad"]);

    let mut bytes = std::fs::read(bundle).expect("the bundle");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(bundle, bytes).expect("written");
    let empty = Cache::new();
    empty.check(&["import", bundle], 65, &["bundle"]);
    std::fs::write(bundle, "").expect("written");
    empty.check(&["import", bundle], 65, &["bundle"]);
    assert_eq!(empty.run(&["list", "--keys"]).out, "");
}

#[test]
fn stdout_that_is_full() {
    let cache = Cache::filled(&["a.ll"]);
    for arguments in [
        &["list"] as &[&str],
        &["list", "--json"],
        &["stats"],
        &["--help"],
        &["verify", "--json"],
    ] {
        let full = File::options()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full");
        let output = cache.command("cache").args(arguments).stdout(full).output();
        let ran = Ran::from(output.expect("the tool"));
        assert_eq!(ran.code, 74, "{arguments:?}: {ran:?}");
        assert!(ran.err.contains("stdout"), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn clear_asks() {
    let cache = Cache::filled(&["a.ll", "b.ll"]);
    let answer = |typed: &str| -> (i32, String) {
        let (mut ours, theirs) = terminal();
        ours.write_all(typed.as_bytes()).expect("typed");
        let output = cache.command("cache").arg("clear").stdin(theirs).output();
        let ran = Ran::from(output.expect("the tool"));
        assert!(ran.err.contains("Remove 2 of 2 entries"), "{ran:?}");
        (ran.code, ran.out + &ran.err)
    };
    // A line that is empty, or not there, is no.
    for no in ["n\n", "\n", "nay\n", "yesterday\n", "\x04"] {
        let (code, said) = answer(no);
        assert_eq!(code, 1, "{no:?}: {said}");
        assert!(said.contains("Nothing was removed."), "{said}");
        assert_eq!(cache.keys(&[]).len(), 2);
    }
    let (code, said) = answer("yes\n");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("removed 2 entries"), "{said}");
}

#[test]
fn colours_are_for_terminals() {
    let cache = Cache::filled(&["a.ll"]);
    let on_terminal = |name: &str, value: &str, arguments: &[&str]| -> String {
        let (ours, theirs) = terminal();
        let mut command = cache.command("cache");
        let status = command
            .args(arguments)
            .env(name, value)
            .stdout(theirs)
            .status();
        assert!(status.expect("the tool").success());
        // It has the terminal open as well.
        drop(command);
        shown(ours)
    };
    let key = &cache.keys(&[])[0];
    for arguments in [
        &["list"] as &[&str],
        &["stats"],
        &["verify"],
        &["show", key],
    ] {
        let colored = |name, value| on_terminal(name, value, arguments).contains("\x1b[");
        assert!(colored("TERM", "xterm"), "{arguments:?}");
        assert!(colored("NO_COLOR", ""), "{arguments:?}");
        assert!(!colored("NO_COLOR", "1"), "{arguments:?}");
        assert!(!colored("TERM", "dumb"), "{arguments:?}");
    }
    let json = on_terminal("TERM", "xterm", &["list", "--json"]);
    assert!(serde_json::from_str::<Value>(json.trim()).is_ok(), "{json}");
    // No bytes that are no text.
    let (_ours, theirs) = terminal();
    let output = cache
        .command("cache")
        .args(["show", key, "--image", "-"])
        .stdout(theirs)
        .output();
    assert_eq!(output.expect("the tool").status.code(), Some(64));
}

/// A module of pieces with one function each, and an edit of one function: what was found, compiled, kept and left out.
#[test]
fn pieces() {
    let cache = Cache::new();
    let write = |factors: [u32; 4]| {
        let functions = factors.iter().enumerate().map(|(number, factor)| {
            format!(
                "define i64 @f{number}(i64 %x) {{\n  %y = mul i64 %x, {factor}\n  ret i64 %y\n}}\n"
            )
        });
        std::fs::write(cache.path("m.ll"), functions.collect::<String>()).expect("a file");
    };
    let compile = |parts: &[&str]| {
        let arguments = ["--pieces", "1", "--verbose", "--time", "--list", "m.ll"];
        let output = cache.command("run").args(arguments).output();
        let ran = Ran::from(output.expect("run"));
        assert_eq!(ran.code, 0, "{ran:?}");
        for part in parts {
            assert!(ran.err.contains(part), "no {part:?} in {}", ran.err);
        }
    };
    let explain = |arguments: &[&str], code: i32, part: &str| {
        let arguments = [&["explain", "m.ll"], arguments].concat();
        cache.check(&arguments, code, &[part]);
    };
    let cut = ["--pieces", "1"];

    write([3, 5, 7, 9]);
    compile(&[
        "compiled to ",
        ": 4 pieces, all compiled\n",
        "\n0 of 4 pieces found; compiled 4\n",
    ]);
    explain(&cut, 0, "made of pieces: 4 pieces, all compiled\n");
    cache.check(
        &["list"],
        0,
        &[" m.ll\n1 entry, ", "; and 4 pieces, ", ": see --pieces\n"],
    );
    assert_eq!(cache.keys(&[]).len(), 1);
    let listed = cache.json(&["list", "--pieces", "--name", "m.ll*"], 0);
    assert_eq!(listed.len(), 5);
    let pieces = |entry: &&Value| entry["is_piece"] == true;
    let mut names: Vec<&str> = listed
        .iter()
        .filter(pieces)
        .map(|piece| piece["name"].as_str().expect("a name"))
        .collect();
    names.sort_unstable();
    let named = [0, 1, 2, 3].map(|number| format!("m.ll (piece with `f{number}`)"));
    assert_eq!(names, named);
    cache.check(
        &["list", "--pieces"],
        0,
        &["\n5 entries, ", " m.ll (piece with `f2`)\n"],
    );

    let first = cache.keys(&[])[0].clone();
    let shown = &cache.json(&["show", &first], 0)[0];
    assert_eq!(
        (&shown["pieces"], &shown["is_piece"]),
        (&Value::from(4), &Value::from(false))
    );
    let made_of = shown["made_of"].as_array().expect("pieces");
    for (number, piece) in made_of.iter().enumerate() {
        assert_eq!(piece["name"], format!("f{number}"), "{piece}");
        assert_eq!(
            (&piece["functions"], &piece["compiled"]),
            (&1.into(), &true.into())
        );
        assert!(
            listed.iter().any(|entry| entry["key"] == piece["key"]),
            "{piece}"
        );
    }
    cache.check(
        &["show", &first],
        0,
        &["\n4 pieces\n", "f3\n", "\n4 functions\n"],
    );
    let piece = made_of[2]["key"].as_str().expect("a key").to_owned();
    cache.check(
        &["show", &piece],
        0,
        &[
            "m.ll (piece with `f2`)\n",
            "a piece of a module\n",
            "\n1 piece\n",
        ],
    );
    cache.check(
        &["show", "--disassemble", &piece],
        64,
        &["has no code of its own"],
    );
    cache.check(&["show", "--ir", &piece], 66, &[]);

    write([3, 5, 8, 9]);
    explain(
        &cut,
        1,
        "It was made of 4 pieces, of which 4 are in the cache",
    );
    explain(
        &["--pieces", "off"],
        1,
        "code with the options pieces=1, not the options pieces=off",
    );
    let told = &cache.json(&["explain", "--pieces", "2", "m.ll"], 1)[0];
    assert_eq!(told["differences"], Value::from(&["ir", "options"][..]));
    compile(&[
        ": 3 of 4 pieces found; compiled 1: piece 3 with `f2`\n",
        "\n3 of 4 pieces found; compiled 1: 3 with `f2`\n",
    ]);
    explain(
        &cut,
        0,
        "3 of 4 pieces found; compiled 1: piece 3 with `f2`\n",
    );
    let stats = &cache.json(&["stats"], 0)[0];
    let counts = [
        "entries",
        "pieces",
        "stores",
        "piece_stores",
        "hits",
        "piece_hits",
    ];
    assert_eq!(
        counts.map(|name| stats[name].as_u64().expect("a count")),
        [7, 5, 2, 5, 0, 3]
    );
    cache.check(
        &["stats"],
        0,
        &["5 of the entries; found 3, compiled and stored 5\n"],
    );
    cache.check(&["rebuild"], 0, &["7 entries"]);
    assert_eq!(cache.json(&["stats"], 0)[0]["pieces"], 5);

    // Modules are compiled again in pieces; pieces only with them.
    cache.check(
        &["verify", "--recompile"],
        0,
        &["7 entries verified, 0 bad, 5 not compiled again: pieces, "],
    );
    let verified = &cache.json(&["verify", "--recompile", &piece], 0)[0];
    assert_eq!(verified["result"], "not compiled");
    assert!(
        verified["message"]
            .as_str()
            .is_some_and(|why| why.contains("a piece is compiled again"))
    );

    cache.check(
        &["export", "-o", "modules", "--all"],
        0,
        &["exported 2 entries to modules, without 5 pieces: "],
    );
    cache.check(
        &["export", "-o", "all", "--all", "--pieces"],
        0,
        &["exported 7 entries to all\n"],
    );
    let told = &cache.json(&["export", "-o", "m", "--name", "m.ll*"], 0)[0];
    assert_eq!(
        (&told["exported"], &told["pieces_left_out"]),
        (&2.into(), &5.into())
    );
    cache.check(
        &["--cache-dir", "other", "import", "all"],
        0,
        &["imported 7 new"],
    );
    let other = &cache.json(&["stats", "--cache-dir", "other"], 0)[0];
    assert_eq!(
        (&other["entries"], &other["pieces"]),
        (&7.into(), &5.into())
    );

    // What one piece has lost is compiled; a pinned module holds none of its pieces.
    cache.check(&["remove", &piece], 0, &["removed"]);
    cache.check(&["remove", &first], 0, &["removed"]);
    assert_eq!(cache.json(&["stats"], 0)[0]["pieces"], 4);
    write([3, 5, 7, 9]);
    compile(&["\n3 of 4 pieces found; compiled 1: 3 with `f2`\n"]);
    cache.check(&["pin", &first], 0, &["pinned"]);
    cache.check(
        &["trim", "--max-entries", "1"],
        0,
        &["removed 6 entries", "1 pinned"],
    );
    let left = &cache.json(&["stats"], 0)[0];
    assert_eq!((&left["entries"], &left["pieces"]), (&1.into(), &0.into()));
    explain(&cut, 0, "it is in the cache");
}
