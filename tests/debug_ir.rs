//! IR as the source that debuggers show: `--debug-ir`.

mod support;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use support::machine;
use support::skips::{can_trace, skip};
use support::tools::{self, Place};

fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| tools::build("debug-ir", &["run", "build", "cache"]))
}

fn place() -> Place {
    let place = Place::new(programs().join("run"));
    place.write("prog.ll", PROGRAM);
    place
}

/// As a transpiler writes it: typed pointers, names and numbers, and no debug information.
const PROGRAM: &str = r#"; define void @main() {
@total = global i64 40
@format = private unnamed_addr constant [6 x i8] c"%lld\0A\00"
declare i32 @printf(i8*, ...)

define i64 @fib(i64 %n) {
entry:
  %small = icmp slt i64 %n, 2
  br i1 %small, label %base, label %more
base:
  ret i64 %n
more:
  %a = sub i64 %n, 1
  %fa = call i64 @fib(i64 %a)
  %b = sub i64 %n, 2
  %fb = call i64 @fib(i64 %b)
  %sum = add i64 %fa, %fb
  ret i64 %sum
}

define i64 @loop(i64 %n, i64* %out) {
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
  %acc = phi i64 [ 0, %entry ], [ %acc.next, %body ]
  %done = icmp sge i64 %i, %n
  br i1 %done, label %exit, label %body
body:
  %acc.next = add i64 %acc, %i
  %next = add i64 %i, 1
  br label %head
exit:
  store i64 %acc, i64* %out
  ret i64 %acc
}

define i64 @kind(i64 %x, float) {
  switch i64 %x, label %other [
    i64 1, label %one
    i64 2, label %one
  ]
one:
  ret i64 10
other:
  %2 = mul i64 %x, 3
  %3 = fpext float %0 to double
  ret i64 %2
}

define i32 @main() {
  %slot = alloca { i64, i8 }
  %first = getelementptr { i64, i8 }, { i64, i8 }* %slot, i32 0, i32 0
  store i64 5, i64* %first
  %v = load i64, i64* %first
  %r = call i64 @fib(i64 %v)
  %s = call i64 @loop(i64 %v, i64* %first)
  %k = call i64 @kind(i64 %v, float 1.5)
  %t = add i64 %r, %s
  %u = add i64 %t, %k
  %p = getelementptr [6 x i8], [6 x i8]* @format, i64 0, i64 0
  %c = call i32 (i8*, ...) @printf(i8* %p, i64 %u)
  ret i32 0
}
"#;

/// Where the program stops, and what gdb shows there.
const STOPS: &str = r"
break prog.ll:18
break prog.ll:32
break kind
break prog.ll:63
run
info args
info locals
bt
finish
delete 1
continue
ignore 2 1
continue
info args
info locals
print 'acc.next' + next
print *out
step
info args
list
delete 2
continue
info args
step
step
info locals
up
info locals
print slot.f0
print total
continue
print u
print fib(7)
delete
continue
";

const SHOWN: &[&str] = &[
    "fib (n=2) at prog.ll:18",
    "18\t  ret i64 %sum",
    "n = 2",
    "small = false",
    "a = 1",
    "fa = 1",
    "b = 0",
    "fb = 0",
    "sum = 1",
    "fib (n=3) at prog.ll:14",
    "fib (n=4) at prog.ll:14",
    "fib (n=5) at prog.ll:14",
    "main () at prog.ll:56",
    "Value returned is $1 = 1",
    "loop (n=5, out=0x",
    "acc = 1",
    "i = 2",
    "done = false",
    "acc.next = 3",
    "next = 3",
    "$2 = 6",
    "$3 = 5",
    "25\t  %i = phi i64 [ 0, %entry ], [ %next, %body ]",
    "29\tbody:",
    "kind (x=5, _0=1.5) at prog.ll:39",
    "39\t  switch i64 %x, label %other [",
    "x = 5",
    "_0 = 1.5",
    "47\t  %3 = fpext float %0 to double",
    "_2 = 15",
    "slot = {f0 = 10, f1 = ",
    "v = 5",
    "r = 5",
    "s = 10",
    "$4 = 10",
    "$5 = 40",
    "63\t  ret i32 0",
    "$6 = 30",
    "$7 = 13",
    "exited normally",
];

fn check_gdb(test: &str, place: &Place, commands: &str, arguments: &[&str], expect: &[&str]) {
    let Some(said) = gdb(test, place, commands, arguments) else {
        return;
    };
    let mut rest = &said[..];
    for part in expect {
        let Some((_, behind)) = rest.split_once(part) else {
            panic!("{test}: no {part:?} where it should be:\n{said}");
        };
        rest = behind;
    }
    assert!(!said.contains("<error"), "{said}");
}

