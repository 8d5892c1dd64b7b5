use serde::{Deserialize, Serialize};

use super::part::Shown;
use super::{EncodingError, Template, Truncation};

/// In which orders the responses are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Orders {
    /// A first.
    Ab,
    /// B first.
    Ba,
    /// Both, in one batch.
    #[default]
    Both,
}

/// How much of a battle a sequence may hold. It is not part of an encoding's identity: training at 1,024
/// tokens and predicting at 2,048 is sound, though a calibrator was then fitted at another budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncodingBudget {
    /// Tokens of one sequence at most, special tokens included.
    pub max_tokens: usize,
    /// What is left out of a longer one.
    #[serde(default)]
    pub truncation: Truncation,
    /// In which orders the responses are read; of no effect where each response is alone.
    #[serde(default)]
    pub orders: Orders,
}

impl EncodingBudget {
    /// The sequences of one battle.
    #[must_use]
    pub fn shown(&self, template: &Template) -> &'static [Shown] {
        match (template.is_single(), self.orders) {
            (true, _) => &[Shown::OnlyA, Shown::OnlyB],
            (false, Orders::Ab) => &[Shown::Ab],
            (false, Orders::Ba) => &[Shown::Ba],
            (false, Orders::Both) => &[Shown::Ab, Shown::Ba],
        }
    }

    /// # Errors
    /// `Recipe` names the field that is out of its range.
    pub(super) fn check(&self) -> Result<(), EncodingError> {
        if self.max_tokens == 0 {
            return Err(EncodingError::recipe("max_tokens", "0", "at least 1"));
        }
        let Truncation::Parts(parts) = &self.truncation else { return Ok(()) };
        let share = parts.head_share;
        if !(share > 0.0 && share < 1.0) {
            return Err(EncodingError::recipe("head_share", &share.to_string(), "above 0 and below 1"));
        }
        for (name, share) in [("prompt", parts.shares.prompt), ("response", parts.shares.response)] {
            if !(share.is_finite() && share > 0.0) {
                let field = format!("shares.{name}");
                return Err(EncodingError::recipe(&field, &share.to_string(), "a number above 0"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_outside_its_range_is_named() {
        let read = |text: &str| serde_json::from_str::<EncodingBudget>(text).unwrap();
        assert!(read(r#"{"max_tokens":512}"#).check().is_ok());
        let said = |text: &str| read(text).check().unwrap_err().to_string();
        assert!(said(r#"{"max_tokens":0}"#).contains("`max_tokens`"));
        let shares = r#"{"max_tokens":9,"truncation":{"kind":"parts","shares":{"prompt":0,"response":1}}}"#;
        assert!(said(shares).contains("`shares.prompt`"));
        let head = r#"{"max_tokens":9,"truncation":{"kind":"parts","head_share":1.0}}"#;
        assert!(said(head).contains("`head_share`"));
    }
}
