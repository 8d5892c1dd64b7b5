use serde::{Deserialize, Serialize};

/// What is left out of a sequence that is too long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Truncation {
    /// The whole sequence is cut, whatever part it meets, the template's own words too.
    Whole {
        /// Which end or middle is cut away.
        side: Side,
    },
    /// Each part is cut by itself, the template's own words stay.
    Parts(PartsTruncation),
}

impl Default for Truncation {
    fn default() -> Self {
        Self::Parts(PartsTruncation::default())
    }
}

/// Where a whole sequence is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The beginning is cut away.
    Left,
    /// The end is cut away; the second response disappears first.
    Right,
    /// The middle is cut away.
    Middle,
}

/// What stays of a part that is too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// The beginning.
    Head,
    /// The end.
    Tail,
    /// Both, without the middle.
    #[default]
    HeadTail,
}

/// How the turns of a conversation share the budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnOrder {
    /// The last turn first, then the one before it, as far as the budget goes; earlier ones are left out.
    #[default]
    LastFirst,
    /// All turns alike; the earliest are left out only where the floors do not fit.
    Even,
}

/// Shares of the budget of parts that all want more; only their ratios count. A and B have one share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shares {
    /// Of the prompt.
    pub prompt: f64,
    /// Of each response.
    pub response: f64,
}

impl Default for Shares {
    fn default() -> Self {
        Self { prompt: 1.0, response: 2.0 }
    }
}

/// How parts are cut; a budget is shared by water-filling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PartsTruncation {
    /// What stays of a part that is too long.
    pub keep: Keep,
    /// With `head_tail`: how much of what stays is head, above 0 and below 1.
    pub head_share: f64,
    /// Written where something was cut out; `None` for nothing.
    pub marker: Option<String>,
    /// Shares of the budget.
    pub shares: Shares,
    /// Tokens that no part falls below while another one is above.
    pub floor: usize,
    /// How several turns share the budget.
    pub turns: TurnOrder,
}

impl Default for PartsTruncation {
    fn default() -> Self {
        Self {
            keep: Keep::default(),
            head_share: 0.5,
            marker: Some(" ... ".to_owned()),
            shares: Shares::default(),
            floor: 32,
            turns: TurnOrder::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_of_a_policy_is_refused() {
        let read = |text: &str| serde_json::from_str::<Truncation>(text);
        assert!(read(r#"{"kind":"parts","keep":"tail","floor":8}"#).is_ok());
        assert!(read(r#"{"kind":"whole","side":"middle"}"#).is_ok());
        assert!(read(r#"{"kind":"parts","flor":8}"#).is_err());
        assert!(read(r#"{"kind":"whole","side":"middle","keep":"tail"}"#).is_err());
    }
}
