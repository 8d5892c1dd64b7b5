//! Training of a language model: losses, the optimizer and its schedule, a state that survives, and what comes out: an
//! ONNX model folder for the pipeline, an adapter in the form of PEFT.
//!
//! [`Trainer`] takes batches of tokens with targets and knows nothing of battles, folds or files of them. Forward pass
//! and gradients are those of `compute`; everything here is plain numbers.

mod adamw;
mod adapter_file;
mod clipping;
mod error;
mod export;
mod losses;
mod method;
mod schedule;
mod state;
mod trainer;

pub use adamw::{AdamW, AdamWSettings};
pub use adapter_file::{load_adapter, save_adapter};
pub use clipping::{clip, global_norm};
pub use error::FinetuneError;
pub use export::export;
pub use losses::{Loss, LossAndGradient, Targets};
pub use method::Method;
pub use schedule::{Decay, Schedule};
pub use trainer::{StepReport, Trainer, TrainerSettings, TrainingBatch};
