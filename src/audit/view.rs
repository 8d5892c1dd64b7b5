use rayon::prelude::*;

use super::Rows;
use crate::battle::{Battle, GroupId, LabeledBattle, Response, normalised_prompt};
use crate::metrics::Groups;
use crate::splits;

/// 128 bits of the BLAKE3 hash of a text or of the responses of one side: equal keys are equal texts.
pub(super) type Key = u128;

/// The rows of a file in canonical order (by id, then by content), with what tells them apart.
pub(super) struct View<'a> {
    pub(super) battles: Vec<&'a Battle>,
    pub(super) labeled: Vec<&'a LabeledBattle>,
    /// The normalised prompts of all turns.
    pub(super) prompts: Vec<Key>,
    /// The responses of side A and of side B, exactly as they are, missing ones apart from empty ones.
    pub(super) sides: Vec<[Key; 2]>,
    /// The prompt-and-session group of each row.
    pub(super) groups: Groups,
}

/// A battle without regard to which side is which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Pairing {
    pub(super) prompt: Key,
    low: Key,
    high: Key,
}

impl<'a> View<'a> {
    pub(super) fn new(rows: Rows<'a>) -> Self {
        let (battles, groups) = match rows {
            Rows::Labeled(rows) => (rows.iter().map(|row| &row.battle).collect(), splits::groups(rows)),
            Rows::Unlabeled(rows) => {
                (rows.iter().collect::<Vec<_>>(), rows.par_iter().map(GroupId::of_prompt).collect())
            }
        };
        let prompts: Vec<Key> = battles.par_iter().map(|battle| prompt_key(battle)).collect();
        let sides: Vec<[Key; 2]> = battles.par_iter().map(|battle| side_keys(battle)).collect();
        let mut order: Vec<usize> = (0..battles.len()).collect();
        order.sort_by_key(|row| (&battles[*row].id, prompts[*row], sides[*row], label_bits(rows, *row)));
        Self {
            battles: order.iter().map(|row| battles[*row]).collect(),
            labeled: match rows {
                Rows::Labeled(rows) => order.iter().map(|row| &rows[*row]).collect(),
                Rows::Unlabeled(_) => Vec::new(),
            },
            prompts: order.iter().map(|row| prompts[*row]).collect(),
            sides: order.iter().map(|row| sides[*row]).collect(),
            groups: Groups::new(order.iter().map(|row| &groups[*row])),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.battles.len()
    }

    /// The battle of a row without its sides, and whether A and B stand exchanged in it.
    pub(super) fn pairing(&self, row: usize) -> (Pairing, bool) {
        let [a, b] = self.sides[row];
        (Pairing { prompt: self.prompts[row], low: a.min(b), high: a.max(b) }, a > b)
    }
}

/// The key of the normalised prompts of a battle.
pub(super) fn prompt_key(battle: &Battle) -> Key {
    key_of(&blake3::hash(normalised_prompt(battle).as_bytes()))
}

fn side_keys(battle: &Battle) -> [Key; 2] {
    let key = |side: fn(&crate::battle::Turn) -> &Response| {
        let mut hasher = blake3::Hasher::new();
        for turn in battle.turns.iter() {
            let response = side(turn);
            let text = response.as_str();
            // The length in front keeps two turns apart from one, the tag a missing answer from an empty one.
            hasher.update(&[u8::from(response.is_missing())]);
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        key_of(&hasher.finalize())
    };
    [key(|turn| &turn.response_a), key(|turn| &turn.response_b)]
}

fn key_of(hash: &blake3::Hash) -> Key {
    let mut half = [0; 16];
    half.copy_from_slice(&hash.as_bytes()[..16]);
    u128::from_le_bytes(half)
}

/// Rows that agree in all else come in the order of their labels.
fn label_bits(rows: Rows<'_>, row: usize) -> [u64; 3] {
    match rows {
        Rows::Labeled(rows) => rows[row].target.to_array().map(f64::to_bits),
        Rows::Unlabeled(_) => [0; 3],
    }
}
