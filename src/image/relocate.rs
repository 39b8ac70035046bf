//! Applies an image's relocations.
//!
//! Modules that link together may refer to each other, so there are three steps. First, every symbol of every image
//! is resolved; nothing is written yet, so a missing symbol changes nothing. Then the relocations of all images are
//! applied. Last come those that call a resolver (`STT_GNU_IFUNC`).

use super::error::LoadError;
use super::loaded::Image;
use super::symbols::{Symbol, SymbolKind};
use crate::arch::image;
use crate::arch::relocation::Kind;

use object::LittleEndian as LE;
use object::elf::Rela64;

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
                let kind = image::kind(relocation.r_type(LE, false));
                if kind.is_some_and(Kind::is_thread_local) {
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
            let relocation = relocation.r_type(LE, false);
            let Some(kind) = image::kind(relocation) else {
                return Err(LoadError::Unsupported(format!(
                    "a relocation of type {}",
                    relocation.0
                )));
            };
            let word = match kind {
                Kind::None => continue,
                Kind::Relative => base.wrapping_add(addend),
                Kind::Symbol { has_addend } => {
                    let addend = if has_addend { addend } else { 0 };
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
                Kind::Indirect => {
                    self.mapping.check_write(at)?;
                    deferred.push(Deferred {
                        at,
                        resolver: base.wrapping_add(addend),
                        addend: 0,
                    });
                    continue;
                }
                // Without a symbol: the image's own module.
                Kind::TlsModule if index == 0 => self
                    .tls_module()
                    .ok_or(LoadError::Malformed("it has no thread-local storage"))?,
                Kind::TlsModule => match target()? {
                    Target::ThreadLocal { module, .. } => module,
                    _ => return Err(not_thread_local()),
                },
                Kind::TlsOffset if index == 0 => addend,
                Kind::TlsOffset => match target()? {
                    Target::ThreadLocal { offset, .. } => offset.wrapping_add(addend),
                    _ => return Err(not_thread_local()),
                },
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
    // SAFETY: the symbol's type says that a resolver is there.
    unsafe { image::call_resolver(address) }
}

fn not_thread_local() -> LoadError {
    LoadError::Malformed("an ordinary variable is used as a thread-local one")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::map::Source;
    use object::elf;
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

    fn map(bytes: &[u8]) -> Image {
        Image::map(Source::Memory(bytes), bytes, bytes.len() as u64).expect("an image")
    }

    /// Where the object's one relocation lies in its bytes, and the symbol's index.
    fn relocation_in(bytes: &[u8]) -> (usize, u32) {
        let references = map(bytes).references().expect("a reference");
        assert_eq!(references.len(), 1);
        let index = references[0].index;
        let info = info(elf::R_X86_64_GLOB_DAT, index);
        let place = bytes
            .windows(8)
            .position(|word| word == info.to_le_bytes())
            .expect("its relocation");
        // Its offset comes first.
        (place - 8, index)
    }

    fn info(kind: elf::RelocationType, index: u32) -> u64 {
        u64::from(index) << 32 | u64::from(kind.0)
    }

    fn set_word(bytes: &mut [u8], place: usize, word: u64) {
        bytes[place..place + 8].copy_from_slice(&word.to_le_bytes());
    }

    fn word_at(image: &Image, address: usize) -> usize {
        let bytes: &[[u8; 8]] = image.mapping.slice(address, 1).expect("a word");
        usize::from_le_bytes(bytes[0])
    }

    extern "C" fn resolver() -> usize {
        0x5000
    }

    #[test]
    fn each_kind_of_relocation_writes_its_word() {
        let original = shared_object();
        let (place, index) = relocation_in(&original);
        let mut offset = [0; 8];
        offset.copy_from_slice(&original[place..place + 8]);
        let at = usize::from_le_bytes(offset);
        let untouched = word_at(&map(&original), at);

        // With the addend 8. What is written, less the image's base where that is added.
        let check = |kind, index, target: Option<Target>, expect: Result<usize, &str>| {
            let mut bytes = original.clone();
            set_word(&mut bytes, place + 8, info(kind, index));
            set_word(&mut bytes, place + 16, 8);
            let image = map(&bytes);
            let mut targets = vec![None; index as usize];
            targets.push(target);
            let written = image.relocate(&targets).map(|deferred| {
                image.finish_relocation(&deferred);
                let base = match kind {
                    elf::R_X86_64_RELATIVE => image.mapping.base(),
                    _ => 0,
                };
                word_at(&image, at).wrapping_sub(base)
            });
            match (written, expect) {
                (Ok(written), Ok(expect)) => assert_eq!(written, expect, "{}", kind.0),
                (Err(error), Err(expect)) => {
                    assert!(error.to_string().contains(expect), "{}: {error}", kind.0);
                }
                (written, expect) => panic!("{}: {written:?}, not {expect:?}", kind.0),
            }
        };
        let address = Some(Target::Address(0x1000));
        let indirect = Some(Target::Indirect(resolver as *const () as usize));
        let local = Some(Target::ThreadLocal {
            module: 7,
            offset: 0x20,
        });
        let not_ordinary = Err("a thread-local variable is used as an ordinary one");
        let not_local = Err("an ordinary variable is used as a thread-local one");

        check(elf::R_X86_64_NONE, index, None, Ok(untouched));
        check(elf::R_X86_64_RELATIVE, 0, None, Ok(8));
        check(elf::R_X86_64_64, index, address, Ok(0x1008));
        check(elf::R_X86_64_64, index, indirect, Ok(0x5008));
        check(elf::R_X86_64_64, index, local, not_ordinary);
        check(elf::R_X86_64_64, index, None, Err("has no symbol"));
        for kind in [elf::R_X86_64_GLOB_DAT, elf::R_X86_64_JUMP_SLOT] {
            check(kind, index, address, Ok(0x1000));
            check(kind, index, indirect, Ok(0x5000));
            check(kind, index, local, not_ordinary);
        }
        check(elf::R_X86_64_DTPMOD64, index, local, Ok(7));
        check(elf::R_X86_64_DTPMOD64, index, address, not_local);
        check(elf::R_X86_64_DTPOFF64, index, local, Ok(0x28));
        check(elf::R_X86_64_DTPOFF64, index, address, not_local);
        check(elf::R_X86_64_DTPOFF64, 0, None, Ok(8));
        let storage = Err("it has no thread-local storage");
        check(elf::R_X86_64_DTPMOD64, 0, None, storage);
        check(elf::R_X86_64_COPY, index, address, Err("of type 5"));
    }

    #[test]
    fn what_is_not_writable_is_not_relocated() {
        let original = shared_object();
        let (place, index) = relocation_in(&original);
        let check = |kind, target, at: u64| {
            let mut bytes = original.clone();
            set_word(&mut bytes, place, at);
            set_word(&mut bytes, place + 8, info(kind, index));
            let mut targets = vec![None; index as usize];
            targets.push(Some(target));
            let error = map(&bytes).relocate(&targets).expect_err("refused");
            let text = error.to_string();
            assert!(text.contains("outside of what is writable"), "{text}");
        };
        let end = map(&original).mapping.len() as u64;
        for at in [0, 8, end, end + 8, u64::MAX - 7, u64::MAX] {
            check(elf::R_X86_64_GLOB_DAT, Target::Address(0x1000), at);
            // Before its resolver is called.
            check(elf::R_X86_64_GLOB_DAT, Target::Indirect(0), at);
            check(elf::R_X86_64_IRELATIVE, Target::Indirect(0), at);
        }
    }

    #[test]
    fn a_relocation_of_a_symbol_that_is_not_there_is_refused() {
        let original = shared_object();
        let (place, _) = relocation_in(&original);
        let count = map(&original).symbols.count();
        for index in [count, count + 1, u32::MAX] {
            let mut bytes = original.clone();
            set_word(&mut bytes, place + 8, info(elf::R_X86_64_GLOB_DAT, index));
            let error = map(&bytes).references().expect_err("refused");
            assert!(matches!(error, LoadError::Malformed(_)), "{error}");
        }
    }
}
