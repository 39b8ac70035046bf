//! Keeps unneeded code generators out of the executable.
//!
//! inkwell can prepare all targets, through wrappers that `llvm-sys` compiles from C. Nothing here calls them,
//! but the linker takes them in before it finds that out, and with them the constructors of the options of
//! twenty code generators, which would run whenever a server starts. Definitions in the executable itself come
//! first, so that the wrappers, which are one object, stay in their archive. A name that is missing here is a
//! duplicate symbol at link time.

macro_rules! stay_out {
    ($($name:ident)*) => {
        $(
            // SAFETY: only `llvm-sys` defines this name, and its definition is left in the archive.
            #[unsafe(no_mangle)]
            extern "C" fn $name() -> std::ffi::c_int {
                unreachable!()
            }
        )*
    };
}

stay_out! {
    LLVM_InitializeAllTargetInfos
    LLVM_InitializeAllTargets
    LLVM_InitializeAllTargetMCs
    LLVM_InitializeAllAsmPrinters
    LLVM_InitializeAllAsmParsers
    LLVM_InitializeAllDisassemblers
    LLVM_InitializeNativeTarget
    LLVM_InitializeNativeAsmParser
    LLVM_InitializeNativeAsmPrinter
    LLVM_InitializeNativeDisassembler
}
