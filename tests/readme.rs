//! The README shows what there is, and its commands print what it shows.

mod support;

use std::fmt::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};
use support::{shared_library, source, tools};

fn read(path: &str) -> String {
    let path = source(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_smallest_program_is_the_example() {
    let example = read("examples-c/quickstart.c");
    assert!(
        read("README.md").contains(&format!("```c\n{example}```\n")),
        "README.md does not show examples-c/quickstart.c as it is"
    );
}

/// What the CMake package sets beside its target.
const CMAKE_VARIABLES: [&str; 1] = ["mgenjit_SERVER"];

#[test]
fn every_function_that_is_named_exists() {
    let exports = read("tests/exports.txt");
    for document in ["README.md", "ARCHITECTURE.md"] {
        let text = read(document);
        for (at, _) in text.match_indices("mgenjit_") {
            let word = |one: char| one.is_ascii_alphanumeric() || one == '_';
            let rest = &text[at..];
            let name = &rest[..rest.find(|one| !word(one)).unwrap_or(rest.len())];
            let known = exports.lines().any(|export| export == name)
                || read("include/mgenjit.h").contains(&format!("typedef struct {name} "))
                || read("include/mgenjit.h").contains(&format!(" {name};"))
                || text[..at].ends_with("__")
                || CMAKE_VARIABLES.contains(&name);
            assert!(
                known,
                "{document} names {name}, which the header does not have"
            );
        }
    }
}

/// What the README shows of a terminal: a command, with the line it is in, and what it prints.
struct Shown {
    line: usize,
    command: String,
    output: String,
}

/// The blocks that begin with a prompt. What is shown without one is no command, or sets up the machine.
fn shown(text: &str) -> Vec<Shown> {
    let mut shown: Vec<Shown> = Vec::new();
    let (mut inside, mut terminal, mut continues) = (false, false, false);
    for (line, content) in (1..).zip(text.lines()) {
        if content.starts_with("```") {
            inside = !inside;
            terminal = false;
        } else if let Some(command) = content.strip_prefix("$ ").filter(|_| inside) {
            terminal = true;
            continues = command.ends_with('\\');
            shown.push(Shown {
                line,
                command: command.to_owned(),
                output: String::new(),
            });
        } else if terminal {
            let last = shown.last_mut().expect("a command");
            if continues {
                continues = content.ends_with('\\');
                let _ = write!(last.command, "\n{content}");
            } else {
                let _ = writeln!(last.output, "{content}");
            }
        }
    }
    shown
}

/// The text with `#` for what differs from run to run: times, sizes, keys, addresses and dates; and how wide a column is.
fn steady(text: &str) -> String {
    text.lines()
        .map(|line| steady_line(line) + "\n")
        .collect::<String>()
        .trim_end()
        .to_owned()
}

fn steady_line(line: &str) -> String {
    const UNITS: [&str; 8] = ["µs", "ms", "s", "min", "h", "B", "KiB", "MiB"];
    let digits = |word: &str| {
        word.chars()
            .all(|one| one.is_ascii_digit() || "-:.".contains(one))
    };
    let mut words: Vec<&str> = Vec::new();
    for word in line.split_whitespace() {
        let bare = word.trim_end_matches(',');
        let bare = bare.strip_prefix("0x").unwrap_or(bare);
        let previous = words.last().copied().unwrap_or_default();
        if UNITS.contains(&bare) && !previous.is_empty() && digits(previous) {
            words.pop();
            words.push("#");
        } else if word == "ago" && previous == "#" {
        } else if (previous, word) == ("just", "now") {
            words.pop();
            words.push("#");
        } else if bare.len() >= 12 && bare.chars().all(|one| one.is_ascii_hexdigit())
            || bare.len() >= 8 && digits(bare) && bare.contains(['-', ':'])
        {
            words.push("#");
        } else {
            words.push(word);
        }
    }
    words.join(" ")
}

#[test]
fn what_differs_from_run_to_run_is_left_out() {
    let check = |line, expect| assert_eq!(steady_line(line), expect, "{line}");
    check(
        "3bf2e4f5bad9   19.1 KiB       1     1 s ago     a.ll",
        "# # 1 # a.ll",
    );
    check(
        "c09f4ec99af3   1.6 MiB       0     just now     a.ll",
        "# # 0 # a.ll",
    );
    check("3 entries, 40.3 KiB", "3 entries, #");
    check(
        "  compiled        2026-11-23 19:17:06, 1 s ago",
        "compiled # # #",
    );
    check("  hash the IR     12 µs", "hash the IR #");
    check("0000000000000840 <fibonacci>:", "# <fibonacci>:");
    check("fibonacci(25)=75025", "fibonacci(25)=75025");
    check("102334155", "102334155");
    check(
        "All ways gave 54629403553. It is so.",
        "All ways gave 54629403553. It is so.",
    );
}

/// From top to bottom, as a reader would who has built and installed the project and has an empty cache.
#[test]
fn the_commands_print_what_is_shown() {
    let folder = tempfile::Builder::new()
        .prefix("readme-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("a temporary folder");
    // Below the folder above it could be too long for a socket's path.
    let runtime = tempfile::Builder::new()
        .prefix("mgenjit-")
        .tempdir()
        .expect("a runtime folder");
    let path = |name: &str| folder.path().join(name);
    symlink(source("examples-c"), path("examples-c")).expect("a link");
    let programs = [
        "mgenjit",
        "runtime",
        "redefine",
        "hotreload",
        "library_names",
        "survive",
        "backtrace",
    ];
    tools::build_in(&path("target/examples-c"), &programs);
    for name in ["target/runtime", "installed", "home"] {
        std::fs::create_dir(path(name)).expect("a folder");
    }
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(path("home"), private).expect("a private folder");
    tools::build_runtime(&path("target/runtime"));
    // What `make install` leaves where the system looks for it.
    std::fs::copy(shared_library(), path("installed/libmgenjit.so.0")).expect("a copy");
    symlink("libmgenjit.so.0", path("installed/libmgenjit.so")).expect("a link");
    let found = format!(
        "Name: mgenjit\nDescription: -\nVersion: 0\nCflags: -I{}\nLibs: -L{1} -lmgenjit -Wl,-rpath,{1}\n",
        source("include").display(),
        path("installed").display()
    );
    std::fs::write(path("installed/mgenjit.pc"), found).expect("a file");

    let commands = shown(&read("README.md"));
    let has = |program: &str| {
        let mut command = Command::new(program);
        let started = command.arg("--version").stdout(Stdio::null()).status();
        started.is_ok()
    };
    // What names this needs that program.
    let remote = std::path::Path::new(env!("CARGO_BIN_EXE_mgenjit-server"));
    let remote = remote.with_file_name("mgenjit-remote");
    let remote = remote.to_str().expect("UTF-8");
    let needed = [
        ("ci-cache", remote),
        ("dev-cache", remote),
        ("quickstart", "pkg-config"),
        ("gdb -q", "gdb"),
        ("fibonacci.arm", "aarch64-linux-gnu-gcc"),
        ("qemu-aarch64", "qemu-aarch64"),
    ];
    let missing: Vec<_> = needed.into_iter().filter(|one| !has(one.1)).collect();
    let mut script = String::from("trap 'mgenjit server stop > /dev/null 2>&1' EXIT\n");
    let mut run = Vec::new();
    for one in commands {
        if let Some((_, program)) = missing.iter().find(|(name, _)| one.command.contains(name)) {
            eprintln!("README.md:{} is not run: there is no {program}", one.line);
            continue;
        }
        let _ = write!(script, "{{ {}\n}} 2>&1\nprintf '\\n@@@\\n'\n", one.command);
        run.push(one);
    }
    assert!(run.len() > 15, "only {} commands are shown", run.len());
    let mut command = Command::new("sh");
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("MGENJIT_"))
        {
            command.env_remove(name);
        }
    }
    let output = command
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("MGENJIT_SERVER", env!("CARGO_BIN_EXE_mgenjit-server"))
        .env("PKG_CONFIG_PATH", path("installed"))
        .env("HOME", path("home"))
        .env("XDG_RUNTIME_DIR", runtime.path())
        .env("LC_ALL", "C")
        .env_remove("XDG_CACHE_HOME")
        .env_remove("LD_LIBRARY_PATH")
        .stdin(Stdio::null())
        .output()
        .expect("sh");
    let printed = String::from_utf8_lossy(&output.stdout);
    let printed: Vec<&str> = printed.split("\n@@@\n").collect();
    let mut wrong = String::new();
    for (index, one) in run.iter().enumerate() {
        let found = printed
            .get(index)
            .copied()
            .unwrap_or("nothing: it did not run");
        if steady(found) != steady(&one.output) {
            let (line, command, output) = (one.line, &one.command, &one.output);
            let _ = writeln!(
                wrong,
                "README.md:{line}: $ {command}\nprints:\n{found}\nnot:\n{output}"
            );
        }
    }
    assert!(
        wrong.is_empty(),
        "{wrong}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
