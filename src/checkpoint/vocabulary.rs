use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::CheckpointError;

/// The file that holds the whole tokenizer.
pub(super) const TOKENIZER: &str = "tokenizer.json";

/// What a `tokenizer.json` says of its tokens, without loading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// One more than the largest token id, added tokens included.
    pub size: usize,
    /// Added tokens by id.
    pub added: BTreeMap<usize, String>,
}

impl Vocabulary {
    /// Reads the vocabulary of any kind of tokenizer model and the tokens added to it.
    ///
    /// # Errors
    /// `CheckpointError` when the file is missing, unreadable, or has no vocabulary.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        let vocabulary = |message: String| CheckpointError::Vocabulary { path: path.to_owned(), message };
        if !path.is_file() {
            return Err(vocabulary(
                "it is not there; save the fast tokenizer beside the weights: python -c \"from transformers import \
                 AutoTokenizer as T; T.from_pretrained('DIR').save_pretrained('DIR')\""
                    .to_owned(),
            ));
        }
        let bytes =
            fs::read(path).map_err(|source| CheckpointError::Read { path: path.to_owned(), source })?;
        let value: Value = serde_json::from_slice(&bytes)
            .map_err(|source| CheckpointError::Json { path: path.to_owned(), source })?;
        let model = match value.get("model").and_then(|model| model.get("vocab")) {
            // Unigram models list their pieces; the others map them to ids.
            Some(Value::Array(pieces)) => pieces.len(),
            Some(Value::Object(words)) => words.values().filter_map(id).map(|id| id + 1).max().unwrap_or(0),
            _ => return Err(vocabulary("it has no `model.vocab`".to_owned())),
        };
        let added: BTreeMap<usize, String> = value
            .get("added_tokens")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|token| Some((id(token.get("id")?)?, token.get("content")?.as_str()?.to_owned())))
            .collect();
        let size = added.keys().next_back().map_or(model, |last| model.max(last + 1));
        Ok(Self { size, added })
    }

    /// Whether every token has its row in the embedding table. A table with more rows is normal.
    ///
    /// # Errors
    /// `CheckpointError::Vocabulary` names the added tokens without a row.
    pub fn check(&self, rows: usize, path: &Path) -> Result<(), CheckpointError> {
        if self.size <= rows {
            return Ok(());
        }
        let beyond: Vec<String> =
            self.added.range(rows..).map(|(id, token)| format!("`{token}` ({id})")).collect();
        let named = if beyond.is_empty() { String::new() } else { format!(": {}", beyond.join(", ")) };
        let message = format!(
            "it has {} tokens, the embedding table of the model {rows} rows{named}; take the tokenizer that the model \
             was trained with, or resize the table where it was trained",
            self.size
        );
        Err(CheckpointError::Vocabulary { path: path.to_owned(), message })
    }
}

fn id(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vocabulary, CheckpointError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(TOKENIZER);
        fs::write(&path, text).unwrap();
        Vocabulary::read(&path)
    }

    #[test]
    fn words_pieces_and_added_tokens_are_counted_by_the_largest_id() {
        let words = r#"{"model":{"vocab":{"a":0,"b":6}},"added_tokens":[{"id":7,"content":"<x>"}]}"#;
        assert_eq!(read(words).unwrap().size, 8);
        assert_eq!(read(r#"{"model":{"vocab":[["a",0.1],["b",0.2]]}}"#).unwrap().size, 2);
        assert!(read(r#"{"model":{}}"#).is_err());
    }

    #[test]
    fn an_added_token_without_a_row_is_named() {
        let words = r#"{"model":{"vocab":{"a":0,"b":1}},"added_tokens":[{"id":2,"content":"<verdict>"}]}"#;
        let vocabulary = read(words).unwrap();
        assert!(vocabulary.check(3, Path::new("t")).is_ok());
        let message = vocabulary.check(2, Path::new("t")).unwrap_err().to_string();
        assert!(message.contains("`<verdict>` (2)"), "{message}");
    }
}
