use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Map, Value, json};

use super::{CONFIG, WEIGHTS, misfit};
use crate::checkpoint::{BASE_NUMBERS, BaseNumbers, Element};
use crate::files;
use crate::finetune::FinetuneError;

/// A weight as it is stored.
pub(super) struct Stored {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

/// What `adapter_config.json` says.
pub(super) struct PeftConfig {
    /// PEFT's word for the class of the wrapped model.
    pub(super) task: Option<String>,
    /// Of the modules that have no other.
    pub(super) rank: usize,
    /// Of the modules that have no other.
    pub(super) alpha: f64,
    pub(super) dropout: f64,
    pub(super) targets: Vec<Target>,
    pub(super) saved_modules: Vec<String>,
}

/// A module with an adapter.
pub(super) struct Target {
    /// Its whole path: the end of a name may be that of another module too.
    pub(super) module: String,
    pub(super) rank: usize,
    pub(super) alpha: f64,
}

impl PeftConfig {
    #[expect(clippy::float_cmp, reason = "the same number, or another one")]
    fn to_json(&self) -> Value {
        let targets: Vec<&str> = self.targets.iter().map(|target| target.module.as_str()).collect();
        let ranks = self.targets.iter().filter(|target| target.rank != self.rank);
        let ranks: Map<String, Value> =
            ranks.map(|target| (target.module.clone(), json!(target.rank))).collect();
        let alphas = self.targets.iter().filter(|target| target.alpha != self.alpha);
        let alphas: Map<String, Value> =
            alphas.map(|target| (target.module.clone(), json!(target.alpha))).collect();
        json!({
            "peft_type": "LORA",
            "task_type": self.task,
            "base_model_name_or_path": null,
            "r": self.rank,
            "lora_alpha": self.alpha,
            "rank_pattern": ranks,
            "alpha_pattern": alphas,
            "lora_dropout": self.dropout,
            "bias": "none",
            "fan_in_fan_out": false,
            "init_lora_weights": true,
            "inference_mode": true,
            "target_modules": targets,
            "modules_to_save": self.saved_modules,
        })
    }
}

/// Writes the two files of an adapter on a base in these numbers.
///
/// # Errors
/// `FinetuneError` for a number that is not finite, or a file that cannot be written.
pub(super) fn write(
    folder: &Path,
    (stored, base): (&[Stored], BaseNumbers),
    config: &PeftConfig,
) -> Result<(), FinetuneError> {
    let path = folder.join(WEIGHTS);
    let encoded = stored
        .iter()
        .map(|weight| Ok((weight, Element::F32.encode(&weight.values, &weight.name)?)))
        .collect::<Result<Vec<_>, FinetuneError>>()?;
    let views = encoded
        .iter()
        .map(|(weight, bytes)| Ok((&weight.name, TensorView::new(Dtype::F32, weight.shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>();
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    let whole = views.and_then(|views| safetensors::serialize(views, Some(metadata)));
    let whole = whole.map_err(|error| misfit(&path, error.to_string()))?;
    let whole = match base {
        BaseNumbers::F32 => whole,
        narrow => noted(&whole, narrow).ok_or_else(|| misfit(&path, "its header is none".to_owned()))?,
    };
    files::write(&path, &whole)?;
    let mut text =
        serde_json::to_vec_pretty(&config.to_json()).map_err(|error| misfit(&path, error.to_string()))?;
    text.push(b'\n');
    Ok(files::write(&folder.join(CONFIG), &text)?)
}

/// A file of safetensors with the base in its metadata. Those of the crate are a map without an order, whose bytes would
/// differ from run to run.
fn noted(file: &[u8], base: BaseNumbers) -> Option<Vec<u8>> {
    let (length, rest) = file.split_first_chunk::<8>()?;
    let (header, data) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let mut header: Value = serde_json::from_slice(header).ok()?;
    header.get_mut("__metadata__")?[BASE_NUMBERS] = Value::from(base.name());
    let mut header = header.to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    Some([&(header.len() as u64).to_le_bytes()[..], &header, data].concat())
}
