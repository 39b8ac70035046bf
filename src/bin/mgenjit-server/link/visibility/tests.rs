use super::*;
use crate::link::assembly::{assemble, link, symbols};

fn names<'a>(list: &'a [&'a str]) -> HashSet<&'a str> {
    list.iter().copied().collect()
}

fn sorted(set: &HashSet<String>) -> Vec<&str> {
    let mut all: Vec<&str> = set.iter().map(String::as_str).collect();
    all.sort_unstable();
    all
}

/// The object as a linker sees it.
fn opened(assembly: &str, defined: &[&str], opened: &[&str], marks: &mut Marks) -> Vec<u8> {
    let object = assemble(assembly);
    let opened = opened.iter().map(|name| (*name).to_owned()).collect();
    let changed = open(&object, &names(defined), &opened, marks).expect(assembly);
    changed.unwrap_or(object)
}

#[test]
fn definitions_are_opened() {
    fn check(assembly: &str, open: &[&str], expect: &str, hidden: &[&str], same: &[&str]) {
        let mut marks = Marks::default();
        let object = opened(assembly, &["f"], open, &mut marks);
        assert_eq!(symbols(&object), [expect], "{assembly}");
        assert_eq!(sorted(&marks.hidden), hidden, "{assembly}");
        assert_eq!(sorted(&marks.same), same, "{assembly}");
    }
    let unique = ".type f, @gnu_unique_object; .data; f: .quad 0";
    let group = ".section .text.f, \"axG\", @progbits, f, comdat; .weak f; f: ret";
    check(".globl f; f: ret", &[], "f global default", &[], &[]);
    check(
        ".globl f; .protected f; f: ret",
        &[],
        "f global protected",
        &[],
        &[],
    );
    for word in ["hidden", "internal"] {
        let global = format!(".globl f; .{word} f; f: ret");
        check(&global, &[], "f global protected", &["f"], &[]);
        check(&global, &["f"], "f global default", &["f"], &[]);
        let weak = format!(".weak f; .{word} f; f: ret");
        check(&weak, &[], "f weak protected", &["f"], &[]);
    }
    check(unique, &[], "f weak default", &[], &["f"]);
    let hidden_unique = format!(".hidden f; {unique}");
    check(&hidden_unique, &[], "f weak protected", &["f"], &[]);
    check(".weak f; f: ret", &[], "f weak default", &[], &[]);
    check(group, &[], "f weak default", &[], &["f"]);
    let personality = ".weak DW.ref.p; .hidden DW.ref.p; .data; DW.ref.p: .quad 0";
    check(personality, &[], "DW.ref.p weak hidden", &[], &[]);
}

#[test]
fn references_are_opened() {
    fn check(assembly: &str, defined: &[&str], expect: &str, hidden: &[&str], undefined: &[&str]) {
        let mut marks = Marks::default();
        let object = opened(assembly, defined, &[], &mut marks);
        assert_eq!(symbols(&object), [expect], "{assembly}");
        assert_eq!(sorted(&marks.hidden), hidden, "{assembly}");
        assert_eq!(sorted(&marks.undefined), undefined, "{assembly}");
    }
    let here = &["f"];
    let plain = "call f";
    check(plain, &[], "f global default undefined", &[], here);
    check(plain, here, "f global default undefined", &[], &[]);
    let hidden = ".hidden f; call f";
    check(hidden, &[], "f global default undefined", here, here);
    check(hidden, here, "f global protected undefined", here, &[]);
    let protected = ".protected f; call f";
    check(protected, &[], "f global default undefined", here, here);
    check(protected, here, "f global protected undefined", &[], &[]);
    let weak = ".weak f; .hidden f; call f";
    check(weak, &[], "f weak default undefined", here, here);
    // What is only in a group may be dropped with it.
    let in_group = ".section .text.g, \"axG\", @progbits, g, comdat; call f";
    check(in_group, &[], "f global default undefined", &[], &[]);
}

#[test]
fn code_reaches_what_is_in_another_image() {
    let of = |name: &str, thread_local| {
        let name = name.to_owned();
        Err(InPlace { name, thread_local })
    };
    // The kinds of all relocations, and the first bytes of the code.
    type Reached = (Vec<elf::RelocationType>, Vec<u8>);
    let check = |code: &str, expect: Result<Reached, InPlace>| {
        let object = assemble(&format!(".hidden x; {code}"));
        let opened = open(
            &object,
            &HashSet::new(),
            &HashSet::new(),
            &mut Marks::default(),
        );
        let reached = opened.map(|bytes| {
            let bytes = bytes.expect("a change");
            let file = Object::parse(&*bytes).expect("an object");
            let (section, found) = &relocations(&file)[0];
            let code = section.data(LittleEndian, file.data()).expect("the code");
            let kinds = found
                .entries
                .iter()
                .map(|one| one.r_type(LittleEndian, false));
            (kinds.collect(), code[..code.len().min(3)].to_vec())
        });
        assert_eq!(reached, expect, "{code}");
    };
    for (code, first) in [
        ("call x", [0xe8, 0, 0]),
        ("jmp x", [0xe9, 0, 0]),
        ("je x", [0x0f, 0x84, 0]),
        // As older compilers relocate them.
        (".byte 0xe8; .long x - . - 4", [0xe8, 0, 0]),
        (".byte 0xe9; .long x - . - 4", [0xe9, 0, 0]),
        (".byte 0x0f, 0x80; .long x - . - 4", [0x0f, 0x80, 0]),
        (".byte 0x0f, 0x8f; .long x - . - 4", [0x0f, 0x8f, 0]),
    ] {
        check(code, Ok((vec![elf::R_X86_64_PLT32], first.to_vec())));
    }
    let load = vec![elf::R_X86_64_REX_GOTPCRELX];
    check(
        "lea x(%rip), %rax",
        Ok((load.clone(), vec![0x48, 0x8b, 0x05])),
    );
    check("lea x(%rip), %r9", Ok((load, vec![0x4c, 0x8b, 0x0d])));
    check(".quad x", Ok((vec![elf::R_X86_64_64], vec![0, 0, 0])));
    for code in [
        "lea x+8(%rip), %rax",
        ".byte 0x0f, 0x90; .long x - . - 4",
        "lea x(%rip), %eax",
        "mov x(%rip), %rax",
        "mov %eax, x(%rip)",
        ".long x - .",
        ".quad x - .",
        "movabs $x@GOTOFF, %rax",
    ] {
        check(code, of("x", false));
    }
    for code in ["lea x@TLSLD(%rip), %rdi", "lea x@DTPOFF(%rax), %rcx"] {
        check(code, of("x", true));
    }
}

#[test]
fn images_are_closed() {
    let mut marks = Marks::default();
    let defined = &["ours", "hidden", "unique"];
    let object = opened(
        ".globl ours; ours: call hidden; call theirs; ret
         .globl hidden; .hidden hidden; hidden: ret
         .hidden theirs
         .type unique, @gnu_unique_object; .data; unique: .quad 0",
        defined,
        &[],
        &mut marks,
    );
    let mut image = link([object]);
    close(&mut image, &marks, true).expect("nothing is bound that should not be");
    assert_eq!(
        symbols(&image),
        [
            "hidden global hidden",
            "ours global default",
            "theirs global hidden undefined",
            "unique unique default",
        ]
    );
}

#[test]
fn what_the_linker_binds_to_nothing_is_told() {
    fn check(undefined: &[&str], known: &[&str], expect: Option<&str>) {
        let marks = Marks {
            undefined: undefined.iter().map(|name| (*name).to_owned()).collect(),
            ..Marks::default()
        };
        let found = check_undefined(&marks, &names(known));
        match (found, expect) {
            (Ok(()), None) => {}
            (Err(failure), Some(expect)) if failure.message.contains(expect) => {}
            (found, _) => panic!("{undefined:?}: {found:?}"),
        }
    }
    check(&[], &[], None);
    check(&["f", "g"], &["f", "g", "h"], None);
    check(&["g", "f", "h"], &["h"], Some("nothing defines: f, g;"));
    // One with a version gets another name.
    check(&["f@V1"], &[], None);
}

#[test]
fn stated_visibility_is_restored() {
    let mut object = assemble(".globl f, g, h; .protected g; f: ret; g: ret; h: ret");
    let stated = [("f", elf::STV_HIDDEN), ("g", elf::STV_HIDDEN)];
    let stated = stated.map(|(name, visibility)| (name.to_owned(), visibility));
    restore(&mut object, &HashMap::from(stated));
    let expect = ["f global hidden", "g global protected", "h global default"];
    assert_eq!(symbols(&object), expect);
}

#[test]
fn what_an_object_needs_of_its_own_library() {
    let object = assemble(
        ".hidden f, w, d; .protected p; .internal i; .weak w
         call f; call w; call p; call i; call plain; .globl d; d: ret",
    );
    assert_eq!(undefined_hidden(&object), ["f", "p", "i"]);
    assert_eq!(internal(&object).len(), 1);
    assert_eq!(object[internal(&object)[0]], elf::STV_INTERNAL.0);
    assert!(undefined_hidden(b"no object").is_empty());
}
