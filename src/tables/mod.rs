//! Tables in files: CSV, JSON lines and Parquet read as rows of cells, one chunk at a time; predictions
//! and folds as whole small files.
//!
//! Row numbers in messages are 1-based and count the rows of data, not the header and not blank lines.

mod blocks;
mod cell;
mod csv;
mod error;
pub mod fold_labels;
pub mod folds;
mod guard;
mod json_lines;
mod json_text;
mod kind;
pub mod outcomes;
mod parquet;
pub mod predictions;
pub mod prompts;
pub mod scores;
mod table;

pub use cell::{Cell, Row};
pub use error::TableError;
pub use json_text::{JsonFault, StringArray, string_array, string_array_quoted, value as json_value};
pub use kind::Kind;
pub(crate) use parquet::described;
pub use table::{Chunk, Table};
