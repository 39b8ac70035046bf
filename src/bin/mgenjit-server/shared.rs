//! Links objects for export.

use crate::compile::Compiler;
use crate::input::Input;
use mgenjit::compile::protocol::{Failure, FailureKind, LinkRequest};

/// Makes what `request` asks for of its inputs.
pub fn link(
    _compiler: &mut Compiler,
    request: &LinkRequest,
    _inputs: &[Input],
) -> Result<Vec<u8>, Failure> {
    Err(Failure {
        kind: FailureKind::Unsupported,
        message: format!("{:?} cannot be linked yet", request.output),
        input: None,
        position: None,
    })
}
