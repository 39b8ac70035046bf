//! The static library, as `install/archive.sh` makes it of what cargo built: it fits into any program.

mod support;

use object::read::archive::ArchiveFile;
use object::{Object, ObjectSection, ObjectSymbol};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use support::source;
use support::workspace::{Run, Workspace};

/// The archive: made once for all tests here.
fn archive() -> &'static Path {
    static ARCHIVE: OnceLock<PathBuf> = OnceLock::new();
    ARCHIVE.get_or_init(|| {
        let archive = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libmgenjit.a");
        let built = support::shared_library().with_extension("a");
        std::fs::copy(&built, &archive).expect("a copy of the archive");
        let before = modified(&archive);
        finish(&archive);
        assert_eq!(modified(&archive), before, "cargo would build it anew");
        archive
    })
}

fn finish(archive: &Path) {
    let mut command = Command::new(source("install/archive.sh"));
    succeed(command.arg(archive));
}

fn modified(path: &Path) -> std::time::SystemTime {
    let metadata = std::fs::metadata(path).expect("the archive");
    metadata.modified().expect("a time")
}

fn succeed(command: &mut Command) {
    let output = command.output().expect("the command");
    assert!(output.status.success(), "{command:?}: {output:?}");
}

#[test]
fn only_our_names_are_global() {
    let bytes = std::fs::read(archive()).expect("the archive");
    let file = ArchiveFile::parse(&*bytes).expect("an archive");
    let members: Vec<_> = file.members().map(|member| member.expect("read")).collect();
    assert_eq!(members.len(), 1);
    let object = members[0].data(&*bytes).expect("the member");
    let object = object::File::parse(object).expect("an object");

    let mut defined = Vec::new();
    for symbol in object.symbols() {
        let name = symbol.name().expect("UTF-8").to_owned();
        if symbol.is_definition() && (symbol.is_global() || symbol.is_weak()) {
            defined.push(name);
        }
    }
    defined.sort();
    let listed = std::fs::read_to_string(source("tests/exports.txt")).expect("the list");
    assert_eq!(defined, listed.lines().collect::<Vec<_>>());
    for section in object.sections() {
        let name = section.name().expect("UTF-8");
        let unwanted = [".debug", ".llvm", ".group"];
        assert!(
            !unwanted.iter().any(|part| name.starts_with(part)),
            "{name}"
        );
    }
}

#[test]
fn what_is_made_already_is_left_alone() {
    let copy = archive().with_extension("copy.a");
    std::fs::copy(archive(), &copy).expect("a copy");
    let bytes = std::fs::read(&copy).expect("the copy");
    finish(&copy);
    assert!(std::fs::read(&copy).expect("the copy") == bytes);
}

/// Links `tests/c/linked_in.c` with the archive and these options, and runs it twice.
fn check(compiler: &str, flags: &[&str]) {
    let mut workspace = Workspace::new("linked_in.c");
    let is_static = flags.iter().any(|flag| flag.starts_with("-static"));
    workspace.link(compiler, flags, archive());
    if is_static {
        workspace.set_variable("CHECK_STATIC", "1");
    }
    for run in [Run::Cold, Run::Warm] {
        let what = format!("{compiler} {flags:?}, {run:?}");
        workspace.run(run).expect_success(&what);
    }
}

#[test]
fn linked_into_a_program() {
    check("gcc", &["-Wl,--gc-sections"]);
    check("clang-22", &["-fuse-ld=lld", "-no-pie"]);
}

#[test]
fn linked_into_a_static_program() {
    check("gcc", &["-static"]);
    check("clang-22", &["-fuse-ld=lld", "-static-pie"]);
}

#[test]
fn linked_beside_another_rust_library() {
    let other = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libother.a");
    let mut rustc = Command::new("rustc");
    rustc
        .args(["--crate-type", "staticlib", "--edition", "2024"])
        .args(["-O", "-C", "panic=unwind", "-o"])
        .arg(&other)
        .arg(source("tests/programs/staticlib.rs"));
    succeed(&mut rustc);
    // Debian's Rust has parts of libgcc in it that need the mathematical library.
    let other = format!(
        "-Wl,--whole-archive,{},--no-whole-archive,-lm",
        other.display()
    );
    check("gcc", &[&other, "-DWITH_RUST"]);
    check("gcc", &[&other, "-DWITH_RUST", "-static"]);
}
