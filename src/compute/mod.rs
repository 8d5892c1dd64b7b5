//! The interpreter of `architectures` that computes, with candle on the CPU in f32: the reference for every graph
//! that is written, and the ground on which training will stand.
//!
//! Only operations that have a gradient are used: candle's fused softmax, normalisations and rotary positions give
//! none, and no error either.

mod attention;
mod batch;
mod disentangled;
mod error;
mod interpreter;
mod model;

pub use batch::PaddedBatch;
pub use error::ComputeError;
pub use interpreter::Interpreter;
pub use model::Model;
