use super::*;
use crate::input::object_file;
use crate::link::assembly::{assemble, section, symbols};

/// The object as the linker gets it, and whether it was changed.
fn mend(assembly: &str, target: For, align: Option<u64>) -> (Vec<u8>, bool) {
    let object = assemble(assembly);
    match mended(&object, target, None, align) {
        Some(changed) => (changed, true),
        None => (object, false),
    }
}

const EACH: [For; 3] = [For::Image, For::Library, For::Object];

#[test]
fn what_is_for_other_linkers_is_dropped() {
    fn check(assembly: &str, kept: &[&str], dropped: &[&str]) {
        for target in EACH {
            let (object, changed) = mend(assembly, target, None);
            let has = |name: &&str| section(&object, name).is_some();
            assert!(kept.iter().all(has), "{assembly}");
            assert!(!dropped.iter().any(has), "{assembly}");
            assert_eq!(changed, !dropped.is_empty(), "{assembly}");
        }
    }
    check(".section .comment; .quad 1", &[".comment"], &[]);
    for name in [".gnu.lto_main", ".gnu.debuglto_info", ".llvm.lto"] {
        check(&format!(".section {name}; .quad 1"), &[".text"], &[name]);
    }
    check(".section .notes, \"e\"; .quad 1", &[".text"], &[".notes"]);
    check(".section .notes, \"ae\"; .quad 1", &[".notes"], &[]);
    check(
        ".section .notes, \"e\"; .quad f; .section .others; .quad f",
        &[".others", ".rela.others"],
        &[".notes", ".rela.notes"],
    );
}

#[test]
fn old_compression_says_so() {
    fn check(name: &str, content: &str, expect: Option<&str>) {
        let assembly = format!(".section {name}, \"\", @progbits; {content}");
        for target in EACH {
            let (object, changed) = mend(&assembly, target, None);
            assert_eq!(changed, expect.is_some(), "{assembly}");
            let found = section(&object, ".debug_info");
            assert_eq!(found.as_deref(), expect, "{assembly}");
        }
    }
    let zlib = ".ascii \"ZLIB\"; .quad 0x0400000000000000; .byte 1, 2, 3";
    check(".zdebug_info", zlib, Some(".debug_info c 27 8"));
    check(
        ".zdebug_info",
        ".ascii \"ZLIB\"; .quad 1",
        Some(".debug_info c 24 8"),
    );
    check(".zdebug_info", ".ascii \"ZSTD\"; .quad 1", None);
    check(".zdebug_info", ".ascii \"ZLIB\"", None);
    check(".zother_info", zlib, None);
}

#[test]
fn old_compression_is_checked_as_todays_is() {
    // The length has its high byte first.
    fn check(len: u64, place: u64, expect: Option<&str>) {
        let assembly = format!(
            ".section .zdebug_str, \"MS\", @progbits, 1; strings: .ascii \"ZLIB\"; .quad {}; .byte 1, 2, 3
             .section .zdebug_info, \"\", @progbits; .long .zdebug_str + {place}",
            len.swap_bytes()
        );
        let found = object_file::check(&assemble(&assembly)).err();
        match (found, expect) {
            (None, None) => {}
            (Some(found), Some(expect)) => assert!(found.contains(expect), "{found}"),
            (found, expect) => panic!("{len} {place}: {found:?}, not {expect:?}"),
        }
    }
    check(3000, 0, None);
    check(3000, 2999, None);
    check(3000, 4000, Some("leads out of a section of strings"));
    check(3_000_000, 0, Some("is said to become 3000000 bytes"));
}

#[test]
fn the_length_of_what_was_compressed_is_kept() {
    let (object, _) = mend(
        ".section .zdebug_info, \"\", @progbits; .ascii \"ZLIB\"; .quad 0x0504000000000000; .byte 7",
        For::Image,
        None,
    );
    let file = File::parse(&*object).expect("an object");
    let table = file.elf_section_table();
    let (_, section) = table
        .section_by_name(LE, b".debug_info")
        .expect("the section");
    let data = section.data(LE, file.data()).expect("its content");
    let words = [1, 0, 0x0405, 1].map(|word: u64| word.to_le_bytes());
    let expect = [&words[0][..], &words[2], &words[3], &[7]].concat();
    assert_eq!(data, expect);
}

