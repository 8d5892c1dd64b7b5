use std::collections::BTreeMap;

use super::WorstRow;
use crate::battle::{BattleId, LabeledBattle, Probabilities, Turn};
use crate::metrics::{Columns, log_losses};

/// The longest text of a worst row, in characters.
const MAX_CHARACTERS: usize = 1_500;

/// The `count` rows with the largest loss, largest first, of equal ones the smaller id first.
#[must_use]
pub fn worst_rows(
    columns: &Columns<Probabilities>,
    battles: &BTreeMap<&BattleId, &LabeledBattle>,
    count: usize,
) -> Vec<WorstRow> {
    let losses = log_losses(&columns.predictions, &columns.targets);
    let mut order: Vec<usize> = (0..losses.len()).collect();
    order.sort_by(|one, other| losses[*other].total_cmp(&losses[*one]).then(one.cmp(other)));
    let row = |row: usize| {
        let battle = battles.get(&columns.ids[row]);
        let text = |of_turn: fn(&Turn) -> &str| {
            let turns = battle.map_or(&[][..], |labeled| &labeled.battle.turns);
            cut(&turns.iter().map(of_turn).collect::<Vec<_>>().join("\n\n"))
        };
        WorstRow {
            id: columns.ids[row].to_string(),
            loss: losses[row],
            predicted: columns.predictions[row].to_array(),
            target: columns.targets[row].to_array(),
            prompt: text(|turn| &turn.prompt),
            response_a: text(|turn| turn.response_a.as_str()),
            response_b: text(|turn| turn.response_b.as_str()),
        }
    };
    order.into_iter().take(count).map(row).collect()
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARACTERS) {
        Some((end, _)) => format!("{} [...]", &text[..end]),
        None => text.to_owned(),
    }
}
