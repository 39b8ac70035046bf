//! What a module is made of, and pieces of it as bitcode. This is the face of the C++ files, whose structures (`cutter.h`) it repeats.

use inkwell::llvm_sys::prelude::LLVMModuleRef;
use inkwell::module::Module;
use std::ffi::{CStr, c_char, c_void};
use std::marker::PhantomData;
use std::ops::Range;

/// What a global is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    Function,
    Variable,
    Alias,
    Ifunc,
    /// An entry of the list of constructors.
    Constructor,
    Destructor,
}

/// A function, variable, alias or ifunc, or an entry of the lists of constructors and destructors.
#[derive(Clone, Debug, Default)]
pub struct Global {
    pub name: Vec<u8>,
    pub kind: Kind,
    pub flags: Flags,
    /// How many instructions a function has.
    pub instructions: u32,
    /// What inlining a function would add, in instructions.
    pub weight: u32,
    /// A variable's size.
    pub bytes: u64,
    /// A digest of a constant's value; 0 if it has none.
    pub content: u64,
    /// A constructor's or destructor's.
    pub priority: u32,
    /// Its part of [`Facts::references`].
    pub references: Range<u32>,
}

/// What is true of a global.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u32);

impl Flags {
    /// The module emits it. `available_externally` does not count.
    pub const DEFINED: Flags = Flags(1 << 0);
    /// Internal or private.
    pub const LOCAL: Flags = Flags(1 << 1);
    /// Private, and its name is in no way a symbol's.
    pub const NAMELESS: Flags = Flags(1 << 2);
    /// A constant whose address nobody compares.
    pub const COPYABLE: Flags = Flags(1 << 3);
    /// Other pieces may see its body or its value: nothing replaces it.
    pub const IMPORTABLE: Flags = Flags(1 << 4);
    /// A call must be inlined.
    pub const ALWAYS_INLINE: Flags = Flags(1 << 5);
    /// Nothing is inlined into it by choice.
    pub const NEVER_INLINES: Flags = Flags(1 << 6);
    /// The rest of the module may refer to it without the GOT.
    pub const DIRECT: Flags = Flags(1 << 7);
    /// `linkonce`: it goes if its module does not use it.
    pub const DROPPABLE: Flags = Flags(1 << 8);
    /// In `llvm.used` or `llvm.compiler.used`.
    pub const USED: Flags = Flags(1 << 9);
    /// `available_externally`.
    pub const BORROWED: Flags = Flags(1 << 10);

    pub fn has(self, other: Flags) -> bool {
        self.0 & other.0 != 0
    }
}

/// That a global refers to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Reference {
    pub target: u32,
    /// 1: it is called, once, and not used otherwise. 2: it is called, among other uses.
    pub called: u32,
}

/// All that decides how a module is cut.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Functions, variables, aliases, ifuncs, each in the module's order; then constructors and destructors.
    pub globals: Vec<Global>,
    pub references: Vec<Reference>,
    /// Globals that must be in one piece.
    pub together: Vec<(u32, u32)>,
    /// Why the module cannot be cut.
    pub refusal: Option<&'static str>,
}

impl Facts {
    pub fn references_of(&self, global: u32) -> &[Reference] {
        let Range { start, end } = self.globals[global as usize].references;
        &self.references[start as usize..end as usize]
    }
}

/// As what a piece has a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Define,
    /// Its body or value is there for the optimiser alone (`available_externally`).
    Import,
    /// The piece has one of its own.
    Copy,
    Declare,
}

/// A global of a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub global: u32,
    pub role: Role,
    pub flags: ItemFlags,
    /// `None`: the module's.
    pub name: Option<Vec<u8>>,
    /// The name of a hidden alias, by which the other pieces refer to it.
    pub direct: Option<Vec<u8>>,
}

/// What becomes of a global of a piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ItemFlags(pub u32);

impl ItemFlags {
    /// A local that other pieces use becomes external and hidden.
    pub const PROMOTE: ItemFlags = ItemFlags(1 << 0);
    /// `linkonce` that other pieces use becomes `weak`.
    pub const WEAKEN: ItemFlags = ItemFlags(1 << 1);
    /// Another piece defines it.
    pub const ELSEWHERE: ItemFlags = ItemFlags(1 << 2);
    /// What is declared has a name that the cutter made.
    pub const HIDDEN: ItemFlags = ItemFlags(1 << 3);
    /// This piece has it in the lists of what is used.
    pub const LISTED: ItemFlags = ItemFlags(1 << 4);

    pub fn set(&mut self, other: ItemFlags, condition: bool) {
        if condition {
            self.0 |= other.0;
        }
    }
}

#[repr(C)]
struct RawGlobal {
    name: *const c_char,
    name_len: usize,
    content: u64,
    bytes: u64,
    kind: u32,
    flags: u32,
    instructions: u32,
    weight: u32,
    priority: u32,
    first_reference: u32,
    references: u32,
}

#[repr(C)]
struct RawPair {
    a: u32,
    b: u32,
}

#[repr(C)]
struct RawFacts {
    globals: *const RawGlobal,
    global_count: usize,
    references: *const Reference,
    reference_count: usize,
    together: *const RawPair,
    together_count: usize,
    refusal: *const c_char,
}

