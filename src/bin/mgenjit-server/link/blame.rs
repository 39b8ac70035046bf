//! Whose fault it is that an image could not be made.

use crate::input::object_file::{self, Fault};
use crate::input::symbols::Symbols;
use crate::link::objects::NativeInputs;
use mgenjit::protocol::messages::{Failure, FailureKind};
use std::collections::HashSet;

/// Finds the object that was not compiled for an image and says how to compile it. If there is none, the failure stays
/// what it is, with the names of files in it. `all`: the symbols of all that is linked.
pub fn blame(failure: Failure, natives: &NativeInputs, all: &[&Symbols]) -> Failure {
    // What is defined only weakly, or not at all, may be another image's.
    let here: HashSet<&str> = all
        .iter()
        .flat_map(|symbols| &symbols.defined)
        .filter(|one| one.unique || !one.exported)
        .map(|one| one.name.as_str())
        .collect();
    let matters =
        |fault, name: &str| fault != Fault::Distance || (!name.is_empty() && !here.contains(name));
    worst(natives, matters).unwrap_or_else(|| Failure {
        message: natives.name_files(&failure.message),
        ..failure
    })
}

/// Refuses what the linker takes in silence: thread-local storage as if it made a program, and the address, in the code, of
/// what nothing here defines.
pub fn check(natives: &NativeInputs, undefined: &HashSet<&str>) -> Result<(), Failure> {
    let matters = |fault, name: &str| match fault {
        Fault::Miswritten | Fault::StaticTls | Fault::TlsDescriptor => true,
        Fault::Absolute => undefined.contains(name),
        Fault::Distance => false,
    };
    worst(natives, matters).map_or(Ok(()), Err)
}

/// What is worst of what matters in the objects that are linked.
fn worst(natives: &NativeInputs, matters: impl Fn(Fault, &str) -> bool) -> Option<Failure> {
    let (fault, file, name) = natives
        .selected()
        .filter(|file| file.is_object())
        .filter_map(|file| {
            let (fault, name) = object_file::fault(file.bytes(), &matters)?;
            Some((fault, file, name))
        })
        .min_by_key(|(fault, ..)| *fault)?;
    let name = if name.is_empty() {
        String::new()
    } else {
        format!(" of `{name}`")
    };
    let reason = match fault {
        Fault::Miswritten => format!(
            "reaches the place{name} in a way that cannot be linked here: compile it without -mcmodel=tiny"
        ),
        Fault::Absolute => format!(
            "holds the absolute address{name}, but an image is loaded at any address: compile it with -fPIC"
        ),
        Fault::StaticTls => format!(
            "takes the thread-local storage{name} for that of a program, which an image that is loaded later has no \
             place in: compile it with -fPIC and -ftls-model=global-dynamic"
        ),
        Fault::TlsDescriptor => format!(
            "reaches the thread-local storage{name} by a descriptor, which images do not have: compile it with \
             -mtls-dialect=gnu"
        ),
        Fault::Distance => format!(
            "takes for granted how far away the place{name} is, which may be in another image: compile it with -fPIC"
        ),
    };
    Some(file.failure(FailureKind::Link, &reason))
}
