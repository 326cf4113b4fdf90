//! The program's results for vectors, and the order of the modules.

pub(crate) mod architecture;
pub(crate) mod vectors;
