use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::{LanguageModel, LanguageModelError, ModelCost};
use crate::encoding::EncodingBudget;
use crate::onnx::{Device, PoolReport};

/// How language models are run, and those that were opened so far: each is loaded once, however many folds,
/// seeds and members ask it.
#[derive(Clone, Debug)]
pub struct Serving {
    /// Where.
    pub device: Device,
    /// Where they are trained, where not on the same device.
    pub training: Option<Device>,
    /// Sessions on the processor.
    pub threads: usize,
    /// Padded tokens a batch; what suits the device if absent.
    pub batch_tokens: Option<usize>,
    /// Tokens a sequence, instead of those that the predictor was made with.
    pub max_tokens: Option<usize>,
    /// Where the results of a long run are kept, so that it can be resumed.
    pub journal: Option<JournalPlace>,
    /// A folder of models that belong to a run alone, in which is looked first.
    pub own: Option<PathBuf>,
    /// A folder in which models are looked for that are not at the place that was recorded.
    pub beside: Option<PathBuf>,
    /// The version of the readers of battle files.
    pub ingest_version: u32,
    opened: Arc<Mutex<Vec<Opened>>>,
}

#[derive(Debug)]
struct Opened {
    /// Of the card, and of the encoder.
    hashes: [String; 2],
    budget: EncodingBudget,
    model: Arc<LanguageModel>,
}

/// Where a journal goes, and what to do with one that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalPlace {
    /// The file of the first model; further models get a number.
    pub path: PathBuf,
    /// Continue one that is there; else it is an error.
    pub resume: bool,
}

impl JournalPlace {
    /// The file of one of several models, counted from 0 in the order in which they were opened.
    #[must_use]
    pub fn of_model(&self, index: usize) -> Self {
        let mut path = self.path.clone().into_os_string();
        if index > 0 {
            path.push(format!("-{}", index + 1));
        }
        Self { path: path.into(), resume: self.resume }
    }

    /// Every file of it that is there, found in its folder and in the order of the models.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn existing(&self) -> io::Result<Vec<PathBuf>> {
        let folder = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut found = Vec::new();
        for entry in entries {
            let of_entry = entry?.file_name().to_string_lossy().into_owned();
            let number = match of_entry.strip_prefix(&name) {
                Some("") => Some(1),
                Some(rest) => rest.strip_prefix('-').and_then(|number| number.parse::<usize>().ok()),
                None => None,
            };
            // Spelled as we spell it: `-01` is somebody else's file.
            let place = number.and_then(|number| Some(self.of_model(number.checked_sub(1)?)));
            let is_ours = |place: &Self| place.path.file_name().is_some_and(|ours| *ours == *of_entry);
            found.extend(place.filter(is_ours).map(|place| (number, place.path)));
        }
        found.sort();
        Ok(found.into_iter().map(|(_, path)| path).collect())
    }
}

/// A language model in use, for manifests and JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelInUse {
    /// Its folder, as it was named.
    pub folder: PathBuf,
    /// Tokens a sequence at most.
    pub max_tokens: usize,
    /// The tokens that the predictor was made with, where another number is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fitted_at_max_tokens: Option<usize>,
    /// Padded tokens a batch.
    pub batch_tokens: usize,
    /// Its sessions: devices and why these, where each node runs.
    pub pool: PoolReport,
    /// Tokens and seconds a pair, once it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<ModelCost>,
}

impl Serving {
    /// On whatever device works, with everything else as the models have it.
    #[must_use]
    pub fn new(ingest_version: u32, threads: usize) -> Self {
        Self {
            device: Device::AUTO,
            training: None,
            threads,
            batch_tokens: None,
            max_tokens: None,
            journal: None,
            own: None,
            beside: None,
            ingest_version,
            opened: Arc::default(),
        }
    }

    /// The same without the models that are open, for models in `own` that are needed for a while only.
    #[must_use]
    pub fn apart(&self, own: PathBuf, threads: usize) -> Self {
        Self { own: Some(own), threads, journal: None, opened: Arc::default(), ..self.clone() }
    }

    /// The models that are open, in the order in which they were opened.
    #[must_use]
    pub fn in_use(&self) -> Vec<ModelInUse> {
        self.lock().iter().map(|opened| opened.model.in_use()).collect()
    }

    /// The hashes of the open models, in the order in which they were opened.
    #[must_use]
    pub fn fingerprints(&self) -> Vec<String> {
        self.lock().iter().map(|opened| opened.model.folder().fingerprint.clone()).collect()
    }

    /// The folder of a model: of its name in `own`, else as named, else of the same name in `beside`.
    pub(super) fn find(&self, folder: &Path) -> Result<PathBuf, LanguageModelError> {
        let named = |place: &Option<PathBuf>| Some(place.as_ref()?.join(folder.file_name()?));
        let own = named(&self.own).filter(|own| own.join(crate::checkpoint::files::CARD).is_file());
        let mut places: Vec<PathBuf> = own.into_iter().chain([folder.to_owned()]).collect();
        places.extend(named(&self.beside));
        let card = |place: &&PathBuf| place.join(crate::checkpoint::files::CARD).is_file();
        places.iter().find(card).cloned().ok_or(LanguageModelError::Missing { places: places.clone() })
    }

    /// The model of these hashes under a budget, opened only if it, or a copy of it elsewhere, is not open yet; `open`
    /// gets its number.
    pub(super) fn opened(
        &self,
        hashes: [String; 2],
        budget: &EncodingBudget,
        open: impl FnOnce(usize) -> Result<LanguageModel, LanguageModelError>,
    ) -> Result<Arc<LanguageModel>, LanguageModelError> {
        let mut opened = self.lock();
        if let Some(found) = opened.iter().find(|known| known.hashes == hashes && known.budget == *budget) {
            return Ok(Arc::clone(&found.model));
        }
        let model = Arc::new(open(opened.len())?);
        opened.push(Opened { hashes, budget: budget.clone(), model: Arc::clone(&model) });
        Ok(model)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Opened>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_has_a_journal_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let place = JournalPlace { path: folder.path().join("p.csv.journal"), resume: true };
        assert!(place.existing().unwrap().is_empty());
        let [second, hundredth] = [1, 99].map(|index| place.of_model(index).path);
        assert!(second.ends_with("p.csv.journal-2"));
        let others = ["-02", "-1", "-x", "-2-2", "s"].map(|end| format!("p.csv.journal{end}"));
        for path in
            others.iter().map(|name| folder.path().join(name)).chain([hundredth.clone(), second.clone()])
        {
            fs::write(path, "").unwrap();
        }
        assert_eq!(place.of_model(0).path, place.path);
        assert_eq!(place.existing().unwrap(), [second, hundredth]);
        let nowhere = JournalPlace { path: folder.path().join("none/p.journal"), resume: true };
        assert!(nowhere.existing().unwrap().is_empty());
    }

    #[test]
    fn a_model_that_is_nowhere_is_said_with_both_places() {
        let mut serving = Serving::new(1, 1);
        serving.beside = Some(PathBuf::from("runs"));
        let message = serving.find(Path::new("models/absent")).unwrap_err().to_string();
        assert!(message.contains("`models/absent` nor at `runs/absent`"), "{message}");
        assert!(message.contains("tiebreak import PATH --out models/absent"), "{message}");
    }
}
