//! Files to battles: every published form of preference data becomes the same rows.
//!
//! Decided here once, for all formats, and counted in [`Counts`]:
//! - `null` and a list that is too short are [`Response::Missing`](crate::battle::Response); the empty text stays the empty text;
//!   in CSV a field without anything is `null`, and `""` is the empty text.
//! - a `null` prompt is the empty prompt; no turn at all is one turn with an empty prompt and no responses.
//! - half a surrogate pair becomes U+FFFD.
//! - "both are bad" is a vote of its own.
//! - three winner columns that sum to 1 are a soft label, and a vote when one of them is 1.
//! - of a preference pair the chosen side is A or B by the hash of the id, or of the content where there
//!   is no id, so that neither the order of the rows nor "A always wins" can be learnt.
//! - columns that a format does not know travel as metadata, as text; points in time as the number stored.
//!
//! Row numbers in messages are 1-based and count rows of data.

mod arena;
mod canonical;
mod common;
mod conversation;
mod counts;
mod error;
mod format;
mod kaggle_lmsys;
mod kaggle_wsdm;
mod labels;
mod outcomes;
mod pairs;
mod read;
mod reader;

pub use canonical::CanonicalWriter;
pub use counts::Counts;
pub use error::SourceError;
pub use format::{Format, UnknownFormatName};
pub use labels::{Label, read_labels};
pub use outcomes::read_outcomes;
pub use read::{Ingested, ReadOptions, read_battles, read_labeled, read_soft_labeled};
pub use reader::{Reader, open};

use std::collections::BTreeMap;

use crate::battle::{Battle, LabeledBattle, Target, Vote};
use crate::tables::Row;

/// The version of the rules above; to be raised whenever the same file gives other battles, because a language
/// model would then read other texts than it was trained on.
pub const INGEST_VERSION: u32 = 1;

/// A row of any format: a battle, and a label where the file has one.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceRow {
    /// The row of the file, 1-based; several battles may come from one row.
    pub row: u64,
    /// What a predictor may see.
    pub battle: Battle,
    /// What the person said, where the file says it.
    pub label: Option<RowLabel>,
    /// How much the row counts.
    pub weight: f64,
    /// The names of the models, A first.
    pub models: Option<[String; 2]>,
    /// The session of the person.
    pub session: Option<String>,
    /// The language as the file calls it.
    pub language: Option<String>,
    /// Every other column, as text.
    pub metadata: BTreeMap<String, String>,
}

/// The label of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowLabel {
    /// The vote, where it is one.
    pub vote: Option<Vote>,
    /// The shares of A, B and tie.
    pub target: Target,
}

impl SourceRow {
    /// The row with its label, or `None` where it has none.
    #[must_use]
    pub fn into_labeled(self) -> Option<LabeledBattle> {
        let RowLabel { vote, target } = self.label?;
        let Self { battle, weight, models, session, language, metadata, .. } = self;
        Some(LabeledBattle { battle, vote, target, weight, models, session, language, metadata })
    }
}

/// How rows of one format become battles. A new format is one file that implements this and one arm in
/// `Format` and `reader`.
trait Decode: Send + Sync {
    /// Pushes the battles of one row, usually one; oddities that only the format can see are counted.
    fn decode(
        &self,
        row: &Row<'_>,
        counts: &mut Counts,
        battles: &mut Vec<SourceRow>,
    ) -> Result<(), error::Fault>;

    /// Whether ids are made of the content, so that rows which repeat it are no fault.
    fn ids_are_content(&self) -> bool {
        false
    }
}
