//! A module's global names.

use crate::input::symbols::{Definition, Reference, Symbols};
use crate::llvm::values;
use inkwell::llvm_sys::comdat::LLVMGetComdat;
use inkwell::llvm_sys::core::{
    LLVMGetFirstGlobalAlias, LLVMGetFirstGlobalIFunc, LLVMGetFirstUse, LLVMGetLinkage,
    LLVMGetNextGlobalAlias, LLVMGetNextGlobalIFunc, LLVMGetValueName2, LLVMGetVisibility,
    LLVMIsAFunction, LLVMIsAGlobalVariable, LLVMIsDeclaration,
};
use inkwell::llvm_sys::prelude::{LLVMModuleRef, LLVMValueRef};
use inkwell::llvm_sys::{LLVMLinkage, LLVMVisibility};
use inkwell::module::Module;
use std::collections::HashSet;

/// A function, variable, alias or ifunc that other modules can see.
pub struct Global {
    pub value: LLVMValueRef,
    /// The symbol's; names that are not UTF-8 are left out.
    pub name: String,
    pub linkage: LLVMLinkage,
    /// Whether this module defines it. `available_externally` does not count.
    pub is_defined: bool,
}

/// What a module defines, and what it refers to and does not define.
pub fn symbols(module: &Module<'_>) -> Symbols {
    let mut symbols = Symbols::default();
    // SAFETY: the module is valid, and so are its globals.
    unsafe {
        for global in globals(module.as_mut_ptr()) {
            if global.is_defined {
                let visibility = LLVMGetVisibility(global.value);
                symbols.defined.push(Definition {
                    unique: global.linkage == LLVMLinkage::LLVMExternalLinkage
                        && !is_in_comdat(global.value),
                    exported: visibility != LLVMVisibility::LLVMHiddenVisibility,
                    name: global.name,
                });
            } else if !LLVMGetFirstUse(global.value).is_null() {
                symbols.undefined.push(Reference {
                    weak: global.linkage == LLVMLinkage::LLVMExternalWeakLinkage,
                    name: global.name,
                });
            }
        }
    }
    symbols
}

/// A module's visible ODR definitions (`linkonce_odr`, `weak_odr`).
pub fn same_everywhere(module: &Module<'_>) -> HashSet<String> {
    // SAFETY: the module is valid, and so are its globals.
    unsafe {
        let globals = globals(module.as_mut_ptr()).into_iter();
        let same = globals.filter(|global| {
            let odr = matches!(
                global.linkage,
                LLVMLinkage::LLVMLinkOnceODRLinkage | LLVMLinkage::LLVMWeakODRLinkage
            );
            odr && LLVMGetVisibility(global.value) == LLVMVisibility::LLVMDefaultVisibility
        });
        same.map(|global| global.name).collect()
    }
}

/// In the module's order, functions first. Names that LLVM reserves are left out.
///
/// # Safety
///
/// `module` must be valid.
pub unsafe fn globals(module: LLVMModuleRef) -> Vec<Global> {
    // SAFETY: the caller's; the lists yield what belongs to the module, and a name is read within its length.
    unsafe {
        let mut values = values::functions(module);
        values.extend(values::globals(module));
        let mut alias = LLVMGetFirstGlobalAlias(module);
        while !alias.is_null() {
            values.push(alias);
            alias = LLVMGetNextGlobalAlias(alias);
        }
        let mut ifunc = LLVMGetFirstGlobalIFunc(module);
        while !ifunc.is_null() {
            values.push(ifunc);
            ifunc = LLVMGetNextGlobalIFunc(ifunc);
        }
        let global = |value| {
            let linkage = LLVMGetLinkage(value);
            if matches!(
                linkage,
                LLVMLinkage::LLVMInternalLinkage
                    | LLVMLinkage::LLVMPrivateLinkage
                    | LLVMLinkage::LLVMAppendingLinkage
            ) {
                return None;
            }
            let mut len = 0;
            let name = LLVMGetValueName2(value, &raw mut len);
            let name = std::slice::from_raw_parts(name.cast::<u8>(), len);
            // A leading `\01` tells LLVM not to mangle the name, and is not part of the symbol.
            let name = str::from_utf8(name.strip_prefix(&[1]).unwrap_or(name)).ok()?;
            (!name.is_empty() && !name.starts_with("llvm.")).then(|| Global {
                value,
                name: name.to_owned(),
                linkage,
                is_defined: LLVMIsDeclaration(value) == 0
                    && linkage != LLVMLinkage::LLVMAvailableExternallyLinkage,
            })
        };
        values.into_iter().filter_map(global).collect()
    }
}

/// Aliases are in none of their own.
///
/// # Safety
///
/// `global` must be a valid global.
pub unsafe fn is_in_comdat(global: LLVMValueRef) -> bool {
    // SAFETY: the caller's; only functions and variables are asked for their comdat.
    unsafe {
        let has_one =
            !LLVMIsAFunction(global).is_null() || !LLVMIsAGlobalVariable(global).is_null();
        has_one && !LLVMGetComdat(global).is_null()
    }
}
