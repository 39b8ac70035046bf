//! The frame of every function that returns a status: it reads the parameters, runs the body, and turns an error or a
//! panic into a status and an error object.

use super::error::mgenjit_error;
use super::ffi::Out;
use super::status::{self, MGENJIT_STATUS_OK, mgenjit_status};
use crate::error::Error;
use crate::sanitizer::Stay;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// `call!(error, handle module, string name => body)`: each parameter is read by the function of that name in `ffi`, and
/// goes on as what that returns. The body, a `Result<(), Error>`, sees no raw pointer. A parameter with a length is
/// `bytes ir[length]`.
macro_rules! call {
    ($error:ident, $($read:ident $name:ident $([$length:ident])?),* => $body:expr) => {{
        // SAFETY: the header asks for NULL or a place for an error.
        let place = unsafe { $crate::capi::ffi::optional_out($error, "error") };
        $crate::capi::call::guard(place.unwrap_or(None), || {
            $(
                // SAFETY: the header asks for NULL or what the function in `ffi` says.
                let $name =
                    unsafe { $crate::capi::ffi::$read($name, $($length,)? stringify!($name)) }?;
            )*
            $body
        })
    }};
}
pub(super) use call;

/// As `call!`, of a body that cannot fail, such as one that sets a field.
macro_rules! set {
    ($error:ident, $($read:ident $name:ident $([$length:ident])?),* => $body:expr) => {
        $crate::capi::call::call!($error, $($read $name $([$length])?),* => {
            $body;
            Ok(())
        })
    };
}
pub(super) use set;

/// Runs a body, and turns its error or panic into a status and an error object.
pub(super) fn guard(
    error: Option<Out<*mut mgenjit_error>>,
    body: impl FnOnce() -> Result<(), Error>,
) -> mgenjit_status {
    let _stay = Stay::begin();
    let failure = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return MGENJIT_STATUS_OK,
        Ok(Err(failure)) => failure,
        Err(panic) => Error::of_panic(&*panic),
    };
    let number = status::number(failure.status);
    if let Some(error) = error {
        // Writing it cannot fail.
        let _ = error.give(mgenjit_error::from(failure));
    }
    number
}
