//! Names that code may refer to and that neither modules nor the process define.

use super::library::{self, Library};
use crate::fork;
use crate::image::thread_exit::thread_atexit;
use crate::image::tls::tls_get_addr;
use once_cell::sync::Lazy;
use std::ffi::CStr;

/// Names that an image must get from this library, because it, and not the dynamic linker, loads images.
/// The second value: whether the image registers destructors that must keep it mapped.
pub fn required(name: &[u8]) -> Option<(usize, bool)> {
    match name {
        b"__tls_get_addr" => Some((tls_get_addr as *const () as usize, false)),
        b"__cxa_thread_atexit" | b"__cxa_thread_atexit_impl" => {
            Some((thread_atexit as *const () as usize, true))
        }
        _ => None,
    }
}

/// Names that a compiler may count on although the process does not have them: it need not be linked with the
/// mathematical library, and its libgcc may be older than LLVM expects.
pub fn fallback(name: &CStr) -> Option<usize> {
    static SYSTEM: Lazy<Vec<Library>> = Lazy::new(|| {
        ["libm.so.6", "libgcc_s.so.1"]
            .into_iter()
            .filter_map(|name| Library::open(name).ok())
            .collect()
    });
    // These libraries have no constructors that could need the gate themselves.
    let system = fork::guard(|| Lazy::force(&SYSTEM)).into_inner();
    if let Some(address) = system.iter().find_map(|library| library.find(name)) {
        return Some(address);
    }
    match name.to_bytes() {
        b"__truncsfbf2" => Some(truncate_single_to_bfloat as *const () as usize),
        b"__truncdfbf2" => Some(truncate_double_to_bfloat as *const () as usize),
        // In libgcc_s under a version that a plain look-up does not see: programs link them statically.
        b"__cpu_model" | b"__cpu_indicator_init" => {
            library::find_version_in_process(name, c"GCC_4.8.0")
        }
        _ => None,
    }
}

/// `__truncsfbf2`, which libgcc has from version 13 on. The ABI returns a bfloat in the low 16 bits of the
/// register that an f32 is returned in.
extern "C" fn truncate_single_to_bfloat(value: f32) -> f32 {
    f32::from_bits(u32::from(bfloat_bits(value)))
}

/// `__truncdfbf2`.
extern "C" fn truncate_double_to_bfloat(value: f64) -> f32 {
    // Rounding twice may be off by one: so round to odd first, which keeps what was lost visible in the last bit.
    let nearest = value as f32;
    let error = value - f64::from(nearest);
    let mut bits = nearest.to_bits();
    if error != 0.0 && !nearest.is_infinite() && bits & 1 == 0 {
        // Towards the exact value, away from the even neighbour.
        if (error > 0.0) == (nearest > 0.0 || (nearest == 0.0 && value > 0.0)) {
            bits += 1;
        } else {
            bits -= 1;
        }
    }
    truncate_single_to_bfloat(f32::from_bits(bits))
}

/// The upper half of an f32, rounded to the nearest, ties to even.
fn bfloat_bits(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        // Quiet, and still a NaN if its payload lies in the lower half.
        return (bits >> 16) as u16 | 0x40;
    }
    let round = 0x7fff + ((bits >> 16) & 1);
    ((bits + round) >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bfloats_round_to_nearest_even() {
        fn check(value: f64, expect: u16) {
            let bits = truncate_double_to_bfloat(value).to_bits();
            assert_eq!(bits, u32::from(expect), "{value} as bfloat");
            if f64::from(value as f32) == value || value.is_nan() {
                let bits = truncate_single_to_bfloat(value as f32).to_bits();
                assert_eq!(bits, u32::from(expect), "{value} as bfloat, from single");
            }
        }
        check(0.0, 0);
        check(-0.0, 0x8000);
        check(1.0, 0x3f80);
        check(1.0 + 1.0 / 128.0, 0x3f81);
        // Half way between two: to the even one.
        check(1.0 + 1.0 / 256.0, 0x3f80);
        check(1.0 + 3.0 / 256.0, 0x3f82);
        // Just above half way, by less than an f32 can tell.
        check(1.0 + 1.0 / 256.0 + 1e-12, 0x3f81);
        check(1.0 + 1.0 / 256.0 - 1e-12, 0x3f80);
        check(-(1.0 + 1.0 / 256.0 + 1e-12), 0xbf81);
        check(f64::INFINITY, 0x7f80);
        check(f64::from(f32::MAX), 0x7f80);
        assert!(f32::from_bits(u32::from(bfloat_bits(f32::NAN)) << 16).is_nan());
        assert!(f32::from_bits(u32::from(bfloat_bits(f32::from_bits(0x7f80_0001))) << 16).is_nan());
    }
}