#[repr(C)]
struct RawItem {
    global: u32,
    role: u32,
    flags: u32,
    has_name: u32,
    name: *const c_char,
    name_len: usize,
    direct: *const c_char,
    direct_len: usize,
}

#[repr(C)]
struct RawCutter {
    _private: [u8; 0],
}

type Sink = unsafe extern "C" fn(argument: *mut c_void, bytes: *const c_char, len: usize);

// In build.rs, this is what the C++ files become.
#[link(name = "mgenjit_cutter", kind = "static")]
unsafe extern "C" {
    fn mgenjit_cutter_new(module: LLVMModuleRef) -> *mut RawCutter;
    fn mgenjit_cutter_free(cutter: *mut RawCutter);
    fn mgenjit_cutter_facts(cutter: *const RawCutter, facts: *mut RawFacts);
    fn mgenjit_cutter_write(
        cutter: *mut RawCutter,
        items: *const RawItem,
        count: usize,
        is_first: bool,
        is_last: bool,
        take: Sink,
        argument: *mut c_void,
    );
}

/// A module that is being cut. Nobody else may look at the module meanwhile. Afterwards, the names of types are gone.
pub struct Cutter<'module> {
    raw: *mut RawCutter,
    module: PhantomData<&'module ()>,
}

impl<'module> Cutter<'module> {
    /// The module must be verified.
    pub fn new(module: &'module Module<'_>) -> Cutter<'module> {
        // SAFETY: the module is valid, and lives for as long as the cutter.
        let raw = unsafe { mgenjit_cutter_new(module.as_mut_ptr()) };
        Cutter {
            raw,
            module: PhantomData,
        }
    }

    pub fn facts(&self) -> Facts {
        let mut raw = std::mem::MaybeUninit::uninit();
        // SAFETY: the cutter is valid and sets all of it. Its arrays have as many elements as it says, and live until
        // it changes, as do the names. The refusal is a literal.
        unsafe {
            mgenjit_cutter_facts(self.raw, raw.as_mut_ptr());
            let raw: RawFacts = raw.assume_init();
            let global = |one: &RawGlobal| Global {
                name: slice(one.name.cast::<u8>(), one.name_len).to_vec(),
                kind: match one.kind {
                    0 => Kind::Function,
                    1 => Kind::Variable,
                    2 => Kind::Alias,
                    3 => Kind::Ifunc,
                    4 => Kind::Constructor,
                    _ => Kind::Destructor,
                },
                flags: Flags(one.flags),
                instructions: one.instructions,
                weight: one.weight,
                bytes: one.bytes,
                content: one.content,
                priority: one.priority,
                references: one.first_reference..one.first_reference + one.references,
            };
            let globals = slice(raw.globals, raw.global_count);
            let together = slice(raw.together, raw.together_count);
            Facts {
                globals: globals.iter().map(global).collect(),
                references: slice(raw.references, raw.reference_count).to_vec(),
                together: together.iter().map(|pair| (pair.a, pair.b)).collect(),
                refusal: (!raw.refusal.is_null())
                    .then(|| CStr::from_ptr(raw.refusal).to_str().unwrap_or("")),
            }
        }
    }

    /// Writes a piece as bitcode. The items must be sorted by their globals, each once, and have all that they refer to.
    /// The first piece also has what belongs to no global, and the last one what debug information no piece led to.
    pub fn write(&mut self, items: &[Item], is_first: bool, is_last: bool) -> Vec<u8> {
        let text = |text: &Option<Vec<u8>>| {
            text.as_ref()
                .map_or((std::ptr::null(), 0), |text| (text.as_ptr(), text.len()))
        };
        let raw: Vec<RawItem> = items
            .iter()
            .map(|item| {
                let (name, name_len) = text(&item.name);
                let (direct, direct_len) = text(&item.direct);
                RawItem {
                    global: item.global,
                    role: item.role as u32,
                    flags: item.flags.0,
                    has_name: item.name.is_some().into(),
                    name: name.cast(),
                    name_len,
                    direct: direct.cast(),
                    direct_len,
                }
            })
            .collect();
        let mut bytes: Vec<u8> = Vec::new();
        // SAFETY: the cutter is valid; the items and their names outlive the call, and so does what takes the bytes.
        unsafe {
            mgenjit_cutter_write(
                self.raw,
                raw.as_ptr(),
                raw.len(),
                is_first,
                is_last,
                take,
                (&raw mut bytes).cast(),
            );
        }
        bytes
    }
}

impl Drop for Cutter<'_> {
    fn drop(&mut self) {
        // SAFETY: it was made in `new`, and this is its only owner.
        unsafe { mgenjit_cutter_free(self.raw) };
    }
}

/// # Safety
///
/// `argument` must be a vector, and `bytes` must have `len` bytes.
unsafe extern "C" fn take(argument: *mut c_void, bytes: *const c_char, len: usize) {
    // SAFETY: the caller's.
    unsafe { (*argument.cast::<Vec<u8>>()).extend_from_slice(slice(bytes.cast(), len)) };
}

/// # Safety
///
/// `start` must have `len` elements, unless there are none.
unsafe fn slice<'a, T>(start: *const T, len: usize) -> &'a [T] {
    if len == 0 {
        return &[];
    }
    // SAFETY: the caller's.
    unsafe { std::slice::from_raw_parts(start, len) }
}
