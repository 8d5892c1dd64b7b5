//! Battle -> numbers: named groups of columns, each odd or even under an exchange of the two sides.

mod characters;
mod lexical;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

pub use lexical::{Analyzer, DamagedVocabulary, Lexical, LexicalMatrices, LexicalRecipe};

use crate::battle::Battle;

/// Rows of a sparse matrix: compressed, columns ascending in each row.
pub type SparseRows = sprs::CsMatI<f32, u32, usize>;

/// How a column behaves when A and B are exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parity {
    /// The value changes its sign: it speaks for A against B.
    Odd,
    /// The value stays: it speaks for or against a tie.
    Even,
}

/// A named set of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureGroup {
    /// Characters, words, sentences, lines, numbers.
    Length,
    /// Lists, headings, code, bold, tables, punctuation.
    Formatting,
    /// Overlap of the responses with each other and with the prompt.
    Similarity,
    /// Refusals, apologies and hedges.
    Refusal,
    /// Script and language of prompt and responses, and whether they agree.
    Language,
    /// The number of turns and what the last one is like.
    Turns,
    /// Empty, missing, identical, repetitive or cut responses.
    Degenerate,
    /// What kind of task the prompt is.
    PromptKind,
}

/// One column of the dense matrix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Unique, such as `length.words_difference`.
    pub name: String,
    /// The group it belongs to.
    pub group: FeatureGroup,
    /// What an exchange of the sides does to it.
    pub parity: Parity,
}

/// The dense features of some groups, in a fixed order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureSet {
    groups: Vec<FeatureGroup>,
}

impl FeatureSet {
    /// The columns of these groups; an order of groups does not matter, a repeated one counts once.
    #[must_use]
    pub fn new(groups: &[FeatureGroup]) -> Self {
        let mut groups = groups.to_vec();
        groups.sort_unstable();
        groups.dedup();
        Self { groups }
    }

    /// What each column means, in the order of the matrix.
    #[must_use]
    pub fn columns(&self) -> Vec<Column> {
        Vec::new()
    }

    /// A hash of the columns and of the version of their computation; a saved predictor whose hash
    /// differs refuses to run.
    #[must_use]
    pub fn schema_hash(&self) -> String {
        String::new()
    }

    /// The matrix: one row a battle, one finite `f64` a column. Rows are computed in parallel, each
    /// from its battle alone.
    #[must_use]
    pub fn extract(&self, battles: &[&Battle]) -> Array2<f64> {
        Array2::zeros((battles.len(), self.columns().len()))
    }
}
