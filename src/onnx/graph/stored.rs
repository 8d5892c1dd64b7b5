use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use super::builder::{Builder, data_type, dimension, types};
use super::data::DataFile;
use super::messages::{Entry, Tensor};
use super::{GraphError, WeightStorage};
use crate::architectures::Parameter;
use crate::checkpoint::files::GRAPH_DATA;
use crate::checkpoint::{
    BlockRow, Element, LowBits, Moved, StoredTensor, Weights, blocks_of_row, bytes_of_block,
    bytes_of_zero_points, round_row,
};

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
    rounded: Vec<RoundedWeight>,
}

/// How far a weight moved that was rounded to few bits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RoundedWeight {
    /// Its name.
    pub name: String,
    /// How many numbers it has.
    pub numbers: usize,
    /// The root of the mean square of the differences, as a share of that of the weight.
    pub relative_error: f64,
}

/// The names of a matrix of whole numbers, of its scales and of its zero points.
pub(super) struct BlockNames {
    pub(super) numbers: String,
    pub(super) scales: String,
    pub(super) zero_points: String,
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
        Ok(Self {
            weights,
            element,
            storage,
            data,
            written: BTreeSet::new(),
            in_place: BTreeSet::new(),
            rounded: Vec::new(),
        })
    }

    /// The numbers of a weight as f32.
    pub(super) fn values(&self, parameter: &Parameter) -> Result<Vec<f32>, GraphError> {
        Ok(self.weights.get(&parameter.name, &parameter.shape)?.values())
    }

    /// A weight in the layout of the checkpoint and in this number type; in its file, where it may stay there.
    pub(super) fn weight(
        &mut self,
        builder: &mut Builder,
        parameter: &Parameter,
        element: Element,
    ) -> Result<String, GraphError> {
        let stored = self.weights.get(&parameter.name, &parameter.shape)?;
        let name = self.named(&parameter.name, element);
        if !self.written.insert(name.clone()) {
            return Ok(name);
        }
        let mut tensor = described(&name, stored.shape, data_type(element));
        let same = stored.element == element;
        if stored.bytes.len() < INLINE_BYTES {
            tensor.raw_data = Some(element.encode(&stored.values(), &name)?);
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
                    self.data.push(&element.encode(&stored.element.decode(chunk), &name)?)?;
                }
            }
            refer(&mut tensor, GRAPH_DATA, start, self.data.length() - start);
        }
        builder.add_tensor(tensor);
        Ok(name)
    }

    /// Numbers that are computed from weights, or from the configuration; each name once in a number type.
    pub(super) fn computed(
        &mut self,
        builder: &mut Builder,
        (name, shape, element): (&str, &[usize], Element),
        values: impl FnOnce(&Self) -> Result<Vec<f32>, GraphError>,
    ) -> Result<String, GraphError> {
        let name = self.named(name, element);
        if self.written.insert(name.clone()) {
            let bytes = element.encode(&values(self)?, &name)?;
            let tensor = described(&name, shape, data_type(element));
            let tensor = self.placed(tensor, bytes)?;
            builder.add_tensor(tensor);
        }
        Ok(name)
    }

    /// A matrix as whole numbers with scales in this number type, rounded some rows at a time, so that only what stands for
    /// scales and zero points is in memory for the whole of it.
    pub(super) fn blocks(
        &mut self,
        builder: &mut Builder,
        parameter: &Parameter,
        (form, element): (LowBits, Element),
    ) -> Result<BlockNames, GraphError> {
        let name = |part: &str| self.named(&format!("{}.{part}", parameter.name), element);
        let names = BlockNames {
            numbers: name(form.weights.name()),
            scales: name("scales"),
            zero_points: name("zero_points"),
        };
        let weights = self.weights;
        let stored = weights.get(&parameter.name, &parameter.shape)?;
        if !self.written.insert(names.numbers.clone()) {
            return Ok(names);
        }
        let matrix = Matrix::of(&stored, form);
        let total = matrix.shape().into_iter().product::<usize>();
        let mut numbers = described(&names.numbers, &matrix.shape(), types::UINT8);
        let start = if total < INLINE_BYTES { None } else { Some(self.data.begin()?) };
        let (mut small, mut scales, mut zero_points) = (Vec::new(), Vec::new(), Vec::new());
        let mut moved = Moved::default();
        for bytes in stored.bytes.chunks(matrix.bytes_at_a_time(stored.element)) {
            for row in matrix.rounded(&stored.element.decode(bytes), (element, stored.name))? {
                match start {
                    None => small.extend(row.numbers),
                    Some(_) => self.data.push(&row.numbers)?,
                }
                scales.extend(row.scales);
                zero_points.extend(row.zero_points);
                moved.add(row.moved);
            }
        }
        match start {
            None => numbers.raw_data = Some(small),
            Some(start) => refer(&mut numbers, GRAPH_DATA, start, self.data.length() - start),
        }
        builder.add_tensor(numbers);
        let tensor = described(&names.scales, &matrix.shape()[..2], data_type(element));
        builder.add_tensor(self.placed(tensor, scales)?);
        let shape = [matrix.rows, bytes_of_zero_points(form, matrix.inputs)];
        let tensor = described(&names.zero_points, &shape, types::UINT8);
        builder.add_tensor(self.placed(tensor, zero_points)?);
        self.rounded.push(RoundedWeight {
            name: parameter.name.clone(),
            numbers: matrix.rows * matrix.inputs,
            relative_error: moved.relative(),
        });
        Ok(names)
    }

    /// Puts the numbers of a tensor into the graph itself or into the data file.
    fn placed(&mut self, mut tensor: Tensor, bytes: Vec<u8>) -> Result<Tensor, GraphError> {
        if bytes.len() < INLINE_BYTES {
            tensor.raw_data = Some(bytes);
        } else {
            let start = self.data.begin()?;
            self.data.push(&bytes)?;
            refer(&mut tensor, GRAPH_DATA, start, bytes.len());
        }
        Ok(tensor)
    }

    /// The name of a constant; in another number type than the graph's it is another constant.
    fn named(&self, name: &str, element: Element) -> String {
        if element == self.element { name.to_owned() } else { format!("{name}.{}", element.name()) }
    }

    /// What was rounded to few bits so far, in the order of its use.
    pub(super) fn rounded(&self) -> &[RoundedWeight] {
        &self.rounded
    }

    /// Gives the data file its name, where it holds anything; gives the files that are used in place.
    pub(super) fn commit(self) -> Result<BTreeSet<PathBuf>, GraphError> {
        if self.data.length() > 0 {
            self.data.commit()?;
        }
        Ok(self.in_place)
    }
}

