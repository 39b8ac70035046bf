//! The signatures of a module's functions.

use crate::llvm::diagnostics::take_message;
use crate::llvm::prepare::attribute_kind;
use crate::llvm::values::functions;
use inkwell::llvm_sys::core::{
    LLVMAliasGetAliasee, LLVMCountParamTypes, LLVMGetEnumAttributeAtIndex, LLVMGetFirstGlobalAlias,
    LLVMGetFirstGlobalIFunc, LLVMGetFunctionCallConv, LLVMGetIntTypeWidth, LLVMGetLinkage,
    LLVMGetNextGlobalAlias, LLVMGetNextGlobalIFunc, LLVMGetParamTypes, LLVMGetPointerAddressSpace,
    LLVMGetReturnType, LLVMGetStructName, LLVMGetTarget, LLVMGetTypeAttributeValue,
    LLVMGetTypeKind, LLVMGetValueName2, LLVMGlobalGetValueType, LLVMIsAFunction, LLVMIsDeclaration,
    LLVMIsFunctionVarArg, LLVMPrintTypeToString,
};
use inkwell::llvm_sys::prelude::{LLVMModuleRef, LLVMTypeRef, LLVMValueRef};
use inkwell::llvm_sys::{LLVMLinkage, LLVMTypeKind};
use inkwell::module::Module;
use mgenjit::signature::{Extension, Function, Parameter, Type};
use std::ffi::{CStr, c_uint};

/// The functions that other modules and the host can find, hidden ones too: definitions in the module's order, then aliases of
/// functions, then ifuncs. A function whose name is not UTF-8, or holds a NUL, is left out: nobody can ask
/// for it by name.
pub fn signatures(module: &Module<'_>) -> Vec<Function> {
    let module = module.as_mut_ptr();
    let mut found = Vec::new();
    // SAFETY: the module is valid, and so are all values that its lists yield.
    unsafe {
        let mark = marked(module);
        let signature = |global, function| signature(global, function, mark);
        for function in functions(module) {
            found.extend(signature(function, Some(function)));
        }
        let mut alias = LLVMGetFirstGlobalAlias(module);
        while !alias.is_null() {
            let aliasee = LLVMAliasGetAliasee(alias);
            if !LLVMIsAFunction(aliasee).is_null() {
                found.extend(signature(alias, Some(aliasee)));
            }
            alias = LLVMGetNextGlobalAlias(alias);
        }
        let mut ifunc = LLVMGetFirstGlobalIFunc(module);
        while !ifunc.is_null() {
            found.extend(signature(ifunc, None));
            ifunc = LLVMGetNextGlobalIFunc(ifunc);
        }
    }
    found
}

/// The attributes that make a pointer more than a pointer. AArch64 passes the address of a result in memory in a register of
/// its own, other machines as an argument.
///
/// # Safety
///
/// The module must be valid.
unsafe fn marked(module: LLVMModuleRef) -> &'static [&'static CStr] {
    const MARKED: [&CStr; 4] = [c"byval", c"inalloca", c"preallocated", c"sret"];
    // SAFETY: the caller's. LLVM's text ends with a NUL, and is the module's.
    let target = unsafe { CStr::from_ptr(LLVMGetTarget(module)) }.to_bytes();
    let is_aarch64 = target.starts_with(b"aarch64") || target.starts_with(b"arm64");
    if is_aarch64 { &MARKED } else { &MARKED[..3] }
}

/// The signature of `global`, if others can see it. Attributes are those of `function`, if one is known. `mark`: those whose type
/// is part of a parameter's.
///
/// # Safety
///
/// Both must be valid; `global` must have a function's type.
unsafe fn signature(
    global: LLVMValueRef,
    function: Option<LLVMValueRef>,
    mark: &[&CStr],
) -> Option<Function> {
    // SAFETY: the caller's. The name is read within its length, and the array has a place for each parameter.
    unsafe {
        let local = matches!(
            LLVMGetLinkage(global),
            LLVMLinkage::LLVMInternalLinkage
                | LLVMLinkage::LLVMPrivateLinkage
                | LLVMLinkage::LLVMAvailableExternallyLinkage
        );
        if local || LLVMIsDeclaration(global) != 0 {
            return None;
        }
        let mut len = 0;
        let name = LLVMGetValueName2(global, &raw mut len);
        let name = symbol_name(std::slice::from_raw_parts(name.cast::<u8>(), len))?;
        let ty = LLVMGlobalGetValueType(global);
        if LLVMGetTypeKind(ty) != LLVMTypeKind::LLVMFunctionTypeKind {
            return None;
        }
        let mut types = vec![std::ptr::null_mut(); LLVMCountParamTypes(ty) as usize];
        LLVMGetParamTypes(ty, types.as_mut_ptr());
        Some(Function {
            name,
            result: plain_type(LLVMGetReturnType(ty)),
            parameters: types
                .into_iter()
                .zip(1..)
                .map(|(ty, index)| parameter(ty, function, index, mark))
                .collect(),
            variadic: LLVMIsFunctionVarArg(ty) != 0,
            convention: function.map_or_else(String::new, |function| {
                convention(LLVMGetFunctionCallConv(function))
            }),
        })
    }
}

