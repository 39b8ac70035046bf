//! Exports and imports, and what is refused.

mod refused;
mod round_trip;
pub mod support;
