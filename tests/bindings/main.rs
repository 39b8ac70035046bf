//! The bindings of other languages, each used as an installed library is used.

mod declarations;
#[path = "../support/mod.rs"]
mod support;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use support::skips::skip;
use support::{is_made, source};

const EXAMPLE: &str = "\
add.ll: compiled
add(10, 20) = 30
MGENJIT_STATUS_PARSE in line 2:   ret i64 %x
caller.ll: compiled
call_twice(20) = 41
";

/// What is installed for all tests here.
fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let prefix = source("target/bindings/prefix");
        let _ = std::fs::remove_dir_all(&prefix);
        let output = Command::new(source("install/install.sh"))
            .arg("install")
            .env("PREFIX", &prefix)
            .output()
            .expect("install.sh");
        assert!(output.status.success(), "{output:?}");
        prefix
    })
}

/// Whether a language can be tested: it is there, and so is something to install.
fn has(language: &str, programs: &[&str]) -> bool {
    let test = format!("the bindings for {language}");
    if !is_made(&test) {
        return false;
    }
    for program in programs {
        let found = Command::new("sh")
            .args(["-c", "command -v \"$0\" >/dev/null", program])
            .status();
        if !found.expect("sh runs").success() {
            skip(&test, &format!("there is no {program}"));
            return false;
        }
    }
    true
}

/// Runs a program for a language, and returns what it prints.
#[track_caller]
fn run(program: &str, arguments: &[&str], folder: &Path, variables: &[(&str, &Path)]) -> String {
    let output = output(program, arguments, folder, variables);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let printed = text(&output.stdout);
    // Not as lines of their own: what cargo prints there is no result of the tests here.
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}\n| {}",
        output.status,
        format!("{printed}{}", text(&output.stderr)).replace('\n', "\n| ")
    );
    printed
}

fn output(program: &str, arguments: &[&str], folder: &Path, variables: &[(&str, &Path)]) -> Output {
    let cache = tempfile::Builder::new()
        .prefix("bindings-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("a folder");
    Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("PKG_CONFIG_PATH", prefix().join("lib/pkgconfig"))
        .env("LD_LIBRARY_PATH", prefix().join("lib"))
        .env("MGENJIT_CACHE_DIR", cache.path())
        .env_remove("MGENJIT_SERVER")
        .env_remove("MGENJIT_LIBRARY")
        .env_remove("MGENJIT_HEADER")
        .envs(variables.iter().copied())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"))
}

#[test]
fn luajit() {
    if !has("LuaJIT", &["luajit", "cc", "pkg-config"]) {
        return;
    }
    let folder = source("bindings/luajit");
    assert_eq!(run("luajit", &["./example.lua"], &folder, &[]), EXAMPLE);
    assert_eq!(run("luajit", &["./test.lua"], &folder, &[]), "ok\n");
}

/// Whether npm says that it found no registry.
fn cannot_be_reached(said: &str) -> bool {
    let codes =
        "ECONNREFUSED ECONNRESET EHOSTUNREACH ENETUNREACH ENOTFOUND EAI_AGAIN ETIMEDOUT ENOTCACHED";
    said.lines()
        .filter_map(|line| line.strip_prefix("npm ")?.split_once(" code "))
        .any(|(_, code)| codes.split(' ').any(|known| known == code.trim()))
}

#[test]
fn node() {
    if !has("Node.js", &["node", "npm"]) {
        return;
    }
    let from = source("bindings/node");
    let folder = source("target/bindings/node");
    std::fs::create_dir_all(&folder).expect("a folder");
    let lock = |folder: &Path| std::fs::read(folder.join("package-lock.json")).ok();
    let is_new = lock(&from) != lock(&folder) || !folder.join("node_modules/koffi").exists();
    for file in std::fs::read_dir(&from).expect("a folder").flatten() {
        if file.path().is_file() {
            std::fs::copy(file.path(), folder.join(file.file_name())).expect("a copy");
        }
    }
    if is_new {
        // The file that tells that all is there comes last.
        std::fs::remove_file(folder.join("package-lock.json")).expect("a file");
        std::fs::copy(
            from.join("package-lock.json"),
            folder.join("npm-shrinkwrap.json"),
        )
        .expect("a copy");
        let npm = "ci --no-audit --no-fund --ignore-scripts --fetch-retries=1 --fetch-retry-mintimeout=1000";
        let installed = output("npm", &npm.split(' ').collect::<Vec<_>>(), &folder, &[]);
        let said = String::from_utf8_lossy(&installed.stderr).into_owned();
        if cannot_be_reached(&said) {
            skip("the bindings for Node.js", "npm cannot reach its registry");
            return;
        }
        assert!(installed.status.success(), "npm {npm}: {said}");
        std::fs::rename(
            folder.join("npm-shrinkwrap.json"),
            folder.join("package-lock.json"),
        )
        .expect("a name");
    }
    assert_eq!(run("node", &["example.js"], &folder, &[]), EXAMPLE);
    assert_eq!(run("node", &["test.js"], &folder, &[]), "ok\n");
}

#[test]
fn go() {
    if !has("Go", &["go", "gofmt", "cc", "pkg-config"]) {
        return;
    }
    // Go does not see by itself that a header of another folder has changed.
    let mut hasher = DefaultHasher::new();
    let header = std::fs::read(prefix().join("include/mgenjit.h")).expect("the header");
    header.hash(&mut hasher);
    let flags = PathBuf::from(format!("-O2 -DMGENJIT_HEADER_DIGEST={}", hasher.finish()));
    let variables: &[(&str, &Path)] = &[
        ("GOCACHE", &source("target/bindings/go")),
        ("GOFLAGS", Path::new("")),
        ("GOTOOLCHAIN", Path::new("local")),
        ("CGO_ENABLED", Path::new("1")),
        ("CGO_CFLAGS", &flags),
    ];
    let folder = source("bindings/go");
    assert_eq!(run("gofmt", &["-l", "."], &folder, &[]), "", "run gofmt -w");
    // It vets, too.
    run("go", &["test", "-count=1", "./..."], &folder, variables);
}

#[test]
fn rust() {
    if !has("Rust", &["pkg-config"]) {
        return;
    }
    let folder = source("bindings/rust");
    let variables: &[(&str, &Path)] = &[("CARGO_TARGET_DIR", &source("target/bindings/rust"))];
    let cargo = std::env::var("CARGO").expect("cargo runs the tests");
    let cargo = |arguments: &str| {
        let arguments: Vec<_> = arguments.split(' ').collect();
        run(&cargo, &arguments, &folder, variables)
    };
    cargo("test --offline --locked");
    let printed = cargo("run --quiet --offline --locked --example example");
    assert_eq!(printed, EXAMPLE);
}
