//! Adapters in the form of PEFT: `adapter_config.json` and `adapter_model.safetensors`.

use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Value, json};

use super::FinetuneError;
use crate::architectures::Linear;
use crate::checkpoint::{Element, head_modules};
use crate::compute::{AdapterSettings, Model, adapter_names, head_names};
use crate::files;

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";
/// What PEFT puts before the names of the model that it wraps.
const WRAPPED: &str = "base_model.model.";

/// A parameter of the model, its name in PEFT's file, and whether it must be there.
struct Entry {
    own: String,
    stored: String,
    shape: Vec<usize>,
}

/// Writes adapters and head so that the `peft` package loads them on the same base, for sequence classification.
///
/// # Errors
/// `FinetuneError::Adapter` for a model whose layers or head PEFT has no names for.
pub fn save_adapter(model: &Model, settings: &AdapterSettings, folder: &Path) -> Result<(), FinetuneError> {
    let path = folder.join(WEIGHTS);
    let entries = entries(model, &path)?;
    let mut tensors = Vec::new();
    for entry in &entries {
        let values = model.parameters().numbers(&entry.own)?;
        tensors.push((&entry.stored, entry.shape.clone(), Element::F32.encode(&values, &entry.own)?));
    }
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| Ok((*name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>();
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    let whole = views.and_then(|views| safetensors::serialize(views, Some(metadata)));
    let whole = whole.map_err(|error| misfit(&path, error.to_string()))?;
    files::write(&path, &whole)?;
    let mut text = serde_json::to_vec_pretty(&config(model, settings, &path)?)
        .map_err(|error| misfit(&path, error.to_string()))?;
    text.push(b'\n');
    Ok(files::write(&folder.join(CONFIG), &text)?)
}

/// Puts the numbers of a saved adapter into a model that has adapters in the same places, to train on from them.
///
/// # Errors
/// `FinetuneError::Adapter` names the first tensor that is missing, left over, or of another shape, and a scale that is
/// another one.
pub fn load_adapter(
    model: &mut Model,
    settings: &AdapterSettings,
    folder: &Path,
) -> Result<(), FinetuneError> {
    let path = folder.join(WEIGHTS);
    check_scale(settings, &folder.join(CONFIG))?;
    let bytes = read(&path)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| misfit(&path, error.to_string()))?;
    let entries = entries(model, &path)?;
    if let Some(left_over) =
        file.names().into_iter().find(|name| entries.iter().all(|entry| entry.stored != **name))
    {
        return Err(misfit(&path, format!("`{left_over}` has no place in it")));
    }
    for entry in entries {
        let stored = &entry.stored;
        let tensor = file.tensor(stored).map_err(|_| misfit(&path, format!("`{stored}` is missing")))?;
        if tensor.shape() != entry.shape || tensor.dtype() != Dtype::F32 {
            let message = format!(
                "`{stored}` is {:?} {:?}, f32 {:?} expected",
                tensor.dtype(),
                tensor.shape(),
                entry.shape
            );
            return Err(misfit(&path, message));
        }
        let values = Element::F32.decode(tensor.data());
        model.parameters_mut().change(&entry.own, |numbers| numbers.copy_from_slice(&values))?;
    }
    Ok(())
}

/// Adapters, then the head.
fn entries(model: &Model, path: &Path) -> Result<Vec<Entry>, FinetuneError> {
    let mut entries = Vec::new();
    for linear in adapted(model) {
        if !model.config().stores_whole(&linear.weight().name) {
            let message =
                format!("`{}` is a part of a weight there, PEFT knows the whole alone", linear.name);
            return Err(misfit(path, message));
        }
        let module = module(model, &linear);
        for (own, part) in adapter_names(&linear.name).into_iter().zip(["lora_A", "lora_B"]) {
            let shape = model.parameters().shape(&own)?.to_vec();
            entries.push(Entry { own, stored: format!("{WRAPPED}{module}.{part}.weight"), shape });
        }
    }
    let layers = model.head()?.layers;
    for (index, module) in head_of(model, path)?.iter().enumerate() {
        let [weight, bias] = head_names(index);
        for (own, part) in [(weight, "weight"), (bias, "bias")] {
            let without_bias = part == "bias" && model.config().family().is_decoder();
            if without_bias && layers[index].bias.iter().any(|&value| value != 0.0) {
                let message = "its head has a bias, which the heads of decoders there do not have".to_owned();
                return Err(misfit(path, message));
            }
            if !without_bias {
                let shape = model.parameters().shape(&own)?.to_vec();
                entries.push(Entry { own, stored: format!("{WRAPPED}{module}.{part}"), shape });
            }
        }
    }
    Ok(entries)
}

/// The modules of the head, where it has the form that the family's own heads have.
fn head_of(model: &Model, path: &Path) -> Result<&'static [&'static str], FinetuneError> {
    let (head, usual) = (model.head()?, head_modules(model.config().family()));
    match usual.filter(|modules| modules.len() == head.layers.len()) {
        Some(modules) => Ok(modules),
        None => {
            Err(misfit(path, "its head is not of the form that this family has in PEFT's files".to_owned()))
        }
    }
}

fn adapted(model: &Model) -> Vec<Linear> {
    model.linear_maps().into_iter().filter(|linear| model.is_adapted(linear)).collect()
}

/// The path of a linear map in a whole model.
fn module(model: &Model, linear: &Linear) -> String {
    format!("{}{}", model.config().family().prefix(), linear.name)
}

fn config(model: &Model, settings: &AdapterSettings, path: &Path) -> Result<Value, FinetuneError> {
    // Whole paths: the end of a name may be that of another map too.
    let targets: Vec<String> = adapted(model).iter().map(|linear| module(model, linear)).collect();
    let mut saved: Vec<&str> = Vec::new();
    for module in head_of(model, path)? {
        let module = module.strip_prefix(model.config().family().prefix()).unwrap_or(module);
        let first = module.split('.').next().unwrap_or(module);
        if !saved.contains(&first) {
            saved.push(first);
        }
    }
    Ok(json!({
        "peft_type": "LORA",
        "task_type": "SEQ_CLS",
        "base_model_name_or_path": null,
        "r": settings.rank,
        "lora_alpha": settings.alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": false,
        "init_lora_weights": true,
        "inference_mode": true,
        "target_modules": targets,
        "modules_to_save": saved,
    }))
}

fn check_scale(settings: &AdapterSettings, path: &Path) -> Result<(), FinetuneError> {
    let value: Value =
        serde_json::from_slice(&read(path)?).map_err(|error| misfit(path, error.to_string()))?;
    let number = |key: &str| value.get(key).and_then(Value::as_f64);
    if number("r") == Some(settings.rank as f64) && number("lora_alpha") == Some(settings.alpha) {
        return Ok(());
    }
    let message = format!("its rank and alpha are not {} and {}", settings.rank, settings.alpha);
    Err(misfit(path, message))
}

fn read(path: &Path) -> Result<Vec<u8>, FinetuneError> {
    fs::read(path).map_err(|source| FinetuneError::Read { path: path.to_owned(), source })
}

fn misfit(path: &Path, message: String) -> FinetuneError {
    FinetuneError::Adapter { path: path.to_owned(), message }
}
