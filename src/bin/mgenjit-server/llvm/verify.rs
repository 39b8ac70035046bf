//! Is the module well-formed? LLVM's later passes assume so, and crash if it is not. And does this LLVM know all that
//! it uses?

use crate::llvm::target::llvm_version;
use crate::llvm::values::functions;
use inkwell::llvm_sys::analysis::{LLVMVerifierFailureAction, LLVMVerifyFunction};
use inkwell::llvm_sys::core::{
    LLVMGetFirstUse, LLVMGetIntrinsicID, LLVMGetValueName2, LLVMIsDeclaration,
};
use inkwell::llvm_sys::debuginfo::LLVMStripModuleDebugInfo;
use inkwell::module::Module;
use inkwell::values::AsValueRef;
use mgenjit::protocol::messages::{Failure, FailureKind};

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
    Err(Failure::new(
        FailureKind::Verify,
        name_functions(module, message.trim_end()),
    ))
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

/// Refuses intrinsics that this LLVM does not know: it takes them for functions that somebody else defines.
pub fn intrinsics(module: &Module<'_>) -> Result<(), Failure> {
    // SAFETY: the module is valid, and so are its functions.
    let functions = unsafe { functions(module.as_mut_ptr()) };
    let mut unknown: Vec<String> = functions
        .into_iter()
        .filter(|function| {
            // SAFETY: as above.
            unsafe {
                LLVMIsDeclaration(*function) != 0
                    && LLVMGetIntrinsicID(*function) == 0
                    && !LLVMGetFirstUse(*function).is_null()
            }
        })
        .map(|function| {
            let mut len = 0;
            // SAFETY: the name is `len` bytes and is the function's, which nobody changes here.
            let name = unsafe {
                let name = LLVMGetValueName2(function, &raw mut len);
                std::slice::from_raw_parts(name.cast::<u8>(), len)
            };
            String::from_utf8_lossy(name).into_owned()
        })
        .filter(|name| name.starts_with("llvm."))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    unknown.sort_unstable();
    Err(Failure::new(
        FailureKind::Codegen,
        format!(
            "LLVM {} has no intrinsic of this name: {}",
            llvm_version(),
            unknown.join(", ")
        ),
    ))
}
