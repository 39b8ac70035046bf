//! A compile, a call, an error with its line, a callback, and a hook for events: cargo run --example example

use mgenjit::{Config, Event, Executor, OptLevel};

extern "C" fn twice(x: i64) -> i64 {
    2 * x
}

fn main() -> mgenjit::Result<()> {
    let mut config = Config::new()?;
    config
        .opt_level(OptLevel::O2)?
        .on_event(|event| match event.kind {
            Event::COMPILED => println!("{}: compiled", event.name),
            Event::HIT => println!("{}: hit", event.name),
            _ => {}
        })?;
    let executor = Executor::with(&config)?;

    let module = executor.compile(
        "define i64 @add(i64 %a, i64 %b) {
           %sum = add i64 %a, %b
           ret i64 %sum
         }",
        "add.ll",
    )?;
    // SAFETY: the IR does what it says.
    let add = unsafe { module.function::<extern "C" fn(i64, i64) -> i64>("add")? };
    println!("add(10, 20) = {}", add(10, 20));

    let bad = executor.compile("define i64 @f() {\n  ret i64 %x\n}\n", "bad.ll");
    if let Err(error) = bad {
        let line = error.line().unwrap_or(0);
        let source = error.source_line().unwrap_or_default();
        println!("{} in line {line}: {source}", error.status_name());
    }

    executor.define("twice", twice as extern "C" fn(i64) -> i64)?;
    let caller = executor.compile(
        "declare i64 @twice(i64)
         define i64 @call_twice(i64 %x) {
           %y = call i64 @twice(i64 %x)
           %z = add i64 %y, 1
           ret i64 %z
         }",
        "caller.ll",
    )?;
    // SAFETY: the IR declares `twice` as it is.
    let call_twice = unsafe { caller.function::<extern "C" fn(i64) -> i64>("call_twice")? };
    println!("call_twice(20) = {}", call_twice(20));
    Ok(())
}
