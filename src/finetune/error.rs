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
    /// The log of steps could not be written.
    #[error("cannot write `{}`: {source}; the training goes on from its last state with `--resume`", path.display())]
    StepLog {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A line of the log of steps that is not its last one is damaged.
    #[error("`{}` line {line}: {source}; take the file away, and its steps are left out of the report", path.display())]
    DamagedLog {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The loss or a gradient is infinite or not a number.
    #[error(
        "step {step}: the {what} is {value}. A lower learning rate, a longer warm-up or clipping of gradients keeps \
         training from diverging"
    )]
    Diverged {
        /// Counted from 1.
        step: u64,
        /// The loss, a gradient, or the loss on rows that are kept back.
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
    /// The GPU that was named cannot be trained on.
    #[error("`{device}` would train on a GPU: {source}; {way_out}")]
    Device {
        /// The flag that names it.
        device: String,
        /// What else can be done.
        way_out: &'static str,
        /// Why not.
        #[source]
        source: Box<ComputeError>,
    },
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
