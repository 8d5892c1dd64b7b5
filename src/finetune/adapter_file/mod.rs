//! Adapters in the form of PEFT: `adapter_config.json` and `adapter_model.safetensors`.

mod form;
mod mean;
mod modules;
mod writing;

use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors};
use serde_json::Value;

pub(super) use self::mean::save_mean_adapter;

use self::form::Form;
use self::modules::{Module, modules};
use self::writing::{PeftConfig, Stored, Target, write};
use super::FinetuneError;
use crate::checkpoint::{BASE_NUMBERS, BaseNumbers, Element};
use crate::compute::{AdapterSettings, Model, head_names};

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";
/// What PEFT puts before the names of the model that it wraps.
const WRAPPED: &str = "base_model.model.";

/// A weight of the head, and its name in PEFT's file.
struct HeadEntry {
    own: String,
    stored: String,
}

/// Writes adapters and head so that the `peft` package loads them on the same base: for sequence classification where
/// the head has the form that the family has there, else on the bare model, and the head is the caller's matter. Where that
/// base was kept in less than f32, the metadata of the weights says so (`tiebreak.base`): `import --base` then rounds it
/// likewise, and whoever loads the adapter elsewhere has to.
///
/// # Errors
/// `FinetuneError` for a number that is not finite, or a file that cannot be written.
pub fn save_adapter(model: &Model, settings: &AdapterSettings, folder: &Path) -> Result<(), FinetuneError> {
    let form = Form::of(model)?;
    let modules = modules(model, form.prefix(model));
    let mut stored = Vec::new();
    for module in &modules {
        stored.extend(module.matrices(model)?);
    }
    for entry in head_entries(model, &form) {
        let shape = model.parameters().shape(&entry.own)?.to_vec();
        stored.push(Stored { name: entry.stored, shape, values: model.parameters().numbers(&entry.own)? });
    }
    write(folder, (&stored, model.base()), &config(&form, settings, &modules))
}

/// Puts the numbers of a saved adapter into a model that has adapters in the same places, to train on from them.
///
/// # Errors
/// `FinetuneError::Adapter` names the first tensor that is missing, left over, or of another shape, and a scale that is
/// another one, and a base that was kept in other numbers.
pub fn load_adapter(
    model: &mut Model,
    settings: &AdapterSettings,
    folder: &Path,
) -> Result<(), FinetuneError> {
    let path = folder.join(WEIGHTS);
    check_scale(settings, &folder.join(CONFIG))?;
    let bytes = read(&path)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| misfit(&path, error.to_string()))?;
    check_base(model, &path, &bytes)?;
    let form = Form::of(model)?;
    let (modules, head) = (modules(model, form.prefix(model)), head_entries(model, &form));
    let known: Vec<String> = modules.iter().flat_map(Module::names).collect();
    let is_known =
        |name: &str| known.iter().any(|known| known == name) || head.iter().any(|entry| entry.stored == name);
    if let Some(left_over) = file.names().into_iter().find(|name| !is_known(name)) {
        return Err(misfit(&path, format!("`{left_over}` has no place in it")));
    }
    let numbers = |name: &str, shape: &[usize]| {
        let tensor = file.tensor(name).map_err(|_| misfit(&path, format!("`{name}` is missing")))?;
        if tensor.shape() == shape && tensor.dtype() == Dtype::F32 {
            return Ok(Element::F32.decode(tensor.data()));
        }
        let (found, number_type) = (tensor.shape(), tensor.dtype());
        Err(misfit(&path, format!("`{name}` is {number_type:?} {found:?}, f32 {shape:?} expected")))
    };
    for module in &modules {
        let values = module.read(model, &numbers)?;
        let values = values.ok_or_else(|| {
            misfit(&path, format!("`{}` mixes maps that have adapters of their own here", module.path))
        })?;
        for (own, values) in values {
            model.parameters_mut().change(&own, |numbers| numbers.copy_from_slice(&values))?;
        }
    }
    for entry in head {
        let shape = model.parameters().shape(&entry.own)?.to_vec();
        let values = numbers(&entry.stored, &shape)?;
        model.parameters_mut().change(&entry.own, |numbers| numbers.copy_from_slice(&values))?;
    }
    Ok(())
}

/// The weights of the head that PEFT's file holds; none of a model without its head.
fn head_entries(model: &Model, form: &Form) -> Vec<HeadEntry> {
    let mut entries = Vec::new();
    for (index, module) in form.head_modules().iter().enumerate() {
        let [weight, bias] = head_names(index);
        let is_decoder = model.config().family().is_decoder();
        for (own, part) in [(weight, "weight"), (bias, "bias")] {
            if part == "weight" || !is_decoder {
                entries.push(HeadEntry { own, stored: format!("{WRAPPED}{module}.{part}") });
            }
        }
    }
    entries
}

/// Several adapters side by side are one of their ranks together, and alpha / rank stays.
fn config(form: &Form, settings: &AdapterSettings, modules: &[Module]) -> PeftConfig {
    let target = |module: &Module| Target {
        module: module.path.clone(),
        rank: settings.rank * module.count(),
        alpha: settings.alpha * module.count() as f64,
    };
    PeftConfig {
        task: Some(form.task().to_owned()),
        rank: settings.rank,
        alpha: settings.alpha,
        dropout: settings.dropout,
        targets: modules.iter().map(target).collect(),
        saved_modules: form.saved_modules().into_iter().map(str::to_owned).collect(),
    }
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

fn check_base(model: &Model, path: &Path, file: &[u8]) -> Result<(), FinetuneError> {
    let (_, metadata) = SafeTensors::read_metadata(file).map_err(|error| misfit(path, error.to_string()))?;
    let stated = metadata.metadata().as_ref().and_then(|all| all.get(BASE_NUMBERS));
    let trained_on = stated.map_or(BaseNumbers::F32.name(), String::as_str);
    if trained_on == model.base().name() {
        return Ok(());
    }
    let own = model.base().name();
    Err(misfit(path, format!("it was trained on a base in `{trained_on}`, and the model's is in `{own}`")))
}

fn read(path: &Path) -> Result<Vec<u8>, FinetuneError> {
    fs::read(path).map_err(|source| FinetuneError::Read { path: path.to_owned(), source })
}

fn misfit(path: &Path, message: String) -> FinetuneError {
    FinetuneError::Adapter { path: path.to_owned(), message }
}
