//! Relocatable objects that other compilers made.

use crate::input::align;
use crate::input::old_compression;
use crate::input::symbols::{Definition, Reference, Symbols};
use object::read::elf::{ElfFile, FileHeader, SectionHeader, Sym};
use object::{Endianness, LittleEndian, elf};

/// An architecture by its number in ELF files.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Architecture {
    machine: elf::Machine,
    bits: u8,
}

impl Architecture {
    /// The one of an LLVM triple whose objects are ELF files; `None`: no objects are linked for it.
    pub fn of_triple(triple: &str) -> Option<Architecture> {
        let (machine, bits) = match triple.split('-').next()? {
            "x86_64" | "amd64" => (elf::EM_X86_64, 64),
            "i386" | "i686" => (elf::EM_386, 32),
            "aarch64" | "arm64" => (elf::EM_AARCH64, 64),
            "riscv64" => (elf::EM_RISCV, 64),
            "riscv32" => (elf::EM_RISCV, 32),
            _ => return None,
        };
        Some(Architecture { machine, bits })
    }

    pub fn name(self) -> String {
        let name = match self.machine {
            elf::EM_X86_64 => "x86-64",
            elf::EM_386 => "32-bit x86",
            elf::EM_AARCH64 => "AArch64",
            elf::EM_ARM => "32-bit Arm",
            elf::EM_RISCV => "RISC-V",
            elf::EM_PPC64 => "PowerPC 64",
            elf::EM_S390 => "S/390",
            elf::EM_MIPS => "MIPS",
            elf::EM_LOONGARCH => "LoongArch",
            other => return format!("machine {}", other.0),
        };
        name.to_owned()
    }
}

/// An ELF file, as far as the choice of what to link needs it.
pub struct ObjectFile {
    pub symbols: Symbols,
    /// Why it cannot be linked, if so.
    pub unfit: Option<Unfit>,
}

pub struct Unfit {
    /// Whether it is for another machine, and not what a linker takes nowhere.
    pub other_target: bool,
    /// "is …"
    pub reason: String,
}

/// What a file that is neither IR nor ELF seems to be.
pub fn other_format(bytes: &[u8]) -> Option<&'static str> {
    let format = match *bytes.first_chunk()? {
        [0, b'a', b's', b'm'] => "a WebAssembly module",
        [0xcf | 0xce, 0xfa, 0xed, 0xfe] | [0xfe, 0xed, 0xfa, 0xcf | 0xce] => "a Mach-O object",
        [0xca, 0xfe, 0xba, 0xbe] => "a Mach-O file for several machines",
        // The machine, and in the second line what stands for it in large objects and import libraries.
        [0x64, 0x86 | 0xaa, ..] | [0x4c, 0x01, ..] => "a COFF object",
        [0, 0, 0xff, 0xff] => "a COFF object",
        [b'M', b'Z', ..] if bytes.contains(&0) => "a Windows program",
        _ => return None,
    };
    Some(format)
}

/// Reads an ELF file. `wanted`: what is linked for. An error says what is wrong: "is …".
pub fn read(bytes: &[u8], wanted: Option<Architecture>) -> Result<ObjectFile, String> {
    match bytes.get(4).copied().map(elf::FileClass) {
        Some(elf::ELFCLASS32) => read_class::<elf::FileHeader32<Endianness>>(bytes, wanted),
        Some(elf::ELFCLASS64) => read_class::<elf::FileHeader64<Endianness>>(bytes, wanted),
        _ => Err(damaged("it is neither a 32-bit nor a 64-bit one")),
    }
}

