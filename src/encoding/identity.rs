use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::EncodingRecipe;

/// What decides the token ids of a battle that fits its budget; stored beside a model, which refuses to run
/// when that of its encoder has another hash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncodingIdentity {
    /// Of this record and of the rules of this stage.
    pub format_version: u32,
    /// Of the readers that made battles from files.
    pub ingest_version: u32,
    /// BLAKE3 of `tokenizer.json`, in hexadecimal digits.
    pub tokenizer: String,
    /// Special tokens by name.
    pub special_tokens: BTreeMap<String, String>,
    /// The chat template, where the recipe uses it.
    pub chat_template: Option<String>,
    /// Template and null rule.
    pub recipe: EncodingRecipe,
    /// What each output of the model means.
    pub label_order: Vec<String>,
}

impl EncodingIdentity {
    /// To be raised whenever the same recipe gives other ids.
    pub const FORMAT_VERSION: u32 = 1;

    /// BLAKE3 of the record, in hexadecimal digits.
    #[must_use]
    pub fn hash(&self) -> String {
        // A record of texts and numbers always has a JSON form, its keys in the order of the fields.
        let json = serde_json::to_vec(self).unwrap_or_default();
        blake3::hash(&json).to_hex().to_string()
    }

    /// The first thing in which two encodings differ, in words; `None` for the same encoding.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<&'static str> {
        let parts = [
            (self.format_version == other.format_version, "the version of the encoding"),
            (self.ingest_version == other.ingest_version, "the version of the readers"),
            (self.tokenizer == other.tokenizer, "tokenizer.json"),
            (self.special_tokens == other.special_tokens, "the special tokens"),
            (self.chat_template == other.chat_template, "the chat template"),
            (self.recipe.template == other.recipe.template, "the template"),
            (self.recipe.missing == other.recipe.missing, "what stands for a missing response"),
            (self.label_order == other.label_order, "the order of the labels"),
        ];
        parts.iter().find(|(same, _)| !same).map(|(_, name)| *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::{Labels, MissingResponse, Template};

    #[test]
    fn every_part_of_the_identity_changes_its_hash() {
        let template = Template::Interleaved { labels: Labels::default() };
        let identity = EncodingIdentity {
            format_version: 1,
            ingest_version: 1,
            tokenizer: "00".to_owned(),
            special_tokens: BTreeMap::new(),
            chat_template: None,
            recipe: EncodingRecipe { template, missing: MissingResponse::default() },
            label_order: ["a", "b", "tie"].map(str::to_owned).to_vec(),
        };
        let mut changed = vec![identity.clone(); 7];
        changed[0].ingest_version = 2;
        changed[1].tokenizer = "01".to_owned();
        changed[2].special_tokens.insert("bos_token".to_owned(), "<s>".to_owned());
        changed[3].chat_template = Some(String::new());
        changed[4].recipe.missing = MissingResponse::Empty {};
        changed[5].label_order.swap(0, 1);
        changed[6].recipe.template = Template::Concatenated { labels: Labels::default(), pair: false };
        for other in &changed {
            assert_ne!(other.hash(), identity.hash());
            assert!(identity.difference(other).is_some());
        }
        assert_eq!(identity.difference(&identity.clone()), None);
        let read: EncodingIdentity =
            serde_json::from_str(&serde_json::to_string(&identity).unwrap()).unwrap();
        assert_eq!(read.hash(), identity.hash());
    }
}
