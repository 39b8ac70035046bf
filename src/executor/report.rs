//! Which modules could not be linked, and why.

use crate::error::{Error, Status};
use crate::image::tls;
use crate::protocol::messages::VERSION_MARK;
use std::collections::{BTreeMap, HashSet};

/// The pending modules that were left out.
#[derive(Default)]
pub struct Report {
    pub blocked: Vec<Blocked>,
}

/// A module that could not be linked.
pub struct Blocked {
    pub id: u64,
    pub name: String,
    /// Names that are defined nowhere, and whether they are hidden.
    pub missing: BTreeMap<Vec<u8>, bool>,
    /// Modules that it needs and that could not be linked.
    pub needs: Vec<u64>,
    /// A complete message, if something else is wrong with it.
    pub fault: Option<String>,
}

impl Report {
    /// One error for all modules that could not be linked; `None`: all were.
    pub fn error(&self) -> Option<Error> {
        let all: Vec<&Blocked> = self.blocked.iter().collect();
        if self.blocked.iter().any(|module| !module.missing.is_empty()) {
            return Some(self.unresolved(&all));
        }
        (!all.is_empty()).then(|| faulty(&all))
    }

    /// What keeps one module from being linked; `None`: it is none of those that were left out.
    pub fn error_of(&self, id: u64) -> Option<Error> {
        let mut involved: Vec<&Blocked> = Vec::new();
        let mut seen = HashSet::from([id]);
        let mut work = vec![id];
        while let Some(id) = work.pop() {
            let Some(module) = self.blocked.iter().find(|module| module.id == id) else {
                continue;
            };
            involved.push(module);
            work.extend(module.needs.iter().filter(|need| seen.insert(**need)));
        }
        let has_fault = involved.iter().any(|module| module.fault.is_some());
        match involved.as_slice() {
            [] => None,
            _ if has_fault => Some(faulty(&involved)),
            // All that is missing is told at once.
            _ => Some(self.unresolved(&involved)),
        }
    }

    /// `involved`: the modules whose faults are told, too.
    fn unresolved(&self, involved: &[&Blocked]) -> Error {
        let missing: BTreeMap<&Vec<u8>, bool> = self
            .blocked
            .iter()
            .flat_map(|module| &module.missing)
            .map(|(name, hidden)| (name, *hidden))
            .collect();
        let text =
            |name: &Vec<u8>| String::from_utf8_lossy(name).replace(char::from(VERSION_MARK), "@");
        let symbols: Vec<String> = missing.keys().map(|name| text(name)).collect();
        let referring: Vec<&str> = self
            .blocked
            .iter()
            .filter(|module| module.fault.is_none())
            .map(|module| module.name.as_str())
            .collect();
        let is_static = !tls::has_dynamic_linker();
        let mut message = format!(
            "{} not defined, which {} to: {}\n{} {}{} add a module that does{}",
            if symbols.len() == 1 {
                "a symbol is".to_owned()
            } else {
                format!("{} symbols are", symbols.len())
            },
            match referring.as_slice() {
                [one] => format!("{one} refers"),
                all => format!("{} refer", all.join(", ")),
            },
            symbols.join(", "),
            if is_static {
                "this program is statically linked: its own functions and variables, and those of its libraries, cannot \
                 be found by name; define"
            } else {
                "define"
            },
            if symbols.len() == 1 { "it" } else { "them" },
            if is_static { ", or" } else { "," },
            if is_static {
                ""
            } else {
                ", or load a library that does"
            },
        );
        let cpp = |name: &String| {
            name.starts_with("_ZNS")
                || name.starts_with("_ZS")
                || name.starts_with("__cxa_")
                || name.starts_with("__gxx_")
                || name.starts_with("_ZTVN10__cxxabiv")
        };
        if !is_static && symbols.iter().any(cpp) {
            message.push_str(" (for the C++ runtime: libstdc++.so.6)");
        }
        let hidden = missing.iter().filter(|(_, hidden)| **hidden);
        let hidden: Vec<String> = hidden.map(|(name, _)| text(name)).collect();
        if !hidden.is_empty() {
            message.push_str(&format!(
                "; a library is not asked for what is declared hidden: {}",
                hidden.join(", ")
            ));
        }
        for fault in involved.iter().filter_map(|module| module.fault.as_ref()) {
            message.push_str(&format!("\n{fault}"));
        }
        Error {
            symbols,
            ..Error::new(Status::Unresolved, message)
        }
    }
}

/// An error that tells the faults among `modules`, and who needs what has them.
fn faulty(modules: &[&Blocked]) -> Error {
    let faults: Vec<&str> = modules
        .iter()
        .filter_map(|module| module.fault.as_deref())
        .collect();
    let waiting: Vec<&str> = modules
        .iter()
        .filter(|module| module.fault.is_none())
        .map(|module| module.name.as_str())
        .collect();
    let mut message = faults.join("\n");
    match waiting.as_slice() {
        [] => {}
        [one] => message.push_str(&format!("\n{one} needs it, and waits")),
        all => message.push_str(&format!("\n{} need it, and wait", all.join(", "))),
    }
    Error::new(Status::Load, message)
}
