//! Softmax regression as a thing that predicts: its records, its two forms, its fitted weights.

mod fitted;
mod form;
mod records;

pub use fitted::{FitReport, FitStatus, FittedSoftmax};
pub use form::{Form, Margin};
pub use records::{Block, Element, Matrix, Outputs, SoftmaxRecords};
pub(crate) use records::{CHUNK_ROWS, gather};
