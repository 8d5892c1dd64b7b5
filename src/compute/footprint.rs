use std::collections::BTreeSet;
use std::convert::Infallible;

use super::ops::MOST_SCORES;
use super::{AdapterSettings, Memory};
use crate::architectures::{
    Attention, Embedding, Linear, Norm, Operations, Parameter, States, hidden_states, linear_maps,
    narrow_form, needed_weights,
};
use crate::checkpoint::{Activation, BaseNumbers, FamilyConfig, Head, HeadActivation, Pooling};

/// A model that is to be trained, before any of its weights are read.
#[derive(Clone, Copy, Debug)]
pub struct Planned<'a> {
    /// The bare model.
    pub config: &'a FamilyConfig,
    /// Its head, which is trained.
    pub head: &'a Head,
    /// Adapters beside its maps, which are trained.
    pub adapters: Option<&'a AdapterSettings>,
    /// Whether the bare model is trained.
    pub whole: bool,
    /// The numbers that its frozen matrices are kept in.
    pub base: BaseNumbers,
    /// What is kept between the way forth and back.
    pub memory: Memory,
    /// Whether a GPU computes it, which makes more on the way: steps are composed of several operations, texts padded, and
    /// the scores of all heads are there at once.
    pub on_gpu: bool,
}

/// Texts that are computed together, without padding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchShape {
    /// How many.
    pub texts: usize,
    /// Tokens of all.
    pub tokens: usize,
    /// Tokens of the longest.
    pub longest: usize,
}

impl Planned<'_> {
    /// Bytes of all numbers of the model in memory, and those that one f32 for each number that is trained would take.
    #[must_use]
    pub fn parameters(&self) -> [usize; 2] {
        let of_base = |parameter: &Parameter| {
            let count = parameter.shape.iter().product::<usize>();
            let rows = parameter.shape.first().copied().unwrap_or(0);
            narrow_form(parameter, self.base)
                .map_or(F32 * count, |form| form.bytes(rows, count / rows.max(1)))
        };
        let base: usize = needed_weights(self.config).iter().map(of_base).sum();
        let maps = linear_maps(self.config);
        let adapters = maps.iter().map(|linear| self.rank(linear) * (linear.inputs + linear.outputs));
        let head = self.head.layers.iter().map(|layer| layer.weight.len() + layer.bias.len());
        let beside = F32 * adapters.chain(head).sum::<usize>();
        [base + beside, beside + if self.whole { base } else { 0 }]
    }

    /// Bytes that the way forth and back through one batch take at most, beside parameters, moments and the gradients of
    /// batches before it.
    ///
    /// Counted is what each step of the tape keeps, once where several keep the same; the gradients of parameters that are
    /// complete by then; and what the step itself makes on the way back: gradients of its inputs and outputs, matrices that
    /// it decodes, and attention probabilities, which are not kept, of as many heads as there are threads. Where
    /// layers are computed twice, only one layer's steps are kept, beside the inputs of those before. Not counted is what is
    /// small, such as ids and what one thread sums, and what the allocator holds back.
    #[must_use]
    pub fn step(&self, batch: BatchShape) -> usize {
        let mut counter = Counter::new(*self, batch);
        let last = self.head.pooling == Pooling::Last && self.config.family().is_decoder();
        let states = if last { States::Last } else { States::All };
        let Ok(mut x) = hidden_states(&mut counter, self.config, states);
        if !last {
            let Ok(pooled) = counter.last_token(&x);
            x = pooled;
        }
        for (index, layer) in self.head.layers.iter().enumerate() {
            let name = format!("head.{index}");
            let function = layer.activation != HeadActivation::Linear;
            let outputs = layer.bias.len();
            let map = Map { name: &name, inputs: layer.inputs, outputs, rank: 0, trained: true, function };
            x = counter.map(map, &x, None);
        }
        counter.peak()
    }

    /// The rank of the adapter beside a map; 0 where there is none.
    fn rank(&self, linear: &Linear) -> usize {
        self.adapters
            .filter(|settings| settings.slots.contains(&linear.slot))
            .map_or(0, |settings| settings.rank)
    }
}

