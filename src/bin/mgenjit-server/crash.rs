//! Last words: what a server that dies leaves on standard error, for the client to make an error of.

use crate::names;
use crate::process;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicUsize, Ordering};

/// What the compile thread is doing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Wait,
    Parse,
    Verify,
    Canonical,
    Prepare,
    Optimise,
    Codegen,
    Link,
}

const PHASES: [(Phase, &[u8]); 8] = [
    (Phase::Wait, b"waiting for a request"),
    (Phase::Parse, b"parsing "),
    (Phase::Verify, b"verifying "),
    (Phase::Canonical, b"making canonical "),
    (Phase::Prepare, b"preparing "),
    (Phase::Optimise, b"optimising "),
    (Phase::Codegen, b"generating code for "),
    (Phase::Link, b"linking "),
];

/// Notes what begins now, so that last words can name it.
pub fn enter(phase: Phase) {
    PHASE.store(phase as u8, Ordering::Relaxed);
}

/// What began last.
pub fn phase() -> Phase {
    words().0
}

fn words() -> (Phase, &'static [u8]) {
    let phase = PHASE.load(Ordering::Relaxed);
    let known = PHASES.iter().find(|(each, _)| *each as u8 == phase);
    known.copied().unwrap_or(PHASES[0])
}

/// Notes which module is worked on. The name is cut to what there is room for.
pub fn set_module_name(name: &str) {
    let len = name.len().min(NAME.len());
    for (to, from) in NAME.iter().zip(&name.as_bytes()[..len]) {
        to.store(*from, Ordering::Relaxed);
    }
    NAME_LEN.store(len, Ordering::Relaxed);
}

/// Handles LLVM's fatal errors for the whole process, and crashes of the calling thread, which is the one
/// that compiles.
pub fn install() {
    // SAFETY: the handler never returns, as LLVM demands of it.
    unsafe {
        inkwell::llvm_sys::error_handling::LLVMInstallFatalErrorHandler(Some(on_fatal_error));
    }
    find_stack();
    // A handler for a stack overflow needs another stack.
    let stack = Box::leak(vec![0_u8; HANDLER_STACK].into_boxed_slice());
    let alternate = libc::stack_t {
        ss_sp: stack.as_mut_ptr().cast(),
        ss_flags: 0,
        ss_size: stack.len(),
    };
    // SAFETY: the memory is leaked, hence valid for as long as the thread lives.
    unsafe { libc::sigaltstack(&alternate, std::ptr::null_mut()) };
    for (signal, _) in SIGNALS {
        // SAFETY: `on_signal` has the signature that SA_SIGINFO promises, and calls only what is safe in a
        // signal handler.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_signal;
            action.sa_sigaction = handler as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
            libc::sigemptyset(&mut action.sa_mask);
            libc::sigaction(signal, &action, std::ptr::null_mut());
        }
    }
}

/// Ends the process for want of memory. Allocates nothing.
pub fn end_out_of_memory() -> ! {
    write(b"mgenjit-server: out of memory");
    write_circumstances();
    process::exit(EXIT_SOFTWARE)
}

/// `EX_SOFTWARE` of `sysexits.h`.
const EXIT_SOFTWARE: i32 = 70;
const HANDLER_STACK: usize = 64 << 10;
const SIGNALS: [(c_int, &[u8]); 5] = [
    (libc::SIGSEGV, b"SIGSEGV"),
    (libc::SIGBUS, b"SIGBUS"),
    (libc::SIGILL, b"SIGILL"),
    (libc::SIGFPE, b"SIGFPE"),
    (libc::SIGABRT, b"SIGABRT"),
];

/// Where last words go while standard error is something else.
pub fn set_stderr(fd: RawFd) {
    STDERR.store(fd, Ordering::Relaxed);
}

static STDERR: AtomicI32 = AtomicI32::new(2);

// Signal handlers may only touch atomics, so everything that last words need is kept in such.
static PHASE: AtomicU8 = AtomicU8::new(Phase::Wait as u8);
static NAME: [AtomicU8; 256] = [const { AtomicU8::new(0) }; 256];
static NAME_LEN: AtomicUsize = AtomicUsize::new(0);
/// The lowest address of the compile thread's stack; 0 if unknown.
static STACK_LOW: AtomicUsize = AtomicUsize::new(0);

extern "C" fn on_fatal_error(reason: *const c_char) {
    let reason = match reason.is_null() {
        true => c"",
        // SAFETY: LLVM passes a NUL-terminated string that lives until the handler returns.
        false => unsafe { CStr::from_ptr(reason) },
    };
    names::give_up(&reason.to_string_lossy());
    write(b"LLVM ERROR: ");
    write(reason.to_bytes());
    write(b"\nmgenjit-server: LLVM gave up");
    write_circumstances();
    process::exit(EXIT_SOFTWARE)
}

extern "C" fn on_signal(signal: c_int, info: *mut libc::siginfo_t, _context: *mut c_void) {
    write(b"mgenjit-server: ");
    // SAFETY: the kernel passes a valid siginfo, and for these two signals it holds an address.
    if matches!(signal, libc::SIGSEGV | libc::SIGBUS)
        && is_near_stack_end(unsafe { (*info).si_addr() } as usize)
    {
        write(b"stack overflow: the IR is nested too deeply: ");
    }
    write(b"signal ");
    write_number(signal.unsigned_abs());
    if let Some((_, name)) = SIGNALS.iter().find(|(number, _)| *number == signal) {
        write(b" (");
        write(name);
        write(b")");
    }
    write_circumstances();
    // SAFETY: both are async-signal-safe. The default action ends the process with the true signal.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

fn write_circumstances() {
    let (phase, doing) = words();
    write(b" while ");
    write(doing);
    if phase != Phase::Wait {
        let mut name = [0; NAME.len()];
        for (to, from) in name.iter_mut().zip(&NAME) {
            *to = from.load(Ordering::Relaxed);
        }
        let len = NAME_LEN.load(Ordering::Relaxed).min(name.len());
        write(&name[..len]);
    }
    write(b"\n");
}

fn write(bytes: &[u8]) {
    // SAFETY: `write` is async-signal-safe, and the pointer and length belong together. What cannot be
    // written is lost: there is nowhere else to say it.
    unsafe {
        libc::write(
            STDERR.load(Ordering::Relaxed),
            bytes.as_ptr().cast(),
            bytes.len(),
        )
    };
}

fn write_number(mut number: u32) {
    let mut digits = [0; 10];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    write(&digits[start..]);
}

/// A frame may be larger than the guard page, hence the margin below.
fn is_near_stack_end(address: usize) -> bool {
    let low = STACK_LOW.load(Ordering::Relaxed);
    low != 0 && address >= low.saturating_sub(1 << 20) && address < low + (64 << 10)
}

fn find_stack() {
    // SAFETY: the attributes are initialised by `pthread_getattr_np` before they are read, and destroyed once.
    unsafe {
        let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
        if libc::pthread_getattr_np(libc::pthread_self(), &mut attributes) != 0 {
            return;
        }
        let mut low = std::ptr::null_mut();
        let mut size = 0;
        if libc::pthread_attr_getstack(&attributes, &mut low, &mut size) == 0 {
            STACK_LOW.store(low as usize, Ordering::Relaxed);
        }
        libc::pthread_attr_destroy(&mut attributes);
    }
}
