//! Last words: a dying server's message on standard error, which the client reports as an error.

use crate::process::log;
use crate::process::passes;
use crate::process::{inherited, limits};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::os::fd::RawFd;
use std::sync::OnceLock;
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

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Phase::Wait => "wait",
            Phase::Parse => "parse",
            Phase::Verify => "verify",
            Phase::Canonical => "canonical",
            Phase::Prepare => "prepare",
            Phase::Optimise => "optimise",
            Phase::Codegen => "codegen",
            Phase::Link => "link",
        }
    }
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

/// Sets what is called on LLVM's fatal errors, before last words. It may answer the request and end the process.
pub fn set_fatal_error(answer: fn(&str)) {
    let _ = FATAL_ERROR.set(answer);
}

static FATAL_ERROR: OnceLock<fn(&str)> = OnceLock::new();

/// Notes the phase that begins, for last words.
pub fn enter(phase: Phase) {
    PHASE.store(phase as u8, Ordering::Release);
}

/// What began last.
pub fn phase() -> Phase {
    words().0
}

fn words() -> (Phase, &'static [u8]) {
    let phase = PHASE.load(Ordering::Acquire);
    let known = PHASES.iter().find(|(each, _)| *each as u8 == phase);
    known.copied().unwrap_or(PHASES[0])
}

/// Notes the module's name, cut to the room there is, for last words.
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
    passes::set_up();
    set_handler_stack();
    for (signal, _) in SIGNALS {
        // SAFETY: `on_signal` has the signature that SA_SIGINFO promises. Until it has said what there is to say it
        // calls only what is safe in a signal handler.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_signal;
            action.sa_sigaction = handler as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
            libc::sigemptyset(&raw mut action.sa_mask);
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
    }
}

/// Ends the process when memory runs out.
pub fn end_out_of_memory() -> ! {
    end_if_dying();
    write(b"mgenjit-server: out of memory");
    write_circumstances();
    // What is said now may need some.
    limits::limit_data(0);
    write_pass(NO_SIGNAL);
    end()
}

/// `EX_SOFTWARE` of `sysexits.h`.
const EXIT_SOFTWARE: i32 = 70;
/// LLVM prints names of passes on it. What is not used of it is not there.
const HANDLER_STACK: usize = 1 << 20;
/// How many seconds LLVM has to say where it is. It may be stuck: what it needs may be what has crashed.
const PRINT_SECONDS: u32 = 1;
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
    end_if_dying();
    if let Some(answer) = FATAL_ERROR.get() {
        answer(&reason.to_string_lossy());
    }
    write(b"LLVM ERROR: ");
    write(reason.to_bytes());
    write(b"\nmgenjit-server: LLVM gave up");
    write_circumstances();
    write_pass(NO_SIGNAL);
    end()
}

extern "C" fn on_signal(signal: c_int, info: *mut libc::siginfo_t, _context: *mut c_void) {
    end_if_dying();
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
    write_pass(signal);
    end()
}

extern "C" fn on_alarm(_signal: c_int) {
    end()
}

/// Has LLVM print its current pass, if it is in one. This comes last: if it crashes, the process ends as it would
/// have anyway.
fn write_pass(signal: c_int) {
    DYING.store(signal, Ordering::Relaxed);
    log::write_death(signal, phase().name());
    let stderr = STDERR.load(Ordering::Relaxed);
    // SAFETY: all but the last are async-signal-safe. The last is what the alarm and `end_if_dying` are for.
    unsafe {
        if stderr != 2 {
            libc::dup2(stderr, 2);
        }
        let handler: extern "C" fn(c_int) = on_alarm;
        libc::signal(libc::SIGALRM, handler as usize);
        libc::alarm(PRINT_SECONDS);
        passes::print();
    }
}

fn end_if_dying() {
    if DYING.load(Ordering::Relaxed) != ALIVE {
        end()
    }
}

/// Ends the process by the signal that it dies of, or with a status if there is none.
fn end() -> ! {
    let signal = DYING.load(Ordering::Relaxed);
    if signal > NO_SIGNAL {
        // SAFETY: both are async-signal-safe. The default action ends the process.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
    }
    inherited::exit(EXIT_SOFTWARE)
}

/// The signal that the process dies of.
static DYING: AtomicI32 = AtomicI32::new(ALIVE);
const ALIVE: c_int = -1;
const NO_SIGNAL: c_int = 0;

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

/// A handler for a stack overflow needs another stack.
fn set_handler_stack() {
    use rustix::mm::{MapFlags, ProtFlags};
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: new memory at an address that the kernel chooses. It is never given back, hence valid for as long as the
    // thread lives.
    unsafe {
        let none = std::ptr::null_mut();
        let stack = rustix::mm::mmap_anonymous(none, HANDLER_STACK, access, MapFlags::PRIVATE);
        let Ok(stack) = stack else {
            return;
        };
        let alternate = libc::stack_t {
            ss_sp: stack,
            ss_flags: 0,
            ss_size: HANDLER_STACK,
        };
        libc::sigaltstack(&raw const alternate, std::ptr::null_mut());
    }
}

fn find_stack() {
    // SAFETY: the attributes are initialised by `pthread_getattr_np` before they are read, and destroyed once.
    unsafe {
        let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
        if libc::pthread_getattr_np(libc::pthread_self(), &raw mut attributes) != 0 {
            return;
        }
        let mut low = std::ptr::null_mut();
        let mut size = 0;
        if libc::pthread_attr_getstack(&raw const attributes, &raw mut low, &raw mut size) == 0 {
            STACK_LOW.store(low as usize, Ordering::Relaxed);
        }
        libc::pthread_attr_destroy(&raw mut attributes);
    }
}
