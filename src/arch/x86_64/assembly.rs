//! Instructions in assembly, for tests.

use object::elf::{self, RelocationType};

/// Names for what tests have code do.
pub const NAMES: &str = "
.macro calls name
    call \\name@PLT
.endm
.macro takes_address name
    mov \\name@GOTPCREL(%rip), %rax
.endm
.macro takes_local name
    data16 lea \\name@TLSGD(%rip), %rdi; .word 0x6666; rex64; call __tls_get_addr@PLT
.endm
.macro takes_fixed name
    mov \\name@GOTTPOFF(%rip), %rax
.endm
";

/// In C: an indirect function's resolver.
pub const RESOLVER: &str = "static int (*resolve(void))(void) { int (*volatile other)(void) = wrong; return other == wrong ? right : wrong; }";

pub const NONE: RelocationType = elf::R_X86_64_NONE;
pub const RELATIVE: RelocationType = elf::R_X86_64_RELATIVE;
pub const ADDRESS: RelocationType = elf::R_X86_64_64;
pub const GLOB_DAT: RelocationType = elf::R_X86_64_GLOB_DAT;
pub const JUMP_SLOT: RelocationType = elf::R_X86_64_JUMP_SLOT;
pub const IRELATIVE: RelocationType = elf::R_X86_64_IRELATIVE;
pub const TLS_MODULE: RelocationType = elf::R_X86_64_DTPMOD64;
pub const TLS_OFFSET: RelocationType = elf::R_X86_64_DTPOFF64;
/// Those that images do not have.
pub const COPY: RelocationType = elf::R_X86_64_COPY;
pub const TLS_FIXED: RelocationType = elf::R_X86_64_TPOFF64;
