//! A folder that shows with LLVM's own tools what a compile server did not survive.

use crate::cache::key::Key;
use crate::compile::protocol::{
    BUILD_ID, CompileRequest, LLVM_VERSION, OptLevel, PACKAGE_VERSION, Target,
};
use crate::error::Error;
use std::fmt::Write;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// How many of the key's digits name the folder.
const DIGITS: usize = 16;

/// Writes the inputs, what was asked for and what happened into a folder below `parent`, and a script that does it
/// again. One that is there already is written anew.
pub fn write(
    parent: &Path,
    key: &Key,
    request: &CompileRequest,
    inputs: &[&[u8]],
    error: &Error,
) -> io::Result<PathBuf> {
    let folder = parent.join(&key.to_string()[..DIGITS]);
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)?;
    let names: Vec<String> = inputs
        .iter()
        .enumerate()
        .map(|(index, bytes)| format!("input-{index}.{}", suffix(bytes)))
        .collect();
    for (name, bytes) in names.iter().zip(inputs) {
        std::fs::write(folder.join(name), bytes)?;
    }
    std::fs::write(
        folder.join("request.txt"),
        describe(key, request, &names, error),
    )?;
    let script = folder.join("reproduce.sh");
    std::fs::write(&script, commands(request, &names))?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}

fn suffix(bytes: &[u8]) -> &'static str {
    match bytes {
        [b'B', b'C', 0xc0, 0xde, ..] | [0xde, 0xc0, 0x17, 0x0b, ..] => "bc",
        [0x7f, b'E', b'L', b'F', ..] => "o",
        [b'!', b'<', b'a', b'r', ..] => "a",
        _ => "ll",
    }
}

fn describe(key: &Key, request: &CompileRequest, names: &[String], error: &Error) -> String {
    let mut text = format!(
        "libmgenjit {PACKAGE_VERSION}, build {BUILD_ID}, LLVM {LLVM_VERSION}\nmodule {}\nkey {key}\noptimised {}\n",
        request.name,
        request.opt_level.name()
    );
    // To a string, which cannot fail.
    let _ = match &request.target {
        Target::Host(cpu) => writeln!(text, "for this system, CPU {}", cpu.name()),
        Target::Other(target) => writeln!(text, "for {}", target.describe()),
    };
    for (name, input) in names.iter().zip(&request.inputs) {
        let _ = writeln!(text, "{name} was {}, {} bytes", input.name, input.len);
    }
    if let Some(keep) = &request.keep {
        let _ = writeln!(text, "kept symbols: {}", keep.join(" "));
    }
    let _ = writeln!(text, "\n{}", error.message);
    text
}

/// As LLVM's tools do it: link, optimise, generate.
fn commands(request: &CompileRequest, names: &[String]) -> String {
    let major = LLVM_VERSION.split('.').next().unwrap_or_default();
    let is_ir = |name: &&String| name.ends_with(".ll") || name.ends_with(".bc");
    let modules: Vec<&str> = names.iter().filter(is_ir).map(String::as_str).collect();
    let host_features;
    let (triple, cpu, features) = match &request.target {
        Target::Host(cpu) => {
            let (name, listed) = cpu.llvm_names();
            host_features = listed;
            ("x86_64-pc-linux-gnu", name, host_features.as_str())
        }
        Target::Other(target) => (
            target.triple.as_str(),
            target.cpu.as_str(),
            target.features.as_str(),
        ),
    };
    let mut machine = format!("-mtriple={}", quote(triple));
    for (option, value) in [("-mcpu", cpu), ("-mattr", features)] {
        if !value.is_empty() {
            let _ = write!(machine, " {option}={}", quote(value));
        }
    }
    let level = match request.opt_level {
        OptLevel::O0 => "-O0",
        OptLevel::O1 => "-O1",
        OptLevel::O2 | OptLevel::Os | OptLevel::Oz => "-O2",
        OptLevel::O3 => "-O3",
    };
    format!(
        "#!/bin/sh\n\
         # Compiles with LLVM's tools what a compile server did not survive: see request.txt.\n\
         set -ex\n\
         cd \"$(dirname \"$0\")\"\n\
         llvm-link-{major} -o linked.bc {modules}\n\
         opt-{major} -passes='default<{passes}>' {machine} -o optimised.bc linked.bc\n\
         llc-{major} {level} -relocation-model=pic -filetype=obj {machine} -o module.o optimised.bc\n",
        modules = modules.join(" "),
        passes = request.opt_level.name(),
    )
}

/// For the shell.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_called_as_what_they_are() {
        fn check(bytes: &[u8], expect: &str) {
            assert_eq!(suffix(bytes), expect, "{bytes:?}");
        }
        check(b"define void @f()", "ll");
        check(b"", "ll");
        check(b"BC\xc0\xde\x35", "bc");
        check(b"\xde\xc0\x17\x0b", "bc");
        check(b"\x7fELF\x02", "o");
        check(b"!<arch>\n", "a");
    }

    #[test]
    fn shells_read_back_what_is_quoted() {
        assert_eq!(quote("a b"), "'a b'");
        assert_eq!(quote("it's $x"), "'it'\\''s $x'");
    }
}
