//! Code for a level of the architecture instead of this machine.

#[cfg(target_arch = "x86_64")]
mod x86_64;

use crate::client::Server;
use mgenjit::cpu::Model;
use mgenjit::cpu::{Cpu, Level};
use mgenjit::types::{OptLevel, Target, TargetSpec};
use std::env::consts::ARCH;

const FMA: &str = "declare double @llvm.fma.f64(double, double, double)
define double @f(double %a, double %b, double %c) {
  %r = call double @llvm.fma.f64(double %a, double %b, double %c)
  ret double %r
}
";

#[cfg(not(target_arch = "x86_64"))]
#[test]
fn a_level_decides_which_instructions_there_are() {
    crate::skips::skip(
        "server: cpu::x86_64",
        "the instructions that are looked for are those of x86-64",
    );
}

/// LLVM prints the names that it does not know, and goes on without.
#[test]
fn llvm_knows_all_names() {
    let target = |cpu: &str, features: &str| {
        Target::Other(TargetSpec {
            triple: format!("{ARCH}-linux-gnu"),
            cpu: cpu.to_owned(),
            features: features.to_owned(),
        })
    };
    let mut server = Server::start();
    for tuning in 0..128 {
        let model: Model = postcard::from_bytes(&[0, tuning]).unwrap();
        let features = if tuning == 0 {
            model.llvm_features()
        } else {
            String::new()
        };
        if tuning > 0 && model.tuning() == "generic" {
            break;
        }
        server
            .compile_to(
                target(model.tuning(), &features),
                "test",
                FMA.as_bytes(),
                OptLevel::O0,
            )
            .unwrap_compiled();
    }
}

#[test]
fn what_the_server_adds_is_for_the_same_level() {
    // Equal requests get equal bytes, whatever the server did before.
    let ir = "declare i32 @atexit(ptr)
              define i32 @f(ptr %p) {\n  %r = call i32 @atexit(ptr %p)\n  ret i32 %r\n}";
    let compile = |server: &mut Server, cpu| {
        server
            .compile_for("test", ir.as_bytes(), OptLevel::O2, cpu)
            .unwrap_compiled()
            .image
    };
    let mut fresh = Server::start();
    let expect = compile(&mut fresh, Cpu::Level(Level::ALL[0]));
    let mut used = Server::start();
    compile(&mut used, Cpu::native());
    assert!(compile(&mut used, Cpu::Level(Level::ALL[0])) == expect);
}
