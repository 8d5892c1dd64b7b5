use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Encoder, EncodingBudget, EncodingError, EncodingRecipe, TokenizerFiles};
use crate::checkpoint::files::ENCODER;
use crate::files;

/// `encoder.json` of a model folder: all of an encoder that does not lie in the tokenizer's own files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredEncoder {
    /// [`StoredEncoder::FORMAT_VERSION`].
    pub format_version: u32,
    /// How a battle is written.
    pub recipe: EncodingRecipe,
    /// The budget that the model was imported or trained with; another one may be used to predict.
    pub budget: EncodingBudget,
    /// [`EncodingIdentity::hash`](super::EncodingIdentity::hash) of the encoder that was stored.
    pub identity_hash: String,
}

impl StoredEncoder {
    /// The version that is written, and the only one that is read.
    pub const FORMAT_VERSION: u32 = 1;

    /// What is to be stored of an encoder; `label_order` names the outputs of the model, `ingest_version` is that
    /// of the readers of battle files.
    #[must_use]
    pub fn of(encoder: &Encoder, label_order: &[String], ingest_version: u32) -> Self {
        Self {
            format_version: Self::FORMAT_VERSION,
            recipe: encoder.recipe().clone(),
            budget: encoder.budget().clone(),
            identity_hash: encoder.identity(ingest_version, label_order).hash(),
        }
    }

    /// Reads `encoder.json` of a model folder.
    ///
    /// # Errors
    /// `Stored` when it is missing, damaged, or of another version.
    pub fn read(folder: &Path) -> Result<Self, EncodingError> {
        let path = folder.join(ENCODER);
        let stored = |problem: String| EncodingError::Stored { path: path.clone(), problem };
        let bytes = fs::read(&path).map_err(|error| stored(format!("it cannot be read: {error}")))?;
        let value: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|error| stored(error.to_string()))?;
        let version = value.get("format_version").and_then(serde_json::Value::as_u64);
        if version != Some(Self::FORMAT_VERSION.into()) {
            let stated = version.map_or_else(|| "none".to_owned(), |version| version.to_string());
            return Err(stored(format!(
                "format version {stated}, this program reads {}",
                Self::FORMAT_VERSION
            )));
        }
        serde_json::from_value(value).map_err(|error| stored(error.to_string()))
    }

    /// Writes `encoder.json` into a model folder.
    ///
    /// # Errors
    /// `Write` when the file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), EncodingError> {
        let path = folder.join(ENCODER);
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| EncodingError::Stored { path: path.clone(), problem: error.to_string() })?;
        bytes.push(b'\n');
        Ok(files::write(&path, &bytes)?)
    }

    /// The encoder again, from this record and the tokenizer files of the folder.
    ///
    /// # Errors
    /// As [`Encoder::new`], and `Identity` when it is not the encoder that was stored: the tokenizer, the order of
    /// the outputs, or the program has changed since.
    pub fn open(
        &self,
        folder: &Path,
        label_order: &[String],
        ingest_version: u32,
    ) -> Result<Encoder, EncodingError> {
        let files = TokenizerFiles::read(folder)?;
        let encoder = Encoder::new(&files, self.recipe.clone(), self.budget.clone())?;
        let found = encoder.identity(ingest_version, label_order).hash();
        if found == self.identity_hash {
            return Ok(encoder);
        }
        Err(EncodingError::Identity { path: folder.join(ENCODER), stored: self.identity_hash.clone(), found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::{Labels, MissingResponse, Orders, Template, Truncation};

    const TOKENIZER: &str = r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],
        "normalizer":null,"pre_tokenizer":{"type":"Whitespace"},"post_processor":null,"decoder":null,
        "model":{"type":"WordLevel","vocab":{"[UNK]":0,"a":1},"unk_token":"[UNK]"}}"#;

    fn labels() -> Vec<String> {
        ["a", "b", "tie"].map(str::to_owned).to_vec()
    }

    fn stored_in(folder: &Path) -> StoredEncoder {
        fs::write(folder.join("tokenizer.json"), TOKENIZER).unwrap();
        let template = Template::Interleaved { labels: Labels::default() };
        let recipe = EncodingRecipe { template, missing: MissingResponse::default() };
        let budget =
            EncodingBudget { max_tokens: 64, truncation: Truncation::default(), orders: Orders::Both };
        let encoder = Encoder::new(&TokenizerFiles::read(folder).unwrap(), recipe, budget).unwrap();
        StoredEncoder::of(&encoder, &labels(), 1)
    }

    #[test]
    fn an_encoder_survives_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let stored = stored_in(folder.path());
        stored.write(folder.path()).unwrap();
        let read = StoredEncoder::read(folder.path()).unwrap();
        assert_eq!(read, stored);
        let encoder = read.open(folder.path(), &labels(), 1).unwrap();
        assert_eq!((encoder.recipe(), encoder.budget()), (&stored.recipe, &stored.budget));
    }

    #[test]
    fn whatever_would_change_the_ids_or_their_meaning_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let stored = stored_in(folder.path());
        let refused =
            |labels: &[String], version| stored.open(folder.path(), labels, version).unwrap_err().to_string();
        assert!(refused(&labels()[..2], 1).contains("encoder.json"));
        assert!(refused(&labels(), 2).contains("import the model again"));
        fs::write(folder.path().join("tokenizer.json"), TOKENIZER.replace("\"a\"", "\"b\"")).unwrap();
        assert!(refused(&labels(), 1).contains("tokenizer"));
    }

    #[test]
    fn another_budget_is_the_same_identity() {
        let folder = tempfile::tempdir().unwrap();
        let mut stored = stored_in(folder.path());
        stored.budget.max_tokens = 32;
        assert!(stored.open(folder.path(), &labels(), 1).is_ok());
    }

    #[test]
    fn a_file_of_another_version_or_with_unknown_keys_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(StoredEncoder::read(folder.path()).unwrap_err().to_string().contains("encoder.json"));
        let stored = stored_in(folder.path());
        StoredEncoder { format_version: 2, ..stored.clone() }.write(folder.path()).unwrap();
        assert!(StoredEncoder::read(folder.path()).unwrap_err().to_string().contains("format version 2"));
        let mut value = serde_json::to_value(&stored).unwrap();
        value["max_tokens"] = 8.into();
        fs::write(folder.path().join(ENCODER), value.to_string()).unwrap();
        assert!(StoredEncoder::read(folder.path()).unwrap_err().to_string().contains("max_tokens"));
    }
}
