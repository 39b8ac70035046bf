//! A temporary folder in which one C program is built and run.

use super::directives::{Built, Directives};
use super::processes;
use super::run::{Outcome, run};
use super::{shared_library, source};
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Whether the cache is empty or has what the first run left there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    Cold,
    Warm,
}

/// `lib/`, `bin/`, `fixtures/`, `cache/`, and the program itself.
///
/// The library and the server are copies of their own: a program knows its servers among those of other tests
/// by their path. What serves more than one process has a folder of its own to be found in.
pub struct Workspace {
    folder: TempDir,
    runtime: TempDir,
    /// The value of `$MGENJIT_SERVER_MODE`.
    servers: String,
    variables: Vec<(String, String)>,
    pub directives: Directives,
    source: PathBuf,
    program: PathBuf,
}

impl Workspace {
    /// Builds `tests/c/<file>` and what its directives ask for.
    pub fn new(file: &str) -> Workspace {
        Workspace::of(&source("tests/c").join(file))
    }

    /// Builds the program at `path` and what its directives ask for.
    pub fn of(path: &Path) -> Workspace {
        let text = std::fs::read_to_string(path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let folder = tempfile::Builder::new()
            .prefix("c-program-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("a temporary folder");
        // Below the folder above it could be too long for a socket's path.
        let runtime = tempfile::Builder::new()
            .prefix("mgenjit-")
            .tempdir()
            .expect("a runtime folder");
        let workspace = Workspace {
            program: folder.path().join("program"),
            directives: Directives::parse(&text),
            folder,
            runtime,
            servers: "private".to_owned(),
            variables: Vec::new(),
            source: path.to_owned(),
        };
        for name in ["lib", "bin", "fixtures", "cache"] {
            std::fs::create_dir(workspace.path(name)).expect("a folder");
        }
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(workspace.path("cache"), private).expect("a private cache");
        place(&shared_library(), &workspace.path("lib/libmgenjit.so.0"));
        place(
            Path::new(env!("CARGO_BIN_EXE_mgenjit-server")),
            &workspace.server(),
        );
        place(
            Path::new(env!("CARGO_BIN_EXE_mgenjit-helper")),
            &workspace.path("bin/mgenjit-helper"),
        );
        for built in &workspace.directives.ir {
            workspace.clang(built, &["-S", "-emit-llvm"]);
        }
        for built in &workspace.directives.bc {
            workspace.clang(built, &["-c", "-emit-llvm"]);
        }
        for built in &workspace.directives.so {
            workspace.clang(built, &["-shared", "-fPIC"]);
        }
        let cpp = path.extension() == Some(OsStr::new("cpp"));
        workspace.build_with(if cpp { "g++" } else { "cc" }, &[]);
        workspace
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn server(&self) -> PathBuf {
        self.path("bin/mgenjit-server")
    }

    /// What programs get as `$XDG_RUNTIME_DIR`.
    pub fn runtime(&self) -> &Path {
        self.runtime.path()
    }

    /// Sets whose servers the program uses: a value of `$MGENJIT_SERVER_MODE`.
    pub fn set_servers(&mut self, servers: &str) {
        servers.clone_into(&mut self.servers);
    }

    /// Sets a variable of the program's environment.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Runs the program once.
    pub fn run(&self, run_kind: Run) -> Outcome {
        let command = self.command(run_kind);
        run(command, self.folder.path(), self.directives.timeout)
    }

    /// The program with its environment.
    pub fn command(&self, run_kind: Run) -> Command {
        let mut command = Command::new(&self.program);
        self.set_environment(&mut command, run_kind);
        command
    }

    /// Runs the program once below another one, such as `strace -f`.
    pub fn run_under(&self, tool: &str, arguments: &[&str], run_kind: Run) -> Outcome {
        let mut command = Command::new(tool);
        command.args(arguments).arg(&self.program);
        self.set_environment(&mut command, run_kind);
        run(command, self.folder.path(), self.directives.timeout)
    }

    fn set_environment(&self, command: &mut Command, run_kind: Run) {
        let server = if run_kind == Run::Warm && self.directives.warm_without_server {
            self.path("bin/no-server")
        } else {
            self.server()
        };
        command
            .env("MGENJIT_SERVER", server)
            .env("MGENJIT_SERVER_MODE", &self.servers)
            .env("XDG_RUNTIME_DIR", self.runtime.path())
            .env("MGENJIT_CACHE_DIR", self.path("cache"))
            .env("XDG_CACHE_HOME", self.path("no-cache"))
            .env("HOME", self.folder.path())
            .env("LC_ALL", "C")
            .env("CHECK_FOLDER", self.folder.path())
            .env("CHECK_PROGRAMS", source("tests/programs"))
            .env(
                "CHECK_RUN",
                match run_kind {
                    Run::Cold => "cold",
                    Run::Warm => "warm",
                },
            )
            // Cargo's own, in which another build of the library may lie.
            .env_remove("LD_LIBRARY_PATH")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path());
    }

    /// Builds the program by that compiler, with these options as well.
    pub fn build_with(&self, compiler: &str, flags: &[&str]) {
        self.link(compiler, flags, &self.path("lib/libmgenjit.so.0"));
    }

    /// As `build_with`, with another library.
    pub fn link(&self, compiler: &str, flags: &[&str], library: &Path) {
        let cpp = self.source.extension() == Some(OsStr::new("cpp"));
        let standard = if cpp { "-std=c++17" } else { "-std=c99" };
        // A static program that is position-independent must not have one: glibc asserts it.
        let shared = library.extension() != Some(OsStr::new("a"));
        let rpath = shared.then(|| format!("-Wl,-rpath,{}", self.path("lib").display()));
        let mut command = Command::new(compiler);
        command
            .args([standard, "-g", "-Wall", "-Wextra", "-Werror"])
            .args(&self.directives.flags)
            .args(flags)
            .arg("-I")
            .arg(source("include"))
            .arg("-o")
            .arg(&self.program)
            .arg(&self.source)
            .arg(library)
            .args(&self.directives.libs)
            .args(rpath);
        succeed(command);
    }

    fn clang(&self, built: &Built, mode: &[&str]) {
        let input = match built.source.strip_prefix("{sqlite}/") {
            Some(rest) => sqlite_folder().join(rest),
            None => source("tests/programs").join(&built.source),
        };
        let compiler = if input.extension() == Some(OsStr::new("cpp")) {
            "clang++-22"
        } else {
            "clang-22"
        };
        let mut command = Command::new(compiler);
        command
            .args(mode)
            .args(&built.flags)
            .arg("-o")
            .arg(self.path("fixtures").join(&built.output))
            .arg(input);
        succeed(command);
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // A shared server would wait for others after a program that failed.
        processes::kill_all(&self.server());
    }
}

/// A hard link, or a copy where there can be none. (A symbolic link would not do: the library would be known by
/// the path it leads to.)
fn place(from: &Path, to: &Path) {
    if std::fs::hard_link(from, to).is_err() {
        std::fs::copy(from, to).unwrap_or_else(|error| panic!("copy {}: {error}", from.display()));
    }
}

/// Runs a compiler; its failure is the test's.
fn succeed(mut command: Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; `make setup` installs it"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Where the `libsqlite3-sys` crate has SQLite's amalgamation.
fn sqlite_folder() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline"])
        // What other platforms need was not downloaded.
        .arg("--filter-platform")
        .arg(format!("{}-unknown-linux-gnu", std::env::consts::ARCH))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo metadata");
    assert!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata = String::from_utf8(output.stdout).expect("UTF-8");
    let manifest = metadata
        .split("\"manifest_path\":\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .find(|path| path.contains("/libsqlite3-sys-"))
        .expect("libsqlite3-sys is among the dependencies");
    let folder = Path::new(manifest).with_file_name("sqlite3");
    assert!(folder.join("sqlite3.c").is_file(), "{}", folder.display());
    folder
}
