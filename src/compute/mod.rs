//! The interpreter of `architectures` that computes, on the CPU in f32: the reference for every graph that is
//! written, and what is trained.
//!
//! candle stores the tensors and multiplies matrices. What stands between the products are loops of our own
//! (`kernels`), parallel and vectorised, recorded with their way back on a tape of our own ([`ops`](self)): a step
//! without a gradient cannot be written by mistake, and none is computed for what is frozen.

mod adapters;
mod batch;
mod checkpointing;
mod dropout;
mod engine;
mod error;
mod footprint;
mod interpreter;
mod kernels;
mod model;
mod narrow_tensors;
mod numbers;
mod ops;
mod packed;
mod parameters;
mod tape;

pub use adapters::{AdapterSettings, adapter_names};
pub use batch::PaddedBatch;
pub use dropout::Dropout;
pub use engine::Engine;
pub use error::ComputeError;
pub use footprint::{BatchShape, Planned};
pub use interpreter::Interpreter;
pub use model::{Memory, Model, head_names};
pub use packed::{PackedBatch, Positions};
pub use parameters::{ParameterInfo, Parameters, Part};
pub use tape::Value;
