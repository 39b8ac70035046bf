//! Thread-local storage of images.
//!
//! The system's dynamic linker allocates thread-local blocks only for libraries that it loaded. Images therefore use
//! our own `__tls_get_addr`. General-dynamic code calls it with a module's number and an offset, which two
//! relocations put into the image's global offset table. On AArch64, code calls what a descriptor leads to, which asks the same.
//!
//! Images can also use thread-local variables of the program and its libraries. The highest bit of a module number
//! marks the system's.
//!
//! Each thread has a table with a block for each module it has used. A table is made, grown and freed under
//! `REGISTRY`; its own thread reads it without. When a module goes, its blocks are taken out of all tables: no
//! thread runs its code then.

use super::elf::TlsSegment;
use super::error::LoadError;
use super::map::Mapping;
use crate::arch::tls::{thread_pointer, tls_resolvers};
use crate::fork;
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

/// The argument of `__tls_get_addr`, as the ABI lays it out in the global offset table.
#[repr(C)]
pub struct TlsIndex {
    pub module: usize,
    pub offset: usize,
}

/// An image's thread-local storage. Dropping it frees its blocks in all threads.
#[derive(Debug)]
pub struct TlsModule {
    id: usize,
}

#[derive(Clone, Copy)]
struct Template {
    /// The initial values, in the image. They are read when a block is made, after relocation.
    start: *const u8,
    len: usize,
    /// How far behind a multiple of the alignment a block begins: the segment's address tells, which need not be one.
    skew: usize,
    /// Of a block, with the skew before it.
    layout: Layout,
}

impl Template {
    fn allocate(&self) -> *mut u8 {
        // SAFETY: the layout's size is not 0.
        let memory = unsafe { alloc_zeroed(self.layout) };
        if memory.is_null() {
            handle_alloc_error(self.layout);
        }
        let block = memory.wrapping_add(self.skew);
        // SAFETY: the block is at least as long as the template, which lies in a mapped image.
        unsafe { ptr::copy_nonoverlapping(self.start, block, self.len) };
        block
    }

    /// # Safety
    ///
    /// `allocate` returned the block, and nobody uses it any more.
    unsafe fn free(&self, block: *mut u8) {
        // SAFETY: it was allocated with this layout, and begins that far behind.
        unsafe { dealloc(block.wrapping_sub(self.skew), self.layout) };
    }
}

struct Registry {
    /// By module number. `None`: free to be used again.
    modules: Vec<Option<Template>>,
    /// The table of every thread that has one.
    tables: Vec<*mut Table>,
}

// SAFETY: the pointers are to tables, which are made, changed and freed under the registry's lock, and to
// images, which are mapped as long as their module is registered.
unsafe impl Send for Registry {}

/// A thread's blocks, by module number; null where it has none yet.
struct Table {
    blocks: Vec<AtomicPtr<u8>>,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    modules: Vec::new(),
    tables: Vec::new(),
});

thread_local! {
    /// This thread's table. It has no destructor: `free_table` is called by the system after those of C++.
    static TABLE: Cell<*mut Table> = const { Cell::new(ptr::null_mut()) };
}

impl TlsModule {
    pub fn new(mapping: &Mapping, segment: &TlsSegment) -> Result<TlsModule, LoadError> {
        let skew = segment.template.start % segment.align;
        let layout = segment
            .memory_len
            .max(1)
            .checked_add(skew)
            .and_then(|len| Layout::from_size_align(len, segment.align).ok())
            .ok_or(LoadError::Malformed(
                "its thread-local storage is too large",
            ))?;
        // Zeros alone have no place in memory, and need not be given one.
        let template: &[u8] = match segment.template.len() {
            0 => &[],
            len => mapping.slice(segment.template.start, len)?,
        };
        let template = Some(Template {
            start: template.as_ptr(),
            len: template.len(),
            skew,
            layout,
        });
        let mut registry = lock();
        let free = registry.modules.iter().position(Option::is_none);
        let id = free.unwrap_or(registry.modules.len());
        match free {
            Some(id) => registry.modules[id] = template,
            None => registry.modules.push(template),
        }
        Ok(TlsModule { id })
    }

    /// The number that goes into a DTPMOD64 relocation.
    pub fn id(&self) -> usize {
        self.id
    }
}

