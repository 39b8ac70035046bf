//! Compares a module's data layout with the target's, whatever its spelling.
//!
//! A layout is a list of facts. A fact that the module omits is taken from the target. A fact that it states must
//! hold for the target, by its own list or by LLVM's defaults. Non-integral address spaces belong to the module and
//! are kept: without them the optimiser would turn pointers into integers.

/// The layout for a module with `theirs` on a target with `ours`. `None`: they contradict each other.
pub fn merge(theirs: &str, ours: &str) -> Option<String> {
    let mut merged = ours.to_owned();
    for part in theirs.split('-').filter(|part| !part.is_empty()) {
        match check(part, ours) {
            Check::Holds => {}
            Check::Own if ours.split('-').any(|known| known == part) => {}
            Check::Own => {
                merged.push('-');
                merged.push_str(part);
            }
            Check::Differs => return None,
        }
    }
    Some(merged)
}

/// One layout for modules that are linked together: the target's, with every module's additions.
pub fn unite(layouts: &[String]) -> String {
    let mut united: Vec<&str> = Vec::new();
    for part in layouts.iter().flat_map(|layout| layout.split('-')) {
        if !united.contains(&part) {
            united.push(part);
        }
    }
    united.join("-")
}

enum Check {
    Holds,
    /// It is a fact about an address space that the machine has no opinion of.
    Own,
    Differs,
}

fn check(part: &str, ours: &str) -> Check {
    let known = |holds: bool| if holds { Check::Holds } else { Check::Differs };
    let ours = || ours.split('-');
    let rest = &part[1..];
    match part.as_bytes()[0] {
        b'n' if part.starts_with("ni:") => Check::Own,
        // Widths that are fast are for the optimiser; `s` has had no meaning for long.
        b'n' | b's' => Check::Holds,
        b'p' => pointer(rest, &mut ours()),
        b'i' | b'f' | b'v' => known(alignment(part) == expected(part, &mut ours())),
        // Preferred alignments change no type.
        b'a' => known(matches!(abi(part), Some(0 | 8))),
        b'S' => {
            let wanted: u32 = rest.parse().unwrap_or(0);
            let has = ours().find_map(|one| one.strip_prefix('S')?.parse().ok());
            known(has.is_none_or(|has: u32| wanted <= has))
        }
        b'A' | b'P' | b'G' => known(rest == "0" || ours().any(|one| one == part)),
        b'm' => known(ours().any(|one| one == part)),
        b'F' => known(rest == "i8" || ours().any(|one| one == part)),
        b'e' => known(!ours().any(|one| one == "E")),
        _ => known(ours().any(|one| one == part)),
    }
}

/// `p[flags][space]:size:abi[:preferred[:index]]`
fn pointer(rest: &str, ours: &mut dyn Iterator<Item = &str>) -> Check {
    let Some((space, sizes)) = rest.split_once(':') else {
        return Check::Differs;
    };
    let flags = space.len()
        - space
            .trim_start_matches(|one: char| one.is_ascii_alphabetic())
            .len();
    let number = match &space[flags..] {
        "" => "0",
        number => number.split('(').next().unwrap_or(number),
    };
    let full = |sizes: &str| -> [String; 3] {
        let parts: Vec<&str> = sizes.split(':').collect();
        let size = parts[0];
        let abi = parts.get(1).copied().unwrap_or(size);
        // Without the preferred alignment.
        [size, abi, parts.get(3).copied().unwrap_or(size)].map(str::to_owned)
    };
    let mut first = full("64:64");
    let mut own = None;
    for known in ours {
        let Some((space, sizes)) = known.strip_prefix('p').and_then(|one| one.split_once(':'))
        else {
            continue;
        };
        if space.is_empty() || space == "0" {
            first = full(sizes);
        }
        if space == number {
            own = Some(full(sizes));
        }
    }
    if full(sizes) != own.unwrap_or(first) {
        Check::Differs
    } else if flags > 0 {
        Check::Own
    } else {
        Check::Holds
    }
}

