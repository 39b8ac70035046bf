//! Inputs that contradict each other. LLVM's linker and libwild would say less, or nothing.

use crate::diagnostics::take_message;
use crate::globals::{Global, globals};
use crate::symbols::Symbols;
use inkwell::llvm_sys::core::{
    LLVMAliasGetAliasee, LLVMCountParamTypes, LLVMCountStructElementTypes, LLVMGetArrayLength2,
    LLVMGetElementType, LLVMGetParamTypes, LLVMGetReturnType, LLVMGetStructName, LLVMGetTypeKind,
    LLVMGetValueKind, LLVMGlobalGetValueType, LLVMIsAGlobalAlias, LLVMIsAGlobalVariable,
    LLVMIsFunctionVarArg, LLVMIsThreadLocal, LLVMPrintTypeToString, LLVMStructGetTypeAtIndex,
    LLVMTypeIsSized,
};
use inkwell::llvm_sys::prelude::{LLVMTypeRef, LLVMValueRef};
use inkwell::llvm_sys::target::{
    LLVMABISizeOfType, LLVMGetModuleDataLayout, LLVMSizeOfTypeInBits, LLVMTargetDataRef,
};
use inkwell::llvm_sys::{LLVMTypeKind, LLVMValueKind};
use inkwell::module::Module;
use mgenjit::compile::protocol::{Failure, FailureKind};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::CStr;

/// No symbol may have two definitions that both claim to be the only one.
pub fn check_definitions<'a>(
    inputs: impl Iterator<Item = (&'a str, &'a Symbols)>,
) -> Result<(), Failure> {
    let mut definers = HashMap::new();
    for (input, symbols) in inputs {
        for definition in symbols.defined.iter().filter(|one| one.unique) {
            match definers.entry(definition.name.as_str()) {
                Entry::Vacant(entry) => {
                    entry.insert(input);
                }
                Entry::Occupied(entry) => {
                    return Err(failure(format!(
                        "`{}` is defined in both {} and {input}: rename one, leave one of the inputs out, or \
                         make one definition weak or internal (`static` in C)",
                        definition.name,
                        entry.get()
                    )));
                }
            }
        }
    }
    Ok(())
}

