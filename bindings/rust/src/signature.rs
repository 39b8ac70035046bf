use std::ffi::c_void;

/// A type of the IR, as `MGENJIT_TYPE_…` numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Type(pub(crate) i32);

impl Type {
    /// As IR writes it.
    pub fn name(self) -> &'static str {
        match self.0 {
            0 => "void",
            1 => "i1",
            2 => "i8",
            3 => "i16",
            4 => "i32",
            5 => "i64",
            6 => "float",
            7 => "double",
            8 => "ptr",
            _ => "another type",
        }
    }
}

/// A Rust type that IR functions take and return. IR does not tell signed integers from unsigned ones.
///
/// There is none for `i1`: what a function leaves in the other bits is not a valid `bool`. Return an `i8` instead.
///
/// # Safety
///
/// The type must have the size and the ABI of the IR type.
pub unsafe trait Value {
    /// The IR type.
    const TYPE: Type;
}

macro_rules! values {
    ($($number:literal: $($rust:ty)*;)*) => { $($(
        // SAFETY: the C ABI passes the two types in the same way.
        unsafe impl Value for $rust {
            const TYPE: Type = Type($number);
        }
    )*)* };
}

values! {
    0: ();
    2: i8 u8;
    3: i16 u16;
    4: i32 u32;
    5: i64 u64 isize usize;
    6: f32;
    7: f64;
}

// SAFETY: an IR pointer is an address.
unsafe impl<T> Value for *const T {
    const TYPE: Type = Type(8);
}

// SAFETY: an IR pointer is an address.
unsafe impl<T> Value for *mut T {
    const TYPE: Type = Type(8);
}

/// A function pointer: `extern "C" fn(…) -> …` or `unsafe extern "C" fn(…) -> …`, with up to eight parameters.
///
/// # Safety
///
/// The type must be a function pointer of that signature in the C calling convention.
pub unsafe trait Signature: Copy {
    /// The IR types of its parameters.
    const PARAMETERS: &'static [Type];
    /// The IR type of its result.
    const RESULT: Type;

    /// The function at an address.
    ///
    /// # Safety
    ///
    /// A function of this type must be there.
    unsafe fn from_address(address: *mut c_void) -> Self;

    /// Where it is.
    fn address(self) -> *const c_void;
}

macro_rules! signatures {
    ($(($($parameter:ident)*))*) => { $(
        signatures! { @ ($($parameter)*) extern "C" fn($($parameter),*) -> R }
        signatures! { @ ($($parameter)*) unsafe extern "C" fn($($parameter),*) -> R }
    )* };
    (@ ($($parameter:ident)*) $function:ty) => {
        // SAFETY: the type is a function pointer, of the types that its name has.
        unsafe impl<R: Value, $($parameter: Value),*> Signature for $function {
            const PARAMETERS: &'static [Type] = &[$($parameter::TYPE),*];
            const RESULT: Type = R::TYPE;

            unsafe fn from_address(address: *mut c_void) -> Self {
                // SAFETY: the caller says that such a function is there; the two have the same size.
                unsafe { std::mem::transmute::<*mut c_void, Self>(address) }
            }

            fn address(self) -> *const c_void {
                self as *const c_void
            }
        }
    };
}

signatures! { () (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }
