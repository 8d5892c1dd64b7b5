//! Battles with their labels, for the commands that ask a model folder about some of them.

use std::path::Path;

use super::OrBadInput;
use crate::battle::{Battle, Target};
use crate::progress::Progress;
use crate::sources::{self, ReadOptions};

/// A battle, and its label where the file has one.
pub(super) type MaybeLabelled = (Battle, Option<Target>);

/// Reads a file in any supported format, in its order.
///
/// # Errors
/// As bad input when it cannot be read.
pub(super) fn read(
    file: &Path,
    options: &ReadOptions,
    progress: &dyn Progress,
) -> anyhow::Result<Vec<MaybeLabelled>> {
    let mut reader = sources::open(file, options).or_bad_input()?;
    let task = progress.start(&format!("reading {}", file.display()), None, "battles");
    let mut battles = Vec::new();
    while let Some(rows) = reader.next_chunk().or_bad_input()? {
        task.advance(rows.len() as u64);
        battles.extend(rows.into_iter().map(|row| (row.battle, row.label.map(|label| label.target))));
    }
    Ok(battles)
}
