//! `mgenjit_blob`: bytes that the library hands out.

use super::ffi::Owned;
use std::ffi::c_void;
use std::ptr;

/// Some bytes. They are immutable and belong to the blob.
#[allow(non_camel_case_types)]
pub struct mgenjit_blob(pub(super) Vec<u8>);

impl Owned for mgenjit_blob {}

/// The first byte; not NULL, even if there are none. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_blob_data(blob: *const mgenjit_blob) -> *const c_void {
    // SAFETY: the caller passes NULL or a live blob.
    unsafe { blob.as_ref() }.map_or(ptr::null(), |blob| blob.0.as_ptr().cast())
}

/// How many bytes there are. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_blob_size(blob: *const mgenjit_blob) -> usize {
    // SAFETY: the caller passes NULL or a live blob.
    unsafe { blob.as_ref() }.map_or(0, |blob| blob.0.len())
}

/// Frees a blob. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_blob_free(blob: *mut mgenjit_blob) {
    // SAFETY: the caller passes NULL or a blob that it owns and will not use again.
    unsafe { mgenjit_blob::free(blob) };
}
