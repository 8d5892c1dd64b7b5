//! The battles to label, of one or several files.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use crate::battle::{Battle, BattleId, GroupId};
use crate::commands::{BadInput, OrBadInput};
use crate::manifest::LabelledInput;
use crate::progress::Progress;
use crate::sources::{self, ReadOptions};

/// All files, one behind the other.
pub(super) struct Inputs {
    pub(super) battles: Vec<Battle>,
    /// Each file, without what became of its rows.
    files: Vec<LabelledInput>,
}

impl Inputs {
    /// Reads them all.
    ///
    /// # Errors
    /// As bad input when one cannot be read, or an id stands in two of them.
    pub(super) fn read(
        files: &[PathBuf],
        options: &ReadOptions,
        progress: &dyn Progress,
    ) -> anyhow::Result<Self> {
        let mut inputs = Self { battles: Vec::new(), files: Vec::new() };
        let mut ids = HashSet::new();
        for file in files {
            let read = sources::read_battles(file, options, progress).or_bad_input()?;
            if let Some(battle) = read.rows.iter().find(|battle| !ids.insert(battle.id.clone())) {
                return Err(BadInput(format!(
                    "id `{}` of `{}` stands in a file before it too; label each of the files on its own",
                    battle.id,
                    file.display()
                ))
                .into());
            }
            inputs.files.push(LabelledInput {
                file: file_name(file),
                format: read.format.to_string(),
                content_hash: read.content_hash,
                offered: read.rows.len(),
                kept: 0,
            });
            inputs.battles.extend(read.rows);
        }
        Ok(inputs)
    }

    /// The id of each row.
    pub(super) fn ids(&self) -> Vec<&BattleId> {
        self.battles.iter().map(|battle| &battle.id).collect()
    }

    /// Rows whose prompt is known.
    pub(super) fn count_known(&self, known: &BTreeSet<GroupId>) -> usize {
        self.battles.iter().filter(|battle| known.contains(&GroupId::of_prompt(battle))).count()
    }

    /// Each file with the number of its rows among those that were kept, which are ascending positions.
    pub(super) fn of_files(&self, kept: &[usize]) -> Vec<LabelledInput> {
        let mut start = 0;
        let with_count = |file: &LabelledInput| {
            let end = start + file.offered;
            let count = kept.iter().filter(|row| (start..end).contains(row)).count();
            start = end;
            LabelledInput { kept: count, ..file.clone() }
        };
        self.files.iter().map(with_count).collect()
    }
}

/// The name of a file without its folder.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
