//! Collects LLVM's diagnostics. Without a handler LLVM prints errors and exits.

use crate::llvm::profile;
use crate::process::progress;
use inkwell::context::{AsContextRef, Context};
use inkwell::llvm_sys::LLVMDiagnosticSeverity;
use inkwell::llvm_sys::core::{
    LLVMContextSetDiagnosticHandler, LLVMDisposeMessage, LLVMGetDiagInfoDescription,
    LLVMGetDiagInfoSeverity,
};
use inkwell::llvm_sys::prelude::LLVMDiagnosticInfoRef;
use mgenjit::protocol::messages::{Failure, FailureKind};
use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_void};

/// The errors of one context. Boxed, because LLVM keeps its address.
#[derive(Default)]
pub struct Diagnostics {
    errors: RefCell<Vec<String>>,
    /// What is wrong with the profile, which is never an error.
    about_profile: RefCell<Vec<String>>,
}

impl Diagnostics {
    /// Collects the diagnostics of `context`. The result must outlive every use of the context.
    #[expect(clippy::unnecessary_box_returns, reason = "LLVM keeps its address")]
    pub fn collect(context: &Context) -> Box<Diagnostics> {
        let diagnostics = Box::<Diagnostics>::default();
        let address: *const Diagnostics = &raw const *diagnostics;
        // SAFETY: the context is valid, and the handler's argument lives as long as the context is used.
        unsafe {
            LLVMContextSetDiagnosticHandler(
                context.as_ctx_ref(),
                Some(on_diagnostic),
                address.cast_mut().cast(),
            );
        }
        diagnostics
    }

    /// What was said of the profile so far.
    pub fn take_about_profile(&self) -> Vec<String> {
        self.about_profile.take()
    }

    /// The errors so far as one, a line for each.
    pub fn check(&self) -> Result<(), Failure> {
        let errors = self.errors.take();
        if errors.is_empty() {
            return Ok(());
        }
        Err(Failure::new(FailureKind::Codegen, errors.join("\n")))
    }
}

/// Takes over a message that LLVM allocated.
///
/// # Safety
///
/// `message` must be null, or a string of LLVM's that nobody else frees.
pub unsafe fn take_message(message: *mut c_char) -> String {
    if message.is_null() {
        return String::new();
    }
    // SAFETY: the caller hands over a NUL-terminated string, which is freed here once.
    unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        LLVMDisposeMessage(message);
        text
    }
}

/// How the remark ends that LLVM makes of each function when it has written its code, whether remarks are wanted or not:
/// `AsmPrinter::emitFunctionBody`, "InstructionCount".
const FUNCTION_DONE: &str = " instructions in function";

/// Warnings and remarks do not stop a compile.
extern "C" fn on_diagnostic(info: LLVMDiagnosticInfoRef, diagnostics: *mut c_void) {
    // SAFETY: LLVM passes what `collect` gave it, and a diagnostic that is valid during this call; its
    // description belongs to the receiver.
    unsafe {
        let severity = LLVMGetDiagInfoSeverity(info);
        if severity == LLVMDiagnosticSeverity::LLVMDSRemark && progress::is_wanted() {
            let message = take_message(LLVMGetDiagInfoDescription(info));
            if message.ends_with(FUNCTION_DONE) {
                progress::add_one();
            }
        }
        let diagnostics = &*diagnostics.cast::<Diagnostics>();
        let is_problem = matches!(
            severity,
            LLVMDiagnosticSeverity::LLVMDSError | LLVMDiagnosticSeverity::LLVMDSWarning
        );
        if is_problem && profile::is_about(info) {
            let message = take_message(LLVMGetDiagInfoDescription(info));
            diagnostics.about_profile.borrow_mut().push(message);
            return;
        }
        if severity != LLVMDiagnosticSeverity::LLVMDSError {
            return;
        }
        let message = take_message(LLVMGetDiagInfoDescription(info));
        // An unknown position is not printed.
        let message = message.trim_end();
        let message = message.strip_prefix("<unknown>:0:0: ").unwrap_or(message);
        diagnostics.errors.borrow_mut().push(message.to_owned());
    }
}
