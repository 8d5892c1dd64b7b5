use std::path::Path;

use super::FinetuneError;
use crate::checkpoint::{Checkpoint, HeadChoice, LoadedHead, load_head};
use crate::compute::{Model, Part};
use crate::onnx::graph::{Addition, ImportOptions, ImportReport, write_model};

/// Writes a trained model as a model folder, by the writer that imports checkpoints: adapters merged in f32, trained
/// weights in the place of the checkpoint's, the trained head, and what `add` adds, such as the encoder. `options` are
/// those by which the training began.
///
/// # Errors
/// `FinetuneError` for a checkpoint that is not the one that was trained, or a folder that cannot be written.
pub fn export(
    model: &Model,
    checkpoint: &Path,
    target: &Path,
    (options, add): (&ImportOptions, &Addition<'_>),
) -> Result<ImportReport, FinetuneError> {
    let mut opened = match &options.base {
        Some(base) => Checkpoint::open_adapter(checkpoint, base)?,
        None => Checkpoint::open(checkpoint)?,
    };
    opened.config.limit_positions(options.rotary_positions());
    let outputs = load_head(&opened, &options.head, options.outputs.as_deref())?.outputs;
    for linear in model.linear_maps().iter().filter(|linear| model.is_adapted(linear)) {
        opened.weights.replace(&linear.weight().name, model.merged(linear)?)?;
    }
    let trained = model.parameters().trainable().filter(|info| info.part == Part::Base);
    for name in trained.map(|info| &info.parameter.name) {
        opened.weights.replace(name, model.parameters().numbers(name)?)?;
    }
    let head = LoadedHead { head: model.head()?, outputs };
    // The head is no longer the one that the choice made.
    let options = ImportOptions { head: HeadChoice::Own, ..options.clone() };
    Ok(write_model((&opened, &head), target, &options, add)?)
}
