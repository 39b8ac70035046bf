//! Instructions in assembly, for tests.

use object::elf::{self, RelocationType};

/// Names for what tests have code do.
pub const NAMES: &str = "
.macro calls name
    bl \\name
.endm
.macro takes_address name
    adrp x0, :got:\\name; ldr x0, [x0, :got_lo12:\\name]
.endm
.macro takes_local name
    adrp x0, :tlsdesc:\\name; ldr x1, [x0, :tlsdesc_lo12:\\name]; add x0, x0, :tlsdesc_lo12:\\name
    .tlsdesccall \\name
    blr x1
.endm
.macro takes_fixed name
    adrp x0, :gottprel:\\name; ldr x0, [x0, :gottprel_lo12:\\name]
.endm
";

/// In C: an indirect function's resolver.
pub const RESOLVER: &str = "
    static int (*resolve(unsigned long first, const unsigned long *second))(void) {
        const unsigned long has_second = 1UL << 62;
        int is_right = (first & has_second) && second[0] == 24 && second[1] == (first & ~has_second)
            && (second[1] & 3) == 3;
        return is_right ? right : wrong;
    }
";

pub const NONE: RelocationType = elf::R_AARCH64_NONE;
pub const RELATIVE: RelocationType = elf::R_AARCH64_RELATIVE;
pub const ADDRESS: RelocationType = elf::R_AARCH64_ABS64;
pub const GLOB_DAT: RelocationType = elf::R_AARCH64_GLOB_DAT;
pub const JUMP_SLOT: RelocationType = elf::R_AARCH64_JUMP_SLOT;
pub const IRELATIVE: RelocationType = elf::R_AARCH64_IRELATIVE;
pub const TLS_MODULE: RelocationType = elf::R_AARCH64_TLS_DTPMOD;
pub const TLS_OFFSET: RelocationType = elf::R_AARCH64_TLS_DTPREL;
/// Those that images do not have.
pub const COPY: RelocationType = elf::R_AARCH64_COPY;
pub const TLS_FIXED: RelocationType = elf::R_AARCH64_TLS_TPREL;
