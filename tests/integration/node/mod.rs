//! Nodes: a real containerd that asks verifiers before it pulls.

mod containerd;
mod images;
mod verifiers;
