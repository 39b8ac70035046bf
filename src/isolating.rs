//! What the process that runs compiled code is made of, for `mgenjit-helper`.

pub use crate::executor::isolated::channel::Channel;
pub use crate::executor::isolated::program::Program;
pub use crate::executor::isolated::serve::share;
