//! Checks calls between modules that are linked into one.
//!
//! A module may declare a name with another type than its definition has: compilers do so for incomplete types and in
//! old C, and LLVM links it. Only calls matter.

use crate::input::conflicts::failure;
use crate::llvm::diagnostics::take_message;
use crate::llvm::globals::{Global, globals};
use inkwell::llvm_sys::LLVMTypeKind;
use inkwell::llvm_sys::core::{
    LLVMAliasGetAliasee, LLVMCountParamTypes, LLVMCountStructElementTypes, LLVMGetArrayLength2,
    LLVMGetCalledFunctionType, LLVMGetCalledValue, LLVMGetElementType, LLVMGetFirstUse,
    LLVMGetFunctionCallConv, LLVMGetInstructionCallConv, LLVMGetIntrinsicID, LLVMGetNextUse,
    LLVMGetNumArgOperands, LLVMGetOperand, LLVMGetParamTypes, LLVMGetReturnType, LLVMGetTypeKind,
    LLVMGetUser, LLVMGlobalGetValueType, LLVMIsACallBrInst, LLVMIsACallInst, LLVMIsAFunction,
    LLVMIsAGlobalAlias, LLVMIsAGlobalVariable, LLVMIsAInvokeInst, LLVMIsThreadLocal,
    LLVMLookupIntrinsicID, LLVMPrintTypeToString, LLVMStructGetTypeAtIndex, LLVMTypeOf,
};
use inkwell::llvm_sys::prelude::{LLVMTypeRef, LLVMValueRef};
use inkwell::llvm_sys::target::{LLVMGetModuleDataLayout, LLVMSizeOfTypeInBits, LLVMTargetDataRef};
use inkwell::module::Module;
use mgenjit::protocol::messages::Failure;
use std::collections::HashMap;

