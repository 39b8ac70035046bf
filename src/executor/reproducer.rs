//! Reproducers: a folder that shows with LLVM's own tools what crashed a compile server.

use crate::arch::system::TRIPLE;
use crate::cache::key::Key;
use crate::error::Error;
use crate::protocol::messages::CompileRequest;
use crate::protocol::source_paths::SourcePaths;
use crate::types::{OptLevel, Target};
use crate::version::{BUILD_ID, LLVM_VERSION, PACKAGE_VERSION};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// How many of the key's digits name the folder.
const DIGITS: usize = 16;

/// How many folders are tried before there is none to write to.
const MOST_FOLDERS: usize = 100;

const FILE: Mode = Mode::from_raw_mode(0o600);
const SCRIPT: Mode = Mode::from_raw_mode(0o700);

/// Writes the inputs, what was asked for and what happened into a folder below `parent`, and a script that does it
/// again. One that is there already is written anew.
pub fn write(
    parent: &Path,
    key: &Key,
    request: &CompileRequest,
    inputs: &[&[u8]],
    error: &Error,
) -> io::Result<PathBuf> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(parent)?;
    let (folder, name) = own_folder(parent, &key.to_string()[..DIGITS])?;
    let names: Vec<String> = inputs
        .iter()
        .enumerate()
        .map(|(index, bytes)| format!("input-{index}.{}", suffix(bytes)))
        .collect();
    for (name, bytes) in names.iter().zip(inputs) {
        put(&folder, name, bytes, FILE)?;
    }
    let about = describe(key, request, &names, error);
    put(&folder, "request.txt", about.as_bytes(), FILE)?;
    let script = commands(request, &names);
    put(&folder, "reproduce.sh", script.as_bytes(), SCRIPT)?;
    Ok(parent.join(name))
}

/// Opens the folder of this name, or of the first like it that is this user's or can be made. `parent` may be a folder in
/// which others can make links and folders, and the name can be predicted.
fn own_folder(parent: &Path, name: &str) -> io::Result<(OwnedFd, String)> {
    let parent = rustix::fs::open(
        parent,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let numbered = (1..MOST_FOLDERS).map(|number| format!("{name}-{number}"));
    for name in [name.to_owned()].into_iter().chain(numbered) {
        match rustix::fs::mkdirat(&parent, &name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // What another user put there is a link, a file, or a folder of his.
        if let Ok(folder) = rustix::fs::openat(&parent, &name, flags, Mode::empty()) {
            let stat = rustix::fs::fstat(&folder)?;
            if stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_mode & 0o022 == 0 {
                return Ok((folder, name));
            }
        }
    }
    Err(io::Error::other(format!(
        "{name} and all names like it are links, or folders that others can write"
    )))
}

/// Makes a file anew, in the place of what had its name.
fn put(folder: &OwnedFd, name: &str, bytes: &[u8], mode: Mode) -> io::Result<()> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, name, flags, mode)?;
    File::from(file).write_all(bytes)
}

fn suffix(bytes: &[u8]) -> &'static str {
    match bytes {
        [b'B', b'C', 0xc0, 0xde, ..] | [0xde, 0xc0, 0x17, 0x0b, ..] => "bc",
        [0x7f, b'E', b'L', b'F', ..] => "o",
        [b'!', b'<', b'a', b'r', ..] => "a",
        // Where debuggers find the others.
        _ if SourcePaths::decode(bytes).is_some() => "paths",
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
    let is_ir = |name: &&String| {
        let extension = Path::new(name).extension().unwrap_or_default();
        extension == "ll" || extension == "bc"
    };
    let modules: Vec<&str> = names.iter().filter(is_ir).map(String::as_str).collect();
    let host_features;
    let (triple, cpu, features) = match &request.target {
        Target::Host(cpu) => {
            let (name, listed) = cpu.llvm_names();
            host_features = listed;
            (TRIPLE, name, host_features.as_str())
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
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

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
    fn what_others_put_in_the_way_is_left_alone() {
        let place = tempfile::tempdir().expect("a folder");
        let at = |name: &str| place.path().join(name);
        let write = |name: &str| {
            let (folder, name) = own_folder(place.path(), name).expect("a folder");
            put(&folder, "input", b"new", FILE).expect("a file");
            name
        };
        // A link to a folder, a link to nothing, a file, a folder that others can write.
        std::fs::create_dir(at("victim")).expect("a folder");
        std::fs::write(at("victim/input"), "old").expect("a file");
        std::os::unix::fs::symlink(at("victim"), at("a")).expect("a link");
        std::os::unix::fs::symlink(at("nothing"), at("a-1")).expect("a link");
        std::fs::write(at("a-2"), "old").expect("a file");
        std::fs::create_dir(at("a-3")).expect("a folder");
        std::fs::set_permissions(at("a-3"), Permissions::from_mode(0o777)).expect("permissions");
        assert_eq!(write("a"), "a-4");
        assert_eq!(std::fs::read(at("victim/input")).expect("a file"), b"old");
        assert_eq!(std::fs::read(at("a-2")).expect("a file"), b"old");
        assert_eq!(std::fs::read_dir(at("a-3")).expect("a folder").count(), 0);
        assert!(!at("nothing").exists());

        // A folder of one's own is used again, and a link in it is replaced.
        assert_eq!(write("b"), "b");
        std::fs::remove_file(at("b/input")).expect("removed");
        std::os::unix::fs::symlink(at("victim/input"), at("b/input")).expect("a link");
        assert_eq!(write("b"), "b");
        assert_eq!(std::fs::read(at("victim/input")).expect("a file"), b"old");
        assert_eq!(std::fs::read(at("b/input")).expect("a file"), b"new");
    }

    #[test]
    fn shells_read_back_what_is_quoted() {
        assert_eq!(quote("a b"), "'a b'");
        assert_eq!(quote("it's $x"), "'it'\\''s $x'");
    }
}
