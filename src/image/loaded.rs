//! An image in memory.

use super::dynamic::Dynamic;
use super::elf::Headers;
use super::error::LoadError;
use super::lifecycle::Lifecycle;
use super::map::{Mapping, Source};
use super::relocations::Tables;
use super::stubs::Stubs;
use super::symbols::{Symbol, Symbols};
use super::{tls, unwind};
use crate::debug::{self, Label, Visible};
use crate::error::Error;
use std::collections::HashSet;
use std::sync::{Arc, OnceLock, Weak};

/// A mapped image. Dropping it runs its destructors, unless [`Image::finalize`] did, and unmaps it.
#[derive(Debug)]
pub struct Image {
    // The order is that in which they are dropped: the mapping last.
    pub(super) lifecycle: Lifecycle,
    visible: Option<Visible>,
    _frames: Option<unwind::Frames>,
    tls: Option<tls::TlsModule>,
    pub(super) symbols: Symbols,
    pub(super) relocations: Tables,
    pub(super) relro: Option<std::ops::Range<usize>>,
    pub(super) mapping: Mapping,
    /// The image's length in its file, and how much of that is mapped.
    file_len: u64,
    loaded_len: u64,
    /// The images that it was linked to.
    needs: OnceLock<Vec<Weak<Image>>>,
    stubs: OnceLock<Arc<Stubs>>,
    /// Marked by the server: its functions may be switched to code of another level.
    switchable: bool,
    /// Whether it has no variables, and nothing of it runs but what is called.
    stateless: bool,
    /// Code of another level, to which its functions were switched. What runs in either may lead to the other.
    second: OnceLock<Arc<Image>>,
}

impl Image {
    /// Maps an image of `len` bytes, of which the first are `header`. It must still be relocated and
    /// initialised.
    pub fn map(source: Source<'_>, header: &[u8], len: u64) -> Result<Image, Error> {
        Image::map_checked(source, header, len)
            .map_err(|why| Error::new(why.status(), format!("the image cannot be mapped: {why}")))
    }

    fn map_checked(source: Source<'_>, header: &[u8], len: u64) -> Result<Image, LoadError> {
        Image::map_by(source, Headers::parse(header, len)?, len)
    }

    pub(super) fn map_by(
        source: Source<'_>,
        headers: Headers,
        len: u64,
    ) -> Result<Image, LoadError> {
        let mapping = Mapping::new(source, &headers, len)?;
        let dynamic = Dynamic::parse(&mapping, &headers)?;
        let symbols = Symbols::new(&mapping, &dynamic)?;
        let relocations = Tables::new(&mapping, &dynamic)?;
        let tls = match &headers.tls {
            Some(segment) => Some(tls::TlsModule::new(&mapping, segment)?),
            None => None,
        };
        let frames = match &headers.eh_frame_header {
            Some(header) => unwind::Frames::register(&mapping, header)?,
            None => None,
        };
        let ends = headers.segments.iter();
        let loaded_len = ends.map(|segment| segment.offset + segment.file_len as u64);
        let lifecycle = Lifecycle::new(&mapping, &dynamic, &symbols)?;
        Ok(Image {
            switchable: headers.switchable,
            stateless: headers.has_no_variables() && lifecycle.is_empty(),
            second: OnceLock::new(),
            lifecycle,
            visible: None,
            _frames: frames,
            tls,
            symbols,
            relocations,
            relro: headers.relro,
            mapping,
            file_len: len,
            loaded_len: loaded_len.max().unwrap_or_default(),
            needs: OnceLock::new(),
            stubs: OnceLock::new(),
        })
    }

    /// Lets debuggers and signal handlers see it, from now until it is dropped.
    pub fn show(&mut self, label: Label) {
        let image = debug::Image {
            base: self.mapping.base(),
            len: self.mapping.len(),
            symbols: self.symbols.table(&self.mapping),
            file_len: self.file_len,
            loaded_len: self.loaded_len,
        };
        // SAFETY: the mapping outlives the value.
        self.visible = Some(unsafe { Visible::new(&image, label) });
    }

