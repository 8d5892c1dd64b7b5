use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::EncodingError;
use super::tokenizer::Tokens;

/// The files of a tokenizer, as they lie in a model folder.
#[derive(Clone, Debug, Default)]
pub struct TokenizerFiles {
    /// `tokenizer.json`.
    pub tokenizer: Vec<u8>,
    /// `tokenizer_config.json`.
    pub config: Option<Vec<u8>>,
    /// `chat_template.jinja`, where newer folders keep it; it goes before the one in the configuration.
    pub chat_template: Option<String>,
}

impl TokenizerFiles {
    /// Reads the files of a folder; only `tokenizer.json` must be there.
    ///
    /// # Errors
    /// `Read` when a file is missing or cannot be read.
    pub fn read(folder: &Path) -> Result<Self, EncodingError> {
        let optional = |name: &str| -> Result<Option<Vec<u8>>, EncodingError> {
            let path = folder.join(name);
            match fs::read(&path) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(source) => Err(EncodingError::Read { path, source }),
            }
        };
        let path = folder.join("tokenizer.json");
        let tokenizer = fs::read(&path).map_err(|source| EncodingError::Read { path, source })?;
        let chat_template = match optional("chat_template.jinja")? {
            None => None,
            Some(bytes) => Some(String::from_utf8(bytes).map_err(|source| EncodingError::Form {
                file: "chat_template.jinja",
                reason: source.to_string(),
            })?),
        };
        Ok(Self { tokenizer, config: optional("tokenizer_config.json")?, chat_template })
    }
}

impl TokenizerFiles {
    /// Whether the model has a chat template.
    ///
    /// # Errors
    /// `Form` when `tokenizer_config.json` is damaged.
    pub fn has_chat_template(&self) -> Result<bool, EncodingError> {
        Ok(TokenizerConfig::of(self)?.chat_template.is_some())
    }

    /// The id of a text that is one token: the token of that spelling, else what the tokenizer makes of the text.
    ///
    /// # Errors
    /// `NotOneToken` names the tokens that the text is made of.
    pub fn single_token(&self, text: &str) -> Result<u32, EncodingError> {
        let tokens = Tokens::new(&self.tokenizer)?;
        if let Some(id) = tokens.inner().token_to_id(text) {
            return Ok(id);
        }
        match tokens.ids(text)?[..] {
            [id] if !tokens.stands_for_unknown(id) => Ok(id),
            ref ids => {
                let tokens = ids.iter().map(|&id| tokens.spelling(id)).collect();
                Err(EncodingError::NotOneToken { text: text.to_owned(), tokens })
            }
        }
    }
}

/// What `tokenizer_config.json` says that matters here.
#[derive(Clone, Debug, Default)]
pub(super) struct TokenizerConfig {
    /// `bos_token`, `eos_token`, ...: name and token.
    pub(super) special: BTreeMap<String, String>,
    pub(super) chat_template: Option<String>,
}

const SPECIAL: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

impl TokenizerConfig {
    pub(super) fn of(files: &TokenizerFiles) -> Result<Self, EncodingError> {
        let failed = |reason: String| EncodingError::Form { file: "tokenizer_config.json", reason };
        let value: Value = match &files.config {
            None => Value::Null,
            Some(bytes) => serde_json::from_slice(bytes).map_err(|error| failed(error.to_string()))?,
        };
        let special = SPECIAL
            .iter()
            .filter_map(|name| token_text(value.get(*name)?).map(|token| ((*name).to_owned(), token)))
            .collect();
        let written = match value.get("chat_template") {
            None | Some(Value::Null) => None,
            Some(Value::String(template)) => Some(template.clone()),
            Some(Value::Array(named)) => named
                .iter()
                .find(|entry| entry.get("name").and_then(Value::as_str) == Some("default"))
                .and_then(|entry| entry.get("template")?.as_str())
                .map(str::to_owned),
            Some(_) => return Err(failed("`chat_template` is neither a text nor a list".to_owned())),
        };
        Ok(Self { special, chat_template: files.chat_template.clone().or(written) })
    }
}

/// A special token is a text, or an object with its text as `content`.
fn token_text(value: &Value) -> Option<String> {
    value.as_str().or_else(|| value.get("content")?.as_str()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_templates_are_found_in_each_of_their_forms() {
        let of = |config: &str| {
            let config = Some(config.as_bytes().to_vec());
            TokenizerConfig::of(&TokenizerFiles { config, ..TokenizerFiles::default() })
        };
        let found = of(r#"{"bos_token":{"content":"<s>"},"eos_token":"</s>","pad_token":null,
            "chat_template":[{"name":"tool_use","template":"t"},{"name":"default","template":"d"}]}"#)
        .unwrap();
        assert_eq!(found.special["bos_token"], "<s>");
        assert_eq!(found.special.len(), 2);
        assert_eq!(found.chat_template.as_deref(), Some("d"));
        assert!(of(r#"{"chat_template":7}"#).is_err());
        assert!(of("{").is_err());
        assert!(TokenizerConfig::of(&TokenizerFiles::default()).unwrap().special.is_empty());
    }

    #[test]
    fn a_folder_without_a_tokenizer_is_named_and_its_other_files_may_be_missing() {
        let folder = tempfile::tempdir().unwrap();
        let failed = TokenizerFiles::read(folder.path()).unwrap_err().to_string();
        assert!(failed.contains("tokenizer.json"), "{failed}");
        fs::write(folder.path().join("tokenizer.json"), "{}").unwrap();
        let read = TokenizerFiles::read(folder.path()).unwrap();
        assert!(read.config.is_none() && read.chat_template.is_none());
        fs::write(folder.path().join("chat_template.jinja"), "t").unwrap();
        let config = TokenizerConfig::of(&TokenizerFiles::read(folder.path()).unwrap()).unwrap();
        assert_eq!(config.chat_template.as_deref(), Some("t"));
    }
}