fn read_class<H: FileHeader<Endian = Endianness>>(
    bytes: &[u8],
    wanted: Option<Architecture>,
) -> Result<ObjectFile, String> {
    let unreadable = |error: object::read::Error| damaged(&error.to_string());
    let file = ElfFile::<H>::parse(bytes).map_err(unreadable)?;
    let endian = file.endian();
    let header = file.elf_header();
    let architecture = Architecture {
        machine: header.e_machine(endian),
        bits: if header.is_type_64() { 64 } else { 32 },
    };
    let unfit = |other_target, reason| {
        Ok(ObjectFile {
            symbols: Symbols::default(),
            unfit: Some(Unfit {
                other_target,
                reason,
            }),
        })
    };
    let what = match header.e_type(endian) {
        elf::ET_REL => "",
        elf::ET_DYN => {
            "is a shared library or a program, already linked: add the objects or the static archive, or load \
             the library into the executor"
        }
        elf::ET_EXEC => "is a program, already linked: add the objects that it was linked from",
        _ => "is an ELF file of another kind than a relocatable object",
    };
    if !what.is_empty() {
        return unfit(false, what.to_owned());
    }
    let symbols = symbols(&file)?;
    let Some(wanted) = wanted else {
        return Ok(ObjectFile {
            symbols,
            unfit: Some(Unfit {
                other_target: true,
                reason: format!(
                    "is an ELF object for {}, which cannot be linked for this target",
                    architecture.name()
                ),
            }),
        });
    };
    let reason = if architecture.machine != wanted.machine {
        Some(format!(
            "is an object for {}, but code is generated for {}",
            architecture.name(),
            wanted.name()
        ))
    } else if architecture.bits != wanted.bits || endian == Endianness::Big {
        let order = |endian| {
            if endian == Endianness::Big {
                "big"
            } else {
                "little"
            }
        };
        Some(format!(
            "is a {}-bit {}-endian object for {}, but code is generated for {} bits and little-endian",
            architecture.bits,
            order(endian),
            architecture.name(),
            wanted.bits
        ))
    } else {
        None
    };
    let unfit = match reason {
        Some(reason) => Some(Unfit {
            other_target: true,
            reason,
        }),
        None => is_slim(&file)?.then(|| Unfit {
            other_target: false,
            reason: "holds no code, only what gcc needs to make some when it links (-flto): compile it with \
                     -fno-lto or -ffat-lto-objects"
                .to_owned(),
        }),
    };
    Ok(ObjectFile { symbols, unfit })
}

fn symbols<H: FileHeader<Endian = Endianness>>(file: &ElfFile<'_, H>) -> Result<Symbols, String> {
    let endian = file.endian();
    let unreadable = |error: object::read::Error| damaged(&error.to_string());
    let sections = file.elf_section_table();
    let table = file.elf_symbol_table();
    let mut symbols = Symbols::default();
    for (index, symbol) in table.enumerate() {
        if symbol.st_bind() == elf::STB_LOCAL {
            continue;
        }
        let name = symbol.name(endian, table.strings()).map_err(unreadable)?;
        let Ok(name) = str::from_utf8(name) else {
            continue;
        };
        let name = name.to_owned();
        let weak = symbol.st_bind() == elf::STB_WEAK;
        if symbol.is_undefined(endian) {
            if !name.is_empty() {
                symbols.undefined.push(Reference { name, weak });
            }
            continue;
        }
        let section = table
            .symbol_section(endian, symbol, index)
            .map_err(unreadable)?;
        let in_group = match section {
            Some(section) => sections
                .section(section)
                .map_err(unreadable)?
                .sh_flags(endian)
                .contains(elf::SHF_GROUP),
            None => false,
        };
        let hidden = matches!(symbol.st_visibility(), elf::STV_HIDDEN | elf::STV_INTERNAL);
        symbols.defined.push(Definition {
            name,
            unique: symbol.st_bind() == elf::STB_GLOBAL && !in_group && !symbol.is_common(endian),
            exported: !hidden,
        });
    }
    Ok(symbols)
}