/// Bytes of a number.
const F32: usize = size_of::<f32>();

/// A value of the tape without its numbers.
#[derive(Clone, Copy, Debug)]
struct Held {
    id: usize,
    rows: usize,
    width: usize,
    /// Whether a gradient is wanted of it.
    wanted: bool,
}

impl Held {
    fn numbers(&self) -> usize {
        self.rows * self.width
    }
}

/// One step of the tape, in numbers.
#[derive(Clone, Copy, Debug, Default)]
struct Step {
    /// What it keeps and no step before it does.
    kept: usize,
    /// What it makes on the way back and is gone behind it.
    passing: usize,
    /// Gradients of parameters that it is the first to use, so that they are complete behind it.
    gradients: usize,
    /// What its layer got, where this is the first step of one that is computed twice.
    layer_got: Option<usize>,
}

/// A linear map of the base or of the head.
#[derive(Clone, Copy)]
struct Map<'a> {
    name: &'a str,
    inputs: usize,
    outputs: usize,
    /// Of the adapter beside it.
    rank: usize,
    /// Whether its own numbers are.
    trained: bool,
    /// Whether a function stands behind it.
    function: bool,
}

/// The interpreter that computes nothing and counts what [`super::Interpreter`] would keep.
struct Counter<'a> {
    planned: Planned<'a>,
    batch: BatchShape,
    values: usize,
    /// The values that steps keep.
    kept: BTreeSet<usize>,
    /// The parameters that were met.
    met: BTreeSet<String>,
    steps: Vec<Step>,
}

impl<'a> Counter<'a> {
    fn new(planned: Planned<'a>, batch: BatchShape) -> Self {
        let (kept, met) = (BTreeSet::new(), BTreeSet::new());
        Self { planned, batch, values: 0, kept, met, steps: Vec::new() }
    }

    /// A value that nothing keeps yet.
    fn value(&mut self, rows: usize, width: usize, wanted: bool) -> Held {
        self.values += 1;
        Held { id: self.values, rows, width, wanted }
    }

    /// Records a step over these inputs, which keeps some of them.
    fn record(&mut self, inputs: &[&Held], kept: &[&Held], step: Step) {
        if inputs.iter().all(|input| !input.wanted) && step.gradients == 0 {
            return;
        }
        let new = kept.iter().filter(|value| self.kept.insert(value.id));
        let kept = step.kept + new.map(|value| value.numbers()).sum::<usize>();
        self.steps.push(Step { kept, ..step });
    }

    /// What a step makes on the way, where it is composed of several operations.
    fn composed(&self, passing: usize) -> usize {
        if self.planned.on_gpu { 2 * passing } else { passing }
    }

    /// The numbers of a parameter of the base, where it is trained and met for the first time.
    fn gradient(&mut self, parameter: &Parameter) -> usize {
        let is_new = self.planned.whole && self.met.insert(parameter.name.clone());
        if is_new { parameter.shape.iter().product() } else { 0 }
    }

    fn map(&mut self, map: Map<'_>, x: &Held, residual: Option<&Held>) -> Held {
        let Map { inputs, outputs, rank, .. } = map;
        let trained = map.trained || rank > 0;
        let wanted = trained || x.wanted || residual.is_some_and(|value| value.wanted);
        let y = self.value(x.rows, outputs, wanted);
        let is_new = trained && self.met.insert(map.name.to_owned());
        let own = if map.trained { (inputs + 1) * outputs } else { rank * (inputs + outputs) };
        let dropped = rank > 0 && self.planned.adapters.is_some_and(|settings| settings.dropout > 0.0);
        let before = if map.function { y.numbers() } else { 0 };
        let factors = if dropped { x.numbers() } else { 0 };
        let decoded = if self.planned.base == BaseNumbers::F32 || map.trained { 0 } else { inputs * outputs };
        let back = if x.wanted { x.numbers() } else { 0 };
        let passing = y.numbers() + before + back + factors + decoded;
        let step = Step {
            kept: x.rows * rank + before + factors,
            passing: self.composed(passing),
            gradients: if is_new { own } else { 0 },
            layer_got: None,
        };
        if wanted {
            let inputs = [Some(&y), Some(x), residual];
            let inputs: Vec<&Held> = inputs.into_iter().flatten().collect();
            self.record(&inputs, &inputs[1..], step);
        }
        y
    }

