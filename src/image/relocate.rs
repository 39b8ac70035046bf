//! Applies an image's relocations.
//!
//! Modules that link together may refer to each other, so there are three steps. First, every symbol of every image
//! is resolved; nothing is written yet, so a missing symbol changes nothing. Then the relocations of all images are
//! applied. Last come those that call a resolver (`STT_GNU_IFUNC`).

use super::error::LoadError;
use super::loaded::Image;
use super::symbols::{Symbol, SymbolKind};

use object::LittleEndian as LE;
use object::elf::{self, Rela64};

/// What a symbol resolves to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Address(usize),
    /// The address of a function that returns the address (`STT_GNU_IFUNC`).
    Indirect(usize),
    ThreadLocal {
        module: usize,
        offset: usize,
    },
}

/// A word whose value an ifunc resolver returns.
#[derive(Debug)]
pub struct Deferred {
    at: usize,
    resolver: usize,
    addend: usize,
}

impl Image {
    /// The symbols that its relocations refer to, each once.
    pub fn references(&self) -> Result<Vec<Symbol>, LoadError> {
        let mut seen = Vec::new();
        let mut references = Vec::new();
        for relocation in self.relocations()? {
            let index = relocation.r_sym(LE, false);
            if index == 0 {
                continue;
            }
            if index >= self.symbols.count() {
                return Err(LoadError::Malformed("a relocation has no symbol"));
            }
            let at = index as usize;
            if seen.len() <= at {
                seen.resize(at + 1, false);
            }
            if !std::mem::replace(&mut seen[at], true) {
                let mut symbol = self.symbols.get(&self.mapping, index)?;
                if matches!(
                    relocation.r_type(LE, false),
                    elf::R_X86_64_DTPMOD64 | elf::R_X86_64_DTPOFF64
                ) {
                    // What the linker says of a symbol that it does not know need not be right.
                    symbol.kind = SymbolKind::ThreadLocal;
                }
                references.push(symbol);
            }
        }
        Ok(references)
    }

    /// Applies the relocations. `targets` has the meaning of each symbol by its index. Returns what is still to
    /// be done by [`Image::finish_relocation`].
    pub fn relocate(&self, targets: &[Option<Target>]) -> Result<Vec<Deferred>, LoadError> {
        let base = self.mapping.base();
        let mut deferred = Vec::new();
        for relocation in self.relocations()? {
            let at = relocation.r_offset.get(LE) as usize;
            let addend = relocation.r_addend.get(LE) as usize;
            let index = relocation.r_sym(LE, false) as usize;
            let target = || {
                targets
                    .get(index)
                    .copied()
                    .flatten()
                    .ok_or(LoadError::Malformed("a relocation has no symbol"))
            };
            let word = match relocation.r_type(LE, false) {
                elf::R_X86_64_NONE => continue,
                elf::R_X86_64_RELATIVE => base.wrapping_add(addend),
                kind @ (elf::R_X86_64_GLOB_DAT | elf::R_X86_64_JUMP_SLOT | elf::R_X86_64_64) => {
                    // The ABI gives the first two no addend.
                    let addend = if kind == elf::R_X86_64_64 { addend } else { 0 };
                    match target()? {
                        Target::Address(address) => address.wrapping_add(addend),
                        Target::Indirect(resolver) => {
                            self.mapping.check_write(at)?;
                            deferred.push(Deferred {
                                at,
                                resolver,
                                addend,
                            });
                            continue;
                        }
                        Target::ThreadLocal { .. } => {
                            return Err(LoadError::Malformed(
                                "a thread-local variable is used as an ordinary one",
                            ));
                        }
                    }
                }
                elf::R_X86_64_IRELATIVE => {
                    self.mapping.check_write(at)?;
                    deferred.push(Deferred {
                        at,
                        resolver: base.wrapping_add(addend),
                        addend: 0,
                    });
                    continue;
                }
                // Without a symbol: the image's own module.
                elf::R_X86_64_DTPMOD64 if index == 0 => self
                    .tls_module()
                    .ok_or(LoadError::Malformed("it has no thread-local storage"))?,
                elf::R_X86_64_DTPMOD64 => match target()? {
                    Target::ThreadLocal { module, .. } => module,
                    _ => return Err(not_thread_local()),
                },
                elf::R_X86_64_DTPOFF64 if index == 0 => addend,
                elf::R_X86_64_DTPOFF64 => match target()? {
                    Target::ThreadLocal { offset, .. } => offset.wrapping_add(addend),
                    _ => return Err(not_thread_local()),
                },
                kind => {
                    return Err(LoadError::Unsupported(format!(
                        "a relocation of type {}",
                        kind.0
                    )));
                }
            };
            self.mapping.write(at, word)?;
        }
        Ok(deferred)
    }

