//! Where a model begins that has no checkpoint: a small BERT of seeded random weights behind a tokenizer that was trained
//! on the texts of its own training rows, written as an ordinary checkpoint in the form of Hugging Face.

mod folder;
mod recipe;

pub(super) use folder::{begin, write_trained};
pub use recipe::ScratchRecipe;
