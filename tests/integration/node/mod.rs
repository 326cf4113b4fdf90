//! Nodes: a real containerd that asks verifiers before it pulls.

mod by_hand;
mod containerd;
mod fixture;
mod gate;
mod images;
mod unreachable;
mod verifiers;
