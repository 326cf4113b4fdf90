//! The pure core, and the order of the modules.

pub(crate) mod architecture;
pub(crate) mod attack_cases;
pub(crate) mod forgeries;
pub(crate) mod properties;
pub(crate) mod vectors;
pub(crate) mod wycheproof_vectors;
