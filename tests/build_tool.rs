//! The command-line example `examples-c/build`, as its users run it: options, kinds, what it writes, exit codes.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::OnceLock;
use support::fatal::fatal;
use support::machine::{self, OLDEST_CPU};
use support::source;
use support::terminal::{check_progress, run_on_terminal, screen};
use support::tools::{self, Place, Ran};

fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| tools::build("build-tool", &["build", "run", "runtime"]))
}

/// Prints 42 by a function of another file.
const MAIN: &str = r#"declare i64 @twice(i64)
declare i32 @printf(ptr, ...)
@format = internal constant [5 x i8] c"%ld\0A\00"
define i64 @main() {
  %r = call i64 @twice(i64 21)
  %p = call i32 (ptr, ...) @printf(ptr @format, i64 %r)
  ret i64 0
}
"#;

const TWICE: &str = "define i64 @twice(i64 %x) {\n  %r = mul i64 %x, 2\n  ret i64 %r\n}\n";

fn place() -> Place {
    let place = Place::new(programs().join("build"));
    place.write("main.ll", MAIN);
    place.write("twice.ll", TWICE);
    place
}

/// What a program writes and ends with.
fn output_of(place: &Place, program: &str, arguments: &[&str]) -> Ran {
    let mut command = place.command(program);
    let output = command.args(arguments).output();
    output
        .unwrap_or_else(|error| panic!("{program}: {error}"))
        .into()
}

#[track_caller]
fn check_prints_42(place: &Place, program: &str, arguments: &[&str]) {
    let ran = output_of(place, program, arguments);
    assert_eq!((ran.code, ran.out.as_str()), (0, "42\n"), "{ran:?}");
}

