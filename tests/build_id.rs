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
    let mut before = build::build_id(root);
    assert_eq!(before, build::build_id(root), "it is the same each time");

    let mut check = |path: &str, text: &str, changes: bool| {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        let old = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::write(&path, old + text).expect("written");
        let after = build::build_id(root);
        assert_eq!(after != before, changes, "{}", path.display());
        before = after;
    };
    // A file of each kind, in each place.
    check("src/bin/mgenjit-server/main.rs", "// more", true);
    check("src/bin/mgenjit-server/llvm/canonical.rs", "// more", true);
    check(
        "src/bin/mgenjit-server/supervisor/warm_up.ll",
        "; more",
        true,
    );
    check(
        "src/bin/mgenjit-server/llvm/new/shim.cpp",
        "int more;",
        true,
    );
    check("src/bin/mgenjit-server/llvm/new/shim.h", "int more;", true);
    check("src/bin/mgenjit-server/without_extension", "more", true);
    check("src/protocol/messages.rs", "// more", true);
    check("src/cpu/features.rs", "// more", true);
    check("src/types.rs", "// more", true);
    check("src/archive.rs", "// more", true);
    check("src/signature.rs", "// more", true);
    check("build.rs", "// more", true);
    check(".cargo/config.toml", "# more", true);
    check("src/cache/key.rs", "// more", false);
    check("src/capi/mod.rs", "// more", false);
    check("README.md", "More.", false);
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
