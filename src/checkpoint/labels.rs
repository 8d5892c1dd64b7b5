use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::CheckpointError;

/// What an output of a head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputMeaning {
    /// The logit that A wins.
    A,
    /// The logit that B wins.
    B,
    /// The logit of a tie.
    Tie,
    /// The logit of "both are bad", which becomes a tie in three-way tasks.
    BothBad,
    /// The reward of a single response.
    Score,
}

/// The spellings that are understood; case, spaces and hyphens do not matter.
const SPELLINGS: [(OutputMeaning, &[&str]); 5] = [
    (OutputMeaning::A, &["a", "model_a", "response_a", "winner_model_a", "a_wins"]),
    (OutputMeaning::B, &["b", "model_b", "response_b", "winner_model_b", "b_wins"]),
    (OutputMeaning::Tie, &["tie", "winner_tie", "draw"]),
    (OutputMeaning::BothBad, &["both_bad", "bothbad", "tie_(bothbad)"]),
    (OutputMeaning::Score, &["score", "reward"]),
];

impl OutputMeaning {
    /// Its name in messages and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
            Self::Tie => "tie",
            Self::BothBad => "both_bad",
            Self::Score => "score",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        let plain = name.trim().to_lowercase().replace([' ', '-'], "_");
        SPELLINGS.iter().find(|(_, names)| names.contains(&plain.as_str())).map(|(meaning, _)| *meaning)
    }

    /// The order in which a fresh head has its outputs; `None` for a number of outputs that means nothing.
    #[must_use]
    pub fn usual(outputs: usize) -> Option<Vec<Self>> {
        match outputs {
            1 => Some(vec![Self::Score]),
            2..=4 => Some([Self::A, Self::B, Self::Tie, Self::BothBad][..outputs].to_vec()),
            _ => None,
        }
    }
}

/// Reads a list such as `a,b,tie`.
///
/// # Errors
/// `CheckpointError::Labels` for an unknown word, or a set that is none of score; a, b; a, b, tie; a, b, tie, both bad.
pub fn parse_meanings(list: &str) -> Result<Vec<OutputMeaning>, CheckpointError> {
    let names: Vec<&str> = list.split(',').collect();
    meanings(&names, "--outputs")
}

/// The meaning of each output as `id2label` states it; one output is a score whatever its name.
pub(super) fn from_config(config: &Value, outputs: usize) -> Result<Vec<OutputMeaning>, CheckpointError> {
    let source_name = "id2label in config.json";
    if outputs == 1 {
        return Ok(vec![OutputMeaning::Score]);
    }
    let problem = |problem: String| CheckpointError::Labels { source_name: source_name.to_owned(), problem };
    let Some(labels) = config.get("id2label").and_then(Value::as_object) else {
        return Err(problem(format!("it is not there, and there are {outputs} outputs")));
    };
    let names: Vec<&str> = (0..outputs)
        .map(|index| labels.get(&index.to_string()).and_then(Value::as_str).unwrap_or("(absent)"))
        .collect();
    if labels.len() != outputs {
        return Err(problem(format!("it has {} entries, and there are {outputs} outputs", labels.len())));
    }
    meanings(&names, source_name)
}

fn meanings(names: &[&str], source_name: &str) -> Result<Vec<OutputMeaning>, CheckpointError> {
    let problem = |problem: String| CheckpointError::Labels { source_name: source_name.to_owned(), problem };
    let found: Vec<OutputMeaning> = names
        .iter()
        .enumerate()
        .map(|(index, name)| {
            OutputMeaning::from_name(name)
                .ok_or_else(|| problem(format!("output {index} is called `{name}`")))
        })
        .collect::<Result<_, _>>()?;
    let mut sorted = found.clone();
    sorted.sort();
    if OutputMeaning::usual(found.len()).is_none_or(|usual| usual != sorted) {
        return Err(problem(format!("`{}` is not one output for each verdict", names.join(","))));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use OutputMeaning::{A, B, BothBad, Tie};
    use serde_json::json;

    #[test]
    fn names_in_any_order_and_spelling_are_understood() {
        let config =
            json!({"id2label": {"0": "Tie", "1": "model_a", "2": "tie (bothbad)", "3": "response-B"}});
        assert_eq!(from_config(&config, 4).unwrap(), [Tie, A, BothBad, B]);
        assert_eq!(parse_meanings("b, a").unwrap(), [B, A]);
    }

    #[test]
    fn one_output_is_a_score_whatever_its_name() {
        assert_eq!(from_config(&json!({"id2label": {"0": "LABEL_0"}}), 1).unwrap(), [OutputMeaning::Score]);
    }

    #[test]
    fn names_that_say_nothing_are_refused_with_the_flag_that_says_it() {
        let config = json!({"id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}});
        let message = from_config(&config, 3).unwrap_err().to_string();
        assert!(message.contains("`LABEL_0`") && message.contains("--outputs a,b,tie"), "{message}");
        assert!(from_config(&json!({}), 3).is_err());
        for wrong in ["a,a,tie", "a,b,both_bad", "a,b,score", "a", ""] {
            assert!(parse_meanings(wrong).is_err(), "{wrong}");
        }
    }
}
