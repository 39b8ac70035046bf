//! Resolves the symbols of pending modules.

use super::builtins;
use super::info::ModuleInfo;
use super::outside::{find_loaded, find_outside};
use super::report::{Blocked, Report};
use super::state::{Found, Loaded, Meaning, State};
use crate::image::relocate::{Deferred, Target};
use crate::image::symbols::{Symbol, SymbolKind};
use crate::image::tls::{self, TlsIndex};
use crate::image::{Image, thread_exit};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::CString;
use std::sync::Arc;

/// A module that is being linked.
pub struct Job {
    pub id: u64,
    pub image: Arc<Image>,
    pub info: Arc<ModuleInfo>,
    /// What each symbol resolves to, by its index.
    pub targets: Vec<Option<Target>>,
    pub needs: Vec<u64>,
    /// The entries that it refers to, each once.
    pub uses: Vec<u32>,
    /// The weak definitions of its own in place of which it uses others, by index.
    pub elsewhere: Vec<(u32, Meaning)>,
    pub deferred: Vec<Deferred>,
}

/// Resolves every symbol of the pending modules. Modules that lack one are left out, and those that have one of the
/// `faults`, by their id; then those that need these, and so on.
pub fn plan(state: &State, faults: &HashMap<u64, String>) -> (Vec<Job>, Report) {
    let mut report = Report::default();
    let mut left_out: HashSet<u64> = HashSet::new();
    for (id, fault) in faults {
        if let Some(module) = state.module(*id) {
            left_out.insert(*id);
            report.blocked.push(Blocked {
                fault: Some(fault.clone()),
                ..Blocked::new(*id, &module.info)
            });
        }
    }
    loop {
        let mut jobs = Vec::new();
        let before = left_out.len();
        for id in state.pending() {
            if left_out.contains(id) {
                continue;
            }
            let Some(module) = state.module(*id) else {
                continue;
            };
            match Job::new(*id, module).resolve(state, &left_out) {
                Ok(job) => jobs.push(job),
                Err(blocked) => {
                    left_out.insert(*id);
                    report.blocked.push(blocked);
                }
            }
        }
        if left_out.len() == before {
            return (jobs, report);
        }
    }
}

impl Blocked {
    fn new(id: u64, info: &ModuleInfo) -> Blocked {
        Blocked {
            id,
            name: info.name().to_owned(),
            missing: BTreeMap::new(),
            needs: Vec::new(),
            fault: None,
        }
    }
}

/// The outcome for one symbol.
enum Answer {
    Means(Meaning),
    Missing,
    /// It is in a module that cannot be linked.
    Blocked(u64),
    /// One of two says that it is thread-local, and the other does not. Who defines it.
    Contradiction(String),
}

impl Job {
    fn new(id: u64, module: &Loaded) -> Job {
        Job {
            id,
            image: module.image.clone(),
            info: module.info.clone(),
            targets: Vec::new(),
            needs: Vec::new(),
            uses: Vec::new(),
            elsewhere: Vec::new(),
            deferred: Vec::new(),
        }
    }

    /// The error message for this module.
    pub fn fault(&self, why: &str) -> String {
        format!("{} cannot be linked: {why}", self.info.name())
    }

    /// Resolves every symbol, or says which ones it cannot.
    fn resolve(mut self, state: &State, left_out: &HashSet<u64>) -> Result<Job, Blocked> {
        let image = self.image.clone();
        let mut blocked = Blocked::new(self.id, &self.info);
        let mut faults = Vec::new();
        let mut references = image.references().unwrap_or_else(|why| {
            faults.push(self.fault(&why.to_string()));
            Vec::new()
        });
        let referred = references.len();
        // Others may ask for these, although its own code does not.
        references.extend(image.same_everywhere());
        for (symbol, number) in references.into_iter().zip(0..) {
            let at = symbol.index as usize;
            if number >= referred && self.targets.get(at).is_some_and(Option::is_some) {
                continue;
            }
            let name = match image.name(&symbol) {
                Ok(name) => name,
                Err(why) => {
                    faults.push(self.fault(&why.to_string()));
                    break;
                }
            };
            match self.answer(state, left_out, &symbol, name) {
                Answer::Means(meaning) => self.bind(&symbol, meaning),
                Answer::Missing => {
                    blocked.missing.insert(name.to_vec(), symbol.hidden);
                }
                Answer::Blocked(id) if blocked.needs.contains(&id) => {}
                Answer::Blocked(id) => blocked.needs.push(id),
                Answer::Contradiction(definer) => {
                    let (here, there) = match symbol.kind {
                        SymbolKind::ThreadLocal => ("a thread-local variable", "an ordinary one"),
                        _ => ("an ordinary variable", "a thread-local one"),
                    };
                    faults.push(self.fault(&format!(
                        "it refers to `{}` as {here}, but {definer} defines it as {there}: declare it as it is defined",
                        String::from_utf8_lossy(name)
                    )));
                }
            }
        }
        if !faults.is_empty() {
            blocked.fault = Some(faults.join("\n"));
        }
        match blocked.fault.is_none() && blocked.missing.is_empty() && blocked.needs.is_empty() {
            true => Ok(self),
            false => Err(blocked),
        }
    }

