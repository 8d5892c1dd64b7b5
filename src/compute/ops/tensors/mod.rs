//! The steps as operations on tensors, which run wherever the tensors lie: what a GPU is trained with.
//!
//! Nothing here knows a device, so that the processor can run all of it, and does so in the tests, beside the loops.
//! Operands of products are contiguous or turned, and gathers are of contiguous tensors: CUDA refuses other forms that the
//! processor takes.

mod affine;
mod attention;
mod elementwise;
mod embedding;
mod groups;
mod heads;
mod norm;
mod pooling;
mod products;
mod rotary;

pub(super) use affine::affine;
pub(super) use attention::attend;
pub(super) use elementwise::{activate, gated, multiply};
pub(super) use embedding::embed;
pub(in super::super) use groups::MOST_SCORES;
pub(super) use norm::normalise;
pub(super) use pooling::pool;
pub(super) use rotary::rotate;
