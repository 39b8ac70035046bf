//! Writes debug information that points into the text of the IR.
//!
//! A function that has debug information keeps it. In others, each instruction gets its line. Each argument and each value
//! that is no aggregate becomes a variable of its name; `%3` is called `_3`, because debuggers take `3` for a number. What
//! an `alloca` makes is a variable: its content is shown, not its address.
//!
//! Registers are reused once a value is not needed any more. So without optimisation, when debuggers are to show all values,
//! each is also stored in the stack frame. A place of its own would hold garbage before the value is known, hence the
//! records that say where the value is are at its definition, as those of values in registers are.

use crate::llvm::debug_ir::facts::{
    behind, can_be_stored, has_metadata, has_records, is_local, pointee,
};
use crate::llvm::debug_ir::places::{Function, places};
use crate::llvm::debug_ir::types::Types;
use crate::llvm::diagnostics::take_message;
use crate::llvm::prepare::attribute_kind;
use crate::llvm::values::{functions, globals, instructions, name};
use inkwell::context::AsContextRef;
use inkwell::llvm_sys::core::{
    LLVMAddModuleFlag, LLVMBasicBlockAsValue, LLVMBuildAlloca, LLVMBuildStore, LLVMConstInt,
    LLVMCountParams, LLVMCreateBuilderInContext, LLVMDisposeBuilder, LLVMGetAllocatedType,
    LLVMGetEnumAttributeAtIndex, LLVMGetInstructionOpcode, LLVMGetInstructionParent,
    LLVMGetMDKindIDInContext, LLVMGetParam, LLVMGetParamTypes, LLVMGetReturnType, LLVMGetTypeKind,
    LLVMGlobalGetValueType, LLVMGlobalSetMetadata, LLVMInt32TypeInContext, LLVMIsDeclaration,
    LLVMIsThreadLocal, LLVMPositionBuilderBefore, LLVMPrintModuleToString,
    LLVMSetCurrentDebugLocation2, LLVMTypeOf, LLVMValueAsMetadata,
};
use inkwell::llvm_sys::debuginfo::{
    LLVMCreateDIBuilder, LLVMDIBuilderCreateAutoVariable, LLVMDIBuilderCreateCompileUnit,
    LLVMDIBuilderCreateDebugLocation, LLVMDIBuilderCreateExpression, LLVMDIBuilderCreateFile,
    LLVMDIBuilderCreateFunction, LLVMDIBuilderCreateGlobalVariableExpression,
    LLVMDIBuilderCreateParameterVariable, LLVMDIBuilderCreateSubroutineType, LLVMDIBuilderFinalize,
    LLVMDIBuilderInsertDbgValueRecordBefore, LLVMDIBuilderInsertDeclareRecordBefore,
    LLVMDIFlagPrototyped, LLVMDIFlagZero, LLVMDWARFEmissionKind, LLVMDWARFSourceLanguage,
    LLVMDebugMetadataVersion, LLVMDisposeDIBuilder, LLVMGetModuleDebugMetadataVersion,
    LLVMGetSubprogram, LLVMInstructionGetDebugLoc, LLVMInstructionSetDebugLoc, LLVMSetSubprogram,
};
use inkwell::llvm_sys::prelude::{
    LLVMBuilderRef, LLVMContextRef, LLVMDIBuilderRef, LLVMMetadataRef, LLVMModuleRef, LLVMValueRef,
};
use inkwell::llvm_sys::target::LLVMGetModuleDataLayout;
use inkwell::llvm_sys::{LLVMModuleFlagBehavior, LLVMOpcode, LLVMTypeKind};
use inkwell::module::Module;
use std::ptr;

/// Where debuggers find the text.
#[derive(Clone, Copy)]
pub struct File<'a> {
    pub folder: &'a str,
    pub name: &'a str,
}

