use super::*;
use crate::link::assembly::{assemble, link};

/// `refused`: a part of the reason, or nothing.
fn check(assembly: &str, change: impl Fn(&mut Vec<u8>), refused: &str) {
    let mut image = link([assemble(assembly)]);
    change(&mut image);
    match finish(&mut image) {
        Ok(()) => assert_eq!(refused, "", "{assembly}"),
        Err(failure) => {
            assert!(!refused.is_empty(), "{assembly}: {failure:?}");
            assert!(failure.message.contains(refused), "{failure:?}");
            assert_eq!(failure.kind, FailureKind::Link);
        }
    }
}

/// What a compiler makes of position-independent code, for x86-64.
const USUAL: &str = "
    .globl f; f: call g@PLT; mov h@GOTPCREL(%rip), %rax
    lea t@TLSGD(%rip), %rdi; call __tls_get_addr@PLT; ret
    .type i, @gnu_indirect_function; .globl i; i: ret; call i@PLT
    .section .tdata, \"awT\"; .globl t; t: .quad 1
    .data; .quad f, g";

#[test]
fn usual_images_can_be_loaded() {
    // What can be loaded is what this machine's code needs.
    if image::MACHINE != elf::EM_X86_64 {
        return;
    }
    check(USUAL, |_| {}, "");
}

#[test]
fn relocations_in_memory_that_is_shared_are_refused() {
    check(
        ".data; .globl d; d: .quad f",
        |image| {
            let header = elf::FileHeader64::<LittleEndian>::parse(&image[..]).expect("an image");
            let segments = header
                .program_headers(LittleEndian, &image[..])
                .expect("segments");
            let table = header.e_phoff(LittleEndian) as usize;
            let len = segments.len();
            for index in 0..len {
                const P_FLAGS: usize = 4;
                let at = table + index * size_of::<elf::ProgramHeader64<LittleEndian>>() + P_FLAGS;
                image[at] &= !(elf::PF_W.0 as u8);
            }
        },
        "the code holds absolute addresses",
    );
}

#[test]
fn fixed_places_in_the_static_block_are_refused() {
    check(
        "mov t@GOTTPOFF(%rip), %rax",
        |_| {},
        "a relocation of type 18",
    );
}

#[test]
fn what_is_no_image_is_an_error() {
    for bytes in [b"".as_slice(), b"\x7fELF"] {
        let failure = finish(&mut bytes.to_vec()).expect_err("nothing to load");
        assert!(failure.message.contains("is broken"), "{failure:?}");
    }
}
