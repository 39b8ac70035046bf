//! Takes `dso_local` off symbols that may live in another image.
//!
//! IR for an executable marks everything as local: an executable copies variables of libraries, or calls through its
//! PLT. An image can do neither, so such symbols must go through the GOT. LLVM's C API cannot clear `dso_local`, but
//! a newly made global does not have it.

use crate::llvm::values::{aliases, functions, globals};
use inkwell::llvm_sys::comdat::{LLVMGetComdat, LLVMSetComdat};
use inkwell::llvm_sys::core::{
    LLVMAddAlias2, LLVMAddAttributeAtIndex, LLVMAddFunction, LLVMAddGlobalInAddressSpace,
    LLVMAliasGetAliasee, LLVMAppendExistingBasicBlock, LLVMCountBasicBlocks, LLVMCountParams,
    LLVMDeleteFunction, LLVMDeleteGlobal, LLVMDisposeValueMetadataEntries, LLVMGetAlignment,
    LLVMGetAttributeCountAtIndex, LLVMGetAttributesAtIndex, LLVMGetBasicBlocks,
    LLVMGetFunctionCallConv, LLVMGetGC, LLVMGetInitializer, LLVMGetIntrinsicID, LLVMGetLinkage,
    LLVMGetParam, LLVMGetPersonalityFn, LLVMGetPointerAddressSpace, LLVMGetPrefixData,
    LLVMGetPrologueData, LLVMGetSection, LLVMGetThreadLocalMode, LLVMGetUnnamedAddress,
    LLVMGetValueName2, LLVMGetVisibility, LLVMGlobalAddMetadata, LLVMGlobalCopyAllMetadata,
    LLVMGlobalGetValueType, LLVMHasPersonalityFn, LLVMHasPrefixData, LLVMHasPrologueData,
    LLVMIsAFunction, LLVMIsDeclaration, LLVMIsExternallyInitialized, LLVMIsGlobalConstant,
    LLVMRemoveBasicBlockFromParent, LLVMReplaceAllUsesWith, LLVMSetAlignment,
    LLVMSetExternallyInitialized, LLVMSetFunctionCallConv, LLVMSetGC, LLVMSetGlobalConstant,
    LLVMSetInitializer, LLVMSetLinkage, LLVMSetPersonalityFn, LLVMSetPrefixData,
    LLVMSetPrologueData, LLVMSetSection, LLVMSetThreadLocalMode, LLVMSetUnnamedAddress,
    LLVMSetValueName2, LLVMSetVisibility, LLVMTypeOf, LLVMValueMetadataEntriesGetKind,
    LLVMValueMetadataEntriesGetMetadata,
};
use inkwell::llvm_sys::prelude::{LLVMModuleRef, LLVMValueRef};
use inkwell::llvm_sys::{LLVMLinkage, LLVMVisibility};
use std::collections::{HashMap, HashSet};

/// Clears hidden visibility of declarations and weak definitions, which another module of the program may define.
/// `replaceable`: of all functions that others can see, for the same reason. Returns their names and old visibility.
///
/// # Safety
///
/// `module` must be valid and verified.
pub unsafe fn open(module: LLVMModuleRef, replaceable: bool) -> HashMap<String, LLVMVisibility> {
    let mut opened = HashMap::new();
    // SAFETY: the values come from the module, and a name is read within its length.
    unsafe {
        let seen: HashSet<LLVMValueRef> = match replaceable {
            true => functions_to_replace(module).into_iter().collect(),
            false => HashSet::new(),
        };
        let values = functions(module).into_iter().chain(globals(module));
        let aliases = aliases(module).into_iter();
        for global in values.chain(aliases.filter(|alias| seen.contains(alias))) {
            let visibility = LLVMGetVisibility(global);
            let may_be_elsewhere = match visibility {
                LLVMVisibility::LLVMDefaultVisibility => false,
                _ if seen.contains(&global) => true,
                LLVMVisibility::LLVMHiddenVisibility => may_be_elsewhere(global),
                // A protected definition is the module's own.
                LLVMVisibility::LLVMProtectedVisibility => !is_defined(global),
            };
            let name = name(global);
            let name = name.strip_prefix(&[1]).unwrap_or(&name);
            if may_be_elsewhere && let Ok(name) = str::from_utf8(name) {
                LLVMSetVisibility(global, LLVMVisibility::LLVMDefaultVisibility);
                opened.insert(name.to_owned(), visibility);
            }
        }
    }
    opened
}

/// # Safety
///
/// `global` must be a valid global.
unsafe fn is_defined(global: LLVMValueRef) -> bool {
    // SAFETY: the caller's.
    unsafe {
        LLVMIsDeclaration(global) == 0
            && LLVMGetLinkage(global) != LLVMLinkage::LLVMAvailableExternallyLinkage
    }
}

