//! Hidden and one-for-all symbols of images.
//!
//! The modules of an executor are one program, and what is hidden in one is to be found by the others. To a linker, an
//! image is the whole of what hidden symbols mean something in: it binds those that nothing defines to address 0, and
//! says nothing. So it gets objects without hidden symbols ([`open`]), and what it must not know is written into the
//! image behind it ([`close`]), for the loader:
//!
//! - `STV_HIDDEN`, at a symbol that is undefined: it is to be found in this program alone. At one that is defined: others
//!   than this program do not find it.
//! - `STB_GNU_UNIQUE` at a weak definition: it may be the one that the process has already.

use mgenjit::protocol::messages::{Failure, FailureKind};
use object::read::elf::{ElfFile64, SectionHeader, SectionTable, Sym, SymbolTable};
use object::{LittleEndian, SectionIndex, SymbolIndex, elf};
use std::collections::{HashMap, HashSet};

/// What an image's symbols are beside what the linker makes of them, by name.
#[derive(Default)]
pub struct Marks {
    /// Whether each reference to a function that others can see is left to the loader.
    pub replaceable: bool,
    hidden: HashSet<String>,
    /// Strong definitions that the linker is told are weak, so that it does not bind them.
    strong: HashSet<String>,
    /// Indirect functions that the linker is told are ordinary ones, because it binds all of those in an image.
    indirect: HashSet<String>,
    /// Weak definitions of which all are the same.
    pub same: HashSet<String>,
    /// Names that something refers to and nothing in the image defines.
    undefined: HashSet<String>,
}

/// A place that takes for granted that a hidden symbol is in the same image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InPlace {
    pub name: String,
    pub thread_local: bool,
}

impl InPlace {
    /// What is wrong with an input that has such a place.
    pub fn reason(&self) -> String {
        let name = &self.name;
        if self.thread_local {
            format!(
                "takes the hidden thread-local variable `{name}` for one of its own image, but no input defines it: add the \
                 input that does to the same module, or declare and define it with default visibility"
            )
        } else {
            format!(
                "takes the hidden symbol `{name}` for one of its own image, but no input defines it, and code like this \
                 cannot reach another: add the input that defines it to the same module, or compile both with \
                 -fvisibility=default"
            )
        }
    }
}

type Object<'data> = ElfFile64<'data, LittleEndian>;

/// Where `st_info` and `st_other` are in a symbol, and `r_info` in a relocation.
const INFO: usize = 4;
const OTHER: usize = 5;
const RELOCATION: usize = 8;

/// The object as the linker of an image is to see it; `None`: as it is. `defined`: all that is defined in the image.
/// `opened`: hidden weak definitions that the object reaches as if they were in another image.
pub fn open(
    bytes: &[u8],
    defined: &HashSet<&str>,
    opened: &HashSet<String>,
    marks: &mut Marks,
) -> Result<Option<Vec<u8>>, InPlace> {
    // What cannot be read is refused by the linker, which says more.
    let Ok(file) = Object::parse(bytes) else {
        return Ok(None);
    };
    let Some(symbols) = Symbols::of(&file) else {
        return Ok(None);
    };
    let mut edits: Vec<(usize, u8)> = Vec::new();
    // Those that lie in another image although the object says that they are hidden.
    let mut elsewhere: HashMap<u32, &str> = HashMap::new();
    for symbol in symbols.globals() {
        let Symbol {
            index,
            place,
            name,
            raw,
        } = symbol;
        let visibility = raw.st_visibility();
        let bind = raw.st_bind();
        let (info, other) = (place + INFO, place + OTHER);
        let with_visibility =
            |wanted: elf::SymbolVisibility| (other, raw.st_other().0 & !3 | wanted.0);
        let as_weak = || (info, (elf::STB_WEAK.0 << 4) | raw.st_type().0);
        if raw.is_undefined(LittleEndian) {
            if visibility == elf::STV_DEFAULT || name.is_empty() {
                continue;
            }
            if visibility != elf::STV_PROTECTED || !defined.contains(name) {
                marks.hidden.insert(name.to_owned());
            }
            if defined.contains(name) {
                // A hidden reference would keep the definition from the other images.
                edits.push(with_visibility(elf::STV_PROTECTED));
            } else {
                elsewhere.insert(index, name);
                edits.push(with_visibility(elf::STV_DEFAULT));
            }
            continue;
        }
        match visibility {
            elf::STV_HIDDEN | elf::STV_INTERNAL => {
                // LLVM's pointer to a personality function is each object's own.
                if name.starts_with("DW.ref.") {
                    continue;
                }
                marks.hidden.insert(name.to_owned());
                // Protected: others find it, and the image's own references are bound inside.
                edits.push(with_visibility(if opened.contains(name) {
                    elf::STV_DEFAULT
                } else {
                    elf::STV_PROTECTED
                }));
                if bind == elf::STB_GNU_UNIQUE {
                    edits.push(as_weak());
                }
            }
            elf::STV_DEFAULT if bind == elf::STB_GNU_UNIQUE => {
                marks.same.insert(name.to_owned());
                // Else the linker would bind it inside the image.
                edits.push(as_weak());
            }
            elf::STV_DEFAULT if bind == elf::STB_WEAK && symbols.is_in_group(&symbol) => {
                marks.same.insert(name.to_owned());
            }
            _ => {}
        }
    }
    note_undefined(&file, &symbols, defined, marks);
    if !elsewhere.is_empty() {
        reach(&file, &elsewhere, &mut edits)?;
    }
    if marks.replaceable {
        loosen(&file, &symbols, defined, marks, &mut edits);
    }
    if edits.is_empty() {
        return Ok(None);
    }
    let mut changed = bytes.to_vec();
    for (place, byte) in edits {
        if let Some(target) = changed.get_mut(place) {
            *target = byte;
        }
    }
    Ok(Some(changed))
}

