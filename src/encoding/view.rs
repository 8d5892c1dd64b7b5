use serde::Serialize;

use super::part::{Part, PartCounts, Shown};
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
        let tokens = laid
            .iter()
            .map(|laid| TokenView {
                id: laid.token.id,
                token: self.tokens.spelling(laid.token.id),
                type_id: laid.type_id,
                part: laid.token.part,
                turn: laid.token.turn,
            })
            .collect();
        let text = self.tokens.decoded(&ids)?;
        let max_tokens = self.budget().max_tokens;
        Ok(RowView { id: battle.id.to_string(), shown, max_tokens, counts, tokens, text })
    }
}
