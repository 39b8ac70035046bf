//! The cache under faults: programs that are killed at any system call, disks that are full, broken or read-only,
//! files as a power cut leaves them. `support::faults` says how, and what a scenario is.

#![cfg(target_arch = "x86_64")]

mod support;

use support::faults;

/// Each name is a program in `tests/faults`.
macro_rules! scenarios {
    ($($name:ident)*) => {
        $(
            mod $name {
                use super::faults;

                #[test]
                fn survives_faults() {
                    if super::may_trace(stringify!($name)) {
                        faults::sweep(stringify!($name));
                    }
                }

                #[test]
                fn survives_damage() {
                    if super::may_trace(stringify!($name)) {
                        faults::damage::sweep(stringify!($name));
                    }
                }
            }
        )*
    };
}

scenarios! {
    clear
    hit
    import
    rebuild
    store
    trim
}

/// What the other tests rely on: that a fault happens, at its call, and nothing else does.
#[test]
fn the_tracer_does_what_it_says() {
    if may_trace("the tracer") {
        faults::self_test::check_tracer();
    }
}

fn may_trace(name: &str) -> bool {
    let may = support::skips::can_trace();
    if !may {
        support::skips::skip(
            &format!("faults: {name}"),
            "processes cannot be traced here",
        );
    }
    may
}
