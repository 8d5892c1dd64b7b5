//! Lexical features: the TF-IDF of the terms of both responses, their difference and its size.

mod count;
mod terms;

use std::collections::{BTreeSet, HashMap};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use terms::Analyzer;

use self::count::{KeyBuilder, document_frequencies, texts_of};
use self::terms::{Side, document};
use super::SparseRows;
use crate::battle::Battle;

/// What to count, and how much of it to keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LexicalRecipe {
    /// What a response is cut into.
    pub analyzer: Analyzer,
    /// A term in fewer responses is left out.
    pub min_document_frequency: u32,
    /// At most this many terms are kept: those in most responses, equal ones by their text.
    pub max_features: usize,
    /// Whether a term that occurs `n` times counts `1 + ln n` instead of `n`.
    pub sublinear: bool,
}

impl Default for LexicalRecipe {
    fn default() -> Self {
        Self {
            analyzer: Analyzer::Words { shortest: 1, longest: 2 },
            min_document_frequency: 3,
            max_features: 60_000,
            sublinear: true,
        }
    }
}

/// The features of some battles, one row each, one column a term in the order of `Lexical::terms`.
#[derive(Clone, Debug)]
pub struct LexicalMatrices {
    /// TF-IDF of response A less that of response B: changes its sign under a swap, bit for bit.
    pub odd: SparseRows,
    /// The absolute value of `odd`, in the same places: a swap changes no bit.
    pub even: SparseRows,
}

/// A vocabulary with the weights of its terms, fitted on some battles.
///
/// `idf(t) = ln((1 + n) / (1 + df(t))) + 1` over the `n` responses, as in scikit-learn; the vector
/// of a response has length 1. Terms are counted by their 64-bit hash, no text is kept per
/// occurrence.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "SavedLexical", into = "SavedLexical")]
pub struct Lexical {
    saved: SavedLexical,
    columns: HashMap<u64, u32, KeyBuilder>,
    weights: Vec<f64>,
}

/// What is written of a `Lexical`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedLexical {
    recipe: LexicalRecipe,
    /// How many responses were counted.
    documents: u64,
    /// The terms, ascending.
    terms: Vec<String>,
    /// In how many responses each term occurs.
    document_frequencies: Vec<u32>,
}

/// A saved vocabulary is damaged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the saved vocabulary is damaged: {terms} terms, {different} of them different, {frequencies} frequencies"
)]
pub struct DamagedVocabulary {
    /// How many terms there are.
    pub terms: usize,
    /// How many of them differ.
    pub different: usize,
    /// How many document frequencies there are.
    pub frequencies: usize,
}

impl LexicalRecipe {
    /// The vocabulary of both responses of these battles; the same for any order of the rows and any
    /// number of threads. Without battles or without frequent terms it is empty.
    #[must_use]
    pub fn fit(&self, battles: &[&Battle]) -> Lexical {
        let counted = document_frequencies(self.analyzer, battles);
        let mut candidates: Vec<_> =
            counted.into_iter().filter(|term| term.documents >= self.min_document_frequency.max(1)).collect();
        if candidates.len() > self.max_features {
            candidates.sort_unstable_by_key(|term| std::cmp::Reverse(term.documents));
            // Terms as frequent as the last one that fits stay for now: their text decides.
            let least =
                candidates.get(self.max_features.saturating_sub(1)).map_or(u32::MAX, |term| term.documents);
            candidates.retain(|term| term.documents >= least);
        }
        let mut named = texts_of(self.analyzer, battles, &candidates);
        named.sort_unstable_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        named.truncate(self.max_features);
        named.sort_unstable();
        let (terms, document_frequencies) = named.into_iter().unzip();
        Lexical::new(SavedLexical {
            recipe: self.clone(),
            documents: 2 * battles.len() as u64,
            terms,
            document_frequencies,
        })
    }
}

impl Lexical {
    fn new(saved: SavedLexical) -> Self {
        let analyzer = saved.recipe.analyzer;
        let columns =
            saved.terms.iter().zip(0..).map(|(term, column)| (analyzer.hash_of(term), column)).collect();
        let documents = saved.documents as f64;
        let weight = |frequency: &u32| ((1.0 + documents) / (1.0 + f64::from(*frequency))).ln() + 1.0;
        let weights = saved.document_frequencies.iter().map(weight).collect();
        Self { saved, columns, weights }
    }

