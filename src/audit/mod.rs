//! What is in a file of battles, what is wrong with it, and what it shares with other files: duplicates,
//! leaks, anomalies, shares, lengths, the noise floor. Counts, never silent; nothing is changed.
//!
//! Results depend on the set of rows, the options and nothing else: not on the order of the rows, not on
//! the number of threads.

mod anomalies;
mod composition;
mod discriminant;
mod duplicates;
mod estimates;
mod labels;
mod leaks;
mod lengths;
mod minhash;
mod near;
mod noise_floor;
mod shift;
mod tokens;
mod view;
mod vote_patterns;
mod votes;

use serde::{Deserialize, Serialize};

pub use anomalies::{Anomaly, AnomalyKind};
pub use composition::{Count, Languages, ModelCount};
pub use duplicates::{Duplicates, NearDuplicates, PromptCount, RepeatedBattles, prompt_clusters};
pub use estimates::Estimate;
pub use labels::Labels;
pub use leaks::{Leaks, Match};
pub use lengths::{Length, Lengths, Longer, Quantiles};
pub use noise_floor::NoiseFloor;
pub use shift::{Difference, Shift};

use crate::battle::{Battle, LabeledBattle};
use crate::progress::Progress;
use view::View;

/// Two texts are near-duplicates from this Jaccard similarity of their shingle sets on.
pub const DEFAULT_THRESHOLD: f64 = 0.7;

/// Any persisted audit names the version of its layout.
pub const FORMAT_VERSION: u32 = 1;

/// The rows of a file with or without labels.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// With votes or soft labels.
    Labeled(&'a [LabeledBattle]),
    /// Without, as in a test file.
    Unlabeled(&'a [Battle]),
}

/// What can be chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AuditOptions {
    threshold: f64,
    seed: u64,
}

/// The options cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum AuditError {
    /// A similarity is a share.
    #[error(
        "`{threshold}` is not a similarity; use a number above 0 and at most 1, such as {DEFAULT_THRESHOLD}"
    )]
    Threshold {
        /// What was given.
        threshold: f64,
    },
}

impl AuditOptions {
    /// The least similarity of near-duplicates, and the seed of samples and folds.
    ///
    /// # Errors
    /// `AuditError` when the threshold is not above 0 and at most 1.
    pub fn new(threshold: f64, seed: u64) -> Result<Self, AuditError> {
        if threshold > 0.0 && threshold <= 1.0 {
            Ok(Self { threshold, seed })
        } else {
            Err(AuditError::Threshold { threshold })
        }
    }
}

/// Everything that was found in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditReport {
    /// The version of this layout.
    pub format_version: u32,
    /// Rows.
    pub rows: usize,
    /// Groups of rows with one prompt or session; what intervals resample.
    pub n_groups: usize,
    /// Shares and position bias; none without labels.
    pub labels: Option<Labels>,
    /// How long the texts are.
    pub lengths: Lengths,
    /// Rows by number of turns.
    pub turns: Vec<Count>,
    /// Languages of the prompts.
    pub languages: Languages,
    /// Models by appearances; empty where the file names none.
    pub models: Vec<ModelCount>,
    /// What comes again.
    pub duplicates: Duplicates,
    /// What is odd.
    pub anomalies: Vec<Anomaly>,
    /// How low the log loss can get, where battles have several votes.
    pub noise_floor: Option<NoiseFloor>,
}

/// What a file has in common with another one, and how they differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgainstReport {
    /// The other file.
    pub file: String,
    /// Its rows.
    pub rows: usize,
    /// Rows that are in both, entirely or in part.
    pub leaks: Leaks,
    /// Whether a classifier tells the files apart; none where there are fewer than two prompts.
    pub shift: Option<Shift>,
}

/// Looks at one file.
#[must_use]
pub fn audit(rows: Rows<'_>, options: AuditOptions, progress: &dyn Progress) -> AuditReport {
    let task = progress.start("audit", Some(3), "parts");
    task.note("reading texts");
    let view = View::new(rows);
    let (lengths, languages, anomalies) =
        (lengths::lengths(&view), composition::languages(&view), anomalies::anomalies(&view));
    task.advance(1);
    task.note("near-duplicates");
    let duplicates = duplicates::duplicates(&view, options.threshold);
    task.advance(1);
    task.note("noise floor");
    let noise_floor = noise_floor::noise_floor(&view);
    task.advance(1);
    AuditReport {
        format_version: FORMAT_VERSION,
        rows: view.len(),
        n_groups: view.groups.count(),
        labels: labels::labels(&view),
        lengths,
        turns: composition::turns(&view),
        languages,
        models: composition::models(&view),
        duplicates,
        anomalies,
        noise_floor,
    }
}

/// Looks at a file beside another one, called `name`.
#[must_use]
pub fn against(
    here: Rows<'_>,
    (name, there): (&str, Rows<'_>),
    options: AuditOptions,
    progress: &dyn Progress,
) -> AgainstReport {
    let task = progress.start(&format!("against {name}"), Some(2), "parts");
    let (here, there) = (View::new(here), View::new(there));
    task.note("leaks");
    let leaks = leaks::leaks(&here, &there, options.threshold);
    task.advance(1);
    task.note("telling them apart");
    let shift = shift::shift(&here, &there, options.seed);
    task.advance(1);
    AgainstReport { file: name.to_owned(), rows: there.len(), leaks, shift }
}
