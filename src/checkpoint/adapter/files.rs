use std::collections::BTreeMap;
use std::path::Path;

use super::config::AdapterConfig;
use super::{BASE_NUMBERS, mismatch};
use crate::checkpoint::mapped::MappedFile;
use crate::checkpoint::weights::{Entry, element_of};
use crate::checkpoint::{BaseNumbers, CheckpointError};

/// The weights of an adapter.
const WEIGHTS: &str = "adapter_model.safetensors";
/// What PEFT puts before the names of the model that it adapts.
const PREFIX: &str = "base_model.model.";

/// The two matrices of a module, where found: A `[rank, inputs]` and B `[outputs, rank]`.
#[derive(Default)]
pub(super) struct Pair {
    a: Option<Entry>,
    b: Option<Entry>,
}

impl Pair {
    pub(super) fn both(&self, folder: &Path, module: &str) -> Result<(&Entry, &Entry), CheckpointError> {
        let both = self.a.as_ref().zip(self.b.as_ref());
        both.ok_or_else(|| mismatch(folder, format!("`{module}` has one of its two matrices only")))
    }
}

/// The two files of an adapter, by the names of the model that PEFT wraps.
pub(super) struct AdapterFiles {
    pub(super) config: AdapterConfig,
    pub(super) file: MappedFile,
    /// In which numbers the base was while the adapter was trained.
    pub(super) base: BaseNumbers,
    /// By the module that they stand beside.
    pub(super) pairs: BTreeMap<String, Pair>,
    /// What was trained whole.
    pub(super) saved: Vec<(String, Entry)>,
}

impl AdapterFiles {
    /// Reads them; `place` is the place of the file of weights among those of its base.
    ///
    /// # Errors
    /// `CheckpointError` for files that cannot be read, and a kind of adapter that is not merged.
    pub(super) fn read(folder: &Path, place: usize) -> Result<Self, CheckpointError> {
        let config = AdapterConfig::read(folder)?;
        let path = folder.join(WEIGHTS);
        let (file, metadata) = MappedFile::open(&path)?;
        let stated = metadata.metadata().as_ref().and_then(|all| all.get(BASE_NUMBERS));
        let base = stated.map_or(Some(BaseNumbers::F32), |name| BaseNumbers::of_name(name)).ok_or_else(|| {
            let message = format!(
                "`{BASE_NUMBERS}` of {WEIGHTS} is none of `f32`, `bf16`, `int8`, `int4`; a later tiebreak wrote it"
            );
            mismatch(folder, message)
        })?;
        let mut pairs: BTreeMap<String, Pair> = BTreeMap::new();
        let mut saved: Vec<(String, Entry)> = Vec::new();
        for (name, info) in metadata.tensors() {
            let Some(element) = element_of(info.dtype) else {
                let stored = format!("{:?}", info.dtype);
                return Err(CheckpointError::NumberType { name, path, stored });
            };
            let (shape, offsets) = (info.shape.clone(), info.data_offsets);
            let entry = Entry { file: place, element, shape, offsets };
            let Some(bare) = name.strip_prefix(PREFIX) else {
                let message = format!("`{name}` does not begin with `{PREFIX}`, as the weights of PEFT do");
                return Err(mismatch(folder, message));
            };
            // PEFT wraps the linear maps that it adapts, and names their trained biases by the wrapped one.
            let unwrapped = bare.strip_suffix(".base_layer.bias").map(|module| format!("{module}.bias"));
            let bare = unwrapped.as_deref().unwrap_or(bare);
            if let Some(module) = bare.strip_suffix(".lora_A.weight") {
                pairs.entry(module.to_owned()).or_default().a = Some(entry);
            } else if let Some(module) = bare.strip_suffix(".lora_B.weight") {
                pairs.entry(module.to_owned()).or_default().b = Some(entry);
            } else if bare.contains("lora_") || !config.is_saved(bare) {
                let message =
                    format!("`{name}` is neither a LoRA matrix of a linear map nor of `modules_to_save`");
                return Err(mismatch(folder, message));
            } else {
                saved.push((bare.to_owned(), entry));
            }
        }
        Ok(Self { config, file, base, pairs, saved })
    }
}
