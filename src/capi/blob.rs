//! Blobs and strings that the caller frees
//!
//! ```c
//! mgenjit_blob *assembly;
//! if (mgenjit_module_export_blob(module, MGENJIT_EXPORT_ASSEMBLY, NULL, &assembly, NULL) == MGENJIT_STATUS_OK) {
//!     fwrite(mgenjit_blob_data(assembly), 1, mgenjit_blob_size(assembly), stdout);
//!     mgenjit_blob_free(assembly);
//! }
//! ```

use super::ffi::{Owned, free, get};
use std::ffi::{CString, c_char, c_void};
use std::ptr;

/// Immutable bytes.
#[allow(non_camel_case_types)]
pub struct mgenjit_blob(pub(super) Vec<u8>);

impl Owned for mgenjit_blob {}

/// The first byte. Not NULL, even if the blob is empty. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_blob_data(blob: *const mgenjit_blob) -> *const c_void {
    get!(blob else ptr::null() => blob.0.as_ptr().cast())
}

/// The number of bytes. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_blob_size(blob: *const mgenjit_blob) -> usize {
    get!(blob else 0 => blob.0.len())
}

/// Frees a blob. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_blob_free(blob: *mut mgenjit_blob) {
    free!(blob);
}

/// Frees a string that a function of this library wrote to a `char **`. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_string_free(string: *mut c_char) {
    if !string.is_null() {
        // SAFETY: the header asks for a string that came from `CString::into_raw` and is not used again.
        drop(unsafe { CString::from_raw(string) });
    }
}
