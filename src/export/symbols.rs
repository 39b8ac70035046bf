//! Reads the symbols of ELF objects.

use object::elf::STB_GNU_UNIQUE;
use object::{File, Object, ObjectComdat, ObjectSymbol, SymbolFlags, SymbolScope, SymbolSection};
use std::collections::HashSet;

/// The names of an object's global symbols.
#[derive(Debug, Default)]
pub struct Symbols<'a> {
    pub defined: Vec<&'a [u8]>,
    /// The strong definitions.
    pub strong: Vec<&'a [u8]>,
    /// The hidden definitions.
    pub hidden: Vec<&'a [u8]>,
    pub undefined: Vec<&'a [u8]>,
}

/// Whether a name is one that no shared library has: compilers link it from the static part of libgcc, or of LLVM's
/// compiler-rt, into whatever needs it.
pub fn is_of_compiler(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 5] = [
        b"__cpu_model",
        b"__cpu_features2",
        b"__cpu_indicator_init",
        b"__init_cpu_features",
        b"__init_cpu_features_resolver",
    ];
    const PREFIXES: [&[u8]; 2] = [b"__aarch64_", b"__riscv_"];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a name belongs to libatomic.
pub fn is_atomic(name: &[u8]) -> bool {
    name.starts_with(b"__atomic_")
}

/// Whether a name has a version (`memcpy@GLIBC_2.2.5`), which the system's linker makes what it should be.
pub fn has_version(name: &[u8]) -> bool {
    name.contains(&b'@')
}

/// `None`: not a readable ELF object.
pub fn read(object: &[u8]) -> Option<Symbols<'_>> {
    let file = File::parse(object).ok()?;
    // Of these a linker takes one and drops the others.
    let shared: HashSet<_> = file
        .comdats()
        .flat_map(|comdat| comdat.sections())
        .collect();
    let mut symbols = Symbols::default();
    for symbol in file.symbols() {
        if !symbol.is_global() {
            continue;
        }
        let name = symbol.name_bytes().ok()?;
        if symbol.is_undefined() {
            symbols.undefined.push(name);
            continue;
        }
        symbols.defined.push(name);
        if symbol.scope() == SymbolScope::Linkage {
            symbols.hidden.push(name);
        }
        let replaceable = match symbol.section() {
            SymbolSection::Section(index) => shared.contains(&index),
            SymbolSection::Common => true,
            _ => false,
        };
        let unique = match symbol.flags() {
            SymbolFlags::Elf { st_info, .. } => st_info.st_bind() == STB_GNU_UNIQUE,
            _ => false,
        };
        if !replaceable && !unique && !symbol.is_weak() {
            symbols.strong.push(name);
        }
    }
    Some(symbols)
}
