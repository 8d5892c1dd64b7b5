//! Soft labels by the fold whose model gave them: the columns of predictions, and `fold`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use super::predictions::{COLUMNS, UniqueIds, csv_field, probabilities_of};
use super::{Table, TableError};
use crate::battle::{BattleId, Probabilities};

/// What the model of a fold says of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct FoldLabel {
    /// The key of the row.
    pub id: BattleId,
    /// The fold that the model never saw; none for what a fit on all rows learns from.
    pub fold: Option<u32>,
    /// The label.
    pub probabilities: Probabilities,
}

/// Reads labels that have a column `fold`; none of a table without it. The columns stand in any order, further ones are
/// passed over.
///
/// # Errors
/// `TableError` when the file is not such a table, a value is no probability, a row does not sum to 1, a fold is no whole
/// number, or an id stands there twice in one fold.
pub fn read(path: &Path) -> Result<Option<Vec<FoldLabel>>, TableError> {
    let table = Table::open(path)?;
    let Some(fold_column) = table.column("fold") else { return Ok(None) };
    let [id_column, columns @ ..] = table.require(COLUMNS)?;
    let mut ids: BTreeMap<Option<u32>, UniqueIds> = BTreeMap::new();
    let mut labels = Vec::new();
    table.for_each_row(|row| {
        let fold = row.cell(fold_column).text().filter(|fold| !fold.trim().is_empty());
        let fold = fold.map(|fold| fold.trim().parse()).transpose().map_err(|_| {
            let problem = "is not the number of a fold (0, 1, 2, ..), nor empty for all of them";
            Table::fault(path, row, (fold_column, "fold"), problem)
        })?;
        let id = ids.entry(fold).or_default().take(path, row, id_column)?;
        labels.push(FoldLabel { id, fold, probabilities: probabilities_of(path, row, columns)? });
        Ok(())
    })?;
    Ok(Some(labels))
}

/// The CSV text of labels; no fold is an empty field.
#[must_use]
pub fn to_csv(labels: &[FoldLabel]) -> Vec<u8> {
    let mut text = COLUMNS.join(",") + ",fold\n";
    for FoldLabel { id, fold, probabilities } in labels {
        let [a, b, tie] = probabilities.to_array();
        let fold = fold.map_or_else(String::new, |fold| fold.to_string());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{},{a:?},{b:?},{tie:?},{fold}", csv_field(&id.0));
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &[u8]) -> Result<Option<Vec<FoldLabel>>, TableError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.csv");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn labels_are_read_back_by_fold_and_a_table_without_folds_is_another() {
        let label = |id: &str, fold, values| FoldLabel {
            id: BattleId(id.to_owned()),
            fold,
            probabilities: Probabilities::new(values).unwrap(),
        };
        let labels = vec![
            label("a,1", Some(0), [0.5, 0.3, 0.2]),
            label("a,1", Some(1), [0.25, 0.25, 0.5]),
            label("a,1", None, [0.375, 0.275, 0.35]),
        ];
        assert_eq!(read_text(&to_csv(&labels)).unwrap(), Some(labels));
        assert_eq!(read_text(b"id,winner_model_a,winner_model_b,winner_tie\n1,1,0,0\n").unwrap(), None);
    }

    #[test]
    fn faults_name_row_column_and_value() {
        let header = COLUMNS.join(",");
        let message =
            |rows: &str| read_text(format!("{header},fold\n{rows}").as_bytes()).unwrap_err().to_string();
        assert!(message("1,1,0,0,0\n1,1,0,0,1\n1,1,0,0,0\n").contains("id `1` twice, in rows 1 and 3"));
        assert!(message("1,1,0,0,x\n").contains("row 1, column `fold`: `x` is not the number of a fold"));
        assert!(message("1,1,1,0,0\n").contains("sum to 2, not to 1"));
    }
}
