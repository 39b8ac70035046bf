//! Which instructions there are, on x86-64.

use super::FMA;
use crate::client::Server;
use mgenjit::cpu::Model;
use mgenjit::cpu::{Cpu, Level};
use mgenjit::types::OptLevel;
use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSymbol};

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
        (Level::ALL[0], "x86-64", false),
        (Level::ALL[1], "x86-64-v2", false),
        (Level::ALL[2], "x86-64-v3", true),
        (Level::ALL[3], "x86-64-v4", true),
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
    let native = compile(FMA, Cpu::native());
    assert!(!native.reply.features.is_empty());
    let has_fma = std::arch::is_x86_feature_detected!("fma");
    assert_eq!(calls_fma(&native.object), !has_fma);
}

#[test]
fn native_is_what_the_client_can_do() {
    // A client that can do nothing that not every x86-64 can, on whatever machine the server is.
    let oldest: Model = postcard::from_bytes(&[0, 0]).unwrap();
    let mut server = Server::start();
    let mut compile = |ir: &str, model| {
        server
            .compile_for("test", ir.as_bytes(), OptLevel::O2, Cpu::Native(model))
            .unwrap_compiled()
    };
    let compiled = compile(FMA, oldest);
    assert!(calls_fma(&compiled.object));
    assert_eq!(compiled.reply.cpu, "generic");
    assert!(
        !compiled.reply.features.contains('+'),
        "{}",
        compiled.reply.features
    );
    // What it can do and no more: the bit of `fma`, which is nothing without AVX, and both.
    let with = |names: &[&str]| {
        let bits = (0..127_u32).map(|bit| 1_u128 << bit);
        let model = |bits: u128| -> Model {
            postcard::from_bytes(&postcard::to_stdvec(&(bits, 0_u8)).unwrap()).unwrap()
        };
        let wanted = bits.filter(|bit| {
            let features = model(*bit).features;
            names.iter().any(|name| features.has(name))
        });
        model(wanted.sum())
    };
    assert!(calls_fma(&compile(FMA, with(&["fma"])).object));
    let mut avx: Vec<&str> = "sse3 ssse3 sse4.1 sse4.2 crc32 avx".split(' ').collect();
    assert!(calls_fma(&compile(FMA, with(&avx)).object));
    avx.push("fma");
    assert!(!calls_fma(&compile(FMA, with(&avx)).object));
    // A function that names its own CPU and features keeps them.
    let own = FMA.replace(
        ") {",
        ") \"target-cpu\"=\"haswell\" \"target-features\"=\"+avx2,+fma\" {",
    );
    assert!(!calls_fma(&compile(&own, oldest).object));
    // Tuning changes the code, and adds no instructions. One that is not known is none.
    let tuned: Model = postcard::from_bytes(&[0, 9]).unwrap();
    let unknown: Model = postcard::from_bytes(&[0, 250]).unwrap();
    assert!(calls_fma(&compile(FMA, tuned).object));
    assert_eq!(compile(FMA, unknown).reply.cpu, "generic");
}