/// The functions that others can see and may replace, and aliases of such.
///
/// # Safety
///
/// `module` must be valid and verified.
unsafe fn functions_to_replace(module: LLVMModuleRef) -> Vec<LLVMValueRef> {
    // SAFETY: the values come from the module.
    unsafe {
        let can_be_seen = |global: &LLVMValueRef| {
            let is_local = matches!(
                LLVMGetLinkage(*global),
                LLVMLinkage::LLVMInternalLinkage | LLVMLinkage::LLVMPrivateLinkage
            );
            !is_local && is_defined(*global) && is_in_code(*global)
        };
        let aliases = aliases(module).into_iter();
        let of_functions =
            aliases.filter(|alias| !LLVMIsAFunction(LLVMAliasGetAliasee(*alias)).is_null());
        let functions = functions(module).into_iter();
        functions.chain(of_functions).filter(can_be_seen).collect()
    }
}

/// Makes every symbol anew that another image may define or replace: declarations, and weak definitions, which
/// must be one and the same in all images. There is no way to ask which are `dso_local` that is not slow, and
/// it does no harm to those that are not. `replaceable`: also all functions that others can see, and their aliases.
///
/// # Safety
///
/// `module` must be valid and verified, and nobody may hold one of its values.
pub unsafe fn rebind(module: LLVMModuleRef, replaceable: bool) {
    // SAFETY: the values come from the module, and each is looked at before it is replaced.
    unsafe {
        for variable in globals(module) {
            if is_replaceable(variable) {
                replace_variable(module, variable);
            }
        }
        let seen: HashSet<LLVMValueRef> = match replaceable {
            true => functions_to_replace(module).into_iter().collect(),
            false => HashSet::new(),
        };
        for function in functions(module) {
            let may_be_elsewhere = is_replaceable(function) || seen.contains(&function);
            if may_be_elsewhere && LLVMGetIntrinsicID(function) == 0 {
                replace_function(module, function);
            }
        }
        for alias in aliases(module) {
            if seen.contains(&alias) {
                replace_alias(module, alias);
            }
        }
    }
}

/// # Safety
///
/// `global` must be a valid global.
unsafe fn is_replaceable(global: LLVMValueRef) -> bool {
    // SAFETY: the caller's.
    unsafe {
        may_be_elsewhere(global)
            && LLVMGetVisibility(global) == LLVMVisibility::LLVMDefaultVisibility
    }
}

/// # Safety
///
/// `global` must be a valid global.
unsafe fn may_be_elsewhere(global: LLVMValueRef) -> bool {
    // SAFETY: the caller's.
    unsafe {
        let may_be_elsewhere = !is_defined(global)
            || matches!(
                LLVMGetLinkage(global),
                LLVMLinkage::LLVMLinkOnceAnyLinkage
                    | LLVMLinkage::LLVMLinkOnceODRLinkage
                    | LLVMLinkage::LLVMWeakAnyLinkage
                    | LLVMLinkage::LLVMWeakODRLinkage
                    | LLVMLinkage::LLVMCommonLinkage
            );
        may_be_elsewhere && is_in_code(global)
    }
}

/// Whether it is in the address space of code, which is that of most variables.
///
/// # Safety
///
/// `global` must be a valid global.
unsafe fn is_in_code(global: LLVMValueRef) -> bool {
    // SAFETY: the caller's.
    unsafe { LLVMGetPointerAddressSpace(LLVMTypeOf(global)) == 0 }
}

/// # Safety
///
/// `old` must be an alias of a function of `module`. It is local afterwards, and nothing uses it.
unsafe fn replace_alias(module: LLVMModuleRef, old: LLVMValueRef) {
    // SAFETY: both are aliases of one function, in one module.
    unsafe {
        let ty = LLVMGlobalGetValueType(old);
        let new = LLVMAddAlias2(module, ty, 0, LLVMAliasGetAliasee(old), c"".as_ptr());
        LLVMSetLinkage(new, LLVMGetLinkage(old));
        LLVMSetVisibility(new, LLVMGetVisibility(old));
        LLVMSetUnnamedAddress(new, LLVMGetUnnamedAddress(old));
        LLVMReplaceAllUsesWith(old, new);
        let name = name(old);
        // There is no function that deletes an alias.
        LLVMSetValueName2(old, c"".as_ptr(), 0);
        LLVMSetLinkage(old, LLVMLinkage::LLVMPrivateLinkage);
        LLVMSetValueName2(new, name.as_ptr().cast(), name.len());
    }
}

/// # Safety
///
/// `old` must be a variable of `module`. It is gone afterwards.
unsafe fn replace_variable(module: LLVMModuleRef, old: LLVMValueRef) {
    // SAFETY: both are variables of one type, of one module, in the default address space.
    unsafe {
        let new = LLVMAddGlobalInAddressSpace(module, LLVMGlobalGetValueType(old), c"".as_ptr(), 0);
        let value = LLVMGetInitializer(old);
        if !value.is_null() {
            LLVMSetInitializer(new, value);
        }
        LLVMSetGlobalConstant(new, LLVMIsGlobalConstant(old));
        LLVMSetThreadLocalMode(new, LLVMGetThreadLocalMode(old));
        LLVMSetExternallyInitialized(new, LLVMIsExternallyInitialized(old));
        copy_common(old, new);
        LLVMReplaceAllUsesWith(old, new);
        let name = name(old);
        LLVMDeleteGlobal(old);
        LLVMSetValueName2(new, name.as_ptr().cast(), name.len());
    }
}

