use std::path::PathBuf;

use crate::checkpoint::CheckpointError;
use crate::compute::ComputeError;
use crate::onnx::graph::GraphError;

/// Training could not begin, go on, be saved or be taken up again.
#[derive(Debug, thiserror::Error)]
pub enum FinetuneError {
    /// The model could not be computed.
    #[error(transparent)]
    Compute(#[from] ComputeError),
    /// The checkpoint, or a head, cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The trained model could not be written as a graph.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The tokenizer, the template or a battle cannot be used.
    #[error(transparent)]
    Encoding(Box<crate::encoding::EncodingError>),
    /// There is no ONNX Runtime, by which what was trained predicts.
    #[error(transparent)]
    Library(#[from] crate::onnx::LibraryError),
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] crate::files::WriteError),
    /// A file could not be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The loss or a gradient is infinite or not a number.
    #[error(
        "step {step}: the {what} is {value}; the weights of step {} are the last good ones. A lower learning rate, a \
         longer warm-up or clipping of gradients keeps training from diverging",
        step - 1
    )]
    Diverged {
        /// Counted from 1.
        step: u64,
        /// Loss or gradient.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// Targets that do not fit the outputs of the model.
    #[error("{0}")]
    Targets(String),
    /// A setting that cannot be followed.
    #[error("{0}")]
    Settings(String),
    /// Nothing would be trained.
    #[error("no parameter would be trained; choose another method, or give the model a head or adapters")]
    NothingToTrain,
    /// A file that is not the state of this training.
    #[error("`{}` cannot be resumed from: {message}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        message: String,
    },
    /// An adapter that does not fit the model.
    #[error("`{}` does not fit the model: {message}", path.display())]
    Adapter {
        /// The file.
        path: PathBuf,
        /// The first thing that does not.
        message: String,
    },
}
