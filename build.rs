//! What the library and the server must agree on: LLVM's version and a digest of what makes the code.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo:rustc-env=MGENJIT_LLVM_VERSION={}", llvm_version());
    println!(
        "cargo:rustc-env=MGENJIT_BUILD_ID={}",
        build_id(Path::new("."))
    );

    let soname = format!("libmgenjit.so.{}", env!("CARGO_PKG_VERSION_MAJOR"));
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,{soname}");
    // Debuggers find the symbols of what was stripped by its build id. Not every compiler asks the linker for one.
    println!("cargo:rustc-cdylib-link-arg=-Wl,--build-id");
    // Rust's thread-local destructors make unloading unsafe (rust-lang/rust#91979).
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    link_hot_functions();
    println!("cargo:rustc-link-arg-bin=mgenjit-helper=-Wl,--build-id");
    if std::env::var_os("CARGO_FEATURE_SERVER").is_some() {
        compile_archive("mgenjit_cutter", &CUTTER);
        compile_archive("mgenjit_profile", &PROFILE);
        compile_archive(
            "mgenjit_switchable",
            &["src/bin/mgenjit-server/llvm/switchable.cpp"],
        );
        link_server();
    }
}

/// Compiles what needs LLVM's C++ interface into an archive, which the server alone asks for (`#[link]`).
fn compile_archive(name: &str, files: &[&str]) {
    let flags = llvm_config(&["--cxxflags"]).unwrap_or_default();
    let mut build = cc::Build::new();
    build
        .cpp(true)
        .cargo_metadata(false)
        .opt_level(2)
        .define("NDEBUG", None)
        .warnings(false)
        .files(files);
    for flag in flags.split_ascii_whitespace() {
        // LLVM's headers are not for our warnings.
        match flag.strip_prefix("-I") {
            Some(folder) => build.flag("-isystem").flag(folder),
            None => build.flag(flag),
        };
    }
    build.flag("-Wall").flag("-Wextra");
    // What LLVM was built without, what is derived from its classes must be built without.
    if llvm_config(&["--has-rtti"]).as_deref() == Some("NO") {
        build.flag("-fno-rtti");
    }
    build.compile(name);
    let folder = std::env::var("OUT_DIR").unwrap_or_default();
    println!("cargo:rustc-link-search=native={folder}");
}

/// Beside them is `cutter.h`.
const CUTTER: [&str; 3] = [
    "src/bin/mgenjit-server/llvm/pieces/arrange.cpp",
    "src/bin/mgenjit-server/llvm/pieces/facts.cpp",
    "src/bin/mgenjit-server/llvm/pieces/metadata.cpp",
];

/// Beside them is `profile.h`.
const PROFILE: [&str; 5] = [
    "src/bin/mgenjit-server/llvm/profile/halves.cpp",
    "src/bin/mgenjit-server/llvm/profile/merge.cpp",
    "src/bin/mgenjit-server/llvm/profile/optimise.cpp",
    "src/bin/mgenjit-server/llvm/profile/table.cpp",
    "src/bin/mgenjit-server/llvm/profile/values.cpp",
];

/// Puts side by side what a hit runs, so that it touches few pages. GNU ld and lld know such scripts.
fn link_hot_functions() {
    let flags = std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    if !flags.contains("mold") {
        let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo:rerun-if-changed=hot.ld");
        println!("cargo:rustc-cdylib-link-arg=-Wl,-T,{folder}/hot.ld");
    }
}

/// Links the server so that it starts fast: a cold compile waits for that.
fn link_server() {
    let argument = |argument: &str| {
        println!("cargo:rustc-link-arg-bin=mgenjit-server={argument}");
    };
    // At a fixed address, LLVM's tables need no relocation, of which there were 60,000.
    argument("-no-pie");
    argument("-Wl,--build-id");
    // The library and LLVM both define what debuggers look for (`src/debug/jit.rs`). The server announces nothing.
    argument("-Wl,--allow-multiple-definition");
    // Side by side, LLVM's many constructors of globals take few pages. GNU ld does so by itself.
    argument("-Wl,-z,keep-text-section-prefix");
    // libstdc++ takes a millisecond to load and to bind, unless it is linked in. The linker prefers what it
    // finds in this folder. The unwinder goes with it: a process must not have two. The library keeps the
    // dynamic ones, which it shares with its host, and so does a server whose LLVM is dynamic.
    let is_static = std::env::var_os("CARGO_FEATURE_STATIC_LLVM").is_some();
    if !is_static || llvm_config(&["--link-static", "--libs", "core"]).is_none() {
        return;
    }
    let folder = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join("static");
    let _ = std::fs::create_dir_all(&folder);
    // libgcc_s.so has the helpers of libgcc.a as well, which not every build of Rust brings along.
    for (link, names) in [
        ("libstdc++.a", &["libstdc++.a"][..]),
        ("libgcc_s.a", &["libgcc_eh.a", "libgcc.a"]),
    ] {
        let found: Option<Vec<PathBuf>> = names.iter().map(|name| static_library(name)).collect();
        let Some(archives) = found else {
            return;
        };
        let archives: Vec<String> = archives
            .iter()
            .map(|archive| format!("\"{}\"", archive.display()))
            .collect();
        // A linker's script, as Debian's libm.a is one.
        let script = format!("GROUP({})\n", archives.join(" "));
        let link = folder.join(link);
        // What an earlier build left may be a link to an archive.
        let _ = std::fs::remove_file(&link);
        std::fs::write(&link, script).unwrap_or_else(|error| panic!("{}: {error}", link.display()));
    }
    argument(&format!("-L{}", folder.display()));
    // LLVM's interpreter, which nothing here runs, refers to libffi: a server that is installed alone must not need it.
    // Without the archive, it is linked as before.
    match static_library("libffi.a") {
        Some(archive) => argument(&archive.display().to_string()),
        None => argument("-lffi"),
    }
}

