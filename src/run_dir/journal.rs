use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

use crate::files;
use crate::validation::{Journal, Unit, UnitResult, ValidationError};

/// One file a finished unit, checksummed, in the workspace of the run.
#[derive(Debug)]
pub struct DiskJournal {
    folder: PathBuf,
    stored: AtomicUsize,
}

#[derive(Serialize, Deserialize)]
struct Record {
    unit: Unit,
    checksum: String,
    result: String,
}

impl DiskJournal {
    pub(super) fn in_folder(folder: PathBuf) -> Self {
        Self { folder, stored: AtomicUsize::new(0) }
    }

    fn path(&self, unit: &Unit) -> PathBuf {
        let fold = unit.fold.map_or_else(|| "final".to_owned(), |fold| format!("fold-{fold}"));
        self.folder.join(format!("{}-seed-{}-{fold}.json", unit.member, unit.seed))
    }
}

impl Journal for DiskJournal {
    fn load(&self, unit: &Unit) -> Result<Option<UnitResult>, ValidationError> {
        let path = self.path(unit);
        let damaged = |what: &str| {
            ValidationError::Journal(format!(
                "`{}` {what}; remove it and `--resume`, or `--force`",
                path.display()
            ))
        };
        let Ok(text) = fs::read_to_string(&path) else { return Ok(None) };
        let record: Record = serde_json::from_str(&text).map_err(|_| damaged("is damaged"))?;
        let checksum = blake3::hash(record.result.as_bytes()).to_hex().to_string();
        if record.unit != *unit || record.checksum != checksum {
            return Err(damaged("does not match its checksum"));
        }
        serde_json::from_str(&record.result).map(Some).map_err(|_| damaged("is damaged"))
    }

    fn store(&self, unit: &Unit, result: &UnitResult) -> Result<(), ValidationError> {
        let failed = |error: &dyn std::fmt::Display| ValidationError::Journal(error.to_string());
        let result = serde_json::to_string(result).map_err(|error| failed(&error))?;
        let checksum = blake3::hash(result.as_bytes()).to_hex().to_string();
        let record = Record { unit: unit.clone(), checksum, result };
        let bytes = serde_json::to_vec(&record).map_err(|error| failed(&error))?;
        files::write(&self.path(unit), &bytes).map_err(|error| failed(&error))?;
        let stored = self.stored.fetch_add(1, Ordering::SeqCst) + 1;
        if injected_abort() == Some(stored) {
            // Tests break a run at every boundary this way; no clean-up may run.
            std::process::abort();
        }
        Ok(())
    }
}

fn injected_abort() -> Option<usize> {
    std::env::var("TIEBREAK_INJECT_ABORT_AFTER_RECORDS").ok()?.parse().ok()
}
