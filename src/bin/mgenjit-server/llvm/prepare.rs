//! Prepares a module to become an image, or an object that can be linked into anything: undoes what the front end
//! assumed about the final link.

use crate::llvm::names::Format;
use crate::llvm::target::Machine;
use crate::llvm::values::{aliases, functions, globals};
use crate::llvm::{entry_point, rebind};
use inkwell::context::AsContextRef;
use inkwell::llvm_sys::core::{
    LLVMAddAttributeAtIndex, LLVMAddModuleFlag, LLVMConstInt, LLVMCreateEnumAttribute,
    LLVMCreateStringAttribute, LLVMGetEnumAttributeAtIndex, LLVMGetEnumAttributeKindForName,
    LLVMGetLinkage, LLVMGetMDNodeNumOperands, LLVMGetMDNodeOperands, LLVMGetMDString,
    LLVMGetNamedMetadataNumOperands, LLVMGetNamedMetadataOperands, LLVMGetStringAttributeAtIndex,
    LLVMInt32TypeInContext, LLVMIsDeclaration, LLVMIsThreadLocal, LLVMReplaceMDNodeOperandWith,
    LLVMSetLinkage, LLVMSetThreadLocalMode, LLVMValueAsMetadata,
};
use inkwell::llvm_sys::prelude::{LLVMContextRef, LLVMModuleRef, LLVMValueRef};
use inkwell::llvm_sys::{LLVMLinkage, LLVMModuleFlagBehavior, LLVMThreadLocalMode, LLVMVisibility};
use inkwell::module::Module;
use mgenjit::types::OptLevel;
use std::collections::HashMap;
use std::ffi::{CStr, c_uint};

/// What the code is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Purpose {
    /// It goes into an image, to which other images may belong.
    pub image: bool,
    /// Functions that others can see may be replaced while the code runs.
    pub replaceable: bool,
}

/// Prepares a verified module. Returns the symbols that are then no longer hidden, and what they were.
pub fn prepare(
    module: &Module<'_>,
    level: OptLevel,
    machine: &Machine,
    purpose: Purpose,
) -> HashMap<String, LLVMVisibility> {
    prepare_part(module, level, machine, Which::Whole(purpose))
}

/// Does to a module that is to be cut what can only be done to the whole of it.
pub fn before_cut(
    module: &Module<'_>,
    machine: &Machine,
    for_image: bool,
) -> HashMap<String, LLVMVisibility> {
    let context = module.get_context().as_ctx_ref();
    let module = module.as_mut_ptr();
    // SAFETY: as in `prepare_part`.
    unsafe {
        let opened = if for_image {
            rebind::open(module, false)
        } else {
            HashMap::new()
        };
        entry_point::add(context, module, machine.format);
        opened
    }
}

/// Gives functions what the optimiser decides by.
pub fn attributes(module: &Module<'_>, level: OptLevel, machine: &Machine) {
    let tune = machine.names.tuned.then_some(machine.names.cpu.as_str());
    let context = module.get_context().as_ctx_ref();
    // SAFETY: as in `prepare_part`.
    unsafe { add_all_attributes(context, module.as_mut_ptr(), level, tune) };
}

/// Does the rest to a piece.
pub fn piece(module: &Module<'_>, level: OptLevel, machine: &Machine) {
    prepare_part(module, level, machine, Which::Piece);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Whole(Purpose),
    Piece,
}

