//! Functions of the host's as the process of its calls has them: closures that ask the host.

use super::channel::{Channel, Side};
use super::talk::{Answer, Order, encode};
use crate::arch::call::Frame;
use crate::arch::{self, closure};
use crate::error::{Error, Status, reason};
use crate::executor::value::Value;
use crate::signature::Type;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};
use std::ptr;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// The page, as all threads of the process use it.
pub struct Link {
    pub channel: Channel,
    /// Whether the host waits for an answer. Held by whoever speaks.
    is_asked: Mutex<bool>,
    was_asked: Condvar,
    /// The parameters of each function of the host's, which has nothing but scalars.
    known: Mutex<Vec<Vec<Type>>>,
}

static LINK: OnceLock<Link> = OnceLock::new();

/// Once for each process.
pub fn begin(channel: Channel) -> &'static Link {
    LINK.get_or_init(|| Link {
        channel,
        is_asked: Mutex::new(false),
        was_asked: Condvar::new(),
        known: Mutex::default(),
    })
}

impl Link {
    /// The host waits for an answer from now on.
    pub fn open(&self) {
        *self.lock() = true;
        self.was_asked.notify_all();
    }

    /// Answers.
    pub fn close(&self, answer: &[u8]) {
        let mut is_asked = self.lock();
        *is_asked = false;
        self.say(answer);
    }

    /// Calls a function of the host's. A thread that does so between two orders waits for the next.
    fn ask(&self, number: u32, arguments: Vec<Value>) -> Value {
        let waits = |is_asked: &mut bool| !*is_asked;
        let asked = self.was_asked.wait_while(self.lock(), waits);
        let _asked = asked.unwrap_or_else(PoisonError::into_inner);
        self.say(&encode(&Answer::Asks { number, arguments }));
        let message = self
            .channel
            .receive(Side::Guest, u64::MAX, &mut || Some(Duration::MAX));
        match message.as_deref().map(postcard::from_bytes) {
            Some(Ok(Order::Return(value))) => value,
            // Only the program's own code can have written anything else.
            _ => give_up(),
        }
    }

    fn say(&self, message: &[u8]) {
        let forever = &mut || Some(Duration::MAX);
        if !self.channel.send(Side::Guest, message, forever) {
            give_up();
        }
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.is_asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, Vec<Vec<Type>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The address of the next function of the host's.
    pub fn add(&self, parameters: Vec<Type>) -> Result<usize, Error> {
        let mut known = self.known();
        let code = closure::code(known.len() as u32, answer);
        // SAFETY: new memory, which nobody else knows yet; it stays as long as the process.
        let made = unsafe {
            rustix::mm::mmap_anonymous(
                ptr::null_mut(),
                code.len(),
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
            .and_then(|memory| {
                memory.cast::<[u8; closure::CODE_LEN]>().write(code);
                arch::code::make_coherent(memory.addr()..memory.addr() + code.len());
                let protection = MprotectFlags::READ | MprotectFlags::EXEC;
                rustix::mm::mprotect(memory, code.len(), protection).map(|()| memory)
            })
        };
        let memory = made.map_err(|error| {
            let why = reason(&error.into());
            Error::new(
                Status::Memory,
                format!("a function of the host cannot be given: {why}"),
            )
        })?;
        known.push(parameters);
        Ok(memory.addr())
    }
}

fn give_up() -> ! {
    // SAFETY: it has no precondition.
    unsafe { libc::_exit(1) }
}

/// The arguments of a call, by the calling convention.
///
/// # Safety
/// It is that of a call with these parameters.
unsafe fn arguments(frame: &Frame, parameters: &[Type]) -> Vec<Value> {
    let mut integers = frame.integers.iter();
    let mut vectors = frame.vectors.iter();
    let mut stack = frame.stack;
    let mut argument = |ty: &Type| {
        let register = match ty {
            Type::Float | Type::Double => vectors.next(),
            _ => integers.next(),
        };
        let bits = register.copied().unwrap_or_else(|| {
            // SAFETY: the caller vouches for as many arguments as there are parameters.
            unsafe {
                let bits = stack.read();
                stack = stack.add(1);
                bits
            }
        });
        match ty {
            Type::I1 => Value::I1((bits & 1) as i64),
            Type::I8 => Value::I8(i64::from(bits as i8)),
            Type::I16 => Value::I16(i64::from(bits as i16)),
            Type::I32 => Value::I32(i64::from(bits as i32)),
            Type::Float => Value::Float(f32::from_bits(bits as u32)),
            Type::Double => Value::Double(f64::from_bits(bits)),
            Type::Pointer => Value::Pointer(bits as usize),
            _ => Value::I64(bits as i64),
        }
    };
    parameters.iter().map(&mut argument).collect()
}

unsafe extern "C" fn answer(frame: *mut Frame, number: u32) {
    // SAFETY: a closure passes its own frame.
    let frame = unsafe { &mut *frame };
    let Some(link) = LINK.get() else { give_up() };
    let known = link.known().get(number as usize).cloned();
    let Some(parameters) = known else { give_up() };
    // SAFETY: the code was given to whoever calls it as a function of this type.
    let arguments = unsafe { arguments(frame, &parameters) };
    match link.ask(number, arguments) {
        // As the host gave it: the caller may count on either extension.
        Value::I1(integer)
        | Value::I8(integer)
        | Value::I16(integer)
        | Value::I32(integer)
        | Value::I64(integer) => frame.integer_result = integer as u64,
        Value::Pointer(address) => frame.integer_result = address as u64,
        Value::Float(number) => frame.vector_result = number.to_bits().into(),
        Value::Double(number) => frame.vector_result = number.to_bits(),
        Value::Void | Value::Unknown(_) => {}
    }
}
