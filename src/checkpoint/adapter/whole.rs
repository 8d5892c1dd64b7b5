use std::collections::BTreeMap;
use std::path::Path;

use super::files::AdapterFiles;
use super::{Delta, mismatch};
use crate::checkpoint::{BaseNumbers, CheckpointError};

/// An adapter apart from any base, by the names of the model that PEFT wraps.
#[derive(Clone, Debug, PartialEq)]
pub struct Adapter {
    /// In which numbers the base was while it was trained.
    pub base: BaseNumbers,
    /// PEFT's word for the class of the wrapped model.
    pub task: Option<String>,
    /// The modules that were trained whole and saved.
    pub saved_modules: Vec<String>,
    /// The share of its inputs that training left out in a step.
    pub dropout: f64,
    /// What is added to the weight of each module.
    pub modules: BTreeMap<String, Delta>,
    /// What was trained whole, by its name.
    pub saved: BTreeMap<String, SavedWeight>,
}

/// A weight that takes the place of the base's.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedWeight {
    /// Rows first.
    pub shape: Vec<usize>,
    /// Its numbers.
    pub values: Vec<f32>,
}

impl Adapter {
    /// Reads `adapter_config.json` and `adapter_model.safetensors`.
    ///
    /// # Errors
    /// `CheckpointError` for files that cannot be read, a kind of adapter that is not merged, and matrices that have not
    /// the rank that the configuration says.
    pub fn read(folder: &Path) -> Result<Self, CheckpointError> {
        let files = AdapterFiles::read(folder, 0)?;
        let mut modules = BTreeMap::new();
        for (module, pair) in &files.pairs {
            let (a, b) = pair.both(folder, module)?;
            let (rank, scaling) = (files.config.rank(module), files.config.scaling(module));
            let ([rows, inputs], [_, columns]) = (&a.shape[..], &b.shape[..]) else {
                return Err(mismatch(folder, format!("`{module}` has an adapter that is no matrix")));
            };
            if (*rows, *columns) != (rank, rank) {
                let message =
                    format!("`{module}` has matrices {:?} and {:?} of rank {rank}", a.shape, b.shape);
                return Err(mismatch(folder, message));
            }
            let inputs = *inputs;
            let [a, b] = [a, b].map(|entry| entry.values(&files.file));
            modules.insert(module.clone(), Delta { inputs, rank, a, b, scaling });
        }
        let saved = files.saved.iter().map(|(name, entry)| {
            let saved = SavedWeight { shape: entry.shape.clone(), values: entry.values(&files.file) };
            (name.clone(), saved)
        });
        Ok(Self {
            base: files.base,
            task: files.config.task_type.clone(),
            saved_modules: files.config.modules_to_save.clone().unwrap_or_default(),
            dropout: files.config.lora_dropout.unwrap_or(0.0),
            modules,
            saved: saved.collect(),
        })
    }
}
