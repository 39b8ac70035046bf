//! What was built for AArch64, and how it is run.

use crate::support::machine::IS_AARCH64;
use crate::support::{skips, source, tools};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `make test-aarch64` built.
pub struct Emulated {
    folder: PathBuf,
}

impl Emulated {
    /// `None`: there is none, which is noted as the reason to skip the test.
    pub fn find(test: &str) -> Option<Emulated> {
        let emulated = Emulated {
            folder: source("target/aarch64"),
        };
        let why = if IS_AARCH64 {
            "this is an AArch64 machine"
        } else if !emulated.server().is_file() {
            "run make test-aarch64 first"
        } else if emulated.version() != version(Command::new(env!("CARGO_BIN_EXE_mgenjit-server")))
        {
            "target/aarch64 is not of these sources: run make test-aarch64"
        } else {
            return Some(emulated);
        };
        skips::skip(test, why);
        None
    }

    pub fn library(&self) -> PathBuf {
        self.built("deps/libmgenjit.so")
    }

    pub fn server(&self) -> PathBuf {
        self.built("mgenjit-server")
    }

    fn built(&self, name: &str) -> PathBuf {
        let folder = self.folder.join("build/aarch64-unknown-linux-gnu/release");
        folder.join(name)
    }

    /// The newest of the programs that cargo made of `tests/c_programs.rs`.
    pub fn c_programs(&self) -> PathBuf {
        let all = std::fs::read_dir(self.built("deps")).expect("what cargo built");
        let all = all.map(|file| file.expect("a file").path());
        let programs = all.filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("c_programs-") && !name.contains('.')
        });
        let age = |path: &PathBuf| path.metadata().and_then(|file| file.modified()).ok();
        programs.max_by_key(age).expect("the C programs")
    }

    /// A compiler, or another tool that makes what runs on AArch64.
    pub fn tool(&self, name: &str) -> PathBuf {
        self.folder.join("tools").join(name)
    }

    /// Builds the tools of `examples-c`, as the program that a path names.
    pub fn build_tool(&self, program: &Path) -> PathBuf {
        let library = program.with_file_name("libmgenjit.so.0");
        std::fs::copy(self.library(), library).expect("a copy of the library");
        tools::build_by(self.tool("cc").as_os_str(), program);
        program.to_owned()
    }

    /// A program for AArch64, which finds what it starts.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(source("tests/aarch64/within.sh"));
        let path = std::env::var("PATH").unwrap_or_default();
        let tools = self.folder.join("tools");
        command
            .arg(program)
            .env("PATH", format!("{}:{path}", tools.display()));
        command
    }

    fn version(&self) -> String {
        version(self.command(&self.server()))
    }
}

/// What a server says of itself: its build is a digest of the sources.
fn version(mut server: Command) -> String {
    let output = server.arg("--version").output().expect("a server");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
