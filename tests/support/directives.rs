//! What a C program asks for, in comments at its head.
//!
//! ```c
//! // ir: exceptions.ll = exceptions.cpp -O2 -fPIC
//! // so: libanswer.so = answer.c
//! // libs: -lpthread
//! // warm: no server
//! ```
//!
//! - `ir:` compiles `tests/programs/<source>` with clang to IR of that name in the fixtures' folder. A source
//!   may start with `{sqlite}`, the folder of the SQLite amalgamation. A flag that starts with `x86-64:` or `aarch64:` is for
//!   that machine alone.
//! - `bc:` compiles it to bitcode there; `so:` to a shared library.
//! - `libs:` are options for linking the program, `flags:` for compiling it.
//! - `warm: no server` gives the second run a path where there is no server: every compile must be a hit.
//! - `runs: once` skips the second run.
//! - `servers: private shared` runs all of it with servers of its own, and then all of it again with a shared one;
//!   without it, servers are private.
//! - `timeout:` is in seconds, for each run on a fast machine; a slow one gets five times as long, and an emulator more.

use super::machine::{NAME, is_emulated};
use std::time::Duration;

/// As in `tests/c/check.h`: only a program that hangs takes as long.
fn slowest() -> u32 {
    if is_emulated() { 10 } else { 5 }
}

/// A file that clang makes from a source.
#[derive(Debug, PartialEq, Eq)]
pub struct Built {
    pub output: String,
    pub source: String,
    pub flags: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Directives {
    pub ir: Vec<Built>,
    pub bc: Vec<Built>,
    pub so: Vec<Built>,
    pub libs: Vec<String>,
    pub flags: Vec<String>,
    pub warm_without_server: bool,
    pub once: bool,
    /// Values of `$MGENJIT_SERVER_MODE`.
    pub servers: Vec<String>,
    pub timeout: Duration,
}

impl Directives {
    /// Reads the comments at the head of a program. Panics at one that it does not know: a directive with a
    /// typing error must not be a test that checks less.
    pub fn parse(text: &str) -> Directives {
        let mut directives = Directives {
            ir: Vec::new(),
            bc: Vec::new(),
            so: Vec::new(),
            libs: Vec::new(),
            flags: Vec::new(),
            warm_without_server: false,
            once: false,
            servers: Vec::new(),
            timeout: slowest() * Duration::from_mins(5),
        };
        for line in text.lines().map_while(|line| line.strip_prefix("//")) {
            let Some((name, value)) = line.split_once(": ") else {
                continue;
            };
            let value = value.trim();
            match name.trim() {
                "ir" => directives.ir.push(Built::parse(value)),
                "bc" => directives.bc.push(Built::parse(value)),
                "so" => directives.so.push(Built::parse(value)),
                "libs" => directives.libs.extend(words(value)),
                "flags" => directives.flags.extend(words(value)),
                "warm" if value == "no server" => directives.warm_without_server = true,
                "runs" if value == "once" => directives.once = true,
                "servers" => directives.servers.extend(words(value)),
                "timeout" => {
                    directives.timeout = slowest()
                        * Duration::from_secs(value.parse().expect("a timeout in seconds"));
                }
                _ => panic!("no such directive: {line}"),
            }
        }
        if directives.servers.is_empty() {
            directives.servers.push("private".to_owned());
        }
        directives
    }
}

impl Built {
    fn parse(value: &str) -> Built {
        let mut words = words(value);
        let mut next = || words.next().unwrap_or_else(|| panic!("cut short: {value}"));
        let (output, equals, source) = (next(), next(), next());
        assert_eq!(equals, "=", "an output, =, a source, flags: {value}");
        let flags = words.filter_map(|flag| match flag.split_once(':') {
            Some((machine @ ("x86-64" | "aarch64"), rest)) => {
                machine.eq_ignore_ascii_case(NAME).then(|| rest.to_owned())
            }
            _ => Some(flag),
        });
        Built {
            output,
            source,
            flags: flags.collect(),
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split_whitespace().map(str::to_owned)
}
