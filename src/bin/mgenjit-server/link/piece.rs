//! IR that is no user's.

/// A piece that is added to an image whose modules need its name.
pub struct Piece {
    pub name: &'static str,
    /// Names of other pieces that this one needs.
    pub needs: &'static [&'static str],
    pub ir: &'static str,
}

impl Piece {
    /// For AArch64. Linkers say of an image that it has landing pads only if all of its objects have them, and those of the
    /// user may.
    pub fn ir_with_landing_pads(&self) -> String {
        let marked = self.ir.lines().map(|line| match line.strip_suffix('{') {
            Some(head) if line.starts_with("define ") => {
                format!("{head}\"branch-target-enforcement\" {{\n")
            }
            _ => format!("{line}\n"),
        });
        let flag =
            "!llvm.module.flags = !{!0}\n!0 = !{i32 8, !\"branch-target-enforcement\", i32 1}\n";
        marked.chain([flag.to_owned()]).collect()
    }
}
