use super::super::tests::Modules;
use super::{order_of_need, relocate};
use crate::arch::assembly::TLS_FIXED;

#[test]
fn modules_come_behind_those_that_they_need() {
    fn check(modules: &[(u64, &[u64])], expect: &[u64]) {
        let order = order_of_need(modules);
        let ids: Vec<u64> = order.into_iter().map(|place| modules[place].0).collect();
        assert_eq!(ids, expect, "{modules:?}");
    }
    check(&[], &[]);
    check(&[(1, &[])], &[1]);
    // Else in the order they were added.
    check(&[(1, &[]), (2, &[]), (3, &[])], &[1, 2, 3]);
    check(&[(1, &[2]), (2, &[])], &[2, 1]);
    check(&[(1, &[]), (2, &[1])], &[1, 2]);
    check(&[(1, &[2]), (2, &[3]), (3, &[])], &[3, 2, 1]);
    check(&[(1, &[3, 2]), (2, &[]), (3, &[])], &[3, 2, 1]);
    check(
        &[(1, &[2, 3]), (2, &[4]), (3, &[4]), (4, &[])],
        &[4, 2, 3, 1],
    );
    // What was linked before is not among them.
    check(&[(5, &[1]), (6, &[5, 2])], &[5, 6]);
    // In a circle, the one that was added first comes last.
    check(&[(1, &[2]), (2, &[1])], &[2, 1]);
    check(&[(1, &[1])], &[1]);
    check(&[(1, &[2]), (2, &[3]), (3, &[1]), (4, &[2])], &[3, 2, 1, 4]);
}

#[test]
fn a_long_chain_does_not_overflow_the_stack() {
    let len = 100_000;
    let needs: Vec<[u64; 1]> = (1..=len).map(|id| [id + 1]).collect();
    let modules: Vec<(u64, &[u64])> = (1..).zip(needs.iter().map(<[u64; 1]>::as_slice)).collect();
    let order = order_of_need(&modules);
    assert!(order.into_iter().eq((0..modules.len()).rev()));
}

#[test]
fn a_module_that_cannot_be_relocated_holds_up_those_that_need_it_alone() {
    // A place in the static block of thread-local storage, which what is loaded later has none in.
    let fixed = ".globl f; f: takes_fixed t; ret
        .section .tdata, \"awT\"; .globl t; t: .quad 1";
    let mut modules = Modules::new(&[
        ("a", "calls f"),
        ("b", fixed),
        ("c", "calls strlen"),
        ("d", ".globl g; g: ret"),
    ]);
    let (jobs, report) = relocate(&mut modules.state);
    assert_eq!(
        modules.describe(&jobs, &report),
        [
            "a waits for b",
            &format!(
                "b: b cannot be linked: it has a relocation of type {}, which images do not have",
                TLS_FIXED.0
            ),
            "c.strlen -> process",
        ]
    );
    let linked: Vec<&str> = jobs.iter().map(|job| modules.name(job.id)).collect();
    assert_eq!(linked, ["c", "d"]);
}
