use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use candle_core::Tensor;

use super::ComputeError;
use super::kernels::narrow::decoded;
use super::numbers::{change, numbers, tensor};
use crate::architectures::Parameter;
use crate::checkpoint::NarrowMatrix;

/// Which part of a model a parameter belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The checkpoint.
    Base,
    /// An adapter beside a linear map.
    Adapter,
    /// The head.
    Head,
}

/// What a parameter is, without its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterInfo {
    /// Name, shape and role.
    pub parameter: Parameter,
    /// Where it belongs.
    pub part: Part,
    /// Whether training changes it.
    pub trainable: bool,
}

/// The numbers of one parameter.
#[derive(Clone, Debug)]
pub(super) enum Held {
    /// In f32.
    Full(Tensor),
    /// In narrow numbers, which nothing changes.
    Narrow(Arc<NarrowMatrix>),
}

/// The numbers of a model by name: in f32, but for frozen matrices that are kept in less.
#[derive(Debug, Default)]
pub struct Parameters {
    stored: BTreeMap<String, (ParameterInfo, Held)>,
    /// The factor of the adapter beside a linear map, by the name of the map.
    scales: HashMap<String, f32>,
}

impl Parameters {
    /// Puts in a frozen parameter.
    ///
    /// # Errors
    /// `ComputeError::Candle` where the numbers do not fill the shape.
    pub fn insert(&mut self, parameter: Parameter, part: Part, values: Vec<f32>) -> Result<(), ComputeError> {
        let tensor = tensor(values, &parameter.shape)?;
        self.hold(parameter, part, Held::Full(tensor));
        Ok(())
    }

    /// Puts in a frozen matrix in narrow numbers.
    pub(super) fn insert_narrow(&mut self, parameter: Parameter, part: Part, matrix: NarrowMatrix) {
        self.hold(parameter, part, Held::Narrow(Arc::new(matrix)));
    }

    fn hold(&mut self, parameter: Parameter, part: Part, held: Held) {
        let name = parameter.name.clone();
        self.stored.insert(name, (ParameterInfo { parameter, part, trainable: false }, held));
    }

    /// Bytes that the numbers of one take in memory.
    ///
    /// # Errors
    /// `ComputeError::NotLoaded` where there is none of this name.
    pub fn bytes(&self, name: &str) -> Result<usize, ComputeError> {
        Ok(match &self.find(name)?.1 {
            Held::Full(tensor) => tensor.elem_count() * size_of::<f32>(),
            Held::Narrow(matrix) => matrix.bytes(),
        })
    }

    /// Every parameter, by name.
    pub fn iter(&self) -> impl Iterator<Item = &ParameterInfo> {
        self.stored.values().map(|(info, _)| info)
    }

    /// Those that training changes, by name.
    pub fn trainable(&self) -> impl Iterator<Item = &ParameterInfo> {
        self.iter().filter(|info| info.trainable)
    }

    /// Decides which are trained.
    pub fn choose(&mut self, trained: impl Fn(&ParameterInfo) -> bool) {
        for (info, _) in self.stored.values_mut() {
            info.trainable = trained(info);
        }
    }

    /// The numbers of one, rows first; of narrow ones those that they stand for.
    ///
    /// # Errors
    /// `ComputeError::NotLoaded` where there is none of this name.
    pub fn numbers(&self, name: &str) -> Result<Vec<f32>, ComputeError> {
        match &self.find(name)?.1 {
            Held::Full(tensor) => Ok(numbers(tensor)?.to_vec()),
            Held::Narrow(matrix) => Ok(decoded(matrix)),
        }
    }

    /// The shape of one.
    ///
    /// # Errors
    /// `ComputeError::NotLoaded` where there is none of this name.
    pub fn shape(&self, name: &str) -> Result<&[usize], ComputeError> {
        Ok(&self.find(name)?.0.parameter.shape)
    }

    /// Changes the numbers of one in place.
    ///
    /// # Errors
    /// `ComputeError::NotLoaded` where there is none of this name, `Narrow` where it is kept in less than f32.
    pub fn change(&mut self, name: &str, work: impl FnMut(&mut [f32])) -> Result<(), ComputeError> {
        match &self.find(name)?.1 {
            Held::Full(tensor) => change(tensor, work),
            Held::Narrow(_) => Err(ComputeError::Narrow(name.to_owned())),
        }
    }

    pub(super) fn set_scale(&mut self, linear: &str, scale: f32) {
        self.scales.insert(linear.to_owned(), scale);
    }

    pub(super) fn scale(&self, linear: &str) -> Option<f32> {
        self.scales.get(linear).copied()
    }

    pub(super) fn find(&self, name: &str) -> Result<&(ParameterInfo, Held), ComputeError> {
        self.stored.get(name).ok_or_else(|| ComputeError::NotLoaded(name.to_owned()))
    }
}
