//! PEFT adapters on a base model: `LoRA` matrices that are merged in f32 when their weight is asked for, one at a
//! time, and weights that were trained whole, such as the head, which take the place of the base's.

mod config;
mod delta;

use std::collections::BTreeMap;
use std::path::Path;

pub(super) use config::CONFIG;
pub(super) use delta::Delta;

use config::AdapterConfig;

use super::ignorable::is_ignorable;
use super::mapped::MappedFile;
use super::weights::{Entry, element_of};
use super::{BaseNumbers, CheckpointError, Weights};

/// The weights of an adapter.
const WEIGHTS: &str = "adapter_model.safetensors";
/// What PEFT puts before the names of the model that it adapts.
const PREFIX: &str = "base_model.model.";

/// The key of the metadata of the weights that says in which numbers the base was while the adapter was trained; `f32` where
/// there is none.
pub const BASE_NUMBERS: &str = "tiebreak.base";

/// The two matrices of a module, where found: A `[rank, inputs]` and B `[outputs, rank]`.
#[derive(Default)]
struct Pair {
    a: Option<Entry>,
    b: Option<Entry>,
}

/// Puts an adapter on the weights of its base; gives the numbers in which that was while the adapter was trained.
///
/// # Errors
/// `CheckpointError` for files that cannot be read, a kind of adapter that is not merged, and the first module or
/// shape that does not fit the base.
pub(super) fn attach(weights: &mut Weights, folder: &Path) -> Result<BaseNumbers, CheckpointError> {
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
        let entry = Entry { file: weights.file_count(), element, shape, offsets };
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
    let on = On { folder, config: &config, file: &file };
    let mut deltas = BTreeMap::new();
    for (module, pair) in &pairs {
        let (name, delta) = on.delta(weights, module, pair)?;
        deltas.insert(name, delta);
    }
    on.check_complete(weights, &deltas)?;
    weights.change(file, deltas, saved);
    Ok(base)
}

/// An adapter that is being put on.
struct On<'a> {
    folder: &'a Path,
    config: &'a AdapterConfig,
    file: &'a MappedFile,
}

impl On<'_> {
    /// The stored name of the weight that a module changes, and the change.
    fn delta(
        &self,
        weights: &Weights,
        module: &str,
        pair: &Pair,
    ) -> Result<(String, Delta), CheckpointError> {
        let fault = |message: String| Err(mismatch(self.folder, message));
        let (Some(a), Some(b)) = (&pair.a, &pair.b) else {
            return fault(format!("`{module}` has one of its two matrices only"));
        };
        if self.config.is_target(module) == Some(false) {
            return fault(format!("`{module}` has matrices and is not among `target_modules`"));
        }
        let weight = format!("{module}.weight");
        let Some((name, entry)) = weights.find_whole(&weight) else {
            return fault(format!("the base has no `{weight}`"));
        };
        let rank = self.config.rank(module);
        let [outputs, inputs] = entry.shape[..] else {
            return fault(format!("`{weight}` of the base is no matrix"));
        };
        if a.shape != [rank, inputs] || b.shape != [outputs, rank] {
            return fault(format!(
                "`{module}` has matrices {:?} and {:?}; rank {rank} on the base's {:?} needs [{rank}, {inputs}] and \
                 [{outputs}, {rank}]",
                a.shape, b.shape, entry.shape
            ));
        }
        let values = |entry: &Entry| entry.element.decode(self.file.bytes(entry.offsets).0);
        let scaling = self.config.scaling(module);
        Ok((name.to_owned(), Delta { inputs, rank, a: values(a), b: values(b), scaling }))
    }

    /// Every module of the base that the adapter says it is about must have its matrices.
    fn check_complete(
        &self,
        weights: &Weights,
        deltas: &BTreeMap<String, Delta>,
    ) -> Result<(), CheckpointError> {
        if !self.config.covers_all_layers() {
            return Ok(());
        }
        for (name, entry) in &weights.tensors {
            let Some(module) = name.strip_suffix(".weight") else { continue };
            let wanted = entry.shape.len() == 2 && self.config.is_target(module) == Some(true);
            let aside = self.config.is_saved(name) || is_ignorable(name, weights.family());
            if wanted && !aside && !deltas.contains_key(name) {
                let message =
                    format!("`target_modules` names `{module}` of the base, and it has no matrices for it");
                return Err(mismatch(self.folder, message));
            }
        }
        Ok(())
    }
}

fn mismatch(folder: &Path, message: String) -> CheckpointError {
    CheckpointError::AdapterMismatch { folder: folder.to_owned(), message }
}