/// Returns a warning for each name that is called with a type that its definition cannot accept. A call of a variable
/// is an error. `exact`: the target requires equal types.
pub fn check(modules: &[(&str, &Module<'_>)], exact: bool) -> Result<Vec<String>, Failure> {
    let mut definitions: HashMap<String, (&str, LLVMValueRef)> = HashMap::new();
    let mut others: Vec<(&str, Global)> = Vec::new();
    let mut warnings = Vec::new();
    let Some((_, first)) = modules.first() else {
        return Ok(warnings);
    };
    // SAFETY: the modules are valid, verified and of one context, and they have one data layout by now.
    unsafe {
        let layout = LLVMGetModuleDataLayout(first.as_mut_ptr());
        for (input, module) in modules {
            for global in globals(module.as_mut_ptr()) {
                if global.is_defined && !definitions.contains_key(&global.name) {
                    definitions.insert(global.name, (input, global.value));
                } else {
                    others.push((input, global));
                }
            }
        }
        for (input, Global { name, value, .. }) in &others {
            let Some((definer, definition)) = definitions.get(name) else {
                continue;
            };
            let variable = if LLVMIsAGlobalAlias(*definition).is_null() {
                *definition
            } else {
                LLVMAliasGetAliasee(*definition)
            };
            let is_variable = !LLVMIsAGlobalVariable(variable).is_null();
            let (calls, is_thread_local) = calls(*value);
            if is_thread_local && !(is_variable && LLVMIsThreadLocal(variable) != 0) {
                return Err(failure(format!(
                    "`{name}` is thread-local in {input}, which uses it, but not in {definer}, which defines it: declare it as \
                     it is defined"
                )));
            }
            for call in calls {
                let called = LLVMGetCalledFunctionType(call);
                let ty = LLVMGlobalGetValueType(*definition);
                if is_variable {
                    return Err(failure(format!(
                        "`{name}` is a variable in {definer}, which defines it, but {input} calls it: rename one"
                    )));
                }
                // An alias of an expression has no known type.
                let is_function = LLVMGetTypeKind(ty) == LLVMTypeKind::LLVMFunctionTypeKind;
                let fits = !is_function
                    || (convention(*definition) == Some(LLVMGetInstructionCallConv(call))
                        || convention(*definition).is_none())
                        && if exact {
                            called == ty
                        } else {
                            fits(layout, call, ty)
                        };
                if !fits {
                    warnings.push(format!(
                        "{input} calls `{name}` as `{}`, but {definer} defines it as `{}`{}: what it is passed or returns \
                         may be wrong; declare it as it is defined",
                        text(called),
                        text(ty),
                        if called == ty { " with another calling convention" } else { "" },
                    ));
                    break;
                }
            }
        }
    }
    Ok(warnings)
}

/// The direct calls of a global in its module, and whether the module asks for its address as that of a thread-local
/// variable.
///
/// # Safety
///
/// `global` must be valid.
unsafe fn calls(global: LLVMValueRef) -> (Vec<LLVMValueRef>, bool) {
    // SAFETY: the caller's; only calls are asked what they call, and only functions for an intrinsic's number.
    unsafe {
        let mut calls = Vec::new();
        let mut is_thread_local = false;
        let mut one = LLVMGetFirstUse(global);
        while !one.is_null() {
            let user = LLVMGetUser(one);
            one = LLVMGetNextUse(one);
            let kinds = [LLVMIsACallInst, LLVMIsAInvokeInst, LLVMIsACallBrInst];
            if kinds.iter().all(|is| is(user).is_null()) {
                continue;
            }
            let callee = LLVMGetCalledValue(user);
            if callee == global {
                calls.push(user);
            } else if !LLVMIsAFunction(callee).is_null() {
                let intrinsic = LLVMGetIntrinsicID(callee);
                is_thread_local |= intrinsic != 0 && intrinsic == thread_local_address();
            }
        }
        (calls, is_thread_local)
    }
}

/// The number of the intrinsic that asks for a thread-local variable's address.
fn thread_local_address() -> u32 {
    let name = "llvm.threadlocal.address";
    // SAFETY: the name is read within its length.
    unsafe { LLVMLookupIntrinsicID(name.as_ptr().cast(), name.len()) }
}

/// A function's calling convention; `None`: it is not known.
///
/// # Safety
///
/// `global` must be a valid global.
unsafe fn convention(global: LLVMValueRef) -> Option<u32> {
    // SAFETY: the caller's; only functions are asked.
    unsafe {
        let mut function = global;
        if !LLVMIsAGlobalAlias(global).is_null() {
            function = LLVMAliasGetAliasee(global);
        }
        (!LLVMIsAFunction(function).is_null()).then(|| LLVMGetFunctionCallConv(function))
    }
}

/// Whether a function of the type `defined` can accept the call's arguments, and the call its result.
///
/// # Safety
///
/// Both must be valid, and `layout` that of their modules.
unsafe fn fits(layout: LLVMTargetDataRef, call: LLVMValueRef, defined: LLVMTypeRef) -> bool {
    // SAFETY: the caller's; the array has a place for each parameter, and the call has an operand for each argument.
    unsafe {
        let parts = |types: &[LLVMTypeRef]| {
            let mut parts = Vec::new();
            for ty in types {
                flatten(layout, *ty, &mut parts);
            }
            parts
        };
        let mut types = vec![std::ptr::null_mut(); LLVMCountParamTypes(defined) as usize];
        LLVMGetParamTypes(defined, types.as_mut_ptr());
        let parameters = parts(&types);
        let arguments: Vec<_> = (0..LLVMGetNumArgOperands(call))
            .map(|index| LLVMTypeOf(LLVMGetOperand(call, index)))
            .collect();
        let arguments = parts(&arguments);
        // The caller cleans up the stack: extra arguments do no harm.
        let passed = arguments.len() >= parameters.len()
            && parameters
                .iter()
                .zip(&arguments)
                .all(|(one, other)| one.is_in(other));
        let returned = parts(&[LLVMGetReturnType(defined)]);
        let expected = parts(&[LLVMGetReturnType(LLVMGetCalledFunctionType(call))]);
        // A result that does not fit into registers is returned through a hidden pointer.
        let result = if returned.len() > IN_REGISTERS {
            returned == expected
        } else {
            expected.len() <= returned.len()
                && expected
                    .iter()
                    .zip(&returned)
                    .all(|(one, other)| one.is_in(other))
        };
        passed && result
    }
}

/// The most parts that are returned in registers.
const IN_REGISTERS: usize = 3;

/// A part of a value as it is passed.
#[derive(PartialEq)]
enum Part {
    /// An integer, of as many bits, or a pointer.
    Integer(u64),
    /// In a register for floating point or vectors.
    Vector(u64),
    Other(LLVMTypeRef),
}

impl Part {
    /// Whether a value passed as `other` is read correctly as this.
    fn is_in(&self, other: &Part) -> bool {
        match (self, other) {
            (Part::Integer(bits), Part::Integer(others)) => bits <= others,
            _ => self == other,
        }
    }
}

/// How a type is passed, in parts: compilers spell one structure in several ways.
///
/// # Safety
///
/// `ty` must be valid, and `layout` that of its module.
unsafe fn flatten(layout: LLVMTargetDataRef, ty: LLVMTypeRef, parts: &mut Vec<Part>) {
    // SAFETY: the caller's; only types that have a size are asked for it.
    unsafe {
        match LLVMGetTypeKind(ty) {
            LLVMTypeKind::LLVMVoidTypeKind => {}
            LLVMTypeKind::LLVMPointerTypeKind | LLVMTypeKind::LLVMIntegerTypeKind => {
                let mut bits = LLVMSizeOfTypeInBits(layout, ty);
                while bits > REGISTER {
                    parts.push(Part::Integer(REGISTER));
                    bits -= REGISTER;
                }
                parts.push(Part::Integer(bits));
            }
            LLVMTypeKind::LLVMFloatTypeKind
            | LLVMTypeKind::LLVMDoubleTypeKind
            | LLVMTypeKind::LLVMHalfTypeKind
            | LLVMTypeKind::LLVMBFloatTypeKind
            | LLVMTypeKind::LLVMVectorTypeKind => {
                parts.push(Part::Vector(LLVMSizeOfTypeInBits(layout, ty)));
            }
            LLVMTypeKind::LLVMStructTypeKind => {
                for index in 0..LLVMCountStructElementTypes(ty) {
                    flatten(layout, LLVMStructGetTypeAtIndex(ty, index), parts);
                }
            }
            LLVMTypeKind::LLVMArrayTypeKind if LLVMGetArrayLength2(ty) <= MAX_ELEMENTS => {
                for _ in 0..LLVMGetArrayLength2(ty) {
                    flatten(layout, LLVMGetElementType(ty), parts);
                }
            }
            // These are one object for each type of a context.
            _ => parts.push(Part::Other(ty)),
        }
    }
}

/// Bits of a register.
const REGISTER: u64 = 64;

/// Nothing larger is passed as a value by a compiler.
const MAX_ELEMENTS: u64 = 64;

/// # Safety
///
/// `ty` must be valid.
unsafe fn text(ty: LLVMTypeRef) -> String {
    // SAFETY: the caller's; the message is ours.
    unsafe { take_message(LLVMPrintTypeToString(ty)) }
}
