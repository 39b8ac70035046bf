//! Compilers, linkers and emulators that the tests run.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A program that a test needs, and the Debian package that has it.
#[derive(Clone, Copy, Debug)]
pub struct Tool(pub &'static str, pub &'static str);

pub const CC: Tool = Tool("gcc", "gcc");
pub const CXX: Tool = Tool("g++", "g++");
pub const CLANG: Tool = Tool("clang++-22", "clang-22");
pub const READELF: Tool = Tool("readelf", "binutils");
/// Of any machine, as GNU's are not.
pub const LLVM_OBJDUMP: Tool = Tool("llvm-objdump", "llvm-22");
pub const OPT: Tool = Tool("opt", "llvm-22");
pub const LLVM_AS: Tool = Tool("llvm-as", "llvm-22");
pub const WASM_LD: Tool = Tool("wasm-ld", "lld-22");
pub const NODE: Tool = Tool("node", "nodejs");

/// A machine: what links for it, and, if it is not this one, what runs it and the folder of its libraries.
#[derive(Clone, Copy)]
pub struct Machine {
    /// Empty for this machine.
    pub triple: &'static str,
    pub cc: Tool,
    qemu: Option<(Tool, &'static str)>,
}

pub const HOST: Machine = Machine {
    triple: "",
    cc: CC,
    qemu: None,
};

pub const AARCH64: Machine = Machine {
    triple: "aarch64-linux-gnu",
    cc: Tool("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
    qemu: Some((Tool("qemu-aarch64", "qemu-user"), "/usr/aarch64-linux-gnu")),
};

pub const RISCV64: Machine = Machine {
    triple: "riscv64-linux-gnu",
    cc: Tool("riscv64-linux-gnu-gcc", "gcc-riscv64-linux-gnu"),
    qemu: Some((Tool("qemu-riscv64", "qemu-user"), "/usr/riscv64-linux-gnu")),
};

impl Machine {
    /// Runs a program of `folder` with the machine's libraries and those of the folder.
    pub fn run(&self, program: &str, folder: &Path) -> String {
        let program = folder.join(program);
        let Some((qemu, sysroot)) = self.qemu else {
            let path = format!("LD_LIBRARY_PATH={}", folder.display());
            return run(
                Tool("env", "coreutils"),
                folder,
                [path.as_ref(), program.as_os_str()],
            );
        };
        let (flag, path) = ("-E", "LD_LIBRARY_PATH=.");
        let arguments = ["-L", sysroot, flag, path].map(OsStr::new);
        run(
            qemu,
            folder,
            arguments.into_iter().chain([program.as_os_str()]),
        )
    }
}

/// Runs a tool in `folder`. It must succeed; its standard output is returned.
pub fn run<S: AsRef<OsStr>>(
    tool: Tool,
    folder: &Path,
    arguments: impl IntoIterator<Item = S>,
) -> String {
    run_program(&find(tool), folder, arguments)
}

pub fn run_program<S: AsRef<OsStr>>(
    program: &Path,
    folder: &Path,
    arguments: impl IntoIterator<Item = S>,
) -> String {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// An LLVM tool is one of this LLVM's if that is installed, because others may not read what it writes.
fn find(Tool(name, package): Tool) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::iter::once(PathBuf::from("/usr/lib/llvm-22/bin"))
        .chain(std::env::split_paths(&path))
        .flat_map(|folder| [folder.join(format!("{name}-22")), folder.join(name)])
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| {
            panic!("{name} is not installed: install Debian's {package}, or run `make setup`")
        })
}

/// A folder with these files.
pub fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}
