//! Is the module well-formed? LLVM's later passes assume so, and crash if it is not.

use inkwell::llvm_sys::analysis::{LLVMVerifierFailureAction, LLVMVerifyFunction};
use inkwell::llvm_sys::debuginfo::LLVMStripModuleDebugInfo;
use inkwell::module::Module;
use inkwell::values::AsValueRef;
use mgenjit::compile::protocol::{Failure, FailureKind};

/// Verifies the module. Broken debug info is dropped, as LLVM's own tools do: it is no reason not to run.
pub fn verify(module: &Module<'_>) -> Result<(), Failure> {
    let Err(first) = module.verify() else {
        return Ok(());
    };
    // SAFETY: the module is valid memory, if not valid IR; removing metadata reads no instruction's operands.
    let had_debug_info = unsafe { LLVMStripModuleDebugInfo(module.as_mut_ptr()) } != 0;
    let message = if had_debug_info {
        match module.verify() {
            Ok(()) => return Ok(()),
            Err(second) => second.to_string(),
        }
    } else {
        first.to_string()
    };
    Err(Failure {
        kind: FailureKind::Verify,
        message: name_functions(module, message.trim_end()),
        input: None,
        position: None,
    })
}

/// More names than these do not help to find the mistake.
const MAX_NAMED: usize = 5;

/// LLVM says what is wrong but not always where.
fn name_functions(module: &Module<'_>, message: &str) -> String {
    let broken: Vec<String> = module
        .get_functions()
        .filter(|function| {
            let action = LLVMVerifierFailureAction::LLVMReturnStatusAction;
            // SAFETY: the function belongs to the module, and the action prints and aborts nothing.
            function.count_basic_blocks() > 0
                && unsafe { LLVMVerifyFunction(function.as_value_ref(), action) } != 0
        })
        .take(MAX_NAMED + 1)
        .map(|function| format!("@{}", function.get_name().to_string_lossy()))
        .collect();
    match broken.as_slice() {
        [] => message.to_owned(),
        [one] => format!("in function {one}: {message}"),
        many if many.len() > MAX_NAMED => format!(
            "in functions {} and more: {message}",
            many[..MAX_NAMED].join(", ")
        ),
        many => format!("in functions {}: {message}", many.join(", ")),
    }
}
