//! Programs find the same process, and end in the same order, whether they are linked by the system's linker, run, or
//! exported.

mod support;

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use support::machine::IS_AARCH64;
use support::source;
use support::tools::{self, Place};

fn tools() -> &'static Path {
    static TOOLS: OnceLock<PathBuf> = OnceLock::new();
    TOOLS.get_or_init(|| tools::build("as-natively", &["run", "build"]))
}

fn place() -> Place {
    Place::new(tools().join("run"))
}

/// Compiles a program of `tests/programs` to NAME.bc and NAME.o.
fn compile(place: &Place, program: &str) {
    let (name, _) = program.split_once('.').expect("a suffix");
    let source = source("tests/programs").join(program);
    for (suffix, flags) in [("bc", &["-c", "-emit-llvm"][..]), ("o", &["-c"][..])] {
        let status = place
            .command(if program.ends_with("cpp") {
                "clang++-22"
            } else {
                "clang-22"
            })
            .args(flags)
            .args(["-O1", "-fPIC", "-w", "-o"])
            .arg(place.path(&format!("{name}.{suffix}")))
            .arg(&source)
            .status();
        assert!(status.expect("clang").success(), "{program}");
    }
}

fn link(place: &Place, arguments: &[&str]) {
    let status = place.command("clang++-22").args(arguments).status();
    assert!(status.expect("clang").success(), "{arguments:?}");
}

/// Links NAME.c with the library.
fn link_host(place: &Place, name: &str) {
    let include = source("include");
    let library = tools().join("libmgenjit.so.0");
    let rpath = format!("-Wl,-rpath,{}", tools().display());
    let path = |path: &PathBuf| path.to_str().expect("UTF-8").to_owned();
    let (include, library) = (path(&include), path(&library));
    let file = format!("{name}.c");
    place.cc(&[&file, "-o", name, "-I", &include, &library, &rpath]);
}

/// What a program prints and ends with.
fn outcome(place: &Place, program: &Path, arguments: &[&str]) -> String {
    outcome_as(place, program, "program", arguments)
}

/// As `outcome`, with another argv[0].
fn outcome_as(place: &Place, program: &Path, name: &str, arguments: &[&str]) -> String {
    let input = std::fs::File::open(place.path("input")).expect("a file");
    let output = place
        .command(program)
        .arg0(name)
        .args(arguments)
        .stdin(input)
        .stderr(Stdio::null())
        .output()
        .expect("a program");
    let text = String::from_utf8_lossy(&output.stdout);
    format!("{text}{}", output.status)
}

#[track_caller]
fn check_same(what: &str, expected: &str, found: &str) {
    assert_eq!(expected, found, "{what}: left natively, right here");
}

#[test]
fn a_program_finds_the_process_as_it_begins() {
    let place = place();
    place.write("input", "some input");
    let run = tools().join("run");
    for (program, arguments) in [
        ("state.c", &["x", "y"][..]),
        ("getopt.c", &["-a", "-bn", "1", "x", "--all", "--name=y"]),
        ("getopt.c", &["--", "-a"]),
        ("getopt.c", &[]),
    ] {
        compile(&place, program);
        let (name, _) = program.split_once('.').expect("a suffix");
        let file = format!("{name}.bc");
        link(&place, &[&format!("{name}.o"), "-lm", "-o", "native"]);
        let expected = outcome_as(&place, &place.path("native"), &file, arguments);
        let options: [&[&str]; 4] = [
            &["--opt", "O1"],
            &["-O0", "--cpu=native", "--time", "--verbose"],
            &["--verbose", "--time", "--"],
            &["--no-cache"],
        ];
        for options in options {
            let all: Vec<&str> = [options, &[&file], arguments].concat();
            check_same(&format!("{all:?}"), &expected, &outcome(&place, &run, &all));
        }
    }
}

#[test]
fn what_a_program_leaves_ends_in_the_same_order() {
    let place = place();
    place.write("input", "");
    compile(&place, "order.cpp");
    compile(&place, "order_other.cpp");
    link(&place, &["order.o", "order_other.o", "-o", "together"]);
    // Modules are linked as libraries are: first what others need.
    link(&place, &["order_other.o", "order.o", "-o", "in_order"]);
    let build = |arguments: &[&str]| {
        let status = place
            .command(tools().join("build"))
            .args(arguments)
            .status();
        assert!(status.expect("build").success(), "{arguments:?}");
    };
    build(&["-o", "built", "order.bc", "order_other.bc", "-l", "stdc++"]);
    let run = tools().join("run");
    let ways = [
        "return",
        "exit",
        "quick_exit",
        "_exit",
        "pthread_exit",
        "thread_exits",
        "thread_ends",
        "thrown",
        "detached",
    ];
    for way in ways {
        let natively = |name: &str| outcome(&place, &place.path(name), &[way]);
        let together = natively("together");
        assert!(together.contains("touch thread_local first"), "{together}");
        let in_order = natively("in_order");
        check_same(way, &together, &natively("built"));
        let libraries = ["--lib", "libstdc++.so.6"];
        for (expected, files) in [
            (&together, ["--with", "order_other.bc", "order.bc"]),
            (&together, ["--with", "order_other.o", "order.o"]),
            (&in_order, ["--add", "order_other.bc", "order.bc"]),
        ] {
            let all: Vec<&str> = [&libraries[..], &files, &[way]].concat();
            check_same(&format!("{all:?}"), expected, &outcome(&place, &run, &all));
        }
    }
}

