//! The interpreter of `architectures` that writes ONNX: one node for what ONNX Runtime has a kernel for
//! (`com.microsoft`), weights as external data, so that a graph of any size is a small file beside its numbers.
//!
//! The graph ends with the hidden states, in f32 whatever it computes in; pooling and head are done row by row
//! outside of it, so that a prediction does not depend on its batch.

mod attention;
mod builder;
mod data;
mod disentangled;
mod embedding;
mod encoder;
mod error;
mod folder;
mod import;
mod messages;
mod stored;
mod writer;

pub use error::GraphError;
pub use import::{ImportOptions, ImportReport, WeightStorage, import, write_model};
pub use writer::{GraphForm, Writer, WrittenGraph};
