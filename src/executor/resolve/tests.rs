use super::super::tests::Modules;

/// What the references of modules, which are added in this order, resolve to.
fn check(modules: &[(&str, &str)], expect: &[&str]) {
    assert_eq!(Modules::new(modules).plan(), expect, "{modules:?}");
}

/// The same, after the modules of `linked` were linked.
fn check_later(linked: &[(&str, &str)], modules: &[(&str, &str)], expect: &[&str]) {
    let mut all = Modules::new(linked);
    all.link();
    all.add(modules);
    assert_eq!(all.plan(), expect, "{linked:?}, {modules:?}");
}

const USES: &str = "calls f";
const USES_WEAKLY: &str = ".weak f; calls f";
const STRONG: &str = ".globl f; f: ret";
const WEAK: &str = ".weak f; f: ret";
/// A definition and a reference to it, as code for a shared library has it.
const STRONG_USED: &str = ".globl f; f: ret; calls f";
const WEAK_USED: &str = ".weak f; f: ret; calls f";

#[test]
fn modules_find_each_other_in_any_order() {
    check(&[], &[]);
    check(&[("a", STRONG)], &[]);
    check(&[("a", USES), ("b", STRONG)], &["a.f -> b"]);
    check(&[("a", STRONG), ("b", USES)], &["b.f -> a"]);
    check(
        &[("a", ".globl f; f: calls g"), ("b", ".globl g; g: calls f")],
        &["a.g -> b", "b.f -> a"],
    );
    check_later(&[("a", STRONG)], &[("b", USES)], &["b.f -> a"]);
}

#[test]
fn the_strongest_definition_counts() {
    // The strong one that was added last; else the weak one that was added first.
    check(&[("a", STRONG), ("b", STRONG), ("c", USES)], &["c.f -> b"]);
    check(&[("a", STRONG), ("b", WEAK), ("c", USES)], &["c.f -> a"]);
    check(&[("a", WEAK), ("b", STRONG), ("c", USES)], &["c.f -> b"]);
    check(&[("a", WEAK), ("b", WEAK), ("c", USES)], &["c.f -> a"]);
    check_later(
        &[("a", STRONG)],
        &[("b", STRONG), ("c", USES)],
        &["c.f -> b"],
    );
    check_later(&[("a", WEAK)], &[("b", STRONG), ("c", USES)], &["c.f -> b"]);
    // A strong definition is what its own module means by the name; a weak one need not be.
    check(
        &[("a", STRONG_USED), ("b", STRONG_USED)],
        &["a.f -> a", "b.f -> b"],
    );
    check(&[("a", WEAK_USED), ("b", STRONG)], &["a.f -> b"]);
    check(
        &[("a", WEAK_USED), ("b", WEAK_USED)],
        &["a.f -> a", "b.f -> a"],
    );
    check_later(
        &[("a", WEAK)],
        &[("b", WEAK_USED), ("c", STRONG)],
        &["b.f -> c"],
    );
}

#[test]
fn what_a_module_uses_in_place_of_its_own_others_use_too() {
    // `b` was linked to the definition of `a`, and `c` asks `b` first: all agree on that of `a`.
    let mut all = Modules::new(&[("a", WEAK), ("b", WEAK_USED)]);
    all.link();
    let found = all.state.find(b"f", |id, _| all.name(id) == "b");
    let meaning = found.and_then(|found| found.meaning(&all.state));
    assert_eq!(meaning.and_then(|meaning| meaning.module), Some(1));
}

#[test]
fn the_hosts_definitions_come_first() {
    check(&[("a", "calls host")], &["a.host -> host"]);
    check(
        &[
            ("a", ".globl host; host: ret; calls host"),
            ("b", "calls host"),
        ],
        &["a.host -> host", "b.host -> host"],
    );
}