impl Drop for TlsModule {
    fn drop(&mut self) {
        let mut registry = lock();
        let Some(template) = registry.modules[self.id].take() else {
            return;
        };
        for table in &registry.tables {
            // SAFETY: tables are freed under the lock that is held, and only after they leave the list.
            let blocks = unsafe { &(**table).blocks };
            if let Some(block) = blocks.get(self.id) {
                let block = block.swap(ptr::null_mut(), Ordering::Relaxed);
                if !block.is_null() {
                    // SAFETY: the block is this module's, and no thread runs its code.
                    unsafe { template.free(block) };
                }
            }
        }
    }
}

/// The address of a thread-local variable, for the calling thread: `__tls_get_addr` of images.
pub extern "C" fn tls_get_addr(index: &TlsIndex) -> *mut u8 {
    let table = TABLE.get();
    if !table.is_null() {
        // SAFETY: a thread's table lives until the thread's end; other threads change only its blocks' slots,
        // which are atomic.
        let blocks = unsafe { &(*table).blocks };
        if let Some(block) = blocks.get(index.module) {
            let block = block.load(Ordering::Relaxed);
            if !block.is_null() {
                return block.wrapping_add(index.offset);
            }
        }
    }
    find_block(index.module).wrapping_add(index.offset)
}

/// The first word of a descriptor of a thread-local variable, and the second. `None`: this machine has none.
pub fn descriptor(module: usize, offset: usize) -> Result<Option<[usize; 2]>, LoadError> {
    let Some(resolvers) = resolvers() else {
        return Ok(None);
    };
    if module == FIRST {
        let address = find_block(module).addr().wrapping_add(offset);
        let offset = address.wrapping_sub(thread_pointer());
        return Ok(Some([resolvers.fixed, offset]));
    }
    // A number of 31 bits, a mark, and an offset of 32 bits.
    let number = module & !SYSTEM;
    let (number, offset) = match (u32::try_from(number), i32::try_from(offset as isize)) {
        _ if module == NOWHERE => (u32::MAX, 0),
        (Ok(number), Ok(offset)) if number < MARK - 1 => (number, offset),
        _ => {
            return Err(LoadError::Malformed(
                "its thread-local storage is too large",
            ));
        }
    };
    let mark = if module & SYSTEM == 0 { 0 } else { MARK };
    let word = (u64::from(number | mark) << 32) | u64::from(offset.cast_unsigned());
    Ok(Some([resolvers.found, word as usize]))
}

tls_resolvers!(resolvers, tls_by_word);

/// The address of a thread-local variable, by the second word of its descriptor.
extern "C" fn tls_by_word(word: usize) -> *mut u8 {
    let number = (word as u64 >> 32) as u32;
    let module = match number {
        u32::MAX => NOWHERE,
        _ if number & MARK != 0 => (number & !MARK) as usize | SYSTEM,
        _ => number as usize,
    };
    // With its sign.
    let offset = word as u32 as i32 as usize;
    tls_get_addr(&TlsIndex { module, offset })
}

/// The module and offset of a thread-local variable that is not an image's, by its address in this thread.
pub fn of_the_system(address: usize) -> Option<TlsIndex> {
    struct Search {
        address: usize,
        found: Option<TlsIndex>,
    }

    unsafe extern "C" fn visit(
        info: *mut libc::dl_phdr_info,
        _size: usize,
        search: *mut c_void,
    ) -> c_int {
        // SAFETY: `dl_iterate_phdr` passes an object's description and the pointer it was given.
        let (info, search) = unsafe { (&*info, &mut *search.cast::<Search>()) };
        let block = info.dlpi_tls_data.addr();
        // SAFETY: the description has this many program headers.
        let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
        let len = headers
            .iter()
            .find(|header| header.p_type == libc::PT_TLS)
            .map_or(0, |header| header.p_memsz as usize);
        if block != 0 && (block..block + len).contains(&search.address) {
            search.found = Some(TlsIndex {
                module: info.dlpi_tls_modid | SYSTEM,
                offset: search.address - block,
            });
            return 1;
        }
        0
    }

    system_tls_get_addr()?;
    let mut search = Search {
        address,
        found: None,
    };
    // SAFETY: `visit` is called during this call alone, with a pointer to `search`.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
    search.found
}

/// The module of an undefined weak variable, whose address is null.
pub const NOWHERE: usize = usize::MAX;

/// Marks the numbers of modules that the system's dynamic linker loaded.
const SYSTEM: usize = 1 << (usize::BITS - 1);

/// The same, in a descriptor.
const MARK: u32 = 1 << 31;

/// The program's own, or that of the first library that was loaded with it: each thread has its block at the same distance from
/// the thread pointer.
const FIRST: usize = SYSTEM | 1;

