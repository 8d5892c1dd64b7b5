//! A JSON line for every step, kept in step with the state that a training is resumed from.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::finetune::FinetuneError;

/// The folder in the workspace that holds a file for each fit.
const FOLDER: &str = "steps";

/// What one step of one fit did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepRecord {
    /// The predictor.
    pub member: String,
    /// Its seed.
    pub seed: u64,
    /// The fold held out; none for the final fit.
    pub fold: Option<u32>,
    /// Counted from 1.
    pub step: u64,
    /// The last step, unless training stops early.
    pub steps: u64,
    /// Epochs that are done, fractions included.
    pub epoch: f64,
    /// The weighted mean loss over the rows of the step, nats.
    pub loss: f64,
    /// The log loss of rows that are kept back for early stopping, where it was looked at, nats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out_log_loss: Option<f64>,
    /// The log loss of the class shares on the same rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior_log_loss: Option<f64>,
    /// The norm of all gradients before clipping.
    pub gradient_norm: f64,
    /// The learning rate of the checkpoint's weights and adapters.
    pub learning_rate: f64,
    /// Tokens of the step.
    pub tokens: usize,
    /// Seconds of the step.
    pub seconds: f64,
}

/// The file of one fit.
pub(super) struct StepLog {
    path: PathBuf,
    file: File,
}

impl StepLog {
    /// Goes on behind a step; what an interrupted training wrote beyond it is forgotten.
    pub(super) fn open(workspace: &Path, name: &str, step: u64) -> Result<Self, FinetuneError> {
        let folder = workspace.join(FOLDER);
        let path = folder.join(format!("{name}.jsonl"));
        let failed = |source| FinetuneError::StepLog { path: path.clone(), source };
        fs::create_dir_all(&folder).map_err(failed)?;
        let mut kept = Vec::new();
        for record in read(&path)?.into_iter().filter(|record| record.step <= step) {
            kept.extend(line(&record).map_err(failed)?);
        }
        crate::files::write(&path, &kept)?;
        let file = File::options().append(true).open(&path).map_err(failed)?;
        Ok(Self { path, file })
    }

    pub(super) fn append(&mut self, record: &StepRecord) -> Result<(), FinetuneError> {
        let written = line(record).and_then(|line| self.file.write_all(&line));
        written.map_err(|source| FinetuneError::StepLog { path: self.path.clone(), source })
    }
}

fn line(record: &StepRecord) -> std::io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(record)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The steps of a file. A last line that a crash cut off is passed over; any other that is damaged is an error.
fn read(path: &Path) -> Result<Vec<StepRecord>, FinetuneError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(FinetuneError::Read { path: path.to_owned(), source }),
    };
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
    let lines = bytes[..whole].split_inclusive(|&byte| byte == b'\n').enumerate();
    let record = |(index, line): (usize, &[u8])| {
        let damaged = |source| FinetuneError::DamagedLog { path: path.to_owned(), line: index + 1, source };
        serde_json::from_slice(line).map_err(damaged)
    };
    lines.map(record).collect()
}

/// The steps of all fits of a run, fit by fit in the order of their names.
///
/// # Errors
/// `FinetuneError::Read` when a file cannot be read.
pub fn steps_of(workspace: &Path) -> Result<Vec<StepRecord>, FinetuneError> {
    let folder = workspace.join(FOLDER);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(FinetuneError::Read { path: folder, source }),
    };
    let unread = |source| FinetuneError::Read { path: folder.clone(), source };
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>().map_err(unread)?;
    paths.sort_unstable();
    let mut steps = Vec::new();
    for path in paths {
        steps.extend(read(&path)?);
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(step: u64) -> StepRecord {
        StepRecord {
            member: "lora".to_owned(),
            seed: 1,
            fold: Some(0),
            step,
            steps: 9,
            epoch: 0.5,
            loss: 1.0,
            held_out_log_loss: None,
            prior_log_loss: None,
            gradient_norm: 2.0,
            learning_rate: 0.1,
            tokens: 30,
            seconds: 0.2,
        }
    }

    #[test]
    fn a_resumed_log_forgets_what_came_behind_the_state() {
        let workspace = tempfile::tempdir().unwrap();
        let mut log = StepLog::open(workspace.path(), "fit", 0).unwrap();
        (1..=5).for_each(|step| log.append(&record(step)).unwrap());
        let mut log = StepLog::open(workspace.path(), "fit", 3).unwrap();
        log.append(&record(4)).unwrap();
        let steps: Vec<u64> = steps_of(workspace.path()).unwrap().iter().map(|record| record.step).collect();
        assert_eq!(steps, [1, 2, 3, 4]);
    }

    #[test]
    fn a_line_that_was_cut_off_is_passed_over() {
        let workspace = tempfile::tempdir().unwrap();
        StepLog::open(workspace.path(), "fit", 0).unwrap().append(&record(1)).unwrap();
        let path = workspace.path().join("steps/fit.jsonl");
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend(b"{\"member\":\"lo");
        fs::write(&path, bytes).unwrap();
        assert_eq!(steps_of(workspace.path()).unwrap(), [record(1)]);
    }
    #[test]
    fn a_damaged_line_in_the_middle_and_a_log_that_cannot_be_written_are_named() {
        let workspace = tempfile::tempdir().unwrap();
        StepLog::open(workspace.path(), "fit", 0).unwrap().append(&record(1)).unwrap();
        let path = workspace.path().join("steps/fit.jsonl");
        let mut bytes = b"{\"member\":3}\n".to_vec();
        bytes.extend(fs::read(&path).unwrap());
        fs::write(&path, &bytes).unwrap();
        let message = steps_of(workspace.path()).unwrap_err().to_string();
        assert!(message.contains("fit.jsonl` line 1"), "{message}");
        // Opened for reading alone, as a disk that takes no more.
        let mut log = StepLog { file: File::open(&path).unwrap(), path };
        let message = log.append(&record(2)).unwrap_err().to_string();
        assert!(message.contains("cannot write") && message.contains("--resume"), "{message}");
    }
}