    fn of_base<'b>(&self, linear: &'b Linear, function: bool) -> Map<'b> {
        let Linear { name, inputs, outputs, .. } = linear;
        let (rank, trained) = (self.planned.rank(linear), self.planned.whole);
        Map { name, inputs: *inputs, outputs: *outputs, rank, trained, function }
    }

    /// A step whose result has the form of x.
    fn alike(&mut self, x: &Held, others: &[&Held], kept: &[&Held], gradients: usize) -> Held {
        let inputs: Vec<&Held> = std::iter::once(x).chain(others.iter().copied()).collect();
        let wanted = gradients > 0 || self.planned.whole || inputs.iter().any(|input| input.wanted);
        let y = self.value(x.rows, x.width, wanted);
        let passing = y.numbers() * (1 + inputs.iter().filter(|input| input.wanted).count());
        let passing = self.composed(passing);
        self.record(&inputs, kept, Step { passing, gradients, ..Step::default() });
        y
    }

    /// Heads normalised and turned.
    fn placed(&mut self, attention: &Attention, which: usize, x: Held) -> Held {
        let mut x = x;
        if let Some(norms) = attention.head_norms.as_deref() {
            let Ok(normalised) = self.norm(&norms[which], &x);
            x = normalised;
        }
        if attention.rotary.is_some() { self.alike(&x, &[], &[], 0) } else { x }
    }

    /// The most that is held at any step of the way back, in bytes.
    fn peak(&self) -> usize {
        let mut complete: usize = self.steps.iter().map(|step| step.gradients).sum();
        let (mut kept, mut got, mut peak) = (0, 0, 0);
        for step in &self.steps {
            if let Some(layer_got) = step.layer_got {
                (kept, got) = (0, got + layer_got);
            }
            kept += step.kept;
            peak = peak.max(got + kept + step.passing + complete);
            complete -= step.gradients;
        }
        F32 * peak
    }
}