/// Finds a block of the system, or makes a new one of an image.
#[cold]
fn find_block(module: usize) -> *mut u8 {
    if module & SYSTEM == 0 {
        return make_block(module);
    }
    if module == NOWHERE {
        return ptr::null_mut();
    }
    let Some(system_tls_get_addr) = system_tls_get_addr() else {
        // `of_the_system`, which alone gives such numbers, found it.
        std::process::abort();
    };
    let index = TlsIndex {
        module: module & !SYSTEM,
        offset: 0,
    };
    // SAFETY: the number is that of a loaded module: the executor keeps the library that has it.
    unsafe { system_tls_get_addr(&index) }
}

/// Whether the system's dynamic linker is in this process. A statically linked program has none: it cannot be asked for
/// symbols.
pub fn has_dynamic_linker() -> bool {
    system_tls_get_addr().is_some()
}

/// The dynamic linker's own `__tls_get_addr`. It is looked for, because a reference to it could not be linked into a
/// static program.
fn system_tls_get_addr() -> Option<unsafe extern "C" fn(&TlsIndex) -> *mut u8> {
    static FOUND: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
    let mut found = FOUND.load(Ordering::Relaxed);
    if found.is_null() {
        // SAFETY: the name is a string, and the handle is the constant for all of the process.
        found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__tls_get_addr".as_ptr()) };
        FOUND.store(found, Ordering::Relaxed);
    }
    // SAFETY: null, or the address of a function that the ABI gives this type.
    unsafe { std::mem::transmute(found) }
}

/// Makes this thread's block of an image.
fn make_block(module: usize) -> *mut u8 {
    let mut registry = lock();
    let registry = &mut *registry;
    let Some(Some(template)) = registry.modules.get(module).copied() else {
        // Only code of an image whose module is gone comes here. There is nothing to return to.
        std::process::abort();
    };
    let block = template.allocate();

    let mut table = TABLE.get();
    if table.is_null() {
        table = Box::into_raw(Box::new(Table { blocks: Vec::new() }));
        registry.tables.push(table);
        TABLE.set(table);
        call_at_thread_exit(table);
    }
    // SAFETY: the table is this thread's own, and the lock keeps others from it.
    let blocks = unsafe { &mut (*table).blocks };
    while blocks.len() <= module {
        blocks.push(AtomicPtr::new(ptr::null_mut()));
    }
    blocks[module].store(block, Ordering::Relaxed);
    block
}

/// Has the system call `free_table` when this thread ends. Keys are destroyed after `thread_local` destructors
/// ran; one that uses a variable still later gets a new table, which is freed in the next round.
fn call_at_thread_exit(table: *mut Table) {
    static ONCE: Once = Once::new();
    static KEY: Mutex<Option<libc::pthread_key_t>> = Mutex::new(None);
    ONCE.call_once(|| {
        let mut key = 0;
        // SAFETY: `free_table` is a function of this library, which is never unloaded.
        let made = unsafe { libc::pthread_key_create(&raw mut key, Some(free_table)) };
        // Without a key, which a process can run out of, tables of ended threads are not freed.
        *KEY.lock().unwrap_or_else(PoisonError::into_inner) = (made == 0).then_some(key);
    });
    let key = *KEY.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(key) = key {
        // SAFETY: the key was made above.
        unsafe { libc::pthread_setspecific(key, table.cast::<c_void>()) };
    }
}

/// Frees the table of a thread that ends, unless it is the main one: if that calls `pthread_exit`, its `thread_local`
/// destructors run later than this, at the process's end.
unsafe extern "C" fn free_table(table: *mut c_void) {
    // SAFETY: both only return a number.
    if unsafe { libc::gettid() == libc::getpid() } {
        return;
    }
    let table = table.cast::<Table>();
    let mut registry = lock();
    registry.tables.retain(|other| *other != table);
    TABLE.set(ptr::null_mut());
    // SAFETY: the table was made by `make_block` for this thread and is out of the list.
    let table = unsafe { Box::from_raw(table) };
    for (block, template) in table.blocks.iter().zip(&registry.modules) {
        let block = block.load(Ordering::Relaxed);
        if let Some(template) = template
            && !block.is_null()
        {
            // SAFETY: the block is this module's, and of a thread that ends.
            unsafe { template.free(block) };
        }
    }
}

/// The registry, which no thread holds while another one forks.
fn lock() -> fork::Guarded<MutexGuard<'static, Registry>> {
    fork::guard(|| REGISTRY.lock().unwrap_or_else(PoisonError::into_inner))
}
