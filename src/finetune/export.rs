use std::path::Path;

use super::FinetuneError;
use crate::architectures::round_base;
use crate::checkpoint::{BaseNumbers, Checkpoint, HeadChoice, LoadedHead, load_head};
use crate::compute::{Model, Part};
use crate::onnx::graph::{Addition, ImportOptions, ImportReport, write_model};

/// Writes a trained model as a model folder, by the writer that imports checkpoints: adapters merged in f32, trained
/// weights in the place of the checkpoint's, the trained head, and what `add` adds, such as the encoder. `options` are
/// those by which the training began. Where the base was kept in less than f32, all that lay beside adapters, and all that
/// had none, is written as it was rounded: in the numbers of the graph, which therefore computes what was trained. Weights
/// are made one after the other as they are written.
///
/// # Errors
/// `FinetuneError` for a checkpoint that is not the one that was trained, one that is an adapter on a base in less than f32,
/// or a folder that cannot be written.
pub fn export(
    model: &Model,
    checkpoint: &Path,
    target: &Path,
    (options, add): (&ImportOptions, &Addition<'_>),
) -> Result<ImportReport, FinetuneError> {
    if options.base.is_some() && model.base() != BaseNumbers::F32 {
        let message = format!(
            "adapters on a base in `{}` are trained on a whole checkpoint; merge the earlier adapter into one first",
            model.base().name()
        );
        return Err(FinetuneError::Settings(message));
    }
    let mut opened = match &options.base {
        Some(base) => Checkpoint::open_adapter(checkpoint, base)?,
        None => Checkpoint::open(checkpoint)?,
    };
    opened.base = model.base();
    round_base(&mut opened);
    opened.config.limit_positions(options.rotary_positions());
    let outputs = load_head(&opened, &options.head, options.outputs.as_deref())?.outputs;
    for linear in model.linear_maps() {
        if let Some(merge) = model.merge(&linear)? {
            opened.weights.merge(&linear.weight().name, merge)?;
        }
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
