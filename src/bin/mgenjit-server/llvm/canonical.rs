//! The canonical form of a module: its bitcode, without what cannot change the code.
//!
//! Architecture Invariant: code is generated only from the canonical form, read back as a module. So code is a pure
//! function of bytes that have a digest. The original module would not do: LLVM's passes also depend on the order of
//! a value's uses, which depends on how the module was read and is not written.

use crate::llvm::parse::SOURCE_NAME;
use crate::llvm::values::{functions, globals, name, used};
use inkwell::context::{AsContextRef, Context};
use inkwell::llvm_sys::comdat::LLVMGetComdat;
use inkwell::llvm_sys::core::{
    LLVMBasicBlockAsValue, LLVMContextSetDiscardValueNames, LLVMCountParams, LLVMGetCalledValue,
    LLVMGetFirstBasicBlock, LLVMGetFirstInstruction, LLVMGetInstructionOpcode, LLVMGetLinkage,
    LLVMGetModuleInlineAsm, LLVMGetNextBasicBlock, LLVMGetNextInstruction, LLVMGetParam,
    LLVMIsAInlineAsm, LLVMSetValueName2,
};
use inkwell::llvm_sys::prelude::{LLVMModuleRef, LLVMValueRef};
use inkwell::llvm_sys::{LLVMLinkage, LLVMOpcode};
use inkwell::memory_buffer::MemoryBuffer;
use inkwell::module::Module;
use mgenjit::protocol::messages::{Failure, FailureKind};

/// A verified module for this machine's triple and data layout, as bitcode.
pub struct Canonical(MemoryBuffer<'static>);

impl Canonical {
    /// Writes a module, which must be verified, without its identifier, its source file's name and the names
    /// that do not reach the object: those of values inside functions, and of private globals. The names of
    /// internal functions do, and stack traces show them; the names of types are in signatures.
    ///
    /// `profiled`: what profiles call functions stays as well, which is their file's and their own name.
    pub fn write(module: &Module<'_>, profiled: bool) -> Canonical {
        match profiled {
            // SAFETY: the module is valid and verified.
            true => unsafe { drop_names(module.as_mut_ptr(), true) },
            false => strip(module),
        }
        // The identifier is not part of bitcode.
        Canonical(module.write_bitcode_to_memory())
    }

    /// Two modules with equal digests become equal code.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("libmgenjit 2026 canonical module");
        hasher.update(self.0.as_slice());
        *hasher.finalize().as_bytes()
    }

    /// Reads it as a module of `context`, which must be new: a context renames a type whose name it already knows.
    pub fn read<'context>(&self, context: &'context Context) -> Result<Module<'context>, Failure> {
        discard_names(context);
        Module::parse_bitcode_from_buffer(&self.0, context).map_err(|error| {
            Failure::new(
                FailureKind::Codegen,
                format!("LLVM cannot read what it has written: {error}"),
            )
        })
    }
}

/// Has a context forget what passes call the values that they make: it would be as useless as the names that are gone.
pub fn discard_names(context: &Context) {
    // SAFETY: the context is valid.
    unsafe { LLVMContextSetDiscardValueNames(context.as_ctx_ref(), 1) };
}

/// Takes off what cannot change the code of a verified module, see [`Canonical::write`].
pub fn strip(module: &Module<'_>) {
    module.set_source_file_name(&SOURCE_NAME.to_string_lossy());
    // SAFETY: the module is valid and verified.
    unsafe { drop_names(module.as_mut_ptr(), false) };
}

/// # Safety
///
/// `module` must be valid and verified.
unsafe fn drop_names(module: LLVMModuleRef, keep_functions: bool) {
    // SAFETY: the caller's; the functions and variables are the module's own.
    unsafe {
        let functions = functions(module);
        let mut has_assembly = has_module_assembly(module);
        for function in &functions {
            has_assembly |= drop_local_names(*function);
        }
        // Assembly may refer to names that are not its operands.
        if has_assembly {
            return;
        }
        let mut globals = globals(module);
        if !keep_functions {
            globals.extend(functions);
        }
        // The verifier wants these to have names.
        let used = used(module);
        let (private, kept): (Vec<_>, Vec<_>) = globals
            .into_iter()
            .partition(|global| has_meaningless_name(*global) && !used.contains(global));
        // LLVM numbers private globals that have no name, with this prefix.
        let is_taken = |global: &LLVMValueRef| name(*global).starts_with(b"__unnamed_");
        if !kept.iter().any(is_taken) {
            for global in private {
                drop_name(global);
            }
        }
    }
}

/// Whether there is assembly outside all functions.
///
/// # Safety
///
/// `module` must be valid.
unsafe fn has_module_assembly(module: LLVMModuleRef) -> bool {
    let mut len = 0;
    // SAFETY: the caller's.
    unsafe { LLVMGetModuleInlineAsm(module, &raw mut len) };
    len > 0
}

/// Drops the names of parameters, blocks and instructions. Returns whether there is assembly among them.
///
/// # Safety
///
/// `function` must be valid.
unsafe fn drop_local_names(function: LLVMValueRef) -> bool {
    let mut has_assembly = false;
    // SAFETY: the caller's; the lists yield what belongs to the function, and only calls are asked what they
    // call.
    unsafe {
        for index in 0..LLVMCountParams(function) {
            drop_name(LLVMGetParam(function, index));
        }
        let mut block = LLVMGetFirstBasicBlock(function);
        while !block.is_null() {
            drop_name(LLVMBasicBlockAsValue(block));
            let mut instruction = LLVMGetFirstInstruction(block);
            while !instruction.is_null() {
                drop_name(instruction);
                let is_call = matches!(
                    LLVMGetInstructionOpcode(instruction),
                    LLVMOpcode::LLVMCall | LLVMOpcode::LLVMInvoke | LLVMOpcode::LLVMCallBr
                );
                has_assembly |=
                    is_call && !LLVMIsAInlineAsm(LLVMGetCalledValue(instruction)).is_null();
                instruction = LLVMGetNextInstruction(instruction);
            }
            block = LLVMGetNextBasicBlock(block);
        }
    }
    has_assembly
}

/// Whether a global's name is only how the IR refers to it. LLVM knows some by their names, a comdat is called
/// as one of its members, and a name behind `\01` is a symbol's whatever the linkage.
///
/// # Safety
///
/// `global` must be a valid variable or function.
unsafe fn has_meaningless_name(global: LLVMValueRef) -> bool {
    // SAFETY: the caller's.
    unsafe {
        LLVMGetLinkage(global) == LLVMLinkage::LLVMPrivateLinkage
            && LLVMGetComdat(global).is_null()
            && !name(global).starts_with(b"llvm.")
            && !name(global).starts_with(&[1])
    }
}

/// # Safety
///
/// `value` must be valid.
unsafe fn drop_name(value: LLVMValueRef) {
    // SAFETY: the caller's; the empty name's length is 0.
    unsafe { LLVMSetValueName2(value, c"".as_ptr(), 0) };
}
