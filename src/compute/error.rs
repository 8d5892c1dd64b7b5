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
    /// A weight lies where the steps do not look for it.
    #[error("a weight lies on another engine than the one that computes, which is a fault of this program")]
    OtherEngine,
    /// A GPU is wanted of a program that knows none.
    #[error(
        "this program was built without CUDA; `make build-cuda-training` builds one that trains \
         on a GPU"
    )]
    BuiltWithoutCuda,
    /// The driver, or the device.
    #[error(
        "GPU {number} cannot be used: {reason}; `nvidia-smi` lists the devices that the driver knows, and `CUDA_COMPUTE_CAP` \
         of a build must not be above theirs"
    )]
    NoGpu {
        /// Counted from 0.
        number: usize,
        /// What candle or the driver says of it.
        reason: String,
    },
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

impl ComputeError {
    /// Whether a device had no memory left for what was wanted of it.
    #[must_use]
    pub fn is_out_of_memory(&self) -> bool {
        // The driver's name of it; candle hands on no code.
        let says = |text: &str| ["OUT_OF_MEMORY", "ALLOC_FAILED"].iter().any(|sign| text.contains(sign));
        matches!(self, Self::Candle(source) if says(&source.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_driver_says_when_there_is_no_memory_left() {
        let of = |text: &str| ComputeError::from(candle_core::Error::Msg(text.to_owned()));
        assert!(of("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")").is_out_of_memory());
        assert!(of("CublasError(CUBLAS_STATUS_ALLOC_FAILED)").is_out_of_memory());
        assert!(!of("DriverError(CUDA_ERROR_INVALID_VALUE)").is_out_of_memory());
    }
}
