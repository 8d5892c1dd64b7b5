use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use safetensors::Dtype;

use super::adapter::Delta;
use super::ignorable::is_ignorable;
use super::mapped::MappedFile;
use super::shards::shard_names;
use super::{CheckpointError, Element, Family, Merge, NarrowForm, StoredTensor};

/// The weights of a checkpoint, mapped, with a record of those that were used.
///
/// Names are those of the bare model (`encoder.layer.0.output.dense.weight`); the prefix of a whole model
/// (`bert.`) and the old names of normalisation weights (`gamma`, `beta`) are found as well.
#[derive(Debug)]
pub struct Weights {
    folder: PathBuf,
    family: Family,
    files: Vec<MappedFile>,
    pub(super) tensors: BTreeMap<String, Entry>,
    /// The file of the adapter that was put on, by its place.
    adapter_file: Option<usize>,
    /// What an adapter adds, by stored names.
    pub(super) deltas: BTreeMap<String, Delta>,
    /// What is rounded before anything is added to it, by the names of the bare model.
    rounded: BTreeMap<String, NarrowForm>,
    /// What training made of those in the files, by the names of the bare model.
    trained: BTreeMap<String, Trained>,
    used: Mutex<BTreeSet<String>>,
}

/// Where a weight lies in the files.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) file: usize,
    pub(super) element: Element,
    pub(super) shape: Vec<usize>,
    pub(super) offsets: (usize, usize),
}

impl Entry {
    /// The numbers, of the file that they lie in.
    pub(super) fn values(&self, file: &MappedFile) -> Vec<f32> {
        self.element.decode(file.bytes(self.offsets).0)
    }
}

/// What training made of a weight.
#[derive(Clone, Debug)]
enum Trained {
    /// Other numbers.
    Whole(Vec<f32>),
    /// An adapter beside it.
    Beside(Merge),
}

impl Weights {
    /// Maps `model.safetensors`, or the shards that `model.safetensors.index.json` names.
    ///
    /// # Errors
    /// `CheckpointError` when there are none, only pickle files, a shard is missing or damaged, or a number type
    /// is not read.
    pub fn open(folder: &Path, family: Family) -> Result<Self, CheckpointError> {
        let (names, expected) = shard_names(folder)?;
        let mut weights = Self {
            folder: folder.to_owned(),
            family,
            files: Vec::new(),
            tensors: BTreeMap::new(),
            adapter_file: None,
            deltas: BTreeMap::new(),
            rounded: BTreeMap::new(),
            trained: BTreeMap::new(),
            used: Mutex::default(),
        };
        for name in names {
            weights.add_file(&folder.join(name))?;
        }
        let absent: Vec<String> =
            expected.into_keys().filter(|name| !weights.tensors.contains_key(name)).collect();
        if absent.is_empty() { Ok(weights) } else { Err(weights.missing(absent)) }
    }

    fn add_file(&mut self, path: &Path) -> Result<(), CheckpointError> {
        let (file, metadata) = MappedFile::open(path)?;
        for (name, info) in metadata.tensors() {
            let element = match element_of(info.dtype) {
                Some(element) => element,
                // Buffers of positions are integers; nothing reads them.
                None if is_ignorable(&name, self.family) => continue,
                None => {
                    let stored = format!("{:?}", info.dtype);
                    return Err(CheckpointError::NumberType { name, path: path.to_owned(), stored });
                }
            };
            let entry = Entry {
                file: self.files.len(),
                element,
                shape: info.shape.clone(),
                offsets: info.data_offsets,
            };
            if self.tensors.insert(name.clone(), entry).is_some() {
                let message = format!("`{name}` is in another shard already");
                return Err(CheckpointError::Damaged { path: path.to_owned(), message });
            }
        }
        self.files.push(file);
        Ok(())
    }

