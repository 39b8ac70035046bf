//! The place of each instruction of a module in a text.

use crate::llvm::debug_ir::text::{self, Definition};
use crate::llvm::debug_ir::tokens::Place;
use crate::llvm::values::{functions, instructions, name};
use inkwell::llvm_sys::core::{LLVMGetInstructionOpcode, LLVMIsDeclaration};
use inkwell::llvm_sys::prelude::{LLVMModuleRef, LLVMValueRef};
use std::collections::{HashMap, VecDeque};

/// A function that is defined, and where.
pub struct Function {
    pub value: LLVMValueRef,
    pub place: Place,
    pub instructions: Vec<Instruction>,
}

pub struct Instruction {
    pub value: LLVMValueRef,
    pub place: Place,
    /// The number that the text gives its value.
    pub number: Option<u32>,
}

/// Where all functions are. `None`: this is not the text of the module.
///
/// # Safety
///
/// `module` must be valid.
pub unsafe fn places(module: LLVMModuleRef, text: &[u8]) -> Option<Vec<Function>> {
    let mut named = HashMap::new();
    let mut unnamed = VecDeque::new();
    for mut definition in text::definitions(text) {
        match definition.name.take() {
            Some(name) => drop(named.insert(name, definition)),
            None => unnamed.push_back(definition),
        }
    }
    let mut found = Vec::new();
    // SAFETY: the caller's; functions and instructions are the module's own.
    unsafe {
        for function in functions(module) {
            if LLVMIsDeclaration(function) != 0 {
                continue;
            }
            let definition = match name(function) {
                [] => unnamed.pop_front(),
                name => named.remove(name),
            }?;
            found.push(Function {
                value: function,
                place: definition.place,
                instructions: align(&instructions(function), &definition)?,
            });
        }
    }
    Some(found)
}

/// Gives each instruction its place. The parser turns some calls of intrinsics, which older versions of LLVM had, into
/// other instructions, or drops them: their place is the call's.
///
/// # Safety
///
/// The instructions must be valid.
unsafe fn align(values: &[LLVMValueRef], definition: &Definition) -> Option<Vec<Instruction>> {
    let texts = &definition.instructions;
    let fits = |value: LLVMValueRef, text: &text::Instruction| {
        // SAFETY: the caller's.
        let (opcode, name) = unsafe { (LLVMGetInstructionOpcode(value), name(value)) };
        opcode == text.opcode && name == text.name.as_deref().unwrap_or_default()
    };
    let mut found = Vec::with_capacity(values.len());
    let mut next = 0;
    for &value in values {
        // Of those that may have been replaced, the first that was not.
        let replaced = texts[next..].iter().take_while(|text| text.is_intrinsic);
        let last = (next + replaced.count()).min(texts.len().saturating_sub(1));
        let fitting = (next..=last).find(|&at| texts.get(at).is_some_and(|text| fits(value, text)));
        let at = match fitting {
            Some(at) => {
                next = at + 1;
                at
            }
            None if texts.get(next).is_some_and(|text| text.is_intrinsic) => next,
            None if next > 0 && texts[next - 1].is_intrinsic => next - 1,
            None => return None,
        };
        found.push(Instruction {
            value,
            place: texts[at].place,
            number: texts[at].number.filter(|_| fitting.is_some()),
        });
    }
    texts[next..]
        .iter()
        .all(|text| text.is_intrinsic)
        .then_some(found)
}