    /// The terms in the order of the columns, ascending.
    #[must_use]
    pub fn terms(&self) -> &[String] {
        &self.saved.terms
    }

    /// The inverse document frequency of each term.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The matrices of some battles, one row each in their order, computed in parallel.
    #[must_use]
    pub fn transform(&self, battles: &[&Battle]) -> LexicalMatrices {
        let rows: Vec<Vec<(u32, f32)>> = battles.par_iter().map(|battle| self.difference(battle)).collect();
        let entries = rows.iter().map(Vec::len).sum();
        let mut ends = Vec::with_capacity(rows.len() + 1);
        let mut columns = Vec::with_capacity(entries);
        let mut values = Vec::with_capacity(entries);
        ends.push(0);
        for row in &rows {
            columns.extend(row.iter().map(|(column, _)| *column));
            values.extend(row.iter().map(|(_, value)| *value));
            ends.push(columns.len());
        }
        let shape = (battles.len(), self.weights.len());
        let sizes = values.iter().map(|value: &f32| value.abs()).collect();
        LexicalMatrices {
            odd: SparseRows::new(shape, ends.clone(), columns.clone(), values),
            even: SparseRows::new(shape, ends, columns, sizes),
        }
    }

    /// The columns in which the two responses differ, ascending, with the difference.
    fn difference(&self, battle: &Battle) -> Vec<(u32, f32)> {
        let a = self.vector(&document(battle, Side::A));
        let b = self.vector(&document(battle, Side::B));
        let mut row = Vec::with_capacity(a.len() + b.len());
        let (mut a, mut b) = (a.into_iter().peekable(), b.into_iter().peekable());
        loop {
            let column = match (a.peek(), b.peek()) {
                (Some(a), Some(b)) => a.0.min(b.0),
                (Some(one), None) | (None, Some(one)) => one.0,
                (None, None) => return row,
            };
            let value_a = a.next_if(|entry| entry.0 == column).map_or(0.0, |entry| entry.1);
            let value_b = b.next_if(|entry| entry.0 == column).map_or(0.0, |entry| entry.1);
            // Equal values leave no entry; the sign of the others is exact.
            let difference = value_a - value_b;
            if difference.abs() > 0.0 {
                row.push((column, difference));
            }
        }
    }

    /// The TF-IDF of one document: columns ascending, length 1 (or empty).
    fn vector(&self, document: &str) -> Vec<(u32, f32)> {
        let mut found: Vec<u32> = Vec::new();
        self.saved.recipe.analyzer.visit(document, |hash, _| found.extend(self.columns.get(&hash)));
        found.sort_unstable();
        let value = |run: &[u32]| {
            let count = run.len() as f64;
            let frequency = if self.saved.recipe.sublinear { 1.0 + count.ln() } else { count };
            (run[0], frequency * self.weights[run[0] as usize])
        };
        let values: Vec<(u32, f64)> = found.chunk_by(|one, next| one == next).map(value).collect();
        let length = values.iter().map(|(_, value)| value * value).sum::<f64>().sqrt();
        #[expect(clippy::cast_possible_truncation, reason = "sparse blocks are stored in single precision")]
        values.into_iter().map(|(column, value)| (column, (value / length) as f32)).collect()
    }
}

impl From<Lexical> for SavedLexical {
    fn from(lexical: Lexical) -> Self {
        lexical.saved
    }
}

impl TryFrom<SavedLexical> for Lexical {
    type Error = DamagedVocabulary;

    fn try_from(saved: SavedLexical) -> Result<Self, DamagedVocabulary> {
        let different = saved.terms.iter().collect::<BTreeSet<_>>().len();
        let (terms, frequencies) = (saved.terms.len(), saved.document_frequencies.len());
        if different != terms || frequencies != terms {
            return Err(DamagedVocabulary { terms, different, frequencies });
        }
        Ok(Self::new(saved))
    }
}
