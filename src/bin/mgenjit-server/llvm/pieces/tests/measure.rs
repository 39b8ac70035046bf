//! Measures the cutter: `MEASURE=FILE cargo test --release --bin mgenjit-server measure -- --ignored --nocapture`.

use super::*;
use std::time::Instant;

#[test]
#[ignore = "it measures"]
fn measure() {
    let file = std::env::var("MEASURE").expect("MEASURE names IR");
    let ir = std::fs::read(file).expect("IR");
    for size in [2000, 4000, 6000, 12000] {
        let machine = machine(OptLevel::O2);
        let context = Context::create();
        let _diagnostics = Diagnostics::collect(&context);
        let started = Instant::now();
        let module = read(&context, &ir, &machine);
        let read = started.elapsed();
        let started = Instant::now();
        let partition = Partition::Size(NonZeroU32::new(size).expect("a size"));
        let pieces = cut(&module, OptLevel::O2, &machine, partition).expect("pieces");
        let time = started.elapsed();
        let sizes: Vec<u32> = pieces.iter().map(|piece| piece.instructions).collect();
        let bytes: usize = pieces.iter().map(|piece| piece.bitcode.len()).sum();
        println!(
            "{size}: read {read:?}, cut {time:?}, {} pieces, {bytes} bytes, instructions {} to {}, {} in all",
            pieces.len(),
            sizes.iter().min().expect("one"),
            sizes.iter().max().expect("one"),
            sizes.iter().sum::<u32>(),
        );
    }
}