/// Notes what the code refers to and the image does not define. What is only in a group may be dropped with it.
fn note_undefined(
    file: &Object<'_>,
    symbols: &Symbols<'_>,
    defined: &HashSet<&str>,
    marks: &mut Marks,
) {
    for (section, relocations) in relocations(file) {
        if section.sh_flags(LittleEndian).contains(elf::SHF_GROUP) {
            continue;
        }
        for relocation in relocations.entries {
            let index = relocation.r_sym(LittleEndian, false);
            if let Some(symbol) = symbols.get(index)
                && symbol.raw.is_undefined(LittleEndian)
                && symbol.raw.st_bind() != elf::STB_LOCAL
                && !symbol.name.is_empty()
                && !defined.contains(symbol.name)
                && !marks.undefined.contains(symbol.name)
            {
                marks.undefined.insert(symbol.name.to_owned());
            }
        }
    }
}

/// A symbol's `st_info`.
fn info(bind: elf::SymbolBind, ty: elf::SymbolType) -> u8 {
    (bind.0 << 4) | ty.0
}

/// Leaves references to functions that the image defines to the loader, where code can reach them in another image: the
/// linker sees weak definitions with default visibility.
fn loosen<'data>(
    file: &Object<'data>,
    symbols: &Symbols<'data>,
    defined: &HashSet<&str>,
    marks: &mut Marks,
    edits: &mut Vec<(usize, u8)>,
) {
    let is_loose = |symbol: &Symbol<'data>| match symbol.raw.is_undefined(LittleEndian) {
        // A reference that is not visible would close the definition.
        true => symbol.raw.st_visibility() != elf::STV_DEFAULT && defined.contains(symbol.name),
        false => matches!(symbol.raw.st_type(), elf::STT_FUNC | elf::STT_GNU_IFUNC),
    };
    let loose = symbols.globals().filter(is_loose);
    let mut loose: HashMap<u32, Symbol<'data>> =
        loose.map(|symbol| (symbol.index, symbol)).collect();
    loose.retain(|_, symbol| !symbol.name.is_empty());
    let reaching = loop {
        let names = loose.iter().map(|(index, symbol)| (*index, symbol.name));
        let mut reaching = Vec::new();
        match reach(file, &names.collect(), &mut reaching) {
            Ok(()) => break reaching,
            // It stays bound inside the image.
            Err(place) => loose.retain(|_, symbol| symbol.name != place.name),
        }
    };
    edits.extend(reaching);
    for symbol in loose.into_values() {
        let other = symbol.raw.st_other().0 & !3 | elf::STV_DEFAULT.0;
        edits.push((symbol.place + OTHER, other));
        if symbol.raw.is_undefined(LittleEndian) {
            continue;
        }
        edits.push((symbol.place + INFO, info(elf::STB_WEAK, elf::STT_FUNC)));
        if symbol.raw.st_bind() == elf::STB_GLOBAL {
            marks.strong.insert(symbol.name.to_owned());
        }
        if symbol.raw.st_type() == elf::STT_GNU_IFUNC {
            marks.indirect.insert(symbol.name.to_owned());
        }
    }
}

