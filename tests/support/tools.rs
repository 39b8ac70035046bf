//! The programs of `examples-c`, built from their sources against the library of this test.

use super::{shared_library, source};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

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
    let common = sources_in(&source("examples-c/common"));
    for tool in tools {
        // These are commands of one program, and that program under their names.
        let program = match *tool {
            "run" | "build" | "repl" | "cache" | "server" => "mgenjit",
            _ => tool,
        };
        if folder.join(program).exists() {
            std::fs::hard_link(folder.join(program), folder.join(tool)).expect("a link");
            continue;
        }
        let file = source("examples-c").join(program).with_extension("c");
        let folders: &[&str] = match program {
            "mgenjit" => &["mgenjit", "run", "build", "repl", "cache", "server"],
            _ => &[program],
        };
        let mut sources = common.clone();
        if file.exists() {
            sources = vec![file];
        } else {
            let folders = folders.iter().map(|name| source("examples-c").join(name));
            sources.extend(folders.flat_map(|folder| sources_in(&folder)));
        }
        link(OsStr::new("cc"), &folder.join(program), sources, &library);
        if program != *tool {
            std::fs::hard_link(folder.join(program), folder.join(tool)).expect("a link");
        }
    }
}

/// Builds what is `mgenjit` and each of its commands, by another compiler, beside the library. The file's name says which it is.
pub fn build_by(compiler: &OsStr, program: &Path) {
    let folders = [
        "common", "mgenjit", "run", "build", "repl", "cache", "server",
    ];
    let folders = folders.map(|name| source("examples-c").join(name));
    let sources = folders.iter().flat_map(|folder| sources_in(folder));
    let library = program.with_file_name("libmgenjit.so.0");
    link(compiler, program, sources.collect(), &library);
}

fn link(compiler: &OsStr, program: &Path, sources: Vec<PathBuf>, library: &Path) {
    let output = Command::new(compiler)
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
        .arg(program)
        .args(sources)
        .arg(library)
        .args(["-Wl,-z,now", "-Wl,-rpath,$ORIGIN"])
        .output()
        .expect("a compiler");
    assert!(
        output.status.success(),
        "{}: {}",
        program.display(),
        String::from_utf8_lossy(&output.stderr)
    );
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

/// Builds the runtime library of `examples-c/runtime` in a folder: as IR, as an archive, and as a shared library.
pub fn build_runtime(folder: &Path) {
    let do_run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        let status = command.args(arguments).current_dir(folder).status();
        assert!(status.expect(program).success(), "{program} {arguments:?}");
    };
    let flags = ["-std=c99", "-O2", "-fPIC", "-c"];
    let ir = ["-Xclang", "-disable-llvm-passes", "-emit-llvm"];
    for name in ["vector", "map", "fail"] {
        let file = source("examples-c/runtime/library").join(format!("{name}.c"));
        let file = file.to_str().expect("UTF-8");
        let bitcode = ["-o", &format!("{name}.bc"), file];
        do_run("clang-22", &[&flags[..], &ir, &bitcode].concat());
        let object = ["-o", &format!("{name}.o"), file];
        do_run("cc", &[&flags[..], &object].concat());
    }
    let objects = ["vector.o", "map.o", "fail.o"];
    do_run("ar", &[&["rcs", "libruntime.a"], &objects[..]].concat());
    do_run(
        "cc",
        &[&["-shared", "-o", "libruntime.so"], &objects[..]].concat(),
    );
}

/// What a run of a tool gave.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran {
            code: output.status.code().expect("an exit code"),
            out: String::from_utf8(output.stdout).expect("UTF-8 on stdout"),
            err: String::from_utf8(output.stderr).expect("UTF-8 on stderr"),
        }
    }
}

/// A folder of a test's own, with a cache, where a tool that compiles runs.
pub struct Place {
    folder: TempDir,
    tool: PathBuf,
}

impl Place {
    pub fn new(tool: PathBuf) -> Place {
        let folder = tempfile::Builder::new()
            .prefix("tool-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("a temporary folder");
        Place { folder, tool }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).expect("a file");
    }

    /// Writes a module whose compile takes long enough that there is progress to show: of so many functions, and what
    /// comes after them.
    pub fn write_large(&self, name: &str, functions: usize, after: &str) {
        let mut text = String::new();
        for number in 0..functions {
            let _ = writeln!(text, "define i64 @f{number}(i64 %x0, ptr %p) {{");
            for step in 0..10 {
                let (factor, shift, next) = (2 * step + 3, step + 1, step + 1);
                let _ = write!(
                    text,
                    "  %a{step} = mul i64 %x{step}, {factor}\n  %b{step} = lshr i64 %a{step}, {shift}\n  \
                     store volatile i64 %b{step}, ptr %p\n  %x{next} = xor i64 %a{step}, %b{step}\n"
                );
            }
            text.push_str("  ret i64 %x10\n}\n");
        }
        self.write(name, text + after);
    }

    /// Writes a script that can be run.
    pub fn write_program(&self, name: &str, content: &str) {
        self.write(name, content);
        let executable = Permissions::from_mode(0o755);
        std::fs::set_permissions(self.path(name), executable).expect("executable");
    }

    /// Compiles a C program to a file here.
    pub fn cc(&self, arguments: &[&str]) {
        let mut command = Command::new("cc");
        let output = command.args(arguments).current_dir(self.folder.path());
        let output = output.output().expect("cc");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }

    /// A program, run here.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.path())
            .env("MGENJIT_CACHE_DIR", self.path("cache"))
            .env("MGENJIT_SERVER", env!("CARGO_BIN_EXE_mgenjit-server"))
            .env("LC_ALL", "C")
            .env_remove("MGENJIT_CC")
            .env_remove("LD_LIBRARY_PATH")
            .stdin(Stdio::null());
        command
    }

    pub fn tool(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&self.tool);
        command.args(arguments);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.tool(arguments).output().expect("the tool").into()
    }

    /// Runs the tool and checks its exit code, and that it says each of these: on stdout if it is 0, else on stderr,
    /// and then nothing on stdout.
    #[track_caller]
    pub fn check(&self, arguments: &[&str], code: i32, parts: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
        let text = if code == 0 { &ran.out } else { &ran.err };
        for part in parts {
            assert!(text.contains(part), "{arguments:?}: no {part:?} in {ran:?}");
        }
        assert!(code == 0 || ran.out.is_empty(), "{arguments:?}: {ran:?}");
        ran
    }

    /// Runs the tool with a stdout that takes nothing.
    #[track_caller]
    pub fn check_full_stdout(&self, arguments: &[&str]) {
        let full = File::options()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full");
        let output = self
            .tool(arguments)
            .stdout(full)
            .output()
            .expect("the tool");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(74), "{arguments:?}: {said}");
        assert!(said.contains(": stdout: No space"), "{arguments:?}: {said}");
    }

    /// Checks that the tool's help tells of each option, in lines that a terminal has room for.
    #[track_caller]
    pub fn check_help(&self, options: &[&str]) {
        let help = self.check(&["--help"], 0, &["usage: ", "Exit status"]).out;
        for option in options {
            assert!(help.contains(option), "{option} in {help}");
        }
        assert!(
            help.lines().all(|line| line.chars().count() <= 120),
            "{help}"
        );
    }

    /// Writes a key that signs and is trusted, and that nobody else can read.
    pub fn write_key(&self, name: &str) {
        self.write(name, "0123456789abcdef".repeat(4));
        let private = Permissions::from_mode(0o600);
        std::fs::set_permissions(self.path(name), private).expect("private");
    }
}
