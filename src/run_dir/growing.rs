use std::fs;
use std::path::{Path, PathBuf};

use super::{CHECKPOINTS, DiskJournal, MODELS, RunDir, RunError, Start};
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
        files::write(&path.join(WORK).join(STARTED), b"")?;
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

    /// Moves the models of these names, and checkpoints of the same names, from the workspace to where they stay.
    ///
    /// # Errors
    /// `RunError::Folder` when the system refuses.
    pub fn keep_models<'a>(&self, names: impl IntoIterator<Item = &'a Path>) -> Result<(), RunError> {
        for name in names {
            for folder in [MODELS, CHECKPOINTS] {
                let stays = self.directory.path.join(folder);
                let (from, to) = (self.workspace().join(folder).join(name), stays.join(name));
                if from.is_dir() && !to.exists() {
                    let moved = fs::create_dir_all(&stays).and_then(|()| fs::rename(&from, &to));
                    moved.map_err(|source| RunError::Folder { path: from, source })?;
                }
            }
        }
        Ok(())
    }

    /// The records of finished units; `identity` is all that decides the run, each thing by what a person calls it
    /// and its hash.
    ///
    /// # Errors
    /// `RunError::Damaged` that names what differs when the unfinished run was started with other data or settings.
    pub fn journal(&self, identity: &[(String, String)]) -> Result<DiskJournal, RunError> {
        let path = self.workspace().join(IDENTITY);
        let lines: Vec<String> = identity.iter().map(|(what, hash)| format!("{hash} {what}\n")).collect();
        let identity = lines.concat();
        match fs::read_to_string(&path) {
            Ok(earlier) if earlier != identity && self.start == Start::Resume => {
                let message = format!(
                    "what the unfinished run was started with was not the same here: {}; the same continues it, \
                     `--force` starts afresh",
                    differing(&earlier, &identity)
                );
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
        Ok(RunDir { path: self.final_path.clone() })
    }
}

impl Drop for GrowingRun {
    /// A folder in which no work was done goes again, so that the same command can be given once what was wrong is mended.
    fn drop(&mut self) {
        if is_untouched(&self.workspace()) {
            // Where the system refuses it, the next command says what stands in its way.
            let _ = fs::remove_dir_all(&self.directory.path);
        }
    }
}

/// Whether a workspace holds nothing but what every run begins with.
fn is_untouched(workspace: &Path) -> bool {
    let Ok(entries) = fs::read_dir(workspace) else { return false };
    let is_work = |entry: std::io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| ![STARTED, IDENTITY].iter().any(|name| entry.file_name() == *name))
    };
    !entries.into_iter().any(is_work)
}

/// What two identities differ in, by name.
fn differing(earlier: &str, now: &str) -> String {
    let missing = |from: &str, lines: &str| -> Vec<String> {
        let known: Vec<&str> = from.lines().collect();
        let other = lines.lines().filter(|line| !known.contains(line));
        other.map(|line| line.split_once(' ').map_or(line, |(_, what)| what).to_owned()).collect()
    };
    let mut names = missing(now, earlier);
    for name in missing(earlier, now) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

const WORK: &str = "work";
/// In every workspace.
const STARTED: &str = "started";
/// In the workspace of a run whose data were read: what decides it.
const IDENTITY: &str = "identity";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_run_is_told_what_differs_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run").display().to_string();
        let identity = |data: &str, folds: &str| -> Vec<(String, String)> {
            [("the configuration", "c"), ("the folds", folds), ("the rows of `train.csv`", data)]
                .map(|(what, hash)| (what.to_owned(), hash.to_owned()))
                .to_vec()
        };
        begin_with_work(&run, &identity("d", "f"));
        let again = || GrowingRun::begin(&run, Start::Resume).unwrap();
        again().journal(&identity("d", "f")).unwrap();
        let message = again().journal(&identity("x", "f")).unwrap_err().to_string();
        assert!(message.contains("not the same here: the rows of `train.csv`;"), "{message}");
        let message = again().journal(&identity("x", "y")).unwrap_err().to_string();
        assert!(message.contains("the folds, the rows of `train.csv`;"), "{message}");
    }

    fn begin_with_work(run: &str, identity: &[(String, String)]) {
        let growing = GrowingRun::begin(run, Start::New).unwrap();
        growing.journal(identity).unwrap();
        files::write(&growing.workspace().join("unit.json"), b"").unwrap();
    }

    #[test]
    fn a_folder_in_which_nothing_was_done_goes_again() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run").display().to_string();
        let unfinished = folder.path().join("run.incomplete");
        let begun = |start| GrowingRun::begin(&run, start).unwrap();
        drop(begun(Start::New));
        assert!(!unfinished.exists());
        let identity = [("the folds".to_owned(), "f".to_owned())];
        begun(Start::New).journal(&identity).unwrap();
        assert!(!unfinished.exists(), "it knew what to do, and did nothing");
        begin_with_work(&run, &identity);
        assert!(unfinished.exists());
        drop(begun(Start::Resume));
        assert!(unfinished.exists());
        assert!(matches!(GrowingRun::begin(&run, Start::New), Err(RunError::Unfinished { .. })));
    }
}
