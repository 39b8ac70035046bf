//! What the server is given.

use std::env::consts::ARCH;
use std::io::Write;
use std::process::{Command, Stdio};

pub const GOOD: &str = "define i32 @good() {\n  ret i32 42\n}\n";

/// IR for x86-64, as IR for this machine.
pub fn here(ir: &str) -> String {
    let is_for_another = |line: &str| ARCH != "x86_64" && line.starts_with("target ");
    ir.lines()
        .filter(|line| !is_for_another(line))
        .flat_map(|line| [line, "\n"])
        .collect()
}

/// IR that takes LLVM many seconds.
pub fn slow_module() -> String {
    crate::slow::slow(20_000)
}

/// The same module, assembled by the LLVM that the server is built with.
pub fn bitcode(ir: &str) -> Vec<u8> {
    let assembler = std::env::var_os("LLVM_SYS_221_PREFIX")
        .map(|prefix| std::path::PathBuf::from(prefix).join("bin/llvm-as"))
        .filter(|path| path.exists())
        .unwrap_or_else(|| "llvm-as-22".into());
    let mut child = Command::new(assembler)
        .args(["-o", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let ir = ir.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(ir.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    output.stdout
}

/// `bitcode` with another start of its producer, `LLVM22`. The name is an array of six-bit characters.
pub fn with_producer(bitcode: &[u8], producer: &str) -> Vec<u8> {
    fn bits(text: &str) -> Vec<bool> {
        text.bytes()
            .flat_map(|byte| {
                let number = match byte {
                    b'a'..=b'z' => byte - b'a',
                    b'A'..=b'Z' => byte - b'A' + 26,
                    _ => byte - b'0' + 52,
                };
                (0..6).map(move |bit| number >> bit & 1 == 1)
            })
            .collect()
    }
    let mut all: Vec<bool> = bitcode
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1))
        .collect();
    let old = bits("LLVM22");
    let place = all.windows(old.len()).position(|window| window == old);
    let place = place.expect("bitcode names its producer");
    all[place..place + old.len()].copy_from_slice(&bits(producer));
    all.chunks(8)
        .map(|byte| {
            byte.iter()
                .rev()
                .fold(0, |number, bit| number << 1 | u8::from(*bit))
        })
        .collect()
}
