//! Whether a module's functions may be switched to code of another level while they run.
//!
//! Both levels are then in the process at once, and each has its own copy of what the module defines. So nothing that it defines
//! may be written to, and nobody may be able to tell the copies apart: no address of a function is taken, because code of the
//! second level, which is an ordinary image, would take another one than the first has given out.

use inkwell::llvm_sys::prelude::LLVMModuleRef;
use inkwell::module::Module;

#[link(name = "mgenjit_switchable", kind = "static")]
unsafe extern "C" {
    fn mgenjit_is_switchable(module: LLVMModuleRef) -> bool;
}

pub fn is_switchable(module: &Module<'_>) -> bool {
    // SAFETY: the module is valid, and is only read.
    unsafe { mgenjit_is_switchable(module.as_mut_ptr()) }
}
