use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::head_file::HeadForm;
use super::{CheckpointError, Element, Family, Head, LowBits, OutputMeaning, read_head};

/// The version of `model.json` that is written, and the only one that is read.
pub const FORMAT_VERSION: u32 = 1;

/// The names inside a model folder.
pub mod files {
    /// The graph.
    pub const GRAPH: &str = "model.onnx";
    /// Its weights.
    pub const GRAPH_DATA: &str = "model.onnx.data";
    /// The card.
    pub const CARD: &str = "model.json";
    /// The numbers of the head.
    pub const HEAD: &str = "head.safetensors";
    /// The tokenizer.
    pub const TOKENIZER: &str = "tokenizer.json";
    /// Its switches and chat template.
    pub const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
    /// The encoding recipe.
    pub const ENCODER: &str = "encoder.json";
}

/// What a graph takes and gives. Of one made elsewhere, without a family, the inputs are asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GraphKind {
    /// `input_ids`, `attention_mask`, perhaps `token_type_ids`, i32 `[batch, sequence]`; gives the hidden states
    /// `[batch, sequence, width]`.
    Encoder,
    /// `input_ids` i64 `[batch, sequence]`, `seqlens_k` i32 `[batch]`, `total_sequence_length` i32, padded on the
    /// right; gives the state of the last valid token `[batch, width]`.
    Decoder,
    /// The same, but gives all the hidden states `[batch, sequence, width]`.
    DecoderStates,
    /// Gives logits `[batch, outputs]`; made elsewhere.
    Logits,
}

/// The length and hash of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileMark {
    /// Its length in bytes.
    pub bytes: u64,
    /// The blake3 hash of its content, in hexadecimal.
    pub blake3: String,
}

impl FileMark {
    /// Reads the whole file.
    ///
    /// # Errors
    /// `CheckpointError::Read`.
    pub fn of(path: &Path) -> Result<Self, CheckpointError> {
        let read = |source| CheckpointError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(read)?;
        let bytes = file.metadata().map_err(read)?.len();
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(file).map_err(read)?;
        Ok(Self { bytes, blake3: hasher.finalize().to_hex().to_string() })
    }
}

/// `model.json`: what a model folder holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelCard {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The family; absent for a graph made elsewhere.
    pub family: Option<Family>,
    /// What the graph takes and gives.
    pub graph: GraphKind,
    /// The number type that the graph computes in.
    pub element: Element,
    /// How its linear maps are stored, where that is not the number type that it computes in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low_bits: Option<LowBits>,
    /// What is computed in f32 in a graph of a narrower type: linear maps, and `residual`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub in_f32: Vec<String>,
    /// Width of a hidden state; of a graph that gives logits, their number.
    pub width: usize,
    /// Rows of the embedding table.
    pub vocabulary_size: usize,
    /// The longest text, in tokens.
    pub max_positions: usize,
    /// Whether the graph takes segments.
    pub token_types: bool,
    /// The form of the head; absent where the graph gives logits.
    pub head: Option<HeadForm>,
    /// The meaning of each output.
    pub outputs: Vec<OutputMeaning>,
    /// The token of each output, where outputs are token logits of a causal language model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<VerdictToken>,
    /// Where it comes from.
    pub source: Source,
    /// Every other file that a prediction depends on, by name.
    pub files: BTreeMap<String, FileMark>,
}

/// A token whose logit is an output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerdictToken {
    /// The text, as it was asked for.
    pub text: String,
    /// Its id.
    pub id: u32,
}

/// Where a model comes from; names only, no paths of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// `architectures` of config.json.
    pub architectures: Vec<String>,
    /// The number type of the stored weights.
    pub stored_as: Option<Element>,
    /// Whether the head has random weights.
    pub fresh_head: bool,
    /// Weights of the checkpoint that no prediction needs.
    pub left_out: Vec<String>,
}

impl ModelCard {
    /// Reads the card of a model folder.
    ///
    /// # Errors
    /// `CheckpointError` when it is missing, damaged, or of another version.
    pub fn read(folder: &Path) -> Result<Self, CheckpointError> {
        let path = folder.join(files::CARD);
        let bytes = fs::read(&path).map_err(|source| CheckpointError::Read { path: path.clone(), source })?;
        let json = |source| CheckpointError::Json { path: path.clone(), source };
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(json)?;
        let version = value.get("format_version").and_then(serde_json::Value::as_u64);
        if version != Some(FORMAT_VERSION.into()) {
            let stated = version.map_or_else(|| "none".to_owned(), |version| version.to_string());
            let message = format!("format version {stated}, this program reads {FORMAT_VERSION}");
            return Err(CheckpointError::ModelFolder { path, message });
        }
        serde_json::from_value(value).map_err(json)
    }

