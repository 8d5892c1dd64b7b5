use crate::checkpoint::CheckpointError;

/// A model could not be computed.
#[derive(Debug, thiserror::Error)]
pub enum ComputeError {
    /// Its checkpoint does not hold what it needs.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A batch that does not fit the model.
    #[error("{0}")]
    Batch(String),
    /// candle refused; with sound weights and batches that is a fault of this program.
    #[error("candle: {0}")]
    Candle(#[from] candle_core::Error),
    /// A weight that the list of the architecture does not have, which is a fault of this program.
    #[error("`{0}` was asked for and not loaded")]
    NotLoaded(String),
    /// A weight in narrow numbers that would have to change.
    #[error(
        "`{0}` is kept in narrow numbers, which nothing trains; keep the base in `f32`, or train adapters beside it"
    )]
    Narrow(String),
    /// Training and logits need a head.
    #[error("the model has no head; attach one first")]
    NoHead,
    /// The slots that adapters are wanted in are not those of the family.
    #[error("the model has no linear map in any of the slots that adapters are wanted in; name others")]
    NoAdapter,
}
