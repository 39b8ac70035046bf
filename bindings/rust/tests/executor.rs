//! What programs do with the crate.

use mgenjit::{Allow, CacheMode, Config, Event, Executor, OptLevel};
use std::sync::{Arc, Mutex};

const ADD: &str = "define i64 @add(i64 %a, i64 %b) {\n  %sum = add i64 %a, %b\n  ret i64 %sum\n}\n";

type Add = extern "C" fn(i64, i64) -> i64;

#[test]
fn a_function_is_called_and_outlives_its_executor() {
    let executor = Executor::new().unwrap();
    let module = executor.compile(ADD, "add.ll").unwrap();
    assert_eq!(module.signatures().unwrap(), ["i64 @add(i64, i64)"]);
    assert_eq!((module.name().as_str(), module.key().len()), ("add.ll", 64));
    assert!(module.times().unwrap().total_us > 0);
    // SAFETY: it adds.
    let add = unsafe { module.function::<Add>("add") }.unwrap();
    drop((executor, module));
    assert_eq!(
        std::thread::spawn(move || add(i64::MAX, 1)).join().unwrap(),
        i64::MIN
    );
}

#[test]
fn every_type_is_passed() {
    extern "C" fn narrow(a: i8, b: u16, c: i32, d: f32) -> f64 {
        f64::from(a) + f64::from(b) + f64::from(c) + f64::from(d)
    }
    let executor = Executor::new().unwrap();
    executor
        .define("narrow", narrow as extern "C" fn(i8, u16, i32, f32) -> f64)
        .unwrap();
    let ir = "declare double @narrow(i8 signext, i16 zeroext, i32, float)\n\
        define double @f(i8 signext %a, i16 zeroext %b, i32 %c, float %d, ptr %out) {\n  \
        %r = call double @narrow(i8 signext %a, i16 zeroext %b, i32 %c, float %d)\n  \
        store double %r, ptr %out\n  ret double %r\n}\n\
        define void @nothing() {\n  ret void\n}\n";
    let module = executor.compile(ir, "types.ll").unwrap();
    type F = unsafe extern "C" fn(i8, u16, i32, f32, *mut f64) -> f64;
    // SAFETY: the IR declares `narrow` as it is, and the pointer is to a double.
    unsafe {
        let f = module.function::<F>("f").unwrap();
        let mut out = 0.0;
        assert_eq!(f(-1, 65535, -2, 0.5, &mut out), 65532.5);
        assert_eq!(out, 65532.5);
        module.function::<extern "C" fn()>("nothing").unwrap()();
    }
}

#[test]
fn errors_tell_where_and_what() {
    fn check(ir: &str, status: &str, line: Option<u32>, part: &str) {
        let error = Executor::new().unwrap().compile(ir, "bad.ll").unwrap_err();
        let error: Box<dyn std::error::Error> = Box::new(error);
        let error = error.downcast::<mgenjit::Error>().unwrap();
        assert_eq!((error.status_name().as_str(), error.line()), (status, line));
        assert!(error.to_string().contains(part), "{error}");
    }
    let parse = "MGENJIT_STATUS_PARSE";
    check(
        "define i64 @f() {\n  ret i64 %x\n}",
        parse,
        Some(2),
        "bad.ll:2:11: ",
    );
    check("\n\n  what", parse, Some(3), "bad.ll:3:3: ");

    let executor = Executor::new().unwrap();
    let ir = "declare i64 @nowhere_a()\ndefine i64 @f() {\n  %x = call i64 @nowhere_a()\n  ret i64 %x\n}";
    let module = executor.compile(ir, "missing.ll").unwrap();
    // SAFETY: it is not called.
    let error = unsafe { module.function::<extern "C" fn() -> i64>("f") }.unwrap_err();
    assert_eq!(error.missing(), ["nowhere_a"]);
    assert_eq!(executor.compile(ADD, "a\0b").unwrap_err().status(), 1);
}

