//! The command-line example `examples-c/run`, as its users run it: options, output, exit codes.

mod support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use support::fatal::fatal;
use support::machine::OLDEST_CPU;
use support::source;
use support::terminal::{check_progress, run_on_terminal, screen};
use support::tools::{self, Place};

fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| tools::build("run-tool", &["run"]))
}

const ADD: &str = "define i64 @add(i64 %a, i64 %b) {\n  %s = add i64 %a, %b\n  ret i64 %s\n}\n";

/// Prints its arguments and ends with their number.
const ARGUMENTS: &str = r"declare i32 @puts(ptr)
define i32 @main(i32 %argc, ptr %argv) {
entry:
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %p = getelementptr ptr, ptr %argv, i32 %i
  %s = load ptr, ptr %p
  %r = call i32 @puts(ptr %s)
  %next = add i32 %i, 1
  %more = icmp slt i32 %next, %argc
  br i1 %more, label %loop, label %end
end:
  ret i32 %argc
}
";

/// Calls `twice`, which another file has.
const CALLER: &str = "declare i64 @twice(i64)\n\
    define i64 @main() {\n  %r = call i64 @twice(i64 21)\n  ret i64 %r\n}\n";

const TWICE: &str = "define i64 @twice(i64 %x) {\n  %r = mul i64 %x, 2\n  ret i64 %r\n}\n";

/// Has four threads that call the event hook of `run --verbose`.
const THREADS: &str = r#"#include "common/events.h"
#include <pthread.h>
#include <stddef.h>
const char *program_name = "threads";
static const mgenjit_times times = {sizeof times};
static void tell(int kind, const char *message, uint64_t total)
{
    mgenjit_event event = {sizeof event, kind, "key", "a.ll", message, 0, &times, 0, total};
    events_print(&event, NULL);
}
static void *work(void *unused)
{
    for (int i = 0; i < 100; i++) {
        tell(MGENJIT_EVENT_PROGRESS, "queue", i % 3);
        tell(MGENJIT_EVENT_MISS, "", 0);
    }
    return unused;
}
int main(void)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        if (pthread_create(&threads[i], NULL, work, NULL) != 0)
            return 1;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
"#;

fn place() -> Place {
    let place = Place::new(programs().join("run"));
    place.write("add.ll", ADD);
    place.write("arguments.ll", ARGUMENTS);
    place.write("caller.ll", CALLER);
    place.write("twice.ll", TWICE);
    place
}

#[test]
fn wrong_usage() {
    let place = place();
    let check = |arguments: &[&str], part: &str| {
        place.check(arguments, 64, &["run: ", part, "usage: run", "--help"]);
    };
    check(&[], "no file was given");
    check(&["--frob", "add.ll"], "wrong option: --frob");
    check(&["-x", "add.ll"], "wrong option: -x");
    check(&["--cpu"], "a value is missing after --cpu");
    check(&["--with"], "a value is missing after --with");
    check(
        &["--max-time", "soon", "add.ll"],
        "not a number of seconds: soon",
    );
    check(&["--max-memory", "-1", "add.ll"], "not a number of MiB: -1");
    check(
        &["--server", "both", "add.ll"],
        "not private and not shared: both",
    );
    check(
        &["--server-idle", "long", "add.ll"],
        "not a number of seconds: long",
    );
    check(&["-O4", "add.ll"], "not an optimisation level");
    check(&["--opt", "fast", "add.ll"], "not an optimisation level");
    for wrong in ["some", "", "0", "-2", "1.5", "12x", "4294967297"] {
        let said = format!("not auto, off or a number of instructions from 1 on: {wrong}");
        check(&["--pieces", wrong, "add.ll"], &said);
    }
    check(&["--list", "add.ll", "1"], "arguments are for main");
    check(
        &["--call", "add(1, 2)", "add.ll", "1"],
        "arguments are for main",
    );
}

