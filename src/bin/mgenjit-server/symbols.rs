//! What an input, a module or an object, says of the names that others can see.

use mgenjit::signature::Function;

/// Names that are not UTF-8 are left out.
#[derive(Default)]
pub struct Symbols {
    pub defined: Vec<Definition>,
    pub undefined: Vec<Reference>,
}

pub struct Definition {
    pub name: String,
    /// Whether there may be no other: not weak, not common, and in no group of which a linker takes one.
    pub unique: bool,
    /// Whether it can be seen outside the image.
    pub exported: bool,
}

pub struct Reference {
    pub name: String,
    /// Whether it may stay undefined.
    pub weak: bool,
}

impl Symbols {
    /// The functions that are among what is defined.
    pub fn retain(&self, functions: &mut Vec<Function>) {
        let defined: std::collections::HashSet<&str> =
            self.defined.iter().map(|one| one.name.as_str()).collect();
        functions.retain(|function| defined.contains(function.name.as_str()));
    }
}
