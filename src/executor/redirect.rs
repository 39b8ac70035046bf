//! Which definition each entry leads to, as modules come and go.

use super::entries::{Code, Entries, Unresolved};
use super::state::{Loaded, State};
use crate::image::Image;
use crate::image::symbols::{Symbol, SymbolKind, gnu_hash};
use rustix::io::Errno;
use std::sync::Arc;

impl State {
    /// Makes entries for the functions that a module defines. They lead nowhere yet.
    pub(super) fn add_entries(&mut self, id: u64) -> Result<(), Errno> {
        let (Some(entries), Some(module)) = (&mut self.entries, self.modules.get(&id)) else {
            return Ok(());
        };
        module.image.keep_stubs(entries.stubs());
        for symbol in module.image.functions() {
            if let Ok(name) = module.image.name(&symbol) {
                entries.add(name)?;
            }
        }
        Ok(())
    }

    /// Has the entries of a module's functions lead to the definitions that count. `new`: only those that lead nowhere.
    pub(super) fn redirect(&mut self, id: u64, new: bool) {
        let (Some(entries), Some(module)) = (&self.entries, self.modules.get(&id)) else {
            return;
        };
        let image = module.image.clone();
        let numbers = image.functions().filter_map(|symbol| {
            let name = image.name(&symbol).ok()?;
            let number = entries.find(name)?;
            (!new || entries.holder(number).is_none()).then_some((name, number))
        });
        let numbers: Vec<(&[u8], u32)> = numbers.collect();
        for (name, number) in numbers {
            let found = self.definition(name);
            if let Some((holder, code)) = found.or_else(|| self.definition_anywhere(name))
                && let Some(entries) = &mut self.entries
            {
                entries.lead(number, holder, code);
            }
        }
    }

    /// Has the entries that lead to a removed module's functions lead to others, where there are any.
    pub(super) fn redirect_from(&mut self, id: u64, image: &Image) {
        for (name, number) in self.held(id, image) {
            if let Some((holder, code)) = self.definition(name)
                && let Some(entries) = &mut self.entries
            {
                entries.lead(number, holder, code);
            }
        }
    }

    /// Gives up the entries that lead to a module that was taken out. One whose function another module still has, which a
    /// handle keeps, leads there.
    pub(super) fn give_up_entries(&mut self, id: u64, image: &Image) {
        for (name, number) in self.held(id, image) {
            let found = self.definition_anywhere(name);
            match (&mut self.entries, found) {
                (Some(entries), Some((holder, code))) => entries.lead(number, holder, code),
                (Some(entries), None) => entries.give_up(number),
                (None, _) => {}
            }
        }
    }

    /// The entries that lead to a module's functions, with their names.
    pub(super) fn held<'a>(&self, id: u64, image: &'a Image) -> Vec<(&'a [u8], u32)> {
        let Some(entries) = &self.entries else {
            return Vec::new();
        };
        let held = image.functions().filter_map(|symbol| {
            let name = image.name(&symbol).ok()?;
            let number = entries.find(name)?;
            (entries.holder(number) == Some(id)).then_some((name, number))
        });
        held.collect()
    }

    /// The definition of a function that counts: the last strong one in the modules that look-ups find, else the last weak
    /// one.
    fn definition(&self, name: &[u8]) -> Option<(u64, Code)> {
        let known = self.index.get(&(gnu_hash(name) | 1));
        let known = known.into_iter().flatten().rev();
        let modules = known.filter_map(|id| Some((*id, self.modules.get(id)?)));
        let is_found = |module: &Loaded| !module.removed && !module.replaced;
        last(name, modules.filter(|(_, module)| is_found(module)))
    }

    /// As `definition`, also in modules that only handles or callers keep.
    fn definition_anywhere(&self, name: &[u8]) -> Option<(u64, Code)> {
        let modules = self.modules.iter().rev();
        last(name, modules.map(|(id, module)| (*id, module)))
    }

    /// Resolvers to call when the lock is free.
    pub(super) fn take_unresolved(&mut self) -> Vec<Unresolved> {
        self.entries
            .as_mut()
            .map(Entries::take_unresolved)
            .unwrap_or_default()
    }

    /// Before all modules go: those that `thread_local` objects of other threads keep get their own functions back, because
    /// the destructors may call them when the others are gone.
    pub(super) fn give_back_entries(&self) {
        let Some(entries) = &self.entries else {
            return;
        };
        for module in self.modules.values() {
            if Arc::strong_count(&module.image) == 1 || !module.is_linked() {
                continue;
            }
            for symbol in module.image.functions() {
                if symbol.kind == SymbolKind::Plain
                    && let Ok(name) = module.image.name(&symbol)
                {
                    entries.give_back(name, module.image.code(&symbol));
                }
            }
        }
    }
}

/// The last strong definition of a function in linked modules, which are given the newest first; else the last weak one.
fn last<'a>(name: &[u8], modules: impl Iterator<Item = (u64, &'a Loaded)>) -> Option<(u64, Code)> {
    let mut weak = None;
    for (id, module) in modules.filter(|(_, module)| module.is_linked()) {
        let is_function = |symbol: &Symbol| symbol.function && symbol.defined;
        let Some(symbol) = module.image.find(name).filter(is_function) else {
            continue;
        };
        let address = module.image.code(&symbol);
        let code = match symbol.kind {
            SymbolKind::Indirect => Code::Of(address),
            SymbolKind::Plain | SymbolKind::ThreadLocal => Code::At(address),
        };
        match symbol.weak {
            false => return Some((id, code)),
            true => weak = weak.or(Some((id, code))),
        }
    }
    weak
}