/// # Safety
///
/// `old` must be a function of `module`. It is gone afterwards; its body lives on.
unsafe fn replace_function(module: LLVMModuleRef, old: LLVMValueRef) {
    // SAFETY: both are functions of one type and of one module. The array has as many places as LLVM says
    // there are blocks, and each block is out of the old function when it is put into the new one.
    unsafe {
        let new = LLVMAddFunction(module, c"".as_ptr(), LLVMGlobalGetValueType(old));
        copy_common(old, new);
        copy_function(old, new);
        let mut blocks = vec![std::ptr::null_mut(); LLVMCountBasicBlocks(old) as usize];
        LLVMGetBasicBlocks(old, blocks.as_mut_ptr());
        for block in blocks {
            LLVMRemoveBasicBlockFromParent(block);
            LLVMAppendExistingBasicBlock(new, block);
        }
        for index in 0..LLVMCountParams(old) {
            LLVMReplaceAllUsesWith(LLVMGetParam(old, index), LLVMGetParam(new, index));
        }
        LLVMReplaceAllUsesWith(old, new);
        let name = name(old);
        LLVMDeleteFunction(old);
        LLVMSetValueName2(new, name.as_ptr().cast(), name.len());
    }
}

/// Copies what only functions have.
///
/// # Safety
///
/// Both must be valid functions of one type.
unsafe fn copy_function(old: LLVMValueRef, new: LLVMValueRef) {
    // SAFETY: the caller's. The array has as many places as LLVM says there are attributes; the indices are
    // that of the function, then of the result and each parameter. What may be absent is asked for first.
    unsafe {
        LLVMSetFunctionCallConv(new, LLVMGetFunctionCallConv(old));
        for index in std::iter::once(u32::MAX).chain(0..=LLVMCountParams(old)) {
            let count = LLVMGetAttributeCountAtIndex(old, index);
            let mut attributes = vec![std::ptr::null_mut(); count as usize];
            LLVMGetAttributesAtIndex(old, index, attributes.as_mut_ptr());
            for attribute in attributes {
                LLVMAddAttributeAtIndex(new, index, attribute);
            }
        }
        if LLVMHasPersonalityFn(old) != 0 {
            LLVMSetPersonalityFn(new, LLVMGetPersonalityFn(old));
        }
        if LLVMHasPrefixData(old) != 0 {
            LLVMSetPrefixData(new, LLVMGetPrefixData(old));
        }
        if LLVMHasPrologueData(old) != 0 {
            LLVMSetPrologueData(new, LLVMGetPrologueData(old));
        }
        let collector = LLVMGetGC(old);
        if !collector.is_null() {
            LLVMSetGC(new, collector);
        }
    }
}

/// Copies what variables and functions have in common, the name aside: two may not have the same.
///
/// # Safety
///
/// Both must be valid globals of one kind.
unsafe fn copy_common(old: LLVMValueRef, new: LLVMValueRef) {
    // SAFETY: the caller's; the metadata entries are read within their count and disposed of once.
    unsafe {
        LLVMSetLinkage(new, LLVMGetLinkage(old));
        LLVMSetUnnamedAddress(new, LLVMGetUnnamedAddress(old));
        let section = LLVMGetSection(old);
        if !section.is_null() && *section != 0 {
            LLVMSetSection(new, section);
        }
        let alignment = LLVMGetAlignment(old);
        if alignment != 0 {
            LLVMSetAlignment(new, alignment);
        }
        let comdat = LLVMGetComdat(old);
        if !comdat.is_null() {
            LLVMSetComdat(new, comdat);
        }
        let mut count = 0;
        let entries = LLVMGlobalCopyAllMetadata(old, &raw mut count);
        for index in 0..u32::try_from(count).unwrap_or(0) {
            let kind = LLVMValueMetadataEntriesGetKind(entries, index);
            LLVMGlobalAddMetadata(
                new,
                kind,
                LLVMValueMetadataEntriesGetMetadata(entries, index),
            );
        }
        LLVMDisposeValueMetadataEntries(entries);
    }
}

/// # Safety
///
/// `value` must be valid.
unsafe fn name(value: LLVMValueRef) -> Vec<u8> {
    let mut len = 0;
    // SAFETY: the name lives as long as the value, and is `len` bytes.
    unsafe {
        let name = LLVMGetValueName2(value, &raw mut len);
        std::slice::from_raw_parts(name.cast::<u8>(), len).to_vec()
    }
}
