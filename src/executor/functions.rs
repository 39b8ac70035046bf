//! Finds functions by their names, with their signatures.

use super::call::{Function, Pin, Signature};
use super::core::Executor;
use crate::error::{Error, Status};
use crate::signature;
use std::sync::Arc;

impl Executor {
    /// A function of the modules, with its signature.
    pub fn lookup_function(self: &Arc<Self>, name: &str) -> Result<Function, Error> {
        self.find_function(name, None)
    }

    /// As `lookup_function`. `assumed`: the signature to use for a function of an object, which states none.
    pub(super) fn find_function(
        self: &Arc<Self>,
        name: &str,
        assumed: Option<signature::Function>,
    ) -> Result<Function, Error> {
        let found = {
            let mut state = self.lock();
            // Found and pinned at once: another thread may remove the module.
            state.find(name.as_bytes(), |_, _| true).and_then(|found| {
                let module = state.pin(found.id)?;
                Some((found.id, module.info.clone(), found.symbol.object))
            })
        };
        let Some((id, info, is_variable)) = found else {
            return Err(self.not_found(
                name,
                format!("no module of this executor defines a function `{name}`"),
            ));
        };
        let pin = Pin::taken(self.clone(), id);
        let index = info
            .functions()?
            .iter()
            .position(|function| function.name == name);
        let signature = match (index, assumed) {
            (Some(index), _) => Signature::Stated(index),
            (None, Some(assumed)) if !is_variable => Signature::Assumed(Box::new(assumed)),
            (None, _) => {
                return Err(Error::new(
                    Status::NotFound,
                    format!(
                        "`{name}` has no known signature: it is a variable, or it comes from an object file. Look up its address instead"
                    ),
                ));
            }
        };
        Ok(Function::new(pin, info, signature))
    }
}