#[test]
fn what_no_module_defines_is_looked_for_outside() {
    check(&[("a", "calls strlen")], &["a.strlen -> process"]);
    check(
        &[("a", "calls strlen"), ("b", ".globl strlen; strlen: ret")],
        &["a.strlen -> b"],
    );
    check(&[("a", USES_WEAKLY)], &["a.f -> nothing"]);
    check(&[("a", USES_WEAKLY), ("b", WEAK)], &["a.f -> b"]);
    check(
        &[("a", "calls __tls_get_addr")],
        &["a.__tls_get_addr -> process"],
    );
    check(&[("a", USES)], &["a lacks f"]);
}

#[test]
fn what_is_hidden_is_of_this_program() {
    check(&[("a", "calls hidden_f")], &["a lacks hidden_f"]);
    check(
        &[
            ("a", "calls hidden_f"),
            ("b", ".globl hidden_f; hidden_f: ret"),
        ],
        &["a.hidden_f -> b"],
    );
    // The name is not asked for outside, where it would be found.
    check(
        &[("a", ".weak hidden_f; calls hidden_f")],
        &["a.hidden_f -> nothing"],
    );
}

#[test]
fn who_lacks_something_holds_up_those_that_need_it_alone() {
    let lacks = ".globl f; f: calls nowhere";
    check(
        &[
            ("a", "calls g"),
            ("b", ".globl g; g: calls f"),
            ("c", lacks),
            ("d", "calls strlen"),
        ],
        &[
            "a waits for b",
            "b waits for c",
            "c lacks nowhere",
            "d.strlen -> process",
        ],
    );
    // Of equal weak definitions, one that cannot be linked is passed over. A strong one is not.
    let weak_lacks = ".weak f; f: calls nowhere";
    check(
        &[("a", weak_lacks), ("b", WEAK), ("c", USES)],
        &["a lacks nowhere", "c.f -> b"],
    );
    check(
        &[("a", STRONG), ("b", lacks), ("c", USES)],
        &["b lacks nowhere", "c waits for b"],
    );
    check(
        &[("a", weak_lacks), ("b", USES)],
        &["a lacks nowhere", "b waits for a"],
    );
    // Both of a circle.
    check(
        &[
            ("a", ".globl f; f: calls g; calls nowhere"),
            ("b", ".globl g; g: calls f"),
        ],
        &["a lacks nowhere", "b waits for a"],
    );
}

#[test]
fn all_that_is_missing_is_told() {
    check(
        &[("a", "calls f; calls g"), ("b", "calls g")],
        &["a lacks f", "a lacks g", "b lacks g"],
    );
}

const THREAD_LOCAL: &str = ".section .tdata, \"awT\"; .globl t; t: .quad 1";
const USES_THREAD_LOCAL: &str = "takes_local t";

#[test]
fn thread_local_variables_are_no_ordinary_ones() {
    fn check_fault(modules: &[(&str, &str)], expect: &str) {
        let lines = Modules::new(modules).plan();
        let told = lines.iter().any(|line| line.contains(expect));
        assert!(told, "{modules:?}: {lines:?}");
    }
    let mut found = Modules::new(&[("a", THREAD_LOCAL), ("b", USES_THREAD_LOCAL)]).plan();
    // On some machines, code asks for this as well.
    found.retain(|line| line != "b.__tls_get_addr -> process");
    assert_eq!(found, ["b.t -> a"]);
    check_fault(
        &[
            ("a", ".data; .globl t; t: .quad 1"),
            ("b", USES_THREAD_LOCAL),
        ],
        "b cannot be linked: it refers to `t` as a thread-local variable, but a defines it as an ordinary one",
    );
    check_fault(
        &[("a", THREAD_LOCAL), ("b", "takes_address t")],
        "b cannot be linked: it refers to `t` as an ordinary variable, but a defines it as a thread-local one",
    );
    check_fault(
        &[("a", "takes_local host")],
        "but a definition by the host defines it as an ordinary one",
    );
}
