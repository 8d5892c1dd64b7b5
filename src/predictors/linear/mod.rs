//! Softmax regression as a thing that predicts: its records, its two forms, its fitted weights.

mod fitted;
mod form;
mod predictor;
mod records;
mod scaler;

pub use fitted::{FitReport, FitStatus, FittedSoftmax};
pub use form::{Form, Margin};
pub use predictor::{LexicalWeights, Linear, Penalties};
pub use records::{Block, Element, Matrix, Outputs, SoftmaxRecords};
pub(crate) use records::{CHUNK_ROWS, gather};
pub use scaler::{ScaledColumn, Scaler};
