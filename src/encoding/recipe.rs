use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::EncodingError;

/// What decides the token ids of a battle that fits: the identity of an encoding, beside the tokenizer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncodingRecipe {
    /// How a battle is written.
    pub template: Template,
    /// What stands for a response that was never recorded.
    #[serde(default)]
    pub missing: MissingResponse,
}

/// What stands for a response that was never recorded (JSON `null`); decided here and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum MissingResponse {
    /// Nothing, like an empty response.
    Empty {},
    /// This text.
    Text {
        /// The text.
        text: String,
    },
}

impl Default for MissingResponse {
    fn default() -> Self {
        Self::Text { text: "null".to_owned() }
    }
}

impl MissingResponse {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Empty {} => "",
            Self::Text { text } => text,
        }
    }
}

/// How a battle is written as text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Template {
    /// All prompts, all responses in the first place, all responses in the second place.
    Concatenated {
        /// What is written before each part.
        #[serde(default)]
        labels: Labels,
        /// The prompt is the first text and the responses the second one of a pair (BERT's segments).
        #[serde(default)]
        pair: bool,
    },
    /// Prompt and both responses, turn by turn.
    Interleaved {
        /// What is written before each part.
        #[serde(default)]
        labels: Labels,
    },
    /// The model's own chat template around one message of the user that holds the comparison.
    Chat {
        /// Written before the comparison.
        #[serde(default)]
        instruction: String,
        /// How the comparison is written.
        #[serde(default)]
        layout: ChatLayout,
        /// What is written before each part.
        #[serde(default)]
        labels: Labels,
        /// Written after the comparison.
        #[serde(default)]
        ending: String,
        /// Whether the turn of the assistant is opened at the end.
        #[serde(default = "yes")]
        add_generation_prompt: bool,
        /// Further variables of the chat template, such as `enable_thinking`.
        #[serde(default)]
        variables: BTreeMap<String, serde_json::Value>,
    },
    /// Prompt and one response, plain; each response is a sequence of its own.
    Single {
        /// What is written before each part; `response` is used, not those of A and B.
        #[serde(default)]
        labels: Labels,
        /// The last response is the second text of a pair and no label is written.
        #[serde(default)]
        pair: bool,
    },
    /// Prompt and one response as a conversation in the model's own chat template.
    SingleChat {
        /// Further variables of the chat template.
        #[serde(default)]
        variables: BTreeMap<String, serde_json::Value>,
    },
    /// The user's own template over `turns`, each with `prompt` and `response_a`, `response_b`, or, with
    /// `single`, `response`.
    Custom {
        /// A minijinja template.
        template: String,
        /// Each response is a sequence of its own.
        #[serde(default)]
        single: bool,
    },
}

fn yes() -> bool {
    true
}

/// How a comparison is written into a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatLayout {
    /// All prompts, all responses A, all responses B.
    #[default]
    Concatenated,
    /// Turn by turn.
    Interleaved,
}

/// What is written before each part, blanks and line ends included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Labels {
    /// Before a prompt.
    pub prompt: String,
    /// Before a response in the first place.
    pub response_a: String,
    /// Before a response in the second place.
    pub response_b: String,
    /// Before the one response of a single sequence.
    pub response: String,
    /// Between two turns.
    pub between_turns: String,
}

impl Default for Labels {
    fn default() -> Self {
        Self {
            prompt: "<prompt>: ".to_owned(),
            response_a: "\n\n<response_a>: ".to_owned(),
            response_b: "\n\n<response_b>: ".to_owned(),
            response: "\n\n<response>: ".to_owned(),
            between_turns: "\n\n".to_owned(),
        }
    }
}

impl Template {
    /// Whether each response is a sequence of its own.
    #[must_use]
    pub fn is_single(&self) -> bool {
        matches!(self, Self::Single { .. } | Self::SingleChat { .. } | Self::Custom { single: true, .. })
    }

    /// Its kind, as configurations name it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Concatenated { .. } => "concatenated",
            Self::Interleaved { .. } => "interleaved",
            Self::Chat { .. } => "chat",
            Self::Single { .. } => "single",
            Self::SingleChat { .. } => "single_chat",
            Self::Custom { .. } => "custom",
        }
    }

    /// Whether the tokenizer's special tokens are written by the chat template itself.
    pub(super) fn is_chat(&self) -> bool {
        matches!(self, Self::Chat { .. } | Self::SingleChat { .. })
    }

    pub(super) fn is_pair(&self) -> bool {
        matches!(self, Self::Concatenated { pair: true, .. } | Self::Single { pair: true, .. })
    }

    /// # Errors
    /// `Recipe` when a custom template is empty.
    pub(super) fn check(&self) -> Result<(), EncodingError> {
        match self {
            Self::Custom { template, .. } if template.trim().is_empty() => {
                Err(EncodingError::recipe("template", "``", "a minijinja template over `turns`"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_reads_with_defaults_and_refuses_unknown_keys() {
        let read = |text: &str| serde_json::from_str::<EncodingRecipe>(text);
        let recipe = read(r#"{"template":{"kind":"chat","instruction":"Judge."}}"#).unwrap();
        assert!(matches!(recipe.template, Template::Chat { add_generation_prompt: true, .. }));
        assert_eq!(recipe.missing, MissingResponse::Text { text: "null".to_owned() });
        assert_eq!(read(&serde_json::to_string(&recipe).unwrap()).unwrap(), recipe);
        assert!(read(r#"{"template":{"kind":"chat","instrution":"Judge."}}"#).is_err());
        assert!(read(r#"{"template":{"kind":"interleaved","labels":{"promt":"p"}}}"#).is_err());
        assert!(read(r#"{"template":{"kind":"interleaved"},"missing":{"kind":"empty","x":1}}"#).is_err());
    }
}
