//! The command-line tools of `examples-c`, built from their sources against the library of this test.

use super::{shared_library, source};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds tools in a folder of that name, for all tests of a crate.
pub fn build(folder: &str, tools: &[&str]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    let _ = std::fs::remove_dir_all(&folder);
    build_in(&folder, tools);
    folder
}

/// Builds tools in a folder, with the library beside them.
pub fn build_in(folder: &Path, tools: &[&str]) {
    std::fs::create_dir_all(folder).expect("a folder");
    let library = folder.join("libmgenjit.so.0");
    std::fs::copy(shared_library(), &library).expect("a copy of the library");
    for tool in tools {
        let mut sources = sources_in(&source("examples-c").join(tool));
        // The tool for caches shares nothing with those that compile.
        if *tool != "cache" {
            sources.extend(sources_in(&source("examples-c/common")));
        }
        let output = Command::new("cc")
            .args([
                "-std=c99",
                "-O1",
                "-g",
                "-Wall",
                "-Wextra",
                "-pedantic",
                "-Werror",
            ])
            .arg("-I")
            .arg(source("include"))
            .arg("-I")
            .arg(source("examples-c"))
            .arg("-o")
            .arg(folder.join(tool))
            .args(sources)
            .arg(&library)
            .arg("-Wl,-rpath,$ORIGIN")
            .output()
            .expect("cc");
        assert!(
            output.status.success(),
            "{tool}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

fn sources_in(folder: &Path) -> Vec<PathBuf> {
    let mut sources: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a program's sources")
        .map(|file| file.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .collect();
    sources.sort();
    sources
}
