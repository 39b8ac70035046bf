//! What a program's process says of its own crash, in a page that it shares with the monitor. It is the program's own word: the
//! program can write there whatever it wants.

use mgenjit::arch::kernel;
use mgenjit::protocol::isolated::Fault;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU64, Ordering};

const PAGE: usize = 4096;
const STACK: usize = 64 << 10;

/// The signals that a fault of the code makes.
const SIGNALS: [c_int; 5] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGABRT,
];

#[repr(C)]
struct Words {
    signal: AtomicI32,
    /// 1: there was no more memory.
    exhausted: AtomicI32,
    address: AtomicU64,
    instruction: AtomicU64,
    /// How much memory is asked for to see whether there is any; 0: there is no limit.
    probe: AtomicU64,
}

/// The shared page.
pub struct Page(*mut Words);

impl Page {
    pub fn new() -> std::io::Result<Page> {
        // SAFETY: new memory, of zeros, which are a value of the type.
        let page = unsafe {
            libc::mmap(
                ptr::null_mut(),
                PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        match page == libc::MAP_FAILED {
            true => Err(std::io::Error::last_os_error()),
            false => Ok(Page(page.cast())),
        }
    }

    /// Processes that are forked from now on do not have it.
    pub fn keep(&self) {
        // SAFETY: the memory is this value's.
        unsafe { libc::madvise(self.0.cast(), PAGE, libc::MADV_DONTFORK) };
    }

    fn words(&self) -> &Words {
        // SAFETY: the page is mapped as long as this value; its fields are atomic, whoever writes them.
        unsafe { &*self.0 }
    }

    /// What the program said; and whether its memory was at an end.
    pub fn read(&self) -> (Option<Fault>, bool) {
        let words = self.words();
        let signal = words.signal.load(Ordering::Relaxed);
        let fault = (signal != 0).then(|| Fault {
            signal,
            address: words.address.load(Ordering::Relaxed),
            instruction: words.instruction.load(Ordering::Relaxed),
        });
        (fault, words.exhausted.load(Ordering::Relaxed) != 0)
    }

    /// Has this process say where it crashes. `memory`: what it may have, 0 for no limit.
    pub fn watch(&self, memory: u64) {
        self.words().probe.store(memory / 8, Ordering::Relaxed);
        PAGE_OF_THE_PROGRAM.store(self.0, Ordering::Relaxed);
        // SAFETY: new memory, which becomes the stack of this thread's handlers; the handler makes system calls alone.
        unsafe {
            let stack = libc::mmap(
                ptr::null_mut(),
                STACK,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            if stack == libc::MAP_FAILED {
                return;
            }
            let stack = libc::stack_t {
                ss_sp: stack,
                ss_flags: 0,
                ss_size: STACK,
            };
            libc::sigaltstack(&raw const stack, ptr::null_mut());
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = note as *const () as usize;
            // What it returns to fails again, and that ends the process.
            action.sa_flags =
                libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESETHAND | libc::SA_NODEFER;
            for signal in SIGNALS {
                libc::sigaction(signal, &raw const action, ptr::null_mut());
            }
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: nothing refers to the page any more.
        unsafe { libc::munmap(self.0.cast(), PAGE) };
    }
}

static PAGE_OF_THE_PROGRAM: AtomicPtr<Words> = AtomicPtr::new(ptr::null_mut());

extern "C" fn note(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the page stays mapped in this process; the kernel passes both structures to a handler with `SA_SIGINFO`.
    unsafe {
        let Some(words) = PAGE_OF_THE_PROGRAM.load(Ordering::Relaxed).as_ref() else {
            return;
        };
        let context = &*context.cast::<libc::ucontext_t>();
        let instruction = kernel::instruction(context);
        let of_the_code = (*info).si_code > 0;
        let address = match of_the_code && signal != libc::SIGABRT {
            true => (*info).si_addr() as u64,
            false => 0,
        };
        words.address.store(address, Ordering::Relaxed);
        words.instruction.store(instruction, Ordering::Relaxed);
        words.signal.store(signal, Ordering::Relaxed);
        let probe = words.probe.load(Ordering::Relaxed) as usize;
        if probe != 0 {
            let memory = libc::mmap(
                ptr::null_mut(),
                probe,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            );
            if memory == libc::MAP_FAILED {
                words.exhausted.store(1, Ordering::Relaxed);
            }
        }
        if !of_the_code {
            // Somebody sent it: it does not come again by itself.
            libc::syscall(
                libc::SYS_tgkill,
                libc::getpid(),
                libc::syscall(libc::SYS_gettid),
                signal,
            );
        }
    }
}
