use std::path::{Path, PathBuf};

use super::FinetuneError;
use super::adapter_file::save_mean_adapter;
use crate::architectures::{linear_maps, round_base};
use crate::checkpoint::{
    BaseNumbers, Checkpoint, Dense, Head, HeadChoice, LoadedHead, ModelCard, StoredTensor, load_head,
};
use crate::onnx::graph::{Addition, ImportOptions, ImportReport, write_model};

/// Writes the mean of several fits of one checkpoint as a model folder. `fits` are model folders with their adapters in
/// the form of PEFT. The mean is that of the products (`W + the mean of scale B A`), not of the A and the B: the product of
/// two means is another matrix, and of adapters that turned their ranks against each other it may be nothing at all. The
/// folder is an adapter of PEFT as well, of the ranks of all fits together, whose product is that mean.
///
/// # Errors
/// `FinetuneError` for a fit that is not one of this checkpoint, heads of different forms, bases in different numbers, or a
/// folder that cannot be written.
pub fn average(
    fits: &[PathBuf],
    checkpoint: &Path,
    target: &Path,
    (options, add): (&ImportOptions, &Addition<'_>),
) -> Result<ImportReport, FinetuneError> {
    let mut mean = Checkpoint::open(checkpoint)?;
    mean.config.limit_positions(options.rotary_positions());
    let outputs = load_head(&mean, &options.head, options.outputs.as_deref())?.outputs;
    let mut opened =
        fits.iter().map(|fit| Checkpoint::open_adapter(fit, checkpoint)).collect::<Result<Vec<_>, _>>()?;
    mean.base = common_base(&opened)?;
    [&mut mean].into_iter().chain(&mut opened).for_each(round_base);
    for linear in linear_maps(&mean.config) {
        let weight = linear.weight();
        let stored = opened
            .iter()
            .map(|fit| fit.weights.get(&weight.name, &weight.shape))
            .collect::<Result<Vec<_>, _>>()?;
        if stored.iter().any(|fit| fit.merged) {
            let values: Vec<Vec<f32>> = stored.iter().map(StoredTensor::values).collect();
            let values = mean_of(&values.iter().map(Vec::as_slice).collect::<Vec<_>>());
            drop(stored);
            mean.weights.replace(&weight.name, values)?;
        }
    }
    let heads = opened
        .iter()
        .map(|fit| Ok(load_head(fit, &HeadChoice::Own, None)?.head))
        .collect::<Result<Vec<Head>, FinetuneError>>()?;
    let head = LoadedHead { head: mean_head(&heads)?, outputs };
    let options = ImportOptions { head: HeadChoice::Own, ..options.clone() };
    let add = |folder: &Path, card: &ModelCard| {
        save_mean_adapter(fits, folder)?;
        add(folder, card)
    };
    Ok(write_model((&mean, &head), target, &options, &add)?)
}

/// The numbers that the base of all the fits was kept in.
fn common_base(fits: &[Checkpoint]) -> Result<BaseNumbers, FinetuneError> {
    let first = fits.first().map(|fit| fit.base).unwrap_or_default();
    match fits.iter().find(|fit| fit.base != first) {
        None => Ok(first),
        Some(other) => Err(FinetuneError::Settings(format!(
            "the fits were trained on a base in `{}` and in `{}`; only fits on the same one have a mean",
            first.name(),
            other.base.name()
        ))),
    }
}

/// The mean of heads that differ in their numbers alone.
fn mean_head(heads: &[Head]) -> Result<Head, FinetuneError> {
    let other = || FinetuneError::Settings("the heads of the fits have different forms".to_owned());
    let first = heads.first().ok_or_else(other)?;
    let form = |head: &Head| {
        let layers = head.layers.iter().map(|layer| (layer.inputs, layer.bias.len(), layer.activation));
        (head.pooling, head.width, head.softcap, layers.collect::<Vec<_>>())
    };
    if heads.iter().any(|head| form(head) != form(first)) {
        return Err(other());
    }
    let layer = |index: usize| {
        let of = |numbers: fn(&Dense) -> &[f32]| {
            mean_of(&heads.iter().map(|head| numbers(&head.layers[index])).collect::<Vec<_>>())
        };
        let Dense { inputs, activation, .. } = first.layers[index];
        Dense { inputs, weight: of(|layer| &layer.weight), bias: of(|layer| &layer.bias), activation }
    };
    Ok(Head { layers: (0..first.layers.len()).map(layer).collect(), ..first.clone() })
}

/// Number by number, summed in f64 in the order of the fits.
#[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
pub(super) fn mean_of(fits: &[&[f32]]) -> Vec<f32> {
    let length = fits.first().map_or(0, |fit| fit.len());
    let sum = |place: usize| fits.iter().map(|fit| f64::from(fit[place])).sum::<f64>();
    (0..length).map(|place| (sum(place) / fits.len() as f64) as f32).collect()
}