/// Runs the program, has a thread that goes on use it, and unloads it while that waits.
const HOST: &str = r#"
#include <mgenjit.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
static void *(*in_thread)(void *);
static pthread_barrier_t barrier;
static void *work(void *unused)
{
    in_thread(NULL);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return unused;
}
int main(int argc, char **argv)
{
    mgenjit_executor *executor;
    mgenjit_module *modules[2];
    pthread_t thread;
    int status = -1;
    const char *arguments[] = {"host", "return"};
    setvbuf(stdout, NULL, _IONBF, 0);
    if (mgenjit_executor_new(NULL, &executor, NULL) != 0 || mgenjit_executor_load_library(executor, "libstdc++.so.6", NULL) != 0
        || mgenjit_executor_compile_file(executor, argv[1], &modules[0], NULL) != 0
        || mgenjit_executor_compile_file(executor, argv[2], &modules[1], NULL) != 0
        || mgenjit_executor_run_main(executor, 2, arguments, &status, NULL) != 0)
        return 1;
    printf("main has ended with %d\n", status);
    if (argc > 3) {
        if (mgenjit_executor_lookup(executor, "in_thread", (void **)&in_thread, NULL) != 0)
            return 1;
        pthread_barrier_init(&barrier, NULL, 2);
        pthread_create(&thread, NULL, work, NULL);
        pthread_barrier_wait(&barrier);
    }
    mgenjit_module_free(modules[0]);
    mgenjit_module_free(modules[1]);
    mgenjit_executor_free(executor);
    puts("freed");
    if (argc > 3) {
        pthread_barrier_wait(&barrier);
        pthread_join(thread, NULL);
        puts("joined");
    }
    return 0;
}
"#;

/// Its main thread ends before another one, which ends the program.
const OUTLIVED: &str = r#"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
static pthread_t first;
static void handler(void) { puts("handler"); }
static void *work(void *unused)
{
    pthread_join(first, NULL);
    puts("the first thread has ended");
    return unused;
}
int main(void)
{
    pthread_t thread;
    first = pthread_self();
    atexit(handler);
    if (pthread_create(&thread, NULL, work, NULL) == 0)
        pthread_exit(NULL);
    return 1;
}
"#;

const RUN_FILE: &str = r"
#include <mgenjit.h>
int main(int argc, char **argv)
{
    int status = 1;
    (void)argc;
    return mgenjit_run_file(argv[1], 1, (const char *const *)argv, NULL, &status, NULL) != 0 || status != 0;
}
";

#[test]
fn a_program_outlives_its_first_thread() {
    let place = place();
    place.write("input", "");
    place.write("outlived.c", OUTLIVED);
    place.write("run_file.c", RUN_FILE);
    let compile = place
        .command("clang-22")
        .args(["-c", "-emit-llvm", "-fPIC", "outlived.c"])
        .status();
    assert!(compile.expect("clang").success());
    link(&place, &["-x", "c", "outlived.c", "-o", "native"]);
    link_host(&place, "run_file");
    let expected = "the first thread has ended\nhandler\nexit status: 0";
    check_same(
        "natively",
        expected,
        &outcome(&place, &place.path("native"), &[]),
    );
    let run = tools().join("run");
    check_same("run", expected, &outcome(&place, &run, &["outlived.bc"]));
    let host = place.path("run_file");
    check_same(
        "run_file",
        expected,
        &outcome(&place, &host, &["outlived.bc"]),
    );
}

#[test]
fn what_is_unloaded_ends_in_the_same_order() {
    let place = place();
    place.write("input", "");
    place.write("host.c", HOST);
    compile(&place, "order.cpp");
    compile(&place, "order_other.cpp");
    link(&place, &["order_other.o", "order.o", "-o", "in_order"]);
    link_host(&place, "host");

    let natively = outcome(&place, &place.path("in_order"), &["return"]);
    let (before, after) = natively.split_once("joined return\n").expect("a thread");
    // As with libraries, each has its destructors run with its handlers.
    let (after, _) = after.split_once("- other global").expect("its end");
    let after = format!(
        "{after}destructor gone\n- other global\natexit of other's constructor\ndestructor gone\n"
    );
    let host = |arguments: &[&str]| outcome(&place, &place.path("host"), arguments);
    check_same(
        "freed",
        &format!("{before}joined return\nmain has ended with 2\n{after}freed\nexit status: 0"),
        &host(&["order.bc", "order_other.bc"]),
    );

    // With the objects of a thread that still waits, what they use waits too.
    let all = host(&["order.bc", "order_other.bc", "thread"]);
    let (_, end) = all.split_once("main has ended").expect("main");
    let place_of = |what: &str| {
        end.find(what)
            .unwrap_or_else(|| panic!("{what:?} in {end}"))
    };
    assert!(
        place_of("- late thread_local late") < place_of("freed"),
        "{end}"
    );
    let (_, end) = end.split_once("freed\n").expect("freed");
    check_same(
        "a thread waits",
        &format!("{}joined\nexit status: 0", thread_end(before, &after)),
        end,
    );
}

