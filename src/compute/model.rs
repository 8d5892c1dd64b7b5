use std::collections::BTreeMap;

use candle_core::Tensor;

use super::adapters::add_adapters;
use super::checkpointing::{Segments, is_wanted};
use super::engine::Steps;
use super::interpreter::Interpreter;
use super::numbers::copied;
use super::tape::{Value, sum};
use super::{
    AdapterSettings, ComputeError, Dropout, Engine, PackedBatch, PaddedBatch, ParameterInfo, Parameters,
    Part, Positions,
};
use crate::architectures::{
    Linear, Parameter, Role, States, hidden_states, linear_maps, narrow_form, needed_weights,
};
use crate::checkpoint::{BaseNumbers, Dense, FamilyConfig, Head, HeadForm, NarrowMatrix, Pooling, Weights};

/// What is kept between the way forth and the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// All that the way back needs.
    Everything,
    /// What each layer got; the layers are computed a second time on the way back.
    LayerInputs,
}

/// A model in memory: the bare model, and where it has been given them, a head and adapters. The processor computes in f32,
/// whatever the numbers that its base is kept in; a GPU multiplies by a narrow base in bf16 and does everything else in f32.
#[derive(Debug)]
pub struct Model {
    config: FamilyConfig,
    base: BaseNumbers,
    parameters: Parameters,
    head: Option<HeadForm>,
    /// Of the adapters.
    dropout: f64,
}

impl Model {
    /// Reads every weight that the configuration needs; all are frozen.
    ///
    /// # Errors
    /// `ComputeError::Checkpoint` names the weights that are missing.
    pub fn load(config: &FamilyConfig, weights: &Weights) -> Result<Self, ComputeError> {
        Self::load_in(BaseNumbers::F32, config, weights)
    }

    /// The same with matrices and tables kept in these numbers: rounded one after the other, so that no f32 copy of the base
    /// is ever in memory, and decoded where they are used. What is narrow stays frozen.
    ///
    /// # Errors
    /// The same, and for a weight that is not finite in these numbers.
    pub fn load_in(
        base: BaseNumbers,
        config: &FamilyConfig,
        weights: &Weights,
    ) -> Result<Self, ComputeError> {
        Self::load_on(Engine::PROCESSOR, base, (config, weights))
    }

    /// The same where an engine computes; one weight after the other goes there.
    ///
    /// # Errors
    /// The same, and `ComputeError::Candle` where there is no memory for it.
    pub fn load_on(
        engine: Engine,
        base: BaseNumbers,
        (config, weights): (&FamilyConfig, &Weights),
    ) -> Result<Self, ComputeError> {
        let needed = needed_weights(config);
        let shapes: Vec<(String, Vec<usize>)> =
            needed.iter().map(|parameter| (parameter.name.clone(), parameter.shape.clone())).collect();
        weights.check(&shapes)?;
        let mut parameters = Parameters::on(engine);
        for parameter in needed {
            let stored = weights.get(&parameter.name, &parameter.shape)?;
            match narrow_form(&parameter, base) {
                None => parameters.insert(parameter, Part::Base, stored.values())?,
                Some(form) => {
                    parameters.insert_narrow(parameter, Part::Base, NarrowMatrix::of(&stored, form)?)?;
                }
            }
        }
        Ok(Self { config: config.clone(), base, parameters, head: None, dropout: 0.0 })
    }

    /// The numbers that the base is kept in.
    #[must_use]
    pub fn base(&self) -> BaseNumbers {
        self.base
    }

    /// Puts a head behind the hidden states.
    ///
    /// # Errors
    /// `ComputeError::Candle` for a head whose layers do not have their shapes.
    pub fn attach(&mut self, head: &Head) -> Result<(), ComputeError> {
        for (index, layer) in head.layers.iter().enumerate() {
            let [weight, bias] = head_names(index);
            let outputs = layer.bias.len();
            let weight = Parameter { name: weight, shape: vec![outputs, layer.inputs], role: Role::Matrix };
            let bias = Parameter { name: bias, shape: vec![outputs], role: Role::Bias };
            self.parameters.insert(weight, Part::Head, layer.weight.clone())?;
            self.parameters.insert(bias, Part::Head, layer.bias.clone())?;
        }
        self.head = Some(HeadForm::of(head));
        Ok(())
    }

