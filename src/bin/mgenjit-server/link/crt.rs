//! What a C compiler would link into every shared object: names that live in the static part of libc only,
//! because each image must have its own.

use crate::link::atomics;
use crate::link::piece::Piece;
use std::collections::HashSet;

/// The pieces that define what is in `undefined`, and what these need in turn. A name that the module defines
/// by itself is not undefined, so the module's own wins.
pub fn pieces_for(undefined: &HashSet<&str>, defined: &HashSet<&str>) -> Vec<&'static Piece> {
    let is_needed = |name: &str| undefined.contains(name);
    // There are many of them, and most modules need none.
    let needs_atomics = undefined.iter().any(|name| name.starts_with("__aarch64_"));
    let atomics = if needs_atomics { atomics::PIECES } else { &[] };
    PIECES
        .iter()
        .chain(atomics)
        .filter(|piece| {
            is_needed(piece.name)
                || (!defined.contains(piece.name)
                    && PIECES
                        .iter()
                        .any(|other| is_needed(other.name) && other.needs.contains(&piece.name)))
        })
        .collect()
}

/// Whether a shared library gets a name from [`LIBRARY`], from [`static_pieces`], or from the linker itself.
pub fn is_defined_by_linker(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        "_GLOBAL_OFFSET_TABLE_",
        "_DYNAMIC",
        "__ehdr_start",
        "__executable_start",
        "__bss_start",
        "_end",
        "_edata",
        "_etext",
        "__etext",
    ];
    NAMES.contains(&name) || PIECES.iter().any(|piece| piece.name == name)
}

/// The pieces that a shared library needs if something refers to them. Their handle is [`LIBRARY`]'s.
pub fn static_pieces() -> impl Iterator<Item = &'static Piece> {
    PIECES.iter().filter(|piece| piece.name != "__dso_handle")
}

/// What each shared library has: a handle of its own, and the call that runs what was registered with it when the
/// library is unloaded. It is to be linked first, because the last finaliser of a library to run is the first.
pub static LIBRARY: Piece = Piece {
    name: "library",
    needs: &[],
    ir: "source_filename = \"mgenjit-crt\"\n\
         @__dso_handle = hidden constant i8 0\n\
         @llvm.global_dtors = appending global [1 x { i32, ptr, ptr }] \
         [{ i32, ptr, ptr } { i32 65535, ptr @finalize, ptr null }]\n\
         declare extern_weak void @__cxa_finalize(ptr)\n\
         define internal void @finalize() {\n\
         %known = icmp ne ptr @__cxa_finalize, null\n\
         br i1 %known, label %call, label %done\n\
         call:\n\
         call void @__cxa_finalize(ptr @__dso_handle)\n\
         br label %done\n\
         done:\n\
         ret void\n}\n",
};

/// Handlers are registered with the address of the image's `__dso_handle`, so that they can run when the
/// image is unloaded. It is hidden, as the ABI wants it; the second name is for the loader to find it by.
static PIECES: [Piece; 4] = [
    Piece {
        name: "__dso_handle",
        needs: &[],
        ir: "source_filename = \"mgenjit-crt\"\n\
             @__dso_handle = hidden constant i8 0\n\
             @__mgenjit_dso_handle = alias i8, ptr @__dso_handle\n",
    },
    Piece {
        name: "atexit",
        needs: &["__dso_handle"],
        ir: "source_filename = \"mgenjit-crt\"\n\
             @__dso_handle = external hidden constant i8\n\
             declare i32 @__cxa_atexit(ptr, ptr, ptr)\n\
             define hidden i32 @atexit(ptr %f) {\n\
             %r = tail call i32 @__cxa_atexit(ptr %f, ptr null, ptr @__dso_handle)\n\
             ret i32 %r\n}\n",
    },
    Piece {
        name: "at_quick_exit",
        needs: &["__dso_handle"],
        ir: "source_filename = \"mgenjit-crt\"\n\
             @__dso_handle = external hidden constant i8\n\
             declare i32 @__cxa_at_quick_exit(ptr, ptr)\n\
             define hidden i32 @at_quick_exit(ptr %f) {\n\
             %r = tail call i32 @__cxa_at_quick_exit(ptr %f, ptr @__dso_handle)\n\
             ret i32 %r\n}\n",
    },
    Piece {
        name: "pthread_atfork",
        needs: &["__dso_handle"],
        ir: "source_filename = \"mgenjit-crt\"\n\
             @__dso_handle = external hidden constant i8\n\
             declare i32 @__register_atfork(ptr, ptr, ptr, ptr)\n\
             define hidden i32 @pthread_atfork(ptr %a, ptr %b, ptr %c) {\n\
             %r = tail call i32 @__register_atfork(ptr %a, ptr %b, ptr %c, ptr @__dso_handle)\n\
             ret i32 %r\n}\n",
    },
];
