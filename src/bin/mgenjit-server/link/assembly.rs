//! What the tests of this folder link: objects from assembly for x86-64, and what is to be seen in them.

use crate::link::images::{Linker, Object, Output, Plan};
use crate::llvm::codegen;
use crate::llvm::diagnostics::Diagnostics;
use crate::llvm::target::Targets;
use inkwell::context::Context;
use mgenjit::types::{Emit, OptLevel, Target, TargetSpec};
use object::read::elf::{ElfFile64, FileHeader, SectionHeader, Sym};
use object::{LittleEndian as LE, elf};
use std::sync::{Arc, Mutex, PoisonError};

pub fn assemble(assembly: &str) -> Vec<u8> {
    // LLVM is prepared for the whole process.
    static LLVM: Mutex<()> = Mutex::new(());
    let _alone = LLVM.lock().unwrap_or_else(PoisonError::into_inner);
    let target = Target::Other(TargetSpec {
        triple: "x86_64-linux-gnu".to_owned(),
        cpu: String::new(),
        features: String::new(),
    });
    let targets = Targets::new().expect("the targets");
    let machine = targets.machine(OptLevel::O0, &target).expect("a machine");
    let context = Context::create();
    let diagnostics = Diagnostics::collect(&context);
    let module = context.create_module("test");
    module.set_inline_assembly(assembly);
    codegen::emit(&module, &machine.llvm, Emit::Code, &diagnostics).expect(assembly)
}

/// Links an image. Once in a thread: the linker stays on it.
pub fn link(objects: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let objects: Vec<Object> = (0..)
        .zip(objects)
        .map(|(number, bytes)| Object {
            name: format!("{number}.o"),
            bytes: Arc::new(bytes),
        })
        .collect();
    let plan = Plan {
        emulation: "elf_x86_64",
        output: Output::Shared {
            soname: None,
            keep: None,
        },
        objects: &objects,
        libraries: &[],
    };
    let linker = Linker::new().expect("a linker");
    linker.link(&plan).expect("an image")
}

/// A line for each global symbol that has a name, in the order of names: `f weak hidden`, `g global default undefined`.
pub fn symbols(file: &[u8]) -> Vec<String> {
    let file = ElfFile64::<LE>::parse(file).expect("an ELF file");
    let kind = match file.elf_header().e_type(LE) {
        elf::ET_DYN => elf::SHT_DYNSYM,
        _ => elf::SHT_SYMTAB,
    };
    let sections = file.elf_section_table();
    let table = sections.symbols(LE, file.data(), kind).expect("symbols");
    let mut lines: Vec<String> = table
        .iter()
        .filter(|symbol| symbol.st_bind() != elf::STB_LOCAL && symbol.st_name(LE) != 0)
        .map(|symbol| {
            let name = symbol.name(LE, table.strings()).expect("a name");
            let bind = match symbol.st_bind() {
                elf::STB_GLOBAL => "global",
                elf::STB_WEAK => "weak",
                elf::STB_GNU_UNIQUE => "unique",
                other => panic!("{other:?}"),
            };
            let visibility = match symbol.st_visibility() {
                elf::STV_DEFAULT => "default",
                elf::STV_HIDDEN => "hidden",
                elf::STV_INTERNAL => "internal",
                _ => "protected",
            };
            let undefined = if symbol.is_undefined(LE) {
                " undefined"
            } else {
                ""
            };
            let name = String::from_utf8_lossy(name);
            format!("{name} {bind} {visibility}{undefined}")
        })
        .collect();
    lines.sort_unstable();
    lines
}

/// What a section is: its flags (`a`llocated, `w`ritable, e`x`ecutable, `m`erged, `s`trings, `c`ompressed, `e`xcluded),
/// its size and its alignment, as in `.rodata am 8 16`.
pub fn section(object: &[u8], name: &str) -> Option<String> {
    const FLAGS: [(elf::SectionFlags, char); 7] = [
        (elf::SHF_ALLOC, 'a'),
        (elf::SHF_WRITE, 'w'),
        (elf::SHF_EXECINSTR, 'x'),
        (elf::SHF_MERGE, 'm'),
        (elf::SHF_STRINGS, 's'),
        (elf::SHF_COMPRESSED, 'c'),
        (elf::SHF_EXCLUDE, 'e'),
    ];
    let file = ElfFile64::<LE>::parse(object).expect("an ELF file");
    let table = file.elf_section_table();
    let (_, section) = table.section_by_name(LE, name.as_bytes())?;
    let flags: String = FLAGS
        .iter()
        .filter(|(flag, _)| section.sh_flags(LE).contains(*flag))
        .map(|(_, letter)| *letter)
        .collect();
    let (size, align) = (section.sh_size(LE), section.sh_addralign(LE));
    Some(format!("{name} {flags} {size} {align}"))
}
