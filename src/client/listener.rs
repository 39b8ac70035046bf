//! What a server reports before its answer.

use crate::protocol::messages::{Decision, Progress};

/// Receives what a server reports of a request before the answer.
pub trait Listener {
    /// The module's digest, before anything is optimised, if the request asks for it. The result can stop the compile.
    /// Called again if the request has to go to another server.
    fn identified(&mut self, _digest: &[u8; 32]) -> Decision {
        Decision::Compile
    }

    fn progress(&mut self, _progress: Progress) {}

    /// What is wrong with the cache.
    fn cache_warning(&mut self, _why: &str) {}

    /// The shared server could not be used, or no log could be opened.
    fn warning(&mut self, _why: &str) {}
}

/// Ignores everything.
impl Listener for () {}
