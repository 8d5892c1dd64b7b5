use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::{FinetuneError, Trainer};
use crate::checkpoint::{BaseNumbers, Element};
use crate::files;

/// The version of the state that is written, and the only one that is read.
const VERSION: u32 = 1;
const KEY: &str = "tiebreak";

/// What a state says beside its tensors.
#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    steps: u64,
    random_seed: [u8; 32],
    random_place: String,
    settings: String,
    position: String,
}

impl Trainer {
    /// Writes weights, means, step and random numbers, so that training goes on with the same bits; `position` is what
    /// the caller needs to find its place in the data. The file appears whole or not at all.
    ///
    /// # Errors
    /// `FinetuneError` for a file that cannot be written.
    pub fn save(&self, path: &Path, position: &str) -> Result<(), FinetuneError> {
        let header = Header {
            version: VERSION,
            steps: self.optimizer.steps,
            random_seed: self.random.get_seed(),
            random_place: self.random.get_word_pos().to_string(),
            settings: self.stated(),
            position: position.to_owned(),
        };
        let fault = |error: &dyn std::fmt::Display| state(path, error.to_string());
        let text = serde_json::to_string(&header).map_err(|error| fault(&error))?;
        let mut tensors = Vec::new();
        for info in self.model.parameters().trainable() {
            let name = &info.parameter.name;
            let weights = self.model.parameters().numbers(name)?;
            tensors.push((format!("weight/{name}"), info.parameter.shape.clone(), bytes(&weights)));
            for (kind, moment) in
                ["mean", "square"].into_iter().zip(self.optimizer.moments.get(name).into_iter().flatten())
            {
                tensors.push((format!("{kind}/{name}"), info.parameter.shape.clone(), bytes(moment)));
            }
        }
        let views = tensors
            .iter()
            .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
            .map_err(|error| fault(&error))?;
        let metadata = Some(HashMap::from([(KEY.to_owned(), text)]));
        let whole = safetensors::serialize(views, metadata).map_err(|error| fault(&error))?;
        Ok(files::write(path, &whole)?)
    }

    /// Everything beside the weights that decides the next step.
    fn stated(&self) -> String {
        let base = match self.model.base() {
            // States that were written before a base could be narrow say nothing of it.
            BaseNumbers::F32 => String::new(),
            narrow => format!(", base {}", narrow.name()),
        };
        format!("{:?}, dropout {}{base}", self.settings, self.model.dropout())
    }

    /// Goes on from a state that a trainer with the same model and settings wrote; gives its position.
    ///
    /// # Errors
    /// `FinetuneError::State` for a file that is damaged or of another training.
    pub fn restore(&mut self, path: &Path) -> Result<String, FinetuneError> {
        let whole = fs::read(path).map_err(|source| FinetuneError::Read { path: path.to_owned(), source })?;
        let header = header(path, &whole)?;
        if header.settings != self.stated() {
            return Err(state(path, "it was written with other settings of training".to_owned()));
        }
        let place = header.random_place.parse();
        let place = place.map_err(|_| state(path, "its place in the random numbers is none".to_owned()))?;
        let file = SafeTensors::deserialize(&whole).map_err(|error| state(path, error.to_string()))?;
        let read = |name: String, shape: &[usize]| match file.tensor(&name) {
            Ok(tensor) if tensor.dtype() == Dtype::F32 && tensor.shape() == shape => {
                Ok(Element::F32.decode(tensor.data()))
            }
            Ok(tensor) => {
                Err(state(path, format!("`{name}` has shape {:?}, {shape:?} expected", tensor.shape())))
            }
            Err(_) => Err(state(path, format!("it has no `{name}`; it is the state of another training"))),
        };
        let (mut weights, mut moments) = (Vec::new(), BTreeMap::new());
        for info in self.model.parameters().trainable() {
            let (name, shape) = (&info.parameter.name, &info.parameter.shape);
            weights.push((name.clone(), read(format!("weight/{name}"), shape)?));
            if header.steps > 0 {
                let both = [read(format!("mean/{name}"), shape)?, read(format!("square/{name}"), shape)?];
                moments.insert(name.clone(), both);
            }
        }
        let expected = weights.len() + 2 * moments.len();
        if file.len() != expected {
            let message =
                format!("it has {} tensors, {expected} expected: another method was trained", file.len());
            return Err(state(path, message));
        }
        for (name, values) in weights {
            self.model.parameters_mut().change(&name, |weights| weights.copy_from_slice(&values))?;
        }
        (self.optimizer.steps, self.optimizer.moments) = (header.steps, moments);
        self.random = ChaCha8Rng::from_seed(header.random_seed);
        self.random.set_word_pos(place);
        Ok(header.position)
    }
}

fn header(path: &Path, whole: &[u8]) -> Result<Header, FinetuneError> {
    let (_, metadata) = SafeTensors::read_metadata(whole).map_err(|error| state(path, error.to_string()))?;
    let text = metadata.metadata().as_ref().and_then(|map| map.get(KEY));
    let text = text.ok_or_else(|| state(path, "it is not the state of a training".to_owned()))?;
    let header: Header = serde_json::from_str(text).map_err(|error| state(path, error.to_string()))?;
    if header.version == VERSION {
        return Ok(header);
    }
    Err(state(path, format!("its version is {}, this program reads {VERSION}", header.version)))
}

fn bytes(values: &[f32]) -> Vec<u8> {
    // Unlike `Element::encode` without a check: a state is written as it is.
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn state(path: &Path, message: String) -> FinetuneError {
    FinetuneError::State { path: path.to_owned(), message }
}