/// Refuses what is in no object that a compiler makes, and would have the linker reserve memory or search without
/// end. Other damage it notices by itself.
pub fn check(bytes: &[u8]) -> Result<(), String> {
    let unreadable = |error: object::read::Error| damaged(&error.to_string());
    if bytes.get(4) != Some(&elf::ELFCLASS64.0) {
        // It is put into an archive, and linked by somebody else.
        return Ok(());
    }
    let file = ElfFile::<elf::FileHeader64<LittleEndian>>::parse(bytes).map_err(unreadable)?;
    let endian = LittleEndian;
    let sections = file.elf_section_table();
    for section in sections.iter() {
        let alignment = section.sh_addralign(endian);
        // More than this is in no object that a compiler makes, and would only exhaust memory.
        if alignment > align::MAX || (alignment > 1 && !alignment.is_power_of_two()) {
            return Err(damaged(&format!(
                "a section wants an alignment of {alignment}"
            )));
        }
        let data = section.data(endian, bytes).map_err(unreadable)?;
        let len = decompressed_len(&file, section).map_err(unreadable)?;
        // What repeats without end becomes a thousandth.
        if let Some(len) = len.filter(|len| len / 2000 > data.len() as u64) {
            return Err(damaged(&format!(
                "a section is said to become {len} bytes when it is decompressed"
            )));
        }
        if let Some((relocations, _)) = section.rela(endian, bytes).map_err(unreadable)? {
            check_strings(&file, relocations)?;
        }
    }
    Ok(())
}

/// `None`: it is not compressed.
fn decompressed_len(
    file: &ElfFile<'_, elf::FileHeader64<LittleEndian>>,
    section: &elf::SectionHeader64<LittleEndian>,
) -> object::read::Result<Option<u64>> {
    let endian = LittleEndian;
    if let Some((header, ..)) = section.compression(endian, file.data())? {
        return Ok(Some(header.ch_size.get(endian)));
    }
    let name = file.elf_section_table().section_name(endian, section)?;
    let content = section.data(endian, file.data())?;
    Ok(old_compression::parts(name, content).map(|(len, _)| len))
}

/// References into sections of strings, which the linker takes apart, must not lead far out of them.
fn check_strings(
    file: &ElfFile<'_, elf::FileHeader64<LittleEndian>>,
    relocations: &[elf::Rela64<LittleEndian>],
) -> Result<(), String> {
    let endian = LittleEndian;
    let table = file.elf_symbol_table();
    let sections = file.elf_section_table();
    for relocation in relocations {
        let index = object::SymbolIndex(relocation.r_sym(endian, false) as usize);
        let Ok(symbol) = table.symbol(index) else {
            continue;
        };
        let Ok(Some(section)) = table.symbol_section(endian, symbol, index) else {
            continue;
        };
        let Ok(section) = sections.section(section) else {
            continue;
        };
        if !section.sh_flags(endian).contains(elf::SHF_MERGE) {
            continue;
        }
        let len = match decompressed_len(file, section) {
            Ok(Some(len)) => len,
            _ => section.sh_size(endian),
        };
        // A distance counts from behind the instruction, whose rest is shorter than this.
        let end = len.saturating_add(64);
        let value = symbol.st_value(endian);
        let addend = relocation.r_addend.get(endian);
        // The addend of a name is counted from the string, that of a section chooses it.
        let strays = symbol.st_name.get(endian) == 0
            && !(-64..=i64::try_from(end).unwrap_or(i64::MAX)).contains(&addend);
        if value > end || strays {
            return Err(damaged("a reference leads out of a section of strings"));
        }
    }
    Ok(())
}

fn is_slim<H: FileHeader<Endian = Endianness>>(file: &ElfFile<'_, H>) -> Result<bool, String> {
    let endian = file.endian();
    let sections = file.elf_section_table();
    let mut has_lto = false;
    for section in sections.iter() {
        let name = sections
            .section_name(endian, section)
            .map_err(|error| damaged(&error.to_string()))?;
        has_lto |= name.starts_with(b".gnu.lto_");
        let size: u64 = section.sh_size(endian).into();
        if section.sh_flags(endian).contains(elf::SHF_ALLOC) && size > 0 {
            return Ok(false);
        }
    }
    Ok(has_lto)
}