    /// Notes what a symbol resolves to.
    fn bind(&mut self, symbol: &Symbol, meaning: Meaning) {
        let other = meaning.module.filter(|id| *id != self.id);
        match (meaning.entry, other) {
            // Which definition that is may change.
            (Some(entry), _) => self.uses.push(entry),
            (None, Some(id)) if !self.needs.contains(&id) => self.needs.push(id),
            (None, _) => {}
        }
        let is_own = meaning.module == Some(self.id) || meaning.entry.is_some();
        if symbol.defined && symbol.weak && !is_own {
            self.elsewhere.push((symbol.index, meaning));
        }
        let at = symbol.index as usize;
        if self.targets.len() <= at {
            self.targets.resize(at + 1, None);
        }
        self.targets[at] = Some(meaning.target);
    }

    /// Resolves a symbol: to a definition of the user, a module, a library or the process.
    fn answer(
        &self,
        state: &State,
        left_out: &HashSet<u64>,
        symbol: &Symbol,
        name: &[u8],
    ) -> Answer {
        let outside = |target| {
            Answer::Means(Meaning {
                target,
                module: None,
                entry: None,
            })
        };
        if let Some((address, keeps_mapped)) = builtins::required(name) {
            if keeps_mapped {
                thread_exit::watch(&self.image);
            }
            return outside(Target::Address(address));
        }
        if let Some(address) = state.definitions.get(name) {
            return match symbol.kind {
                SymbolKind::ThreadLocal => {
                    Answer::Contradiction("a definition by the host".to_owned())
                }
                _ => outside(Target::Address(*address)),
            };
        }
        let own = symbol.defined.then_some(Found {
            id: self.id,
            symbol: *symbol,
        });
        let found = if symbol.defined && !symbol.weak {
            // A strong definition is what its own module means by the name.
            own
        } else {
            state
                .find(name, |id, _| !left_out.contains(&id))
                .or(own)
                .or_else(|| state.find(name, |_, _| true))
        };
        let Some(found) = found else {
            return self.answer_outside(state, symbol, name);
        };
        if left_out.contains(&found.id) {
            return Answer::Blocked(found.id);
        }
        let is_linked = |id| state.module(id).is_some_and(Loaded::is_linked);
        if found.symbol.same && !is_linked(found.id) {
            // All its definitions are the same, and the process may have made use of its own.
            if let Some(meaning) = self.loaded(state, symbol, name) {
                return Answer::Means(meaning);
            }
        }
        let meaning = match found.id == self.id {
            // As its relocations have it.
            true => found.meaning(state),
            false => found
                .meaning(state)
                .filter(|meaning| agree(symbol.kind, &meaning.target)),
        };
        match meaning {
            Some(meaning) => Answer::Means(meaning),
            None => Answer::Contradiction(
                state
                    .module(found.id)
                    .map_or_else(String::new, |module| module.info.name().to_owned()),
            ),
        }
    }

    /// Resolves a symbol that no module defines.
    fn answer_outside(&self, state: &State, symbol: &Symbol, name: &[u8]) -> Answer {
        // Hidden means: in this program.
        let address = match symbol.hidden {
            true => None,
            false => find_outside(&state.libraries, name),
        };
        let nothing = match symbol.kind {
            SymbolKind::ThreadLocal => Target::ThreadLocal {
                module: tls::NOWHERE,
                offset: 0,
            },
            _ => Target::Address(0),
        };
        let target = match address {
            Some(address) => target_outside(symbol.kind, address),
            None if symbol.weak => Some(nothing),
            None => return Answer::Missing,
        };
        match target {
            Some(target) => Answer::Means(Meaning {
                target,
                module: None,
                entry: None,
            }),
            None => Answer::Contradiction("a library or the process".to_owned()),
        }
    }

    /// A definition in the libraries or the process.
    fn loaded(&self, state: &State, symbol: &Symbol, name: &[u8]) -> Option<Meaning> {
        let name = CString::new(name).ok()?;
        let address = find_loaded(&state.libraries, &name)?;
        Some(Meaning {
            target: target_outside(symbol.kind, address)?,
            module: None,
            entry: None,
        })
    }
}

/// Whether a reference of this kind can resolve to such a target.
fn agree(kind: SymbolKind, target: &Target) -> bool {
    let thread_local = matches!(target, Target::ThreadLocal { .. });
    (kind == SymbolKind::ThreadLocal) == thread_local
}

/// `None`: the reference is thread-local and the definition is not.
fn target_outside(kind: SymbolKind, address: usize) -> Option<Target> {
    match kind {
        SymbolKind::ThreadLocal => tls::of_the_system(address)
            .map(|TlsIndex { module, offset }| Target::ThreadLocal { module, offset }),
        SymbolKind::Plain | SymbolKind::Indirect => Some(Target::Address(address)),
    }
}

#[cfg(test)]
mod tests;
