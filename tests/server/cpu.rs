//! Code for a level of the architecture instead of this machine.

use crate::client::Server;
use mgenjit::compile::protocol::{Cpu, Level, OptLevel};
use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSymbol};

const FMA: &str = "declare double @llvm.fma.f64(double, double, double)
define double @f(double %a, double %b, double %c) {
  %r = call double @llvm.fma.f64(double %a, double %b, double %c)
  ret double %r
}
";

/// Whether the code calls the C library for what it has no instruction for.
fn calls_fma(object: &[u8]) -> bool {
    let file = ElfFile64::<LittleEndian>::parse(object).unwrap();
    file.symbols().any(|symbol| symbol.name() == Ok("fma"))
}

#[test]
fn a_level_decides_which_instructions_there_are() {
    let mut server = Server::start();
    let mut compile = |ir: &str, cpu| {
        server
            .compile_for("test", ir.as_bytes(), OptLevel::O2, cpu)
            .unwrap_compiled()
    };
    for (level, name, has_fma) in [
        (Level::V1, "x86-64", false),
        (Level::V2, "x86-64-v2", false),
        (Level::V3, "x86-64-v3", true),
        (Level::V4, "x86-64-v4", true),
    ] {
        let cpu = Cpu::Level(level);
        let compiled = compile(FMA, cpu);
        assert_eq!(compiled.reply.cpu, name);
        assert_eq!(compiled.reply.features, "");
        assert_eq!(calls_fma(&compiled.object), !has_fma, "{name}");
        // Again, and with a machine of another level and this one in between.
        let again = compile(FMA, cpu);
        assert!(again.image == compiled.image && again.object == compiled.object);
        // A function that names its own CPU keeps it.
        let own = FMA.replace(") {", ") \"target-cpu\"=\"haswell\" {");
        assert!(!calls_fma(&compile(&own, cpu).object), "{name}");
        let own = FMA.replace(") {", ") \"target-cpu\"=\"x86-64\" {");
        assert!(calls_fma(&compile(&own, cpu).object), "{name}");
    }
    let native = compile(FMA, Cpu::Native);
    assert!(!native.reply.features.is_empty());
    let has_fma = std::arch::is_x86_feature_detected!("fma");
    assert_eq!(calls_fma(&native.object), !has_fma);
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
    let expect = compile(&mut fresh, Cpu::Level(Level::V1));
    let mut used = Server::start();
    compile(&mut used, Cpu::Native);
    assert!(compile(&mut used, Cpu::Level(Level::V1)) == expect);
}
