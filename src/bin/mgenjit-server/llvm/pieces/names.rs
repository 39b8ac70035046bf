//! Names that do not change when something else of the module does.
//!
//! Compilers and linkers of IR tell locals of one name apart by numbers, such as `count.12`. An edit elsewhere changes
//! the numbers. What only one piece has gets any number there. What several pieces share is called after where it is
//! first used.

use super::facts::{Facts, Flags, Kind};
use std::collections::HashSet;

/// Names of locals that other pieces use end in this, and so do those of aliases by which other pieces refer to a symbol
/// directly. They are external and hidden. Where the objects of the pieces become one, these symbols become local.
pub const SUFFIX: &str = ".mgenjit.piece";

/// Before the suffix of an alias.
pub const DIRECT: &str = ".direct";

/// A name without the numbers at its end, if it has any.
pub fn stem(name: &[u8]) -> Option<&[u8]> {
    let mut stem = name;
    while let Some(dot) = stem.iter().rposition(|byte| *byte == b'.') {
        let digits = &stem[dot + 1..];
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            break;
        }
        stem = &stem[..dot];
    }
    (stem.len() < name.len()).then_some(stem)
}

/// A name for each global that lasts, unlike the module's own; no two have the same.
pub fn lasting(facts: &Facts) -> Vec<Vec<u8>> {
    let mut names = Names::new(facts);
    // Functions are called after the one before them.
    let mut before = Vec::new();
    for (index, global) in facts.globals.iter().enumerate() {
        let is_function = global.kind == Kind::Function && global.flags.has(Flags::DEFINED);
        if is_function && !names.replace(index, &before) {
            before.clone_from(&global.name);
        }
    }
    // Others are called after their value, or else after the first function that leads to them.
    for (index, global) in facts.globals.iter().enumerate() {
        if global.kind == Kind::Function {
            names.follow(index);
        }
    }
    for (index, global) in facts.globals.iter().enumerate() {
        if global.kind != Kind::Function && !std::mem::replace(&mut names.seen[index], true) {
            names.replace(index, b"");
            names.follow(index);
        }
    }
    names.all
}

struct Names<'a> {
    facts: &'a Facts,
    all: Vec<Vec<u8>>,
    taken: HashSet<Vec<u8>>,
    /// What has been named after something that leads to it.
    seen: Vec<bool>,
}

impl Names<'_> {
    fn new(facts: &Facts) -> Names<'_> {
        let all: Vec<Vec<u8>> = facts.globals.iter().map(|one| one.name.clone()).collect();
        Names {
            facts,
            // What is the name of something now may be that of something else after an edit.
            taken: all.iter().cloned().collect(),
            all,
            seen: vec![false; facts.globals.len()],
        }
    }

    /// Names a global that has no lasting name after something that has. Returns whether it had none.
    fn replace(&mut self, index: usize, after: &[u8]) -> bool {
        let global = &self.facts.globals[index];
        let own = stem(&global.name);
        let is_nameless = global.flags.has(Flags::NAMELESS);
        if !global.flags.has(Flags::LOCAL) || (own.is_none() && !is_nameless) {
            return false;
        }
        let own = match own {
            Some(own) if !own.is_empty() && !is_nameless => own,
            _ => b"local",
        };
        let base = [own, b".", after].concat();
        let mut name = base.clone();
        let mut number = 1;
        while !self.taken.insert(name.clone()) {
            number += 1;
            name = [&base, format!(".{number}").as_bytes()].concat();
        }
        self.all[index] = name;
        true
    }

    /// Names what a global leads to, but for functions.
    fn follow(&mut self, root: usize) {
        let after = self.all[root].clone();
        let mut waiting = vec![root];
        while let Some(index) = waiting.pop() {
            for reference in self.facts.references_of(index as u32) {
                let target = reference.target as usize;
                let global = &self.facts.globals[target];
                if global.kind == Kind::Function || std::mem::replace(&mut self.seen[target], true)
                {
                    continue;
                }
                match global.content {
                    0 => self.replace(target, &after),
                    content => self.replace(target, format!("{content:016x}").as_bytes()),
                };
                waiting.push(target);
            }
        }
    }
}
