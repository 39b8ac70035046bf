//! Whichever machine compiles for a target, the bytes are the same.

use crate::emulated::Emulated;
use crate::support::{source, tools};
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGETS: [&str; 3] = ["x86_64-linux-gnu", "aarch64-linux-gnu", "riscv64-linux-gnu"];

/// Of `examples-c/programs`.
const PROGRAMS: [&str; 3] = ["fibonacci", "quicksort", "matrix"];

/// What the linker of objects for export makes, and what LLVM makes alone.
const OUTPUTS: [(&str, &str); 2] = [("-O0", "so"), ("-O2", "o")];

#[test]
fn both_machines_export_the_same() {
    let Some(emulated) = Emulated::find("aarch64: both_machines_export_the_same") else {
        return;
    };
    let folder = tempfile::Builder::new()
        .prefix("bytes-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("a folder");
    let folder = folder.path();
    let native = tools::build("bytes-native", &["build"]).join("build");
    let foreign = emulated.build_tool(&folder.join("build"));
    let server = PathBuf::from(env!("CARGO_BIN_EXE_mgenjit-server"));
    for program in PROGRAMS {
        let ir = source("examples-c/programs").join(format!("{program}.ll"));
        for target in TARGETS {
            {
                for (level, kind) in OUTPUTS {
                    let export = |mut command: Command, server: &Path, name: &str| -> Vec<u8> {
                        let path = folder.join(name).with_extension(kind);
                        command
                            .args(["--no-cache", "--target", target, level, "-o"])
                            .arg(&path)
                            .arg(&ir)
                            .env("MGENJIT_SERVER", server);
                        let output = command.output().expect("the tool");
                        let said = String::from_utf8_lossy(&output.stderr);
                        assert!(output.status.success(), "{command:?}: {said}");
                        std::fs::read(path).expect("what was exported")
                    };
                    let here = export(Command::new(&native), &server, "here");
                    let there = export(emulated.command(&foreign), &emulated.server(), "there");
                    assert!(here == there, "{program} for {target}, {level}, as .{kind}");
                }
            }
        }
    }
}
