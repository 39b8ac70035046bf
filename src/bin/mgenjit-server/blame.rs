//! Whose fault it is that an image could not be made.

use crate::natives::Natives;
use crate::object_file::{self, Fault};
use crate::symbols::Symbols;
use mgenjit::compile::protocol::{Failure, FailureKind};
use std::collections::HashSet;

/// Finds the object that was not compiled for an image and says how to compile it. If there is none, the failure stays
/// what it is, with the names of files in it. `all`: the symbols of all that is linked.
pub fn blame(failure: Failure, natives: &Natives, all: &[&Symbols]) -> Failure {
    // What is defined only weakly, or not at all, may be another image's.
    let here: HashSet<&str> = all
        .iter()
        .flat_map(|symbols| &symbols.defined)
        .filter(|one| one.unique || !one.exported)
        .map(|one| one.name.as_str())
        .collect();
    let worst = natives
        .selected()
        .filter(|file| file.is_object())
        .filter_map(|file| {
            let is_elsewhere = |name: &str| !name.is_empty() && !here.contains(name);
            let (fault, name) = object_file::fault(file.bytes(), is_elsewhere)?;
            Some((fault, file, name))
        })
        .min_by_key(|(fault, ..)| *fault);
    let Some((fault, file, name)) = worst else {
        return Failure {
            message: natives.name_files(&failure.message),
            ..failure
        };
    };
    let name = if name.is_empty() {
        String::new()
    } else {
        format!(" of `{name}`")
    };
    let reason = match fault {
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
    file.failure(FailureKind::Link, &reason)
}
