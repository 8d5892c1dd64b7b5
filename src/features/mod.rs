//! Battle -> numbers: named groups of columns, each odd or even under an exchange of the two sides.

mod characters;
mod degenerate;
mod formatting;
mod language;
mod length;
mod lexical;
mod measure;
mod prompt_kind;
mod refusal;
mod registry;
mod similarity;
mod text;
mod trees;
mod turns;
mod word_lists;

use ndarray::Array2;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use lexical::{Analyzer, DamagedVocabulary, Lexical, LexicalMatrices, LexicalRecipe};
pub use trees::TreeRows;

use self::measure::Facts;
use self::registry::{Registry, Source};
use crate::battle::Battle;

/// Rows of a sparse matrix: compressed, columns ascending in each row.
pub type SparseRows = sprs::CsMatI<f32, u32, usize>;

/// Raised by one whenever a column comes to mean something else under the same name.
const VERSION: u32 = 1;

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

impl FeatureGroup {
    /// All groups in the order of their columns.
    pub const ALL: [Self; 8] = [
        Self::Length,
        Self::Formatting,
        Self::Similarity,
        Self::Refusal,
        Self::Language,
        Self::Turns,
        Self::Degenerate,
        Self::PromptKind,
    ];

    /// The first part of the name of its columns.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Formatting => "formatting",
            Self::Similarity => "similarity",
            Self::Refusal => "refusal",
            Self::Language => "language",
            Self::Turns => "turns",
            Self::Degenerate => "degenerate",
            Self::PromptKind => "prompt_kind",
        }
    }
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
        self.sources().into_iter().map(|(column, _)| column).collect()
    }

    /// A hash of the columns and of the version of their computation; a saved predictor whose hash
    /// differs refuses to run.
    #[must_use]
    pub fn schema_hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(format!("features {VERSION}\n").as_bytes());
        for column in self.columns() {
            hasher.update(format!("{} {:?}\n", column.name, column.parity).as_bytes());
        }
        for name in self.tree_columns() {
            hasher.update(format!("{name}\n").as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }

    /// The matrix: one row a battle, one finite `f64` a column. Rows are computed in parallel, each
    /// from its battle alone.
    #[must_use]
    pub fn extract(&self, battles: &[&Battle]) -> Array2<f64> {
        let sources: Vec<Source> = self.sources().into_iter().map(|(_, source)| source).collect();
        let mut matrix = Array2::zeros((battles.len(), sources.len()));
        let cells = matrix.as_slice_mut().unwrap_or_default();
        cells.par_chunks_mut(sources.len().max(1)).zip(battles).for_each(|(row, battle)| {
            let numbers = Registry::get().numbers(&Facts::of(battle));
            row.iter_mut().zip(&sources).for_each(|(cell, source)| *cell = source.value(&numbers));
        });
        matrix
    }

    fn sources(&self) -> Vec<(Column, Source)> {
        self.groups.iter().flat_map(|group| Registry::get().columns(*group)).collect()
    }
}
