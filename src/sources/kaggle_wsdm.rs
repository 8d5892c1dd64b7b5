//! Kaggle WSDM Cup: plain texts of one turn, `winner`, `language`.

use super::common::Common;
use super::error::Fault;
use super::labels::{LabelColumns, row_id};
use super::{Counts, Decode, SourceRow};
use crate::battle::{Battle, Response, Turn};
use crate::tables::{Row, Table, TableError};

pub(super) struct KaggleWsdm {
    columns: [usize; 4],
    labels: LabelColumns,
    common: Common,
}

impl KaggleWsdm {
    pub(super) fn new(table: &Table, keep_metadata: bool) -> Result<Self, TableError> {
        let columns = table.require(["id", "prompt", "response_a", "response_b"])?;
        let labels = LabelColumns::of(table)?;
        let mut known = labels.columns();
        known.extend(columns);
        Ok(Self { columns, labels, common: Common::new(table, &known, keep_metadata) })
    }
}

impl Decode for KaggleWsdm {
    fn decode(&self, row: &Row<'_>, _: &mut Counts, battles: &mut Vec<SourceRow>) -> Result<(), Fault> {
        let [id, prompt, response_a, response_b] = self.columns;
        let text = |column: usize| row.cell(column).text().map(std::borrow::Cow::into_owned);
        let response = |column: usize| text(column).map_or(Response::Missing, Response::Text);
        let turn = Turn {
            prompt: text(prompt).unwrap_or_default(),
            response_a: response(response_a),
            response_b: response(response_b),
        };
        let battle = Battle { id: row_id(row, id)?, system: None, turns: [turn].into() };
        battles.push(self.common.row(row, battle, self.labels.read(row)?));
        Ok(())
    }
}
