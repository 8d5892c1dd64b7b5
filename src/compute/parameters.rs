use std::collections::{BTreeMap, HashMap};

use candle_core::Tensor;

use super::ComputeError;
use super::numbers::{change, numbers, tensor};
use crate::architectures::Parameter;

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

/// The numbers of a model by name, in f32.
#[derive(Debug, Default)]
pub struct Parameters {
    stored: BTreeMap<String, (ParameterInfo, Tensor)>,
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
        let name = parameter.name.clone();
        self.stored.insert(name, (ParameterInfo { parameter, part, trainable: false }, tensor));
        Ok(())
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

    /// The numbers of one, rows first.
    ///
    /// # Errors
    /// `ComputeError::NotLoaded` where there is none of this name.
    pub fn numbers(&self, name: &str) -> Result<Vec<f32>, ComputeError> {
        Ok(numbers(&self.find(name)?.1)?.to_vec())
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
    /// `ComputeError::NotLoaded` where there is none of this name.
    pub fn change(&mut self, name: &str, work: impl FnMut(&mut [f32])) -> Result<(), ComputeError> {
        change(&self.find(name)?.1, work)
    }

    pub(super) fn set_scale(&mut self, linear: &str, scale: f32) {
        self.scales.insert(linear.to_owned(), scale);
    }

    pub(super) fn scale(&self, linear: &str) -> Option<f32> {
        self.scales.get(linear).copied()
    }

    pub(super) fn find(&self, name: &str) -> Result<&(ParameterInfo, Tensor), ComputeError> {
        self.stored.get(name).ok_or_else(|| ComputeError::NotLoaded(name.to_owned()))
    }
}