/// Calls `twice` as often as it has arguments, and ends by `exit`.
const COUNTED: &str = "declare void @exit(i32)
define internal i32 @twice(i32 %x) noinline {
  %r = mul i32 %x, 2
  ret i32 %r
}
define i32 @main(i32 %argc, ptr %argv) {
entry:
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %r = call i32 @twice(i32 %i)
  %next = add i32 %i, 1
  %more = icmp slt i32 %next, %argc
  br i1 %more, label %loop, label %end
end:
  call void @exit(i32 %argc)
  unreachable
}
define i32 @quiet() {
  ret i32 7
}
";

#[test]
fn what_a_program_does_is_added_to_a_profile() {
    let place = place();
    place.write("counted.ll", COUNTED);
    let profile = || std::fs::read(place.path("it.profdata")).expect("a profile");
    let generate = ["--profile-generate", "it.profdata", "counted.ll", "1", "2"];
    place.check(&generate, 3, &[]);
    let first = profile();
    place.check(&generate, 3, &[]);
    let second = profile();
    assert!(first.starts_with(b"\xfflprofi\x81") && first != second);
    let shown = place
        .command("llvm-profdata-22")
        .args(["show", "--all-functions", "--counts", "it.profdata"])
        .output()
        .expect("llvm-profdata");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.contains("counted.ll;twice:") || shown.contains("<ir>;twice:"),
        "{shown}"
    );
    assert!(shown.contains("Block counts: [6]"), "{shown}");
    // Also without main.
    let call = [
        "--call",
        "quiet()",
        "--profile-generate",
        "it.profdata",
        "counted.ll",
    ];
    place.check(&call, 0, &["7"]);
    assert_ne!(profile(), second);

    place.check(&["--profile-use", "it.profdata", "counted.ll", "1"], 2, &[]);
    place.write("not.profdata", "other");
    let other = ["--verbose", "--profile-use", "not.profdata", "counted.ll"];
    place.check(&other, 1, &["the profile is not used"]);
    // What the program printed was printed before.
    let check = |profile: &str, code: i32, said: &str| {
        let call = [
            "--profile-generate",
            profile,
            "--call",
            "quiet()",
            "counted.ll",
        ];
        let ran = place.run(&call);
        assert!(ran.code == code && ran.err.contains(said), "{ran:?}");
    };
    check("not.profdata", 65, "the profile other cannot be read");
    check("no/such", 73, "cannot be written to no/such");
    place.check(
        &["--profile-use", "none", "add.ll"],
        66,
        &["the profile none cannot be read"],
    );
    place.write("empty", "");
    place.check(&["--profile-use", "empty", "add.ll"], 65, &["is empty"]);
}

#[test]
fn any_kind_of_file_runs() {
    let place = place();
    place.write("five.c", "int main(void) { return 5; }\n");
    place.write(
        "count.c",
        "extern int calls; int main(int argc, char **argv) { (void)argv; return argc + calls; }\n",
    );
    place.write("calls.c", "int calls = 10;\n");
    place.cc(&["-c", "five.c", "count.c", "calls.c"]);
    place.cc(&["-c", "-fPIC", "-o", "pic.o", "count.c"]);
    let members = ["rcs", "all.a", "pic.o", "calls.o"];
    let status = place.command("ar").args(members).status();
    assert!(status.expect("ar").success());
    place.write("marked.ll", format!("\u{feff}{CALLER}"));
    place.check(&["five.o"], 5, &[]);
    place.check(&["all.a", "x", "y"], 13, &[]);
    place.check(&["--with", "calls.o", "pic.o"], 11, &[]);
    place.check(&["--add", "calls.o", "pic.o"], 11, &[]);
    place.check(&["--with", "twice.ll", "marked.ll"], 42, &[]);
    place.write("data.c", "int main = 5;\n");
    place.cc(&["-c", "-w", "data.c"]);
    place.check(&["data.o"], 65, &["`main` has no known signature"]);
}