/// Runs gdb on a program that compiles and runs a module. None: it cannot be.
fn gdb(test: &str, place: &Place, commands: &str, arguments: &[&str]) -> Option<String> {
    if !can_trace() {
        skip(test, "processes may not be traced here");
        return None;
    }
    let settings =
        "set breakpoint pending on\nset confirm off\nset width 0\nset debuginfod enabled off\n";
    place.write("script.gdb", format!("{settings}{commands}"));
    let mut command = place.command("gdb");
    command.args(["-nx", "-q", "-batch", "-x", "script.gdb", "--args"]);
    command.arg(programs().join("run")).args(arguments);
    match command.output() {
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            Some(String::from_utf8_lossy(&said).into_owned())
        }
        Err(error) => {
            skip(test, &format!("no gdb: {error}"));
            None
        }
    }
}

#[test]
fn gdb_shows_values_and_lines_of_ir() {
    let place = place();
    // Compiled now, from the cache, and without one.
    let arguments = ["--no-cache", "--debug-ir", "-O0", "prog.ll"];
    for (run, arguments) in [
        ("cold", &arguments[1..]),
        ("warm", &arguments[1..]),
        ("uncached", &arguments),
    ] {
        check_gdb(run, &place, STOPS, arguments, SHOWN);
    }
}

#[test]
fn gdb_finds_the_text_of_what_is_in_no_file() {
    let place = place();
    let assembled = place
        .command("/usr/lib/llvm-22/bin/llvm-as")
        .args(["prog.ll", "-o", "prog.bc"])
        .status();
    assert!(assembled.expect("llvm-as").success());
    // From a pipe, the text that came; of bitcode, the text that LLVM prints.
    let stops = "break fib\nrun\nlist 1,200\ninfo args\nstep\ninfo locals\n";
    let lines = [
        "fib (n=5) at prog.bc.ll:",
        "@format = private",
        "n = 5",
        "br i1 %small",
        "small = false",
    ];
    check_gdb(
        "bitcode",
        &place,
        stops,
        &["--debug-ir", "-O0", "prog.bc"],
        &lines,
    );
    let lines = [
        "fib (n=5) at prog.ll:8",
        "; define void @main() {",
        "n = 5",
        "small = false",
    ];
    // Optimised: what is left of it.
    check_gdb(
        "optimised",
        &place,
        stops,
        &["--debug-ir", "-O1", "prog.ll"],
        &lines[..3],
    );
}

