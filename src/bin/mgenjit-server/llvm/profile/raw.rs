//! The face of the C++ files, whose structures (`profile.h`) it repeats.

use inkwell::llvm_sys::prelude::{LLVMDiagnosticInfoRef, LLVMModuleRef};
use inkwell::llvm_sys::target_machine::LLVMTargetMachineRef;
use inkwell::module::Module;
use inkwell::targets::TargetMachine;
use mgenjit::protocol::profile::Profile;
use mgenjit::types::OptLevel;
use std::ffi::{c_char, c_void};

/// What a pipeline does with a profile.
#[derive(Clone, Copy)]
pub enum Task<'a> {
    /// The code is to count.
    Generate,
    /// The code is optimised by this profile.
    Use(&'a [u8]),
    /// The first half of what `Use` does, which needs the whole module. All that the profile says of a function is then in its
    /// metadata.
    Annotate(&'a [u8]),
    /// The rest, for a piece of such a module. A piece of another module is optimised without a profile.
    Finish,
}

impl<'a> From<Profile<'a>> for Task<'a> {
    fn from(profile: Profile<'a>) -> Task<'a> {
        match profile {
            Profile::Generate => Task::Generate,
            Profile::Use(bytes) => Task::Use(bytes),
        }
    }
}

#[repr(C)]
struct RawBytes {
    start: *const c_char,
    len: usize,
}

impl RawBytes {
    fn new(bytes: &[u8]) -> RawBytes {
        RawBytes {
            start: bytes.as_ptr().cast(),
            len: bytes.len(),
        }
    }
}

#[repr(C)]
struct RawPlan {
    level: u32,
    action: u32,
    profile: RawBytes,
    vectorise: bool,
    slp: bool,
}

type Sink = unsafe extern "C" fn(argument: *mut c_void, bytes: *const c_char, len: usize);

// In build.rs, this is what the C++ files become.
#[link(name = "mgenjit_profile", kind = "static")]
unsafe extern "C" {
    fn mgenjit_profile_optimise(
        module: LLVMModuleRef,
        machine: LLVMTargetMachineRef,
        plan: *const RawPlan,
        warn: Sink,
        argument: *mut c_void,
    );
    fn mgenjit_profile_merge(
        profiles: *const RawBytes,
        count: usize,
        at_fault: *mut usize,
        take: Sink,
        argument: *mut c_void,
    ) -> bool;
    fn mgenjit_profile_note_names(module: LLVMModuleRef);
    fn mgenjit_profile_is_annotated(module: LLVMModuleRef) -> bool;
    fn mgenjit_profile_is_about(info: LLVMDiagnosticInfoRef) -> bool;
}

/// Runs the standard pipeline of `level` on a verified module, or one of its halves. Returns what is wrong with the profile;
/// LLVM's own diagnostics go to the context's handler.
pub fn optimise(
    module: &Module<'_>,
    machine: &TargetMachine,
    level: OptLevel,
    task: Task<'_>,
    vectorise: bool,
    slp: bool,
) -> Vec<String> {
    let (action, bytes) = match task {
        Task::Generate => (0, &[][..]),
        Task::Use(bytes) => (1, bytes),
        Task::Annotate(bytes) => (2, bytes),
        Task::Finish => (3, &[][..]),
    };
    let plan = RawPlan {
        level: level as u32,
        action,
        profile: RawBytes::new(bytes),
        vectorise,
        slp,
    };
    let mut warnings: Vec<String> = Vec::new();
    // SAFETY: the module and the machine are valid, and what the plan refers to outlives the call, as what takes the
    // texts does.
    unsafe {
        mgenjit_profile_optimise(
            module.as_mut_ptr(),
            machine.as_mut_ptr(),
            &raw const plan,
            take_text,
            (&raw mut warnings).cast(),
        );
    }
    warnings
}

/// Makes an indexed profile of profiles of any kind. The error is the index of the one at fault, and why.
pub fn merge(profiles: &[&[u8]]) -> Result<Vec<u8>, (usize, String)> {
    let raw: Vec<RawBytes> = profiles.iter().map(|bytes| RawBytes::new(bytes)).collect();
    let mut at_fault = 0;
    let mut bytes: Vec<u8> = Vec::new();
    // SAFETY: the profiles outlive the call, as what takes the bytes does.
    let done = unsafe {
        mgenjit_profile_merge(
            raw.as_ptr(),
            raw.len(),
            &raw mut at_fault,
            take_bytes,
            (&raw mut bytes).cast(),
        )
    };
    match done {
        true => Ok(bytes),
        false => Err((at_fault, String::from_utf8_lossy(&bytes).into_owned())),
    }
}

/// Notes what the functions of a module are called in a profile, before others are linked to it.
pub fn note_names(module: &Module<'_>) {
    // SAFETY: the module is valid.
    unsafe { mgenjit_profile_note_names(module.as_mut_ptr()) };
}

/// Whether a module is a piece of one that was annotated.
pub fn is_annotated(module: &Module<'_>) -> bool {
    // SAFETY: the module is valid.
    unsafe { mgenjit_profile_is_annotated(module.as_mut_ptr()) }
}

/// Whether a diagnostic is about a profile.
///
/// # Safety
///
/// `info` must be valid.
pub unsafe fn is_about(info: LLVMDiagnosticInfoRef) -> bool {
    // SAFETY: the caller's.
    unsafe { mgenjit_profile_is_about(info) }
}

/// # Safety
///
/// `argument` must be a vector of texts, and `bytes` must have `len` bytes.
unsafe extern "C" fn take_text(argument: *mut c_void, bytes: *const c_char, len: usize) {
    let mut text: Vec<u8> = Vec::new();
    // SAFETY: the caller's.
    unsafe {
        take_bytes((&raw mut text).cast(), bytes, len);
        (*argument.cast::<Vec<String>>()).push(String::from_utf8_lossy(&text).into_owned());
    }
}

/// # Safety
///
/// `argument` must be a vector of bytes, and `bytes` must have `len` bytes.
unsafe extern "C" fn take_bytes(argument: *mut c_void, bytes: *const c_char, len: usize) {
    if len > 0 {
        // SAFETY: the caller's.
        let bytes = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), len) };
        // SAFETY: the caller's.
        unsafe { (*argument.cast::<Vec<u8>>()).extend_from_slice(bytes) };
    }
}
