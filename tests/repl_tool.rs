//! The command-line example `examples-c/repl`: what is typed into a pipe and at a terminal, and what comes out.

mod support;

use std::env::consts::ARCH;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use support::machine::LONG_DOUBLE;
use support::terminal::Typist;
use support::tools::{self, Place, Ran};

fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| tools::build("repl-tool", &["repl"]))
}

fn place() -> Place {
    Place::new(programs().join("repl"))
}

fn run(place: &Place, arguments: &[&str], input: &str) -> Ran {
    let mut child = place
        .tool(arguments)
        .env("XDG_STATE_HOME", place.path("state"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("repl");
    let mut stdin = child.stdin.take().expect("stdin");
    // It may have ended before it has read all.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("repl").into()
}

/// Lines that are given to one session, and what comes of them.
struct Cases {
    input: String,
    cases: Vec<(String, String)>,
    said: Vec<String>,
}

/// What is printed between them.
const BETWEEN: (&str, &str) = ("puts(\"@@@\")\n", "@@@\n4\n");

impl Cases {
    fn new(before: &str) -> Cases {
        Cases {
            input: before.to_owned(),
            cases: Vec::new(),
            said: Vec::new(),
        }
    }

    /// `expect` is what is printed; below a line with `--`, parts of what is said on stderr, a line each, where lines of
    /// stdin are counted from 1 in this input.
    fn check(&mut self, input: &str, expect: &str) {
        let before = self.input.lines().count();
        let (out, err) = expect.split_once("--\n").unwrap_or((expect, ""));
        for part in err.lines() {
            self.said.push(moved(part, before));
        }
        self.input.push_str(input);
        self.input.push_str(BETWEEN.0);
        self.cases.push((input.to_owned(), out.to_owned()));
    }

    #[track_caller]
    fn run(self, place: &Place) {
        let ran = run(place, &[], &self.input);
        let mut printed = ran.out.split(BETWEEN.1);
        for (input, out) in &self.cases {
            assert_eq!(printed.next(), Some(&**out), "{input}\n{}", ran.err);
        }
        for part in &self.said {
            assert!(ran.err.contains(part), "{part}\n{}", ran.err);
        }
        if self.said.is_empty() {
            assert_eq!(ran.err, "");
        }
        assert_eq!(ran.code, if self.said.is_empty() { 0 } else { 65 });
    }
}

/// The text with the line of stdin that it names counted from elsewhere.
fn moved(text: &str, lines: usize) -> String {
    const NAME: &str = "<stdin>:";
    let Some(at) = text.find(NAME).map(|at| at + NAME.len()) else {
        return text.to_owned();
    };
    let rest = &text[at..];
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let line: usize = rest[..end].parse().expect("a line");
    format!("{}{}{}", &text[..at], line + lines, &rest[end..])
}

#[track_caller]
fn check_in(place: &Place, input: &str, expect: &str) {
    let mut cases = Cases::new("");
    cases.check(input, expect);
    cases.run(place);
}

const FIB: &str = "define i64 @fib(i64 %n) {\n  %small = icmp slt i64 %n, 2\n  br i1 %small, label %base, label %more\n\
    base:\n  ret i64 %n\nmore:\n  %a = sub i64 %n, 1\n  %b = sub i64 %n, 2\n  %x = call i64 @fib(i64 %a)\n  \
    %y = call i64 @fib(i64 %b)\n  %r = add i64 %x, %y\n  ret i64 %r\n}\n";

#[test]
fn expressions() {
    let place = place();
    let mut cases = Cases::new(FIB);
    let mut check = |input: &str, expect: &str| cases.check(input, expect);
    check("fib(30)\n@fib(5)\nfib(fib(5))\n", "832040\n5\n5\n");
    check("fib(10) + 1\n2 * (fib(10) - 5) / 3 % 7\n", "56\n5\n");
    check("1 + fib(1)\n1 + 2.5\n2.5 - 1\n", "2\n3.5\n1.5\n");
    check(
        "fib(i64 7)\nfib( 0x10 )\ncall i64 @fib(i64 6)\n",
        "13\n987\n8\n",
    );
    check("'a'\ni8 '\\n'\n", "97\n10\n");
    check("42\n-1\n2.5\ntrue\nnull\n", "42\n-1\n2.5\ntrue\nnull\n");
    check("18446744073709551615\n", "18446744073709551615\n");
    check(
        "i128 -170141183460469231731687303715884105728\ni8 -1\ni1 1\ni65 -5\n",
        "-170141183460469231731687303715884105728\n-1\ntrue\n-5\n",
    );
    check("float 0.1\nhalf 1.5\ndouble 0.1\n", "0.1\n1.5\n0.1\n");
    let extended = format!("fpext double 2.5 to {LONG_DOUBLE}\n");
    check(&extended, "2.5\n");
    check(
        "<2 x i32> <i32 1, i32 2>\n<3 x i1> <i1 1, i1 0, i1 1>\n{i8, float} {i8 1, float 2.0}\n[2 x i16] [i16 1, i16 2]\n",
        "<1, 2>\n<true, false, true>\n{ 1, 2 }\n[1, 2]\n",
    );
    check("[3 x i8] c\"a\\00\\22\"\n", "c\"a\\00\\22\"\n");
    check("; nothing\n\n   ; more\n7 ; seven\n", "7\n");
    check("fib(\n  10\n)\n", "55\n");
    check(
        "add i64 2, 3\nicmp slt i64 2, 3\nzext i8 255 to i32\n",
        "5\ntrue\n255\n",
    );
    cases.run(&place);
    // Without a newline at the end.
    assert_eq!(run(&place, &[], "3 + 4").out, "7\n");
}

#[test]
fn functions_of_the_c_library() {
    let place = place();
    let mut cases = Cases::new("");
    let mut check = |input: &str, expect: &str| cases.check(input, expect);
    check("printf(\"%d\\n\", 5)\n", "5\n2\n");
    check(
        "printf(\"%s %ld %.1f %c\\x21\\n\", \"a\\tb\", i64 7, 2.5, i8 65)\n",
        "a\tb 7 2.5 A!\n13\n",
    );
    check(
        "strlen(\"abc\")\nsqrt(2)\nabs(-3)\n",
        "3\n1.4142135623730951\n3\n",
    );
    check("declare i32 @ffs(i32)\nffs(8)\n", "4\n");
    check("declare float @sqrtf(float)\nsqrtf(2)\n", "1.4142135\n");
    // Without a declaration in what is defined, too.
    check(
        "define i32 @say() {\n  %r = call i32 @putchar(i32 65)\n  ret i32 %r\n}\nsay()\n",
        "A65\n",
    );
    check(
        "ffsl(8)\n",
        "--\n<stdin>:1:1: @ffsl is not known: define it, or declare it\n",
    );
    cases.run(&place);
    let ran = run(&place, &[], "getenv(\"MGENJIT_CACHE_DIR\")\n");
    let shown = format!(" \"{}\"\n", place.path("cache").display());
    assert!(ran.out.starts_with("0x"), "{ran:?}");
    assert!(ran.out.ends_with(&shown) || shown.len() > 80, "{ran:?}");
}

#[test]
fn variables() {
    let place = place();
    let mut cases = Cases::new("");
    let mut check = |input: &str, expect: &str| cases.check(input, expect);
    check(
        "@counter = global i64 41\n@counter\n@counter = 42\ncounter\nstore i64 7, ptr @counter\n@counter + 1\n",
        "41\n42\n42\n8\n",
    );
    check(
        "@text = constant [6 x i8] c\"hello\\00\"\n@text\nputs(@text)\nprintf(\"%s\\n\", @text)\n",
        "c\"hello\\00\"\nhello\n6\nhello\n6\n",
    );
    check(
        "@t = thread_local global i32 3\n@f = global float 0.5\n@t\n@f\nprintf(\"%.2f %d\\n\", @f, @t)\n",
        "3\n0.5\n0.50 3\n7\n",
    );
    check(
        "%P = type { i32, [2 x %Q] }\n%Q = type { i8, double }\n\
         @p = global %P { i32 1, [2 x %Q] [%Q { i8 2, double 3.5 }, %Q zeroinitializer] }\n@p\n",
        "{ 1, [{ 2, 3.5 }, { 0, 0 }] }\n",
    );
    check(
        "define <2 x float> @twice(<2 x float> %v) {\n  %r = fadd <2 x float> %v, %v\n  ret <2 x float> %r\n}\n\
         twice(<2 x float> <float 1.0, float 2.0>)\ntwice(<float 3.0, float 0.5>)\n",
        "<2, 4>\n<6, 1>\n",
    );
    check("@\"odd name\" = global i32 5\n@\"odd name\"\n", "5\n");
    check(
        "@big = global [300 x i32] zeroinitializer\n@x = global i32 1\n@x\n",
        "1\n",
    );
    check(
        "@x = global i32 1\n@x = 2.5\n@y = 3\n",
        "--\n<stdin>:2:6: an integer is expected here, of type i32\n<stdin>:3:1: @y is not known\n",
    );
    cases.run(&place);
}

#[test]
fn what_is_defined_is_known_later() {
    let place = place();
    let mut cases = Cases::new("");
    let mut check = |input: &str, expect: &str| cases.check(input, expect);
    // Types, attributes, metadata and what these refer to.
    check(
        "%P = type { i32, double }\n1\ndefine %P @pair(i32 %x) {\n  %r = insertvalue %P zeroinitializer, i32 %x, 0\n  \
         ret %P %r\n}\npair(3)\ndefine i32 @first() {\n  %p = call %P @pair(i32 4)\n  %r = extractvalue %P %p, 0\n  \
         ret i32 %r\n}\nfirst()\n",
        "1\n{ 3, 0 }\n4\n",
    );
    check(
        "attributes #0 = { nounwind }\n!0 = !{i32 0, i32 10}\n1\ndefine i32 @f(ptr %p) #0 {\n  \
         %r = load i32, ptr %p, !range !0\n  ret i32 %r\n}\n@x = global i32 5\nf(@x)\n",
        "1\n5\n",
    );
    check(
        "define fastcc i32 @fast(i32 %x) {\n  ret i32 %x\n}\n\
         define zeroext i8 @narrow(i8 zeroext %x, i8 signext %y) {\n  ret i8 %x\n}\nfast(4)\nnarrow(200, -3)\n",
        "4\n-56\n",
    );
    check(
        "define void @out(ptr sret({ i64, i64 }) %o, i64 %x) {\n  store i64 %x, ptr %o\n  \
         %q = getelementptr i64, ptr %o, i64 1\n  store i64 2, ptr %q\n  ret void\n}\nout(5)\n",
        "{ 5, 2 }\n",
    );
    // With its preamble, and debug information on a declaration.
    let preamble = format!(
        "%T = type {{ i32 }}\n1\nsource_filename = \"t.c\"\ntarget triple = \"{ARCH}-pc-linux-gnu\"\n"
    );
    check(
        &[&preamble, "define i32 @size(ptr %p) !dbg !4 {\n  %r = load %T, ptr %p\n  %s = extractvalue %T %r, 0\n  \
         %m = call i32 @atoi(ptr %p)\n  ret i32 %s\n}\ndeclare !dbg !6 i32 @atoi(ptr)\n!llvm.dbg.cu = !{!0}\n\
         !llvm.module.flags = !{!3}\n!0 = distinct !DICompileUnit(language: DW_LANG_C, file: !1, emissionKind: FullDebug)\n\
         !1 = !DIFile(filename: \"t.c\", directory: \"/\")\n!2 = !DISubroutineType(types: !5)\n\
         !3 = !{i32 2, !\"Debug Info Version\", i32 3}\n\
         !4 = distinct !DISubprogram(name: \"size\", scope: !1, file: !1, line: 1, type: !2, spFlags: DISPFlagDefinition, unit: !0)\n\
         !5 = !{}\n!6 = !DISubprogram(name: \"atoi\", scope: !1, file: !1, type: !2, spFlags: 0)\n@t = global %T { i32 6 }\nsize(@t)\natoi(\"12\")\n"].concat(),
        "1\n6\n12\n",
    );
    // As clang prints it: what is used before it is defined, and what only a module sees.
    check(
        "@.str = private unnamed_addr constant [4 x i8] c\"hey\\00\"\n\
         define dso_local i32 @main() #0 {\n  %r = call i32 @other()\n  %s = call i32 @puts(ptr @.str)\n  ret i32 %r\n}\n\
         define internal i32 @other() {\n  ret i32 3\n}\ndeclare i32 @puts(ptr)\nattributes #0 = { noinline }\n\
         main()\nother()\nputs(@.str)\n",
        "hey\n3\n3\nhey\n4\n",
    );
    check(
        "@a = global i32 5\n@b = alias i32, ptr @a\ndefine i32 @f() { ret i32 6 } @g = alias i32 (), ptr @f\n@b\ng()\n",
        "5\n6\n",
    );
    check(
        "declare i32 @later(i32)\ndefine i32 @f() {\n  %r = call i32 @later(i32 4)\n  ret i32 %r\n}\nf()\n\
         define i32 @later(i32 %x) {\n  ret i32 %x\n}\nf()\n",
        "4\n--\n<stdin>:6: `later` is not defined: define it, or :load what does\n",
    );
    cases.run(&place);
}

#[test]
fn a_function_that_is_defined_again() {
    let place = place();
    let f = |number: &str| format!("define i32 @f() {{\n  ret i32 {number}\n}}\n");
    let g = "define i32 @g() {\n  %r = call i32 @f()\n  ret i32 %r\n}\n";
    let (one, two) = (f("1"), f("2"));
    check_in(&place, &format!("{one}{g}g()\n{two}g()\n"), "1\n2\n");
    // At once as well.
    check_in(&place, &format!("{one}{g}{two}g()\n"), "2\n");
    check_in(
        &place,
        &format!("{one}@p = global ptr @f\n{two}%r = type i32\nload ptr, ptr @p\n")
            .replace("load ptr, ptr @p\n", "g()\n")
            .replace("%r = type i32\n", g),
        "2\n",
    );
    let other = "define i64 @f(i64 %x) {\n  ret i64 %x\n}\n";
    let ran = run(&place, &[], &format!("{one}{g}{other}f(9)\n"));
    assert_eq!((ran.code, ran.out.as_str()), (0, "9\n"), "{ran:?}");
    let said = "@f was `i32 ()` and is `i64 (i64)`";
    assert!(ran.err.contains(said), "{ran:?}");
}

#[test]
fn errors_have_their_place() {
    let place = place();
    let mut cases = Cases::new(FIB);
    let mut check = |input: &str, expect: &str| cases.check(input, expect);
    check(
        "define i64 @f() {\n\tret i64 %x\n}\n2\n",
        "2\n--\nrepl: <stdin>:2:10: use of undefined value '%x'\n\tret i64 %x\n\t        ^\n",
    );
    // With declarations before it, and the others all the same.
    check(
        "define i64 @f() {\n  %r = call i64 @fib(i64 %x)\n  ret i64 %r\n}\n\
         define i64 @g() {\n  %r = call i64 @fib(i64 10)\n  ret i64 %r\n}\ng()\n",
        "55\n--\n<stdin>:2:26: use of undefined value '%x'\n",
    );
    check(
        "   define i32 @f() { ret i64 0 }\n",
        "--\n<stdin>:1:26: value doesn't match\n",
    );
    check(
        "fib(2.5)\n",
        "--\n<stdin>:1:5: an integer is expected here, of type i64\nfib(2.5)\n    ^\n",
    );
    check(
        "fib(1, 2)\n",
        "--\n<stdin>:1:8: fib takes no more than 1 argument\n",
    );
    check(
        "fib()\n",
        "--\n<stdin>:1:1: fib takes 1 argument, and gets 0: i64 (i64)\n",
    );
    check(
        "fib(true)\nfib(\"x\")\n",
        "1\n--\n<stdin>:2:5: fib takes i64 here, and this is ptr\n",
    );
    check(
        "fib(99999999999999999999)\ni8 300\n",
        "--\n<stdin>:1:5: 99\n<stdin>:2:4: 300 does not fit i8\n",
    );
    check(
        "fib(3) 4\n",
        "--\n<stdin>:1:8: more follows here than one expression\n",
    );
    check(
        "puts(\"abc)\n2\n",
        "2\n--\n<stdin>:1:6: the closing quote is missing\n",
    );
    check(
        "  add i64 1, %z\n",
        "--\n<stdin>:1:14: use of undefined value '%z'\n",
    );
    check("{i32} {i64 1}\n", "--\n<stdin>:1:7: \n");
    check(
        "1 / 0\ni8 fib(3)\n",
        "--\n<stdin>:1:3: this is a division by zero\n<stdin>:2:4: this is i64, not i8\n",
    );
    check(":frob\n", "--\n<stdin>:1:1: there is no command :frob\n");
    check(
        "define i64 @open() {\n  ret i64 1\ndefine i64 @two() {\n  ret i64 2\n}\ntwo()\n",
        "2\n--\n<stdin>:1\n",
    );
    check(
        "%x = add i32 1, 2\n",
        "--\n<stdin>:1:1: %x would be known inside of a function alone\n",
    );
    cases.run(&place);
    // What is not closed ends with the text.
    for (input, part) in [
        ("puts(3", "<stdin>:1:7: ',' or ')' is missing here"),
        ("define i64 @f() {\n  ret i64 1", "<stdin>:"),
    ] {
        let ran = run(&place, &[], input);
        assert!(ran.code == 65 && ran.err.contains(part), "{ran:?}");
    }
}

#[test]
fn faults_do_not_end_the_session() {
    let place = place();
    let mut cases = Cases::new("");
    let mut check = |input: &str, expect: &str| cases.check(input, expect);
    check(
        "define void @crash() {\n  store volatile i32 1, ptr null\n  ret void\n}\ncrash()\n1\n",
        "1\n--\n<stdin>:5: a segmentation fault at the address 0x0 in `crash`\n",
    );
    check(
        "define i32 @div(i32 %a, i32 %b) {\n  %r = sdiv i32 %a, %b\n  ret i32 %r\n}\ndiv(1, 0)\ndiv(6, 3)\n",
        match ARCH {
            "aarch64" => "0\n2\n",
            _ => "2\n--\n<stdin>:5: an arithmetic fault, such as a division by zero in `div`\n",
        },
    );
    check(
        "define void @deep() {\n  %f = alloca [4096 x i8]\n  store volatile i8 0, ptr %f\n  call void @deep()\n  \
         store volatile i8 1, ptr %f\n  ret void\n}\ndeep()\n1\n",
        "1\n--\n<stdin>:8: a segmentation fault at the address 0x\n in `deep`\n",
    );
    check(
        "abort()\nprintf(\"%d\\n\", 1)\n",
        "1\n2\n--\n<stdin>:1: an abort\n",
    );
    check(
        "strlen(null)\nraise(5)\n1\n",
        "1\n--\n<stdin>:1: a segmentation fault\n<stdin>:2: a trap\n",
    );
    cases.run(&place);
    let ran = run(&place, &[], "1\nexit(3)\n2\n");
    assert_eq!((ran.code, ran.out.as_str()), (3, "1\n"), "{ran:?}");
    assert_eq!(ran.err, "repl: the code called exit(3): the session ends\n");
}

/// A fault in a thread of the code, and a heap that nobody can use any more.
#[test]
fn what_cannot_be_survived() {
    let place = place();
    place.write(
        "lost.c",
        "#include <pthread.h>\n#include <stdlib.h>\n#include <string.h>\n\
         static void *fall(void *p) { *(volatile int *)p = 1; return p; }\n\
         void thread(void) { pthread_t t; pthread_create(&t, 0, fall, 0); pthread_join(t, 0); }\n\
         static void spoil(size_t taken, size_t written) {\n\
         char *p = malloc(taken); memset(p - 16, 0x41, written); free(p); }\n\
         void spoil_little(void) { spoil(100, 300); }\n\
         void spoil_much(void) { spoil(24, 10000); }\n\
         void spoil_most(void) { spoil(24, 30000); }\n\
         void spoil_all(void) { spoil(24, 10000000); }\n",
    );
    place.cc(&[
        "-shared",
        "-fPIC",
        "-w",
        "-fno-builtin",
        "-o",
        "liblost.so",
        "lost.c",
    ]);
    let lost = |function: &str, expected: &[&str]| {
        let mut child = place
            .tool(&["./liblost.so"])
            .env("XDG_STATE_HOME", place.path("state"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("repl");
        let mut stdin = child.stdin.take().expect("stdin");
        let input =
            format!("@x = global i32 5\n@x\ndeclare void @{function}()\n{function}()\n@x\n");
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("repl");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // The C library may have found out in time.
        if output.status.code() == Some(65) {
            assert!(said.contains("The call is left half done"), "{said}");
            return;
        }
        assert!(
            expected.iter().any(|expected| said.contains(expected)),
            "{said}"
        );
        let (_, path) = said.split_once("What was defined is in ").expect("a path");
        // An emulator says more, in lines of its own.
        let path = path.lines().next().unwrap_or_default();
        let path = path.trim_end_matches('.');
        let saved = std::fs::read_to_string(path).expect("a file");
        let defined = format!("@x = global i32 5\ndeclare void @{function}()\n");
        assert_eq!(saved, defined);
    };
    let in_a_thread = "A fault in another thread ends the session. ";
    lost("thread", &[in_a_thread]);
    // Which data of the tool is hit differs from run to run.
    for function in ["spoil_little", "spoil_much", "spoil_most", "spoil_all"] {
        lost(
            function,
            &[
                "are locked for ever: the session",
                "is damaged: the session",
                "A fault outside of a call ends the session. ",
                // Threads of the library use the heap, too.
                in_a_thread,
            ],
        );
    }
}

#[test]
fn files() {
    let place = place();
    place.write(
        "twice.ll",
        "define i64 @twice(i64 %x) {\n  %r = mul i64 %x, 2\n  ret i64 %r\n}\n",
    );
    place.write("sum.c", "#include <stdio.h>\nstruct p { long a, b, c; };\nstatic long k = 1;\n\
        struct p sum(long a, long b) { struct p p = {a + b, k++, 3}; return p; }\n\
        float half(float x) { return x / 2; }\nvoid hello(const char *who) { printf(\"hello %s\\n\", who); }\n");
    place.write(
        "three.c",
        "int three(void) { return 3; }\nint four(void) { return 4; }\n",
    );
    place.cc(&["-c", "-fPIC", "-O1", "-o", "three.o", "three.c"]);
    place.cc(&["-shared", "-fPIC", "-o", "libthree.so", "three.c"]);
    let archive = place
        .command("ar")
        .args(["rcs", "three.a", "three.o"])
        .status();
    assert!(archive.expect("ar").success());
    let check = |input: &str, expect: &str| check_in(&place, input, expect);
    check(":load twice.ll\ntwice(21)\n", "42\n");
    check(
        ":load sum.c\nsum(1, 2)\nsum(3, 4)\nhalf(5)\nhello(\"you\")\n",
        "{ 3, 1, 3 }\n{ 7, 2, 3 }\n2.5\nhello you\n",
    );
    for file in ["three.o", "three.a", "libthree.so"] {
        check(
            &format!(":load {file}\ndeclare i32 @three()\ndeclare i32 @four()\nthree() + four()\n"),
            "7\n",
        );
    }
    let ran = run(
        &place,
        &["twice.ll", "libthree.so"],
        "twice(4)\ndeclare i32 @four()\nfour()\n",
    );
    assert_eq!((ran.code, ran.out.as_str()), (0, "8\n4\n"), "{ran:?}");
    place.write("bad.ll", "define i64 @bad() {\n  ret i32 0\n}\n");
    place.write("bad.c", "int bad(void) { return x; }\n");
    check(
        ":load bad.ll\n:load bad.c\n:load nowhere.ll\n:load\n1\n",
        "1\n--\nrepl: bad.ll:2:7: \n  ret i32 0\nbad.c: clang could not compile it\nrepl: nowhere.ll: No such file\nwhich file?\n",
    );
    // Bitcode, of what is exported here.
    check(":load twice.ll\n:export twice.bc\n", "");
    check(":load twice.bc\ntwice(5)\n", "10\n");
}

#[test]
fn a_file_that_changes() {
    let place = place();
    let twice = |factor: &str| {
        format!(
            "@calls = global i64 0\ndefine i64 @twice(i64 %x) {{\n  %r = mul i64 %x, {factor}\n  ret i64 %r\n}}\n"
        )
    };
    place.write("twice.ll", twice("2"));
    let other = place.path("other.ll");
    std::fs::write(&other, twice("33")).expect("a file");
    let caller = "define i64 @call() {\n  %r = call i64 @twice(i64 10)\n  ret i64 %r\n}\n";
    let edit = "system(\"mv other.ll twice.ll\")\n";
    check_in(
        &place,
        &format!(
            ":load twice.ll\n{caller}call()\n{edit}call()\n:reload\ncall()\n:reload twice.ll\ncall()\n"
        ),
        "20\n0\n20\n330\n330\n",
    );
    std::fs::write(
        place.path("other.ll"),
        "define i64 @thrice(i64 %x) {\n  ret i64 %x\n}\n",
    )
    .expect("a file");
    let ran = run(
        &place,
        &[],
        &format!(":reload\n:load twice.ll\n:reload\n{edit}:reload\nthrice(3)\n:reload x.ll\n"),
    );
    assert_eq!((ran.code, ran.out.as_str()), (65, "0\n3\n"), "{ran:?}");
    for part in [
        "no file was loaded",
        "no file has changed",
        "@twice is gone",
        "x.ll was not loaded",
    ] {
        assert!(ran.err.contains(part), "{part}: {ran:?}");
    }
}

#[test]
fn commands() {
    let place = place();
    let f = "define i32 @f() {\n  %r = add i32 40, 2\n  ret i32 %r\n}\n@x = global i32 0\n";
    let out = |input: &str| {
        let ran = run(&place, &[], &format!("{f}{input}"));
        assert_eq!(ran.code, 0, "{ran:?}");
        ran
    };
    assert_eq!(out(":functions\n:variables\n").out, "i32 @f()\ni32 @x\n");
    assert_eq!(out(":fun\n").out, "i32 @f()\n");
    let ran = out(":ir f\n:ir\n");
    assert!(
        ran.out.starts_with("define ") && ran.out.contains("ret i32 42\n}\n"),
        "{ran:?}"
    );
    assert!(ran.out.contains("@x = "), "{ran:?}");
    let ran = out(":asm f\n");
    assert!(
        ran.out.starts_with("f:") && ran.out.contains("42") && ran.out.contains("ret"),
        "{ran:?}"
    );
    let help = out(":help\n").out;
    for command in [
        "asm",
        "export",
        "functions",
        "help",
        "ir",
        "isolate",
        "load",
        "quit",
        "reload",
        "time",
        "variables",
    ] {
        assert!(help.contains(&format!("  :{command}")), "{help}");
    }
    assert!(help.lines().all(|line| line.len() <= 120), "{help}");
    assert_eq!(out("1\n:quit\n2\n").out, "1\n");
    for input in ["f()\n:time\n", ":time f()\n", ":time on\nf()\n"] {
        let ran = out(input);
        assert_eq!(ran.out, "42\n");
        assert!(
            ran.err.contains("  total ") && ran.err.contains("  run "),
            "{ran:?}"
        );
    }
    let ran = run(&place, &["--time"], "1\n");
    assert!(ran.err.contains("  run "), "{ran:?}");
    check_in(
        &place,
        ":asm\n:asm g\n:time\n:export\n:export x.o\n:e\n",
        "--\nnothing is defined yet\n@g is not defined here\nnothing was compiled yet\nto which file?\nnothing to export\n",
    );
}

#[test]
fn exports() {
    let place = place();
    let program = "declare i32 @printf(ptr, ...)\n@.f = private constant [4 x i8] c\"%d\\0A\\00\"\n\
        define i32 @f() {\n  ret i32 1\n}\n\
        define i32 @main() {\n  %f = call i32 @f()\n  %r = call i32 (ptr, ...) @printf(ptr @.f, i32 %f)\n  ret i32 7\n}\n\
        define i32 @f() {\n  ret i32 5\n}\n";
    let all = ":export p\n:export p.o\n:export p.so\n:export p.ll\n:export p.h\n";
    check_in(&place, &format!("{program}{all}"), "");
    let ran: Ran = place.command(place.path("p")).output().expect("p").into();
    assert_eq!((ran.code, ran.out.as_str()), (7, "5\n"), "{ran:?}");
    place.cc(&["-o", "q", "p.o"]);
    let ran: Ran = place.command(place.path("q")).output().expect("q").into();
    assert_eq!((ran.code, ran.out.as_str()), (7, "5\n"), "{ran:?}");
    check_in(&place, ":load p.ll\nf()\nmain()\n", "5\n5\n7\n");
    assert!(place.path("p.so").exists() && place.path("p.h").exists());
    check_in(
        &place,
        "@x = global i32 1\n:export nowhere/x.o\n",
        "--\nnowhere/x.o\n",
    );
}

#[test]
fn usage_and_the_cache() {
    let place = place();
    place.check_help(&[
        "--cache-dir",
        "--cpu",
        "--no-cache",
        "--opt",
        "--time",
        "--version",
    ]);
    place.check(
        &["--frob"],
        64,
        &["repl: wrong option: --frob", "usage: repl [options]"],
    );
    place.check(&["nowhere.ll"], 65, &["nowhere.ll: No such file"]);
    run(&place, &[], "1\n");
    let ran = run(&place, &["--time"], "1\n");
    assert!(ran.err.contains("from the cache (hit)"), "{ran:?}");
    let ran = run(&place, &["--no-cache", "--time", "-O0"], "1\n");
    assert!(ran.err.contains("compiled (miss)"), "{ran:?}");
    // What is typed elsewhere than at a terminal is not remembered.
    assert!(!place.path("state/mgenjit/repl-history").exists());
}

#[test]
fn at_a_terminal() {
    let place = place();
    let start = || {
        let mut command = place.tool(&[]);
        command.env("XDG_STATE_HOME", place.path("state"));
        let mut typist = Typist::start(command);
        typist.wait_for("mgenjit> ");
        typist
    };
    let mut typist = start();
    typist.type_in("define i64 @one() {\n");
    typist.wait_for("...> ");
    typist.type_in("  ret i64 1\n");
    typist.wait_for("...> ");
    typist.type_in("}\n");
    let shown = typist.wait_for("mgenjit> ");
    assert!(shown.ends_with("i64 @one()\n"), "{shown:?}");
    typist.type_in("one()\n");
    let shown = typist.wait_for("mgenjit> ");
    assert!(shown.ends_with("\n1\n"), "{shown:?}");
    // What is pasted may refer to what follows.
    typist.type_in(
        "define i64 @two() {\n  %r = call i64 @three()\n  ret i64 %r\n}\n\
         define i64 @three() {\n  ret i64 3\n}\ntwo()\n",
    );
    typist.wait_for("i64 @two()\r\n");
    typist.wait_for("i64 @three()\r\n3\r\n");
    typist.wait_for("mgenjit> ");
    typist.type_in("oops(1)\n");
    typist.wait_for("error: @oops is not known");
    typist.wait_for("oops(1)\r\n^\r\n");
    typist.wait_for("mgenjit> ");
    // Ctrl-C leaves a call, and what is half typed.
    typist.type_in("@go = constant [8 x i8] c\"looping\\00\"\ndefine void @loop() {\n  %r = call i32 @puts(ptr @go)\n  \
         br label %l\nl:\n  br label %l\n}\nloop()\n");
    typist.wait_for("\nlooping\r\n");
    typist.type_in("\x03");
    typist.wait_for("error: Ctrl-C");
    typist.wait_for("mgenjit> ");
    typist.type_in("define i64 @half(\n");
    typist.wait_for("...> ");
    typist.type_in("\x03");
    typist.wait_for("^C");
    typist.wait_for("mgenjit> ");
    typist.type_in("two()\n");
    typist.wait_for("3\r\n");
    typist.wait_for("mgenjit> ");
    // In a process of its own, Ctrl-C ends that.
    typist.type_in(":isolate on\nloop()\n");
    typist.wait_for("first values");
    typist.wait_for("\nlooping\r\n");
    typist.type_in("\x03");
    typist.wait_for("error: Ctrl-C. This ended the process");
    typist.wait_for("mgenjit> ");
    typist.type_in("two()\n");
    typist.wait_for("3\r\n");
    typist.wait_for("mgenjit> ");
    let has_libedit = place.path("state/mgenjit/repl-history").exists();
    if has_libedit {
        typist.type_in(":var\t\n");
        typist.wait_for("\n[8 x i8] @go\r\n");
        typist.wait_for("mgenjit> ");
        typist.type_in("thr\t()\n");
        typist.wait_for("3\r\n");
        typist.wait_for("mgenjit> ");
    } else {
        support::skips::skip("repl: lines are edited", "there is no libedit");
    }
    // Ctrl-D.
    typist.type_in("\x04");
    let (code, _) = typist.end();
    assert_eq!(code, 0);
    if !has_libedit {
        return;
    }
    // The next session has the lines of the one before.
    let mut typist = start();
    typist.type_in("\x1b[A\n");
    typist.wait_for("@three is not known");
    typist.wait_for("mgenjit> ");
    typist.type_in("exit(4)\n");
    let (code, shown) = typist.end();
    assert_eq!(code, 4);
    assert!(
        shown.contains("the code called exit(4): the session ends"),
        "{shown}"
    );
    // A Ctrl-D that comes before libedit has the terminal: the kernel makes a zero of it.
    let mut typist = start();
    typist.type_in("\0");
    assert_eq!(typist.end().0, 0);
}

/// Code in a process of its own: what ends it ends no session.
#[test]
fn isolates() {
    let place = place();
    let before = "@n = global i64 0\ndefine i64 @next() {\n  %a = load i64, ptr @n\n  %b = add i64 %a, 1\n  \
        store i64 %b, ptr @n\n  ret i64 %b\n}\n\
        define void @crash() {\n  store volatile i32 1, ptr null\n  ret void\n}\n";
    let check = |input: &str, out: &str, said: &[&str]| {
        let ran = run(&place, &[], &format!("{before}{input}"));
        assert_eq!(ran.out, out, "{input}\n{}", ran.err);
        for part in said {
            assert!(ran.err.contains(part), "{part}\n{}", ran.err);
        }
        ran
    };
    // As in this process, where the values stay, and definitions are added and replaced.
    let ran = check(
        ":isolate on\nnext()\nnext()\n@n\n@n = 10\nnext()\nputs(\"hi\")\n{i32, float} {i32 1, float 2.5}\n\
         define i64 @twice() {\n  %a = call i64 @next()\n  %b = call i64 @next()\n  ret i64 %b\n}\ntwice()\n\
         define i64 @next() {\n  ret i64 -1\n}\ntwice()\n@n\n:isolate\n",
        "1\n2\n2\n10\n11\nhi\n3\n{ 1, 2.5 }\n13\n-1\n13\n",
        &["first values", "the code runs in a process of its own"],
    );
    assert_eq!(ran.code, 0);
    // What ends it, and what is there afterwards.
    let ran = check(
        ":isolate on\nnext()\ncrash()\nnext()\nexit(3)\nnext()\nabort()\nnext()\ngetpid() == 0\n",
        "1\n1\n1\n1\n",
        &[
            "a segmentation fault at the address 0x0 in `crash`. This ended the process that ran the code",
            "the code called exit(3). This",
            "an abort. This",
        ],
    );
    assert_eq!(ran.code, 65);
    // In the other process the values are other ones.
    check(
        "next()\n:isolate on\nnext()\nnext()\n:isolate off\nnext()\n:isolate\n",
        "1\n1\n2\n2\n",
        &[
            "in this process again: the values",
            "the code runs in this process\n",
        ],
    );
    // Nothing of the code runs in the session's process.
    check(
        ":isolate on\n@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } \
         { i32 65535, ptr @crash, ptr null }]\n1 + 1\n:isolate x\nnext(1)\n",
        "",
        &["a segmentation fault", "on or off?"],
    );
    check(
        ":isolate on\ndeclare i64 @nowhere()\ndefine i64 @lacks() {\n  %r = call i64 @nowhere()\n  ret i64 %r\n}\n\
         lacks()\nnext()\ndefine i64 @nowhere() {\n  ret i64 5\n}\nlacks()\n",
        "1\n5\n",
        &["nowhere"],
    );
}
