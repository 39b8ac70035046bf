//! What is asked of values before debug information is written.

use crate::llvm::debug_ir::places::Function;
use crate::llvm::prepare::attribute_kind;
use crate::llvm::values::name;
use inkwell::llvm_sys::core::{
    LLVMBasicBlockAsValue, LLVMCountParams, LLVMDisposeValueMetadataEntries, LLVMGetCalledValue,
    LLVMGetEnumAttributeAtIndex, LLVMGetFirstDbgRecord, LLVMGetFirstInstruction, LLVMGetFirstUse,
    LLVMGetGEPSourceElementType, LLVMGetInstructionOpcode, LLVMGetLinkage, LLVMGetNextInstruction,
    LLVMGetNextUse, LLVMGetNormalDest, LLVMGetOperand, LLVMGetParam, LLVMGetParamParent,
    LLVMGetTailCallKind, LLVMGetUser, LLVMGlobalCopyAllMetadata, LLVMIsAArgument,
    LLVMIsATerminatorInst, LLVMTypeOf, LLVMValueMetadataEntriesGetKind,
};
use inkwell::llvm_sys::prelude::{LLVMTypeRef, LLVMValueRef};
use inkwell::llvm_sys::{LLVMLinkage, LLVMOpcode, LLVMTailCallKind};

/// Whether there are records of variables, which are of a function that was inlined or lost its debug information.
///
/// # Safety
///
/// The function must be valid.
pub unsafe fn has_records(function: &Function) -> bool {
    let mut values = function.instructions.iter().map(|one| one.value);
    // SAFETY: the caller's.
    values.any(|value| unsafe { !LLVMGetFirstDbgRecord(value).is_null() })
}

/// Whether only the module sees a function or variable.
///
/// # Safety
///
/// `global` must be valid.
pub unsafe fn is_local(global: LLVMValueRef) -> bool {
    // SAFETY: the caller's.
    let linkage = unsafe { LLVMGetLinkage(global) };
    matches!(
        linkage,
        LLVMLinkage::LLVMInternalLinkage | LLVMLinkage::LLVMPrivateLinkage
    )
}

/// Whether a variable has metadata of a kind.
///
/// # Safety
///
/// `global` must be a valid variable.
pub unsafe fn has_metadata(global: LLVMValueRef, kind: u32) -> bool {
    let mut count = 0;
    // SAFETY: the caller's; the list has `count` entries, and is disposed of once.
    unsafe {
        let all = LLVMGlobalCopyAllMetadata(global, &raw mut count);
        let found = (0..count as u32).any(|at| LLVMValueMetadataEntriesGetKind(all, at) == kind);
        LLVMDisposeValueMetadataEntries(all);
        found
    }
}

/// Whether a value may be stored where it is known.
///
/// # Safety
///
/// `value` must be a valid instruction or argument.
pub unsafe fn can_be_stored(value: LLVMValueRef) -> bool {
    // SAFETY: the caller's; only calls are asked what they call, and only arguments for their attributes.
    unsafe {
        if LLVMIsAArgument(value).is_null() {
            if LLVMGetInstructionOpcode(value) != LLVMOpcode::LLVMCall {
                return true;
            }
            // Nothing may come between these and the return.
            return LLVMGetTailCallKind(value) != LLVMTailCallKind::LLVMTailCallKindMustTail
                && !name(LLVMGetCalledValue(value)).starts_with(b"llvm.experimental.deoptimize");
        }
        let function = LLVMGetParamParent(value);
        let kind = attribute_kind(c"swifterror");
        let is = |index: &u32| LLVMGetParam(function, *index) == value;
        let index = (0..LLVMCountParams(function)).find(is).unwrap_or_default();
        LLVMGetEnumAttributeAtIndex(function, index + 1, kind).is_null()
    }
}

/// What a pointer points to, if all that use it agree.
///
/// # Safety
///
/// `pointer` must be valid.
pub unsafe fn pointee(pointer: LLVMValueRef) -> Option<LLVMTypeRef> {
    let mut found = None;
    // SAFETY: the caller's; each kind of instruction is asked what such have.
    unsafe {
        let mut next = LLVMGetFirstUse(pointer);
        while !next.is_null() {
            let user = LLVMGetUser(next);
            next = LLVMGetNextUse(next);
            let ty = match LLVMGetInstructionOpcode(user) {
                LLVMOpcode::LLVMLoad => LLVMTypeOf(user),
                LLVMOpcode::LLVMStore if LLVMGetOperand(user, 1) == pointer => {
                    LLVMTypeOf(LLVMGetOperand(user, 0))
                }
                LLVMOpcode::LLVMGetElementPtr if LLVMGetOperand(user, 0) == pointer => {
                    LLVMGetGEPSourceElementType(user)
                }
                _ => continue,
            };
            if *found.get_or_insert(ty) != ty {
                return None;
            }
        }
    }
    found
}

/// The instruction before which the value of another is known. `None`: there is no such place.
///
/// # Safety
///
/// `value` must be a valid instruction.
pub unsafe fn behind(value: LLVMValueRef) -> Option<LLVMValueRef> {
    // SAFETY: the caller's; a block has a terminator, so that the walk ends in the block.
    unsafe {
        let mut next = LLVMGetNextInstruction(value);
        if !LLVMIsATerminatorInst(value).is_null() {
            if LLVMGetInstructionOpcode(value) != LLVMOpcode::LLVMInvoke {
                return None;
            }
            let block = LLVMGetNormalDest(value);
            // Behind the block's beginning it is known only if no other block leads there.
            let first = LLVMGetFirstUse(LLVMBasicBlockAsValue(block));
            if !LLVMGetNextUse(first).is_null() {
                return None;
            }
            next = LLVMGetFirstInstruction(block);
        }
        // These come first in a block.
        while matches!(
            LLVMGetInstructionOpcode(next),
            LLVMOpcode::LLVMPHI
                | LLVMOpcode::LLVMLandingPad
                | LLVMOpcode::LLVMCatchPad
                | LLVMOpcode::LLVMCleanupPad
        ) {
            next = LLVMGetNextInstruction(next);
        }
        (LLVMGetInstructionOpcode(next) != LLVMOpcode::LLVMCatchSwitch).then_some(next)
    }
}
