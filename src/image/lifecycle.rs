//! Where an image's constructors and destructors are.

use super::dynamic::Dynamic;
use super::error::LoadError;
use super::map::Mapping;
use super::symbols::Symbols;
use std::sync::atomic::{AtomicU8, AtomicU64};

/// The symbol by which the server's linker names an image's `__dso_handle`, if it has one.
const DSO_HANDLE: &[u8] = b"__mgenjit_dso_handle";

/// The images' states.
pub const MAPPED: u8 = 0;
pub const INITIALISED: u8 = 1;
pub const FINALIZED: u8 = 2;

/// Constructors and destructors. Addresses are absolute; 0 where there is none.
#[derive(Debug)]
pub struct Lifecycle {
    pub preinit_array: (usize, usize),
    pub init: usize,
    pub init_array: (usize, usize),
    pub fini: usize,
    pub fini_array: (usize, usize),
    /// What this image's handlers are registered under: its `__dso_handle`, else its base.
    pub dso: usize,
    /// Whether it can have handlers at all.
    pub has_handlers: bool,
    pub state: AtomicU8,
    /// The place in the order in which images were begun.
    pub order: AtomicU64,
}

impl Lifecycle {
    pub fn new(
        mapping: &Mapping,
        dynamic: &Dynamic,
        symbols: &Symbols,
    ) -> Result<Lifecycle, LoadError> {
        let absolute = |address: usize| match address {
            0 => 0,
            address => mapping.base() + address,
        };
        let word = size_of::<usize>();
        let preinit_array = (dynamic.preinit_array, dynamic.preinit_array_len / word);
        let init_array = (dynamic.init_array, dynamic.init_array_len / word);
        let fini_array = (dynamic.fini_array, dynamic.fini_array_len / word);
        for (at, count) in [preinit_array, init_array, fini_array] {
            mapping.slice::<u64>(at, count)?;
        }
        let handle = symbols
            .find(mapping, DSO_HANDLE)?
            .map(|symbol| mapping.base() + symbol.value as usize);
        let fini = absolute(dynamic.fini);
        Ok(Lifecycle {
            preinit_array,
            init: absolute(dynamic.init),
            init_array,
            fini,
            fini_array,
            dso: handle.unwrap_or(mapping.base()),
            has_handlers: handle.is_some() || fini != 0 || fini_array.1 != 0,
            state: AtomicU8::new(MAPPED),
            order: AtomicU64::new(0),
        })
    }

    /// Whether nothing of it runs but what is called.
    pub fn is_empty(&self) -> bool {
        let arrays = [self.preinit_array, self.init_array, self.fini_array];
        self.init == 0 && !self.has_handlers && arrays.iter().all(|(_, count)| *count == 0)
    }
}