/// Where the C compiler, which links, has an archive, if it has it.
fn static_library(name: &str) -> Option<PathBuf> {
    let compiler = cc::Build::new().get_compiler();
    let path = output(
        compiler
            .to_command()
            .arg(format!("-print-file-name={name}")),
    )?;
    // A name that is not found comes back as it is.
    Some(PathBuf::from(path)).filter(|path| path.is_absolute())
}

/// Asks `llvm-config`, which the server's build needs anyway. A library that is built alone, on a machine
/// without LLVM, takes the version from the environment.
fn llvm_version() -> String {
    println!("cargo:rerun-if-env-changed=LLVM_SYS_221_PREFIX");
    println!("cargo:rerun-if-env-changed=MGENJIT_LLVM_VERSION");
    if let Ok(version) = std::env::var("MGENJIT_LLVM_VERSION") {
        return version;
    }
    llvm_config(&["--version"]).unwrap_or_else(|| {
        panic!(
            "no llvm-config of LLVM 22 was found: run `make setup`, set LLVM_SYS_221_PREFIX to where LLVM 22 \
             is installed, or, to build the library alone, set MGENJIT_LLVM_VERSION to the version of the \
             server's LLVM"
        )
    })
}

fn llvm_config(arguments: &[&str]) -> Option<String> {
    let prefix = std::env::var_os("LLVM_SYS_221_PREFIX").map(PathBuf::from);
    prefix
        .iter()
        .map(|prefix| prefix.join("bin/llvm-config"))
        .chain([PathBuf::from("llvm-config-22")])
        .find_map(|candidate| output(Command::new(candidate).args(arguments)))
}

/// What a command that succeeds prints.
fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    output.status.success().then(|| text.trim().to_owned())
}

/// What decides what code comes out: folders, of which every file counts, and files. Not all of `src/arch` does, but none of it
/// may be forgotten.
const DECIDING: [&str; 9] = [
    "src/bin/mgenjit-server",
    "src/arch",
    "src/archive.rs",
    "src/cpu",
    "src/protocol",
    "src/signature.rs",
    "src/types.rs",
    ".cargo/config.toml",
    "build.rs",
];

/// The crates that make code or read what code is made of. What they depend on counts as well.
const DECIDING_CRATES: [&str; 4] = ["ar_archive_writer", "inkwell", "libwild", "object"];

/// A digest (FNV-1a, 64 bits: it tells builds apart, it protects nothing) of what decides what code comes out, in
/// the package in `root`.
pub fn build_id(root: &Path) -> String {
    let mut files = Vec::new();
    for path in DECIDING {
        println!("cargo:rerun-if-changed={path}");
        list(&root.join(path), &mut files);
    }
    println!("cargo:rerun-if-changed=Cargo.lock");
    files.sort();
    let mut digest = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |bytes: &[u8]| {
        // A length before each part, so that nothing can move from one part to the next.
        for byte in (bytes.len() as u64).to_le_bytes().iter().chain(bytes) {
            digest = (digest ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    for file in files {
        add(&std::fs::read(&file).unwrap_or_default());
    }
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).unwrap_or_default();
    for package in deciding_packages(&lock) {
        add(package.as_bytes());
    }
    format!("{digest:016x}")
}

fn list(path: &Path, files: &mut Vec<PathBuf>) {
    match std::fs::read_dir(path) {
        Ok(entries) => entries
            .flatten()
            .for_each(|entry| list(&entry.path(), files)),
        Err(_) => files.push(path.to_owned()),
    }
}

/// What `Cargo.lock` says of the crates that count, sorted.
fn deciding_packages(lock: &str) -> BTreeSet<&str> {
    let packages: Vec<&str> = lock.split("[[package]]").skip(1).map(str::trim).collect();
    // A dependency is a name, with a version behind it where there are several.
    let named = |dependency: &str| {
        let (name, version) = dependency.split_once(' ').unwrap_or((dependency, ""));
        let (name, version) = (
            format!("name = \"{name}\"\n"),
            format!("version = \"{version}"),
        );
        packages
            .iter()
            .copied()
            .filter(move |package| package.starts_with(&name) && package.contains(&version))
            .collect::<Vec<&str>>()
    };
    let mut waiting: Vec<&str> = DECIDING_CRATES.iter().copied().flat_map(named).collect();
    let mut found = BTreeSet::new();
    while let Some(package) = waiting.pop() {
        if !found.insert(package) {
            continue;
        }
        let dependencies = package
            .split_once("dependencies = [")
            .map_or("", |(_, list)| list);
        for dependency in dependencies.split('"').skip(1).step_by(2) {
            waiting.extend(named(dependency));
        }
    }
    found
}
