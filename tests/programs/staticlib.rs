//! A Rust library for C, with what the standard library brings along.

use std::cell::Cell;
use std::collections::HashMap;

thread_local! {
    static CALLS: Cell<i32> = const { Cell::new(0) };
    static NAMES: std::cell::RefCell<Vec<String>> = std::cell::RefCell::new(vec!["first".to_owned()]);
}

/// 0 if all is as it should be.
#[unsafe(no_mangle)]
pub extern "C" fn rust_works() -> i32 {
    let mut map = HashMap::new();
    for (index, word) in "a b a c a".split(' ').enumerate() {
        map.entry(word.to_owned()).or_insert_with(Vec::new).push(index);
    }
    if map["a"] != [0, 2, 4] {
        return 1;
    }
    CALLS.set(CALLS.get() + 1);
    NAMES.with_borrow_mut(|names| names.push("second".to_owned()));
    let elsewhere = std::thread::spawn(|| {
        CALLS.set(CALLS.get() + 10);
        (CALLS.get(), NAMES.with_borrow(Vec::len))
    });
    if elsewhere.join().ok() != Some((10, 1)) || CALLS.get() != 1 {
        return 2;
    }
    std::panic::set_hook(Box::new(|_| ()));
    let caught = std::panic::catch_unwind(|| {
        let empty: Vec<i32> = Vec::new();
        empty[std::hint::black_box(3)]
    });
    if caught.is_ok() {
        return 3;
    }
    println!("printed by Rust, {:.2}", 1.5_f64.powi(3));
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn rust_add(a: i32, b: i32) -> i32 {
    a.wrapping_add(b)
}
