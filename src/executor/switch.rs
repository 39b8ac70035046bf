//! What a module is switched by to code of another level: a stub for each function, and what its names mean.

use super::info::ModuleInfo;
use crate::cache::key::Key;
use crate::image::Image;
use crate::image::relocate::Target;
use crate::image::stubs::{Stub, Stubs};
use std::sync::Arc;

/// Of a module of the first tier.
pub struct Switch {
    /// By the index of each symbol, ascending. None where functions have entries by name.
    stubs: Vec<(u32, Stub)>,
    /// What it was linked to, by the index of each symbol.
    pub targets: Vec<Option<Target>>,
}

/// Code of the second tier that waits until its module is linked.
pub struct Ready {
    pub info: Arc<ModuleInfo>,
    pub second: Arc<Image>,
    /// That of the code.
    pub key: Key,
}

impl Switch {
    /// Makes a stub for each function of an image, which leads there, if they are wanted. `None`: there is no memory for them.
    pub fn new(image: &Image, with_stubs: bool) -> Option<Switch> {
        let mut all = Vec::new();
        if with_stubs {
            let stubs = Arc::new(Stubs::default());
            for symbol in image.functions() {
                let stub = stubs.add().ok()?;
                stub.set(image.address(symbol.value));
                all.push((symbol.index, stub));
            }
            // As long as its own code may call them.
            image.keep_stubs(stubs);
        }
        Some(Switch {
            stubs: all,
            targets: Vec::new(),
        })
    }

    /// The address of a symbol's stub.
    pub fn stub(&self, index: u32) -> Option<usize> {
        let place = self.stubs.binary_search_by_key(&index, |(index, _)| *index);
        Some(self.stubs[place.ok()?].1.address())
    }

    /// Has all stubs lead to the code where the image's functions are now.
    pub fn lead(&self, image: &Image) {
        let code = image
            .functions()
            .map(|symbol| (symbol.index, image.code(&symbol)));
        for ((_, stub), (_, code)) in self.stubs.iter().zip(code) {
            stub.set(code);
        }
    }
}