    /// Calls the resolvers of indirect functions, once all images that link together are relocated, and makes
    /// read-only what is not written any more. It cannot fail: by now others are linked to the image.
    pub fn finish_relocation(&self, deferred: &[Deferred]) {
        for Deferred {
            at,
            resolver,
            addend,
        } in deferred
        {
            let word = call_resolver(*resolver).wrapping_add(*addend);
            // `relocate` has checked the place.
            let _ = self.mapping.write(*at, word);
        }
        if let Some(relro) = &self.relro {
            // A process that has as many mappings as it may cannot split one; then the data stays writable.
            let _ = self.mapping.protect(relro);
        }
    }

    fn relocations(&self) -> Result<impl Iterator<Item = &Rela64<LE>>, LoadError> {
        let [first, second] = self.relocations.tables;
        let first: &[Rela64<LE>] = self.mapping.slice(first.0, first.1)?;
        let second: &[Rela64<LE>] = self.mapping.slice(second.0, second.1)?;
        Ok(first.iter().chain(second))
    }
}

/// Calls an indirect function's resolver, which is at `address` in a relocated image.
pub fn call_resolver(address: usize) -> usize {
    // SAFETY: the symbol's type says that a function without parameters that returns an address is there.
    let resolver: extern "C" fn() -> usize = unsafe { std::mem::transmute(address) };
    resolver()
}

fn not_thread_local() -> LoadError {
    LoadError::Malformed("an ordinary variable is used as a thread-local one")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::map::Source;
    use std::process::Command;

    /// A shared object that refers to one name and defines another.
    fn shared_object() -> Vec<u8> {
        let folder = tempfile::tempdir().expect("a folder");
        let source = folder.path().join("source.c");
        let output = folder.path().join("output.so");
        std::fs::write(&source, "extern int x; int *f(void) { return &x; }\n").expect("written");
        let status = Command::new("cc")
            .args([
                "-shared",
                "-nostdlib",
                "-fPIC",
                "-O1",
                "-Wl,--hash-style=gnu",
            ])
            .args([&source, std::path::Path::new("-o"), &output])
            .status()
            .expect("cc runs");
        assert!(status.success());
        std::fs::read(output).expect("an output")
    }

    #[test]
    fn a_relocation_of_a_symbol_that_is_not_there_is_refused() {
        let map = |bytes: &[u8]| {
            Image::map(Source::Memory(bytes), bytes, bytes.len() as u64).expect("an image")
        };
        let bytes = shared_object();
        let image = map(&bytes);
        let references = image.references().expect("a reference");
        assert_eq!(references.len(), 1);
        let count = image.symbols.count();
        let glob_dat = u64::from(elf::R_X86_64_GLOB_DAT.0);
        let info = u64::from(references[0].index) << 32 | glob_dat;
        let place = bytes
            .windows(8)
            .position(|word| word == info.to_le_bytes())
            .expect("its relocation");
        for index in [count, count + 1, u32::MAX] {
            let mut bytes = bytes.clone();
            let info = u64::from(index) << 32 | glob_dat;
            bytes[place..place + 8].copy_from_slice(&info.to_le_bytes());
            let error = map(&bytes).references().expect_err("refused");
            assert!(matches!(error, LoadError::Malformed(_)), "{error}");
        }
    }
}