/// A matrix that is rounded row by row.
struct Matrix {
    rows: usize,
    inputs: usize,
    form: LowBits,
}

impl Matrix {
    fn of(stored: &StoredTensor<'_>, form: LowBits) -> Self {
        let rows = stored.shape.first().copied().unwrap_or(0);
        Self { rows, inputs: stored.shape.iter().skip(1).product(), form }
    }

    /// Of its whole numbers: [rows, blocks, bytes of a block].
    fn shape(&self) -> [usize; 3] {
        [self.rows, blocks_of_row(self.form, self.inputs), bytes_of_block(self.form)]
    }

    /// Whole rows, about as many numbers as are converted at a time elsewhere.
    fn bytes_at_a_time(&self, stored_as: Element) -> usize {
        let inputs = self.inputs.max(1);
        (CHUNK / inputs).max(1) * inputs * stored_as.size()
    }

    fn rounded(&self, values: &[f32], (element, name): (Element, &str)) -> Result<Vec<BlockRow>, GraphError> {
        let rows = values.par_chunks(self.inputs.max(1));
        Ok(rows.map(|row| round_row(row, self.form, element, name)).collect::<Result<_, _>>()?)
    }
}

fn described(name: &str, shape: &[usize], data_type: i32) -> Tensor {
    let dims = shape.iter().map(|&size| dimension(size)).collect();
    Tensor { dims, data_type, name: name.to_owned(), ..Default::default() }
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