fn prepare_part(
    module: &Module<'_>,
    level: OptLevel,
    machine: &Machine,
    which: Which,
) -> HashMap<String, LLVMVisibility> {
    let format = machine.format;
    let tune = machine.names.tuned.then_some(machine.names.cpu.as_str());
    let mut opened = HashMap::new();
    let prepared = module;
    let context = module.get_context().as_ctx_ref();
    let module = module.as_mut_ptr();
    // SAFETY: the module is valid and verified, the context is its own, and nobody else holds one of its
    // values.
    unsafe {
        if format == Format::Elf {
            assume_shared_object(context, module);
            // LLVM keeps an alias's model where it keeps a variable's, and its C API takes both.
            for global in globals(module).into_iter().chain(aliases(module)) {
                if LLVMIsThreadLocal(global) != 0 {
                    // The other models need a place in the static TLS block, which a loaded image has not.
                    let general = LLVMThreadLocalMode::LLVMGeneralDynamicTLSModel;
                    LLVMSetThreadLocalMode(global, general);
                }
            }
        }
        if format != Format::Other {
            for global in globals(module) {
                if LLVMGetLinkage(global) == LLVMLinkage::LLVMCommonLinkage {
                    // Modules that declare the same common variable share it, as they would if linked together.
                    LLVMSetLinkage(global, LLVMLinkage::LLVMWeakAnyLinkage);
                }
            }
        }
        // A module of which functions are replaceable is not cut.
        let replaceable = format == Format::Elf
            && matches!(
                which,
                Which::Whole(Purpose {
                    replaceable: true,
                    ..
                })
            );
        if matches!(which, Which::Whole(Purpose { image: true, .. })) {
            opened = rebind::open(module, replaceable);
        }
        if format == Format::Elf {
            rebind::rebind(module, replaceable);
        }
        if replaceable {
            assume_interposition(context, module);
        }
        if which != Which::Piece {
            entry_point::add(context, module, format);
        }
        add_all_attributes(context, module, level, tune);
    }
    debug_assert_eq!(prepared.verify().map_err(|error| error.to_string()), Ok(()));
    opened
}

/// The index at which an attribute belongs to the function itself.
const FUNCTION_INDEX: c_uint = c_uint::MAX;

/// Front ends compile for an executable by default and say so in the module's flags; then LLVM would bind
/// symbols, and thread-local ones above all, in ways that only an executable can.
///
/// # Safety
///
/// `module` must be valid, and `context` its own.
unsafe fn assume_shared_object(context: LLVMContextRef, module: LLVMModuleRef) {
    // SAFETY: the flags are the module's, and have three operands.
    unsafe {
        for (key, flag) in flags(module) {
            let value = match &*key {
                b"PIE Level" => 0,
                b"PIC Level" => 2,
                _ => continue,
            };
            let value = LLVMConstInt(LLVMInt32TypeInContext(context), value, 0);
            LLVMReplaceMDNodeOperandWith(flag, 2, LLVMValueAsMetadata(value));
        }
    }
}

/// Has LLVM take nothing for granted of a function that the loader may bind to another one, as clang's
/// `-fsemantic-interposition` does.
///
/// # Safety
///
/// `module` must be valid and verified, and `context` its own.
unsafe fn assume_interposition(context: LLVMContextRef, module: LLVMModuleRef) {
    const KEY: &[u8] = b"SemanticInterposition";
    // SAFETY: the key is read within its length; a flag that is there has three operands.
    unsafe {
        let value = LLVMConstInt(LLVMInt32TypeInContext(context), 1, 0);
        let value = LLVMValueAsMetadata(value);
        match flags(module).into_iter().find(|(key, _)| key == KEY) {
            Some((_, flag)) => LLVMReplaceMDNodeOperandWith(flag, 2, value),
            None => {
                let behavior = LLVMModuleFlagBehavior::LLVMModuleFlagBehaviorError;
                LLVMAddModuleFlag(module, behavior, KEY.as_ptr().cast(), KEY.len(), value);
            }
        }
    }
}

/// A module's flags, by their keys.
///
/// # Safety
///
/// `module` must be valid and verified.
unsafe fn flags(module: LLVMModuleRef) -> Vec<(Vec<u8>, LLVMValueRef)> {
    const FLAGS: &CStr = c"llvm.module.flags";
    // SAFETY: the arrays have as many places as LLVM says there are operands. An operand that is not a
    // string has none, and the verifier has made sure that each flag has its three.
    unsafe {
        let count = LLVMGetNamedMetadataNumOperands(module, FLAGS.as_ptr());
        let mut flags = vec![std::ptr::null_mut(); count as usize];
        LLVMGetNamedMetadataOperands(module, FLAGS.as_ptr(), flags.as_mut_ptr());
        let keyed = flags.into_iter().filter_map(|flag| {
            let mut operands = vec![std::ptr::null_mut(); LLVMGetMDNodeNumOperands(flag) as usize];
            LLVMGetMDNodeOperands(flag, operands.as_mut_ptr());
            let key = *operands.get(1).filter(|key| !key.is_null())?;
            let mut len = 0;
            let key = LLVMGetMDString(key, &raw mut len);
            if key.is_null() || operands.len() != 3 {
                return None;
            }
            let key = std::slice::from_raw_parts(key.cast::<u8>(), len as usize);
            Some((key.to_vec(), flag))
        });
        keyed.collect()
    }
}

