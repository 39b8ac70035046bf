//! Applies an image's relocations.
//!
//! Modules that link together may refer to each other, so there are three steps. First, every symbol of every image
//! is resolved; nothing is written yet, so a missing symbol changes nothing. Then the relocations of all images are
//! applied. Last come those that call a resolver (`STT_GNU_IFUNC`).

use super::error::LoadError;
use super::loaded::Image;
use super::symbols::{Symbol, SymbolKind};
use super::tls;
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
                Kind::TlsModule if index == 0 => self.own_tls_module()?,
                Kind::TlsModule => match target()? {
                    Target::ThreadLocal { module, .. } => module,
                    _ => return Err(not_thread_local()),
                },
                Kind::TlsDescriptor => {
                    let (module, offset) = match index {
                        0 => (self.own_tls_module()?, 0),
                        _ => match target()? {
                            Target::ThreadLocal { module, offset } => (module, offset),
                            _ => return Err(not_thread_local()),
                        },
                    };
                    let descriptor = tls::descriptor(module, offset.wrapping_add(addend))?;
                    let [function, word] = descriptor.ok_or(LoadError::Malformed(
                        "it has a TLS descriptor, which this machine does not know",
                    ))?;
                    self.mapping.write(at.wrapping_add(8), word)?;
                    function
                }
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

    fn own_tls_module(&self) -> Result<usize, LoadError> {
        self.tls_module()
            .ok_or(LoadError::Malformed("it has no thread-local storage"))
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
mod tests;
