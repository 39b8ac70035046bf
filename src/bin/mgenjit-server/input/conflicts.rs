//! Inputs that contradict each other. LLVM's linker and libwild would say less, or nothing.

use crate::input::symbols::Symbols;
use mgenjit::protocol::messages::{Failure, FailureKind};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// No symbol may have two definitions that both claim to be the only one.
pub fn check_definitions<'a>(
    inputs: impl Iterator<Item = (&'a str, &'a Symbols)>,
) -> Result<(), Failure> {
    let mut definers = HashMap::new();
    for (input, symbols) in inputs {
        for definition in symbols.defined.iter().filter(|one| one.unique) {
            match definers.entry(definition.name.as_str()) {
                Entry::Vacant(entry) => {
                    entry.insert(input);
                }
                Entry::Occupied(entry) => {
                    return Err(failure(format!(
                        "`{}` is defined in both {} and {input}: rename one, leave one of the inputs out, or \
                         make one definition weak or internal (`static` in C)",
                        definition.name,
                        entry.get()
                    )));
                }
            }
        }
    }
    Ok(())
}

pub fn failure(message: String) -> Failure {
    Failure::new(FailureKind::Link, message)
}
