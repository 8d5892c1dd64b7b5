use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The key of a row, kept as text: integers on LMSYS, hexadecimal strings on WSDM.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BattleId(pub String);

impl fmt::Display for BattleId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What a model answered in one turn; a missing answer (JSON `null`) is not an empty one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Response {
    /// No answer was recorded.
    Missing,
    /// The answer, perhaps empty.
    Text(String),
}

impl Response {
    /// The answer as text; a missing one reads as the empty text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Missing => "",
            Self::Text(text) => text,
        }
    }

    /// Whether no answer was recorded at all.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }
}

/// One prompt and the two responses to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Turn {
    /// What the person asked; empty where the file holds none.
    pub prompt: String,
    /// What model A answered.
    pub response_a: Response,
    /// What model B answered.
    pub response_b: Response,
}

impl Turn {
    /// The same turn with the two sides exchanged.
    #[must_use]
    pub fn swapped(&self) -> Self {
        Self {
            prompt: self.prompt.clone(),
            response_a: self.response_b.clone(),
            response_b: self.response_a.clone(),
        }
    }
}

/// What a predictor may see of a row: no vote and no model names, so that it cannot leak them.
#[derive(Clone, Debug, PartialEq)]
pub struct Battle {
    /// The key of the row.
    pub id: BattleId,
    /// The system prompt, where the source has one.
    pub system: Option<String>,
    /// The conversation, first turn first; at least one turn.
    pub turns: Arc<[Turn]>,
}

/// A battle needs at least one turn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("battle `{id}` has no turn; a battle needs at least one")]
pub struct NoTurns {
    /// The key of the refused row.
    pub id: BattleId,
}

impl Battle {
    /// A battle of at least one turn.
    ///
    /// # Errors
    /// `NoTurns` when `turns` is empty.
    pub fn new(id: BattleId, system: Option<String>, turns: Vec<Turn>) -> Result<Self, NoTurns> {
        if turns.is_empty() {
            return Err(NoTurns { id });
        }
        Ok(Self { id, system, turns: turns.into() })
    }

    /// The same battle with the two sides exchanged; an involution.
    #[must_use]
    pub fn swapped(&self) -> Self {
        Self {
            id: self.id.clone(),
            system: self.system.clone(),
            turns: self.turns.iter().map(Turn::swapped).collect(),
        }
    }
}
