use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use candle_core::Tensor;

use super::engine::Steps;
use super::kernels::narrow::decoded;
use super::narrow_tensors::NarrowTensors;
use super::numbers::{change, copied};
use super::{ComputeError, Engine};
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
    /// The same where the tensors are.
    NarrowTensors(Arc<NarrowTensors>),
}

/// The numbers of a model by name: in f32, but for frozen matrices that are kept in less.
#[derive(Debug, Default)]
pub struct Parameters {
    /// Where the numbers are.
    engine: Engine,
    stored: BTreeMap<String, (ParameterInfo, Held)>,
    /// The factor of the adapter beside a linear map, by the name of the map.
    scales: HashMap<String, f32>,
}

impl Parameters {
    /// None yet; what is put in goes to where the engine computes.
    #[must_use]
    pub fn on(engine: Engine) -> Self {
        Self { engine, ..Self::default() }
    }

    /// Where the numbers are.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Puts in a frozen parameter.
    ///
    /// # Errors
    /// `ComputeError::Candle` where the numbers do not fill the shape.
    pub fn insert(&mut self, parameter: Parameter, part: Part, values: Vec<f32>) -> Result<(), ComputeError> {
        let tensor = self.engine.tensor(values, &parameter.shape)?;
        self.hold(parameter, part, Held::Full(tensor));
        Ok(())
    }

    /// Puts in a frozen matrix in narrow numbers.
    pub(super) fn insert_narrow(
        &mut self,
        parameter: Parameter,
        part: Part,
        matrix: NarrowMatrix,
    ) -> Result<(), ComputeError> {
        let held = match self.engine.steps() {
            Steps::Loops => Held::Narrow(Arc::new(matrix)),
            Steps::Tensors => Held::NarrowTensors(Arc::new(NarrowTensors::of(&matrix, &self.engine)?)),
        };
        self.hold(parameter, part, held);
        Ok(())
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
            Held::NarrowTensors(matrix) => matrix.bytes(),
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
            Held::Full(tensor) => copied(tensor),
            Held::Narrow(matrix) => Ok(decoded(matrix)),
            Held::NarrowTensors(matrix) => copied(&matrix.decoded()?),
        }
    }

    /// The shape of one.
    ///
    /// # Errors
    /// `ComputeError::NotLoaded` where there is none of this name.
    pub fn shape(&self, name: &str) -> Result<&[usize], ComputeError> {
        Ok(&self.find(name)?.0.parameter.shape)
    }

    /// Changes the numbers of one, in place where the processor has them.
    ///
    /// # Errors
    /// `ComputeError::NotLoaded` where there is none of this name, `Narrow` where it is kept in less than f32.
    pub fn change(&mut self, name: &str, mut work: impl FnMut(&mut [f32])) -> Result<(), ComputeError> {
        let changed = match &self.find(name)?.1 {
            Held::Narrow(_) | Held::NarrowTensors(_) => return Err(ComputeError::Narrow(name.to_owned())),
            Held::Full(tensor) if self.engine.steps() == Steps::Loops => return change(tensor, work),
            Held::Full(tensor) => {
                let mut values = copied(tensor)?;
                work(&mut values);
                self.engine.tensor(values, tensor.dims())?
            }
        };
        if let Some((_, held)) = self.stored.get_mut(name) {
            *held = Held::Full(changed);
        }
        Ok(())
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
