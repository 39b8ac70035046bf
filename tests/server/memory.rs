//! The limit of a request's memory.

use crate::client::{Outcome, Server, request};
use crate::slow::slow;
use mgenjit::protocol::messages::{CompileRequest, Request};
use mgenjit::types::{Emit, OptLevel};

fn compile(server: &mut Server, ir: &str, max_memory: u64, emit: Emit) -> Outcome {
    let request = Request::Compile(CompileRequest {
        opt_level: OptLevel::O1,
        max_memory,
        emit,
        ..request("limited", ir.len() as u64)
    });
    server.request(&request, &[ir.as_bytes()])
}

/// Whether a new server can do it with so much.
fn is_enough(ir: &str, max_memory: u64) -> bool {
    match compile(&mut Server::start(), ir, max_memory, Emit::Code) {
        Outcome::Compiled(_) => true,
        Outcome::Gone(_, words) => {
            assert!(words.to_lowercase().contains("out of memory"), "{words}");
            false
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_earlier_requests_left_is_not_counted() {
    const STEP: u64 = 1 << 20;
    let ir = slow(200);
    let (mut low, mut high) = (0, 256 * STEP);
    assert!(is_enough(&ir, high));
    while high - low > STEP {
        let middle = u64::midpoint(low, high);
        match is_enough(&ir, middle) {
            true => high = middle,
            false => low = middle,
        }
    }
    let mut server = Server::start();
    for round in 0..2 {
        for functions in [1500, 300, 20] {
            // Of other names, and so of other sizes here and there.
            let large = slow(functions + round).replace("@f", &format!("@large{round}_"));
            let outcome = compile(&mut server, &large, 0, Emit::Ir);
            assert!(matches!(outcome, Outcome::Emitted(_)), "{outcome:?}");
        }
        let outcome = compile(&mut server, &ir, high, Emit::Code);
        assert!(
            matches!(outcome, Outcome::Compiled(_)),
            "{high}: {outcome:?}"
        );
    }
}
