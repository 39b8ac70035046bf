//! What a module has: lists that do not change while the module does.

use inkwell::llvm_sys::core::{
    LLVMGetFirstBasicBlock, LLVMGetFirstFunction, LLVMGetFirstGlobal, LLVMGetFirstGlobalAlias,
    LLVMGetFirstInstruction, LLVMGetInitializer, LLVMGetNamedGlobal, LLVMGetNextBasicBlock,
    LLVMGetNextFunction, LLVMGetNextGlobal, LLVMGetNextGlobalAlias, LLVMGetNextInstruction,
    LLVMGetNumOperands, LLVMGetOperand, LLVMGetValueName2,
};
use inkwell::llvm_sys::prelude::{LLVMModuleRef, LLVMValueRef};
use std::collections::HashSet;

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

/// The members of the lists of what must be kept whatever refers to it.
///
/// # Safety
///
/// `module` must be valid and verified.
pub unsafe fn used(module: LLVMModuleRef) -> HashSet<LLVMValueRef> {
    let mut used = HashSet::new();
    for list in [c"llvm.used", c"llvm.compiler.used"] {
        // SAFETY: the caller's; operands are asked for within their count.
        unsafe {
            let list = LLVMGetNamedGlobal(module, list.as_ptr());
            if list.is_null() {
                continue;
            }
            let array = LLVMGetInitializer(list);
            if array.is_null() {
                continue;
            }
            for index in 0..LLVMGetNumOperands(array) {
                used.insert(LLVMGetOperand(array, index.unsigned_abs()));
            }
        }
    }
    used
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

/// The instructions that a function has now.
///
/// # Safety
///
/// `function` must be valid.
pub unsafe fn instructions(function: LLVMValueRef) -> Vec<LLVMValueRef> {
    // SAFETY: the caller's function is valid, and so is each of its blocks and their instructions.
    unsafe {
        let mut all = Vec::new();
        let mut block = LLVMGetFirstBasicBlock(function);
        while !block.is_null() {
            let mut next = LLVMGetFirstInstruction(block);
            while !next.is_null() {
                all.push(next);
                next = LLVMGetNextInstruction(next);
            }
            block = LLVMGetNextBasicBlock(block);
        }
        all
    }
}

/// A value's name; empty if it has none.
///
/// # Safety
///
/// `value` must be valid, and must keep its name for as long as the name is used.
pub unsafe fn name<'value>(value: LLVMValueRef) -> &'value [u8] {
    let mut len = 0;
    // SAFETY: the caller's; the name is `len` bytes and belongs to the value.
    unsafe {
        let name = LLVMGetValueName2(value, &raw mut len);
        std::slice::from_raw_parts(name.cast(), len)
    }
}
