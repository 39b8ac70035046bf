//! Measures the cutter: `MEASURE=FILE cargo test --release --bin mgenjit-server measure -- --ignored --nocapture`. With
//! `COMPILE=FOLDER`, the pieces are also compiled, and so is the whole, to objects in that folder.

use super::*;
use crate::llvm::canonical;
use crate::llvm::pieces::facts::{Cutter, Role};
use crate::llvm::pieces::plan::{Sizes, plan};
use crate::llvm::{codegen, prepare};
use mgenjit::types::Emit;
use rustix::time::{ClockId, clock_gettime};

const IMAGE: prepare::Purpose = prepare::Purpose {
    image: true,
    replaceable: false,
};

/// Milliseconds of processor time since the last time.
struct Clock(f64);

impl Clock {
    fn now() -> f64 {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
    }

    fn lap(&mut self) -> f64 {
        let now = Clock::now();
        now - std::mem::replace(&mut self.0, now)
    }
}

#[test]
#[ignore = "it measures"]
fn measure() {
    let file = std::env::var("MEASURE").expect("MEASURE names IR");
    let compile = std::env::var_os("COMPILE").map(std::path::PathBuf::from);
    let keep = |name: &str, object: &[u8]| {
        let folder = compile.as_deref().expect("a folder");
        std::fs::write(folder.join(name), object).expect("written");
        object.len()
    };
    let ir = std::fs::read(file).expect("IR");
    let machine = machine(OptLevel::O2);
    let mut clock = Clock(Clock::now());
    if compile.is_some() {
        let context = Context::create();
        let diagnostics = Diagnostics::collect(&context);
        let module = read(&context, &ir, &machine);
        clock.lap();
        prepare::prepare(&module, OptLevel::O2, &machine, IMAGE);
        codegen::optimise(&module, &machine.llvm, OptLevel::O2, None, &diagnostics)
            .expect("optimised");
        let optimise = clock.lap();
        let object = codegen::emit(&module, &machine.llvm, Emit::Code, &diagnostics);
        let bytes = keep("whole.o", &object.expect("an object"));
        println!(
            "whole: optimise {optimise:.0}, code {:.0}, {bytes} bytes",
            clock.lap()
        );
    }
    let sizes = std::env::var("SIZES").unwrap_or_else(|_| "2000/30 4000/50 6000/100".to_owned());
    for pair in sizes.split_ascii_whitespace() {
        let (piece, import) = pair.split_once('/').expect("SIZE/IMPORT");
        let sizes = Sizes {
            piece: piece.parse().expect("a size"),
            import: import.parse().expect("a limit"),
        };
        let context = Context::create();
        let _diagnostics = Diagnostics::collect(&context);
        clock.lap();
        let module = read(&context, &ir, &machine);
        let read = clock.lap();
        canonical::strip(&module);
        let strip = clock.lap();
        let mut cutter = Cutter::new(&module);
        let facts = cutter.facts();
        let look = clock.lap();
        let parts = plan(&facts, sizes);
        let decide = clock.lap();
        let mut bitcode = vec![cutter.write(&parts[0].items, true, false)];
        let first = clock.lap();
        let last = parts.len() - 1;
        for part in &parts[1..] {
            bitcode.push(cutter.write(&part.items, false, bitcode.len() == last));
        }
        let write = clock.lap();
        let mut digest = blake3::Hasher::new();
        for one in &bitcode {
            digest.update(blake3::hash(one).as_bytes());
        }
        let hash = clock.lap();
        let bytes: usize = bitcode.iter().map(Vec::len).sum();
        println!(
            "{pair}: {} pieces, {bytes} bytes; read {read:.0}, strip {strip:.0}, look {look:.0}, decide {decide:.0}, \
             first {first:.0}, others {write:.0}, hash {hash:.0} ms; {}",
            parts.len(),
            digest.finalize().to_hex()
        );
        let mut own: Vec<u32> = parts.iter().map(|part| part.instructions).collect();
        own.sort_unstable();
        let instructions = |global: u32| u64::from(facts.globals[global as usize].instructions);
        let with_imports: Vec<u64> = parts
            .iter()
            .map(|part| {
                let bodies = part.items.iter().filter(|item| item.role != Role::Declare);
                bodies.map(|item| instructions(item.global)).sum()
            })
            .collect();
        let all: u64 = with_imports.iter().sum();
        let mut costs = vec![0; facts.globals.len()];
        for (part, size) in parts.iter().zip(&with_imports) {
            for item in part.items.iter().filter(|item| item.role != Role::Declare) {
                costs[item.global as usize] += size;
            }
        }
        let functions = facts.globals.iter().zip(costs);
        let functions = functions.filter(|(global, _)| global.instructions > 0);
        let mut costs: Vec<f64> = functions
            .map(|(_, cost)| cost as f64 / all as f64)
            .collect();
        costs.sort_by(f64::total_cmp);
        let place = |share: f64| costs[((costs.len() - 1) as f64 * share) as usize] * 100.0;
        println!(
            "    instructions {} ({} in all with imports {all}), median {}, largest {}; an edit: mean {:.2} %, median \
             {:.2}, 90 % {:.2}, worst {:.2}",
            own[0],
            own.iter().sum::<u32>(),
            own[own.len() / 2],
            own[last],
            costs.iter().sum::<f64>() / costs.len() as f64 * 100.0,
            place(0.5),
            place(0.9),
            place(1.0),
        );
        if compile.is_some() {
            let (mut optimise, mut code, mut reading, mut longest, mut bytes) =
                (0.0, 0.0, 0.0, 0.0_f64, 0);
            for (number, piece) in bitcode.iter().enumerate() {
                let context = Context::create();
                let diagnostics = Diagnostics::collect(&context);
                clock.lap();
                let module = super::read(&context, piece, &machine);
                let mut times = [clock.lap(), 0.0, 0.0];
                prepare::prepare(&module, OptLevel::O2, &machine, IMAGE);
                codegen::optimise(&module, &machine.llvm, OptLevel::O2, None, &diagnostics)
                    .expect("optimised");
                times[1] = clock.lap();
                let object = codegen::emit(&module, &machine.llvm, Emit::Code, &diagnostics);
                let name = format!("{}-{number:03}.o", pair.replace('/', "-"));
                bytes += keep(&name, &object.expect("an object"));
                times[2] = clock.lap();
                reading += times[0];
                optimise += times[1];
                code += times[2];
                longest = longest.max(times.iter().sum());
            }
            println!(
                "    read {reading:.0}, optimise {optimise:.0}, code {code:.0}, longest {longest:.0} ms, {bytes} bytes"
            );
        }
    }
}
