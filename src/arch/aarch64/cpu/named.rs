//! What users may name.

use crate::arch::features::Named;

pub const NAMED: [Named; 1] = [Named {
    name: "generic",
    cpu: "generic",
    features: "",
    needs: &[],
}];
