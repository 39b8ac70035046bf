//! Exports and imports, bundles as layers, and what is refused.

mod layer;
mod refused;
mod round_trip;
pub mod support;
