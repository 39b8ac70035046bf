//! The stable entries of an executor's functions: a stub for each name, which leads to the definition that counts.
//!
//! That is the last strong one that is linked, else the last weak one. References, look-ups and addresses that code takes
//! are the stub's; so a new definition reaches all callers, and each function has one address.

use crate::image::relocate::call_resolver;
use crate::image::stubs::{Stub, Stubs};
use rustix::io::Errno;
use std::collections::HashMap;
use std::sync::Arc;

/// By number.
pub struct Entries {
    stubs: Arc<Stubs>,
    numbers: HashMap<Box<[u8]>, u32>,
    all: Vec<Entry>,
    /// Indirect functions whose resolvers are still to be called.
    unresolved: Vec<Unresolved>,
}

struct Entry {
    stub: Stub,
    /// The module to whose definition it leads. 0: to none.
    holder: u64,
}

/// A stub that is to lead to what a resolver returns.
pub struct Unresolved {
    stub: Stub,
    resolver: usize,
}

/// Where a definition lies.
#[derive(Clone, Copy)]
pub enum Code {
    At(usize),
    /// A resolver that returns where.
    Of(usize),
}

impl Entries {
    pub fn new() -> Entries {
        Entries {
            stubs: Arc::default(),
            numbers: HashMap::new(),
            all: Vec::new(),
            unresolved: Vec::new(),
        }
    }

    /// What an image keeps whose code may call them.
    pub fn stubs(&self) -> Arc<Stubs> {
        self.stubs.clone()
    }

    /// The number of a name's entry, which is made if there is none.
    pub fn add(&mut self, name: &[u8]) -> Result<(), Errno> {
        if !self.numbers.contains_key(name) {
            let stub = self.stubs.add()?;
            let number = u32::try_from(self.all.len()).map_err(|_| Errno::NOMEM)?;
            self.all.push(Entry { stub, holder: 0 });
            self.numbers.insert(name.into(), number);
        }
        Ok(())
    }

    pub fn find(&self, name: &[u8]) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The address of an entry.
    pub fn address(&self, number: u32) -> usize {
        self.all[number as usize].stub.address()
    }

    /// The module to whose definition an entry leads.
    pub fn holder(&self, number: u32) -> Option<u64> {
        let holder = self.all[number as usize].holder;
        (holder != 0).then_some(holder)
    }

    /// Has an entry lead to a definition of a module.
    pub fn lead(&mut self, number: u32, holder: u64, code: Code) {
        let entry = &mut self.all[number as usize];
        entry.holder = holder;
        let stub = entry.stub;
        self.unresolved
            .retain(|other| other.stub.address() != stub.address());
        match code {
            Code::At(address) => stub.set(address),
            Code::Of(resolver) => self.unresolved.push(Unresolved { stub, resolver }),
        }
    }

    /// The module goes to which an entry leads. It leads there until the image is unmapped, because destructors may call it,
    /// and then to a trap.
    pub fn give_up(&mut self, number: u32) {
        self.all[number as usize].holder = 0;
    }

    /// Has an entry lead to code, whoever holds it.
    pub fn give_back(&self, name: &[u8], address: usize) {
        if let Some(number) = self.find(name) {
            self.all[number as usize].stub.set(address);
        }
    }

    pub fn take_unresolved(&mut self) -> Vec<Unresolved> {
        std::mem::take(&mut self.unresolved)
    }
}

impl Unresolved {
    /// Calls the resolver, which is foreign code.
    pub fn resolve(self) {
        self.stub.set(call_resolver(self.resolver));
    }
}