    /// Writes the card.
    ///
    /// # Errors
    /// `CheckpointError` when the file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), CheckpointError> {
        let path = folder.join(files::CARD);
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|source| CheckpointError::Json { path: path.clone(), source })?;
        bytes.push(b'\n');
        crate::files::write(&path, &bytes)?;
        Ok(())
    }

    /// The names of the outputs, in their order.
    #[must_use]
    pub fn label_order(&self) -> Vec<String> {
        self.outputs.iter().map(|meaning| meaning.name().to_owned()).collect()
    }

    /// Whether every file is the one that was imported; reads them all once.
    ///
    /// # Errors
    /// `CheckpointError::ModelFolder` names the first that is not.
    pub fn verify(&self, folder: &Path) -> Result<(), CheckpointError> {
        for (name, mark) in &self.files {
            let path = folder.join(name);
            if FileMark::of(&path)? != *mark {
                let message = "it is not the file that was imported".to_owned();
                return Err(CheckpointError::ModelFolder { path, message });
            }
        }
        Ok(())
    }

    /// One hash over everything that a prediction depends on: the card and, through it, every file.
    ///
    /// # Errors
    /// `CheckpointError::Json` for a number that JSON cannot hold.
    pub fn fingerprint(&self) -> Result<String, CheckpointError> {
        let bytes = serde_json::to_vec(self)
            .map_err(|source| CheckpointError::Json { path: files::CARD.into(), source })?;
        Ok(blake3::hash(&bytes).to_hex().to_string())
    }

    /// The head, or `None` where the graph gives logits.
    ///
    /// # Errors
    /// `CheckpointError` as [`read_head`] gives it.
    pub fn read_head(&self, folder: &Path) -> Result<Option<Head>, CheckpointError> {
        self.head.as_ref().map(|form| read_head(form, &folder.join(files::HEAD))).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::IntegerType;

    fn card() -> ModelCard {
        ModelCard {
            format_version: FORMAT_VERSION,
            family: Some(Family::Bert),
            graph: GraphKind::Encoder,
            element: Element::F32,
            low_bits: None,
            in_f32: Vec::new(),
            width: 4,
            vocabulary_size: 10,
            max_positions: 8,
            token_types: true,
            head: None,
            outputs: vec![OutputMeaning::A, OutputMeaning::B],
            verdicts: Vec::new(),
            source: Source::default(),
            files: BTreeMap::new(),
        }
    }

    #[test]
    fn a_card_survives_its_file_and_another_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        card().write(folder.path()).unwrap();
        assert_eq!(ModelCard::read(folder.path()).unwrap(), card());
        let newer = ModelCard { format_version: 2, ..card() };
        newer.write(folder.path()).unwrap();
        assert!(ModelCard::read(folder.path()).unwrap_err().to_string().contains("format version 2"));
    }

    #[test]
    fn whole_numbers_stand_in_the_card_and_change_what_a_prediction_depends_on() {
        let folder = tempfile::tempdir().unwrap();
        let low_bits = Some(LowBits { weights: IntegerType::Int4, block_size: 32 });
        let few = ModelCard { low_bits, in_f32: vec!["residual".to_owned()], ..card() };
        few.write(folder.path()).unwrap();
        let text = fs::read_to_string(folder.path().join(files::CARD)).unwrap();
        assert!(text.contains("\"weights\": \"int4\"") && text.contains("\"block_size\": 32"), "{text}");
        assert_eq!(ModelCard::read(folder.path()).unwrap(), few);
        assert_ne!(few.fingerprint().unwrap(), card().fingerprint().unwrap());
    }

    #[test]
    fn a_changed_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        fs::write(&path, b"graph").unwrap();
        let mut card = card();
        card.files.insert("model.onnx".to_owned(), FileMark::of(&path).unwrap());
        card.verify(folder.path()).unwrap();
        fs::write(&path, b"other").unwrap();
        assert!(card.verify(folder.path()).unwrap_err().to_string().contains("model.onnx"));
    }
}