#[test]
fn constants_with_addresses_can_be_written() {
    /// `from` in `assembly` becomes `to`, but in a relocatable object.
    fn check(assembly: &str, from: &str, to: &str) {
        for target in EACH {
            let (object, changed) = mend(assembly, target, None);
            let expect = if target == For::Object { from } else { to };
            let name = expect.split(' ').next().unwrap_or_default();
            assert_eq!(
                section(&object, name).as_deref(),
                Some(expect),
                "{assembly}"
            );
            assert_eq!(changed, expect != from, "{assembly}");
        }
    }
    fn check_same(assembly: &str, section: &str) {
        check(assembly, section, section);
    }
    check(
        ".section .rodata; .quad f",
        ".rodata a 8 1",
        ".data.rel.ro aw 8 1",
    );
    check(
        ".section .rodata.cst8, \"aM\", @progbits, 8; .quad f",
        ".rodata.cst8 am 8 1",
        ".data.rel.ro aw 8 1",
    );
    check(
        ".section .llvm_stackmaps, \"a\"; .quad f",
        ".llvm_stackmaps a 8 1",
        ".llvm_stackmaps aw 8 1",
    );
    check_same(".section .rodata; .long f - .", ".rodata a 4 1");
    check_same(".section .data.x, \"aw\"; .quad f", ".data.x aw 8 1");
    check_same(".section .code, \"ax\"; .quad f", ".code ax 8 1");
    check_same(".section .debug_x; .quad f", ".debug_x  8 1");
    check_same(
        ".section .eh_frame, \"a\", @unwind; .quad f",
        ".eh_frame a 8 1",
    );
}

#[test]
fn empty_sections_whose_place_matters_get_a_byte() {
    fn check(content: &str, expect: &str) {
        let assembly = format!(".section .e, \"aw\", @progbits; {content}");
        for target in [For::Image, For::Library] {
            let (object, _) = mend(&assembly, target, None);
            assert_eq!(section(&object, ".e").as_deref(), Some(expect), "{content}");
        }
        assert!(!mend(&assembly, For::Object, None).1, "{content}");
    }
    check(".p2align 4; .globl x; x:", ".e aw 1 16");
    check(".p2align 4", ".e aw 0 16");
    check(".globl x; x:", ".e aw 0 1");
    check(".p2align 4; .globl x; x: .quad 1", ".e aw 8 16");
}

#[test]
fn large_alignments_become_lengths() {
    const MEGABYTE: u64 = 1 << 20;
    fn check(content: &str, align: u64, name: &str, expect: &str) {
        let (object, _) = mend(content, For::Image, Some(align));
        assert_eq!(section(&object, name).as_deref(), Some(expect), "{content}");
    }
    check(
        ".data; .p2align 20; .quad 1",
        MEGABYTE,
        ".data",
        ".data aw 1048576 65536",
    );
    check(
        ".bss; .p2align 17; .zero 9",
        MEGABYTE,
        ".bss",
        ".bss aw 1048576 65536",
    );
    check(
        ".section .rodata.cst8, \"aM\", @progbits, 8; .p2align 17; .quad 1",
        1 << 17,
        ".rodata.cst8",
        ".rodata.cst8 a 131072 65536",
    );
    check(
        ".data; .p2align 15; .quad 1",
        MEGABYTE,
        ".data",
        ".data aw 8 32768",
    );
    check(
        ".section .tdata, \"awT\"; .p2align 17; .quad 1",
        MEGABYTE,
        ".tdata",
        ".tdata aw 8 131072",
    );
    let (object, _) = mend(".comm c, 9, 131072", For::Image, Some(MEGABYTE));
    let file = File::parse(&*object).expect("an object");
    let common = |symbol: &&elf::Sym64<LE>| symbol.is_common(LE);
    let symbols = file.elf_symbol_table().symbols();
    let symbol = symbols.iter().find(common).expect("a common symbol");
    assert_eq!(
        (symbol.st_value(LE), symbol.st_size(LE)),
        (LINKABLE, MEGABYTE)
    );
}

