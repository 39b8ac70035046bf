//! Finds the executables of the compile server and of the helper.

use crate::environment;
use crate::error::{Error, Status, reason};
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const SERVER: &str = "mgenjit-server";
const HELPER: &str = "mgenjit-helper";

/// The path in the configuration, `$MGENJIT_SERVER`, beside the library, in a folder `mgenjit` there, in the installed
/// libexec folder, or on `$PATH`. If a path is set, no other is tried.
pub fn locate(configured: Option<&Path>) -> Result<PathBuf, Error> {
    if let Some(path) = configured {
        return check(path)
            .map_err(|why| not_found(&[format!("{} (configured): {why}", path.display())]));
    }
    if let Some(path) = environment::variable(c"MGENJIT_SERVER") {
        let path = PathBuf::from(path);
        return check(&path)
            .map_err(|why| not_found(&[format!("{} ($MGENJIT_SERVER): {why}", path.display())]));
    }
    first_of(candidates(SERVER)).map_err(|tried| not_found(&tried))
}

/// Beside the configured server, or the one of `$MGENJIT_SERVER`, even if there is no server; else in the places where a
/// server is looked for. A configured server may be a link to the real one, or a script that runs it.
/// `to`: what for.
pub fn helper(configured: Option<&Path>, to: &str) -> Result<PathBuf, Error> {
    let set = configured
        .map(Path::to_owned)
        .or_else(|| environment::variable(c"MGENJIT_SERVER").map(PathBuf::from));
    let real = set.as_ref().and_then(|path| path.canonicalize().ok());
    let beside = [set, real]
        .into_iter()
        .flatten()
        .map(|path| path.with_file_name(HELPER));
    first_of(beside.chain(candidates(HELPER))).map_err(|tried| {
        Error::new(
            Status::ServerUnavailable,
            format!(
                "no {HELPER} was found to {to}; tried:\n  {}\n\
                 install it beside {SERVER}, of which it is a part, or in one of these places",
                tried.join("\n  ")
            ),
        )
    })
}

/// Where ccache's own storage helpers are installed.
const CCACHE: [&str; 2] = ["/usr/local/libexec/ccache", "/usr/libexec/ccache"];

/// A program that talks to remote stores: beside the helper, where a server is looked for, or among ccache's. `None`:
/// there is none.
pub fn storage_helper(configured: Option<&Path>, name: &str) -> Option<PathBuf> {
    let beside = helper(configured, "")
        .ok()
        .map(|path| path.with_file_name(name));
    let ccache = CCACHE.map(|folder| Path::new(folder).join(name));
    first_of(beside.into_iter().chain(candidates(name)).chain(ccache)).ok()
}

/// The first candidate that is a program, or what is wrong with each.
fn first_of(candidates: impl IntoIterator<Item = PathBuf>) -> Result<PathBuf, Vec<String>> {
    let mut tried = Vec::new();
    for candidate in candidates {
        match check(&candidate).and_then(check_owner) {
            Ok(path) => return Ok(path),
            Err(why) => {
                let line = format!("{}: {why}", candidate.display());
                // $PATH often names a folder twice.
                if !tried.contains(&line) {
                    tried.push(line);
                }
            }
        }
    }
    Err(tried)
}

fn candidates(name: &str) -> Vec<PathBuf> {
    let mut candidates = Vec::new();
    if let Some(folder) = library_folder() {
        candidates.push(folder.join(name));
        // `make install` puts a link here where the libexec folder is elsewhere.
        candidates.push(folder.join("mgenjit").join(name));
        candidates.push(folder.join("../libexec/mgenjit").join(name));
        // Debian's multiarch layout: lib/x86_64-linux-gnu.
        candidates.push(folder.join("../../libexec/mgenjit").join(name));
    }
    if let Some(path) = environment::variable(c"PATH") {
        // An empty component means the current folder, in which anybody may have put a file.
        candidates.extend(
            std::env::split_paths(&path)
                .filter(|folder| folder.is_absolute())
                .map(|folder| folder.join(name)),
        );
    }
    candidates
}

/// The folder of the file that this code was loaded from: the shared library, or the program that it is linked
/// into.
fn library_folder() -> Option<PathBuf> {
    // SAFETY: all-zero is a valid `Dl_info`.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: the address is that of a function, and `info` may be written.
    let found = unsafe { libc::dladdr(library_folder as *const libc::c_void, &raw mut info) };
    if found == 0 || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: the dynamic linker's name of a loaded object is a string that lives as long as the object.
    let path = unsafe { CStr::from_ptr(info.dli_fname) };
    let path = Path::new(OsStr::from_bytes(path.to_bytes()));
    // The caller chooses the program's name. It may be wrong, or relative to a folder that the program has left.
    let path = if is_the_program(info.dli_fbase) {
        std::fs::read_link("/proc/self/exe").or_else(|error| match environment::is_trusted() {
            true => std::fs::canonicalize(path),
            false => Err(error),
        })
    } else {
        std::fs::canonicalize(path)
    };
    Some(path.ok()?.parent()?.to_owned())
}

/// Whether the program itself, and not a shared library, is loaded at `base`.
fn is_the_program(base: *mut libc::c_void) -> bool {
    // SAFETY: all-zero is a valid `Dl_info`.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel told where the program's headers are, and `info` may be written.
    let found = unsafe {
        let headers = libc::getauxval(libc::AT_PHDR) as *const libc::c_void;
        libc::dladdr(headers, &raw mut info)
    };
    found != 0 && info.dli_fbase == base
}

/// Refuses a program that the caller of a set-user-ID program may have put there.
fn check_owner(path: PathBuf) -> Result<PathBuf, String> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    for place in [folder, &path] {
        let metadata = std::fs::metadata(place).map_err(|error| reason(&error))?;
        if environment::may_be_the_callers(&metadata) {
            return Err(format!(
                "this is a set-user-ID program, and somebody other than its owner and root can change {}",
                place.display()
            ));
        }
    }
    Ok(path)
}

/// Checks that `path` is a file that may be executed, and makes it absolute.
fn check(path: &Path) -> Result<PathBuf, String> {
    let metadata = std::fs::metadata(path).map_err(|error| reason(&error))?;
    if !metadata.is_file() {
        return Err("it is not a file".to_owned());
    }
    if metadata.permissions().mode() & 0o111 == 0 {
        return Err("it is not executable".to_owned());
    }
    std::path::absolute(path).map_err(|error| reason(&error))
}

fn not_found(tried: &[String]) -> Error {
    Error::new(
        Status::ServerUnavailable,
        format!(
            "no compile server was found to compile and link; tried:\n  {}\n\
             install {SERVER} in one of these places, or name it with $MGENJIT_SERVER or in the configuration",
            tried.join("\n  ")
        ),
    )
}
