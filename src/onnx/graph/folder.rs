use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::GraphError;
use crate::checkpoint::files::CARD;

/// A folder that appears under its name only when it is whole; dropped before, it leaves no trace.
pub(super) struct StagedFolder {
    staging: TempDir,
    target: PathBuf,
}

impl StagedFolder {
    /// Makes a neighbour of the target, which must not be there yet or, to be replaced, be a model folder.
    pub(super) fn create(target: &Path, replace: bool) -> Result<Self, GraphError> {
        if target.exists() && !replace {
            return Err(GraphError::Exists { path: target.to_owned() });
        }
        if target.exists() && !target.join(CARD).is_file() {
            return Err(GraphError::NoModelFolder { path: target.to_owned() });
        }
        let parent = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let failed = |source| GraphError::Folder { path: parent.to_owned(), source };
        fs::create_dir_all(parent).map_err(failed)?;
        let staging = tempfile::Builder::new()
            .prefix(".tiebreak-import-")
            .suffix(".incomplete")
            .tempdir_in(parent)
            .map_err(failed)?;
        Ok(Self { staging, target: target.to_owned() })
    }

    /// Where its files are put until then.
    pub(super) fn path(&self) -> &Path {
        self.staging.path()
    }

    /// Gives it its name.
    pub(super) fn commit(self) -> Result<(), GraphError> {
        let failed = |source| GraphError::Folder { path: self.target.clone(), source };
        set_ordinary_permissions(self.staging.path()).map_err(failed)?;
        // The earlier model goes into a folder that disappears when the new one stands.
        let earlier = if self.target.exists() {
            let parent = self.staging.path().parent().unwrap_or(Path::new("."));
            let folder = tempfile::Builder::new().prefix(".tiebreak-replaced-").tempdir_in(parent);
            let folder = folder.map_err(failed)?;
            fs::rename(&self.target, folder.path().join("model")).map_err(failed)?;
            Some(folder)
        } else {
            None
        };
        if let Err(source) = fs::rename(self.staging.path(), &self.target) {
            let kept = earlier.and_then(|folder| give_back(folder, &self.target));
            return Err(match kept {
                None => failed(source),
                Some(path) => GraphError::EarlierKept { target: self.target.clone(), path, source },
            });
        }
        // Nothing is left to remove under the old name.
        let _ = self.staging.keep();
        Ok(())
    }
}

/// Gives the earlier model its name back; where that fails it stays where it is, and that place is given.
fn give_back(earlier: TempDir, target: &Path) -> Option<PathBuf> {
    if fs::rename(earlier.path().join("model"), target).is_ok() {
        return None;
    }
    Some(earlier.keep().join("model"))
}

#[cfg(unix)]
fn set_ordinary_permissions(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // Temporary folders are private; models are for everybody whom the folder above admits.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn set_ordinary_permissions(_: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_appears_whole_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("models").join("m");
        let staged = StagedFolder::create(&target, false).unwrap();
        fs::write(staged.path().join("a"), b"1").unwrap();
        drop(staged);
        assert_eq!(fs::read_dir(root.path().join("models")).unwrap().count(), 0);
        let staged = StagedFolder::create(&target, false).unwrap();
        fs::write(staged.path().join("a"), b"1").unwrap();
        staged.commit().unwrap();
        assert_eq!(fs::read(target.join("a")).unwrap(), b"1");
        assert_eq!(fs::read_dir(root.path().join("models")).unwrap().count(), 1);
        assert!(matches!(StagedFolder::create(&target, false), Err(GraphError::Exists { .. })));
    }

    #[test]
    fn the_earlier_model_survives_when_the_new_one_cannot_get_its_name() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("m");
        let earlier = || {
            let earlier = tempfile::tempdir_in(root.path()).unwrap();
            fs::create_dir(earlier.path().join("model")).unwrap();
            fs::write(earlier.path().join("model").join(CARD), b"earlier").unwrap();
            earlier
        };
        assert_eq!(give_back(earlier(), &target), None);
        assert_eq!(fs::read(target.join(CARD)).unwrap(), b"earlier");
        // The name is taken by something that cannot be replaced: the model stays, and its place is told.
        let kept = give_back(earlier(), &target).unwrap();
        assert_eq!(fs::read(kept.join(CARD)).unwrap(), b"earlier");
    }

    #[test]
    fn only_a_model_is_replaced_and_the_earlier_one_stays_until_then() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("m");
        fs::create_dir(&target).unwrap();
        assert!(matches!(StagedFolder::create(&target, true), Err(GraphError::NoModelFolder { .. })));
        fs::write(target.join(CARD), b"earlier").unwrap();
        drop(StagedFolder::create(&target, true).unwrap());
        assert_eq!(fs::read(target.join(CARD)).unwrap(), b"earlier");
        let staged = StagedFolder::create(&target, true).unwrap();
        fs::write(staged.path().join(CARD), b"later").unwrap();
        staged.commit().unwrap();
        assert_eq!(fs::read(target.join(CARD)).unwrap(), b"later");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
