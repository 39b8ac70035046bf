//! Internalises everything that is not kept, so that the optimiser is free to change it.

use crate::llvm::globals::{self, Global};
use crate::llvm::values::used;
use inkwell::llvm_sys::comdat::{LLVMGetComdat, LLVMSetComdat};
use inkwell::llvm_sys::core::{LLVMGetModuleInlineAsm, LLVMSetLinkage, LLVMSetVisibility};
use inkwell::llvm_sys::prelude::LLVMModuleRef;
use inkwell::llvm_sys::{LLVMLinkage, LLVMVisibility};
use inkwell::module::Module;
use std::collections::HashSet;

/// Keeps external: the names to keep, and those that linked objects need.
pub fn internalise(
    module: &Module<'_>,
    is_kept: impl Fn(&str) -> bool,
    is_needed: impl Fn(&str) -> bool,
) {
    let module = module.as_mut_ptr();
    // SAFETY: the module is valid and verified, and the globals are its own.
    unsafe {
        let used = used(module);
        let assembly = assembly(module);
        let globals = globals::globals(module);
        let stays = |global: &Global| {
            is_kept(&global.name)
                || is_needed(&global.name)
                || may_be_called_by_code_generator(&global.name)
                || used.contains(&global.value)
                // Assembly may name symbols that it does not define.
                || assembly.contains(&global.name)
        };
        let comdats: HashSet<_> = globals
            .iter()
            .filter(|global| globals::is_in_comdat(global.value) && stays(global))
            .map(|global| LLVMGetComdat(global.value))
            .collect();
        for global in globals.iter().filter(|global| global.is_defined) {
            let in_comdat = globals::is_in_comdat(global.value);
            let in_group_that_stays = in_comdat && comdats.contains(&LLVMGetComdat(global.value));
            if is_kept(&global.name) {
                LLVMSetVisibility(global.value, LLVMVisibility::LLVMDefaultVisibility);
            } else if !stays(global) && !in_group_that_stays {
                if in_comdat {
                    LLVMSetComdat(global.value, std::ptr::null_mut());
                }
                LLVMSetLinkage(global.value, LLVMLinkage::LLVMInternalLinkage);
            }
        }
    }
}

/// Functions that LLVM may call although no IR does. A module's own definition must then stay.
fn may_be_called_by_code_generator(name: &str) -> bool {
    matches!(name, "memcpy" | "memmove" | "memset" | "memcmp" | "bcmp") || name.starts_with("__")
}

/// The assembly outside all functions.
///
/// # Safety
///
/// `module` must be valid.
unsafe fn assembly(module: LLVMModuleRef) -> String {
    let mut len = 0;
    // SAFETY: the caller's; the text is `len` bytes and the module's.
    unsafe {
        let text = LLVMGetModuleInlineAsm(module, &raw mut len);
        if len == 0 {
            return String::new();
        }
        String::from_utf8_lossy(std::slice::from_raw_parts(text.cast(), len)).into_owned()
    }
}
