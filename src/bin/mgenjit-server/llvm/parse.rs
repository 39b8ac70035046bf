//! IR text or bitcode into a module.

use crate::input::buffer::{Input, is_bitcode};
use crate::input::object_file::other_format;
use crate::llvm::diagnostics::take_message;
use crate::llvm::target::llvm_version;
use inkwell::context::{AsContextRef, Context};
use inkwell::llvm_sys::core::{LLVMCreateMemoryBufferWithMemoryRange, LLVMDisposeMemoryBuffer};
use inkwell::llvm_sys::debuginfo::{
    LLVMDebugMetadataVersion, LLVMGetModuleDebugMetadataVersion, LLVMStripModuleDebugInfo,
};
use inkwell::llvm_sys::ir_reader::LLVMParseIRInContext2;
use inkwell::module::Module;
use mgenjit::protocol::messages::{Failure, FailureKind};
use mgenjit::types::Position;
use std::ffi::CStr;

/// Parses text or bitcode, whichever it is.
///
/// The request's name is not used: LLVM would write it into the object as the source file's name, and the object
/// would depend on more than the IR.
pub fn parse<'context>(
    context: &'context Context,
    input: &Input,
) -> Result<Module<'context>, Failure> {
    // A byte order mark, which some editors write, says nothing of UTF-8.
    let bytes = input.bytes();
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    if is_bitcode(bytes) {
        return parse_bitcode(context, bytes);
    }
    reject_other_formats(bytes)?;
    // SAFETY: the input, to whose end the bytes go, has a NUL behind it.
    unsafe { read(context, bytes, true) }.map_err(|message| locate_text_error(&message, bytes))
}

/// Parses bitcode, of which nothing need follow the end.
pub fn parse_bitcode<'context>(
    context: &'context Context,
    bytes: &[u8],
) -> Result<Module<'context>, Failure> {
    // SAFETY: the bytes are said to have no NUL behind their end.
    unsafe { read(context, bytes, false) }.map_err(|message| explain_bitcode_error(&message))
}

/// An error is LLVM's message.
///
/// # Safety
///
/// If `terminated`, a NUL must lie behind the end of `bytes`.
unsafe fn read<'context>(
    context: &'context Context,
    bytes: &[u8],
    terminated: bool,
) -> Result<Module<'context>, String> {
    let mut module = std::ptr::null_mut();
    let mut message = std::ptr::null_mut();
    // SAFETY: the buffer borrows the bytes, which outlive it; whether a NUL follows is the caller's. LLVM reads the
    // whole module before it returns, does not take the buffer, and sets either the module or the message.
    let failed = unsafe {
        let buffer = LLVMCreateMemoryBufferWithMemoryRange(
            bytes.as_ptr().cast(),
            bytes.len(),
            SOURCE_NAME.as_ptr(),
            i32::from(terminated),
        );
        let failed = LLVMParseIRInContext2(
            context.as_ctx_ref(),
            buffer,
            &raw mut module,
            &raw mut message,
        );
        LLVMDisposeMemoryBuffer(buffer);
        failed
    };
    // SAFETY: the message, if any, is ours.
    let message = unsafe { take_message(message) };
    if failed != 0 || module.is_null() {
        return Err(message);
    }
    // SAFETY: the module was just made in this context and belongs to nobody else.
    let module = unsafe { Module::new(module) };
    drop_old_debug_info(&module);
    Ok(module)
}

/// The source file's name for LLVM, which becomes the object's file symbol.
pub const SOURCE_NAME: &CStr = c"<ir>";

/// Makes a source line printable, for messages.
const MAX_SOURCE_LINE: usize = 1000;