    /// The symbol that it exports as `name`. A malformed table exports nothing.
    pub fn find(&self, name: &[u8]) -> Option<Symbol> {
        self.symbols.find(&self.mapping, name).ok().flatten()
    }

    /// The [`super::symbols::gnu_hash`] of each name that it defines for others, the lowest bit set.
    pub fn defined_hashes(&self) -> impl Iterator<Item = u32> + '_ {
        self.symbols.defined_hashes(&self.mapping)
    }

    /// The `STB_GNU_UNIQUE` definitions: every definition of a name in the process is the same one.
    pub fn same_everywhere(&self) -> impl Iterator<Item = Symbol> + '_ {
        self.symbols.same(&self.mapping)
    }

    /// The functions that it defines for others.
    pub fn functions(&self) -> impl Iterator<Item = Symbol> + '_ {
        self.symbols.functions(&self.mapping)
    }

    /// Keeps stubs that its code may call as long as it is mapped.
    pub fn keep_stubs(&self, stubs: Arc<Stubs>) {
        // All are of one executor.
        let _ = self.stubs.set(stubs);
    }

    /// Whether its functions may be switched to code of another level.
    pub fn is_switchable(&self) -> bool {
        self.switchable && self.stateless
    }

    /// Whether it has no variables, and nothing of it runs but what is called.
    pub fn is_stateless(&self) -> bool {
        self.stateless
    }

    /// Sets, once, the code of another level to which its functions are switched, which stays mapped as long as this.
    pub fn set_second(&self, second: Arc<Image>) -> bool {
        self.second.set(second).is_ok()
    }

    /// Where a function is now that it defines.
    pub fn code(&self, symbol: &Symbol) -> usize {
        let second = self.second.get().zip(self.name(symbol).ok());
        let found = second.and_then(|(second, name)| Some((second, second.find(name)?)));
        match found {
            Some((second, symbol)) => second.address(symbol.value),
            None => self.address(symbol.value),
        }
    }

    /// Nothing leads here any more: its memory goes.
    pub(super) fn close_stubs(&self) {
        if let Some(stubs) = self.stubs.get() {
            stubs.close(self.range());
        }
    }

    /// The name of one of its symbols.
    pub fn name(&self, symbol: &Symbol) -> Result<&[u8], LoadError> {
        self.symbols.name(&self.mapping, symbol.index)
    }

    /// Whether its memory has the name of a file, for those who look for what is in it.
    pub fn has_file(&self) -> bool {
        self.mapping.has_file()
    }

    /// Bytes of address space.
    pub fn mapped_len(&self) -> usize {
        self.mapping.len()
    }

    /// The addresses it occupies.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.mapping.base()..self.mapping.base() + self.mapping.len()
    }

    /// The number of its thread-local storage module, if it has one.
    pub fn tls_module(&self) -> Option<usize> {
        self.tls.as_ref().map(tls::TlsModule::id)
    }

    /// Sets, once, the images that it was linked to.
    pub fn set_needs(&self, needs: Vec<Weak<Image>>) {
        // An image is linked once.
        let _ = self.needs.set(needs);
    }

    /// Itself, and the images that it was linked to, directly or through others.
    pub fn with_needs(self: &Arc<Image>) -> Vec<Arc<Image>> {
        let mut seen = HashSet::from([Arc::as_ptr(self)]);
        let mut images = vec![self.clone()];
        let mut next = 0;
        while let Some(image) = images.get(next).cloned() {
            next += 1;
            let needs = image.needs.get().into_iter().flatten();
            images.extend(
                needs
                    .filter_map(Weak::upgrade)
                    .filter(|other| seen.insert(Arc::as_ptr(other))),
            );
        }
        images
    }

    /// The address of an address inside the image as the file states it.
    pub fn address(&self, value: u64) -> usize {
        self.mapping.base().wrapping_add(value as usize)
    }
}