#[test]
fn declarations_that_differ() {
    let place = place();
    let program = "%S = type { ptr, i64, i64 }\ndeclare %S @make()\ndeclare void @seven()\n\
        @mark = external global [0 x i8]\n\
        define i32 @main() {\n  %v = load i8, ptr @mark\n  %a = zext i8 %v to i32\n  \
        %b = call i32 @seven(i64 0)\n  %r = add i32 %a, %b\n  ret i32 %r\n}\n";
    let runtime = "@mark = global i32 9\n\
        define void @make(ptr %out) {\n  ret void\n}\n\
        define i64 @seven(ptr %p) {\n  ret i64 7\n}\n";
    place.write("program.ll", program);
    place.write("runtime.ll", runtime);
    place.write("fewer.ll", program.replace("@seven(i64 0)", "@seven()"));
    for way in ["--with", "--add"] {
        let ran = place.check(&["--verbose", way, "runtime.ll", "program.ll"], 16, &[]);
        assert!(!ran.err.contains("warning"), "{ran:?}");
    }
    let ran = place.check(&["--verbose", "--with", "runtime.ll", "fewer.ll"], 16, &[]);
    let expected =
        ": warning: fewer.ll calls `seven` as `i32 ()`, but runtime.ll defines it as `i64 (ptr)`";
    assert!(ran.err.contains(expected), "{ran:?}");
}

