use super::merge;
use crate::link::assembly::{assemble, link, symbols};
use object::read::elf::{ElfFile64, SectionHeader, Sym};
use object::{LittleEndian as LE, elf};

/// Names that end in `.p` are those that only the pieces share.
fn merged(parts: &[&str]) -> Result<Vec<u8>, String> {
    let parts: Vec<Vec<u8>> = parts.iter().map(|text| assemble(text)).collect();
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    merge(&parts, |name| name.strip_suffix(b".p"))
}

fn locals(object: &[u8]) -> Vec<String> {
    let file = ElfFile64::<LE>::parse(object).expect("an ELF file");
    let table = file.elf_symbol_table();
    let locals = table.iter().filter(|symbol| {
        symbol.st_bind() == elf::STB_LOCAL
            && symbol.st_type() != elf::STT_FILE
            && symbol.st_name(LE) != 0
    });
    locals
        .map(|symbol| {
            let name = symbol.name(LE, table.strings()).expect("a name");
            String::from_utf8_lossy(name).into_owned()
        })
        .collect()
}

fn content(object: &[u8], name: &str) -> Vec<Vec<u8>> {
    let file = ElfFile64::<LE>::parse(object).expect("an ELF file");
    let table = file.elf_section_table();
    let sections = table
        .iter()
        .filter(|section| table.section_name(LE, section) == Ok(name.as_bytes()));
    sections
        .map(|section| section.data(LE, object).expect("data").to_vec())
        .collect()
}

