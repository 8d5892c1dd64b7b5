//! The arena releases (33k, 100k, 140k, expert) and MT-bench: two conversations and a winner.

use std::borrow::Cow;

use super::common::Common;
use super::conversation::{Side, beside, messages};
use super::error::Fault;
use super::labels::{LabelColumns, row_id};
use super::{Counts, Decode, Format, SourceRow};
use crate::battle::{Battle, BattleId};
use crate::tables::{Row, Table, TableError};

pub(super) struct Arena {
    id: usize,
    conversations: [usize; 2],
    labels: LabelColumns,
    common: Common,
    /// MT-bench only: who judged, and up to which turn.
    judged: Option<Judged>,
}

struct Judged {
    judge: usize,
    turn: usize,
    models: [usize; 2],
}

impl Arena {
    pub(super) fn new(table: &Table, format: Format, keep_metadata: bool) -> Result<Self, TableError> {
        let id = match format {
            Format::Arena33k | Format::Arena100k | Format::MtBench => "question_id",
            _ => "id",
        };
        let [id, conversation_a, conversation_b] = table.require([id, "conversation_a", "conversation_b"])?;
        let judged = if format == Format::MtBench {
            let [judge, turn, model_a, model_b] = table.require(["judge", "turn", "model_a", "model_b"])?;
            Some(Judged { judge, turn, models: [model_a, model_b] })
        } else {
            None
        };
        let labels = LabelColumns::of(table)?;
        let mut known = labels.columns();
        known.extend([id, conversation_a, conversation_b]);
        // It repeats the two conversations, turn by turn.
        known.extend(table.column("full_conversation"));
        let common = Common::new(table, &known, keep_metadata);
        Ok(Self { id, conversations: [conversation_a, conversation_b], labels, common, judged })
    }
}

impl Decode for Arena {
    fn decode(&self, row: &Row<'_>, counts: &mut Counts, battles: &mut Vec<SourceRow>) -> Result<(), Fault> {
        let images_before = counts.images;
        let [a, b] = self.conversations;
        let mut a = Side::of(messages(row.cell(a), "conversation_a", counts)?);
        let mut b = Side::of(messages(row.cell(b), "conversation_b", counts)?);
        // An image that both sides were shown is one row with an image.
        counts.images = counts.images.min(images_before + 1);
        let mut id = row_id(row, self.id)?;
        if let Some(judged) = &self.judged {
            id = judged.id(row, &id);
            let turns = judged.turns(row)?;
            (a, b) = (a.truncated(turns), b.truncated(turns));
        }
        let (system, turns) = beside(a, b, counts);
        let battle = Battle { id, system, turns: turns.into() };
        battles.push(self.common.row(row, battle, self.labels.read(row)?));
        Ok(())
    }
}

impl Judged {
    /// A question is judged by several people, for several pairs of models, at two turns.
    fn id(&self, row: &Row<'_>, question: &BattleId) -> BattleId {
        let [model_a, model_b] = self.models;
        let parts: Vec<Cow<'_, str>> = [model_a, model_b, self.judge, self.turn]
            .iter()
            .map(|column| row.cell(*column).text().unwrap_or_default())
            .collect();
        BattleId(format!("{question}/{}", parts.join("/")))
    }

    fn turns(&self, row: &Row<'_>) -> Result<usize, Fault> {
        let cell = row.cell(self.turn);
        let turn = cell.text().and_then(|text| text.parse().ok()).filter(|turn| *turn > 0);
        turn.ok_or_else(|| Fault::new("turn", cell, "is no number of turns from 1"))
    }
}
