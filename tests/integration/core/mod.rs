//! What the program makes of vectors, and the order of the modules.

pub(crate) mod architecture;
pub(crate) mod vectors;