#[test]
fn texts_are_where_debug_information_says() {
    let place = place();
    let texts = |place: &Place| -> Vec<PathBuf> {
        let folders = std::fs::read_dir(place.path("cache/v4/ir"));
        let folders = folders
            .into_iter()
            .flatten()
            .map(|one| one.expect("a folder").path());
        let files = folders.flat_map(|folder| std::fs::read_dir(folder).expect("a folder"));
        let files = files.map(|file| file.expect("a file").path());
        files.filter(|path| path.extension().is_some()).collect()
    };
    let run = |arguments: &[&str]| {
        let program = std::fs::File::open(place.path("prog.ll")).expect("a file");
        let output = place.tool(arguments).stdin(program).output().expect("run");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        said.contains("not in the cache")
    };
    let with = ["--debug-ir", "--verbose", "-"];
    assert!(run(&with) && !run(&with), "compiled, then found");
    assert!(run(&with[1..]), "without it, that is another key");
    let found = texts(&place);
    let [text] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(std::fs::read_to_string(text).expect("a text"), PROGRAM);
    // A user's own file has no copy, and its path is part of the key.
    assert!(
        run(&["--debug-ir", "--verbose", "prog.ll"])
            && !run(&["--debug-ir", "--verbose", "prog.ll"])
    );
    place.write("moved.ll", PROGRAM);
    assert!(run(&["--debug-ir", "--verbose", "moved.ll"]));
    assert_eq!(texts(&place).len(), 1);
    // What is deleted comes back.
    std::fs::remove_dir_all(place.path("cache/v4/ir")).expect("removed");
    assert!(run(&with) && !run(&with));
    assert_eq!(texts(&place), found);
    // The cache shows what was given, and knows how it was compiled.
    let tool = |arguments: &[&str]| {
        let output = place
            .command(programs().join("cache"))
            .args(arguments)
            .output();
        let output = output.expect("cache");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let (code, keys) = tool(&["list", "--keys", "--name", "moved.ll"]);
    let key = keys.trim();
    assert_eq!((code, key.len()), (Some(0), 64), "{keys}");
    assert_eq!(tool(&["show", "--ir", key]), (Some(0), PROGRAM.to_owned()));
    assert_eq!(tool(&["explain", "--debug-ir", "moved.ll"]).0, Some(0));
    assert_eq!(
        tool(&["explain", "moved.ll", "--name", "other"]).0,
        Some(0),
        "without it, as -"
    );
    // Entries are compiled again to what they are.
    let verify = place
        .command(programs().join("cache"))
        .args(["verify", "--recompile"])
        .output();
    let verify = verify.expect("cache");
    assert!(verify.status.success(), "{verify:?}");
}

#[test]
fn without_a_cache_the_texts_go_with_the_executor() {
    let place = place();
    std::fs::create_dir(place.path("tmp")).expect("a folder");
    // While the program runs, its text is there.
    place.write(
        "look.ll",
        "declare i32 @system(ptr)\n@c = constant [18 x i8] c\"cat tmp/*/*/*.ll;\\00\"\n\
         define i32 @main() {\n  %r = call i32 @system(ptr @c)\n  ret i32 %r\n}\n",
    );
    let program = std::fs::File::open(place.path("look.ll")).expect("a file");
    let mut command = place.tool(&["--debug-ir", "--no-cache", "-"]);
    let ran: tools::Ran = command
        .env("TMPDIR", place.path("tmp"))
        .stdin(program)
        .output()
        .expect("run")
        .into();
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(
        ran.out,
        std::fs::read_to_string(place.path("look.ll")).expect("a text")
    );
    let left: Vec<_> = std::fs::read_dir(place.path("tmp"))
        .expect("a folder")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn debug_information_of_the_ir_stays() {
    let place = Place::new(programs().join("build"));
    place.write(
        "prog.c",
        "int twice(int x)\n{\n    int y = x + x;\n    return y;\n}\n",
    );
    place.write(
        "plain.ll",
        "declare i32 @twice(i32)\ndefine i32 @four(i32 %x) {\n  %y = call i32 @twice(i32 %x)\n  \
         %z = call i32 @twice(i32 %y)\n  ret i32 %z\n}\n",
    );
    let compiled = place
        .command("clang-22")
        .args(["-g", "-O1", "-S", "-emit-llvm", "prog.c"])
        .status();
    assert!(compiled.expect("clang").success());
    for level in ["-O0", "-O2"] {
        place.check(
            &["--debug-ir", level, "-o", "both.o", "prog.ll", "plain.ll"],
            0,
            &[],
        );
        let dump = |arguments: &[&str]| {
            let mut command = place.command("/usr/lib/llvm-22/bin/llvm-dwarfdump");
            let output = command
                .args(arguments)
                .arg("both.o")
                .output()
                .expect("llvm-dwarfdump");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{said}");
            said
        };
        dump(&["--verify"]);
        let said = dump(&["--name=twice", "--name=four"]);
        for file in ["prog.c", "plain.ll"] {
            let declared = said.lines().filter(|line| line.contains("DW_AT_decl_file"));
            assert!(
                declared.into_iter().any(|line| line.contains(file)),
                "{level}: {file} in {said}"
            );
        }
    }
}

/// Values of all kinds, and where little may come between one instruction and the next. `LONG_DOUBLE` and `RETURN_X` are to be
/// replaced.
const SHAPES: &str = r#"
declare i32 @__gcc_personality_v0(...)
declare i64 @may_throw(i64)
define i64 @pads(i64 %x) personality ptr @__gcc_personality_v0 {
  %first = invoke i64 @may_throw(i64 %x) to label %more unwind label %bad
more:
  %second = invoke i64 @may_throw(i64 %first) to label %good unwind label %bad
good:
  %both = phi i64 [ %second, %more ]
  ret i64 %both
bad:
  %seen = phi i64 [ %x, %0 ], [ %first, %more ]
  %again = phi i64 [ 0, %0 ], [ 1, %more ]
  %pad = landingpad { ptr, i32 } cleanup
  %use = add i64 %seen, %again
  call i64 @may_throw(i64 %use)
  resume { ptr, i32 } %pad
}
define i64 @last(i64 %x) {
  %y = add i64 %x, 1
  %z = musttail call i64 @last(i64 %y)
  ret i64 %z
}
define void @kinds(i1 %b, i48 %odd, i256 %wide, <4 x float> %v, <3 x i1> %bits, half %h, LONG_DOUBLE %l, [2 x i32] %a) {
  %o = add i48 %odd, 1
  %w = xor i256 %wide, 5
  %f = fadd <4 x float> %v, %v
  %m = xor <3 x i1> %bits, %bits
  %s = insertvalue { i8, { i1, ptr } } poison, i8 3, 0
  %n = alloca i8, i48 %o
  %e = extractvalue [2 x i32] %a, 1
  fence seq_cst
  ret void
}
define i64 @bare(i64 %x) naked {
  call void asm sideeffect "RETURN_X", ""()
  unreachable
}
"#;

#[test]
fn values_of_all_kinds_have_debug_information() {
    let place = Place::new(programs().join("build"));
    // The argument is where the result is, on AArch64.
    let return_x = match machine::IS_AARCH64 {
        true => "ret",
        false => "movq %rdi, %rax; ret",
    };
    let shapes = SHAPES
        .replace("LONG_DOUBLE", machine::LONG_DOUBLE)
        .replace("RETURN_X", return_x);
    place.write("shapes.ll", shapes);
    for level in ["-O0", "-O1", "-O2"] {
        place.check(
            &["--debug-ir", level, "-o", "shapes.o", "shapes.ll"],
            0,
            &[],
        );
        let mut command = place.command("/usr/lib/llvm-22/bin/llvm-dwarfdump");
        let output = command
            .args(["--verify", "shapes.o"])
            .output()
            .expect("llvm-dwarfdump");
        assert!(output.status.success(), "{level}: {output:?}");
    }
}
