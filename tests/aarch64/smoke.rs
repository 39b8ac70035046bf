//! Some of the C programs, so that nobody has to wait for all of them to know that AArch64 works.

use crate::emulated::Emulated;
use crate::support::source;

const PROGRAMS: [&str; 10] = [
    "arguments",
    "bad_files",
    "bitcode",
    "cache_canonical",
    "removal",
    "exceptions",
    "hit",
    "lifecycle_replaceable",
    "server_status",
    "symbols",
];

#[test]
fn c_programs_run() {
    let Some(emulated) = Emulated::find("aarch64: c_programs_run") else {
        return;
    };
    let tests = emulated.c_programs();
    let mut command = emulated.command(&tests);
    command
        .args(PROGRAMS)
        .arg("--exact")
        .current_dir(source("."));
    let output = command.output().expect("the C programs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains(&format!("{} passed", PROGRAMS.len())),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
