use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::builder::{Builder, data_type, dimension};
use super::data::DataFile;
use super::messages::{Entry, Tensor};
use super::{GraphError, WeightStorage};
use crate::architectures::Parameter;
use crate::checkpoint::files::GRAPH_DATA;
use crate::checkpoint::{Element, Weights};

/// Smaller tensors stand in the graph itself: reading it finds them at once, and the data file has no holes.
const INLINE_BYTES: usize = 1024;
/// How many numbers are converted at a time, so that a table of gigabytes needs no second one in memory.
const CHUNK: usize = 1 << 20;

/// Where the constants of a graph come from and go to.
pub(super) struct Store<'a> {
    weights: &'a Weights,
    element: Element,
    storage: WeightStorage,
    data: DataFile,
    written: BTreeSet<String>,
    in_place: BTreeSet<PathBuf>,
}

impl<'a> Store<'a> {
    /// Opens the data file in the model folder.
    pub(super) fn create(
        weights: &'a Weights,
        folder: &Path,
        element: Element,
        storage: WeightStorage,
    ) -> Result<Self, GraphError> {
        let data = DataFile::create(folder)?;
        Ok(Self { weights, element, storage, data, written: BTreeSet::new(), in_place: BTreeSet::new() })
    }

    /// The number type of the graph.
    pub(super) fn element(&self) -> Element {
        self.element
    }

    /// The numbers of a weight as f32.
    pub(super) fn values(&self, parameter: &Parameter) -> Result<Vec<f32>, GraphError> {
        Ok(self.weights.get(&parameter.name, &parameter.shape)?.values())
    }

    /// A weight in the layout of the checkpoint; in its file, where it may stay there.
    pub(super) fn weight(
        &mut self,
        builder: &mut Builder,
        parameter: &Parameter,
    ) -> Result<String, GraphError> {
        let stored = self.weights.get(&parameter.name, &parameter.shape)?;
        let name = parameter.name.clone();
        if !self.written.insert(name.clone()) {
            return Ok(name);
        }
        let mut tensor = self.described(&name, stored.shape);
        let same = stored.element == self.element;
        if stored.bytes.len() < INLINE_BYTES {
            tensor.raw_data = Some(self.element.encode(&stored.values(), &name)?);
        } else if same && !stored.merged && self.storage == WeightStorage::Linked {
            let file_name = stored.file.file_name().unwrap_or_default().to_string_lossy();
            refer(&mut tensor, &file_name, stored.offset, stored.bytes.len());
            self.in_place.insert(stored.file.to_owned());
        } else {
            let start = self.data.begin()?;
            for chunk in stored.bytes.chunks(CHUNK * stored.element.size()) {
                if same {
                    self.data.push(chunk)?;
                } else {
                    self.data.push(&self.element.encode(&stored.element.decode(chunk), &name)?)?;
                }
            }
            refer(&mut tensor, GRAPH_DATA, start, self.data.length() - start);
        }
        builder.add_tensor(tensor);
        Ok(name)
    }

    /// Numbers that are computed from weights, or from the configuration; each name once.
    pub(super) fn computed(
        &mut self,
        builder: &mut Builder,
        (name, shape): (&str, &[usize]),
        values: impl FnOnce(&Self) -> Result<Vec<f32>, GraphError>,
    ) -> Result<String, GraphError> {
        if self.written.insert(name.to_owned()) {
            let bytes = self.element.encode(&values(self)?, name)?;
            let mut tensor = self.described(name, shape);
            if bytes.len() < INLINE_BYTES {
                tensor.raw_data = Some(bytes);
            } else {
                let start = self.data.begin()?;
                self.data.push(&bytes)?;
                refer(&mut tensor, GRAPH_DATA, start, bytes.len());
            }
            builder.add_tensor(tensor);
        }
        Ok(name.to_owned())
    }

    /// Gives the data file its name, where it holds anything; gives the files that are used in place.
    pub(super) fn commit(self) -> Result<BTreeSet<PathBuf>, GraphError> {
        if self.data.length() > 0 {
            self.data.commit()?;
        }
        Ok(self.in_place)
    }

    fn described(&self, name: &str, shape: &[usize]) -> Tensor {
        let dims = shape.iter().map(|&size| dimension(size)).collect();
        Tensor { dims, data_type: data_type(self.element), name: name.to_owned(), ..Default::default() }
    }
}

fn refer(tensor: &mut Tensor, file: &str, offset: usize, length: usize) {
    let entry = |key: &str, value: String| Entry { key: key.to_owned(), value };
    tensor.data_location = 1;
    tensor.external_data = vec![
        entry("location", file.to_owned()),
        entry("offset", offset.to_string()),
        entry("length", length.to_string()),
    ];
}
