//! The CPU of this process, by CPUID, and the levels of x86-64.

mod detect;
mod features;
mod levels;
mod tuning;

pub use detect::native;
pub use features::FEATURES;
pub use levels::NAMED;
pub use tuning::NAMES as TUNINGS;
