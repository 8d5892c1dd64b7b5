use serde::Serialize;

use super::part::{Part, PartCounts, Shown};
use super::tokenizer::PlacedToken;
use super::wrapping::Laid;
use super::{Encoder, EncodingError};
use crate::battle::Battle;

/// Exactly what a model sees of one battle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowView {
    /// The key of the row.
    pub id: String,
    /// What the sequence shows.
    pub shown: Shown,
    /// The budget, in tokens.
    pub max_tokens: usize,
    /// The tokens of the whole text and of what stayed, part by part.
    pub counts: PartCounts,
    /// Every token, in order.
    pub tokens: Vec<TokenView>,
    /// Tokens of the whole text behind the last one of it that stayed, before the special tokens at the end.
    pub cut_at_end: usize,
    /// The ids decoded, special tokens included.
    pub text: String,
}

/// One token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenView {
    /// Its id.
    pub id: u32,
    /// Its spelling in the vocabulary.
    pub token: String,
    /// Its segment.
    pub type_id: u32,
    /// Where it comes from.
    pub part: Part,
    /// The turn that it belongs to, from 0; `None` for specials and the outer frame.
    pub turn: Option<usize>,
    /// Tokens of the whole text that were left out between it and the one before it.
    pub cut_before: usize,
}

impl Encoder {
    /// What the model sees of a battle, one view for each of its sequences.
    ///
    /// # Errors
    /// `Battle` when it cannot be encoded.
    pub fn views(&self, battle: &Battle) -> Result<Vec<RowView>, EncodingError> {
        let shown = self.budget().shown(&self.recipe().template);
        shown.iter().map(|shown| self.view(battle, *shown)).collect()
    }

    fn view(&self, battle: &Battle, shown: Shown) -> Result<RowView, EncodingError> {
        let (laid, counts) = self.laid(battle, shown)?;
        let ids: Vec<u32> = laid.iter().map(|laid| laid.token.id).collect();
        let mut next = 0;
        let mut view = |laid: &Laid| {
            let Laid { token, type_id } = laid;
            let cut_before = token.place.map_or(0, |place| place - next);
            next = token.place.map_or(next, |place| place + 1);
            let PlacedToken { id, part, turn, .. } = *token;
            TokenView { id, token: self.tokens.spelling(id), type_id: *type_id, part, turn, cut_before }
        };
        let tokens = laid.iter().map(&mut view).collect();
        let cut_at_end = counts.original() - next;
        let text = self.tokens.decoded(&ids)?;
        let max_tokens = self.budget().max_tokens;
        Ok(RowView { id: battle.id.to_string(), shown, max_tokens, counts, tokens, cut_at_end, text })
    }
}
