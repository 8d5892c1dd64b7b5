use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::{Dtype, Metadata};
use serde::{Deserialize, Serialize};

use super::tensor_file::{self, StreamedTensor};
use super::{FinetuneError, Trainer};
use crate::checkpoint::{BaseNumbers, CheckpointError, MappedFile};

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
    /// the caller needs to find its place in the data. The file appears whole or not at all, and of what is trained no more
    /// than one tensor is copied at a time.
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
        let text = serde_json::to_string(&header).map_err(|error| state(path, error.to_string()))?;
        let parameters = self.model.parameters();
        let mut tensors = Vec::new();
        for info in parameters.trainable() {
            let (name, shape) = (&info.parameter.name, &info.parameter.shape[..]);
            let numbers = Box::new(|| parameters.numbers(name).map(Cow::Owned));
            tensors.push(StreamedTensor { name: format!("weight/{name}"), shape, numbers });
            let moments = self.optimizer.moments.get(name).into_iter().flatten();
            for (kind, moment) in ["mean", "square"].into_iter().zip(moments) {
                let numbers = Box::new(|| Ok(Cow::Borrowed(&moment[..])));
                tensors.push(StreamedTensor { name: format!("{kind}/{name}"), shape, numbers });
            }
        }
        tensor_file::write(path, tensors, HashMap::from([(KEY.to_owned(), text)]))
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

    /// Goes on from a state that a trainer with the same model and settings wrote; gives its position. Everything is checked
    /// before anything is changed; numbers go from the file to their place.
    ///
    /// # Errors
    /// `FinetuneError::State` for a file that is damaged or of another training.
    pub fn restore(&mut self, path: &Path) -> Result<String, FinetuneError> {
        let (file, metadata) = MappedFile::open(path).map_err(|error| unreadable(path, error))?;
        let header = header(path, &metadata)?;
        if header.settings != self.stated() {
            return Err(state(path, "it was written with other settings of training".to_owned()));
        }
        let place = header.random_place.parse();
        let place = place.map_err(|_| state(path, "its place in the random numbers is none".to_owned()))?;
        let kept = self.find(path, &metadata, header.steps > 0)?;
        if header.steps == 0 {
            self.optimizer.moments.clear();
        }
        for Kept { name, weight, moments } in kept {
            let values = numbers(file.bytes(weight).0);
            let copy = |weights: &mut [f32]| {
                weights.iter_mut().zip(values.clone()).for_each(|(weight, value)| *weight = value);
            };
            self.model.parameters_mut().change(&name, copy)?;
            if let Some(places) = moments {
                let own = self.optimizer.moments.entry(name).or_default();
                for (moment, place) in own.iter_mut().zip(places) {
                    moment.clear();
                    moment.extend(numbers(file.bytes(place).0));
                }
            }
        }
        self.optimizer.steps = header.steps;
        self.random = ChaCha8Rng::from_seed(header.random_seed);
        self.random.set_word_pos(place);
        Ok(header.position)
    }

    /// Where a file has the numbers of everything that is trained, which must be all that it has.
    fn find(&self, path: &Path, metadata: &Metadata, has_moments: bool) -> Result<Vec<Kept>, FinetuneError> {
        let place = |name: String, shape: &[usize]| match metadata.info(&name) {
            Some(info) if info.dtype == Dtype::F32 && info.shape == shape => Ok(info.data_offsets),
            Some(info) => {
                Err(state(path, format!("`{name}` has shape {:?}, {shape:?} expected", info.shape)))
            }
            None => Err(state(path, format!("it has no `{name}`; it is the state of another training"))),
        };
        let mut kept = Vec::new();
        for info in self.model.parameters().trainable() {
            let (name, shape) = (&info.parameter.name, &info.parameter.shape);
            let weight = place(format!("weight/{name}"), shape)?;
            let moments = if has_moments {
                Some([place(format!("mean/{name}"), shape)?, place(format!("square/{name}"), shape)?])
            } else {
                None
            };
            kept.push(Kept { name: name.clone(), weight, moments });
        }
        let expected = kept.len() * if has_moments { 3 } else { 1 };
        let found = metadata.tensors().len();
        if found != expected {
            let message = format!("it has {found} tensors, {expected} expected: another method was trained");
            return Err(state(path, message));
        }
        Ok(kept)
    }
}

/// Where the numbers of a parameter lie in a file.
struct Kept {
    name: String,
    weight: (usize, usize),
    moments: Option<[(usize, usize); 2]>,
}

fn header(path: &Path, metadata: &Metadata) -> Result<Header, FinetuneError> {
    let text = metadata.metadata().as_ref().and_then(|map| map.get(KEY));
    let text = text.ok_or_else(|| state(path, "it is not the state of a training".to_owned()))?;
    let header: Header = serde_json::from_str(text).map_err(|error| state(path, error.to_string()))?;
    if header.version == VERSION {
        return Ok(header);
    }
    Err(state(path, format!("its version is {}, this program reads {VERSION}", header.version)))
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = f32> + Clone {
    bytes.as_chunks::<4>().0.iter().map(|chunk| f32::from_le_bytes(*chunk))
}

fn unreadable(path: &Path, error: CheckpointError) -> FinetuneError {
    match error {
        CheckpointError::Read { path, source } => FinetuneError::Read { path, source },
        CheckpointError::Damaged { message, .. } => state(path, message),
        other => other.into(),
    }
}

fn state(path: &Path, message: String) -> FinetuneError {
    FinetuneError::State { path: path.to_owned(), message }
}
