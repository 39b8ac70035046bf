//! IR that is no user's.

/// A piece that is added to an image whose modules need its name.
pub struct Piece {
    pub name: &'static str,
    /// Names of other pieces that this one needs.
    pub needs: &'static [&'static str],
    pub ir: &'static str,
}
