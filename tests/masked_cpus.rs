//! Programs that see another CPU than their compile server does: below valgrind, which hides features, and in
//! qemu-user, which has a CPU of its own. A first run, and runs with what others compiled or with a server that others
//! started, give the right result: code never needs more than the process has.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use support::machine::IS_AARCH64;
use support::tools::{self, Place, Ran};

fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| tools::build("masked-cpus", &["run", "server"]))
}

/// Uses the widest registers that there are, and instructions that few CPUs have. Ends with 42.
const WIDE: &str = r"
@numbers = global <16 x i32> <i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8,
                              i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15, i32 16>
@halves = global <16 x double> splat (double 0.5)
declare <16 x i32> @llvm.ctpop.v16i32(<16 x i32>)
declare <16 x double> @llvm.fma.v16f64(<16 x double>, <16 x double>, <16 x double>)
declare i32 @llvm.vector.reduce.add.v16i32(<16 x i32>)
declare double @llvm.vector.reduce.fadd.v16f64(double, <16 x double>)
define i32 @main() {
  %n = load volatile <16 x i32>, ptr @numbers
  %bits = call <16 x i32> @llvm.ctpop.v16i32(<16 x i32> %n)
  %count = call i32 @llvm.vector.reduce.add.v16i32(<16 x i32> %bits)
  %h = load volatile <16 x double>, ptr @halves
  %products = call <16 x double> @llvm.fma.v16f64(<16 x double> %h, <16 x double> %h, <16 x double> %h)
  %sum = call reassoc double @llvm.vector.reduce.fadd.v16f64(double 0.0, <16 x double> %products)
  %whole = fptoui double %sum to i32
  %both = add i32 %count, %whole
  %r = sub i32 %both, 3
  ret i32 %r
}
";

/// How a program comes to see another CPU.
const MASKS: [&[&str]; 4] = match IS_AARCH64 {
    true => [
        VALGRIND,
        &["qemu-aarch64", "-cpu", "cortex-a53"],
        &["qemu-aarch64", "-cpu", "cortex-a72"],
        &["qemu-aarch64", "-cpu", "max"],
    ],
    false => [
        VALGRIND,
        &["qemu-x86_64", "-cpu", "Nehalem"],
        &["qemu-x86_64", "-cpu", "Haswell"],
        &["qemu-x86_64", "-cpu", "max"],
    ],
};

const VALGRIND: &[&str] = &["valgrind", "-q", "--error-exitcode=99"];

/// Those that are installed.
fn masks() -> Vec<&'static [&'static str]> {
    let is_there = |mask: &&&[&str]| {
        let found = Command::new(mask[0]).arg("--version").output().is_ok();
        if !found {
            println!("not run: there is no {}", mask[0]);
        }
        found
    };
    MASKS.iter().filter(is_there).copied().collect()
}

fn place() -> Place {
    let place = Place::new(programs().join("run"));
    place.write("wide.ll", WIDE);
    place
}

/// Runs the program below a mask, or below none.
fn run(place: &Place, mask: &[&str], variables: &[(&str, &Path)]) -> Ran {
    let tool = programs().join("run");
    let mut command = match mask {
        [] => place.command(&tool),
        [first, rest @ ..] => {
            let mut command = place.command(first);
            command.args(rest).arg(&tool);
            command
        }
    };
    let command = command.args(["--verbose", "wide.ll"]);
    let command = command.envs(variables.iter().copied());
    command.output().expect("a run").into()
}

/// Checks the result, and whether it was compiled or found.
#[track_caller]
fn check(what: &str, ran: &Ran, compiled: bool) -> String {
    assert_eq!(ran.code, 42, "{what}: {ran:?}");
    let said = if compiled {
        "compiled to"
    } else {
        "in the cache: "
    };
    let line = ran.err.lines().find(|line| line.contains(said));
    let line = line.unwrap_or_else(|| panic!("{what}: not {said}: {ran:?}"));
    // `run: wide.ll KEY: …`
    line.split(' ').nth(2).expect("a key").to_owned()
}

#[test]
fn a_first_run_and_one_with_what_it_stored() {
    for mask in masks() {
        let place = place();
        let what = mask.join(" ");
        let first = check(&what, &run(&place, mask, &[]), true);
        let second = check(&what, &run(&place, mask, &[]), false);
        assert_eq!(first, second, "{what}");
    }
}

#[test]
fn a_cache_that_others_fill() {
    let place = place();
    let mut keys = vec![check("no mask", &run(&place, &[], &[]), true)];
    for mask in masks() {
        let ran = run(&place, mask, &[]);
        let what = mask.join(" ");
        // The same key is the same code, and a CPU that differs in what code may use has another key.
        let compiled = ran.err.contains("compiled to");
        let key = check(&what, &ran, compiled);
        assert_eq!(compiled, !keys.contains(&key), "{what}: {key} {keys:?}");
        keys.push(key);
    }
    check("no mask, again", &run(&place, &[], &[]), false);
}

#[test]
fn a_shared_server_that_others_start() {
    let place = place();
    let folder = tempfile::Builder::new()
        .prefix("m")
        .tempdir()
        .expect("a folder");
    let runtime = [
        ("XDG_RUNTIME_DIR", folder.path()),
        ("MGENJIT_SERVER_MODE", Path::new("shared")),
    ];
    for mask in std::iter::once(&[][..]).chain(masks()) {
        let ran = run(&place, mask, &runtime);
        check(&mask.join(" "), &ran, ran.err.contains("compiled to"));
    }
    // It was one server for all.
    let mut stop = place.command(programs().join("server"));
    let stopped = stop.arg("stop").envs(runtime).output().expect("stop");
    assert!(stopped.status.success(), "{stopped:?}");
}
