use std::fs;
use std::path::{Path, PathBuf};

use super::{DiskJournal, MODELS, RunDir, RunError, Start};
use crate::files;

/// A run that is not finished: its files lie in `<run>.incomplete`.
#[derive(Debug)]
pub struct GrowingRun {
    final_path: PathBuf,
    directory: RunDir,
    start: Start,
}

impl GrowingRun {
    /// Makes the folder, or finds the one to continue.
    ///
    /// # Errors
    /// `RunError` when something stands in the way or the folder cannot be made.
    pub fn begin(run: &str, start: Start) -> Result<Self, RunError> {
        let final_path = RunDir::named(run).path;
        let mut name = final_path.file_name().map(std::ffi::OsStr::to_owned).unwrap_or_default();
        name.push(".incomplete");
        let path = final_path.with_file_name(name);
        let folder = |source| RunError::Folder { path: path.clone(), source };
        match start {
            Start::New if final_path.exists() => return Err(RunError::Exists { path: final_path }),
            Start::Resume if final_path.exists() && !path.exists() => {
                return Err(RunError::Exists { path: final_path });
            }
            Start::New if path.exists() => return Err(RunError::Unfinished { path }),
            Start::Force if path.exists() => fs::remove_dir_all(&path).map_err(folder)?,
            _ => {}
        }
        fs::create_dir_all(path.join(WORK)).map_err(folder)?;
        // Shows now rather than after hours whether files can be written there.
        files::write(&path.join(WORK).join("started"), b"")?;
        Ok(Self { final_path, directory: RunDir { path }, start })
    }

    /// Where its files lie until it is finished.
    #[must_use]
    pub fn directory(&self) -> &RunDir {
        &self.directory
    }

    /// A folder for intermediate files.
    #[must_use]
    pub fn workspace(&self) -> PathBuf {
        self.directory.path.join(WORK)
    }

    /// Moves the models of these names from the workspace to where they stay.
    ///
    /// # Errors
    /// `RunError::Folder` when the system refuses.
    pub fn keep_models<'a>(&self, names: impl IntoIterator<Item = &'a Path>) -> Result<(), RunError> {
        for name in names {
            let (from, to) =
                (self.workspace().join(MODELS).join(name), self.directory.models_path().join(name));
            if from.is_dir() && !to.exists() {
                let moved =
                    fs::create_dir_all(self.directory.models_path()).and_then(|()| fs::rename(&from, &to));
                moved.map_err(|source| RunError::Folder { path: from, source })?;
            }
        }
        Ok(())
    }

    /// The records of finished units; `identity` is the hash of all that decides the run.
    ///
    /// # Errors
    /// `RunError::Damaged` when the unfinished run was started with other data or settings.
    pub fn journal(&self, identity: &str) -> Result<DiskJournal, RunError> {
        let path = self.workspace().join("identity");
        match fs::read_to_string(&path) {
            Ok(earlier) if earlier.trim() != identity && self.start == Start::Resume => {
                let message = "the unfinished run was started with another configuration or other data; \
                               `--force` starts afresh"
                    .to_owned();
                return Err(RunError::Damaged { path, message });
            }
            Ok(_) => {}
            Err(_) => files::write(&path, identity.as_bytes())?,
        }
        Ok(DiskJournal::in_folder(self.workspace()))
    }

    /// Gives the run its name; an earlier one is removed only after the new one stands.
    ///
    /// # Errors
    /// `RunError::Folder` when the system refuses; the files then stay in the unfinished folder.
    pub fn finish(self) -> Result<RunDir, RunError> {
        let folder = |path: &Path| {
            let path = path.to_owned();
            move |source| RunError::Folder { path, source }
        };
        fs::remove_dir_all(self.workspace()).map_err(folder(&self.workspace()))?;
        let mut old_name = self.final_path.file_name().map(std::ffi::OsStr::to_owned).unwrap_or_default();
        old_name.push(".replaced");
        let old = self.final_path.with_file_name(old_name);
        if self.final_path.exists() {
            if old.exists() {
                fs::remove_dir_all(&old).map_err(folder(&old))?;
            }
            fs::rename(&self.final_path, &old).map_err(folder(&self.final_path))?;
        }
        fs::rename(&self.directory.path, &self.final_path).map_err(folder(&self.final_path))?;
        if old.exists() {
            fs::remove_dir_all(&old).map_err(folder(&old))?;
        }
        Ok(RunDir { path: self.final_path })
    }
}

const WORK: &str = "work";
