//! The cache under faults: programs that are killed at any system call, disks that are full, broken or read-only,
//! files as a power cut leaves them. `support::faults` says how, and what a scenario is.

mod support;

#[cfg(target_arch = "x86_64")]
use support::faults;

#[cfg(not(target_arch = "x86_64"))]
#[test]
fn of_system_calls() {
    support::skips::skip("faults", "calls are changed in the registers of x86-64");
}

/// Each name is a program in `tests/faults`.
#[cfg(target_arch = "x86_64")]
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

#[cfg(target_arch = "x86_64")]
scenarios! {
    clear
    hit
    import
    rebuild
    store
    trim
}

/// What the other tests rely on: that a fault happens, at its call, and nothing else does.
#[cfg(target_arch = "x86_64")]
#[test]
fn the_tracer_does_what_it_says() {
    if may_trace("the tracer") {
        faults::self_test::check_tracer();
    }
}

#[cfg(target_arch = "x86_64")]
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
