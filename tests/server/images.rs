//! What an image holds.

use crate::client::Server;
use crate::inputs::{GOOD, here};
use crate::loaded::Loaded;
use crate::machine;
use mgenjit::types::OptLevel;
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader, Rela, SectionHeader};
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol, elf};
use std::env::consts::ARCH;
use std::ffi::c_void;

#[test]
fn images_are_fit_to_be_mapped() {
    let mut server = Server::start();
    for ir in [
        GOOD,
        "; nothing at all",
        &here(include_str!("../ir/server/shared.ll")),
        &here(include_str!("../ir/server/exception.ll")),
    ] {
        for level in [OptLevel::O0, OptLevel::O2] {
            let compiled = server
                .compile("test", ir.as_bytes(), level)
                .unwrap_compiled();
            check_image(&compiled.image);
        }
    }

    fn check_image(image: &[u8]) {
        let endian = LittleEndian;
        let file = ElfFile64::<LittleEndian>::parse(image).unwrap();
        assert_eq!(file.elf_header().e_type(endian), elf::ET_DYN);
        assert_eq!(file.build_id().unwrap().unwrap().len(), 32);
        assert!(file.section_by_name(".symtab").is_some());
        assert!(file.section_by_name(".ctors").is_none());
        let mut writable = Vec::new();
        for segment in file.elf_program_headers() {
            let flags = segment.p_flags(endian);
            assert!(!(flags.contains(elf::PF_W) && flags.contains(elf::PF_X)));
            if segment.p_type(endian) == elf::PT_LOAD {
                assert_eq!(segment.p_align(endian), machine::LONGEST_PAGE);
                if flags.contains(elf::PF_W) {
                    let start = segment.p_vaddr(endian);
                    writable.push(start..start + segment.p_memsz(endian));
                }
            }
        }
        // libgcc reads until it finds a length of zero.
        if let Some(frames) = file.section_by_name(".eh_frame") {
            assert!(frames.data().unwrap().ends_with(&[0; 4]));
        }
        let dynamic = file.section_by_name(".dynamic").unwrap();
        let tags: Vec<u64> = dynamic
            .data()
            .unwrap()
            .chunks(16)
            .map(|entry| u64::from_le_bytes(entry[..8].try_into().unwrap()))
            .collect();
        let has = |tag: elf::DynamicTag| tags.contains(&(tag.0 as u64));
        assert!(has(elf::DT_SYMTAB) && has(elf::DT_STRTAB) && has(elf::DT_GNU_HASH));
        assert!(!has(elf::DT_TEXTREL) && !has(elf::DT_NEEDED) && !has(elf::DT_HASH));
        for section in file.elf_section_table().iter() {
            let Some((relocations, _)) = section.rela(endian, image).unwrap() else {
                continue;
            };
            assert!(has(elf::DT_RELA));
            for relocation in relocations {
                let place = relocation.r_offset(endian);
                assert!(writable.iter().any(|range| range.contains(&place)));
                let kind = relocation.r_type(endian, false);
                let unfit = match ARCH {
                    "aarch64" => [elf::R_AARCH64_TLS_TPREL, elf::R_AARCH64_COPY],
                    _ => [elf::R_X86_64_TPOFF64, elf::R_X86_64_COPY],
                };
                assert!(!unfit.contains(&kind), "{kind:?}");
            }
        }
    }
}

#[test]
fn every_frame_can_be_unwound() {
    // Without unwind tables for functions that cannot throw, a stack trace would end at the first.
    let ir = "define i32 @f(i32 %x) nounwind { ret i32 %x }\ndefine i32 @g(i32 %x) nounwind { ret i32 %x }";
    let compiled = Server::start()
        .compile("test", ir.as_bytes(), OptLevel::O2)
        .unwrap_compiled();
    let file = ElfFile64::<LittleEndian>::parse(compiled.image.as_slice()).unwrap();
    let header = file.section_by_name(".eh_frame_hdr").unwrap();
    let count = &header.data().unwrap()[8..12];
    assert_eq!(count, 2_u32.to_le_bytes());
}

