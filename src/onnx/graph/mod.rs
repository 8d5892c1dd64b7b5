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
mod external;
mod folder;
mod foreign;
mod import;
mod linear;
mod messages;
mod norms;
mod operations;
mod precision;
mod probe;
mod rehead;
mod sites;
mod stored;
mod trial;
mod writer;

pub use error::GraphError;
pub use foreign::{ForeignOptions, import_foreign};
pub use import::{
    Addition, ImportOptions, ImportReport, WeightStorage, import, import_with, write_model, write_sites,
};
pub use rehead::with_head;
pub use sites::Site;
pub use stored::RoundedWeight;
pub(super) use trial::trial_graph;
pub use writer::{GraphForm, Writer, WrittenGraph};
