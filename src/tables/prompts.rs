//! The prompts that a run learned from, as CSV: `prompt,role,fold`.

use std::fmt::Write;
use std::path::Path;

use super::predictions::csv_field;
use super::{Table, TableError};
use crate::battle::GroupId;

/// Why a run knows the votes of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PromptRole {
    /// A row that was validated on; held out by its fold.
    Competition,
    /// A row that was only learned from.
    Extra,
    /// A row that taught the run whose pseudo-labels were learned from.
    Labeller,
}

impl PromptRole {
    const ALL: [Self; 3] = [Self::Competition, Self::Extra, Self::Labeller];

    fn name(self) -> &'static str {
        match self {
            Self::Competition => "competition",
            Self::Extra => "extra",
            Self::Labeller => "labeller",
        }
    }
}

/// One prompt whose votes reached a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PromptRow {
    /// `GroupId::of_prompt`.
    pub prompt: GroupId,
    /// The way on which they reached it.
    pub role: PromptRole,
    /// The fold that holds the prompt out, of competition rows; of a labeller's the fold whose labels do not know it.
    pub fold: Option<u32>,
}

/// Reads prompts; the columns stand in any order and further ones are passed over.
///
/// # Errors
/// `TableError` when the file is not such a table, or a role or fold is none.
pub fn read(path: &Path) -> Result<Vec<PromptRow>, TableError> {
    let table = Table::open(path)?;
    let [prompt_column, role_column, fold_column] = table.require(["prompt", "role", "fold"])?;
    let mut prompts = Vec::new();
    table.for_each_row(|row| {
        let fault = |column, name, problem| Table::fault(path, row, (column, name), problem);
        let prompt = row.cell(prompt_column).text().unwrap_or_default().into_owned();
        let role = row.cell(role_column).text().unwrap_or_default();
        let role = PromptRole::ALL
            .into_iter()
            .find(|known| known.name() == role)
            .ok_or_else(|| fault(role_column, "role", "is not one of `competition`, `extra`, `labeller`"))?;
        let fold = row.cell(fold_column).text().filter(|fold| !fold.is_empty());
        let fold = fold.map(|fold| fold.parse()).transpose();
        let fold =
            fold.map_err(|_| fault(fold_column, "fold", "is not the number of a fold (0, 1, 2, ..)"))?;
        prompts.push(PromptRow { prompt: GroupId(prompt), role, fold });
        Ok(())
    })?;
    Ok(prompts)
}

/// The CSV text of prompts; no fold is an empty field.
#[must_use]
pub fn to_csv<'a>(prompts: impl IntoIterator<Item = &'a PromptRow>) -> Vec<u8> {
    let mut text = "prompt,role,fold\n".to_owned();
    for PromptRow { prompt, role, fold } in prompts {
        let fold = fold.map_or_else(String::new, |fold| fold.to_string());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{},{},{fold}", csv_field(&prompt.0), role.name());
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_read_back_and_faults_name_row_and_value() {
        let row = |prompt: &str, role, fold| PromptRow { prompt: GroupId(prompt.to_owned()), role, fold };
        let rows = vec![
            row("0a", PromptRole::Competition, Some(3)),
            row("0a", PromptRole::Extra, None),
            row("0b", PromptRole::Labeller, None),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prompts.csv");
        std::fs::write(&path, to_csv(&rows)).unwrap();
        assert_eq!(read(&path).unwrap(), rows);
        for (line, says) in
            [("0a,teacher,", "row 1, column `role`: `teacher`"), ("0a,extra,x", "`x` is not the")]
        {
            std::fs::write(&path, format!("prompt,role,fold\n{line}\n")).unwrap();
            let message = read(&path).unwrap_err().to_string();
            assert!(message.contains(says), "{message}");
        }
    }
}