    /// Where the files lie.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The safetensors files.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    /// The most frequent number type by bytes: the one that the model was saved in.
    #[must_use]
    pub fn main_element(&self) -> Element {
        let mut totals = [(Element::F32, 0), (Element::F16, 0), (Element::Bf16, 0)];
        for entry in self.tensors.values() {
            for (element, total) in &mut totals {
                if *element == entry.element {
                    *total += entry.offsets.1 - entry.offsets.0;
                }
            }
        }
        totals.into_iter().max_by_key(|(_, total)| *total).map_or(Element::F32, |(element, _)| element)
    }

    /// Whether a weight of this name is there; asking is not using.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The shape of a weight, where it is there; asking is not using.
    #[must_use]
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.find(name).map(|(_, entry)| entry.shape.as_slice())
    }

    /// Checks all the weights that a model needs at once, so that one message names all that are missing.
    ///
    /// # Errors
    /// `CheckpointError::Missing` names those that are missing or have another shape.
    pub fn check(&self, needed: &[(String, Vec<usize>)]) -> Result<(), CheckpointError> {
        let problems: Vec<String> = needed
            .iter()
            .filter_map(|(name, shape)| match self.shape(name) {
                None => Some(format!("{name} {shape:?}")),
                Some(found) if found != shape => Some(format!("{name} {shape:?} (found {found:?})")),
                Some(_) => None,
            })
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(self.missing(problems)) }
    }

    /// A weight, and the note that it was used.
    ///
    /// # Errors
    /// `CheckpointError::Missing` when it is not there or has another shape.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<StoredTensor<'_>, CheckpointError> {
        self.check(&[(name.to_owned(), shape.to_vec())])?;
        let (rounded, trained) = (self.rounded.get(name), self.trained.get(name));
        let (name, entry) = self.find(name).ok_or_else(|| self.missing(vec![name.to_owned()]))?;
        self.used().insert(name.to_owned());
        let file = &self.files[entry.file];
        let (bytes, offset) = file.bytes(entry.offsets);
        let (element, bytes, shape) = (entry.element, Cow::Borrowed(bytes), entry.shape.as_slice());
        let mut stored =
            StoredTensor { name, element, shape, bytes, merged: false, file: &file.path, offset };
        if let Some(Trained::Whole(numbers)) = trained {
            return stored.with(numbers);
        }
        // What an adapter brings whole was trained as it is.
        if let Some(form) = rounded.filter(|_| self.adapter_file != Some(entry.file)) {
            stored = stored.rounded(*form)?;
        }
        if let Some(delta) = self.deltas.get(name) {
            stored = stored.changed(|values| delta.add_to(values))?;
        }
        if let Some(Trained::Beside(merge)) = trained {
            stored = stored.changed(|values| merge.add_to(values))?;
        }
        Ok(stored)
    }

    /// From here on these weights are the numbers that they have in narrow forms, by the names of the bare model.
    pub fn round(&mut self, forms: BTreeMap<String, NarrowForm>) {
        self.rounded = forms;
    }

    /// Puts what training made of a weight in the place of what is in its file.
    ///
    /// # Errors
    /// `CheckpointError::Missing` for a weight that is not there or has another number of numbers.
    pub fn replace(&mut self, name: &str, values: Vec<f32>) -> Result<(), CheckpointError> {
        self.check_count(name, values.len())?;
        self.trained.insert(name.to_owned(), Trained::Whole(values));
        Ok(())
    }

    /// Adds a trained adapter to a weight, whenever it is asked for.
    ///
    /// # Errors
    /// `CheckpointError::Missing` for a weight that is not there or has another number of numbers.
    pub fn merge(&mut self, name: &str, merge: Merge) -> Result<(), CheckpointError> {
        let rank = merge.down.len() / merge.inputs.max(1);
        self.check_count(name, merge.up.len() / rank.max(1) * merge.inputs)?;
        self.trained.insert(name.to_owned(), Trained::Beside(merge));
        Ok(())
    }

    fn check_count(&self, name: &str, count: usize) -> Result<(), CheckpointError> {
        let numbers = self.shape(name).map(|shape| shape.iter().product::<usize>());
        if numbers == Some(count) {
            return Ok(());
        }
        Err(self.missing(vec![format!("{name} (of {count} numbers)")]))
    }

    /// Takes what an adapter changes: weights to be added to, and others that replace the base's.
    pub(super) fn change(
        &mut self,
        file: MappedFile,
        deltas: BTreeMap<String, Delta>,
        saved: Vec<(String, Entry)>,
    ) {
        self.adapter_file = Some(self.files.len());
        self.files.push(file);
        self.deltas = deltas;
        for (name, entry) in saved {
            let stored = self.find_whole(&name).map_or(name.clone(), |(stored, _)| stored.to_owned());
            self.tensors.insert(stored, entry);
        }
    }

    /// Whether an adapter changed a weight, or brought it.
    pub(super) fn is_adapted(&self, name: &str) -> bool {
        let found = self.find(name);
        found.is_some_and(|(stored, entry)| {
            self.adapter_file == Some(entry.file) || self.deltas.contains_key(stored)
        })
    }

    /// How many files there are.
    pub(super) fn file_count(&self) -> usize {
        self.files.len()
    }

    /// The family whose names they have.
    pub(super) fn family(&self) -> Family {
        self.family
    }

    /// A weight by the name that it has in a whole model, or in the bare one.
    pub(super) fn find_whole(&self, name: &str) -> Option<(&str, &Entry)> {
        let exact = self.tensors.get_key_value(name).map(|(name, entry)| (name.as_str(), entry));
        exact.or_else(|| self.find(name.strip_prefix(self.family.prefix()).unwrap_or(name)))
    }

    /// Counts the weights whose names begin so as used, because the caller wants to do without them.
    pub(super) fn discard(&self, beginning: &str) {
        let names = self.tensors.keys().filter(|name| name.starts_with(beginning)).cloned();
        self.used().extend(names);
    }

    /// The names of those that no prediction needs and nothing used: buffers, heads of another task.
    ///
    /// # Errors
    /// `CheckpointError::Unused` names the others that nothing used.
    pub fn unused(&self) -> Result<Vec<String>, CheckpointError> {
        let used = self.used();
        let (ignored, names): (Vec<String>, Vec<String>) = self
            .tensors
            .keys()
            .filter(|name| !used.contains(*name))
            .cloned()
            .partition(|name| is_ignorable(name, self.family));
        if names.is_empty() {
            Ok(ignored)
        } else {
            Err(CheckpointError::Unused { folder: self.folder.clone(), names })
        }
    }

    fn used(&self) -> MutexGuard<'_, BTreeSet<String>> {
        // A set of names is sound whatever another thread was doing.
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn find(&self, name: &str) -> Option<(&str, &Entry)> {
        let old = name
            .strip_suffix("LayerNorm.weight")
            .map(|start| format!("{start}LayerNorm.gamma"))
            .or_else(|| name.strip_suffix("LayerNorm.bias").map(|start| format!("{start}LayerNorm.beta")));
        [Some(name.to_owned()), old].into_iter().flatten().find_map(|bare| {
            let prefixed = format!("{}{bare}", self.family.prefix());
            let found = self.tensors.get_key_value(&prefixed).or_else(|| self.tensors.get_key_value(&bare));
            found.map(|(name, entry)| (name.as_str(), entry))
        })
    }

    fn missing(&self, problems: Vec<String>) -> CheckpointError {
        let family = self.family.name().to_owned();
        CheckpointError::Missing { folder: self.folder.clone(), family, problems }
    }
}

/// The number type that is read; the others are not.
pub(super) fn element_of(stored: Dtype) -> Option<Element> {
    match stored {
        Dtype::F32 => Some(Element::F32),
        Dtype::F16 => Some(Element::F16),
        Dtype::BF16 => Some(Element::Bf16),
        _ => None,
    }
}
