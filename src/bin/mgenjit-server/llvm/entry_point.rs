//! A C entry point for a `main` that the C start-up code cannot call.
//!
//! That code passes `(i32, ptr, ptr)` and takes an `i32`, in registers that also fit what takes fewer. Front ends
//! of languages whose integers have 64 bits make another `main`, which [`add`] gives a wrapper. An executable that is
//! linked with `--wrap=main` starts there. WebAssembly allows no call with another signature than the callee's, and its
//! start-up code calls one of two names, so there the wrapper has one of these, and `--wrap` is not for it.

use crate::llvm::names::Format;
use inkwell::llvm_sys::core::{
    LLVMAddFunction, LLVMAppendBasicBlockInContext, LLVMBuildCall2, LLVMBuildIntCast2,
    LLVMBuildRet, LLVMConstInt, LLVMCountParamTypes, LLVMCreateBuilderInContext,
    LLVMDisposeBuilder, LLVMFunctionType, LLVMGetFunctionCallConv, LLVMGetIntTypeWidth,
    LLVMGetLinkage, LLVMGetNamedFunction, LLVMGetParam, LLVMGetParamTypes,
    LLVMGetPointerAddressSpace, LLVMGetReturnType, LLVMGetTypeKind, LLVMGlobalGetValueType,
    LLVMInt32TypeInContext, LLVMIsDeclaration, LLVMIsFunctionVarArg, LLVMPointerTypeInContext,
    LLVMPositionBuilderAtEnd, LLVMSetVisibility,
};
use inkwell::llvm_sys::prelude::{LLVMContextRef, LLVMModuleRef, LLVMTypeRef, LLVMValueRef};
use inkwell::llvm_sys::{LLVMLinkage, LLVMTypeKind, LLVMVisibility};
use std::ffi::CStr;

/// What `--wrap=main` calls instead of `main`, with all that there is.
const WRAPPER: (&CStr, u32) = (c"__wrap_main", 3);

/// What WebAssembly's start-up code calls if `main` takes nothing, and what if it does.
const WASM_WRAPPERS: [(&CStr, u32); 2] = [(c"__main_void", 0), (c"__main_argc_argv", 2)];

/// Adds the wrapper if the module's `main` needs one and it is of a form that can be run.
///
/// # Safety
///
/// `module` must be valid, and `context` its own.
pub unsafe fn add(context: LLVMContextRef, module: LLVMModuleRef, format: Format) {
    // SAFETY: the types and values are the module's. Arrays have as many places as LLVM says there are parameters,
    // and calls get as many arguments, of the callee's types. The builder is disposed of once.
    unsafe {
        let main = LLVMGetNamedFunction(module, c"main".as_ptr());
        if main.is_null() || !is_callable(main) {
            return;
        }
        let ty = LLVMGlobalGetValueType(main);
        if form(ty) != Some(Form::Odd) {
            return;
        }
        let used = LLVMCountParamTypes(ty);
        let (name, count) = match format {
            Format::Elf | Format::Other => WRAPPER,
            Format::Wasm => WASM_WRAPPERS[usize::from(used > 0)],
        };
        if used > count || !LLVMGetNamedFunction(module, name.as_ptr()).is_null() {
            return;
        }
        let i32 = LLVMInt32TypeInContext(context);
        let ptr = LLVMPointerTypeInContext(context, 0);
        let mut taken = [i32, ptr, ptr];
        let wrapper_type = LLVMFunctionType(i32, taken.as_mut_ptr(), count, 0);
        let wrapper = LLVMAddFunction(module, name.as_ptr(), wrapper_type);
        LLVMSetVisibility(wrapper, LLVMVisibility::LLVMHiddenVisibility);
        let block = LLVMAppendBasicBlockInContext(context, wrapper, c"".as_ptr());
        let builder = LLVMCreateBuilderInContext(context);
        LLVMPositionBuilderAtEnd(builder, block);
        let mut arguments: Vec<LLVMValueRef> = (0..used)
            .map(|index| LLVMGetParam(wrapper, index))
            .collect();
        if let Some(argc) = arguments.first_mut() {
            let wanted = parameters(ty)[0];
            *argc = LLVMBuildIntCast2(builder, *argc, wanted, 1, c"".as_ptr());
        }
        let result = LLVMBuildCall2(
            builder,
            ty,
            main,
            arguments.as_mut_ptr(),
            used,
            c"".as_ptr(),
        );
        let status = match LLVMGetTypeKind(LLVMGetReturnType(ty)) {
            LLVMTypeKind::LLVMVoidTypeKind => LLVMConstInt(i32, 0, 0),
            _ => LLVMBuildIntCast2(builder, result, i32, 1, c"".as_ptr()),
        };
        LLVMBuildRet(builder, status);
        LLVMDisposeBuilder(builder);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The C start-up code can call it.
    Plain,
    Odd,
}

/// What form of `main` a function's type is, if any that can be run: it takes nothing, or an integer and up to two
/// pointers, and returns an integer or nothing.
///
/// # Safety
///
/// `ty` must be a function's type.
unsafe fn form(ty: LLVMTypeRef) -> Option<Form> {
    // SAFETY: the caller's; widths and address spaces are asked of types that have them.
    unsafe {
        let parameters = parameters(ty);
        let result = LLVMGetReturnType(ty);
        let is_pointer = |ty: &LLVMTypeRef| {
            LLVMGetTypeKind(*ty) == LLVMTypeKind::LLVMPointerTypeKind
                && LLVMGetPointerAddressSpace(*ty) == 0
        };
        let width = |ty: LLVMTypeRef| {
            (LLVMGetTypeKind(ty) == LLVMTypeKind::LLVMIntegerTypeKind)
                .then(|| LLVMGetIntTypeWidth(ty))
                .filter(|width| [8, 16, 32, 64].contains(width))
        };
        let argc = match parameters.split_first() {
            None => 32,
            Some((argc, pointers)) if pointers.len() <= 2 && pointers.iter().all(is_pointer) => {
                width(*argc)?
            }
            Some(_) => return None,
        };
        let status = match LLVMGetTypeKind(result) {
            LLVMTypeKind::LLVMVoidTypeKind => None,
            _ => Some(width(result)?),
        };
        if LLVMIsFunctionVarArg(ty) != 0 {
            return None;
        }
        Some(if argc == 32 && status == Some(32) {
            Form::Plain
        } else {
            Form::Odd
        })
    }
}

/// # Safety
///
/// `ty` must be a function's type.
unsafe fn parameters(ty: LLVMTypeRef) -> Vec<LLVMTypeRef> {
    // SAFETY: the caller's; the array has a place for each parameter.
    unsafe {
        let mut types = vec![std::ptr::null_mut(); LLVMCountParamTypes(ty) as usize];
        LLVMGetParamTypes(ty, types.as_mut_ptr());
        types
    }
}

/// Whether it is a definition in the C convention that other objects may call: hidden or not, an executable has it.
///
/// # Safety
///
/// `function` must be valid.
unsafe fn is_callable(function: LLVMValueRef) -> bool {
    // SAFETY: the caller's.
    unsafe {
        LLVMIsDeclaration(function) == 0
            && LLVMGetFunctionCallConv(function) == 0
            && !matches!(
                LLVMGetLinkage(function),
                LLVMLinkage::LLVMInternalLinkage
                    | LLVMLinkage::LLVMPrivateLinkage
                    | LLVMLinkage::LLVMAvailableExternallyLinkage
            )
    }
}