/// Has code that was compiled for a symbol in the same image reach it in another one, where it can be done within the
/// same bytes.
fn reach(
    file: &Object<'_>,
    elsewhere: &HashMap<u32, &str>,
    edits: &mut Vec<(usize, u8)>,
) -> Result<(), InPlace> {
    for (section, relocations) in relocations(file) {
        let code = section.data(LittleEndian, file.data()).unwrap_or_default();
        let code_at = usize::try_from(section.sh_offset(LittleEndian)).unwrap_or(usize::MAX);
        for (number, relocation) in relocations.entries.iter().enumerate() {
            let Some(name) = elsewhere.get(&relocation.r_sym(LittleEndian, false)) else {
                continue;
            };
            let entry = number * size_of::<elf::Rela64<LittleEndian>>();
            let become_kind = |kind: elf::RelocationType| {
                let at = relocations.at + entry + RELOCATION;
                let [low, high, ..] = kind.0.to_le_bytes();
                [(at, low), (at + 1, high)]
            };
            let in_place = |thread_local| InPlace {
                name: (*name).to_owned(),
                thread_local,
            };
            let at = usize::try_from(relocation.r_offset.get(LittleEndian)).unwrap_or(0);
            let addend = relocation.r_addend.get(LittleEndian);
            // No type of one machine has the number of another's.
            match relocation.r_type(LittleEndian, false) {
                elf::R_X86_64_PC32 => {
                    let plain = addend == -4;
                    let before = |back: usize| at.checked_sub(back).and_then(|at| code.get(at));
                    match (before(3), before(2), before(1)) {
                        // `call`, `jmp`, and the conditional jumps.
                        (_, _, Some(0xe8 | 0xe9)) | (_, Some(0x0f), Some(0x80..=0x8f)) => {
                            edits.extend(become_kind(elf::R_X86_64_PLT32));
                        }
                        // `lea symbol(%rip), %register` becomes `mov symbol@GOTPCREL(%rip), %register`.
                        (Some(0x48 | 0x4c), Some(0x8d), Some(modrm))
                            if plain && modrm & 0xc7 == 5 =>
                        {
                            edits.push((code_at + at - 2, 0x8b));
                            edits.extend(become_kind(elf::R_X86_64_REX_GOTPCRELX));
                        }
                        _ => return Err(in_place(false)),
                    }
                }
                elf::R_X86_64_PC64
                | elf::R_X86_64_GOTOFF64
                | elf::R_X86_64_PC16
                | elf::R_X86_64_PC8 => {
                    return Err(in_place(false));
                }
                // `adrp register, symbol` becomes `adrp register, :got:symbol`.
                elf::R_AARCH64_ADR_PREL_PG_HI21 | elf::R_AARCH64_ADR_PREL_PG_HI21_NC
                    if addend == 0 =>
                {
                    edits.extend(become_kind(elf::R_AARCH64_ADR_GOT_PAGE));
                }
                // `add register, page, :lo12:symbol` becomes `ldr register, [page, :got_lo12:symbol]`.
                elf::R_AARCH64_ADD_ABS_LO12_NC if addend == 0 => {
                    let word = code.get(at..).and_then(|rest| rest.first_chunk());
                    let add = word.map_or(0, |word| u32::from_le_bytes(*word));
                    const REGISTERS: u32 = 0x3ff;
                    if add & !REGISTERS != 0x9100_0000 {
                        return Err(in_place(false));
                    }
                    let load = 0xf940_0000 | (add & REGISTERS);
                    edits.extend((code_at + at..).zip(load.to_le_bytes()));
                    edits.extend(become_kind(elf::R_AARCH64_LD64_GOT_LO12_NC));
                }
                elf::R_AARCH64_PREL64
                | elf::R_AARCH64_PREL32
                | elf::R_AARCH64_PREL16
                | elf::R_AARCH64_LD_PREL_LO19
                | elf::R_AARCH64_ADR_PREL_LO21
                | elf::R_AARCH64_ADR_PREL_PG_HI21
                | elf::R_AARCH64_ADR_PREL_PG_HI21_NC
                | elf::R_AARCH64_ADD_ABS_LO12_NC
                | elf::R_AARCH64_LDST8_ABS_LO12_NC
                | elf::R_AARCH64_LDST16_ABS_LO12_NC
                | elf::R_AARCH64_LDST32_ABS_LO12_NC
                | elf::R_AARCH64_LDST64_ABS_LO12_NC
                | elf::R_AARCH64_LDST128_ABS_LO12_NC => {
                    return Err(in_place(false));
                }
                elf::R_X86_64_TLSLD | elf::R_X86_64_DTPOFF32 | elf::R_X86_64_DTPOFF64 => {
                    return Err(in_place(true));
                }
                kind if (elf::R_AARCH64_TLSLD_ADR_PREL21.0
                    ..elf::R_AARCH64_TLSIE_MOVW_GOTTPREL_G1.0)
                    .contains(&kind.0) =>
                {
                    return Err(in_place(true));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Marks the symbols of an image that was linked of opened objects. `whole`: nothing was left out that nobody refers
/// to; then every name that is undefined must have stayed so.
pub fn close(image: &mut [u8], marks: &Marks, whole: bool) -> Result<(), Failure> {
    let mut edits = Vec::new();
    let file = Object::parse(&*image).map_err(unreadable)?;
    let sections = file.elf_section_table();
    let mut known: HashSet<&str> = HashSet::new();
    for kind in [elf::SHT_DYNSYM, elf::SHT_SYMTAB] {
        let table = sections
            .symbols(LittleEndian, file.data(), kind)
            .map_err(unreadable)?;
        let Some(symbols) = Symbols::in_table(&file, table) else {
            continue;
        };
        for symbol in symbols.all() {
            let undefined = symbol.raw.is_undefined(LittleEndian);
            // The linker's own names, such as those of a section's start, are in the second table alone.
            if undefined == (kind == elf::SHT_DYNSYM) {
                known.insert(symbol.name);
            }
            if kind != elf::SHT_DYNSYM {
                continue;
            }
            let is_hidden = marks.hidden.contains(symbol.name);
            if is_hidden {
                let other = symbol.raw.st_other().0 & !3 | elf::STV_HIDDEN.0;
                edits.push((symbol.place + OTHER, other));
            }
            if undefined || symbol.raw.st_bind() != elf::STB_WEAK {
                continue;
            }
            let is_default = symbol.raw.st_visibility() == elf::STV_DEFAULT;
            let bind = if marks.strong.contains(symbol.name) {
                elf::STB_GLOBAL
            } else if !is_hidden && is_default && marks.same.contains(symbol.name) {
                elf::STB_GNU_UNIQUE
            } else {
                elf::STB_WEAK
            };
            let ty = match marks.indirect.contains(symbol.name) {
                true => elf::STT_GNU_IFUNC,
                false => symbol.raw.st_type(),
            };
            edits.push((symbol.place + INFO, info(bind, ty)));
        }
    }
    if whole {
        check_undefined(marks, &known)?;
    }
    for (place, byte) in edits {
        if let Some(target) = image.get_mut(place) {
            *target = byte;
        }
    }
    Ok(())
}

/// What is undefined must be left to the loader.
fn check_undefined(marks: &Marks, known: &HashSet<&str>) -> Result<(), Failure> {
    let mut bound: Vec<&str> = marks
        .undefined
        .iter()
        .map(String::as_str)
        // One with a version gets another name.
        .filter(|name| !known.contains(name) && !name.contains('@'))
        .collect();
    bound.sort_unstable();
    if bound.is_empty() {
        return Ok(());
    }
    Err(failure(format!(
        "the linker has bound what nothing defines: {}; this is a defect of the server",
        bound.join(", ")
    )))
}

/// Gives an object's symbols the visibility that the module stated.
pub fn restore(object: &mut [u8], stated: &HashMap<String, elf::SymbolVisibility>) {
    let mut edits = Vec::new();
    if let Ok(file) = Object::parse(&*object)
        && let Some(symbols) = Symbols::of(&file)
    {
        for symbol in symbols.globals() {
            if let Some(visibility) = stated.get(symbol.name)
                && symbol.raw.st_visibility() == elf::STV_DEFAULT
            {
                let other = symbol.raw.st_other().0 & !3 | visibility.0;
                edits.push((symbol.place + OTHER, other));
            }
        }
    }
    for (place, byte) in edits {
        if let Some(target) = object.get_mut(place) {
            *target = byte;
        }
    }
}

/// The names that an object needs from its own library, because they are hidden in some way and it does not define
/// them. Those that may stay undefined are not among them.
pub fn undefined_hidden(bytes: &[u8]) -> Vec<String> {
    with_symbols(bytes, |symbol| {
        let needed = symbol.raw.is_undefined(LittleEndian)
            && symbol.raw.st_bind() != elf::STB_WEAK
            && symbol.raw.st_visibility() != elf::STV_DEFAULT
            && !symbol.name.is_empty();
        needed.then(|| symbol.name.to_owned())
    })
}

/// Where in an object are the bytes with the visibility of symbols that are internal.
pub fn internal(bytes: &[u8]) -> Vec<usize> {
    with_symbols(bytes, |symbol| {
        let is_internal = symbol.raw.st_visibility() == elf::STV_INTERNAL;
        is_internal.then_some(symbol.place + OTHER)
    })
}

fn with_symbols<T>(bytes: &[u8], of: impl Fn(Symbol<'_>) -> Option<T>) -> Vec<T> {
    let Ok(file) = Object::parse(bytes) else {
        return Vec::new();
    };
    let symbols = Symbols::of(&file);
    let symbols = symbols.iter().flat_map(Symbols::globals);
    symbols.filter_map(of).collect()
}

/// A table of symbols.
struct Symbols<'data> {
    table: SymbolTable<'data, elf::FileHeader64<LittleEndian>>,
    sections: SectionTable<'data, elf::FileHeader64<LittleEndian>>,
    /// Where it is in the file.
    at: usize,
}

struct Symbol<'data> {
    index: u32,
    /// Where it is in the file.
    place: usize,
    /// Empty if it is not UTF-8: then nobody can ask for it.
    name: &'data str,
    raw: &'data elf::Sym64<LittleEndian>,
}

impl<'data> Symbols<'data> {
    fn of(file: &Object<'data>) -> Option<Symbols<'data>> {
        Symbols::in_table(file, *file.elf_symbol_table())
    }

    /// `None`: there is no such table.
    fn in_table(
        file: &Object<'data>,
        table: SymbolTable<'data, elf::FileHeader64<LittleEndian>>,
    ) -> Option<Symbols<'data>> {
        let sections = *file.elf_section_table();
        let section = sections.section(table.section()).ok()?;
        Some(Symbols {
            table,
            sections,
            at: usize::try_from(section.sh_offset(LittleEndian)).ok()?,
        })
    }

    fn get(&self, index: u32) -> Option<Symbol<'data>> {
        let number = SymbolIndex(index as usize);
        let raw = self.table.symbol(number).ok().filter(|_| index > 0)?;
        let name = raw.name(LittleEndian, self.table.strings()).ok();
        Some(Symbol {
            index,
            place: self.at + number.0 * size_of::<elf::Sym64<LittleEndian>>(),
            name: name
                .and_then(|name| str::from_utf8(name).ok())
                .unwrap_or(""),
            raw,
        })
    }

    fn all(&self) -> impl Iterator<Item = Symbol<'data>> + '_ {
        let count = u32::try_from(self.table.len()).unwrap_or(u32::MAX);
        (1..count).filter_map(|index| self.get(index))
    }

    fn globals(&self) -> impl Iterator<Item = Symbol<'data>> + '_ {
        self.all()
            .filter(|symbol| symbol.raw.st_bind() != elf::STB_LOCAL)
    }

    /// Whether a linker takes one of several such definitions.
    fn is_in_group(&self, symbol: &Symbol<'data>) -> bool {
        let index = SymbolIndex(symbol.index as usize);
        let section = self.table.symbol_section(LittleEndian, symbol.raw, index);
        let section = section.ok().flatten();
        section
            .and_then(|index| self.sections.section(index).ok())
            .is_some_and(|section| section.sh_flags(LittleEndian).contains(elf::SHF_GROUP))
    }
}

/// The relocations of one section.
struct Relocations<'data> {
    entries: &'data [elf::Rela64<LittleEndian>],
    /// Where they are in the file.
    at: usize,
}

/// The sections that are loaded, with their relocations.
fn relocations<'data>(
    file: &Object<'data>,
) -> Vec<(
    &'data elf::SectionHeader64<LittleEndian>,
    Relocations<'data>,
)> {
    let sections = file.elf_section_table();
    let of = |section: &'data elf::SectionHeader64<LittleEndian>| {
        let (entries, _) = section.rela(LittleEndian, file.data()).ok()??;
        let target = SectionIndex(section.sh_info(LittleEndian) as usize);
        let target = sections.section(target).ok()?;
        let at = usize::try_from(section.sh_offset(LittleEndian)).ok()?;
        let is_loaded = target.sh_flags(LittleEndian).contains(elf::SHF_ALLOC);
        is_loaded.then_some((target, Relocations { entries, at }))
    };
    sections.iter().filter_map(of).collect()
}

fn unreadable(error: object::read::Error) -> Failure {
    failure(format!("the image that was just linked is broken: {error}"))
}

fn failure(message: String) -> Failure {
    Failure::new(FailureKind::Link, message)
}

#[cfg(test)]
mod tests;
