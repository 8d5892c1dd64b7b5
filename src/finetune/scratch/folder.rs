use std::path::Path;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

use super::ScratchRecipe;
use crate::architectures::{Parameter, Role, needed_weights};
use crate::checkpoint::{Element, FamilyConfig, files, normal};
use crate::compute::Model;
use crate::encoding::TokenizerFiles;
use crate::files::write;
use crate::finetune::FinetuneError;

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";

/// The standard deviation of random tables, as BERT's own `initializer_range` has it.
const TABLE_DEVIATION: f64 = 0.02;

/// Writes a checkpoint to begin with: a tokenizer trained on these texts, and seeded random weights. One that is there
/// already is left as it is: a training that is taken up again began with it.
///
/// # Errors
/// `FinetuneError` when the tokenizer cannot be trained or a file cannot be written.
pub(in crate::finetune) fn begin<'a>(
    folder: &Path,
    recipe: &ScratchRecipe,
    texts: impl Iterator<Item = &'a str> + Send,
    (max_tokens, seed): (usize, u64),
) -> Result<(), FinetuneError> {
    // Written last: where it is, everything is.
    if folder.join(CONFIG).is_file() {
        return Ok(());
    }
    let tokenizer = TokenizerFiles::train(texts, recipe.vocabulary, max_tokens)?;
    let config = recipe.config(tokenizer.vocabulary_size()?, max_tokens);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let parameters = needed_weights(&FamilyConfig::of_json(&config, &folder.join(CONFIG))?);
    let tensors = parameters.into_iter().map(|parameter| {
        let numbers = drawn(&parameter, &mut random);
        Ok((parameter, numbers))
    });
    let tensors = tensors.collect::<Result<Vec<_>, FinetuneError>>()?;
    write_folder(folder, &tokenizer, &config, &tensors)
}

/// Writes what a training made of such a checkpoint in the same form, for Python or for further training; the head stands
/// in the model folder.
///
/// # Errors
/// `FinetuneError` when a file of the first checkpoint cannot be read or one of the new cannot be written.
pub(in crate::finetune) fn write_trained(
    model: &Model,
    begun: &Path,
    folder: &Path,
) -> Result<(), FinetuneError> {
    let (_, config) = FamilyConfig::read(&begun.join(CONFIG))?;
    let tokenizer = TokenizerFiles::read(begun)?;
    let tensors = needed_weights(model.config()).into_iter().map(|parameter| {
        let numbers = model.parameters().numbers(&parameter.name)?;
        Ok((parameter, numbers))
    });
    let tensors = tensors.collect::<Result<Vec<_>, FinetuneError>>()?;
    write_folder(folder, &tokenizer, &config, &tensors)
}

fn write_folder(
    folder: &Path,
    tokenizer: &TokenizerFiles,
    config: &Value,
    tensors: &[(Parameter, Vec<f32>)],
) -> Result<(), FinetuneError> {
    write(&folder.join(files::TOKENIZER), &tokenizer.tokenizer)?;
    if let Some(switches) = &tokenizer.config {
        write(&folder.join(files::TOKENIZER_CONFIG), switches)?;
    }
    write(&folder.join(WEIGHTS), &serialised(tensors)?)?;
    Ok(write(&folder.join(CONFIG), format!("{config:#}\n").as_bytes())?)
}

fn serialised(tensors: &[(Parameter, Vec<f32>)]) -> Result<Vec<u8>, FinetuneError> {
    let encoded = tensors
        .iter()
        .map(|(parameter, numbers)| Ok((parameter, Element::F32.encode(numbers, &parameter.name)?)));
    let encoded = encoded.collect::<Result<Vec<_>, FinetuneError>>()?;
    let views = encoded.iter().map(|(parameter, bytes)| {
        Ok((&parameter.name, TensorView::new(Dtype::F32, parameter.shape.clone(), bytes)?))
    });
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    let written = views
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .and_then(|views| safetensors::serialize(views, Some(metadata)));
    // The shapes are those that the numbers were drawn or read by.
    written.map_err(|error| FinetuneError::Settings(format!("`{WEIGHTS}` cannot be written: {error}")))
}

/// Random numbers for a parameter: normalisations begin as none, biases at 0, and a matrix keeps the size of what goes
/// through it.
fn drawn(parameter: &Parameter, random: &mut ChaCha8Rng) -> Vec<f32> {
    let count = parameter.shape.iter().product();
    let mut normals = |deviation| (0..count).map(|_| normal(random, deviation)).collect();
    match parameter.role {
        Role::Norm if parameter.name.ends_with(".weight") => vec![1.0; count],
        Role::Norm | Role::Bias => vec![0.0; count],
        Role::Table => normals(TABLE_DEVIATION),
        Role::Matrix => {
            let inputs = parameter.shape.last().copied().unwrap_or(1);
            normals(1.0 / (inputs as f64).sqrt())
        }
    }
}
