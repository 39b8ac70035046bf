//! Switches modules of the first tier to code of the second one.
//!
//! What was linked stays as it is: both codes are mapped as long as the module is, names mean the same in both, and variables,
//! which only others have, are found at the first. Only stubs lead elsewhere, by one store each.

use super::builtins;
use super::compile;
use super::core::Executor;
use super::entries::Code;
use super::info::ModuleInfo;
use super::outside::find_outside;
use super::state::{Found, Loaded, State};
use super::switch::Ready;
use super::watch::{Tell, Then};
use crate::cache::key::Key;
use crate::event::{Event, EventKind, Hook, Times};
use crate::image::Image;
use crate::image::relocate::Target;
use crate::image::symbols::{Symbol, SymbolKind};
use std::collections::HashMap;
use std::sync::Arc;

/// What is told of an attempt.
struct Told {
    kind: EventKind,
    key: Key,
    name: Arc<str>,
    message: String,
    bytes: u64,
}

impl Told {
    fn tell(&self, hook: &Hook) {
        hook(&Event {
            kind: self.kind,
            key: self.key.0,
            name: &self.name,
            message: &self.message,
            bytes: self.bytes,
            times: &Times::default(),
            progress: None,
        });
    }
}

impl Executor {
    /// What is to be done with a module when code of the second tier is stored under this key.
    pub(super) fn switch_when_stored(&self, info: Arc<ModuleInfo>, key: Key) -> Then {
        let me = self.me.clone();
        Box::new(move |result| -> Tell {
            // SAFETY: the executor is not freed before this function has returned: `Watch::close` waits for that. Its memory
            // stays as long as this handle.
            let executor = unsafe { &*me.as_ptr() };
            let told = match result {
                Ok(()) => executor.switch_to(&info, key),
                Err(why) => Some(executor.stays(&info, key, &why)),
            };
            let hook = executor.config.hook.clone();
            Box::new(move || {
                if let (Some(told), Some(hook)) = (told, hook) {
                    told.tell(&hook);
                }
            })
        })
    }

    /// Maps code that was stored under this key, and switches a module to it. `None`: once it is linked.
    fn switch_to(&self, info: &Arc<ModuleInfo>, key: Key) -> Option<Told> {
        let second = match compile::map_stored(self, &info.name, key) {
            Ok(second) => Arc::new(second),
            Err(error) => return Some(self.stays(info, key, &error.message)),
        };
        self.switch(Ready {
            info: info.clone(),
            second,
            key,
        })
    }

    /// Switches what could not be switched before it was linked.
    pub(super) fn switch_ready(&self) {
        let ready = std::mem::take(&mut self.lock().ready);
        for one in ready {
            // Nobody has the module any more, or will have it.
            if Arc::strong_count(&one.info) == 1 {
                continue;
            }
            if let (Some(told), Some(hook)) = (self.switch(one), &self.config.hook) {
                told.tell(hook);
            }
        }
    }

    /// `None`: it is not linked yet, or gone.
    fn switch(&self, ready: Ready) -> Option<Told> {
        let (id, targets) = {
            let mut state = self.lock();
            let id = state.find_module(&ready.info);
            let module = id.and_then(|id| state.module(id));
            let is_linked = module.is_some_and(Loaded::is_linked);
            // What constructors are still to be run for may not be ready to be called either.
            if !is_linked || !state.batches.is_empty() {
                state.ready.push(ready);
                return None;
            }
            (id?, targets(&state, id?, &ready.second))
        };
        let Ready { info, second, key } = ready;
        let relocated = targets.and_then(|targets| {
            let deferred = second.relocate(&targets);
            deferred.map_err(|why| why.to_string())
        });
        match relocated {
            Ok(deferred) => second.finish_relocation(&deferred),
            Err(why) => return Some(self.stays(&info, key, &why)),
        }
        let bytes = second.mapped_len() as u64;
        if !self.lock().switch(id, second) {
            return None;
        }
        // Whoever sees it may call the code.
        let _ = info.switched.set(self.config.opt_level);
        Some(Told {
            kind: EventKind::Switched,
            key,
            name: info.name.clone(),
            message: self.config.opt_level.name().to_owned(),
            bytes,
        })
    }