#[test]
fn a_name_is_one_symbol_and_what_only_pieces_share_is_local() {
    for (parts, globals, local) in [
        // The definition says what others see, whatever is declared.
        (
            &[".globl f\nf: ret", ".hidden f\n.globl g\ng: call f\nret"][..],
            &["f global default", "g global default"][..],
            &[][..],
        ),
        (
            &[
                ".hidden f\n.globl f\nf: call g@PLT",
                ".weak g\ng: call f@PLT",
            ],
            &["f global hidden", "g weak default"],
            &[],
        ),
        (
            &[".globl f\nf: ret", ".weak f\nf: nop\nret"],
            &["f global default"],
            &[],
        ),
        // What nobody defines is as narrow as it is declared, and weak only if all say so.
        (
            &[
                ".weak u\ncall u@PLT",
                "call u@PLT",
                ".hidden h\ncall h",
                "call h",
            ],
            &["h global hidden undefined", "u global default undefined"],
            &[],
        ),
        (
            &[".weak u\ncall u@PLT", ".weak u\ncall u@PLT"],
            &["u weak default undefined"],
            &[],
        ),
        (
            &[
                ".comm c,4,4",
                ".comm c,8,2",
                ".globl d\n.hidden f.p\nd: call f.p",
                ".hidden f.p\n.globl f.p\nf.p: ret",
            ],
            &["c global default", "d global default"],
            &["f"],
        ),
        (&["l: call l", "l: call l"], &[], &["l", "l"]),
    ] {
        let object = merged(parts).expect("an object");
        assert_eq!(symbols(&object), globals, "{parts:?}");
        assert_eq!(locals(&object), local, "{parts:?}");
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    for (parts, reason) in [
        (
            &["f: ret\n.globl f", "f: ret\n.globl f"][..],
            "defines `f`, and so does another piece",
        ),
        (&["call f.p"], "lacks `f`"),
        (&[], "there are no pieces"),
    ] {
        let error = merged(parts).expect_err(reason);
        assert!(error.contains(reason), "{error}");
    }
    let object = assemble("ret");
    let image = link([object.clone()]);
    for (other, reason) in [
        (&b""[..], "cut short or damaged"),
        (&image, "no object that can be merged"),
        (&object[..object.len() - 8], "cut short or damaged"),
    ] {
        let error = merge(&[&object, other], |_| None).expect_err(reason);
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn sections_of_one_kind_are_one() {
    let strings =
        |text: &str| format!(".section .rodata.str1.1,\"aMS\",@progbits,1\n.asciz \"{text}\"");
    let unended = ".section .rodata.str1.1,\"aMS\",@progbits,1\n.ascii \"ab\"";
    let note = ".section .note.GNU-stack,\"\",@progbits";
    for (parts, name, expect) in [
        (
            ["nop", ".p2align 4\nret"],
            ".text",
            &[&b"\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\xc3"[..]][..],
        ),
        (
            [&strings("ab"), &strings("ab")],
            ".rodata.str1.1",
            &[b"ab\0ab\0"],
        ),
        ([unended, &strings("c")], ".rodata.str1.1", &[b"ab", b"c\0"]),
        (
            [".data\n.byte 1", ".data\n.p2align 2\n.byte 2"],
            ".data",
            &[&[1, 0, 0, 0, 2]],
        ),
        (
            [".data\n.byte 1", ".data\n.p2align 20\n.byte 2"],
            ".data",
            &[&[1], &[2]],
        ),
        (
            [".section .a,\"a\"\n.byte 1", ".section .a,\"aw\"\n.byte 2"],
            ".a",
            &[&[1], &[2]],
        ),
        // A table has no holes.
        (
            [
                ".section .debug_x,\"\"\n.byte 1",
                ".section .debug_x,\"\"\n.p2align 2\n.byte 2",
            ],
            ".debug_x",
            &[&[1], &[2]],
        ),
        // One comment is enough, and what all must say is said by all.
        ([".ident \"x\"", ".ident \"x\""], ".comment", &[b"\0x\0"]),
        ([note, note], ".note.GNU-stack", &[b""]),
    ] {
        let object = merged(&parts).expect("an object");
        assert_eq!(content(&object, name), expect, "{parts:?}");
    }
}

/// Of a group that several have there is one, and its functions unwind once.
#[test]
fn groups_are_there_once() {
    let group = |name: &str, other: &str| {
        format!(
            ".globl {other}\n{other}: .cfi_startproc\ncall {name}@PLT\nret\n.cfi_endproc
             .section .text.{name},\"axG\",@progbits,{name},comdat\n.weak {name}\n{name}: .cfi_startproc\nret\n.cfi_endproc"
        )
    };
    let (first, second) = (group("g", "f1"), group("g", "f2"));
    let object = merged(&[&first, &second]).expect("an object");
    assert_eq!(
        symbols(&object),
        ["f1 global default", "f2 global default", "g weak default"]
    );
    assert_eq!(content(&object, ".group").len(), 1);
    assert_eq!(content(&object, ".text.g").len(), 1);
    // The second `g` has no frame.
    let alone = content(&assemble(&first), ".eh_frame")[0].len();
    let frames = content(&object, ".eh_frame");
    let frame = 20;
    assert_eq!(frames[0].len(), 2 * alone - frame);
    // The linker follows them.
    let image = link([object]);
    assert_eq!(symbols(&image).len(), 3);
}

#[test]
fn references_lead_where_they_led() {
    let first = ".hidden value.p\n.globl get\nget: mov value.p(%rip), %eax\nret\n.data\n.long 1";
    let second = ".data\n.p2align 4\n.hidden value.p\n.globl value.p\nvalue.p: .long 42\n.globl place\nplace: .quad value.p";
    let object = merged(&[first, second]).expect("an object");
    let image = link([object]);
    assert_eq!(
        symbols(&image),
        ["get global default", "place global default"]
    );
    let file = ElfFile64::<LE>::parse(&*image).expect("an image");
    let sections = file.elf_section_table();
    let (_, data) = sections.section_by_name(LE, b".data").expect("data");
    let (_, code) = sections.section_by_name(LE, b".text").expect("code");
    let code_bytes = code.data(LE, &*image).expect("code");
    let distance = i32::from_le_bytes(code_bytes[2..6].try_into().expect("a distance"));
    let value = code.sh_addr(LE) as i64 + 6 + i64::from(distance) - data.sh_addr(LE) as i64;
    let data = data.data(LE, &*image).expect("data");
    assert_eq!(data[value as usize], 42);
}

/// More sections than a 16-bit number counts.
#[test]
fn many_sections() {
    let many = |prefix: &str| -> String {
        (0..33_000)
            .map(|number| {
                format!(".section .text.{prefix}{number},\"ax\"\n.globl {prefix}{number}\n{prefix}{number}: ret\n")
            })
            .collect()
    };
    let object = merged(&[&many("a"), &many("b")]).expect("an object");
    assert_eq!(symbols(&object).len(), 66_000);
    let file = ElfFile64::<LE>::parse(&*object).expect("an object");
    let header = file.elf_header();
    assert_eq!(header.e_shnum.get(LE), 0);
    let table = file.elf_symbol_table();
    for (index, symbol) in table.enumerate() {
        if symbol.st_bind() == elf::STB_LOCAL {
            continue;
        }
        let name = symbol.name(LE, table.strings()).expect("a name");
        let place = table
            .symbol_section(LE, symbol, index)
            .expect("a section")
            .expect("a section");
        let sections = file.elf_section_table();
        let section = sections.section(place).expect("a section");
        assert_eq!(
            sections.section_name(LE, section),
            Ok(&[b".text.", name].concat()[..])
        );
    }
    // As one that has been merged.
    let again = merge(&[&object], |_| None).expect("an object");
    assert_eq!(symbols(&again).len(), 66_000);
}
