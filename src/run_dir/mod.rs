//! The only place that knows the names inside `models/<run>/`.
//!
//! A run grows in `<run>.incomplete` and gets its name when everything is there; an earlier run of that
//! name is replaced only then.

mod growing;
mod journal;

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use growing::GrowingRun;
pub use journal::DiskJournal;

use crate::battle::Probabilities;
use crate::calibrators::{Cascade, PostProcessing};
use crate::evaluation::Evaluation;
use crate::files::{self, WriteError};
use crate::manifest::{FORMAT_VERSION, Manifest, RunIdentity};
use crate::predictors::SavedPredictor;
use crate::tables::prompts::{self, PromptRow};

/// A run directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is no such run.
    #[error("no run at `{}`; `tiebreak train --run NAME` makes one", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There is a run already.
    #[error("there is a run at `{}` already; `--force` replaces it when the new one is done", path.display())]
    Exists {
        /// The run.
        path: PathBuf,
    },
    /// An unfinished run stands in the way.
    #[error("there is an unfinished run at `{}`; `--resume` continues it, `--force` starts afresh", path.display())]
    Unfinished {
        /// The run.
        path: PathBuf,
    },
    /// A file of the run is missing or damaged.
    #[error("`{}`: {message}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A folder could not be made, renamed or removed.
    #[error("`{}`: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// What to do with what is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Refuse if there is anything.
    New,
    /// Continue an unfinished run.
    Resume,
    /// Start afresh; an earlier run stays until the new one is done.
    Force,
}

/// A cascade as it lies in its run: the rule, and the runs that it asks, the cheap one first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CascadeOfRuns {
    /// The runs.
    pub runs: [RunIdentity; 2],
    /// Threshold, blend and calibrators.
    pub rule: Cascade,
}

