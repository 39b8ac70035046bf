//! What an input, a module or an object, says of the names that others can see.

use serde::{Deserialize, Serialize};

/// Names that are not UTF-8 are left out.
#[derive(Default, Serialize, Deserialize)]
pub struct Symbols {
    pub defined: Vec<Definition>,
    pub undefined: Vec<Reference>,
}

#[derive(Serialize, Deserialize)]
pub struct Definition {
    pub name: String,
    /// Whether there may be no other: not weak, not common, and in no group of which a linker takes one.
    pub unique: bool,
    /// Whether it can be seen outside the image.
    pub exported: bool,
}

#[derive(Serialize, Deserialize)]
pub struct Reference {
    pub name: String,
    /// Whether it may stay undefined.
    pub weak: bool,
}
