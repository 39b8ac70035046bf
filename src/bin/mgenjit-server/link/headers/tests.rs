use super::*;
use crate::link::assembly::{assemble, link};
use object::LittleEndian as LE;

type Header = elf::FileHeader64<LE>;

const SEGMENT: u64 = size_of::<elf::ProgramHeader64<LE>>() as u64;

/// An image with thread-local zeros, plain zeros, and a symbol of the linker's own.
fn image() -> Vec<u8> {
    link([assemble(
        ".globl f; f: ret
         local: ret
         .section .tbss, \"awT\", @nobits; .p2align 6; .globl t; t: .zero 100
         .bss; .p2align 12; .globl z; z: .zero 10000
         .data; .globl d; d: .quad d",
    )])
}

fn set(image: &mut [u8], place: u64, bytes: &[u8]) {
    let place = place as usize;
    image[place..place + bytes.len()].copy_from_slice(bytes);
}

/// Breaks an image that is right; then it is mended, to what it was.
fn check(what: &str, break_it: impl Fn(&mut Vec<u8>)) {
    let right = image();
    let mut broken = right.clone();
    break_it(&mut broken);
    assert_ne!(broken, right, "{what}");
    mend(&mut broken).expect(what);
    broken.truncate(right.len());
    assert_eq!(broken, right, "{what}");
}

/// Where the header of the segment is that begins without bytes in the file.
fn segment(image: &[u8], kind: elf::ProgramType) -> u64 {
    let header = Header::parse(image).expect("an image");
    let segments = header.program_headers(LE, image).expect("segments");
    let is_it = |one: &elf::ProgramHeader64<LE>| one.p_type(LE) == kind && one.p_filesz(LE) == 0;
    let index = segments.iter().position(is_it).expect("the segment");
    header.e_phoff(LE) + index as u64 * SEGMENT
}

#[test]
fn what_is_right_stays() {
    let right = image();
    let mut again = right.clone();
    mend(&mut again).expect("an image");
    assert_eq!(again, right);
}

#[test]
fn the_first_section_is_empty() {
    check("its flags", |image| {
        let at = Header::parse(&image[..]).expect("an image").e_shoff(LE);
        set(image, at + SH_FLAGS, &[7]);
    });
}

#[test]
fn segments_without_bytes_begin_where_their_address_does() {
    check("thread-local zeros", |image| {
        let at = segment(image, elf::PT_TLS) + P_OFFSET;
        let bytes = image[at as usize..][..8].try_into().expect("a word");
        let fitting = u64::from_le_bytes(bytes);
        // The nearest place from here on that fits is the one it had.
        set(image, at, &(fitting - 1).to_le_bytes());
    });
}

#[test]
fn segments_of_nothing_are_none() {
    let mut image = image();
    let at = segment(&image, elf::PT_TLS);
    const P_MEMSZ: u64 = 40;
    set(&mut image, at, &elf::PT_LOAD.0.to_le_bytes());
    set(&mut image, at + P_MEMSZ, &[0; 8]);
    mend(&mut image).expect("an image");
    let entry = &image[at as usize..][..SEGMENT as usize];
    assert_eq!(entry, vec![0; SEGMENT as usize]);
}

#[test]
fn symbols_lie_in_their_sections() {
    let mut image = image();
    // The local symbol of the code says that it lies far behind it.
    let place = {
        let header = Header::parse(&image[..]).expect("an image");
        let sections = header.sections(LE, &image[..]).expect("sections");
        let table = sections
            .symbols(LE, &image[..], elf::SHT_SYMTAB)
            .expect("symbols");
        let is_it = |symbol: &&elf::Sym64<LE>| symbol.name(LE, table.strings()) == Ok(b"local");
        let symbol = table.iter().find(is_it).expect("the symbol");
        std::ptr::from_ref(symbol).addr() - image.as_ptr().addr()
    } as u64;
    let index = |image: &[u8]| {
        let at = (place + ST_SHNDX) as usize;
        u16::from_le_bytes([image[at], image[at + 1]])
    };
    let before = index(&image);
    mend(&mut image).expect("an image");
    assert_eq!(index(&image), before);
    const ST_VALUE: u64 = 8;
    set(&mut image, place + ST_VALUE, &0x7000_0000_u64.to_le_bytes());
    mend(&mut image).expect("an image");
    assert_eq!(index(&image), elf::SHN_ABS.0);
}

#[test]
fn no_section_looks_like_relocations() {
    let image = image();
    let header = Header::parse(&image[..]).expect("an image");
    let sections = header.sections(LE, &image[..]).expect("sections");
    for section in sections.iter() {
        let name = sections.section_name(LE, section).expect("a name");
        let relocates = section.sh_type(LE) == elf::SHT_RELA;
        assert!(relocates || !name.starts_with(b".rel"), "{name:?}");
    }
}

#[test]
fn what_is_no_image_is_an_error() {
    for bytes in [b"".as_slice(), b"\x7fELF", &image()[..100]] {
        assert!(mend(&mut bytes.to_vec()).is_err());
    }
}
