use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::language_model::{LanguageModel, LanguageModelError, ModelFolder, Serving, WantedBudget};
use crate::encoding::EncodingBudget;

/// A language model as a predictor records it: where it lies and what it must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedModel {
    /// Its folder, as the configuration named it.
    pub folder: PathBuf,
    /// The hash of its card and, through it, of all its files.
    pub fingerprint: String,
    /// The hash of its encoder's identity.
    pub encoder: String,
    /// The budget that the predictor was made with.
    pub budget: EncodingBudget,
}

impl SavedModel {
    /// What must be recorded of a model in use.
    #[must_use]
    pub fn of(model: &LanguageModel) -> Self {
        let folder = model.folder();
        Self {
            folder: folder.named.clone(),
            fingerprint: folder.fingerprint.clone(),
            encoder: folder.encoder.identity_hash.clone(),
            budget: model.fitted_budget(),
        }
    }

    /// Whether two records are of one model under one budget, wherever its folders lie: it is asked once.
    #[must_use]
    pub fn asks_the_same(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint && self.encoder == other.encoder && self.budget == other.budget
    }

    /// Whether what lies in the folder is what was recorded, by the hashes of its encoder's identity and of its card.
    ///
    /// # Errors
    /// `LanguageModelError::Changed` when another one lies there.
    pub fn check(&self, encoder: &str, fingerprint: &str) -> Result<(), LanguageModelError> {
        // The encoder first: it lies in the folder too, and the message is then the more precise one.
        let pairs = [("its encoder", &*self.encoder, encoder), ("its card", &*self.fingerprint, fingerprint)];
        match pairs.into_iter().find(|(_, recorded, found)| recorded != found) {
            None => Ok(()),
            Some((what, recorded, found)) => Err(LanguageModelError::Changed {
                folder: self.folder.clone(),
                what: format!("{what} has the hash {}, not {}", short(found), short(recorded)),
            }),
        }
    }

    /// The model again.
    ///
    /// # Errors
    /// `LanguageModelError::Changed` when another one lies there, and as `ModelFolder` gives it.
    pub fn open(&self, serving: &Serving) -> Result<Arc<LanguageModel>, LanguageModelError> {
        let folder = ModelFolder::read(&self.folder, serving)?;
        self.check(&folder.encoder.identity_hash, &folder.fingerprint)?;
        folder.open(&WantedBudget::all_of(&self.budget), serving)
    }
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}
