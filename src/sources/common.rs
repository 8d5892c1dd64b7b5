use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{RowLabel, SourceRow};
use crate::battle::Battle;
use crate::tables::{Row, Table};

/// What every format has beside its texts and its label: models, session, language, metadata.
pub(super) struct Common {
    models: Option<[usize; 2]>,
    session: Option<usize>,
    language: Option<usize>,
    metadata: Vec<(usize, String)>,
    keep_metadata: bool,
}

impl Common {
    /// Finds these columns; `known` are the columns that the format itself takes.
    pub(super) fn new(table: &Table, known: &[usize], keep_metadata: bool) -> Self {
        let models = table.column("model_a").zip(table.column("model_b")).map(|(a, b)| [a, b]);
        let session = ["session", "evaluation_session_id"].iter().find_map(|name| table.column(name));
        let language = table.column("language");
        let taken = |column: &usize| {
            known.contains(column)
                || models.is_some_and(|models| models.contains(column))
                || session == Some(*column)
                || language == Some(*column)
        };
        let metadata = (0..table.columns().len())
            .filter(|column| keep_metadata && !taken(column))
            .map(|column| (column, table.columns()[column].clone()))
            .collect();
        Self { models, session, language, metadata, keep_metadata }
    }

    /// Puts the row together.
    pub(super) fn row(&self, row: &Row<'_>, battle: Battle, label: Option<RowLabel>) -> SourceRow {
        let text =
            |column: usize| row.cell(column).text().filter(|text| !text.is_empty()).map(Cow::into_owned);
        let models = self.models.map(|models| models.map(text));
        let models = models.filter(|names| names.iter().any(Option::is_some));
        let mut metadata: BTreeMap<String, String> = self
            .metadata
            .iter()
            .filter_map(|(column, name)| Some((name.clone(), row.cell(*column).text()?.into_owned())))
            .collect();
        if self.keep_metadata {
            let more =
                row.more.iter().filter_map(|(name, cell)| Some((name.clone(), cell.text()?.into_owned())));
            metadata.extend(more);
        }
        SourceRow {
            row: row.number,
            battle,
            label,
            weight: 1.0,
            models: models.map(|names| names.map(Option::unwrap_or_default)),
            session: self.session.and_then(text),
            language: self.language.and_then(text),
            metadata,
        }
    }
}
