use std::path::PathBuf;

use super::LibraryError;

/// A session could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The library is missing, too old, or cannot be loaded.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// The device that was asked for cannot be used.
    #[error("`--device {device}` cannot be used: {reason}; {way_out}, or use `--device cpu`")]
    Device {
        /// What was asked for.
        device: String,
        /// Why it does not work.
        reason: String,
        /// What mends it.
        way_out: String,
    },
    /// The model cannot be read, or holds what this library does not know.
    #[error("cannot load `{}`: {message}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// What ONNX Runtime said.
        message: String,
    },
    /// The model asks for inputs, or offers outputs, that do not fit.
    #[error("`{}`: {message}", path.display())]
    Signature {
        /// The file.
        path: PathBuf,
        /// Which input or output, and what would fit.
        message: String,
    },
    /// A thread could not be started, or ended.
    #[error("a session thread is gone: {message}")]
    Thread {
        /// What happened.
        message: String,
    },
}

/// A batch could not be run.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// There is not enough memory for a batch of this size; a smaller one may fit.
    #[error("memory is exhausted by a batch of {rows} rows of {sequence} tokens: {message}")]
    Memory {
        /// Rows of the batch.
        rows: usize,
        /// Tokens of its longest row.
        sequence: usize,
        /// What ONNX Runtime said.
        message: String,
    },
    /// A row does not fit the model.
    #[error("row {row} of the batch {message}")]
    Row {
        /// Which row of the batch, from 0.
        row: usize,
        /// What is wrong with it.
        message: String,
    },
    /// The model failed, or gave an output of another shape than it declared.
    #[error("the model failed on a batch of {rows} rows of {sequence} tokens: {message}")]
    Failed {
        /// Rows of the batch.
        rows: usize,
        /// Tokens of its longest row.
        sequence: usize,
        /// What ONNX Runtime said.
        message: String,
    },
}

/// Whether a message of ONNX Runtime, CUDA or the allocator says that memory is exhausted.
pub(super) fn says_memory_exhausted(message: &str) -> bool {
    const SIGNS: [&str; 7] = [
        "out of memory",
        "failed to allocate memory",
        "bad_alloc",
        "bad allocation",
        "available memory of",
        "cuda failure 2:",
        "memoryallocation",
    ];
    let lower = message.to_lowercase();
    SIGNS.iter().any(|sign| lower.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exhausted_memory_is_told_from_other_failures() {
        for message in [
            "CUDA failure 2: out of memory ; GPU=0",
            "std::bad_alloc",
            "BFCArena::AllocateRawInternal Available memory of 12 is smaller than requested bytes of 99",
            "Failed to allocate memory for requested buffer of size 8589934592",
        ] {
            assert!(says_memory_exhausted(message), "{message}");
        }
        assert!(!says_memory_exhausted("Got invalid dimensions for input: input_ids"));
    }
}
