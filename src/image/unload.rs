//! Unloads images.

use super::loaded::Image;
use super::{run, thread_exit};
use std::sync::Arc;

/// Unloads images that nobody can reach any more: runs the destructors of this thread's `thread_local` objects, then
/// those of the images, of the one that was begun last first, and then unmaps them all: until then they may need each
/// other.
///
/// As with libraries of the system, an image that has `thread_local` objects in other threads stays, with what it needs: its
/// destructors run when the last of these objects has ended, which may use what they destroy.
pub fn unload(images: Vec<Arc<Image>>) {
    thread_exit::run_own(&images);
    run::finalize_last(images);
}
