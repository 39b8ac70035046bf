//! Puts a new version of a module in the place of an old one.

use super::compile::Compiled;
use super::core::Executor;
use super::info::ModuleInfo;
use super::lookup::{check_live, removed};
use super::module::Module;
use super::source::Source;
use super::state::{self, State};
use crate::client::cancel::Cancel;
use crate::error::{Error, Status};
use crate::image::Image;
use crate::signature::Function;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// What a new version may do to functions of the old one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// Not define them.
    pub vanished: bool,
    /// Define them with another type.
    pub changed: bool,
}

/// A module that takes the place of another one when it is linked.
pub struct Successor {
    pub old: u64,
    pub image: Image,
    pub info: Arc<ModuleInfo>,
}

/// Replaced and removed modules that are still mapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OldCode {
    /// Replaced, and not retired yet.
    pub waiting: u64,
    pub waiting_bytes: u64,
    /// Retired or removed, and kept by what uses them.
    pub kept: u64,
    pub kept_bytes: u64,
}

impl Successor {
    /// Adds it, to be linked. Returns its id, and that of the module whose place it takes.
    pub fn add(self, state: &mut State) -> Result<(u64, u64), Error> {
        check_live(state.module(self.old))?;
        let id = state.add(self.image, self.info);
        state.set_replaced(self.old, true);
        Ok((id, self.old))
    }
}

impl Module {
    /// Compiles a new version, links it, and has all callers call its functions. On an error, nothing has happened.
    pub fn replace(&self, source: Source<'_>, allow: Allow) -> Result<Module, Error> {
        let executor = self.executor_handle();
        if !executor.config().replaceable {
            return Err(Error::new(
                Status::InvalidArgument,
                format!(
                    "{} cannot be replaced: create its executor with mgenjit_config_set_replaceable",
                    self.name()
                ),
            ));
        }
        let Some(old) = self.id() else {
            return Err(executor.foreign(self.name()));
        };
        check_live(executor.lock().module(old))?;
        let Compiled { image, info } = executor.compile_to_image(source, &Cancel::default())?;
        let Some(image) = image else {
            return Err(executor.foreign(info.name()));
        };
        let image_of_old = executor.linked_image(old)?;
        let changes = Changes::new(
            (&image_of_old, self.functions()?),
            (&image, info.functions()?),
            allow,
        );
        drop(image_of_old);
        changes.check(self.name(), info.name())?;
        let successor = Successor {
            old,
            image,
            info: info.clone(),
        };
        let (_, id) = executor.link_with(Some(successor))?;
        Ok(Module::new(executor.clone(), id, info))
    }

    /// Nobody runs in this module any more, which was replaced. Whether it is unmapped now.
    pub fn retire(&self) -> Result<bool, Error> {
        let Some(id) = self.id() else {
            return Err(not_replaced(self.name()));
        };
        let (taken, is_mapped) = {
            let mut state = self.executor().lock();
            let module = state.module(id).ok_or_else(removed)?;
            if !module.replaced {
                return Err(match module.removed {
                    true => removed(),
                    false => not_replaced(self.name()),
                });
            }
            let taken = state.retire(id).ok_or_else(removed)?;
            (taken, state.module(id).is_some())
        };
        state::unload(taken);
        Ok(!is_mapped)
    }
}

impl Executor {
    /// The image of a module, which is linked.
    fn linked_image(&self, id: u64) -> Result<Arc<Image>, Error> {
        loop {
            let report = self.link_pending();
            let state = self.lock();
            let module = check_live(state.module(id))?;
            if module.is_linked() {
                return Ok(module.image.clone());
            }
            if let Some(error) = report.error_of(id) {
                return Err(error);
            }
            // Another thread has just added it.
        }
    }

    pub fn old_code(&self) -> OldCode {
        let state = self.lock();
        let mut old = OldCode::default();
        for module in state.modules() {
            let bytes = module.image.mapped_len() as u64;
            if module.removed {
                old.kept += 1;
                old.kept_bytes += bytes;
            } else if module.replaced {
                old.waiting += 1;
                old.waiting_bytes += bytes;
            }
        }
        old
    }
}

fn not_replaced(name: &str) -> Error {
    Error::new(
        Status::InvalidArgument,
        format!(
            "{name} was not replaced, and so cannot be retired: to remove it, use mgenjit_module_remove"
        ),
    )
}

/// What a new version changes that callers rely on.
#[derive(Default)]
struct Changes {
    vanished: BTreeSet<String>,
    /// By name: what was, and what is.
    changed: Vec<(String, String, String)>,
}

impl Changes {
    fn new(old: (&Image, &[Function]), new: (&Image, &[Function]), allow: Allow) -> Changes {
        let mut changes = Changes::default();
        if !allow.vanished {
            let names = old.0.functions().filter(|symbol| !symbol.same);
            let names = names.filter_map(|symbol| old.0.name(&symbol).ok());
            let is_gone = |name: &&[u8]| !new.0.find(name).is_some_and(|symbol| symbol.function);
            let gone = names.filter(is_gone);
            changes.vanished = gone
                .map(|name| String::from_utf8_lossy(name).into_owned())
                .collect();
        }
        if !allow.changed {
            let by_name = |function| -> (&str, &Function) { (name_of(function), function) };
            let now: HashMap<&str, &Function> = new.1.iter().map(by_name).collect();
            for was in old.1 {
                if let Some(is) = now.get(was.name.as_str())
                    && !is_same_type(was, is)
                {
                    let texts = (was.to_string(), is.to_string());
                    changes.changed.push((was.name.clone(), texts.0, texts.1));
                }
            }
        }
        changes
    }

    fn check(self, old: &str, new: &str) -> Result<(), Error> {
        let mut reasons = Vec::new();
        if !self.vanished.is_empty() {
            let names: Vec<String> = self
                .vanished
                .iter()
                .map(|name| format!("`{name}`"))
                .collect();
            reasons.push(format!("it does not define {}", names.join(", ")));
        }
        for (_, was, is) in &self.changed {
            reasons.push(format!("`{was}` has become `{is}`"));
        }
        if reasons.is_empty() {
            return Ok(());
        }
        let mut symbols: BTreeSet<String> = self.vanished;
        symbols.extend(self.changed.into_iter().map(|(name, _, _)| name));
        Err(Error {
            symbols: symbols.into_iter().collect(),
            ..Error::new(
                Status::Type,
                format!(
                    "{new} cannot replace {old}: {}; callers may rely on that: define all functions with their types, or \
                     allow the change (MGENJIT_ALLOW_VANISHED, MGENJIT_ALLOW_CHANGED)",
                    reasons.join("; ")
                ),
            )
        })
    }
}

fn name_of(function: &Function) -> &str {
    &function.name
}

/// Whether callers of one can call the other. How arguments are widened is not part of the type.
fn is_same_type(one: &Function, other: &Function) -> bool {
    let parameters = |function: &Function| -> Vec<_> {
        let types = function.parameters.iter();
        types.map(|parameter| parameter.ty.clone()).collect()
    };
    one.result == other.result
        && one.variadic == other.variadic
        && one.convention == other.convention
        && parameters(one) == parameters(other)
}