#[test]
fn modules_share_weak_symbols() {
    // The first image's definition has to serve both, as the dynamic linker decides.
    let ir = |function: &str| {
        format!(
            "@shared_counter = {} global i32 0
             define weak dso_local i32 @whose() {{ ret i32 1 }}
             define ptr @{function}() {{ ret ptr @shared_counter }}
             define ptr @{function}_whose() {{ ret ptr @whose }}",
            "common dso_local"
        )
    };
    let mut server = Server::start();
    let mut image = |function: &str| {
        server
            .compile("test", ir(function).as_bytes(), OptLevel::O2)
            .unwrap_compiled()
            .image
    };
    let first = Loaded::new(&image("shared_first"));
    let second = Loaded::new(&image("shared_second"));
    assert_eq!(
        first.call_pointer("shared_first"),
        second.call_pointer("shared_second")
    );
    assert_eq!(
        first.call_pointer("shared_first_whose"),
        second.call_pointer("shared_second_whose")
    );
}

#[test]
fn names_of_the_static_libc_are_provided() {
    fn check(name: &str, declaration: &str, call: &str, handle_expected: bool) {
        let ir = format!(
            "@ran = global i32 0
             define internal void @handler() {{ store i32 1, ptr @ran ret void }}
             {declaration}
             define i32 @test() {{ {call} ret i32 %r }}"
        );
        let compiled = Server::start()
            .compile("test", ir.as_bytes(), OptLevel::O2)
            .unwrap_compiled();
        let file = ElfFile64::<LittleEndian>::parse(compiled.image.as_slice()).unwrap();
        assert!(
            !file
                .dynamic_symbols()
                .any(|symbol| symbol.name() == Ok(name) && symbol.is_undefined()),
            "{name} is left to the loader"
        );
        // What is provided belongs to the image, and is not in the object that goes elsewhere.
        let object = ElfFile64::<LittleEndian>::parse(compiled.object.as_slice()).unwrap();
        assert_eq!(
            object
                .symbols()
                .any(|symbol| symbol.name() == Ok("__mgenjit_dso_handle")),
            declaration.contains("__mgenjit_dso_handle")
        );

        let loaded = Loaded::new(&compiled.image);
        assert_eq!(loaded.call("test"), 0, "{name}");
        let handle = loaded.symbol("__mgenjit_dso_handle");
        assert_eq!(!handle.is_null(), handle_expected, "{name}");
        if name == "atexit" || name == "__dso_handle" {
            unsafe extern "C" {
                fn __cxa_finalize(handle: *mut c_void);
            }
            let ran = loaded.symbol("ran").cast::<i32>();
            // SAFETY: the image is loaded, `ran` is its `i32`, and its handler may run now.
            unsafe {
                assert_eq!(ran.read_volatile(), 0);
                __cxa_finalize(handle);
                assert_eq!(ran.read_volatile(), 1, "{name}");
            }
        }
    }
    check(
        "atexit",
        "declare i32 @atexit(ptr)",
        "%r = call i32 @atexit(ptr @handler)",
        true,
    );
    check(
        "__dso_handle",
        "@__dso_handle = external hidden global i8\ndeclare i32 @__cxa_atexit(ptr, ptr, ptr)",
        "%r = call i32 @__cxa_atexit(ptr @handler, ptr null, ptr @__dso_handle)",
        true,
    );
    check(
        "at_quick_exit",
        "declare i32 @at_quick_exit(ptr)",
        "%r = call i32 @at_quick_exit(ptr @handler)",
        true,
    );
    check(
        "pthread_atfork",
        "declare i32 @pthread_atfork(ptr, ptr, ptr)",
        "%r = call i32 @pthread_atfork(ptr null, ptr null, ptr null)",
        true,
    );
    // The module's own wins.
    check(
        "atexit",
        "@__dso_handle = hidden global i8 0
         @__mgenjit_dso_handle = alias i8, ptr @__dso_handle
         declare i32 @atexit(ptr)",
        "%r = call i32 @atexit(ptr @handler)",
        true,
    );
    check("none", "", "%r = add i32 0, 0", false);
}
