//! The build id changes with whatever can change the code, and with nothing else.

#[allow(dead_code)]
#[path = "../build.rs"]
mod build;

use std::path::Path;
use std::process::Command;

/// A copy of what the id is made of.
fn package() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["src", ".cargo", "build.rs", "Cargo.lock", "README.md"] {
        let status = Command::new("cp")
            .arg("-r")
            .args([source.join(name), folder.path().join(name)])
            .status();
        assert!(status.expect("cp").success(), "{name}");
    }
    folder
}

#[test]
fn it_covers_what_can_change_the_code() {
    let folder = package();
    let root = folder.path();
    assert_eq!(
        build::build_id(root),
        build::build_id(root),
        "it is the same each time"
    );

    let write = |path: &Path, text: String, changes: bool| {
        let before = build::build_id(root);
        std::fs::write(path, text).expect("written");
        let after = build::build_id(root);
        assert_eq!(after != before, changes, "{}", path.display());
    };
    let add = |path: &str| {
        let path = root.join(path);
        assert!(!path.exists(), "{}", path.display());
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        write(&path, "more".to_owned(), true);
    };
    let edit = |path: &str, changes: bool| {
        let path = root.join(path);
        let old = std::fs::read_to_string(&path);
        let old = old.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        write(&path, old + "more", changes);
    };
    // A file of each kind, in each place.
    edit("src/bin/mgenjit-server/main.rs", true);
    edit("src/bin/mgenjit-server/llvm/canonical.rs", true);
    edit("src/bin/mgenjit-server/supervisor/warm_up.ll", true);
    edit("src/bin/mgenjit-server/llvm/switchable.cpp", true);
    add("src/bin/mgenjit-server/llvm/new/shim.cpp");
    add("src/bin/mgenjit-server/llvm/new/shim.h");
    add("src/bin/mgenjit-server/without_extension");
    edit("src/protocol/messages.rs", true);
    edit("src/cpu/mod.rs", true);
    edit("src/arch/features.rs", true);
    edit("src/arch/aarch64/cpu/features.rs", true);
    edit("src/arch/x86_64/cpu/tuning.rs", true);
    edit("src/types.rs", true);
    edit("src/archive.rs", true);
    edit("src/signature.rs", true);
    edit("build.rs", true);
    edit(".cargo/config.toml", true);
    edit("src/cache/key.rs", false);
    edit("src/capi/mod.rs", false);
    edit("README.md", false);
}

#[test]
fn it_covers_the_crates_that_can_change_the_code() {
    let folder = package();
    let lock = folder.path().join("Cargo.lock");
    let text = std::fs::read_to_string(&lock).expect("Cargo.lock");
    let before = build::build_id(folder.path());
    let check = |name: &str, changes: bool| {
        let package = format!("[[package]]\nname = \"{name}\"\nversion = \"");
        assert!(text.contains(&package), "Cargo.lock has no {name}");
        let other = text.replace(&package, &format!("{package}1"));
        std::fs::write(&lock, other).expect("written");
        assert_eq!(build::build_id(folder.path()) != before, changes, "{name}");
    };
    for name in ["inkwell", "llvm-sys", "libwild", "linker-utils", "object"] {
        check(name, true);
    }
    for name in ["rusqlite", "ed25519-dalek", "cbindgen", "tempfile"] {
        check(name, false);
    }
}