    /// Puts adapters beside linear maps.
    ///
    /// # Errors
    /// `ComputeError::Batch` where the family has no map in any of the slots.
    pub fn adapt(&mut self, settings: &AdapterSettings) -> Result<(), ComputeError> {
        let linears = self.linear_maps();
        add_adapters(&mut self.parameters, &linears, settings)?;
        self.dropout = settings.dropout;
        let found = self.parameters.iter().any(|info| info.part == Part::Adapter);
        if found { Ok(()) } else { Err(ComputeError::NoAdapter) }
    }

    /// The share of the numbers in front of each adapter that a step of training leaves out.
    #[must_use]
    pub fn dropout(&self) -> f64 {
        self.dropout
    }

    /// Every linear map of the bare model, in the order of use.
    #[must_use]
    pub fn linear_maps(&self) -> Vec<Linear> {
        linear_maps(&self.config)
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &FamilyConfig {
        &self.config
    }

    /// All the numbers.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// All the numbers, to change them.
    pub fn parameters_mut(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    /// Decides which parameters are trained.
    pub fn choose(&mut self, trained: impl Fn(&ParameterInfo) -> bool) {
        self.parameters.choose(trained);
    }

    /// The head with its present numbers.
    ///
    /// # Errors
    /// `ComputeError::NoHead` where there is none.
    pub fn head(&self) -> Result<Head, ComputeError> {
        let form = self.head.as_ref().ok_or(ComputeError::NoHead)?;
        let mut inputs = form.width;
        let mut layers = Vec::new();
        for (index, &activation) in form.layers.iter().enumerate() {
            let [weight, bias] = head_names(index).map(|name| self.parameters.numbers(&name));
            let layer = Dense { inputs, weight: weight?, bias: bias?, activation };
            inputs = layer.bias.len();
            layers.push(layer);
        }
        Ok(Head { pooling: form.pooling, width: form.width, layers, softcap: form.softcap })
    }

    /// Whether there is an adapter beside a linear map.
    #[must_use]
    pub fn is_adapted(&self, linear: &Linear) -> bool {
        self.parameters.scale(&linear.name).is_some()
    }

    /// The hidden states of a batch, row by row: [rows, length, width] or, of the last token alone,
    /// [rows, width].
    ///
    /// # Errors
    /// `ComputeError` for a batch that is too long, a token beyond the vocabulary, or a fault of candle.
    pub fn hidden_states(&self, batch: &PaddedBatch, states: States) -> Result<Vec<f32>, ComputeError> {
        self.check(batch)?;
        let packed = PackedBatch::with_padding(batch, self.positions());
        let mut interpreter = Interpreter::new(&self.parameters, &packed);
        hidden_states(&mut interpreter, &self.config, states)?.numbers()
    }

    /// The outputs of the head: [rows, outputs].
    ///
    /// # Errors
    /// The same, and `ComputeError::NoHead`.
    pub fn logits(&self, batch: &PaddedBatch) -> Result<Vec<f32>, ComputeError> {
        self.check(batch)?;
        let packed = PackedBatch::new(batch, self.positions());
        let mut interpreter = Interpreter::new(&self.parameters, &packed);
        let states = hidden_states(&mut interpreter, &self.config, self.states()?)?;
        self.outputs(&mut interpreter, &states)?.numbers()
    }

    /// The gradients of what is trained, by name, from those of the outputs that `back` gives for the outputs; with
    /// `dropout` the outputs too are those of adapters that see a part of their inputs.
    ///
    /// # Errors
    /// The same, and what `back` gives.
    pub fn gradients<E: From<ComputeError>>(
        &self,
        batch: &PaddedBatch,
        (memory, dropout): (Memory, Option<Dropout>),
        back: impl FnOnce(&[f32]) -> Result<Vec<f32>, E>,
    ) -> Result<BTreeMap<String, Vec<f32>>, E> {
        self.check(batch)?;
        let packed = PackedBatch::new(batch, self.positions());
        let named = match memory {
            Memory::Everything => self.straight((&packed, dropout), back)?,
            Memory::LayerInputs => self.segmented((&packed, dropout), back)?,
        };
        let named = named.into_iter().map(|(name, gradient)| Ok((name, copied(&gradient)?)));
        Ok(named.collect::<Result<_, ComputeError>>()?)
    }

    fn straight<E: From<ComputeError>>(
        &self,
        (packed, dropout): (&PackedBatch, Option<Dropout>),
        back: impl FnOnce(&[f32]) -> Result<Vec<f32>, E>,
    ) -> Result<BTreeMap<String, Tensor>, E> {
        let mut interpreter = Interpreter::recording(&self.parameters, packed, dropout);
        let states = hidden_states(&mut interpreter, &self.config, self.states()?)?;
        let outputs = self.outputs(&mut interpreter, &states)?;
        let gradient = back(&outputs.numbers()?)?;
        let gradient = self.parameters.engine().tensor(gradient, outputs.tensor.dims())?;
        drop(states);
        Ok(interpreter.backward(vec![(outputs, gradient)])?.0)
    }

    fn segmented<E: From<ComputeError>>(
        &self,
        (packed, dropout): (&PackedBatch, Option<Dropout>),
        back: impl FnOnce(&[f32]) -> Result<Vec<f32>, E>,
    ) -> Result<BTreeMap<String, Tensor>, E> {
        let mut forth = Segments::all(&self.parameters, packed, dropout);
        let states = hidden_states(&mut forth, &self.config, self.states()?)?;
        let outputs = self.outputs(&mut forth.inner, &states)?;
        let gradient = back(&outputs.numbers()?)?;
        let gradient = self.parameters.engine().tensor(gradient, outputs.tensor.dims())?;
        let mut kept = forth.into_kept();
        let mut known = vec![Some(gradient)];
        let mut total = BTreeMap::new();
        drop((states, outputs));
        let mut segment = kept.len();
        while is_wanted(&kept, segment) {
            let mut part = Segments::one((&self.parameters, dropout), packed, kept.clone(), segment);
            let states = hidden_states(&mut part, &self.config, self.states()?)?;
            let gave = if part.is_active() {
                vec![self.outputs(&mut part.inner, &states)?]
            } else {
                std::mem::take(&mut part.gave)
            };
            let got = std::mem::take(&mut part.got);
            let (named, mut gradients) = part.inner.backward(pairs(gave, known))?;
            add_all(self.parameters.engine().steps(), &mut total, named)?;
            known = got.iter().map(|value| gradients.take(value)).collect();
            kept.truncate(segment);
            let Some(before) = segment.checked_sub(1) else { break };
            segment = before;
        }
        Ok(total)
    }

    fn positions(&self) -> Positions {
        match self.config {
            FamilyConfig::Roberta(_) => Positions::OfTokens,
            _ => Positions::OfPlaces,
        }
    }

    fn states(&self) -> Result<States, ComputeError> {
        let form = self.head.as_ref().ok_or(ComputeError::NoHead)?;
        let last = form.pooling == Pooling::Last && self.config.family().is_decoder();
        Ok(if last { States::Last } else { States::All })
    }

    /// Pooling and the layers of the head, by the formulas of `checkpoint::Head`.
    fn outputs(&self, interpreter: &mut Interpreter, states: &Value) -> Result<Value, ComputeError> {
        let form = self.head.as_ref().ok_or(ComputeError::NoHead)?;
        let mut x = match self.states()? {
            States::Last => states.clone(),
            States::All => interpreter.pool(form.pooling, states)?,
        };
        for (index, &activation) in form.layers.iter().enumerate() {
            x = interpreter.dense(&head_names(index), activation, &x)?;
        }
        match form.softcap {
            None => Ok(x),
            Some(cap) => interpreter.cap(cap, &x),
        }
    }

    fn check(&self, batch: &PaddedBatch) -> Result<(), ComputeError> {
        let rows = self.config.vocabulary_size();
        if let Some(beyond) = batch.ids.iter().find(|&&id| usize::try_from(id).is_ok_and(|id| id >= rows)) {
            return Err(ComputeError::Batch(format!(
                "token {beyond} is beyond the {rows} rows of the table"
            )));
        }
        if batch.length > self.config.max_positions() {
            let message = format!("{} tokens, the model takes {}", batch.length, self.config.max_positions());
            return Err(ComputeError::Batch(message));
        }
        Ok(())
    }
}

/// The names of weight and bias of a layer of the head.
#[must_use]
pub fn head_names(index: usize) -> [String; 2] {
    ["weight", "bias"].map(|part| format!("head.{index}.{part}"))
}

/// The values that have a gradient, with it.
fn pairs(values: Vec<Value>, gradients: Vec<Option<Tensor>>) -> Vec<(Value, Tensor)> {
    let pairs = values.into_iter().zip(gradients);
    pairs.filter_map(|(value, gradient)| Some((value, gradient?))).collect()
}

fn add_all(
    steps: Steps,
    total: &mut BTreeMap<String, Tensor>,
    more: BTreeMap<String, Tensor>,
) -> Result<(), ComputeError> {
    for (name, gradient) in more {
        let together = match total.remove(&name) {
            None => gradient,
            Some(earlier) => sum(steps, &earlier, &gradient)?,
        };
        total.insert(name, together);
    }
    Ok(())
}
