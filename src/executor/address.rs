//! Addresses of symbols.

use super::state::{Found, State};
use crate::image::Image;
use crate::image::relocate::{self, Target};
use crate::image::tls::{TlsIndex, tls_get_addr};
use std::sync::Arc;

/// Where a symbol is.
pub struct Address {
    target: Target,
    /// Keeps the image mapped until the address is known.
    _image: Option<Arc<Image>>,
}

impl Address {
    pub fn of(found: &Found, state: &State) -> Option<Address> {
        let meaning = found.meaning(state)?;
        let module = match meaning.target {
            Target::Address(_) => None,
            _ => meaning.module.and_then(|id| state.module(id)),
        };
        Some(Address {
            target: meaning.target,
            _image: module.map(|module| module.image.clone()),
        })
    }

    /// The address that the symbol has for the calling thread.
    pub fn evaluate(self) -> usize {
        match self.target {
            Target::Address(address) => address,
            Target::Indirect(resolver) => relocate::call_resolver(resolver),
            Target::ThreadLocal { module, offset } => {
                tls_get_addr(&TlsIndex { module, offset }).addr()
            }
        }
    }
}
