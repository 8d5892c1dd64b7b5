use std::io;
use std::path::PathBuf;

use crate::checkpoint::CheckpointError;

/// A graph could not be written.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    /// The checkpoint cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] crate::files::WriteError),
    /// A folder or file could not be made, linked or renamed.
    #[error("`{}`: {source}", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The new model could not get its name, and the earlier one could not get it back.
    #[error(
        "`{}`: {source}; the earlier model could not get its name back, and is kept whole in `{}`",
        target.display(),
        path.display()
    )]
    EarlierKept {
        /// The name that both should have.
        target: PathBuf,
        /// Where the earlier model is.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is something under the name of the model already.
    #[error("`{}` is there already; choose another name, or replace it with `--force`", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// What is to be replaced is something else than a model.
    #[error("`{}` holds no `model.json`, so that it is no model folder and is not replaced; choose another name", path.display())]
    NoModelFolder {
        /// The folder.
        path: PathBuf,
    },
    /// An ONNX file made elsewhere cannot be used.
    #[error("`{}`: {message}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What does not fit, and what would.
        message: String,
    },
    /// A session on an ONNX file made elsewhere could not be made.
    #[error(transparent)]
    Session(#[from] crate::onnx::SessionError),
    /// What the caller adds to the folder could not be added.
    #[error(transparent)]
    Addition(Box<dyn std::error::Error + Send + Sync>),
    /// A form of a layer for which ONNX Runtime has no kernel and no graph is written.
    #[error("`{layer}`: no graph is written for {form}")]
    Unsupported {
        /// The module.
        layer: String,
        /// What it asks for.
        form: &'static str,
    },
    /// What is asked for in f32 is not there, or cannot be.
    #[error("`{name}` cannot be computed in f32 by itself: {message}")]
    InF32 {
        /// What was asked for.
        name: String,
        /// Why, and what can be.
        message: String,
    },
    /// The weights cannot be used in place.
    #[error("`{}` cannot be linked into the model folder: {source}; import without linking", path.display())]
    Link {
        /// The weights.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}