#[test]
fn a_type_must_be_that_of_the_ir() {
    let executor = Executor::new().unwrap();
    let ir = "define i64 @f(i64 %a, double %b) {\n  ret i64 %a\n}\n\
        define fastcc i64 @fast(i64 %a) {\n  ret i64 %a\n}\n\
        define i64 @many(i64 %a, ...) {\n  ret i64 %a\n}\n\
        define i1 @truth() {\n  ret i1 1\n}\n";
    let module = executor.compile(ir, "f.ll").unwrap();
    let check = |result: mgenjit::Result<()>, part: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    // SAFETY: none is called.
    unsafe {
        assert!(module
            .function::<extern "C" fn(i64, f64) -> i64>("f")
            .is_ok());
        assert!(module
            .function::<extern "C" fn(u64, f64) -> usize>("f")
            .is_ok());
        let f = module.function::<extern "C" fn(i64) -> i64>("f").map(drop);
        check(
            f,
            "the IR has i64 @f(i64, double), the program asks for i64 @f(i64)",
        );
        let f = module
            .function::<extern "C" fn(i64, f32) -> i64>("f")
            .map(drop);
        check(f, "asks for i64 @f(i64, float)");
        let f = module
            .function::<extern "C" fn(i64) -> i64>("fast")
            .map(drop);
        check(f, "the IR has fastcc i64 @fast(i64)");
        let f = module
            .function::<extern "C" fn(i64) -> i64>("many")
            .map(drop);
        check(f, "the IR has i64 @many(i64, ...)");
        check(
            module.function::<extern "C" fn() -> u8>("truth").map(drop),
            "i1 @truth()",
        );
        check(
            module.function::<extern "C" fn()>("none").map(drop),
            "f.ll: it defines no function none",
        );
    }
}

#[test]
fn a_configuration_and_its_hook() {
    let kinds = Arc::new(Mutex::new(Vec::new()));
    let folder = std::env::temp_dir().join(format!("mgenjit-rust-{}", std::process::id()));
    let mut config = Config::new().unwrap();
    let seen = kinds.clone();
    config
        .opt_level(OptLevel::O1)
        .and_then(|config| config.cache_dir(&folder))
        .and_then(|config| {
            config.on_event(move |event: &Event| seen.lock().unwrap().push(event.kind))
        })
        .unwrap();
    for hit in [false, true] {
        let executor = Executor::with(&config).unwrap();
        assert_eq!(executor.compile(ADD, "add.ll").unwrap().is_hit(), hit);
    }
    for kind in [Event::MISS, Event::COMPILED, Event::HIT] {
        assert!(kinds.lock().unwrap().contains(&kind), "{kinds:?}");
    }
    config.cache_mode(CacheMode::Off).unwrap();
    assert!(!Executor::with(&config)
        .unwrap()
        .compile(ADD, "add.ll")
        .unwrap()
        .is_hit());
    assert!(config.cpu("z80").is_err());
    drop(config);
    assert_eq!(Arc::strong_count(&kinds), 1);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn main_gets_its_arguments() {
    let executor = Executor::new().unwrap();
    executor
        .compile(
            "define i32 @main(i32 %argc, ptr %argv) {\n  ret i32 %argc\n}",
            "main.ll",
        )
        .unwrap();
    // SAFETY: it returns argc.
    assert_eq!(unsafe { executor.run_main(&["prog", "5"]) }.unwrap(), 2);
}

#[test]
fn a_removed_module_is_gone() {
    let executor = Executor::new().unwrap();
    let module = executor.compile(ADD, "add.ll").unwrap();
    // SAFETY: nothing runs its code.
    unsafe {
        assert!(executor.lookup("add").is_ok());
        module.remove().unwrap();
        assert!(executor.lookup("add").is_err());
    }
}

#[test]
fn a_module_that_is_replaced() {
    let version = |number| format!("define i32 @version() {{\n  ret i32 {number}\n}}\n");
    let mut config = Config::new().unwrap();
    config.replaceable(true).unwrap();
    let executor = Executor::with(&config).unwrap();
    let first = executor.compile(version(1), "one.ll").unwrap();
    // SAFETY: the IR has the types, and no thread runs what is retired.
    unsafe {
        let address = executor.lookup("version").unwrap();
        let current: extern "C" fn() -> i32 = std::mem::transmute(address);
        assert_eq!(current(), 1);
        let second = first.replace(version(2), "two.ll", Allow::Nothing).unwrap();
        assert_eq!(current(), 2);
        assert!(first.retire().unwrap());
        let error = second.replace(ADD, "add.ll", Allow::Nothing).unwrap_err();
        assert_eq!(error.missing(), ["version"]);
        let other = "define i64 @version(i64 %x) {\n  ret i64 %x\n}\n";
        second.replace(other, "three.ll", Allow::Changed).unwrap();
        executor.compile(version(4), "four.ll").unwrap();
        executor.lookup("version").unwrap();
        assert_eq!(current(), 4);
    }
}