    fn stays(&self, info: &ModuleInfo, key: Key, why: &str) -> Told {
        let (now, then) = (info.level().name(), self.config.opt_level.name());
        Told {
            kind: EventKind::ServerWarning,
            key,
            name: info.name.clone(),
            message: format!(
                "code of the level {now} goes on to run here, and none of {then}: {why}"
            ),
            bytes: 0,
        }
    }
}

impl State {
    /// The module of which this is known.
    fn find_module(&self, info: &Arc<ModuleInfo>) -> Option<u64> {
        let mut modules = self.modules.iter().rev();
        let found = modules.find(|(_, module)| Arc::ptr_eq(&module.info, info))?;
        Some(*found.0)
    }

    /// Has callers of a module call this code. Returns whether the module is still there.
    fn switch(&mut self, id: u64, second: Arc<Image>) -> bool {
        let live = |module: &&Loaded| !module.removed && !module.replaced;
        let Some(module) = self.modules.get(&id).filter(live) else {
            return false;
        };
        let image = module.image.clone();
        if let Some(entries) = &self.entries {
            second.keep_stubs(entries.stubs());
        }
        if !image.set_second(second) {
            return false;
        }
        if let Some(switch) = &module.switch {
            switch.lead(&image);
        }
        for (name, number) in self.held(id, &image) {
            if let (Some(entries), Some(symbol)) = (&mut self.entries, image.find(name)) {
                entries.lead(number, id, Code::At(image.code(&symbol)));
            }
        }
        true
    }
}

/// What the names mean that code of the second tier refers to: what they mean to the module.
fn targets(state: &State, id: u64, second: &Image) -> Result<Vec<Option<Target>>, String> {
    let gone = || "its module is gone".to_owned();
    let module = state.module(id).ok_or_else(gone)?;
    let switch = module.switch.as_ref().ok_or_else(gone)?;
    let first = &*module.image;
    if !second.is_stateless() {
        return Err("it has variables of its own".to_owned());
    }
    for symbol in first.functions() {
        let name = first.name(&symbol).map_err(|why| why.to_string())?;
        let same = second.find(name);
        if !same.is_some_and(|same| same.function && same.kind == SymbolKind::Plain) {
            let name = String::from_utf8_lossy(name);
            return Err(format!("it does not define `{name}`"));
        }
    }
    let references = first.references().map_err(|why| why.to_string())?;
    let known = references.iter().filter_map(|symbol| {
        let target = switch.targets.get(symbol.index as usize).copied()??;
        Some((first.name(symbol).ok()?, target))
    });
    let known: HashMap<&[u8], Target> = known.collect();
    let mut targets = Vec::new();
    for symbol in second.references().map_err(|why| why.to_string())? {
        let name = second.name(&symbol).map_err(|why| why.to_string())?;
        let target = match known.get(name) {
            Some(target) => Some(*target),
            None if symbol.defined => match first.find(name) {
                Some(symbol) => Found { id, symbol }.meaning(state).map(|one| one.target),
                None => Some(Target::Address(second.address(symbol.value))),
            },
            None => outside(state, &symbol, name),
        };
        let target = target.ok_or_else(|| {
            let name = String::from_utf8_lossy(name);
            format!("it refers to `{name}`, and the code that was linked does not")
        })?;
        let at = symbol.index as usize;
        if targets.len() <= at {
            targets.resize(at + 1, None);
        }
        targets[at] = Some(target);
    }
    Ok(targets)
}

/// What optimised code calls beside what it was made of, `memcpy` for example. `None`: that is not known, or is not what it was
/// when the module was linked.
fn outside(state: &State, symbol: &Symbol, name: &[u8]) -> Option<Target> {
    if symbol.kind == SymbolKind::ThreadLocal || builtins::required(name).is_some() {
        return None;
    }
    if let Some(address) = state.definitions.get(name) {
        return Some(Target::Address(*address));
    }
    if symbol.hidden || state.find(name, |_, _| true).is_some() {
        return None;
    }
    match find_outside(&state.libraries, name) {
        Some(address) => Some(Target::Address(address)),
        None => symbol.weak.then_some(Target::Address(0)),
    }
}
