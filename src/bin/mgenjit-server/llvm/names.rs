//! A target by LLVM's names, and its target machine.

use inkwell::OptimizationLevel;
use inkwell::targets::{CodeModel, RelocMode, TargetMachine, TargetTriple};
use mgenjit::arch::cpu::NAMED;

/// A target as LLVM calls it.
#[derive(Clone)]
pub struct Names {
    pub triple: String,
    pub cpu: String,
    /// Code is only tuned for the CPU: it may use what the oldest one of this machine has, and the features.
    pub tuned: bool,
    /// Features beyond those that the CPU's name implies.
    pub features: String,
}

/// The object formats that need modules to be prepared differently.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Elf,
    Wasm,
    /// COFF or Mach-O.
    Other,
}

/// The architectures that the linker can link for, and its names of them.
pub const EMULATIONS: [(&str, &str); 3] = [
    ("x86_64", "elf_x86_64"),
    ("aarch64", "aarch64elf"),
    ("riscv64", "elf64lriscv"),
];

impl Names {
    /// LLVM reports unknown names on standard error and ignores them.
    pub fn machine(&self, level: OptimizationLevel) -> Option<TargetMachine> {
        let triple = TargetTriple::create(&self.triple);
        // Nothing loads WebAssembly at another address than it was linked for.
        let reloc = match self.format() {
            Format::Wasm => RelocMode::Static,
            Format::Elf | Format::Other => RelocMode::PIC,
        };
        inkwell::targets::Target::from_triple(&triple)
            .ok()?
            .create_target_machine(
                &triple,
                if self.tuned { NAMED[0].cpu } else { &self.cpu },
                &self.features,
                level,
                reloc,
                CodeModel::Default,
            )
    }

    /// The triple's first part, by one of its names.
    pub fn architecture(&self) -> &str {
        match self.triple.split('-').next().unwrap_or_default() {
            "amd64" => "x86_64",
            "arm64" => "aarch64",
            other => other,
        }
    }

    /// What the linker calls the target, if it can link for it.
    pub fn emulation(&self) -> Option<&'static str> {
        let known = EMULATIONS
            .iter()
            .find(|(name, _)| *name == self.architecture() && self.format() == Format::Elf);
        known.map(|(_, emulation)| *emulation)
    }

    pub fn format(&self) -> Format {
        let mut parts = self.triple.split('-');
        let is_wasm = parts.next().is_some_and(|part| part.starts_with("wasm"));
        let is_other = |part: &str| {
            [
                "darwin", "macos", "ios", "tvos", "watchos", "xros", "windows", "uefi",
            ]
            .iter()
            .any(|system| part.starts_with(system))
        };
        if is_wasm {
            Format::Wasm
        } else if parts.nth(1).is_some_and(is_other) && !self.triple.ends_with("-elf") {
            Format::Other
        } else {
            Format::Elf
        }
    }
}
