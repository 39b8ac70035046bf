//! Whether LLVM knows a target's CPU and features, and which it knows.
//!
//! LLVM's C API has no answer: machines are made of any names, and what is not known is said on standard error. A
//! mistake that it cannot go on with ends the process, and the lists of what it knows are printed once in a process.
//! So all this happens in a child.

use crate::target::Names;
use inkwell::OptimizationLevel;
use inkwell::context::Context;
use inkwell::targets::FileType;
use std::collections::BTreeSet;
use std::ffi::{CStr, c_char};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};

/// The error says what is not known, and lists what is.
pub fn check(names: &Names) -> Result<(), String> {
    let Names {
        triple,
        cpu,
        features,
    } = names;
    let mut wanted = Vec::new();
    for feature in features.split(',').filter(|_| !features.is_empty()) {
        wanted.push(feature.strip_prefix(['+', '-']).ok_or_else(|| {
            format!(
                "the feature \"{feature}\" begins with neither + nor -: features are written as \"+first,-second\""
            )
        })?);
    }
    let complaint = in_child(|| try_names(names))?;
    if complaint.is_empty() {
        return Ok(());
    }
    let help = in_child(|| {
        names_help(names).machine(OptimizationLevel::None);
    })?;
    let (known_cpus, known_features) = parse_help(&help);
    if !known_cpus.contains(cpu.as_str()) {
        return Err(format!(
            "LLVM knows no CPU \"{cpu}\" for {triple}, but these: {}",
            list(&known_cpus)
        ));
    }
    if let Some(feature) = wanted.iter().find(|name| !known_features.contains(*name)) {
        return Err(format!(
            "LLVM knows no feature \"{feature}\" for {triple}, but these: {}",
            list(&known_features)
        ));
    }
    Err(format!(
        "LLVM cannot generate code for {triple} with the CPU \"{cpu}\" and the features \"{features}\": {}",
        complaint.trim()
    ))
}

/// Generates code for a function, because some names are looked at no earlier.
fn try_names(names: &Names) {
    let context = Context::create();
    let module = context.create_module("");
    let function = module.add_function("f", context.void_type().fn_type(&[], false), None);
    let builder = context.create_builder();
    builder.position_at_end(context.append_basic_block(function, ""));
    let _ = builder.build_return(None);
    if let Some(machine) = names.machine(OptimizationLevel::None) {
        module.set_triple(&machine.get_triple());
        module.set_data_layout(&machine.get_target_data().get_data_layout());
        let _ = machine.write_to_memory_buffer(&module, FileType::Object);
    }
}

fn names_help(names: &Names) -> Names {
    Names {
        cpu: "help".to_owned(),
        features: String::new(),
        ..names.clone()
    }
}

/// Reads two lists of lines like `  name - What it is.`, each under a line that says what it is.
fn parse_help(help: &str) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let (cpus, features) = help.split_once("Available features").unwrap_or((help, ""));
    let names = |text| -> BTreeSet<&str> {
        str::lines(text)
            .filter(|line| line.starts_with("  "))
            .filter_map(|line| line.split_once(" - "))
            .map(|(name, _)| name.trim())
            .collect()
    };
    (names(cpus), names(features))
}

fn list(names: &BTreeSet<&str>) -> String {
    let names: Vec<&str> = names.iter().copied().collect();
    names.join(", ")
}

/// What `work` writes to standard error in a child.
fn in_child(work: impl FnOnce()) -> Result<String, String> {
    let trouble = |error: std::io::Error| format!("the names cannot be checked: {error}");
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|error| trouble(error.into()))?;
    // SAFETY: this thread is the only one that allocates or uses LLVM, so the child finds no lock taken that it
    // needs, and it ends without returning from here.
    let child = unsafe { libc::fork() };
    if child < 0 {
        return Err(trouble(std::io::Error::last_os_error()));
    }
    if child == 0 {
        work_and_end(&writer, work);
    }
    drop(writer);
    let mut said = Vec::new();
    let read = File::from(reader).read_to_end(&mut said);
    let mut status = 0;
    // SAFETY: the child is this process's and nobody else waits for it.
    unsafe { libc::waitpid(child, &mut status, 0) };
    read.map_err(trouble)?;
    if said.is_empty() && status != 0 {
        said = format!("it failed with status {status}").into_bytes();
    }
    Ok(String::from_utf8_lossy(&said).into_owned())
}

fn work_and_end(stderr: &OwnedFd, work: impl FnOnce()) -> ! {
    // SAFETY: both descriptors are open. The handler never returns, as LLVM demands of it.
    unsafe {
        libc::dup2(stderr.as_raw_fd(), 2);
        use inkwell::llvm_sys::error_handling::{
            LLVMInstallFatalErrorHandler, LLVMResetFatalErrorHandler,
        };
        LLVMResetFatalErrorHandler();
        LLVMInstallFatalErrorHandler(Some(on_fatal_error));
    }
    work();
    crate::process::exit(0)
}

extern "C" fn on_fatal_error(reason: *const c_char) {
    // SAFETY: LLVM passes a NUL-terminated string.
    let reason = unsafe { CStr::from_ptr(reason) }.to_bytes();
    // SAFETY: the pointer and the length belong together.
    unsafe { libc::write(2, reason.as_ptr().cast(), reason.len()) };
    crate::process::exit(1)
}
