//! Folds in files: `id,group,fold`, or only `id,fold`.

use std::fmt::Write;
use std::path::Path;

use super::predictions::{UniqueIds, csv_field};
use super::{Table, TableError};
use crate::battle::{BattleId, GroupId};

/// Where one row of a data set belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldRow {
    /// The key of the row.
    pub id: BattleId,
    /// The rows that stay together with it, where the file says so.
    pub group: Option<GroupId>,
    /// The fold that holds the row out, from 0.
    pub fold: u32,
}

/// Reads folds; the columns stand in any order, `group` may be absent, further ones are passed over.
///
/// # Errors
/// `TableError` when the file is not such a table, a fold is no whole number, or an id stands there twice.
pub fn read(path: &Path) -> Result<Vec<FoldRow>, TableError> {
    let table = Table::open(path)?;
    let [id_column, fold_column] = table.require(["id", "fold"])?;
    let group_column = table.column("group");
    let mut ids = UniqueIds::default();
    let mut folds = Vec::new();
    table.for_each_row(|row| {
        let id = ids.take(path, row, id_column)?;
        let text = row.cell(fold_column).text().unwrap_or_default();
        let problem = "is not the number of a fold (0, 1, 2, ..)";
        let fold =
            text.trim().parse().map_err(|_| Table::fault(path, row, (fold_column, "fold"), problem))?;
        let group =
            group_column.and_then(|column| row.cell(column).text().map(|group| GroupId(group.into_owned())));
        folds.push(FoldRow { id, group, fold });
        Ok(())
    })?;
    Ok(folds)
}

/// The CSV text of folds, `id,group,fold`; an unknown group is an empty field.
#[must_use]
pub fn to_csv(folds: &[FoldRow]) -> Vec<u8> {
    let mut text = "id,group,fold\n".to_owned();
    for FoldRow { id, group, fold } in folds {
        let group = group.as_ref().map_or("".into(), |group| csv_field(&group.0));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{},{group},{fold}", csv_field(&id.0));
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &[u8]) -> Result<Vec<FoldRow>, TableError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("folds.csv");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn folds_are_read_back_with_and_without_groups() {
        let row = |id: &str, group: Option<&str>, fold| FoldRow {
            id: BattleId(id.to_owned()),
            group: group.map(|group| GroupId(group.to_owned())),
            fold,
        };
        let folds = vec![row("a \"1\"", Some("g,1"), 0), row("b", None, 4)];
        assert_eq!(read_text(&to_csv(&folds)).unwrap(), folds);
        assert_eq!(read_text(b"id,fold\nx,3\n").unwrap(), [row("x", None, 3)]);
    }

    #[test]
    fn faults_name_row_column_and_value() {
        let message = |text: &[u8]| read_text(text).unwrap_err().to_string();
        assert!(message(b"id,fold\nx,3\ny,-1\n").contains("row 2, column `fold`: `-1` is not the number"));
        assert!(message(b"id,fold\nx,1\nx,1\n").contains("twice, in rows 1 and 2"));
        assert!(message(b"id,group\nx,1\n").contains("no column `fold`; found `id`, `group`"));
    }
}