/// LLVM takes NULs for spaces, so a file of nothing else is an empty module to it, found after reading all.
fn reject_other_formats(bytes: &[u8]) -> Result<(), Failure> {
    let found = if bytes.is_empty() {
        "the input is empty"
    } else if let Some(format) = other_format(bytes) {
        return Err(parse_failure(format!(
            "the input is {format}: LLVM IR, an ELF object or a static archive of such is needed"
        )));
    } else if bytes.starts_with(b"BC") && bytes.len() < 4 {
        "the input is bitcode that ends within its first word"
    } else if bytes.contains(&0) {
        "the input holds NUL bytes, so it is not text, and it does not begin like bitcode"
    } else {
        return Ok(());
    };
    Err(parse_failure(format!(
        "{found}: LLVM IR is needed, as text or as bitcode"
    )))
}

fn explain_bitcode_error(message: &str) -> Failure {
    let (_, found) = message.split_once("error: ").unwrap_or(("", message));
    let found = found.trim();
    let ours = llvm_version();
    let producer = found
        .split_once("Producer: 'LLVM")
        .and_then(|(_, rest)| rest.split_once('\''))
        .map(|(version, _)| version);
    let major = |version: &str| version.split('.').next()?.parse::<u32>().ok();
    parse_failure(match producer {
        Some(producer) if major(producer) > major(&ours) => format!(
            "the bitcode was written by LLVM {producer}, which is newer than the LLVM {ours} that is to \
             read it: write it with LLVM {} or older ({found})",
            major(&ours).unwrap_or_default()
        ),
        _ => format!(
            "the bitcode is cut short, damaged, or not for LLVM {ours}: write it again ({found})"
        ),
    })
}

/// Takes `<ir>:3:5: error: expected type`, the line and a caret apart.
fn locate_text_error(message: &str, bytes: &[u8]) -> Failure {
    let first_line = message.lines().next().unwrap_or("unknown error");
    let located = first_line
        .strip_prefix("<ir>:")
        .and_then(|rest| rest.split_once(": error: "));
    let Some((place, text)) = located else {
        let (_, text) = first_line.split_once("error: ").unwrap_or(("", first_line));
        return parse_failure(text.to_owned());
    };
    let mut numbers = place.split(':').map(str::parse::<u32>);
    let (Some(Ok(line)), column) = (numbers.next(), numbers.next()) else {
        return parse_failure(text.to_owned());
    };
    let mut before = bytes
        .split(|byte| *byte == b'\n')
        .take((line as usize).saturating_sub(1))
        .map(<[u8]>::trim_ascii);
    let is_first = before.all(|line| line.is_empty() || line.starts_with(b";"));
    // LLVM prints the line with its tabs expanded, so that its column no longer fits.
    let source_line = bytes
        .split(|byte| *byte == b'\n')
        .nth((line as usize).saturating_sub(1))
        .unwrap_or_default();
    let shown = &source_line[..source_line.len().min(MAX_SOURCE_LINE)];
    Failure {
        kind: FailureKind::Parse,
        message: if is_first && text == "expected top-level entity" {
            format!(
                "{text}: the input is neither LLVM IR text nor bitcode, nor an object or an archive; source code has to \
                 be compiled first, for example by clang -S -emit-llvm"
            )
        } else {
            text.to_owned()
        },
        input: None,
        position: Some(Position {
            line,
            column: column.and_then(Result::ok).unwrap_or(0),
            source_line: String::from_utf8_lossy(shown)
                .trim_end_matches('\r')
                .to_owned(),
        }),
    }
}

/// LLVM cannot use debug info of another version and drops it. Its parsers would do that by themselves, but
/// they end the process over a module that does not verify, hence `target` switches that off.
fn drop_old_debug_info(module: &Module<'_>) {
    // SAFETY: the module is valid.
    unsafe {
        if LLVMGetModuleDebugMetadataVersion(module.as_mut_ptr()) != LLVMDebugMetadataVersion() {
            LLVMStripModuleDebugInfo(module.as_mut_ptr());
        }
    }
}

fn parse_failure(message: String) -> Failure {
    Failure::new(FailureKind::Parse, message)
}