/// # Safety
///
/// `module` must be valid, and `context` its own.
unsafe fn add_all_attributes(
    context: LLVMContextRef,
    module: LLVMModuleRef,
    level: OptLevel,
    tune: Option<&str>,
) {
    // SAFETY: the functions are the module's.
    unsafe {
        for function in functions(module) {
            if LLVMIsDeclaration(function) == 0 {
                add_attributes(context, function, level);
                if let Some(cpu) = tune {
                    tune_for(context, function, cpu);
                }
            }
        }
    }
}

/// # Safety
///
/// `function` must be a valid definition, and `context` its own.
unsafe fn add_attributes(context: LLVMContextRef, function: LLVMValueRef, level: OptLevel) {
    // SAFETY: the names are those of enum attributes that LLVM knows and that go on functions.
    unsafe {
        // Transpilers leave it out, and then stack traces and exceptions end at the first such frame. 1 is
        // `sync`: nothing here unwinds from between two calls.
        add_missing(context, function, c"uwtable", 1);
        // As clang marks what it compiles for size: the pipelines alone decide only part of it.
        let optimised = !has(function, c"optnone");
        if optimised && matches!(level, OptLevel::Os | OptLevel::Oz) {
            add_missing(context, function, c"optsize", 0);
        }
        if optimised && level == OptLevel::Oz {
            add_missing(context, function, c"minsize", 0);
        }
    }
}

/// Tunes for the target's CPU, unless the function names a CPU of its own.
///
/// # Safety
///
/// `function` must be a valid definition, and `context` its own.
unsafe fn tune_for(context: LLVMContextRef, function: LLVMValueRef, cpu: &str) {
    let len = |text: &str| text.len() as c_uint;
    // SAFETY: all pointers and lengths are those of strings; the attribute is made in the function's own context.
    unsafe {
        let names = ["target-cpu", "tune-cpu"];
        let has_own = names.into_iter().any(|name| {
            let name_len = len(name);
            !LLVMGetStringAttributeAtIndex(function, FUNCTION_INDEX, name.as_ptr().cast(), name_len)
                .is_null()
        });
        if !has_own {
            let [_, name] = names;
            let attribute = LLVMCreateStringAttribute(
                context,
                name.as_ptr().cast(),
                len(name),
                cpu.as_ptr().cast(),
                len(cpu),
            );
            LLVMAddAttributeAtIndex(function, FUNCTION_INDEX, attribute);
        }
    }
}

/// # Safety
///
/// As for `add_attributes`; `name` must be that of an enum attribute of functions.
unsafe fn add_missing(context: LLVMContextRef, function: LLVMValueRef, name: &CStr, value: u64) {
    // SAFETY: the caller's.
    unsafe {
        if !has(function, name) {
            let attribute = LLVMCreateEnumAttribute(context, attribute_kind(name), value);
            LLVMAddAttributeAtIndex(function, FUNCTION_INDEX, attribute);
        }
    }
}

/// # Safety
///
/// `function` must be valid.
unsafe fn has(function: LLVMValueRef, name: &CStr) -> bool {
    // SAFETY: the caller's.
    unsafe {
        !LLVMGetEnumAttributeAtIndex(function, FUNCTION_INDEX, attribute_kind(name)).is_null()
    }
}

/// The number of an attribute that LLVM knows.
pub fn attribute_kind(name: &CStr) -> c_uint {
    // SAFETY: the pointer and the length are those of one string.
    unsafe { LLVMGetEnumAttributeKindForName(name.as_ptr(), name.count_bytes()) }
}