impl Operations for Counter<'_> {
    type Tensor = Held;
    type Error = Infallible;

    fn layer_begins(&mut self, carried: &mut [&mut Held]) -> Result<(), Infallible> {
        if self.planned.memory == Memory::LayerInputs {
            let got = carried.iter().map(|value| value.numbers()).sum();
            self.kept.extend(carried.iter().map(|value| value.id));
            self.steps.push(Step { layer_got: Some(got), ..Step::default() });
        }
        Ok(())
    }

    fn embed(&mut self, embedding: &Embedding) -> Result<Held, Infallible> {
        let width = embedding.tokens.shape.last().copied().unwrap_or(0);
        let tables = [Some(&embedding.tokens), embedding.positions.as_ref(), embedding.segments.as_ref()];
        let gradients = tables.into_iter().flatten().map(|table| self.gradient(table)).sum();
        let x = self.value(self.batch.tokens, width, self.planned.whole);
        self.record(&[], &[], Step { passing: x.numbers(), gradients, ..Step::default() });
        Ok(x)
    }

    fn linear(&mut self, linear: &Linear, x: &Held) -> Result<Held, Infallible> {
        Ok(self.map(self.of_base(linear, false), x, None))
    }

    fn norm(&mut self, norm: &Norm, x: &Held) -> Result<Held, Infallible> {
        let parameters = [Some(norm.weight()), norm.bias()];
        let gradients = parameters.iter().flatten().map(|parameter| self.gradient(parameter)).sum();
        Ok(self.alike(x, &[], &[x], gradients))
    }

    fn attention(&mut self, attention: &Attention, x: &Held) -> Result<Held, Infallible> {
        let query = self.linear(&attention.query, x)?;
        let query = self.placed(attention, 0, query);
        let key = self.linear(&attention.key, x)?;
        let key = self.placed(attention, 1, key);
        let value = self.linear(&attention.value, x)?;
        let (longest, heads) = (self.batch.longest, attention.heads);
        let square = longest * longest;
        let mut inputs = vec![query, key, value];
        if let Some(bias) = &attention.relative_bias {
            let gradients = self.gradient(&bias.table);
            self.record(&[], &[], Step { gradients, ..Step::default() });
            inputs.push(self.value(heads * longest, longest, self.planned.whole));
        }
        let mut rows = 0;
        if let Some(parts) = attention.disentangled.as_deref() {
            let [table_rows, width] = [0, 1].map(|side| parts.table.shape.get(side).copied().unwrap_or(0));
            rows = table_rows;
            let gradients = self.gradient(&parts.table);
            self.record(&[], &[], Step { gradients, ..Step::default() });
            let mut table = self.value(table_rows, width, self.planned.whole);
            if let Some(norm) = &parts.norm {
                table = self.norm(norm, &table)?;
            }
            for linear in [&parts.key, &parts.query].into_iter().flatten() {
                inputs.push(self.linear(linear, &table)?);
            }
        }
        let wanted = inputs.iter().any(|input| input.wanted);
        let y = self.value(self.batch.tokens, heads * attention.head_width, wanted);
        // Scores and their gradients, slopes of a cap, and scores of distances.
        let parts = if self.planned.on_gpu { 5 } else { 2 };
        let of_head = square * (parts + usize::from(attention.softcap.is_some())) + 2 * longest * rows;
        let together = if self.planned.on_gpu {
            (MOST_SCORES / square.max(1)).max(heads)
        } else {
            rayon::current_num_threads()
        };
        let at_once = together.min(self.batch.texts * heads);
        // The gradient, those of each head, and those of queries, keys and values put together.
        let joined: usize = inputs.iter().filter(|input| input.wanted).map(Held::numbers).sum();
        // Gradients of what all texts share, text by text.
        let shared: usize = inputs.iter().skip(3).filter(|input| input.wanted).map(Held::numbers).sum();
        let passing = 4 * y.numbers() + joined + self.batch.texts * shared + at_once * of_head;
        let inputs: Vec<&Held> = inputs.iter().collect();
        self.record(&inputs, &inputs, Step { passing, ..Step::default() });
        Ok(y)
    }

    fn activate(&mut self, _: Activation, x: &Held) -> Result<Held, Infallible> {
        Ok(self.alike(x, &[], &[x], 0))
    }

    fn add(&mut self, a: &Held, b: &Held) -> Result<Held, Infallible> {
        Ok(self.alike(a, &[b], &[], 0))
    }

    fn multiply(&mut self, a: &Held, b: &Held) -> Result<Held, Infallible> {
        Ok(self.alike(a, &[b], &[a, b], 0))
    }

    fn last_token(&mut self, x: &Held) -> Result<Held, Infallible> {
        let y = self.value(self.batch.texts, x.width, x.wanted);
        self.record(&[x], &[], Step { passing: x.numbers(), ..Step::default() });
        Ok(y)
    }

    fn linear_activate(&mut self, linear: &Linear, _: Activation, x: &Held) -> Result<Held, Infallible> {
        Ok(self.map(self.of_base(linear, true), x, None))
    }

    fn linear_add_norm(
        &mut self,
        linear: &Linear,
        x: &Held,
        residual: &Held,
        norm: &Norm,
    ) -> Result<Held, Infallible> {
        let sum = self.map(self.of_base(linear, false), x, Some(residual));
        self.norm(norm, &sum)
    }

    fn gated(&mut self, [gate, up]: [&Linear; 2], _: Activation, x: &Held) -> Result<Held, Infallible> {
        let (gate, up) = (self.linear(gate, x)?, self.linear(up, x)?);
        self.multiply(&gate, &up)
    }
}