/// A run directory, finished or growing.
#[derive(Clone, Debug)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// A name under `models/`, or a path: whatever holds a separator or exists as it is.
    #[must_use]
    pub fn named(run: &str) -> Self {
        let direct = Path::new(run);
        let is_path = direct.components().count() > 1 || direct.is_absolute();
        Self { path: if is_path { direct.to_owned() } else { Path::new("models").join(run) } }
    }

    /// A finished run.
    ///
    /// # Errors
    /// `RunError::Missing` when there is none.
    pub fn open(run: &str) -> Result<Self, RunError> {
        let directory = Self::named(run);
        if directory.manifest_path().is_file() {
            return Ok(directory);
        }
        Err(RunError::Missing { path: directory.path })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the run: the last part of its path.
    #[must_use]
    pub fn name(&self) -> String {
        let name = self
            .path
            .file_name()
            .map_or_else(|| "run".to_owned(), |name| name.to_string_lossy().into_owned());
        name.trim_end_matches(".incomplete").to_owned()
    }

    fn manifest_path(&self) -> PathBuf {
        self.path.join("manifest.json")
    }

    /// The resolved configuration.
    #[must_use]
    pub fn config_path(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// The metrics of the post-processed out-of-fold predictions.
    #[must_use]
    pub fn metrics_path(&self) -> PathBuf {
        self.path.join("metrics.json")
    }

    /// The folds.
    #[must_use]
    pub fn splits_path(&self) -> PathBuf {
        self.path.join("splits.csv")
    }

    /// The prompts whose votes were learned from.
    #[must_use]
    pub fn prompts_path(&self) -> PathBuf {
        self.path.join("prompts.csv")
    }

    /// The post-processed out-of-fold predictions as CSV.
    #[must_use]
    pub fn out_of_fold_csv_path(&self) -> PathBuf {
        self.path.join("oof.csv")
    }

    /// The same as Parquet.
    #[must_use]
    pub fn out_of_fold_parquet_path(&self) -> PathBuf {
        self.path.join("oof.parquet")
    }

    /// The raw log-probabilities of every member, out of fold.
    #[must_use]
    pub fn scores_path(&self) -> PathBuf {
        self.path.join("scores.parquet")
    }

    /// The folder of the report.
    #[must_use]
    pub fn report_path(&self) -> PathBuf {
        self.path.join("report")
    }

    /// The folder of models that were trained by the run and belong to it alone.
    #[must_use]
    pub fn models_path(&self) -> PathBuf {
        self.path.join(MODELS)
    }

    /// What each step of fine-tuning did, a JSON object a line.
    #[must_use]
    pub fn steps_path(&self) -> PathBuf {
        self.path.join("steps.jsonl")
    }

    fn post_processing_path(&self) -> PathBuf {
        self.path.join("post_processing.json")
    }

    fn cascade_path(&self) -> PathBuf {
        self.path.join("cascade.json")
    }

    fn predictor_path(&self, member: usize, fit: usize) -> PathBuf {
        self.path.join("predictors").join(format!("member-{member}-fit-{fit}.json"))
    }

    /// Writes a file of the run that is already in its final form.
    ///
    /// # Errors
    /// `RunError::Write`.
    pub fn write(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
        Ok(files::write(path, bytes)?)
    }

    /// Writes the shipped predictors: per member the fits whose mean it is.
    ///
    /// # Errors
    /// `RunError::Write`.
    pub fn write_predictors(&self, members: &[Vec<SavedPredictor>]) -> Result<(), RunError> {
        for (member, fits) in members.iter().enumerate() {
            for (fit, predictor) in fits.iter().enumerate() {
                Self::write_json(&self.predictor_path(member, fit), predictor, false)?;
            }
        }
        Ok(())
    }

    /// The shipped predictors: per member the fits whose mean it is.
    ///
    /// # Errors
    /// `RunError::Damaged` when one is missing or unreadable.
    pub fn read_predictors(&self, members: usize) -> Result<Vec<Vec<SavedPredictor>>, RunError> {
        (0..members)
            .map(|member| {
                let first = Self::read_json(&self.predictor_path(member, 0))?;
                let rest =
                    (1..).map(|fit| self.predictor_path(member, fit)).take_while(|path| path.is_file());
                std::iter::once(Ok(first)).chain(rest.map(|path| Self::read_json(&path))).collect()
            })
            .collect()
    }

    /// Writes what post-processing was fitted.
    ///
    /// # Errors
    /// `RunError::Write`.
    pub fn write_post_processing(&self, fitted: &PostProcessing) -> Result<(), RunError> {
        Self::write_json(&self.post_processing_path(), fitted, true)
    }

    /// The fitted post-processing.
    ///
    /// # Errors
    /// `RunError::Damaged`.
    pub fn read_post_processing(&self) -> Result<PostProcessing, RunError> {
        Self::read_json(&self.post_processing_path())
    }

    /// Writes a cascade and the runs that it asks.
    ///
    /// # Errors
    /// `RunError::Write`.
    pub fn write_cascade(&self, cascade: &CascadeOfRuns) -> Result<(), RunError> {
        Self::write_json(&self.cascade_path(), cascade, true)
    }

    /// The cascade of a run that is one; `None` for a run with predictors of its own.
    ///
    /// # Errors
    /// `RunError::Damaged`.
    pub fn read_cascade(&self) -> Result<Option<CascadeOfRuns>, RunError> {
        let path = self.cascade_path();
        if path.is_file() { Self::read_json(&path).map(Some) } else { Ok(None) }
    }

    /// One hash over all that a prediction of the run depends on: its identity, its predictors or the runs that it
    /// asks, its post-processing.
    ///
    /// # Errors
    /// `RunError::Damaged` when a file is missing.
    pub fn fingerprint(&self) -> Result<String, RunError> {
        let mut hasher = blake3::Hasher::new();
        let mut hash = |path: &Path, bytes: Result<Vec<u8>, String>| {
            let bytes = bytes.map_err(|message| RunError::Damaged { path: path.to_owned(), message })?;
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(&bytes);
            Ok::<(), RunError>(())
        };
        let identity = self.read_manifest()?.identity;
        hash(&self.manifest_path(), serde_json::to_vec(&identity).map_err(|error| error.to_string()))?;
        let read = |path: &Path| fs::read(path).map_err(|error| error.to_string());
        let cascade = self.cascade_path();
        if cascade.is_file() {
            hash(&cascade, read(&cascade))?;
            return Ok(hasher.finalize().to_hex().to_string());
        }
        hash(&self.post_processing_path(), read(&self.post_processing_path()))?;
        for member in 0..identity.members.len() {
            let fits = (0..).map(|fit| self.predictor_path(member, fit));
            for path in fits.take_while(|path| path.is_file()) {
                hash(&path, read(&path))?;
            }
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// The prompts whose votes were learned from.
    ///
    /// # Errors
    /// `RunError::Damaged`, also when an earlier version of tiebreak did not write them.
    pub fn read_prompts(&self) -> Result<Vec<PromptRow>, RunError> {
        prompts::read(&self.prompts_path()).map_err(|error| {
            let message = format!("{error}; train the run again");
            RunError::Damaged { path: self.prompts_path(), message }
        })
    }

    /// Writes the metrics.
    ///
    /// # Errors
    /// `RunError::Write`.
    pub fn write_metrics(&self, evaluation: &Evaluation) -> Result<(), RunError> {
        Self::write_json(&self.metrics_path(), evaluation, true)
    }

    /// The metrics.
    ///
    /// # Errors
    /// `RunError::Damaged`.
    pub fn read_metrics(&self) -> Result<Evaluation, RunError> {
        Self::read_json(&self.metrics_path())
    }

    /// Writes the manifest.
    ///
    /// # Errors
    /// `RunError::Write`.
    pub fn write_manifest(&self, manifest: &Manifest) -> Result<(), RunError> {
        Self::write_json(&self.manifest_path(), manifest, true)
    }

    /// The manifest.
    ///
    /// # Errors
    /// `RunError::Damaged`, also when another version of tiebreak wrote another layout.
    pub fn read_manifest(&self) -> Result<Manifest, RunError> {
        let manifest: Manifest = Self::read_json(&self.manifest_path())?;
        if manifest.format_version != FORMAT_VERSION {
            let message = format!(
                "layout version {} cannot be read, this program knows {FORMAT_VERSION}; train the run again",
                manifest.format_version
            );
            return Err(RunError::Damaged { path: self.manifest_path(), message });
        }
        Ok(manifest)
    }

    /// The class shares of the training data, A and B alike so that exchanging the sides changes nothing.
    ///
    /// # Errors
    /// `RunError::Damaged` when the manifest holds no shares: nothing may stand in for them.
    pub fn class_shares(&self, manifest: &Manifest) -> Result<Probabilities, RunError> {
        let [a, b, tie] = manifest.identity.class_shares;
        let shares = Probabilities::new([a, b, tie]).map_err(|error| {
            let message = format!(
                "`class_shares` is {:?}: {error}; train the run again",
                manifest.identity.class_shares
            );
            RunError::Damaged { path: self.manifest_path(), message }
        })?;
        Ok(shares.mean(shares.swapped()))
    }

    fn write_json<T: Serialize>(path: &Path, value: &T, pretty: bool) -> Result<(), RunError> {
        let text = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
        let mut text =
            text.map_err(|error| RunError::Damaged { path: path.to_owned(), message: error.to_string() })?;
        text.push('\n');
        Self::write(path, text.as_bytes())
    }

    fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, RunError> {
        let damaged = |message: String| RunError::Damaged { path: path.to_owned(), message };
        let text = fs::read_to_string(path).map_err(|error| damaged(error.to_string()))?;
        serde_json::from_str(&text).map_err(|error| damaged(format!("{error}; train the run again")))
    }
}

/// Of the run and of its workspace; `finetune` writes there under this name.
const MODELS: &str = "models";

/// The same of checkpoints in the form of Hugging Face that training from scratch leaves.
const CHECKPOINTS: &str = "checkpoints";