/// The alignment of `i64:32:64`, as types have it in memory.
fn abi(part: &str) -> Option<u32> {
    part.split(':').nth(1)?.parse().ok()
}

fn size(part: &str) -> Option<u32> {
    part.split(':').next()?.get(1..)?.parse().ok()
}

/// LLVM takes 0 and what is less than a byte for a byte.
fn alignment(part: &str) -> Option<u32> {
    abi(part).map(|bits| bits.max(8))
}

/// The alignment here of the type that a part is about: as the machine's list says, or as LLVM assumes.
fn expected(part: &str, ours: &mut dyn Iterator<Item = &str>) -> Option<u32> {
    let kind = part.get(..1)?;
    let wanted = size(part)?;
    let mut known: Vec<(u32, u32)> = match kind {
        "i" => vec![(1, 8), (8, 8), (16, 16), (32, 32), (64, 32)],
        "f" => vec![(16, 16), (32, 32), (64, 64), (128, 128)],
        _ => vec![(64, 64), (128, 128)],
    };
    for one in ours.filter(|one| one.starts_with(kind)) {
        if let (Some(size), Some(abi)) = (size(one), alignment(one)) {
            known.retain(|(known, _)| *known != size);
            known.push((size, abi));
        }
    }
    known.sort_unstable();
    let exact = known.iter().find(|(size, _)| *size == wanted);
    let found = match kind {
        // Integers of other sizes are aligned as the next larger one, or as the largest.
        "i" => exact
            .or_else(|| known.iter().find(|(size, _)| *size > wanted))
            .or(known.last()),
        _ => exact,
    };
    match found {
        Some((_, abi)) => Some(*abi),
        // Others are aligned to their size.
        None => wanted.checked_next_power_of_two().map(|bits| bits.max(8)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X86: &str =
        "e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-i128:128-f80:128-n8:16:32:64-S128";

    #[test]
    fn what_is_spelled_out_must_hold_here() {
        fn check(theirs: &str, expect: Option<&str>) {
            let expect = expect.map(|more| format!("{X86}{more}"));
            assert_eq!(merge(theirs, X86), expect, "{theirs}");
        }
        for same in [
            "",
            X86,
            "S128-n8:16:32:64-f80:128-i128:128-i64:64-p272:64:64-p271:32:32-p270:32:32-m:e-e",
            "e",
            "e-p:64:64",
            "e-p:64:64:64",
            "e-p0:64:64:64:64-p1:64:64",
            "e-m:e-i64:64-f80:128-n8:16:32:64-S128",
            "e-i1:8-i8:8:8-i16:16:16-i32:32:32-i64:64:64-f32:32:32-f64:64:64-v64:64:64-v128:128:128-a0:0:64-s0:64:64-f80:128:128",
            "e-i8:8:32-a:8:64-a:0:64-S0-S64-A0-P0-G0-Fi8-n64",
            "e-v256:256-f16:16-f128:128-i24:32-i256:128",
        ] {
            check(same, Some(""));
        }
        check("e-ni:10:11:12:13", Some("-ni:10:11:12:13"));
        check(&format!("{X86}-ni:1"), Some("-ni:1"));
        check("e-pu5:64:64", Some("-pu5:64:64"));
        for other in [
            "E",
            "e-p:32:32",
            "e-p1:32:32",
            "e-p:64:32",
            "e-p:64:64:64:32",
            "e-i64:32",
            "e-i128:64",
            "e-f80:32",
            "e-f64:32",
            "e-v256:128",
            "e-m:o",
            "e-S256",
            "e-A5",
            "e-P1",
            "e-G1",
            "e-a:64",
            "e-Fn32",
            "e-p272:32:32",
        ] {
            check(other, None);
        }
    }

    #[test]
    fn what_modules_add_is_united() {
        let layouts = ["-ni:1", "", "-ni:2-pu5:64:64", "-ni:1"].map(|more| format!("{X86}{more}"));
        assert_eq!(unite(&layouts), format!("{X86}-ni:1-ni:2-pu5:64:64"));
    }
}
