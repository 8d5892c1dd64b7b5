//! PEFT adapters on a base model: `LoRA` matrices that are merged in f32 when their weight is asked for, one at a
//! time, and weights that were trained whole, such as the head, which take the place of the base's.

mod config;
mod delta;
mod files;
mod whole;

use std::collections::BTreeMap;
use std::path::Path;

pub(super) use config::CONFIG;
pub use delta::Delta;
pub use whole::{Adapter, SavedWeight};

use config::AdapterConfig;
use files::{AdapterFiles, Pair};

use super::ignorable::is_ignorable;
use super::mapped::MappedFile;
use super::{BaseNumbers, CheckpointError, Weights};

/// The key of the metadata of the weights that says in which numbers the base was while the adapter was trained; `f32` where
/// there is none.
pub const BASE_NUMBERS: &str = "tiebreak.base";

/// Puts an adapter on the weights of its base; gives the numbers in which that was while the adapter was trained.
///
/// # Errors
/// `CheckpointError` for files that cannot be read, a kind of adapter that is not merged, and the first module or
/// shape that does not fit the base.
pub(super) fn attach(weights: &mut Weights, folder: &Path) -> Result<BaseNumbers, CheckpointError> {
    let files = AdapterFiles::read(folder, weights.file_count())?;
    let on = On { folder, config: &files.config, file: &files.file };
    let mut deltas = BTreeMap::new();
    for (module, pair) in &files.pairs {
        let (name, delta) = on.delta(weights, module, pair)?;
        deltas.insert(name, delta);
    }
    on.check_complete(weights, &deltas)?;
    weights.change(files.file, deltas, files.saved);
    Ok(files.base)
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
        let (a, b) = pair.both(self.folder, module)?;
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
        let scaling = self.config.scaling(module);
        let [a, b] = [a, b].map(|entry| entry.values(self.file));
        Ok((name.to_owned(), Delta { inputs, rank, a, b, scaling }))
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
