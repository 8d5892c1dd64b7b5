//! Predictions in files: `id,winner_model_a,winner_model_b,winner_tie`, as CSV or Parquet.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;

use polars::prelude::{Column, DataFrame, ParquetWriter};

use super::{Row, Table, TableError, parquet};
use crate::battle::{BattleId, Probabilities};

/// The columns, in the order in which they are written.
pub const COLUMNS: [&str; 4] = ["id", "winner_model_a", "winner_model_b", "winner_tie"];

/// Reads predictions; the columns stand in any order and further ones are passed over.
///
/// # Errors
/// `TableError` when the file is not such a table, a value is no probability, a row does not sum to 1,
/// or an id stands there twice.
pub fn read(path: &Path) -> Result<Vec<(BattleId, Probabilities)>, TableError> {
    let table = Table::open(path)?;
    let [id_column, columns @ ..] = table.require(COLUMNS)?;
    let mut ids = UniqueIds::default();
    let mut predictions = Vec::new();
    table.for_each_row(|row| {
        let id = ids.take(path, row, id_column)?;
        let probabilities = probabilities_of(path, row, columns)?;
        predictions.push((id, probabilities));
        Ok(())
    })?;
    Ok(predictions)
}

pub(super) fn probabilities_of(
    path: &Path,
    row: &Row<'_>,
    columns: [usize; 3],
) -> Result<Probabilities, TableError> {
    let mut values = [0.0; 3];
    for (index, column) in columns.into_iter().enumerate() {
        let fault = |problem| Table::fault(path, row, (column, COLUMNS[index + 1]), problem);
        values[index] = row.cell(column).number().ok_or_else(|| fault("is not a number"))?;
        if !(0.0..=1.0).contains(&values[index]) {
            return Err(fault("is not a probability; it must lie in 0..1"));
        }
    }
    Probabilities::new(values).map_err(|error| TableError::Value {
        path: path.to_owned(),
        row: row.number,
        column: COLUMNS[1..].join("`, `"),
        value: values.map(|value| value.to_string()).join(", "),
        problem: format!("sum to {}, not to 1", error.values.iter().sum::<f64>()),
    })
}

/// Ids in the order of their rows, each of which must be new.
#[derive(Debug, Default)]
pub(super) struct UniqueIds {
    rows: HashMap<BattleId, u64>,
}

impl UniqueIds {
    pub(super) fn take(&mut self, path: &Path, row: &Row<'_>, column: usize) -> Result<BattleId, TableError> {
        let id = row.cell(column).text().filter(|id| !id.is_empty());
        let id =
            BattleId(id.ok_or_else(|| Table::fault(path, row, (column, "id"), "is no id"))?.into_owned());
        if let Some(first) = self.rows.insert(id.clone(), row.number) {
            return Err(TableError::RepeatedId { path: path.to_owned(), id, first, second: row.number });
        }
        Ok(id)
    }
}

/// The CSV text of predictions; every number is the shortest that reads back as the same f64.
#[must_use]
pub fn to_csv(predictions: &[(BattleId, Probabilities)]) -> Vec<u8> {
    let mut text = COLUMNS.join(",") + "\n";
    for (id, probabilities) in predictions {
        let [a, b, tie] = probabilities.to_array();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{},{a:?},{b:?},{tie:?}", csv_field(&id.0));
    }
    text.into_bytes()
}

/// The Parquet file of predictions.
///
/// # Errors
/// `TableError::MakeParquet` when polars refuses.
pub fn to_parquet(predictions: &[(BattleId, Probabilities)]) -> Result<Vec<u8>, TableError> {
    let failed = |error| TableError::MakeParquet { problem: parquet::first_line(&error) };
    let ids: Vec<&str> = predictions.iter().map(|(id, _)| id.0.as_str()).collect();
    let mut columns = vec![Column::new(COLUMNS[0].into(), ids)];
    for (class, name) in COLUMNS[1..].iter().enumerate() {
        let values: Vec<f64> = predictions.iter().map(|(_, p)| p.to_array()[class]).collect();
        columns.push(Column::new((*name).into(), values));
    }
    let mut frame = DataFrame::new(predictions.len(), columns).map_err(failed)?;
    let mut bytes = Vec::new();
    let description = parquet::described(frame.schema(), Vec::new());
    let writer = ParquetWriter::new(&mut bytes).with_key_value_metadata(Some(description));
    writer.finish(&mut frame).map_err(failed)?;
    Ok(bytes)
}

/// A text as one field of a CSV file, in quotes where it needs them.
pub(crate) fn csv_field(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\"")).into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<(BattleId, Probabilities)>, TableError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.csv");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn columns_stand_in_any_order_and_further_ones_are_passed_over() {
        let found = read_text("winner_tie,note,id,winner_model_a,winner_model_b\n0.2,x,7,0.5,0.3\n").unwrap();
        assert_eq!(found[0].0, BattleId("7".to_owned()));
        assert_eq!(found[0].1, Probabilities::new([0.5, 0.3, 0.2]).unwrap());
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let values =
            [[0.1, 0.2, 0.7], [1.0, 0.0, 0.0], [1.0 / 3.0, 1.0 / 3.0, 1.0 - 2.0 / 3.0], [1e-300, 0.5, 0.5]];
        let predictions: Vec<_> = values
            .iter()
            .enumerate()
            .map(|(row, values)| (BattleId(format!("a,{row}")), Probabilities::new(*values).unwrap()))
            .collect();
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in [("p.csv", to_csv(&predictions)), ("p.bin", to_parquet(&predictions).unwrap())] {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let found = read(&path).unwrap();
            for ((id, p), (found_id, q)) in predictions.iter().zip(&found) {
                assert_eq!(id, found_id);
                let printed = Probabilities::new(p.to_array()).unwrap();
                assert_eq!(printed, *q);
            }
        }
    }

    #[test]
    fn faults_name_row_column_and_value() {
        let header = COLUMNS.join(",");
        let message = |rows: &str| read_text(&format!("{header}\n{rows}")).unwrap_err().to_string();
        assert!(message("1,0.5,0.3,0.2\n2,NaN,0.5,0.5\n").contains("row 2, column `winner_model_a`: `NaN`"));
        assert!(message("1,0.5,x,0.2\n").contains("row 1, column `winner_model_b`: `x` is not a number"));
        assert!(message("1,0.5,0.5,0.5\n").contains("sum to 1.5, not to 1"));
        assert!(message("1,1,0,0\n2,1,0,0\n1,1,0,0\n").contains("id `1` twice, in rows 1 and 3"));
        assert!(message("").contains("but no row"));
        assert!(read_text("id,a\n1,2\n").unwrap_err().to_string().contains("no column `winner_model_a`"));
    }
}