/// What one module defines, another must declare as the same thing.
pub fn check_types(modules: &[(&str, &Module<'_>)]) -> Result<(), Failure> {
    let mut definitions: HashMap<String, (&str, LLVMValueRef)> = HashMap::new();
    let mut others: Vec<(&str, Global)> = Vec::new();
    let Some((_, first)) = modules.first() else {
        return Ok(());
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
        for (input, global) in &others {
            let Some((definer, definition)) = definitions.get(&global.name) else {
                continue;
            };
            let agree = agree(layout, *definition, global.value, global.is_defined);
            if definer != input && !agree {
                return Err(failure(format!(
                    "`{}` is {} in {definer}, which defines it, but {} in {input}: declare it as it is defined",
                    global.name,
                    describe(*definition),
                    describe(global.value)
                )));
            }
        }
    }
    Ok(())
}

/// # Safety
///
/// Both values must be valid globals, and `layout` that of their modules.
unsafe fn agree(
    layout: LLVMTargetDataRef,
    definition: LLVMValueRef,
    other: LLVMValueRef,
    other_is_defined: bool,
) -> bool {
    // SAFETY: the caller's.
    unsafe {
        let (defined, declared) = (
            LLVMGlobalGetValueType(definition),
            LLVMGlobalGetValueType(other),
        );
        let function = LLVMTypeKind::LLVMFunctionTypeKind;
        match (
            LLVMGetTypeKind(defined) == function,
            LLVMGetTypeKind(declared) == function,
        ) {
            // Of two definitions that may be replaced one is taken, whatever its type.
            (true, true) => other_is_defined || same_function(layout, defined, declared),
            (false, false) => {
                is_thread_local(definition) == is_thread_local(other)
                    && (other_is_defined || same_variable(layout, defined, declared))
            }
            _ => false,
        }
    }
}

/// # Safety
///
/// Both must be valid types of functions.
unsafe fn same_function(
    layout: LLVMTargetDataRef,
    defined: LLVMTypeRef,
    declared: LLVMTypeRef,
) -> bool {
    // SAFETY: the caller's; the arrays have a place for each parameter.
    unsafe {
        let parameters = |function| {
            let mut types = vec![std::ptr::null_mut(); LLVMCountParamTypes(function) as usize];
            LLVMGetParamTypes(function, types.as_mut_ptr());
            let mut parts = Vec::new();
            types.iter().for_each(|ty| flatten(layout, *ty, &mut parts));
            parts
        };
        let result = |function| {
            let mut parts = Vec::new();
            flatten(layout, LLVMGetReturnType(function), &mut parts);
            parts
        };
        if result(defined) != result(declared) {
            return false;
        }
        let variadic = |function| LLVMIsFunctionVarArg(function) != 0;
        // `f()` of old C says nothing about its parameters.
        let says_nothing = variadic(declared) && LLVMCountParamTypes(declared) == 0;
        says_nothing
            || (variadic(defined) == variadic(declared)
                && parameters(defined) == parameters(declared))
    }
}

/// A part of a value as it is passed.
#[derive(PartialEq)]
enum Part {
    Integer(u64),
    Pointer,
    /// In a register for floating point or vectors.
    Vector(u64),
    Other(LLVMTypeRef),
}

/// What is passed for a type: compilers spell the same structure in more than one way.
///
/// # Safety
///
/// `ty` must be valid, and `layout` that of its module.
unsafe fn flatten(layout: LLVMTargetDataRef, ty: LLVMTypeRef, parts: &mut Vec<Part>) {
    // SAFETY: the caller's; only types that have a size are asked for it.
    unsafe {
        match LLVMGetTypeKind(ty) {
            LLVMTypeKind::LLVMVoidTypeKind => {}
            LLVMTypeKind::LLVMPointerTypeKind => parts.push(Part::Pointer),
            LLVMTypeKind::LLVMIntegerTypeKind => {
                parts.push(Part::Integer(LLVMSizeOfTypeInBits(layout, ty)));
            }
            LLVMTypeKind::LLVMFloatTypeKind
            | LLVMTypeKind::LLVMDoubleTypeKind
            | LLVMTypeKind::LLVMHalfTypeKind
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

/// Nothing larger is passed as a value by a compiler.
const MAX_ELEMENTS: u64 = 64;

/// # Safety
///
/// Both must be valid types of variables, and `layout` that of their modules.
unsafe fn same_variable(
    layout: LLVMTargetDataRef,
    defined: LLVMTypeRef,
    declared: LLVMTypeRef,
) -> bool {
    // SAFETY: the caller's; a type is asked for what its kind has.
    unsafe {
        let kind = |ty| LLVMGetTypeKind(ty);
        if defined == declared || LLVMTypeIsSized(defined) == 0 || LLVMTypeIsSized(declared) == 0 {
            return true;
        }
        match (kind(defined), kind(declared)) {
            (LLVMTypeKind::LLVMArrayTypeKind, LLVMTypeKind::LLVMArrayTypeKind) => {
                let len = LLVMGetArrayLength2(declared);
                (len == 0 || len == LLVMGetArrayLength2(defined))
                    && same_variable(
                        layout,
                        LLVMGetElementType(defined),
                        LLVMGetElementType(declared),
                    )
            }
            // A definition of a union, of bit-fields or with a flexible array has the type of its initial
            // value, which is no smaller than what is declared.
            (LLVMTypeKind::LLVMStructTypeKind, _) | (_, LLVMTypeKind::LLVMStructTypeKind) => {
                LLVMABISizeOfType(layout, declared) <= LLVMABISizeOfType(layout, defined)
            }
            // Two pointers to different address spaces, integers of different widths and so on are different
            // objects.
            _ => false,
        }
    }
}

/// # Safety
///
/// `global` must be a valid global.
unsafe fn is_thread_local(global: LLVMValueRef) -> bool {
    // SAFETY: the caller's; only variables are asked.
    unsafe {
        let mut variable = global;
        if !LLVMIsAGlobalAlias(global).is_null() {
            variable = LLVMAliasGetAliasee(global);
        }
        !LLVMIsAGlobalVariable(variable).is_null() && LLVMIsThreadLocal(variable) != 0
    }
}

/// # Safety
///
/// `global` must be a valid global.
unsafe fn describe(global: LLVMValueRef) -> String {
    // SAFETY: the caller's; only structures are asked for a name.
    unsafe {
        let ty = LLVMGlobalGetValueType(global);
        let text = match LLVMGetTypeKind(ty) {
            LLVMTypeKind::LLVMStructTypeKind if !LLVMGetStructName(ty).is_null() => {
                let name = CStr::from_ptr(LLVMGetStructName(ty));
                format!("%{}", name.to_string_lossy())
            }
            _ => take_message(LLVMPrintTypeToString(ty)),
        };
        if LLVMGetTypeKind(ty) == LLVMTypeKind::LLVMFunctionTypeKind {
            format!("a function `{text}`")
        } else if is_thread_local(global) {
            format!("a thread-local variable `{text}`")
        } else if LLVMGetValueKind(global) == LLVMValueKind::LLVMGlobalVariableValueKind {
            format!("a variable `{text}`")
        } else {
            format!("an alias of a `{text}`")
        }
    }
}

fn failure(message: String) -> Failure {
    Failure {
        kind: FailureKind::Link,
        message,
        input: None,
        position: None,
    }
}
