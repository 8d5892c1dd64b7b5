//! Plain loops over rows of f32, parallel over rows, each row by the widest vectors that the processor has.
//!
//! Sums run over fixed lanes and fixed blocks that are added in order: a result depends neither on the number of
//! threads nor on which of them came first.

pub(super) mod activations;
pub(super) mod functions;
pub(super) mod narrow;
pub(super) mod norms;
mod rows;
pub(super) mod scores;
pub(super) mod sums;

pub(super) use rows::{for_rows, vectorised};