fn read(place: &Place, name: &str) -> Vec<u8> {
    std::fs::read(place.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What readelf says of a file.
fn readelf(place: &Place, option: &str, name: &str) -> String {
    output_of(place, "readelf", &["-W", option, name]).out
}

#[test]
fn wrong_usage() {
    let place = place();
    let check = |arguments: &[&str], part: &str| {
        place.check(arguments, 64, &["build: ", part, "usage: build", "--help"]);
    };
    check(&[], "-o OUT is missing");
    check(&["twice.ll"], "-o OUT is missing");
    check(&["-o", "", "twice.ll"], "-o OUT has no name");
    check(&["-o", "twice.o"], "no file was given");
    check(&["-o"], "a value is missing after -o");
    check(&["--frob"], "wrong option: --frob");
    check(&["-x"], "wrong option: -x");
    check(&["--kind", "elf", "-o", "x", "twice.ll"], "not a kind");
    check(
        &["-O9", "-o", "x.o", "twice.ll"],
        "not an optimisation level",
    );
    check(&["-o", "-", "twice.ll"], "-o - needs a --kind");
    check(
        &["-o", "-", "--kind", "object", "twice.ll"],
        "-o - is for text",
    );
    check(
        &["--soname", "x.so.1", "-o", "x.o", "twice.ll"],
        "--soname is for --kind lib",
    );
    check(
        &["--static", "-o", "x.so", "twice.ll"],
        "--static is for --kind exe",
    );
    check(
        &["-lm", "-o", "x.a", "twice.ll"],
        "-l and --link-flag are for",
    );
    check(
        &["--link-flag=-g", "-o", "x.o", "twice.ll"],
        "-l and --link-flag are for",
    );
    check(
        &["--keep", "twice", "--separate", "-o", "x.a", "twice.ll"],
        "--keep is for files",
    );
    check(
        &["--features", "+sve", "-o", "x.o", "twice.ll"],
        "--features needs a --target",
    );
    for seconds in ["", "soon", "-1", "nan", "1e99", "5s"] {
        check(
            &["--linker-timeout", seconds, "-o", "x", "main.ll"],
            "not a number of seconds",
        );
    }
    assert!(!place.path("x").exists() && !place.path("cache").exists());
}

#[test]
fn values_that_the_library_refuses() {
    let place = place();
    place.check(&["--cpu", "i386", "-o", "x.o", "twice.ll"], 64, &["i386"]);
    place.check(&["--target", "", "-o", "x.o", "twice.ll"], 64, &["build: "]);
    place.check(&["--linker", "", "-o", "x", "main.ll"], 64, &["build: "]);
    place.check(
        &["--soname", "", "-o", "x.so", "twice.ll"],
        64,
        &["the soname is empty"],
    );
    place.check(
        &["-l", "", "-o", "x", "main.ll"],
        64,
        &["the library's name is empty"],
    );
    place.check(
        &["--keep", "", "-o", "x.o", "twice.ll"],
        64,
        &["a symbol to keep needs a name"],
    );
    place.check(
        &["--trust", "nowhere", "-o", "x.o", "twice.ll"],
        66,
        &["nowhere"],
    );
    assert!(!place.path("x.o").exists());
}

#[test]
fn help_and_version() {
    let place = place();
    place.check_help(&[
        "-o",
        "-l ",
        "-O2",
        "--cache-dir",
        "--cpu",
        "--features",
        "--keep",
        "--kind",
        "--layer",
        "--link-flag",
        "--linker",
        "--linker-timeout",
        "--no-cache",
        "--opt",
        "--output",
        "--pieces",
        "--separate",
        "--sign",
        "--soname",
        "--static",
        "--target",
        "--time",
        "--trust",
        "--verbose",
        "--version",
    ]);
    place.check(&["--version"], 0, &["build, with libmgenjit 0.", "LLVM 22"]);
}

/// What a file is, by its content.
fn kind_of(bytes: &[u8]) -> &'static str {
    let text = || std::str::from_utf8(bytes).unwrap_or("");
    match bytes {
        [0x7f, b'E', b'L', b'F', ..] => match bytes[16] {
            1 => "object",
            3 if bytes.windows(9).any(|part| part == b"ld-linux-") => "exe",
            3 => "lib",
            _ => "another ELF file",
        },
        [b'!', b'<', b'a', b'r', b'c', b'h', b'>', b'\n', ..] => "archive",
        [b'B', b'C', 0xc0, 0xde, ..] => "bitcode",
        _ if text().contains("define i64 @twice(i64") || text().contains("@twice(i64 %") => "ir",
        _ if text().contains("int64_t twice(int64_t") => "header",
        _ if text().contains("\ntwice:") => "asm",
        _ => "something else",
    }
}

#[test]
fn kinds() {
    let place = place();
    place.write(
        "program.ll",
        format!("{}{TWICE}", MAIN.replace("declare i64 @twice(i64)\n", "")),
    );
    for (name, kind) in [
        ("a.o", "object"),
        ("a.a", "archive"),
        ("a.so", "lib"),
        ("a.so.1.2", "lib"),
        ("a.s", "asm"),
        ("a.bc", "bitcode"),
        ("a.ll", "ir"),
        ("a.h", "header"),
        ("a", "exe"),
        ("a.out", "exe"),
        ("a.o.exe", "exe"),
        ("a.so.old", "exe"),
    ] {
        place.check(&["-o", name, "program.ll"], 0, &[]);
        assert_eq!(kind_of(&read(&place, name)), kind, "{name}");
        let other = format!("{kind}.txt");
        place.check(&["--kind", kind, "--output", &other, "program.ll"], 0, &[]);
        assert_eq!(read(&place, &other), read(&place, name), "--kind {kind}");
        let mode = std::fs::metadata(place.path(name))
            .expect("the file")
            .permissions()
            .mode();
        assert_eq!(
            mode & 0o100 != 0,
            ["exe", "lib"].contains(&kind),
            "{name}: {mode:o}"
        );
    }
    check_prints_42(&place, "./a", &[]);
    check_prints_42(&place, "./exe.txt", &[]);
}

#[test]
fn text_to_stdout() {
    let place = place();
    for kind in ["asm", "ir", "header"] {
        place.check(&["--kind", kind, "-o", "file", "twice.ll"], 0, &[]);
        let ran = place.check(&["--kind", kind, "-o", "-", "twice.ll"], 0, &[]);
        assert_eq!(ran.out.as_bytes(), read(&place, "file"), "{kind}");
        assert_eq!(kind_of(ran.out.as_bytes()), kind);
    }
    assert!(!place.path("-").exists());
}

/// Files in other folders, and output in one.
#[test]
fn relative_paths() {
    let place = place();
    for folder in ["in", "out"] {
        std::fs::create_dir(place.path(folder)).expect("a folder");
    }
    for name in ["main.ll", "twice.ll"] {
        std::fs::rename(place.path(name), place.path("in").join(name)).expect("moved");
    }
    place.check(
        &["in/main.ll", "./in/../in/twice.ll", "-o", "out/program"],
        0,
        &[],
    );
    check_prints_42(&place, "out/program", &[]);
    place.check(
        &["-o", "out/nowhere/program", "in/main.ll", "in/twice.ll"],
        73,
        &["out/nowhere/program"],
    );
}

/// Of all kinds: compiled together, and each by itself.
#[test]
fn several_files() {
    let place = place();
    place.write("twice.c", "long twice(long x) { return x + x; }\n");
    place.cc(&["-fPIC", "-O1", "-c", "-o", "twice.o", "twice.c"]);
    let status = place
        .command("ar")
        .args(["rcs", "libtwice.a", "twice.o"])
        .status();
    assert!(status.expect("ar").success());
    for twice in ["twice.ll", "twice.o", "libtwice.a"] {
        place.check(&["-o", "together", "main.ll", twice], 0, &[]);
        check_prints_42(&place, "./together", &[]);
    }
    place.check(
        &["-o", "separate", "--separate", "main.ll", "twice.ll"],
        0,
        &[],
    );
    check_prints_42(&place, "./separate", &[]);
    place.check(
        &["-o", "x", "main.ll", "twice.ll", "twice.o"],
        65,
        &["twice.ll", "twice.o"],
    );
    place.check(
        &["-o", "x", "--separate", "twice.ll", "main.ll", "twice.o"],
        65,
        &["twice.ll", "twice.o"],
    );
}

#[test]
fn separate_modules_in_an_archive() {
    let place = place();
    let members = |arguments: &[&str]| {
        place.check(
            &[&["-o", "x.a", "main.ll", "twice.ll"], arguments].concat(),
            0,
            &[],
        );
        output_of(&place, "ar", &["t", "x.a"]).out.lines().count()
    };
    assert_eq!(members(&[]), 1);
    assert_eq!(members(&["--separate"]), 2);
    place.cc(&["-o", "program", "x.a"]);
    check_prints_42(&place, "./program", &[]);
    // Some kinds are of one module.
    place.check(
        &["-o", "x.ll", "--separate", "main.ll", "twice.ll"],
        65,
        &["build: "],
    );
}

#[test]
fn keep() {
    let place = place();
    let header = |arguments: &[&str]| {
        let arguments = [
            &["--kind", "header", "-o", "-", "main.ll", "twice.ll"],
            arguments,
        ]
        .concat();
        place.check(&arguments, 0, &[]).out
    };
    assert!(header(&[]).contains("twice"));
    assert!(header(&["--keep", "twice"]).contains("twice"));
    assert!(!header(&["--keep", "main"]).contains("twice"));
    place.check(
        &["-o", "program", "--keep", "twice", "main.ll", "twice.ll"],
        0,
        &[],
    );
    check_prints_42(&place, "./program", &[]);
    place.check(
        &["-o", "x.o", "--keep", "nosuch", "twice.ll"],
        65,
        &["nosuch"],
    );
}

#[test]
fn options_of_the_link() {
    let place = place();
    place.write("twice.c", "long twice(long x) { return x + x; }\n");
    std::fs::create_dir(place.path("lib")).expect("a folder");
    place.cc(&[
        "-shared",
        "-fPIC",
        "-o",
        "lib/libtwice.so",
        "twice.c",
        "-Wl,-soname,libtwice.so",
    ]);

    place.check(&["-o", "x.so", "--soname", "libx.so.3", "twice.ll"], 0, &[]);
    assert!(readelf(&place, "-d", "x.so").contains("[libx.so.3]"));
    place.check(
        &[
            "-o",
            "x",
            "main.ll",
            "-l",
            "lib/libtwice.so",
            "--link-flag=-Wl,-rpath,$ORIGIN/lib",
        ],
        0,
        &[],
    );
    assert!(readelf(&place, "-d", "x").contains("[$ORIGIN/lib]"));
    check_prints_42(&place, "./x", &[]);
    place.check(
        &[
            "-o",
            "y",
            "main.ll",
            "--link-flag",
            "-Llib",
            "-ltwice",
            "--link-flag=-Wl,-rpath,lib",
        ],
        0,
        &[],
    );
    check_prints_42(&place, "./y", &[]);
    place.check(&["-o", "z.so", "main.ll", "-l", "lib/libtwice.so"], 0, &[]);
    assert!(readelf(&place, "-d", "z.so").contains("libtwice.so]"));

    assert!(readelf(&place, "-l", "x").contains("INTERP"));
    place.check(&["-o", "s", "--static", "main.ll", "twice.ll"], 0, &[]);
    assert!(!readelf(&place, "-l", "s").contains("INTERP"));
    check_prints_42(&place, "./s", &[]);
}

#[test]
fn linkers() {
    let place = place();
    let script = |name: &str, text: &str| {
        place.write_program(name, &format!("#!/bin/sh\n{text}\n"));
    };
    script("fails", "echo this linker is tired >&2; exit 3");
    script("hangs", "sleep 1000");
    script("works", "echo \"$@\" > arguments; exec cc \"$@\"");
    let link = |arguments: &[&str], code: i32, parts: &[&str]| {
        place.check(
            &[&["-o", "x", "main.ll", "twice.ll"], arguments].concat(),
            code,
            parts,
        );
        assert_eq!(place.path("x").exists(), code == 0);
    };
    link(&["--linker", "no-such-linker"], 69, &["no-such-linker"]);
    link(
        &["--linker", "./fails"],
        69,
        &["fails", "this linker is tired"],
    );
    link(
        &["--linker", "./hangs", "--linker-timeout", "0.2"],
        69,
        &["hangs"],
    );
    link(&["-l", "no-such-library"], 69, &["no-such-library"]);
    link(&["--linker", "./works", "--linker-timeout", "0"], 0, &[]);
    check_prints_42(&place, "./x", &[]);

    let ran: Output = place
        .tool(&["-o", "x", "main.ll", "twice.ll"])
        .env("MGENJIT_CC", "./fails")
        .output()
        .expect("build");
    assert_eq!(ran.status.code(), Some(69), "{ran:?}");
    // The one that is there stays.
    check_prints_42(&place, "./x", &[]);
}

#[test]
fn what_is_wrong_with_the_input() {
    let place = place();
    place.write("bad.ll", "define i32 @main() {\n  ret i64 0\n}\n");
    place.check(
        &["-o", "x", "bad.ll"],
        65,
        &["build: bad.ll:2:", "  ret i64 0\n", "^"],
    );
    place.check(
        &["-o", "x", "twice.ll", "bad.ll"],
        65,
        &["bad.ll:2:", "  ret i64 0\n", "^"],
    );
    place.check(&["-o", "x", "nowhere.ll"], 66, &["nowhere.ll"]);
    place.check(&["-o", "x", "main.ll"], 65, &["twice"]);
    place.check(&["-o", "x", "twice.ll"], 65, &["main"]);
    assert!(!place.path("x").exists());
    let ran = place
        .tool(&["--no-cache", "-o", "x.o", "twice.ll"])
        .env("MGENJIT_SERVER", "/nowhere/server")
        .output();
    assert_eq!(ran.expect("build").status.code(), Some(69));
}

/// Whatever the tool's user takes for an input.
#[test]
fn inputs_that_cannot_be_linked() {
    let place = place();
    place.write(
        "twice.c",
        "long factor = 2; long twice(long x) { return x * factor; }\n",
    );
    place.cc(&["-fPIC", "-c", "-o", "good.o", "twice.c"]);
    place.cc(&[
        "-fno-pic",
        "-mcmodel=large",
        "-c",
        "-o",
        "absolute.o",
        "twice.c",
    ]);
    place.cc(&["-shared", "-fPIC", "-o", "libtwice.so", "twice.c"]);
    let succeeds = |program: &str, arguments: &[&str]| {
        let ran = output_of(&place, program, arguments);
        assert_eq!(ran.code, 0, "{program} {arguments:?}: {ran:?}");
    };
    succeeds(
        "riscv64-linux-gnu-gcc",
        &["-c", "-o", "foreign.o", "twice.c"],
    );
    succeeds("ar", &["rcs", "whole.a", "good.o"]);
    succeeds("ar", &["rcsT", "thin.a", "good.o"]);
    succeeds("ar", &["rcs", "foreign.a", "foreign.o"]);
    succeeds("ar", &["rcs", "nested.a", "whole.a"]);
    let whole = read(&place, "whole.a");
    place.write("cut.a", &whole[..whole.len() - 100]);
    let object = read(&place, "good.o");
    place.write("cut.o", &object[..object.len() / 2]);

    for (input, parts) in [
        ("cut.a", &["cut.a: ", "cut short", "good.o"][..]),
        ("cut.o", &["cut.o: ", "cut short"]),
        ("thin.a", &["thin.a: ", "a thin archive", "ar rcs"]),
        ("nested.a", &["nested.a: its member whole.a is an archive"]),
        (
            "foreign.o",
            &[
                "foreign.o: ",
                "an object for RISC-V",
                &format!("for {}", machine::NAME),
            ],
        ),
        (
            "foreign.a",
            &["foreign.a: its member foreign.o is an object for RISC-V"],
        ),
        ("absolute.o", &["absolute.o: ", "`factor`", "-fPIC"]),
        (
            "libtwice.so",
            &["libtwice.so: ", "a shared library", "already linked"],
        ),
        (
            "twice.c",
            &["twice.c:1:1: ", "neither LLVM IR text nor bitcode"],
        ),
    ] {
        for output in ["x", "x.o"] {
            place.check(&["-o", output, "main.ll", input], 65, parts);
            assert!(!place.path(output).exists(), "{input}");
        }
    }
    place.check(&["-o", "x", "main.ll", "whole.a"], 0, &[]);
    check_prints_42(&place, "./x", &[]);
}

/// A clock that is wrong by a year, for all that looks at the time of day.
const CLOCK: &str = r"#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    long failed = syscall(SYS_clock_gettime, clock, now);
    if (failed == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += 31536000;
    return (int)failed;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *place) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (place)
        *place = now.tv_sec;
    return now.tv_sec;
}
";

