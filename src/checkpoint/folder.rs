use std::path::{Path, PathBuf};

use serde_json::Value;

use super::vocabulary::TOKENIZER;
use super::{CheckpointError, FamilyConfig, Vocabulary, Weights};

/// A model directory, opened: configuration read, weights mapped, tokenizer compared with the embedding table.
#[derive(Debug)]
pub struct Checkpoint {
    /// The directory.
    pub folder: PathBuf,
    /// What decides the graph.
    pub config: FamilyConfig,
    /// All of `config.json`.
    pub json: Value,
    /// The weights.
    pub weights: Weights,
    /// What the tokenizer says of its tokens.
    pub vocabulary: Vocabulary,
}

impl Checkpoint {
    /// Opens a directory in the form of Hugging Face.
    ///
    /// # Errors
    /// `CheckpointError` names the file that is missing, damaged or not supported.
    pub fn open(folder: &Path) -> Result<Self, CheckpointError> {
        let (config, json) = FamilyConfig::read(&folder.join("config.json"))?;
        let mut weights = Weights::open(folder, config.family())?;
        weights.divide(&config.divisions());
        let tokenizer = folder.join(TOKENIZER);
        let vocabulary = Vocabulary::read(&tokenizer)?;
        vocabulary.check(config.vocabulary_size(), &tokenizer)?;
        Ok(Self { folder: folder.to_owned(), config, json, weights, vocabulary })
    }

    /// The classes that the checkpoint was saved from, as `config.json` names them.
    #[must_use]
    pub fn architectures(&self) -> Vec<String> {
        let names = self.json.get("architectures").and_then(Value::as_array);
        names.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }
}
