use std::path::{Path, PathBuf};

use serde_json::Value;

use super::adapter::{self, CONFIG};
use super::vocabulary::TOKENIZER;
use super::{BaseNumbers, CheckpointError, FamilyConfig, Vocabulary, Weights, files};

/// A model directory, opened: configuration read, weights mapped, tokenizer compared with the embedding table.
#[derive(Debug)]
pub struct Checkpoint {
    /// The directory; of an adapter that of its base.
    pub folder: PathBuf,
    /// Where the tokenizer lies.
    pub tokenizer_folder: PathBuf,
    /// The model folder that an adapter is part of, whose head was trained with it.
    pub(super) trained: Option<PathBuf>,
    /// What decides the graph.
    pub config: FamilyConfig,
    /// All of `config.json`.
    pub json: Value,
    /// The weights.
    pub weights: Weights,
    /// In which numbers the base was while an adapter on it was trained. `architectures::round_base` rounds the weights to
    /// them.
    pub base: BaseNumbers,
    /// What the tokenizer says of its tokens.
    pub vocabulary: Vocabulary,
}

impl Checkpoint {
    /// Opens a directory in the form of Hugging Face.
    ///
    /// # Errors
    /// `CheckpointError` names the file that is missing, damaged or not supported.
    pub fn open(folder: &Path) -> Result<Self, CheckpointError> {
        // With a config.json beside it too: transformers would take the base from elsewhere and put the adapter on it.
        if folder.join(CONFIG).is_file() {
            return Err(CheckpointError::AdapterWithoutBase { folder: folder.to_owned() });
        }
        Self::open_with(folder, None)
    }

    /// Opens a PEFT adapter on the directory of its base model.
    ///
    /// # Errors
    /// `CheckpointError` as [`open`](Self::open), and for the first thing in which the adapter does not fit.
    pub fn open_adapter(adapter: &Path, base: &Path) -> Result<Self, CheckpointError> {
        if !adapter.join(CONFIG).is_file() {
            let message = format!("it has no `{CONFIG}`; a whole model needs no base");
            return Err(CheckpointError::AdapterMismatch { folder: adapter.to_owned(), message });
        }
        Self::open_with(base, Some(adapter))
    }

    fn open_with(folder: &Path, adapter: Option<&Path>) -> Result<Self, CheckpointError> {
        let (config, mut json) = FamilyConfig::read(&folder.join("config.json"))?;
        if let Some(own) = adapter.filter(|adapter| adapter.join("config.json").is_file()) {
            json = own_config(own, &config)?;
        }
        let mut weights = Weights::open(folder, config.family())?;
        let base = match adapter {
            None => BaseNumbers::F32,
            Some(adapter) => adapter::attach(&mut weights, adapter)?,
        };
        weights.divide(&config.divisions());
        // Training may have added tokens, which are then saved with the adapter.
        let own = adapter.filter(|adapter| adapter.join(TOKENIZER).is_file());
        let tokenizer_folder = own.unwrap_or(folder).to_owned();
        let tokenizer = tokenizer_folder.join(TOKENIZER);
        let vocabulary = Vocabulary::read(&tokenizer)?;
        vocabulary.check(config.vocabulary_size(), &tokenizer)?;
        let trained = adapter.filter(|adapter| adapter.join(files::CARD).is_file()).map(Path::to_owned);
        Ok(Self {
            folder: folder.to_owned(),
            tokenizer_folder,
            trained,
            config,
            json,
            weights,
            base,
            vocabulary,
        })
    }

    /// The classes that the checkpoint was saved from, as `config.json` names them.
    #[must_use]
    pub fn architectures(&self) -> Vec<String> {
        let names = self.json.get("architectures").and_then(Value::as_array);
        names.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

/// The config.json that training saved beside an adapter: it knows the labels of the adapter's own head. It must be of the
/// same graph as that of the base.
fn own_config(adapter: &Path, base: &FamilyConfig) -> Result<Value, CheckpointError> {
    let (config, json) = FamilyConfig::read(&adapter.join("config.json"))?;
    if &config == base {
        return Ok(json);
    }
    let message =
        "its config.json is that of another model than the base; name the base that it was trained on, or \
                   take config.json out of the folder"
            .to_owned();
    Err(CheckpointError::AdapterMismatch { folder: adapter.to_owned(), message })
}