/// Gives all functions of a verified module, which has its data layout, debug information if they have none. `text` is what
/// it was read from, if that was text, and `file` where that is. If it was not, or cannot be understood, the module is
/// printed, for `printed` to be written to a file: that text is returned.
pub fn annotate(
    module: &Module<'_>,
    text: Option<(&[u8], File<'_>)>,
    printed: File<'_>,
    optimised: bool,
) -> Option<String> {
    let context = module.get_context().as_ctx_ref();
    let module = module.as_mut_ptr();
    // SAFETY: the module is valid and verified, the context is its own, and nobody else holds one of its values.
    unsafe {
        if let Some((text, file)) = text
            && let Some(found) = places(module, text)
        {
            write(context, module, &found, file, optimised);
            return None;
        }
        let text = take_message(LLVMPrintModuleToString(module));
        let found = places(module, text.as_bytes())?;
        write(context, module, &found, printed, optimised);
        Some(text)
    }
}

/// # Safety
///
/// `module` must be valid, `context` its own, and the functions its own.
unsafe fn write(
    context: LLVMContextRef,
    module: LLVMModuleRef,
    found: &[Function],
    file: File<'_>,
    optimised: bool,
) {
    // SAFETY: the caller's; the builder is used until it is disposed of, and all strings are given with their lengths.
    unsafe {
        let builder = LLVMCreateDIBuilder(module);
        let described = LLVMDIBuilderCreateFile(
            builder,
            file.name.as_ptr().cast(),
            file.name.len(),
            file.folder.as_ptr().cast(),
            file.folder.len(),
        );
        let producer = concat!("libmgenjit ", env!("CARGO_PKG_VERSION"));
        LLVMDIBuilderCreateCompileUnit(
            builder,
            LLVMDWARFSourceLanguage::LLVMDWARFSourceLanguageC,
            described,
            producer.as_ptr().cast(),
            producer.len(),
            i32::from(optimised),
            ptr::null(),
            0,
            0,
            ptr::null(),
            0,
            LLVMDWARFEmissionKind::LLVMDWARFEmissionKindFull,
            0,
            0,
            0,
            ptr::null(),
            0,
            ptr::null(),
            0,
        );
        let mut deref = DW_OP_DEREF;
        let mut writer = Writer {
            context,
            builder,
            file: described,
            types: Types::new(builder, LLVMGetModuleDataLayout(module), described),
            expression: LLVMDIBuilderCreateExpression(builder, ptr::null_mut(), 0),
            stored: LLVMDIBuilderCreateExpression(builder, &raw mut deref, 1),
            instructions: LLVMCreateBuilderInContext(context),
            optimised,
        };
        for function in found {
            if LLVMGetSubprogram(function.value).is_null() && !has_records(function) {
                writer.function(function);
            }
        }
        for global in globals(module) {
            writer.variable(global);
        }
        // What was written before now calls functions that have debug information, for which calls need a place.
        for function in functions(module) {
            let scope = LLVMGetSubprogram(function);
            if LLVMIsDeclaration(function) == 0 && !scope.is_null() {
                let nowhere =
                    LLVMDIBuilderCreateDebugLocation(context, 0, 0, scope, ptr::null_mut());
                for instruction in instructions(function) {
                    if LLVMGetInstructionOpcode(instruction) == LLVMOpcode::LLVMCall
                        && LLVMInstructionGetDebugLoc(instruction).is_null()
                    {
                        LLVMInstructionSetDebugLoc(instruction, nowhere);
                    }
                }
            }
        }
        LLVMDisposeBuilder(writer.instructions);
        LLVMDIBuilderFinalize(builder);
        LLVMDisposeDIBuilder(builder);
        if LLVMGetModuleDebugMetadataVersion(module) == 0 {
            const FLAG: &str = "Debug Info Version";
            let version = LLVMDebugMetadataVersion().into();
            let version = LLVMConstInt(LLVMInt32TypeInContext(context), version, 0);
            LLVMAddModuleFlag(
                module,
                LLVMModuleFlagBehavior::LLVMModuleFlagBehaviorWarning,
                FLAG.as_ptr().cast(),
                FLAG.len(),
                LLVMValueAsMetadata(version),
            );
        }
    }
}

struct Writer {
    context: LLVMContextRef,
    builder: LLVMDIBuilderRef,
    file: LLVMMetadataRef,
    types: Types,
    /// The variable is what the record names.
    expression: LLVMMetadataRef,
    /// The variable is in the place that the record names.
    stored: LLVMMetadataRef,
    instructions: LLVMBuilderRef,
    optimised: bool,
}

/// The operation of DWARF that takes a value from its address.
const DW_OP_DEREF: u64 = 6;

/// Functions with more values keep them in registers alone: their frames would become too large.
const MAX_STORED: usize = 1000;

/// The function that is written.
struct Scope {
    subprogram: LLVMMetadataRef,
    /// The number of the next value that has no name.
    next: u32,
    /// Where places in the stack frame are made. Null: values are in registers alone.
    entry: LLVMValueRef,
}

impl Writer {
    /// Gives a variable its type. Debuggers cannot find one of a thread.
    ///
    /// # Safety
    ///
    /// `global` must be a valid variable.
    unsafe fn variable(&mut self, global: LLVMValueRef) {
        // SAFETY: the caller's; the name is that of a kind of metadata, given with its length.
        unsafe {
            let kind = LLVMGetMDKindIDInContext(self.context, c"dbg".as_ptr(), 3);
            let name = name(global);
            if LLVMIsDeclaration(global) != 0
                || LLVMIsThreadLocal(global) != 0
                || has_metadata(global, kind)
                || name.is_empty()
                || name.starts_with(b"llvm.")
            {
                return;
            }
            let Some(ty) = self.types.of(LLVMGlobalGetValueType(global)) else {
                return;
            };
            let described = LLVMDIBuilderCreateGlobalVariableExpression(
                self.builder,
                self.file,
                name.as_ptr().cast(),
                name.len(),
                ptr::null(),
                0,
                self.file,
                0,
                ty,
                i32::from(is_local(global)),
                self.expression,
                ptr::null_mut(),
                0,
            );
            LLVMGlobalSetMetadata(global, kind, described);
        }
    }

    /// # Safety
    ///
    /// The function must be a valid definition without debug information.
    unsafe fn function(&mut self, function: &Function) {
        // SAFETY: the caller's; the instructions are the function's own.
        unsafe {
            let scope = self.subprogram(function);
            let is_stored = !self.optimised && function.instructions.len() <= MAX_STORED;
            let entry = function.instructions.first().filter(|_| is_stored);
            let mut scope = Scope {
                subprogram: scope,
                next: 0,
                entry: entry.map_or(ptr::null_mut(), |first| first.value),
            };
            let naked = c"naked";
            let kind = attribute_kind(naked);
            let is_naked = !LLVMGetEnumAttributeAtIndex(function.value, u32::MAX, kind).is_null();
            self.arguments(function, &mut scope, is_naked);
            let mut block = ptr::null_mut();
            for instruction in &function.instructions {
                let value = instruction.value;
                let location = LLVMDIBuilderCreateDebugLocation(
                    self.context,
                    instruction.place.line,
                    instruction.place.column,
                    scope.subprogram,
                    ptr::null_mut(),
                );
                LLVMInstructionSetDebugLoc(value, location);
                let parent = LLVMGetInstructionParent(value);
                if parent != block {
                    block = parent;
                    scope.number(LLVMBasicBlockAsValue(parent), None);
                }
                if LLVMGetTypeKind(LLVMTypeOf(value)) != LLVMTypeKind::LLVMVoidTypeKind {
                    let named = scope.number(value, instruction.number);
                    if !is_naked {
                        self.value(value, &named, instruction.place.line, &scope, location);
                    }
                }
            }
        }
    }

    /// # Safety
    ///
    /// As for [`Writer::function`].
    unsafe fn subprogram(&mut self, function: &Function) -> LLVMMetadataRef {
        // SAFETY: the caller's; the array has a place for each parameter.
        unsafe {
            let ty = LLVMGlobalGetValueType(function.value);
            let mut parameters = vec![ptr::null_mut(); LLVMCountParams(function.value) as usize];
            LLVMGetParamTypes(ty, parameters.as_mut_ptr());
            let mut types = vec![self.types.of(LLVMGetReturnType(ty))];
            types.extend(parameters.into_iter().map(|ty| self.types.of(ty)));
            // What is none is `void`, which a parameter cannot be: then nothing is said of them.
            if types[1..].iter().any(Option::is_none) {
                types.truncate(1);
            }
            let mut types: Vec<_> = types
                .into_iter()
                .map(|ty| ty.unwrap_or(ptr::null_mut()))
                .collect();
            let described = LLVMDIBuilderCreateSubroutineType(
                self.builder,
                self.file,
                types.as_mut_ptr(),
                types.len() as u32,
                LLVMDIFlagZero,
            );
            let name = name(function.value);
            let line = function.place.line;
            let subprogram = LLVMDIBuilderCreateFunction(
                self.builder,
                self.file,
                name.as_ptr().cast(),
                name.len(),
                ptr::null(),
                0,
                self.file,
                line,
                described,
                i32::from(is_local(function.value)),
                1,
                line,
                LLVMDIFlagPrototyped,
                i32::from(self.optimised),
            );
            LLVMSetSubprogram(function.value, subprogram);
            subprogram
        }
    }

    /// # Safety
    ///
    /// As for [`Writer::function`].
    unsafe fn arguments(&mut self, function: &Function, scope: &mut Scope, is_naked: bool) {
        let Some(first) = function.instructions.first() else {
            return;
        };
        // SAFETY: the caller's.
        unsafe {
            let line = function.place.line;
            let location = LLVMDIBuilderCreateDebugLocation(
                self.context,
                line,
                function.place.column,
                scope.subprogram,
                ptr::null_mut(),
            );
            for index in 0..LLVMCountParams(function.value) {
                let argument = LLVMGetParam(function.value, index);
                let named = scope.number(argument, None);
                let Some(ty) = self.type_of(argument).filter(|_| !is_naked) else {
                    continue;
                };
                let variable = LLVMDIBuilderCreateParameterVariable(
                    self.builder,
                    scope.subprogram,
                    named.as_ptr().cast(),
                    named.len(),
                    index + 1,
                    self.file,
                    line,
                    ty,
                    1,
                    LLVMDIFlagZero,
                );
                // Without a line: what comes before the first one is the function's prologue.
                self.tell(
                    argument,
                    variable,
                    scope,
                    ptr::null_mut(),
                    location,
                    first.value,
                );
            }
        }
    }

    /// Says that a variable has a value from `before` on. `line`: of the instruction that stores it.
    ///
    /// # Safety
    ///
    /// `value` must be known before the instruction `before`; `location` must be in the scope.
    unsafe fn tell(
        &mut self,
        value: LLVMValueRef,
        variable: LLVMMetadataRef,
        scope: &Scope,
        line: LLVMMetadataRef,
        location: LLVMMetadataRef,
        before: LLVMValueRef,
    ) {
        // SAFETY: the caller's; the place is made where all that the function does comes behind it.
        unsafe {
            let (mut told, mut expression) = (value, self.expression);
            if !scope.entry.is_null() && can_be_stored(value) {
                LLVMPositionBuilderBefore(self.instructions, scope.entry);
                LLVMSetCurrentDebugLocation2(self.instructions, ptr::null_mut());
                told = LLVMBuildAlloca(self.instructions, LLVMTypeOf(value), c"".as_ptr());
                LLVMPositionBuilderBefore(self.instructions, before);
                LLVMSetCurrentDebugLocation2(self.instructions, line);
                LLVMBuildStore(self.instructions, value, told);
                expression = self.stored;
            }
            LLVMDIBuilderInsertDbgValueRecordBefore(
                self.builder,
                told,
                variable,
                expression,
                location,
                before,
            );
        }
    }

    /// # Safety
    ///
    /// `value` must be an instruction of the function that is written, and `location` be in its scope.
    unsafe fn value(
        &mut self,
        value: LLVMValueRef,
        named: &[u8],
        line: u32,
        scope: &Scope,
        location: LLVMMetadataRef,
    ) {
        // SAFETY: the caller's.
        unsafe {
            let is_alloca = LLVMGetInstructionOpcode(value) == LLVMOpcode::LLVMAlloca;
            let ty = match is_alloca {
                true => self.types.of(LLVMGetAllocatedType(value)),
                false => self.type_of(value),
            };
            let (Some(ty), Some(before)) = (ty, behind(value)) else {
                return;
            };
            let variable = LLVMDIBuilderCreateAutoVariable(
                self.builder,
                scope.subprogram,
                named.as_ptr().cast(),
                named.len(),
                self.file,
                line,
                ty,
                0,
                LLVMDIFlagZero,
                0,
            );
            if is_alloca {
                LLVMDIBuilderInsertDeclareRecordBefore(
                    self.builder,
                    value,
                    variable,
                    self.expression,
                    location,
                    before,
                );
            } else {
                self.tell(value, variable, scope, location, location, before);
            }
        }
    }

    /// The type of a value that lies in one place; `None` for others.
    ///
    /// # Safety
    ///
    /// `value` must be valid.
    unsafe fn type_of(&mut self, value: LLVMValueRef) -> Option<LLVMMetadataRef> {
        // SAFETY: the caller's.
        unsafe {
            let ty = LLVMTypeOf(value);
            match LLVMGetTypeKind(ty) {
                LLVMTypeKind::LLVMStructTypeKind | LLVMTypeKind::LLVMArrayTypeKind => None,
                LLVMTypeKind::LLVMPointerTypeKind => self.types.pointer(ty, pointee(value)),
                _ => self.types.of(ty),
            }
        }
    }
}

impl Scope {
    /// What a value is called: its name, or its number behind a `_`, if it has none. `stated`: the number that the text has.
    ///
    /// # Safety
    ///
    /// `value` must be valid.
    unsafe fn number(&mut self, value: LLVMValueRef, stated: Option<u32>) -> Vec<u8> {
        // SAFETY: the caller's.
        let name = unsafe { name(value) };
        if !name.is_empty() {
            return name.to_vec();
        }
        let number = stated.unwrap_or(self.next);
        self.next = number.saturating_add(1);
        format!("_{number}").into_bytes()
    }
}
