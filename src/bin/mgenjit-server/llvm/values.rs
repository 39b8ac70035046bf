//! What a module has: lists that do not change while the module does.

use inkwell::llvm_sys::core::{
    LLVMGetFirstFunction, LLVMGetFirstGlobal, LLVMGetFirstGlobalAlias, LLVMGetNextFunction,
    LLVMGetNextGlobal, LLVMGetNextGlobalAlias,
};
use inkwell::llvm_sys::prelude::{LLVMModuleRef, LLVMValueRef};

/// The variables that the module has now. Ones that are added or removed later do not disturb the list.
///
/// # Safety
///
/// `module` must be valid.
pub unsafe fn globals(module: LLVMModuleRef) -> Vec<LLVMValueRef> {
    // SAFETY: the caller's module is valid, and so is each of its variables.
    unsafe {
        let mut next = LLVMGetFirstGlobal(module);
        let mut all = Vec::new();
        while !next.is_null() {
            all.push(next);
            next = LLVMGetNextGlobal(next);
        }
        all
    }
}

/// # Safety
///
/// `module` must be valid.
pub unsafe fn aliases(module: LLVMModuleRef) -> Vec<LLVMValueRef> {
    // SAFETY: the caller's module is valid, and so is each of its aliases.
    unsafe {
        let mut next = LLVMGetFirstGlobalAlias(module);
        let mut all = Vec::new();
        while !next.is_null() {
            all.push(next);
            next = LLVMGetNextGlobalAlias(next);
        }
        all
    }
}

/// The functions that the module has now.
///
/// # Safety
///
/// `module` must be valid.
pub unsafe fn functions(module: LLVMModuleRef) -> Vec<LLVMValueRef> {
    // SAFETY: the caller's module is valid, and so is each of its functions.
    unsafe {
        let mut next = LLVMGetFirstFunction(module);
        let mut all = Vec::new();
        while !next.is_null() {
            all.push(next);
            next = LLVMGetNextFunction(next);
        }
        all
    }
}