#[test]
fn stdin_is_a_file() {
    let place = place();
    let check = |arguments: &[&str], input: &str, code: i32, said: &str| {
        let mut child = place
            .tool(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("run");
        let mut stdin = child.stdin.take().expect("stdin");
        stdin.write_all(input.as_bytes()).expect("written");
        drop(stdin);
        let output = child.wait_with_output().expect("run");
        let ran = tools::Ran::from(output);
        assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
        assert!(ran.out.contains(said) || ran.err.contains(said), "{ran:?}");
    };
    check(&["-", "x"], ARGUMENTS, 2, "-\nx\n");
    check(&["--with", "twice.ll", "-"], CALLER, 42, "");
    check(&["--with", "-", "caller.ll"], TWICE, 42, "");
    check(&["-"], "", 65, "<stdin>: the input is empty");
    check(&["-"], "define", 65, "<stdin>:1:7: ");
}

#[test]
fn values_that_the_library_refuses() {
    let place = place();
    place.check(&["--cpu", "i386", "add.ll"], 64, &["run: ", "i386"]);
    place.check(&["--cache-dir", "", "add.ll"], 64, &["run: "]);
    place.check(&["--server-idle", "0", "add.ll"], 64, &["0 ms"]);
    place.check(&["--server-log", "", "add.ll"], 64, &["run: "]);
    place.check(
        &["--keep", "", "add.ll"],
        64,
        &["a symbol to keep needs a name"],
    );
    place.check(&["--trust", "nowhere", "add.ll"], 66, &["nowhere"]);
    place.check(&["--sign", "nowhere", "add.ll"], 66, &["nowhere"]);
}

#[test]
fn help_and_version() {
    let place = place();
    place.check_help(&[
        "--add",
        "--cache-dir",
        "--call",
        "--cpu",
        "--env",
        "--isolated",
        "--keep",
        "--layer",
        "--lib",
        "--list",
        "--memory",
        "--network",
        "--no-cache",
        "--opt",
        "--output",
        "--pieces",
        "--processes",
        "--read",
        "--server",
        "--server-idle",
        "--server-log",
        "--sign",
        "--time",
        "--trust",
        "--verbose",
        "--version",
        "--with",
        "--write",
    ]);
    place.check(&["--version"], 0, &["run, with libmgenjit 0.", "LLVM 22"]);
}

#[test]
fn a_program_with_its_arguments() {
    let place = place();
    let ran = place.run(&["arguments.ll", "--list", "two words"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (3, "arguments.ll\n--list\ntwo words\n"),
        "{ran:?}"
    );
    let ran = place.run(&["--", "./arguments.ll"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (1, "./arguments.ll\n"),
        "{ran:?}"
    );
}

#[test]
fn calls() {
    let place = place();
    let ran = place.check(
        &["--call", "add(40, 2)", "--call", "add(-1, 0x10)", "add.ll"],
        0,
        &[],
    );
    assert_eq!(ran.out, "42\n15\n");
    let list = place.check(&["--list", "add.ll"], 0, &[]);
    assert_eq!(list.out, "i64 @add(i64, i64)\n");
    place.check(
        &["--call", "add(1", "add.ll"],
        64,
        &["',' or ')' is missing"],
    );
    place.check(
        &["--call", "add(1, x)", "add.ll"],
        64,
        &["an integer of at most 64 bits is expected"],
    );
    place.check(&["--call", "add", "add.ll"], 64, &["not a call"]);
    place.check(&["--call", "sub(1)", "add.ll"], 65, &["sub"]);
    place.check(&["--call", "add(1)", "add.ll"], 65, &["add(1)"]);
}

#[test]
fn what_is_wrong_with_a_file() {
    let place = place();
    place.write("bad.ll", "define i32 @main() {\n  ret i64 0\n}\n");
    place.check(&["bad.ll"], 65, &["run: bad.ll:2:", "  ret i64 0\n", "^"]);
    place.check(&["nowhere.ll"], 66, &["nowhere.ll"]);
    place.check(&["add.ll"], 65, &["main"]);
    place.check(&["caller.ll"], 65, &["twice"]);
    let ran: tools::Ran = place
        .tool(&["--no-cache", "add.ll"])
        .env("MGENJIT_SERVER", "/nowhere/server")
        .output()
        .expect("run")
        .into();
    assert_eq!(ran.code, 69, "{ran:?}");
    place.check(&["--lib", "./nowhere.so", "add.ll"], 69, &["nowhere.so"]);
}

#[test]
fn modules_and_libraries() {
    let place = place();
    assert_eq!(place.run(&["--add", "twice.ll", "caller.ll"]).code, 42);
    place.write("twice.c", "long twice(long x) { return 3 * x; }\n");
    place.cc(&["-shared", "-fPIC", "-o", "libtwice.so", "twice.c"]);
    assert_eq!(place.run(&["--lib", "./libtwice.so", "caller.ll"]).code, 63);
}

/// Of all kinds, compiled together with the program, in folders of their own.
#[test]
fn with() {
    let place = place();
    place.write("twice.c", "long twice(long x) { return 3 * x; }\n");
    place.cc(&["-fPIC", "-O1", "-c", "-o", "twice.o", "twice.c"]);
    std::fs::create_dir(place.path("folder")).expect("a folder");
    let archive = place
        .command("ar")
        .args(["rcs", "folder/libtwice.a", "twice.o"])
        .status();
    assert!(archive.expect("ar").success());
    assert_eq!(place.run(&["--with", "twice.ll", "caller.ll"]).code, 42);
    assert_eq!(place.run(&["--with", "twice.o", "caller.ll"]).code, 63);
    assert_eq!(
        place
            .run(&["--with", "folder/libtwice.a", "caller.ll"])
            .code,
        63
    );
    place.check(&["--with", "nowhere.a", "caller.ll"], 66, &["nowhere.a"]);
    place.check(
        &["--with", "twice.ll", "--with", "twice.o", "caller.ll"],
        65,
        &["twice.ll", "twice.o", "twice"],
    );
    // One module: it has the functions of both.
    let list = place
        .check(&["--list", "--with", "twice.ll", "caller.ll"], 0, &[])
        .out;
    assert_eq!(list, "i64 @main()\ni64 @twice(i64)\n");
}

#[test]
fn keep() {
    let place = place();
    let list = place
        .check(
            &[
                "--list",
                "--keep",
                "main",
                "--with",
                "twice.ll",
                "caller.ll",
            ],
            0,
            &[],
        )
        .out;
    assert_eq!(list, "i64 @main()\n");
    // main is kept because it is called.
    assert_eq!(
        place
            .run(&["--keep", "twice", "--with", "twice.ll", "caller.ll"])
            .code,
        42
    );
    let call = place
        .check(
            &[
                "--keep",
                "twice",
                "--call",
                "twice(4)",
                "--with",
                "twice.ll",
                "caller.ll",
            ],
            0,
            &[],
        )
        .out;
    assert_eq!(call, "8\n");
    place.check(
        &[
            "--keep",
            "main",
            "--call",
            "twice(4)",
            "--with",
            "twice.ll",
            "caller.ll",
        ],
        65,
        &["twice"],
    );
    place.check(&["--keep", "nosuch", "caller.ll"], 65, &["nosuch"]);
}

#[test]
fn levels_and_cpus() {
    let place = place();
    for level in [
        "-O0", "-O1", "-O2", "-O3", "-Os", "-Oz", "--opt=O1", "--opt=s",
    ] {
        assert_eq!(
            place
                .run(&[
                    level,
                    "--cpu",
                    OLDEST_CPU,
                    "--with",
                    "twice.ll",
                    "caller.ll"
                ])
                .code,
            42,
            "{level}"
        );
    }
}

#[test]
fn times_and_events() {
    let place = place();
    let cold = place
        .check(
            &["--time", "--verbose", "--call", "add(1, 2)", "add.ll"],
            0,
            &["3\n"],
        )
        .err;
    for part in [
        "compiled (miss)",
        "optimise",
        "run: add.ll ",
        "not in the cache",
        "stored",
        "mapped",
        "total",
    ] {
        assert!(cold.contains(part), "{part} in {cold}");
    }
    let warm = place
        .check(
            &["--time", "--verbose", "--call", "add(1, 2)", "add.ll"],
            0,
            &["3\n"],
        )
        .err;
    assert!(
        warm.contains("from the cache (hit)") && warm.contains("in the cache: "),
        "{warm}"
    );
    assert!(!warm.contains("optimise"), "{warm}");
    let without = place
        .check(&["--no-cache", "--time", "--list", "add.ll"], 0, &[])
        .err;
    assert!(without.contains("compiled (miss)"), "{without}");
}

/// A line that is gone when anything else is told.
#[test]
fn progress_on_a_terminal() {
    let place = place();
    let arguments = [
        "--verbose",
        "--pieces",
        "off",
        "--no-cache",
        "--list",
        "large.ll",
    ];
    place.write_large("large.ll", 1000, "");
    let ran = run_on_terminal(place.tool(&arguments), "xterm");
    assert_eq!(ran.code, 0, "{ran:?}");
    check_progress("run", &ran.err, 1000);
    let screen = screen(&ran.err);
    // Not every kernel isolates servers, which is told.
    let is_told = |line: &&str| !line.contains(": the compile server is not isolated: ");
    let told = |text: &str| text.lines().filter(is_told).count();
    let said: Vec<&str> = screen.lines().filter(is_told).collect();
    assert_eq!(said.len(), 4, "{screen}");
    for (line, part) in said
        .iter()
        .zip(["not in", "compiling", "compiled", "mapped"])
    {
        assert!(line.starts_with("run: large.ll "), "{screen}");
        assert!(line.contains(part), "{screen}");
    }
    // Nothing of it without --verbose, on a terminal that cannot draw it, or on none.
    let quiet = run_on_terminal(place.tool(&arguments[1..]), "xterm");
    assert_eq!((quiet.code, quiet.err.as_str()), (0, ""), "{quiet:?}");
    let dumb = run_on_terminal(place.tool(&arguments), "dumb").err;
    let piped = place.tool(&arguments).env("TERM", "xterm").output();
    let piped = tools::Ran::from(piped.expect("run")).err;
    for plain in [dumb.replace("\r\n", "\n"), piped] {
        assert_eq!(told(&plain), 4, "{plain}");
        assert!(!plain.contains(['\r', '\x1b']), "{plain}");
    }
}

/// What the line says of a queue, and that threads that draw and remove it leave nothing of it.
#[test]
fn progress_of_several_threads() {
    let place = place();
    place.write("threads.c", THREADS);
    let sources =
        ["events.c", "line.c", "message.c"].map(|name| source("examples-c/common").join(name));
    let folders = ["include", "examples-c"].map(source);
    let [events, line, message] = sources.each_ref().map(|path| path.to_str().expect("UTF-8"));
    let [include, examples] = folders.each_ref().map(|path| path.to_str().expect("UTF-8"));
    place.cc(&[
        "-pthread",
        "-I",
        include,
        "-I",
        examples,
        "-o",
        "threads",
        "threads.c",
        events,
        line,
        message,
    ]);
    let ran = run_on_terminal(place.command(place.path("threads")), "xterm");
    assert_eq!(ran.code, 0, "{ran:?}");
    for part in [
        "\x1b[?7lthreads: queue: 2 compiles ahead, ",
        "\x1b[?7lthreads: queue: 1 compile ahead, ",
        "\x1b[?7lthreads: queue, ",
    ] {
        assert!(ran.err.contains(part), "{part:?} in {:?}", ran.err);
    }
    let screen = screen(&ran.err);
    let said: Vec<&str> = screen.lines().collect();
    assert_eq!(said, vec!["threads: a.ll key: not in the cache"; 400]);
}

#[test]
fn warnings_of_the_server() {
    let place = place();
    let arguments = [
        "--verbose",
        "--server-log",
        "nowhere/log",
        "--list",
        "add.ll",
    ];
    let said = place.check(&arguments, 0, &["i64 @add(i64, i64)\n"]).err;
    let told = said
        .lines()
        .find(|line| line.contains(": compile server warning: "));
    assert!(
        told.is_some_and(|line| line.contains("nowhere/log")),
        "{said}"
    );
}

#[test]
fn caches() {
    let place = place();
    let origin = |arguments: &[&str]| {
        let arguments = [&["--time", "--list"], arguments, &["add.ll"]].concat();
        let ran = place.check(&arguments, 0, &[]);
        let hit = ran.err.contains("from the cache (hit)");
        assert!(hit != ran.err.contains("compiled (miss)"), "{ran:?}");
        hit
    };
    assert!(!origin(&["--cache-dir", "below"]));
    assert!(place.path("below").is_dir());
    assert!(origin(&["--cache-dir", "below"]));
    assert!(!origin(&["--cache-dir", "above"]));
    assert!(origin(&[
        "--cache-dir",
        "empty",
        "--layer",
        "nowhere",
        "--layer",
        "below"
    ]));

    place.write_key("key");
    // What nobody signed is a miss, and what is compiled anew is signed.
    assert!(!origin(&[
        "--cache-dir",
        "below",
        "--trust",
        "key",
        "--sign",
        "key"
    ]));
    assert!(origin(&["--cache-dir", "below", "--trust", "key"]));
}

#[test]
fn stdout_that_is_full() {
    let place = place();
    for arguments in [&["--list", "add.ll"][..], &["--help"]] {
        place.check_full_stdout(arguments);
    }
}

#[test]
fn the_programs_of_the_repository() {
    let place = place();
    let run = |name: &str| {
        place.run(&[source("examples-c/programs")
            .join(name)
            .to_str()
            .expect("UTF-8")])
    };
    assert!(run("fibonacci.ll").out.ends_with("fibonacci(25)=75025\n"));
    assert!(run("quicksort.ll").out.ends_with("sorted\n"));
    assert_eq!(run("matrix.ll").code, 0);
}

#[test]
fn limits_and_reproducers() {
    let place = place();
    let large: String = (0..2000)
        .map(|number| {
            let body: String = (0..100)
                .map(|step| {
                    let next = step + 1;
                    format!("  %x{next} = mul i64 %x{step}, %x{step}\n  store volatile i64 %x{next}, ptr %p\n")
                })
                .collect();
            format!("define i64 @f{number}(i64 %x0, ptr %p) {{\n{body}  ret i64 %x100\n}}\n")
        })
        .collect();
    place.write("large.ll", &large);
    let listed = |limit: [&str; 2]| {
        [limit[0], limit[1], "--no-cache", "--list", "large.ll"].map(str::to_owned)
    };
    let check = |limit: [&str; 2], part: &str| {
        let arguments = listed(limit);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        place.check(&arguments, 65, &["run: ", part]);
    };
    check(
        ["--max-time", "0.1"],
        "took longer to compile than the limit of 100 ms",
    );
    check(["--max-memory", "8"], "than the limit of 8388608 bytes");
    place.write("fatal.ll", fatal("main"));
    place.check(
        &["--reproducers", "kept", "fatal.ll"],
        70,
        &["Cannot select", "what reproduces it is in kept/"],
    );
}

#[test]
fn programs_run_in_processes_of_their_own() {
    let place = Place::new(programs().join("run"));
    place.write("arguments.ll", ARGUMENTS);
    place.write(
        "crash.ll",
        "define i32 @main() {\n  store volatile i32 1, ptr null\n  ret i32 0\n}\n",
    );
    place.write(
        "loop.ll",
        "define i32 @main() {\n  br label %l\nl:\n  br label %l\n}\n",
    );
    place.write(
        "loud.ll",
        "declare i32 @puts(ptr)\n@s = constant [5 x i8] c\"loud\\00\"\n\
         define i32 @main() {\n  br label %l\nl:\n  %r = call i32 @puts(ptr @s)\n  br label %l\n}\n",
    );
    let ran = place.run(&["--isolated", "arguments.ll", "--time", "x"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(ran.out, "arguments.ll\n--time\nx\n", "{ran:?}");
    let limited = [
        "--isolated",
        "--memory",
        "1G",
        "--output",
        "1k",
        "arguments.ll",
    ];
    let ran = place.run(&limited);
    assert_eq!((ran.code, ran.out.as_str()), (1, "arguments.ll\n"));
    place.check(
        &["--isolated", "crash.ll"],
        139,
        &["Segmentation fault", "in main+0x", "at address 0x0"],
    );
    let time = ["--isolated", "--time", "50ms", "loop.ll"];
    place.check(&time, 124, &["longer than --time allows"]);
    let cpu = ["--isolated", "--cpu", "0.05s", "loop.ll"];
    place.check(&cpu, 124, &["than --cpu allows"]);
    let ran = place.run(&["--isolated", "--output", "1k", "loud.ll"]);
    assert_eq!((ran.code, ran.out.len()), (137, 1024), "{ran:?}");
    assert!(ran.err.contains("than --output allows"), "{ran:?}");
    for (arguments, said) in [
        (["--isolated", "--time", "soon"], "not a time"),
        (["--isolated", "--time", "0"], "not a time"),
        (["--isolated", "--memory", "1X"], "not a size"),
        (
            ["--isolated", "--processes", "0"],
            "not a number of processes",
        ),
        (["--isolated", "--env", "NAME"], "NAME=VALUE"),
        (["--isolated", "--call", "main()"], "--isolated runs main"),
        (["--isolated", "--list", "--list"], "--isolated runs main"),
        (["--network", "--isolated", "--list"], "wrong option"),
    ] {
        let all: Vec<&str> = arguments.iter().copied().chain(["loop.ll"]).collect();
        place.check(&all, 64, &[said]);
    }
    // A CPU's name is no time; what it could not open, it cannot be given.
    let cpu = ["--isolated", "--cpu", OLDEST_CPU, "arguments.ll"];
    assert_eq!(place.run(&cpu).code, 1);
    place.check(
        &["--isolated", "--read", "nowhere", "arguments.ll"],
        66,
        &["nowhere"],
    );
}
