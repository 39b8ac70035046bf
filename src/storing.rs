//! What the storing process is made of, for `mgenjit-helper`.

pub use crate::executor::{Order, Outcome, Said, Storing};