/// What a relocation means for an image that is loaded at any address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// What libwild 0.10 writes wrongly, and says nothing.
    Miswritten,
    /// An absolute address in 32 bits, or in memory that is not written.
    Absolute,
    /// A thread-local variable in the static block.
    StaticTls,
    /// A thread-local variable by way of a descriptor.
    TlsDescriptor,
    /// The distance to something that may lie in another image.
    Distance,
}

/// The first relocation of the worst kind that an object for x86-64 or AArch64 has, and the name that it refers to, of those that
/// matter.
pub fn fault(bytes: &[u8], matters: impl Fn(Fault, &str) -> bool) -> Option<(Fault, String)> {
    let file = ElfFile::<elf::FileHeader64<Endianness>>::parse(bytes).ok()?;
    let endian = file.endian();
    let sections = file.elf_section_table();
    let table = file.elf_symbol_table();
    let mut worst: Option<(Fault, String)> = None;
    for section in sections.iter() {
        let Ok(Some((relocations, _))) = section.rela(endian, bytes) else {
            continue;
        };
        let index = object::SectionIndex(section.sh_info(endian) as usize);
        let Ok(place) = sections.section(index) else {
            continue;
        };
        let flags = place.sh_flags(endian);
        if !flags.contains(elf::SHF_ALLOC) {
            continue;
        }
        for relocation in relocations {
            let symbol = object::SymbolIndex(relocation.r_sym(endian, false) as usize);
            let name = table
                .symbol(symbol)
                .ok()
                .and_then(|symbol| symbol.name(endian, table.strings()).ok())
                .and_then(|name| str::from_utf8(name).ok())
                .unwrap_or_default();
            let fault = match relocation.r_type(endian, false) {
                // No type of one machine has the number of another's.
                elf::R_AARCH64_GOT_LD_PREL19
                | elf::R_AARCH64_TLSLD_LD_PREL19
                | elf::R_AARCH64_GOTREL64
                | elf::R_AARCH64_GOTREL32 => Fault::Miswritten,
                elf::R_X86_64_32
                | elf::R_X86_64_32S
                | elf::R_X86_64_16
                | elf::R_X86_64_8
                | elf::R_AARCH64_ABS32
                | elf::R_AARCH64_ABS16
                | elf::R_AARCH64_MOVW_UABS_G0
                | elf::R_AARCH64_MOVW_UABS_G0_NC
                | elf::R_AARCH64_MOVW_UABS_G1
                | elf::R_AARCH64_MOVW_UABS_G1_NC
                | elf::R_AARCH64_MOVW_UABS_G2
                | elf::R_AARCH64_MOVW_UABS_G2_NC
                | elf::R_AARCH64_MOVW_UABS_G3 => Fault::Absolute,
                elf::R_X86_64_64 | elf::R_AARCH64_ABS64 if flags.contains(elf::SHF_EXECINSTR) => {
                    Fault::Absolute
                }
                elf::R_X86_64_TPOFF32 | elf::R_X86_64_TPOFF64 | elf::R_X86_64_GOTTPOFF => {
                    Fault::StaticTls
                }
                kind if (elf::R_AARCH64_TLSIE_MOVW_GOTTPREL_G1.0
                    ..elf::R_AARCH64_TLSDESC_LD_PREL19.0)
                    .contains(&kind.0) =>
                {
                    Fault::StaticTls
                }
                elf::R_X86_64_GOTPC32_TLSDESC => Fault::TlsDescriptor,
                elf::R_X86_64_PC32
                | elf::R_X86_64_PC64
                | elf::R_AARCH64_PREL32
                | elf::R_AARCH64_PREL64
                | elf::R_AARCH64_ADR_PREL_LO21
                | elf::R_AARCH64_ADR_PREL_PG_HI21 => Fault::Distance,
                _ => continue,
            };
            if matters(fault, name) && worst.as_ref().is_none_or(|(known, _)| fault < *known) {
                worst = Some((fault, name.to_owned()));
            }
        }
    }
    worst
}

fn damaged(how: &str) -> String {
    format!("is an ELF file that is cut short or damaged: {how}")
}
