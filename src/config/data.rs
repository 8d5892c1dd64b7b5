//! Where battles come from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::sources::Format;

/// One file of battles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSource {
    /// The file.
    pub path: PathBuf,
    /// Whether its rows are validated on.
    #[serde(default)]
    pub role: Role,
    /// The format, if detection should not decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Which stage of a fine-tuning sees the rows, from 0; light predictors see all stages at once.
    #[serde(default)]
    pub stage: u32,
    /// How much each row counts in a fit.
    #[serde(default = "default_weight")]
    pub weight: f64,
    /// At most so many rows, the first ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rows: Option<usize>,
    /// Predictions in submission form that replace the labels: soft targets, a teacher's or those of `tiebreak pseudo`. With
    /// a column `fold`, a fit learns from the rows of the fold that it holds out, and one on everything from those without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<PathBuf>,
    /// Which repeated rows are left out.
    #[serde(default)]
    pub deduplicate: Deduplicate,
    /// What the two-way task makes of ties in this file.
    #[serde(default)]
    pub ties: Ties,
}

fn default_weight() -> f64 {
    1.0
}

impl DataSource {
    /// A competition file with every other setting at its default.
    #[must_use]
    pub fn competition(path: PathBuf) -> Self {
        Self {
            path,
            role: Role::Competition,
            format: None,
            stage: 0,
            weight: 1.0,
            max_rows: None,
            labels: None,
            deduplicate: Deduplicate::No,
            ties: Ties::Drop,
        }
    }
}

/// What a file of battles is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Trained and validated on.
    #[default]
    Competition,
    /// Trained on, never validated on.
    Extra,
}

/// Which repeated rows of a file are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deduplicate {
    /// None.
    #[default]
    No,
    /// All but the first row of each normalised prompt, by id.
    Prompt,
    /// All but the first row of each prompt with its two responses, also swapped, by id.
    Battle,
}

/// What the two-way task makes of a tie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ties {
    /// The row is left out.
    #[default]
    Drop,
    /// Half a win for each side.
    Half,
}
