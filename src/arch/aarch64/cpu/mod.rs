//! The CPU of this process, by what the kernel says of it, and those that users may name.

mod detect;
mod features;
mod named;
mod tuning;

pub use detect::native;
pub use features::FEATURES;
pub use named::NAMED;
pub use tuning::NAMES as TUNINGS;