/// What is printed when the last thread that uses the program ends: its objects' ends, then those of the program.
fn thread_end(before: &str, after: &str) -> String {
    let (_, thread) = before.split_once("- other thread_local\n").expect("an end");
    let (_, globals) = after.split_once("atexit second\n").expect("a handler");
    format!("- other thread_local\n{thread}atexit second\n{globals}")
}

/// Ends with how many arguments it has. `SHOWN` is to be replaced.
const COUNT: &str = "define SHOWN i32 @count(i32 %n) noinline {\n  ret i32 %n\n}\n\
    define SHOWN i32 @main(i32 %argc, ptr %argv) {\n  %n = call i32 @count(i32 %argc)\n  ret i32 %n\n}\n";

const COUNT_IN_C: &str = "#define SHOWN __attribute__((visibility(WHOM)))\n\
    SHOWN int count(int n) { return n; }\n\
    SHOWN int main(int argc, char **argv) { (void)argv; return count(argc); }\n";

/// A `main` whose visibility is that of the directive.
fn in_assembly(visibility: &str) -> String {
    let lines = [
        ".text",
        ".globl main",
        visibility,
        ".type main,@function",
        "main:",
        // The result is where the first argument is, on AArch64.
        if IS_AARCH64 { "nop" } else { "mov %edi, %eax" },
        "ret",
        ".size main, .-main",
    ];
    lines
        .map(|line| format!("module asm \"{line}\"\n"))
        .concat()
}

/// A program's `main` is found whomever it is shown to, as a linker finds it.
#[test]
fn a_main_that_is_not_shown_to_others() {
    let place = place();
    place.write("input", "");
    let mut programs = Vec::new();
    for shown in ["hidden", "protected", "weak hidden", "dso_local"] {
        let name = format!("{}.ll", shown.replace(' ', "_"));
        place.write(&name, COUNT.replace("SHOWN", shown));
        programs.push(name);
    }
    for directive in [".hidden main", ".internal main", ".protected main", ""] {
        let name = format!("asm{}.ll", directive.replace(' ', "_"));
        place.write(&name, in_assembly(directive));
        programs.push(name);
    }
    let count = "define internal i32 @count(i32 %argc) {\n  ret i32 %argc\n}\n";
    let resolve = "define internal ptr @resolve() {\n  ret ptr @count\n}\n";
    place.write(
        "alias.ll",
        format!("@main = hidden alias i32 (i32), ptr @count\n{count}"),
    );
    place.write(
        "ifunc.ll",
        format!("@main = hidden ifunc i32 (i32), ptr @resolve\n{count}{resolve}"),
    );
    programs.extend(["alias.ll", "ifunc.ll"].map(String::from));
    place.write("main.c", COUNT_IN_C);
    for (whom, flags) in [
        ("hidden", "-fPIC"),
        ("internal", "-fPIE"),
        ("protected", "-fPIC"),
    ] {
        let name = format!("{whom}.o");
        let whom = format!("-DWHOM=\"{whom}\"");
        place.cc(&["-c", flags, &whom, "-o", &name, "main.c"]);
        programs.push(name);
    }
    let members = ["rcs", "hidden.a", "hidden.o"];
    let status = place.command("ar").args(members).status();
    assert!(status.expect("ar").success());
    programs.push("hidden.a".to_owned());

    let (run, build) = (tools().join("run"), tools().join("build"));
    for program in &programs {
        let natively = ["-O2", "-w", "-o", "native"];
        link(&place, &[&natively[..], &[program]].concat());
        let expected = outcome(&place, &place.path("native"), &["one", "two"]);
        assert_eq!(expected, "exit status: 3", "{program}");
        let arguments = [program, "one", "two"];
        check_same(program, &expected, &outcome(&place, &run, &arguments));
        let built = outcome(&place, &build, &["-o", "built", program]);
        assert_eq!(built, "exit status: 0", "build {program}");
        let exported = outcome(&place, &place.path("built"), &["one", "two"]);
        check_same(&format!("built {program}"), &expected, &exported);
    }

    // From another module, or another input of the same one. Of an archive, that takes what is referred to.
    place.write("other.ll", "define i32 @other() {\n  ret i32 1\n}\n");
    for way in ["--with", "--add"] {
        for program in &programs {
            if way == "--with" && program.split('.').next_back() == Some("a") {
                continue;
            }
            let arguments = [way, program, "other.ll", "one"];
            check_same(
                &format!("{arguments:?}"),
                "exit status: 2",
                &outcome(&place, &run, &arguments),
            );
        }
    }
}
