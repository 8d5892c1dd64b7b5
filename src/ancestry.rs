//! What pseudo-labels come from: a file beside them that says it, with the prompts whose votes are in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::battle::GroupId;
use crate::manifest::PseudoLabels;
use crate::run_dir::{RunDir, RunError};
use crate::tables::prompts::PromptRole;

/// The version of the layout of the file.
pub const FORMAT_VERSION: u32 = 1;

/// The file beside pseudo-labels is of no use.
#[derive(Debug, thiserror::Error)]
pub enum AncestryError {
    /// A file cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is damaged, or of a layout that is not known.
    #[error("`{}`: {message}; label again with `tiebreak pseudo`", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The labels are not those that the file describes.
    #[error(
        "`{}` describes other labels than those in `{}`; label again with `tiebreak pseudo`, or remove it where the \
         labels are a teacher's of your own",
        path.display(), labels.display()
    )]
    OtherLabels {
        /// The file.
        path: PathBuf,
        /// The labels.
        labels: PathBuf,
    },
}

/// What stands beside a file of pseudo-labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ancestry {
    /// The version of this layout.
    pub format_version: u32,
    /// What the labels come from.
    pub labels: PseudoLabels,
    /// `GroupId::of_prompt` of every prompt whose votes the labeller learned from, itself or through labels of its own.
    pub prompts: BTreeSet<GroupId>,
    /// Where the model of every fold labelled on its own, those among the prompts that the model of a fold does not know.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unseen: BTreeMap<u32, BTreeSet<GroupId>>,
}

impl Ancestry {
    /// Where it lies: `labels.ancestry.json` beside `labels.csv`.
    #[must_use]
    pub fn path(labels: &Path) -> PathBuf {
        labels.with_extension("ancestry.json")
    }

    /// Whether the label that the fit of a fold learns from knows the votes of a prompt.
    #[must_use]
    pub fn knows(&self, prompt: &GroupId, fold: u32) -> bool {
        let is_unseen = self.unseen.get(&fold).is_some_and(|unseen| unseen.contains(prompt));
        self.prompts.contains(prompt) && !is_unseen
    }

    /// Each prompt with the folds whose models do not know it; with none where every label knows it.
    pub fn prompts_by_fold(&self) -> impl Iterator<Item = (&GroupId, Option<u32>)> {
        self.prompts.iter().flat_map(|prompt| {
            let unseen = self.unseen.iter().filter(|(_, unseen)| unseen.contains(prompt));
            let mut folds: Vec<Option<u32>> = unseen.map(|(fold, _)| Some(*fold)).collect();
            if folds.is_empty() {
                folds.push(None);
            }
            folds.into_iter().map(move |fold| (prompt, fold))
        })
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// When a number has no JSON form.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// What stands beside labels; `None` where nothing does, as beside those of a teacher of one's own.
    ///
    /// # Errors
    /// `AncestryError` when it is damaged or describes other labels.
    pub fn beside(labels: &Path) -> Result<Option<Self>, AncestryError> {
        let path = Self::path(labels);
        let read = |path: &Path| {
            fs::read(path).map_err(|source| AncestryError::Read { path: path.to_owned(), source })
        };
        if !path.exists() {
            return Ok(None);
        }
        let damaged = |message: String| AncestryError::Damaged { path: path.clone(), message };
        let found: Self =
            serde_json::from_slice(&read(&path)?).map_err(|error| damaged(error.to_string()))?;
        if found.format_version != FORMAT_VERSION {
            let version = found.format_version;
            return Err(damaged(format!(
                "layout version {version} cannot be read, this program knows {FORMAT_VERSION}"
            )));
        }
        if blake3::hash(&read(labels)?).to_hex().as_str() != found.labels.content_hash {
            return Err(AncestryError::OtherLabels { path, labels: labels.to_owned() });
        }
        Ok(Some(found))
    }
}

/// The prompts whose votes a run learned from, itself or through pseudo-labels; without those of the fold that its
/// models never saw.
///
/// # Errors
/// `RunError::Damaged` when the run does not say it.
pub fn known_prompts(directory: &RunDir, unseen: Option<u32>) -> Result<BTreeSet<GroupId>, RunError> {
    let rows = directory.read_prompts()?;
    let is_held_out = |fold: Option<u32>| fold.is_some() && fold == unseen;
    // What the labels of a fold do not know, the fold need not hold out.
    let held_out = rows.iter().filter(|row| row.role == PromptRole::Competition && is_held_out(row.fold));
    let held_out: BTreeSet<GroupId> = held_out.map(|row| row.prompt.clone()).collect();
    let known = rows.into_iter().filter(|row| match row.role {
        PromptRole::Competition | PromptRole::Labeller => !is_held_out(row.fold),
        // An extra row whose prompt a fold holds out had left the training of that fold.
        PromptRole::Extra => !held_out.contains(&row.prompt),
    });
    Ok(known.map(|row| row.prompt).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::prompts::{self, PromptRow};

    #[test]
    fn a_fold_holds_its_prompts_out_and_those_of_extra_rows_but_not_those_of_a_labeller_that_knew_them() {
        let folder = tempfile::tempdir().unwrap();
        let directory = RunDir::named(&folder.path().display().to_string());
        let rows: Vec<PromptRow> = [
            ("a", PromptRole::Competition, Some(0)),
            ("a", PromptRole::Extra, None),
            ("b", PromptRole::Competition, Some(1)),
            ("c", PromptRole::Competition, Some(0)),
            ("c", PromptRole::Labeller, None),
            ("d", PromptRole::Extra, None),
            ("e", PromptRole::Labeller, Some(1)),
            // No fold holds it out, so that its own votes were learned from, whatever labels know of it.
            ("f", PromptRole::Labeller, Some(1)),
            ("f", PromptRole::Extra, None),
        ]
        .into_iter()
        .map(|(prompt, role, fold)| PromptRow { prompt: GroupId(prompt.to_owned()), role, fold })
        .collect();
        let known = |unseen| -> Vec<String> {
            known_prompts(&directory, unseen).unwrap().into_iter().map(|prompt| prompt.0).collect()
        };
        let message = known_prompts(&directory, None).unwrap_err().to_string();
        assert!(message.contains("prompts.csv") && message.contains("train the run again"), "{message}");
        std::fs::write(directory.prompts_path(), prompts::to_csv(&rows)).unwrap();
        assert_eq!(known(None), ["a", "b", "c", "d", "e", "f"]);
        assert_eq!(known(Some(0)), ["b", "c", "d", "e", "f"]);
        assert_eq!(known(Some(1)), ["a", "c", "d", "f"]);
    }
}
