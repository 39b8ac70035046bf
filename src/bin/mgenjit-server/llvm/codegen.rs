//! Optimises, and emits the object or another form.

use crate::llvm::diagnostics::Diagnostics;
use crate::llvm::profile::{self, Task};
use inkwell::module::{Linkage, Module};
use inkwell::passes::PassBuilderOptions;
use inkwell::targets::{FileType, TargetMachine};
use mgenjit::protocol::messages::{Failure, FailureKind};
use mgenjit::types::{Emit, OptLevel};

/// Runs the standard pipeline of `level`, with the vectorisers as clang sets them. Returns what is wrong with the profile, if
/// there is one.
pub fn optimise(
    module: &Module<'_>,
    machine: &TargetMachine,
    level: OptLevel,
    profile: Option<Task<'_>>,
    diagnostics: &Diagnostics,
) -> Result<Vec<String>, Failure> {
    let fast = matches!(level, OptLevel::O2 | OptLevel::O3 | OptLevel::Os);
    let slp = fast || level == OptLevel::Oz;
    if let Some(task) = profile {
        let mut warnings = profile::optimise(module, machine, level, task, fast, slp);
        diagnostics.check()?;
        warnings.extend(profile::summarise(diagnostics.take_about_profile()));
        return Ok(warnings);
    }
    let options = PassBuilderOptions::create();
    options.set_loop_vectorization(fast);
    options.set_loop_interleaving(fast);
    options.set_loop_slp_vectorization(slp);
    let passes = format!("default<{}>", level.name());
    module
        .run_passes(&passes, machine, options)
        .map_err(|error| failure(error.to_string()))?;
    diagnostics.check().map(|()| Vec::new())
}

/// How many functions code is generated for.
pub fn functions(module: &Module<'_>) -> u32 {
    let functions = module.get_functions().filter(|function| {
        function.count_basic_blocks() > 0
            && function.as_global_value().get_linkage() != Linkage::AvailableExternally
    });
    u32::try_from(functions.count()).unwrap_or(u32::MAX)
}

/// Generates the relocatable object, or writes the module in another form.
pub fn emit(
    module: &Module<'_>,
    machine: &TargetMachine,
    emit: Emit,
    diagnostics: &Diagnostics,
) -> Result<Vec<u8>, Failure> {
    let file_type = match emit {
        Emit::Code => FileType::Object,
        Emit::Assembly => FileType::Assembly,
        Emit::Bitcode => return Ok(module.write_bitcode_to_memory().as_slice().to_vec()),
        Emit::Ir => return Ok(module.print_to_string().to_bytes().to_vec()),
    };
    let emitted = machine.write_to_memory_buffer(module, file_type);
    // LLVM reports an error and then emits an object as if there were none.
    diagnostics.check()?;
    emitted
        .map(|buffer| buffer.as_slice().to_vec())
        .map_err(|error| failure(error.to_string()))
}

fn failure(message: String) -> Failure {
    Failure::new(FailureKind::Codegen, message)
}
