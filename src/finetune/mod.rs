//! Training of a language model: losses, the optimizer and its schedule, a state that survives, and what comes out: an
//! ONNX model folder for the pipeline, an adapter in the form of PEFT.
//!
//! [`Trainer`] takes batches of tokens with targets and knows nothing of battles, folds or files of them; those are the
//! matter of [`FinetuneLearner`], which trains in every fold and hands the result to the predictors. Forward pass
//! and gradients are those of `compute`; everything here is plain numbers.

mod adamw;
mod adapter_file;
mod averaging;
mod clipping;
mod error;
mod export;
mod learner;
mod losses;
mod method;
mod schedule;
mod scratch;
mod state;
mod tensor_file;
mod trainer;

pub use adamw::{AdamW, AdamWSettings};
pub use adapter_file::{load_adapter, save_adapter};
pub use averaging::average;
pub use clipping::{clip, global_norm};
pub use error::FinetuneError;
pub use export::export;
pub use learner::{
    EarlyStopping, FinetuneLearner, FinetuneRecipe, HeadStart, LoraRecipe, StepRecord, TeacherRecipe,
    TuningMethod, steps_of,
};
pub use losses::{Loss, LossAndGradient, Targets};
pub use method::Method;
pub use schedule::{Decay, Schedule};
pub use scratch::ScratchRecipe;
pub use trainer::{StepReport, Trainer, TrainerSettings, TrainingBatch};
