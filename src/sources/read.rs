use std::collections::BTreeMap;
use std::path::Path;

use super::{Counts, Format, Reader, RowLabel, SourceError, SourceRow};
use crate::battle::{Battle, BattleId, LabeledBattle, Target};
use crate::progress::Progress;

/// How a file is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// The format; found out by the columns if not given.
    pub format: Option<Format>,
    /// Only so many rows from the beginning.
    pub max_rows: Option<usize>,
}

/// What a file held.
#[derive(Clone, Debug, PartialEq)]
pub struct Ingested<T> {
    /// The rows, in the order of the file.
    pub rows: Vec<T>,
    /// The format that the file has.
    pub format: Format,
    /// What was odd.
    pub counts: Counts,
    /// The BLAKE3 hash of the bytes of the whole file, hexadecimal.
    pub content_hash: String,
}

/// Reads battles of which every one must have a label.
///
/// # Errors
/// When the file, its format or a value is at fault, an id stands there twice, or a row has no label.
pub fn read_labeled(
    path: &Path,
    options: &ReadOptions,
    progress: &dyn Progress,
) -> Result<Ingested<LabeledBattle>, SourceError> {
    let reader = Reader::open(path, options, true)?;
    read(reader, path, progress, |row| {
        let (number, id) = (row.row, row.battle.id.clone());
        let labeled = row.into_labeled();
        labeled.ok_or_else(|| SourceError::NoLabel { path: path.to_owned(), row: number, id })
    })
}

/// Reads battles whose labels stand elsewhere: each row with its soft label, or its id alone where it has none.
/// What the file itself says of a winner is passed over.
///
/// # Errors
/// When the file, its format or a value is at fault, or an id stands there twice.
pub fn read_soft_labeled(
    path: &Path,
    options: &ReadOptions,
    labels: &BTreeMap<BattleId, Target>,
    progress: &dyn Progress,
) -> Result<Ingested<Result<LabeledBattle, BattleId>>, SourceError> {
    read(Reader::open(path, options, true)?, path, progress, |mut row| {
        let id = row.battle.id.clone();
        row.label = labels.get(&id).map(|target| RowLabel { vote: None, target: *target });
        Ok(row.into_labeled().ok_or(id))
    })
}

/// Reads battles to be predicted; labels are not needed and never kept.
///
/// # Errors
/// When the file, its format or a value is at fault, or an id stands there twice.
pub fn read_battles(
    path: &Path,
    options: &ReadOptions,
    progress: &dyn Progress,
) -> Result<Ingested<Battle>, SourceError> {
    read(Reader::open(path, options, false)?, path, progress, |row| Ok(row.battle))
}

fn read<T>(
    mut reader: Reader,
    path: &Path,
    progress: &dyn Progress,
    take: impl Fn(SourceRow) -> Result<T, SourceError>,
) -> Result<Ingested<T>, SourceError> {
    let (total, unit) = reader.total()?;
    let task = progress.start(&format!("reading {}", path.display()), Some(total), unit);
    let mut rows = Vec::new();
    let mut done = 0;
    while let Some(chunk) = reader.next_chunk()? {
        rows.reserve(chunk.len());
        for row in chunk {
            rows.push(take(row)?);
        }
        task.advance(reader.done() - done);
        done = reader.done();
    }
    let format = reader.format();
    let (counts, content_hash) = reader.finish()?;
    Ok(Ingested { rows, format, counts, content_hash })
}
