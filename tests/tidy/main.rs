//! Rules that hold for all of the sources.

mod architecture;
mod arrows;
mod environment;
mod layers;
mod rooms;
mod sources;
