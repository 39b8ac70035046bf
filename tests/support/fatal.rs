//! IR that LLVM does not survive.

/// Of another machine, so that there is no code for it.
pub fn intrinsic() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "llvm.x86.sse2.pause",
        _ => "llvm.aarch64.clrex",
    }
}

/// LLVM ends the process over it, while it generates code for the function of this name.
pub fn fatal(function: &str) -> String {
    let intrinsic = intrinsic();
    format!(
        "declare void @{intrinsic}()\n\
         define void @{function}() noinline {{\n  call void @{intrinsic}()\n  ret void\n}}\n"
    )
}
