//! Raw scores in Parquet: per row the log-probabilities of every member, before blend and calibration.

use polars::prelude::{Column, DataFrame, ParquetWriter};

use super::{TableError, parquet};
use crate::battle::{BattleId, Probabilities};

/// The Parquet file: `id`, then `MEMBER.ln_a`, `MEMBER.ln_b`, `MEMBER.ln_tie` for each member.
/// `scores[row]` holds one prediction a member, in the order of `members`.
///
/// # Errors
/// `TableError::MakeParquet` when polars refuses.
pub fn to_parquet(
    ids: &[BattleId],
    members: &[String],
    scores: &[Vec<Probabilities>],
) -> Result<Vec<u8>, TableError> {
    let failed = |error| TableError::MakeParquet { problem: parquet::first_line(&error) };
    let names: Vec<&str> = ids.iter().map(|id| id.0.as_str()).collect();
    let mut columns = vec![Column::new("id".into(), names)];
    for (position, member) in members.iter().enumerate() {
        for (class, name) in ["ln_a", "ln_b", "ln_tie"].iter().enumerate() {
            let values: Vec<Option<f64>> =
                scores.iter().map(|row| row.get(position).map(|p| p.ln()[class])).collect();
            columns.push(Column::new(format!("{member}.{name}").into(), values));
        }
    }
    let mut frame = DataFrame::new(ids.len(), columns).map_err(failed)?;
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame).map_err(failed)?;
    Ok(bytes)
}
