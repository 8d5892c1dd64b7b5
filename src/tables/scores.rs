//! Raw scores in Parquet: per row the log-probabilities of every member, before blend and calibration, and
//! what stood before those, so that links and calibrators can be fitted again without the model.

use polars::prelude::{Column, DataFrame, ParquetWriter};

use super::{TableError, parquet};
use crate::battle::{BattleId, Probabilities};

/// What one member said of all rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemberTable {
    /// Its name.
    pub name: String,
    /// Its prediction of each row, where it made one.
    pub probabilities: Vec<Option<Probabilities>>,
    /// The names of its raw numbers.
    pub raw_columns: Vec<String>,
    /// Its raw numbers of each row; none, or not a number, where they were not computed.
    pub raw: Vec<Vec<f32>>,
}

/// The Parquet file: `id`; `outcome` where `outcomes` are given, one a row; then `MEMBER.ln_a`, `MEMBER.ln_b`,
/// `MEMBER.ln_tie` and `MEMBER.RAW` for each raw number of each member.
///
/// # Errors
/// `TableError::MakeParquet` when polars refuses.
pub fn to_parquet(
    ids: &[BattleId],
    outcomes: Option<&[&str]>,
    members: &[MemberTable],
) -> Result<Vec<u8>, TableError> {
    let failed = |error| TableError::MakeParquet { problem: parquet::first_line(&error) };
    let names: Vec<&str> = ids.iter().map(|id| id.0.as_str()).collect();
    let mut columns = vec![Column::new("id".into(), names)];
    columns.extend(outcomes.map(|outcomes| Column::new("outcome".into(), outcomes)));
    for member in members {
        for (class, name) in ["ln_a", "ln_b", "ln_tie"].iter().enumerate() {
            let values: Vec<Option<f64>> =
                member.probabilities.iter().map(|row| row.map(|p| p.ln()[class])).collect();
            columns.push(Column::new(format!("{}.{name}", member.name).into(), values));
        }
        for (position, name) in member.raw_columns.iter().enumerate() {
            let number = |row: &Vec<f32>| row.get(position).copied().filter(|number| !number.is_nan());
            let values: Vec<Option<f32>> = member.raw.iter().map(number).collect();
            columns.push(Column::new(format!("{}.{name}", member.name).into(), values));
        }
    }
    let mut frame = DataFrame::new(ids.len(), columns).map_err(failed)?;
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame).map_err(failed)?;
    Ok(bytes)
}