#[test]
fn content_that_becomes_longer_is_kept() {
    let (object, _) = mend(".data; .p2align 17; .quad 77", For::Image, Some(1 << 17));
    let file = File::parse(&*object).expect("an object");
    let table = file.elf_section_table();
    let (_, section) = table.section_by_name(LE, b".data").expect("the section");
    let data = section.data(LE, file.data()).expect("its content");
    assert_eq!(data[..8], 77_u64.to_le_bytes());
    assert!(data[8..].iter().all(|byte| *byte == 0));
}

#[test]
fn symbols_are_as_an_image_has_them() {
    /// `image`: the symbols for an image. Elsewhere they stay what they are.
    fn check(assembly: &str, stays: &str, image: &str) {
        for target in EACH {
            let (object, _) = mend(assembly, target, None);
            let expect = if target == For::Image { image } else { stays };
            let marked = expect.replace('|', "\u{1}");
            assert_eq!(symbols(&object), [marked], "{assembly}");
        }
    }
    check(".globl f; f: ret", "f global default", "f global default");
    check(
        ".type x, @gnu_unique_object; .data; x: .quad 0",
        "x unique default",
        "x weak default",
    );
    check(
        ".symver f, f@V1; call f",
        "f@V1 global default undefined",
        "f|V1 global default undefined",
    );
    check(
        ".globl f; .symver f, f@@V2, remove; f: ret",
        "f@@V2 global default",
        "f global default",
    );
}

#[test]
fn versions_of_names() {
    fn check(name: &str, expect: Option<&[u8]>) {
        let found = without_version(name.as_bytes());
        assert_eq!(found.as_deref(), expect, "{name}");
    }
    check("", None);
    check("f", None);
    check("@f", None);
    check("f@V1", Some(&[b'f', VERSION_MARK, b'V', b'1']));
    check("f@@V1", Some(b"f"));
    check("f@", Some(&[b'f', VERSION_MARK]));
}

#[test]
fn thread_locals_of_all_objects_fit_together() {
    let object = |values: u64, zeros: u64| ThreadLocals { values, zeros };
    let of = |assembly: &str| {
        let ThreadLocals { values, zeros } = ThreadLocals::of(&assemble(assembly));
        (values, zeros)
    };
    let values = ".section .tdata, \"awT\"; .p2align 3; .quad 1";
    let zeros = ".section .tbss, \"awT\", @nobits; .p2align 6; .zero 64";
    assert_eq!(of(".data; .p2align 5; .quad 1"), (0, 0));
    assert_eq!(of(values), (8, 0));
    assert_eq!(of(zeros), (0, 64));
    assert_eq!(of(&format!("{values}; {zeros}")), (8, 64));
    assert_eq!(ThreadLocals::of(b"no object").largest(), 0);

    let check = |objects: &[ThreadLocals], expect| {
        assert_eq!(ThreadLocals::to_align(objects), expect);
    };
    check(&[], None);
    check(&[object(0, 64)], None);
    check(&[object(8, 8)], None);
    check(&[object(8, 64)], Some((0, 64)));
    check(&[object(0, 64), object(8, 0), object(16, 0)], Some((1, 64)));
    check(&[object(0, 64), object(8, 0), object(64, 0)], None);
}

#[test]
fn the_first_values_are_aligned() {
    fn check(assembly: &str, expect: &str) {
        let object = mended(&assemble(assembly), For::Image, Some(64), None).expect("a change");
        let found = section(&object, ".tdata");
        assert_eq!(found.as_deref(), Some(expect), "{assembly}");
    }
    check(".section .tdata, \"awT\"; .quad 1", ".tdata aw 8 64");
    check(".section .tdata, \"awT\"", ".tdata aw 1 64");
}

#[test]
fn what_cannot_be_read_is_left_alone() {
    let object = assemble(".section .rodata; .quad f");
    for bytes in [b"".as_slice(), b"no object", &object[..40]] {
        assert!(mended(bytes, For::Image, Some(64), Some(1 << 20)).is_none());
    }
}