/// A leading `\01` tells LLVM not to mangle the name, and is not part of the symbol.
fn symbol_name(name: &[u8]) -> Option<String> {
    let name = name.strip_prefix(&[1]).unwrap_or(name);
    let usable = !name.is_empty() && !name.contains(&0);
    usable
        .then(|| str::from_utf8(name).ok().map(str::to_owned))
        .flatten()
}

/// # Safety
///
/// `ty` must be valid; `function`, if there is one, must have a parameter with this index, from 1.
unsafe fn parameter(
    ty: LLVMTypeRef,
    function: Option<LLVMValueRef>,
    index: c_uint,
    mark: &[&CStr],
) -> Parameter {
    // SAFETY: the caller's. The attributes in the first list carry a type, which is what makes asking for it
    // valid.
    unsafe {
        let attribute = |name: &CStr| {
            function
                .map(|function| LLVMGetEnumAttributeAtIndex(function, index, attribute_kind(name)))
                .filter(|attribute| !attribute.is_null())
        };
        let mut plain = plain_type(ty);
        for name in mark {
            if let Some(attribute) = attribute(name) {
                let pointee = print_type(LLVMGetTypeAttributeValue(attribute));
                plain = Type::Other(format!("{plain} {}({pointee})", name.to_string_lossy()));
            }
        }
        for name in [
            c"inreg",
            c"nest",
            c"swiftself",
            c"swifterror",
            c"swiftasync",
        ] {
            if attribute(name).is_some() {
                plain = Type::Other(format!("{plain} {}", name.to_string_lossy()));
            }
        }
        let extension = if attribute(c"zeroext").is_some() {
            Extension::Zero
        } else if attribute(c"signext").is_some() {
            Extension::Sign
        } else {
            Extension::None
        };
        Parameter {
            ty: plain,
            extension,
        }
    }
}

/// # Safety
///
/// `ty` must be valid.
unsafe fn plain_type(ty: LLVMTypeRef) -> Type {
    // SAFETY: the caller's; widths and address spaces are asked of types that have them.
    unsafe {
        match LLVMGetTypeKind(ty) {
            LLVMTypeKind::LLVMVoidTypeKind => Type::Void,
            LLVMTypeKind::LLVMFloatTypeKind => Type::Float,
            LLVMTypeKind::LLVMDoubleTypeKind => Type::Double,
            LLVMTypeKind::LLVMPointerTypeKind if LLVMGetPointerAddressSpace(ty) == 0 => {
                Type::Pointer
            }
            LLVMTypeKind::LLVMIntegerTypeKind => match LLVMGetIntTypeWidth(ty) {
                1 => Type::I1,
                8 => Type::I8,
                16 => Type::I16,
                32 => Type::I32,
                64 => Type::I64,
                _ => Type::Other(print_type(ty)),
            },
            _ => Type::Other(print_type(ty)),
        }
    }
}

/// A named struct by its name: LLVM prints the whole definition.
///
/// # Safety
///
/// `ty` must be valid.
unsafe fn print_type(ty: LLVMTypeRef) -> String {
    // SAFETY: the caller's; only structs are asked for a name, which is NUL-terminated and theirs.
    unsafe {
        if LLVMGetTypeKind(ty) == LLVMTypeKind::LLVMStructTypeKind {
            let name = LLVMGetStructName(ty);
            if !name.is_null() {
                return format!("%{}", CStr::from_ptr(name).to_string_lossy());
            }
        }
        take_message(LLVMPrintTypeToString(ty))
    }
}

/// As LLVM spells it; empty for the C convention.
fn convention(number: c_uint) -> String {
    let name = match number {
        0 => "",
        8 => "fastcc",
        9 => "coldcc",
        10 => "ghccc",
        13 => "anyregcc",
        14 => "preserve_mostcc",
        15 => "preserve_allcc",
        16 => "swiftcc",
        17 => "cxx_fast_tlscc",
        18 => "tailcc",
        19 => "cfguard_checkcc",
        20 => "swifttailcc",
        21 => "preserve_nonecc",
        64 => "x86_stdcallcc",
        65 => "x86_fastcallcc",
        70 => "x86_thiscallcc",
        75 => "spir_func",
        76 => "spir_kernel",
        77 => "intel_ocl_bicc",
        78 => "x86_64_sysvcc",
        79 => "win64cc",
        80 => "x86_vectorcallcc",
        83 => "x86_intrcc",
        92 => "x86_regcallcc",
        other => return format!("cc {other}"),
    };
    name.to_owned()
}