/// The same bytes in another folder, from other paths, a year later, for whoever has another name, umask and language.
#[test]
fn on_another_day_in_another_place() {
    let (here, there) = (place(), place());
    for place in [&here, &there] {
        place.write("more.c", "long more(long x) { return x + 1; }\n");
        place.cc(&["-fPIC", "-O1", "-c", "-o", "more.o", "more.c"]);
        let ran = output_of(place, "ar", &["rcsD", "libmore.a", "more.o"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        std::fs::create_dir(place.path("temporary")).expect("a folder");
    }
    std::fs::create_dir(there.path("elsewhere")).expect("a folder");
    for name in ["main.ll", "twice.ll", "more.o", "libmore.a"] {
        std::fs::rename(there.path(name), there.path("elsewhere").join(name)).expect("moved");
    }
    there.write("clock.c", CLOCK);
    there.cc(&["-shared", "-fPIC", "-O1", "-o", "clock.so", "clock.c"]);
    let clock = there.path("clock.so");
    let year = |clock: &Path| -> i32 {
        let mut command = there.command("date");
        let output = command.arg("+%Y").env("LD_PRELOAD", clock).output();
        Ran::from(output.expect("date"))
            .out
            .trim()
            .parse()
            .expect("a year")
    };
    assert!(year(&clock) > year(Path::new("")), "the clock works");

    // The library starts its server and the helper beside it without its own environment.
    for (name, program) in [
        ("server", env!("CARGO_BIN_EXE_mgenjit-server")),
        ("mgenjit-helper", env!("CARGO_BIN_EXE_mgenjit-helper")),
    ] {
        let wrapper = format!(
            "#!/bin/sh\nLD_PRELOAD='{}' exec '{program}' \"$@\"\n",
            clock.display(),
        );
        there.write_program(name, &wrapper);
    }

    let kinds: [(&str, &[&str]); 12] = [
        ("x.o", &[]),
        ("x.a", &[]),
        ("x.so", &["--soname", "libx.so.1"]),
        ("x", &[]),
        ("static", &["--static"]),
        ("x.bc", &[]),
        ("x.ll", &[]),
        ("x.s", &[]),
        ("x.h", &[]),
        ("separate.a", &["--separate"]),
        ("separate", &["--separate"]),
        ("arm.o", &["--target", "aarch64-linux-gnu"]),
    ];
    for (output, options) in kinds {
        let mut files = vec!["main.ll", "twice.ll"];
        // What is exported of an object is linked again, or is in the archive.
        if !options.contains(&"--target") {
            files.push("more.o");
        }
        let build = |place: &Place, folder: &str| {
            let files = files.iter().map(|file| format!("{folder}{file}"));
            let mut command = place.tool(&[&["-o", output], options].concat());
            command.args(files).env("TMPDIR", place.path("temporary"));
            command
        };
        let run = |mut command: std::process::Command| {
            let ran = Ran::from(command.output().expect("build"));
            assert_eq!(ran.code, 0, "{output}: {ran:?}");
        };
        run(build(&here, ""));
        let mut later = build(&there, "elsewhere/");
        later
            .env("LD_PRELOAD", &clock)
            .env("MGENJIT_SERVER", there.path("server"))
            .env("TZ", "Asia/Tokyo")
            .env("LC_ALL", "C.UTF-8")
            .env("USER", "somebody")
            .env("SOURCE_DATE_EPOCH", "1");
        run(later);
        assert!(
            read(&here, output) == read(&there, output),
            "{output} differs"
        );
    }
}

#[test]
fn stdout_that_is_full() {
    let place = place();
    for arguments in [&["--kind", "asm", "-o", "-", "twice.ll"][..], &["--help"]] {
        place.check_full_stdout(arguments);
    }
}

/// What is in the cache is not compiled again; much of it is exported without a compile server.
#[test]
fn from_a_warm_cache() {
    let place = place();
    let cold = place
        .check(
            &["--time", "--verbose", "-o", "x", "main.ll", "twice.ll"],
            0,
            &[],
        )
        .err;
    for part in [
        "compiled (miss)",
        "optimise",
        "build: main.ll ",
        "stored",
        "x: exported as exe in ",
    ] {
        assert!(cold.contains(part), "{part} in {cold}");
    }
    for output in ["y.o", "y.a", "y.h"] {
        let output = place
            .tool(&["--time", "-o", output, "main.ll", "twice.ll"])
            .env("MGENJIT_SERVER", "/nowhere/server")
            .output();
        let ran: Ran = output.expect("build").into();
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(
            ran.err.contains("from the cache (hit)") && !ran.err.contains("optimise"),
            "{ran:?}"
        );
    }
    let warm = place
        .check(&["--time", "-o", "y", "main.ll", "twice.ll"], 0, &[])
        .err;
    assert!(
        warm.contains("from the cache (hit)") && !warm.contains("optimise"),
        "{warm}"
    );
    assert_eq!(read(&place, "x"), read(&place, "y"));
}

/// A line that is gone when the compile ends, before an error is told too. Nothing of it where there is no terminal.
#[test]
fn progress_on_a_terminal() {
    let place = place();
    let arguments = ["--pieces", "off", "--no-cache", "-o", "large.o", "large.ll"];
    place.write_large("large.ll", 1000, "");
    let ran = run_on_terminal(place.tool(&arguments), "xterm");
    assert_eq!(ran.code, 0, "{ran:?}");
    check_progress("build", &ran.err, 1000);
    assert_eq!(screen(&ran.err), "");
    let dumb = run_on_terminal(place.tool(&arguments), "dumb");
    assert_eq!((dumb.code, dumb.err.as_str()), (0, ""), "{dumb:?}");
    let piped = place.tool(&arguments).env("TERM", "xterm").output();
    let piped = Ran::from(piped.expect("build"));
    assert_eq!((piped.code, piped.err.as_str()), (0, ""), "{piped:?}");

    // An error that LLVM finds when there is code for all the others.
    place.write_large("large.ll", 1000, &fatal("last"));
    let failed = run_on_terminal(place.tool(&arguments), "xterm");
    assert_eq!(failed.code, 70, "{failed:?}");
    check_progress("build", &failed.err, 1001);
    let screen = screen(&failed.err);
    assert!(
        screen.starts_with("build: the compile server died"),
        "{screen}"
    );
}

#[test]
fn caches() {
    let place = place();
    let is_hit = |arguments: &[&str]| {
        let arguments = [&["--time", "-o", "x.o", "twice.ll"], arguments].concat();
        place
            .check(&arguments, 0, &[])
            .err
            .contains("from the cache (hit)")
    };
    assert!(!is_hit(&["--cache-dir", "below"]));
    assert!(is_hit(&["--cache-dir", "below"]));
    assert!(is_hit(&["--cache-dir", "empty", "--layer", "below"]));
    place.write_key("key");
    assert!(!is_hit(&[
        "--cache-dir",
        "below",
        "--trust",
        "key",
        "--sign",
        "key"
    ]));
    assert!(is_hit(&["--cache-dir", "below", "--trust", "key"]));

    // With no cache, the module is still there to be exported.
    place.check(&["--no-cache", "-o", "y", "main.ll", "twice.ll"], 0, &[]);
    check_prints_42(&place, "./y", &[]);
    assert!(!place.path("cache").exists());
}

#[test]
fn levels_and_cpus() {
    let place = place();
    for level in [
        "-O0", "-O1", "-O2", "-O3", "-Os", "-Oz", "--opt=O1", "--opt=z",
    ] {
        place.check(
            &[level, "--cpu", OLDEST_CPU, "-o", "x", "main.ll", "twice.ll"],
            0,
            &[],
        );
        check_prints_42(&place, "./x", &[]);
    }
}

#[test]
fn executables_of_other_targets() {
    let place = place();
    let files = ["main.ll", "twice.ll"];
    for (architecture, cpu, features) in [
        ("aarch64", "cortex-a72", "+lse"),
        ("riscv64", "sifive-u74", "+v"),
    ] {
        let triple = format!("{architecture}-linux-gnu");
        let linker = format!("{triple}-gcc");
        let target = ["--target", &triple, "--linker", &linker];
        let named = [
            "--target", &triple, "--linker", &linker, "--cpu", cpu, "--static",
        ];
        for (options, root) in [
            (&target[..], format!("/usr/{triple}")),
            (&named, "/nowhere".to_owned()),
        ] {
            place.check(&[&["-o", "x"], options, &files].concat(), 0, &[]);
            check_prints_42(
                &place,
                &format!("qemu-{architecture}"),
                &["-L", &root, "./x"],
            );
        }
        place.check(
            &[
                &["-o", "x.o", "--features", features, "twice.ll"],
                &target[..],
            ]
            .concat(),
            0,
            &[],
        );
        assert_eq!(kind_of(&read(&place, "x.o")), "object");
    }
}

#[test]
fn other_targets() {
    let place = place();
    place.check(
        &[
            "--target",
            "wasm32-unknown-unknown",
            "-o",
            "x.o",
            "twice.ll",
        ],
        0,
        &[],
    );
    assert!(read(&place, "x.o").starts_with(b"\0asm"));
    place.check(
        &[
            "--target",
            "x86_64-linux-gnu",
            "--cpu",
            "x86-64-v4",
            "-o",
            "x.o",
            "twice.ll",
        ],
        0,
        &[],
    );
    assert_eq!(kind_of(&read(&place, "x.o")), "object");
    place.check(
        &[
            "--target",
            "aarch64-linux-gnu",
            "--kind",
            "asm",
            "-o",
            "-",
            "twice.ll",
        ],
        0,
        &["ret"],
    );
    place.check(
        &["--target", "pdp11-dec-unix", "-o", "x.o", "twice.ll"],
        65,
        &["pdp11"],
    );
    place.check(
        &[
            "--target",
            "aarch64-linux-gnu",
            "--cpu",
            "z80",
            "-o",
            "x.o",
            "twice.ll",
        ],
        65,
        &["z80"],
    );
}

/// Exported or in memory: the same output.
#[test]
fn the_programs_of_the_repository() {
    let place = place();
    let run = programs().join("run");
    let run = run.to_str().expect("UTF-8");
    for name in ["fibonacci", "quicksort", "matrix"] {
        let file = source("examples-c/programs")
            .join(name)
            .with_extension("ll");
        let file = file.to_str().expect("UTF-8");
        place.check(&["-o", "program", file], 0, &[]);
        let (exported, in_memory) = (
            output_of(&place, "./program", &[]),
            output_of(&place, run, &[file]),
        );
        assert_eq!(
            (exported.code, &exported.out),
            (0, &in_memory.out),
            "{name}"
        );
        assert!(!exported.out.is_empty(), "{name}");
    }
}

/// Exported or in memory: the same, also of objects that bring a language's runtime along.
#[test]
fn a_rust_library() {
    let place = place();
    let library = source("tests/programs/staticlib.rs");
    let library = library.to_str().expect("UTF-8");
    let rustc = [
        "--crate-type",
        "staticlib",
        "--edition",
        "2024",
        "-O",
        "-o",
        "librust.a",
        library,
    ];
    let ran = output_of(&place, "rustc", &rustc);
    assert_eq!(ran.code, 0, "{ran:?}");
    place.write(
        "calls.ll",
        "declare i32 @rust_works()\ndefine i32 @main() {\n  %r = call i32 @rust_works()\n  ret i32 %r\n}\n",
    );
    let run = programs().join("run");
    let run = run.to_str().expect("UTF-8");
    let in_memory = output_of(&place, run, &["--with", "librust.a", "calls.ll"]);
    assert_eq!(in_memory.code, 0, "{in_memory:?}");
    assert!(in_memory.out.contains("printed by Rust"), "{in_memory:?}");
    for options in [&[][..], &["--static"], &["--keep", "main"], &["--separate"]] {
        place.check(
            &[&["-o", "x", "calls.ll", "librust.a"], options].concat(),
            0,
            &[],
        );
        let exported = output_of(&place, "./x", &[]);
        assert_eq!(
            (exported.code, &exported.out),
            (0, &in_memory.out),
            "{options:?}: {exported:?}"
        );
    }
    place.write(
        "user.c",
        "int rust_works(void); int main(void) { return rust_works(); }\n",
    );
    for (output, link) in [("libx.so", "-Wl,-rpath,."), ("libx.a", "-lm")] {
        place.check(&["-o", output, "--keep", "rust_works", "librust.a"], 0, &[]);
        place.cc(&["-o", "user", "user.c", output, link]);
        let used = output_of(&place, "./user", &[]);
        assert_eq!(
            (used.code, &used.out),
            (0, &in_memory.out),
            "{output}: {used:?}"
        );
    }
}

/// What C and C++ compilers put into objects: thread-local and common variables, constructors, exceptions.
#[test]
fn objects_of_c_and_cplusplus() {
    let place = place();
    let programs_of_tests = source("tests/programs");
    let compile = |compiler: &str, options: &[&str], name: &str| {
        let file = programs_of_tests.join(name);
        let file = file.to_str().expect("UTF-8");
        let ran = output_of(
            &place,
            compiler,
            &[&["-fPIC", "-c", file], options].concat(),
        );
        assert_eq!(ran.code, 0, "{compiler}: {ran:?}");
    };
    compile("gcc", &["-O0", "-fcommon", "-o", "c.o"], "objects.c");
    compile(
        "g++",
        &["-std=c++17", "-O2", "-DPREFIX=one", "-o", "one.o"],
        "objects.cpp",
    );
    compile(
        "clang++-22",
        &["-std=c++17", "-DPREFIX=two", "-o", "two.o"],
        "objects.cpp",
    );
    let functions = ["objects_c", "one_objects", "two_objects"];
    let declared = functions
        .map(|name| format!("declare i32 @{name}()\n"))
        .concat();
    let calls = functions
        .map(|name| format!("  %{name} = call i32 @{name}()\n"))
        .concat();
    place.write(
        "calls.ll",
        format!(
            "{declared}define i32 @main() {{\n{calls}  %a = or i32 %objects_c, %one_objects\n  \
             %b = or i32 %a, %two_objects\n  ret i32 %b\n}}\n"
        ),
    );
    let run = programs().join("run");
    let run = run.to_str().expect("UTF-8");
    let files = ["calls.ll", "c.o", "one.o", "two.o"];
    let with = files[1..].iter().flat_map(|file| ["--with", file]);
    let arguments: Vec<&str> = with
        .chain(["--lib", "libstdc++.so.6", "calls.ll"])
        .collect();
    let in_memory = output_of(&place, run, &arguments);
    assert_eq!(in_memory.code, 0, "{in_memory:?}");
    for options in [&[][..], &["--static"], &["--keep", "main"], &["--separate"]] {
        let arguments = [&["-o", "x", "-lstdc++", "-lm"], &files[..], options].concat();
        place.check(&arguments, 0, &[]);
        let exported = output_of(&place, "./x", &[]);
        assert_eq!(exported.code, 0, "{options:?}: {exported:?}");
    }
    place.write(
        "user.c",
        "int objects_c(void), one_objects(void), two_objects(void);\n\
         int main(void) { return objects_c() | one_objects() | two_objects(); }\n",
    );
    for output in ["libx.so", "libx.a"] {
        place.check(&[&["-o", output], &files[1..]].concat(), 0, &[]);
        place.cc(&[
            "-o",
            "user",
            "user.c",
            output,
            "-Wl,-rpath,.",
            "-lstdc++",
            "-lm",
        ]);
        let used = output_of(&place, "./user", &[]);
        assert_eq!(used.code, 0, "{output}: {used:?}");
    }
}

/// The example of a runtime library: its three ways give one result, and so does what is exported.
#[test]
fn a_runtime_library() {
    let place = place();
    tools::build_runtime(&place.path("."));
    let program = source("examples-c/runtime/program.ll");
    let program = program.to_str().expect("UTF-8");
    let tool = programs().join("runtime");
    let tool = tool.to_str().expect("UTF-8");
    let ran = output_of(&place, tool, &[".", program]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for part in [
        "All ways gave ",
        "as IR, optimised together",
        "as a static archive",
        "as a shared library",
    ] {
        assert!(ran.out.contains(part), "{part} in {ran:?}");
    }
    let result = ran.out.split(['.', ' ']).nth(3).expect("a result");

    let ir: &[&str] = &["vector.bc", "map.bc", "fail.bc", "--keep", "main"];
    for runtime in [
        ir,
        &["libruntime.a"],
        &["-l", "./libruntime.so", "--link-flag=-Wl,-rpath,$ORIGIN"],
    ] {
        place.check(&[&["-o", "program", program], runtime].concat(), 0, &[]);
        let ran = output_of(&place, "./program", &[]);
        assert_eq!((ran.code, ran.out.trim_end()), (0, result), "{runtime:?}");
    }
    // A way that lacks the library.
    let ran = output_of(&place, tool, &["nowhere", program]);
    assert_eq!(ran.code, 66, "{ran:?}");
    assert!(ran.err.contains("vector.bc"), "{ran:?}");
    assert_eq!(output_of(&place, tool, &["--help"]).code, 64);
}
