//! Modules are cut as finely as can be, and put together again by LLVM's own linker.

mod cases;
mod debug_info;
mod edits;
mod measure;
mod random;

use super::cut::{Piece, cut};
use crate::input::buffer::Input;
use crate::llvm::diagnostics::Diagnostics;
use crate::llvm::globals;
use crate::llvm::parse;
use crate::llvm::target::{Machine, Targets};
use crate::llvm::values;
use crate::llvm::verify;
use inkwell::context::Context;
use inkwell::llvm_sys::core::{LLVMGetLinkage, LLVMGetVisibility, LLVMIsDeclaration};
use inkwell::llvm_sys::linker::LLVMLinkModules2;
use inkwell::llvm_sys::{LLVMLinkage, LLVMVisibility};
use inkwell::module::Module;
use mgenjit::cpu::Cpu;
use mgenjit::types::{OptLevel, Partition, Target};
use std::num::NonZeroU32;

fn machine(level: OptLevel) -> Machine {
    let targets = Targets::new().expect("LLVM");
    let target = Target::Host(Cpu::native());
    targets.machine(level, &target).expect("a machine")
}

/// Reads text or bitcode as the server does. Debug information must be well-formed, too.
fn read<'context>(context: &'context Context, ir: &[u8], machine: &Machine) -> Module<'context> {
    let input = Input::copy(ir).expect("memory");
    let module = parse::parse(context, &input).unwrap_or_else(|error| panic!("{error:?}"));
    machine.adopt(&module).expect("the target");
    assert_eq!(module.verify().map_err(|error| error.to_string()), Ok(()));
    module
}

/// The pieces of about `size` instructions; none if the module is not cut.
fn pieces_of(ir: &[u8], level: OptLevel, size: u32) -> Vec<Piece> {
    let machine = machine(level);
    let context = Context::create();
    let _diagnostics = Diagnostics::collect(&context);
    let module = read(&context, ir, &machine);
    let size = Partition::Size(NonZeroU32::new(size).expect("a size"));
    cut(&module, level, &machine, size).unwrap_or_default()
}

/// Reads all pieces as modules.
fn modules<'context>(
    context: &'context Context,
    pieces: &[Piece],
    machine: &Machine,
) -> Vec<Module<'context>> {
    let read = |piece: &Piece| read(context, &piece.bitcode, machine);
    pieces.iter().map(read).collect()
}

/// Links the pieces into one module again.
fn recompose<'context>(
    context: &'context Context,
    pieces: &[Piece],
    machine: &Machine,
) -> Module<'context> {
    let whole = context.create_module("");
    machine.adopt(&whole).expect("the target");
    for module in modules(context, pieces, machine) {
        // SAFETY: both modules are valid and of one context. The second is consumed, and forgotten here.
        let failed = unsafe { LLVMLinkModules2(whole.as_mut_ptr(), module.as_mut_ptr()) };
        std::mem::forget(module);
        assert_eq!(failed, 0);
    }
    verify::verify(&whole).unwrap_or_else(|error| panic!("{error:?}"));
    whole
}

/// What a module has, a word or two for each global, sorted.
fn describe(module: &Module<'_>) -> Vec<String> {
    // SAFETY: the module is valid, and so is all that it has.
    unsafe {
        let raw = module.as_mut_ptr();
        let mut all: Vec<_> = values::functions(raw)
            .into_iter()
            .chain(values::globals(raw))
            .chain(values::aliases(raw))
            .collect();
        let known = globals::globals(raw).into_iter().map(|one| one.value);
        for value in known {
            if !all.contains(&value) {
                all.push(value);
            }
        }
        let mut lines: Vec<String> = all
            .into_iter()
            .map(|value| {
                let name = String::from_utf8_lossy(values::name(value)).into_owned();
                let linkage = match LLVMGetLinkage(value) {
                    LLVMLinkage::LLVMExternalLinkage if LLVMIsDeclaration(value) != 0 => "declare ",
                    LLVMLinkage::LLVMExternalLinkage => "",
                    LLVMLinkage::LLVMInternalLinkage => "internal ",
                    LLVMLinkage::LLVMPrivateLinkage => "private ",
                    LLVMLinkage::LLVMAvailableExternallyLinkage => "import ",
                    LLVMLinkage::LLVMWeakODRLinkage => "weak_odr ",
                    LLVMLinkage::LLVMWeakAnyLinkage => "weak ",
                    LLVMLinkage::LLVMLinkOnceODRLinkage => "linkonce_odr ",
                    LLVMLinkage::LLVMLinkOnceAnyLinkage => "linkonce ",
                    LLVMLinkage::LLVMExternalWeakLinkage => "extern_weak ",
                    LLVMLinkage::LLVMCommonLinkage => "common ",
                    LLVMLinkage::LLVMAppendingLinkage => "list ",
                    other => panic!("{other:?}"),
                };
                let visibility = match LLVMGetVisibility(value) {
                    LLVMVisibility::LLVMDefaultVisibility => "",
                    LLVMVisibility::LLVMHiddenVisibility => "hidden ",
                    LLVMVisibility::LLVMProtectedVisibility => "protected ",
                };
                format!("{linkage}{visibility}{name}").trim_end().to_owned()
            })
            .collect();
        lines.sort();
        lines
    }
}

/// Cuts to one function each, and compares what is in each piece. `|` is between pieces, `,` between globals.
fn check(level: OptLevel, ir: &str, expect: &str) {
    let pieces = pieces_of(ir.as_bytes(), level, 1);
    let machine = machine(level);
    let context = Context::create();
    let found: Vec<String> = modules(&context, &pieces, &machine)
        .iter()
        .map(|module| describe(module).join(", "))
        .collect();
    let expect: Vec<String> = expect
        .split('|')
        .map(|piece| {
            let mut globals: Vec<_> = piece
                .split(',')
                .map(|one| one.trim().replace('~', super::SUFFIX))
                .collect();
            globals.sort();
            globals.join(", ")
        })
        .collect();
    assert_eq!(found.join("\n"), expect.join("\n"), "{ir}");
    if !pieces.is_empty() {
        recompose(&Context::create(), &pieces, &machine);
    }
}
