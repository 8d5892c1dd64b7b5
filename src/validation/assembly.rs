use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::battle::{Class, LabeledBattle, Target, Task, normalised, normalised_prompt};

/// What became of the rows of one source on the way to the training set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssemblyCounts {
    /// Rows read.
    pub read: usize,
    /// Rows left out because their prompt or battle came before.
    pub duplicates: usize,
    /// Ties left out by the two-way task.
    pub ties_dropped: usize,
    /// Ties that the two-way task counts as half a win for each side.
    pub ties_halved: usize,
    /// Rows whose labels were replaced by soft ones.
    pub soft_labels: usize,
    /// Rows that were given no label by the run that labelled the others.
    #[serde(default)]
    pub unlabelled: usize,
    /// Rows that remain.
    pub kept: usize,
}

/// Makes rows fit for the two-way task: a tie is dropped, or counts as half a win for each side. A soft
/// target keeps its proportion of A and B. Returns how many ties there were.
pub fn prepare_for_task(rows: &mut Vec<LabeledBattle>, task: Task, halve_ties: bool) -> usize {
    if task == Task::ThreeWay {
        return 0;
    }
    let mut ties = 0;
    rows.retain_mut(|row| {
        ties += usize::from(is_tie(row.target));
        let prepared = without_tie(row.target, halve_ties);
        row.target = prepared.unwrap_or(row.target);
        prepared.is_some()
    });
    ties
}

/// Whether a tie is the likeliest.
pub(super) fn is_tie(target: Target) -> bool {
    target.to_array()[2] > 0.0 && target.largest() == Class::Tie
}

/// A target without a tie; none where that is the likeliest and does not count as half a win for each side.
pub(super) fn without_tie(target: Target, halve_ties: bool) -> Option<Target> {
    let [a, b, tie] = target.to_array();
    if tie == 0.0 {
        return Some(target);
    }
    if is_tie(target) && !halve_ties {
        return None;
    }
    let shares =
        if halve_ties { [a + tie / 2.0, b + tie / 2.0, 0.0] } else { [a / (a + b), b / (a + b), 0.0] };
    Target::new(shares).ok()
}

/// Keeps the first row, in the order given, of each key; returns how many were left out.
pub fn keep_first_of_each(rows: &mut Vec<LabeledBattle>, key: impl Fn(&LabeledBattle) -> String) -> usize {
    let before = rows.len();
    let mut seen = BTreeSet::new();
    rows.retain(|row| seen.insert(blake3::hash(key(row).as_bytes()).as_bytes().to_owned()));
    before - rows.len()
}

/// Keeps the first row of each normalised prompt; returns how many were left out.
pub fn keep_first_of_each_prompt(rows: &mut Vec<LabeledBattle>) -> usize {
    keep_first_of_each(rows, |row| normalised_prompt(&row.battle))
}

/// Keeps the first row of each prompt with its two responses, in either order.
pub fn keep_first_of_each_battle(rows: &mut Vec<LabeledBattle>) -> usize {
    keep_first_of_each(rows, |row| {
        let turns = &row.battle.turns;
        let side_a: Vec<String> = turns.iter().map(|turn| normalised(turn.response_a.as_str())).collect();
        let side_b: Vec<String> = turns.iter().map(|turn| normalised(turn.response_b.as_str())).collect();
        let mut sides = [side_a.join("\n"), side_b.join("\n")];
        sides.sort_unstable();
        format!("{}\u{1}{}\u{1}{}", normalised_prompt(&row.battle), sides[0], sides[1])
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::battle::{Battle, BattleId, Response, Turn, Vote};

    fn row(id: &str, prompt: &str, responses: [&str; 2], vote: Vote) -> LabeledBattle {
        let [a, b] = responses.map(|text| Response::Text(text.to_owned()));
        let turn = Turn { prompt: prompt.to_owned(), response_a: a, response_b: b };
        LabeledBattle {
            battle: Battle::new(BattleId(id.to_owned()), None, vec![turn]).unwrap(),
            vote: Some(vote),
            target: vote.into(),
            weight: 1.0,
            models: None,
            session: None,
            language: None,
            metadata: BTreeMap::new(),
        }
    }

    #[test]
    fn the_two_way_task_drops_or_halves_ties_and_the_three_way_task_keeps_them() {
        let rows = vec![row("1", "p", ["x", "y"], Vote::A), row("2", "p", ["x", "y"], Vote::BothBad)];
        let mut kept = rows.clone();
        assert_eq!(prepare_for_task(&mut kept, Task::ThreeWay, false), 0);
        assert_eq!(kept, rows);
        assert_eq!((prepare_for_task(&mut kept, Task::TwoWay, false), kept.len()), (1, 1));
        let mut halved = rows;
        prepare_for_task(&mut halved, Task::TwoWay, true);
        assert_eq!(halved[1].target.to_array(), [0.5, 0.5, 0.0]);
    }

    #[test]
    fn a_swapped_copy_is_the_same_battle_but_not_a_new_prompt() {
        let rows = vec![
            row("1", "Hello  there", ["x", "y"], Vote::A),
            row("2", "hello there", ["Y", "x"], Vote::B),
            row("3", "hello there", ["z", "x"], Vote::B),
        ];
        let mut battles = rows.clone();
        assert_eq!(keep_first_of_each_battle(&mut battles), 1);
        let mut prompts = rows;
        assert_eq!(keep_first_of_each_prompt(&mut prompts), 2);
    }
}
