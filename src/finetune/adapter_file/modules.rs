use super::WRAPPED;
use super::writing::Stored;
use crate::architectures::Linear;
use crate::compute::{ComputeError, Model, adapter_names};
use crate::finetune::FinetuneError;

/// A linear map of the wrapped model with adapters: one of ours, or several that are stored as one. Adapters of parts are
/// one adapter of the whole: their A one above the other, their B each in its rows and columns, zero elsewhere.
pub(super) struct Module {
    /// Its path in the model that PEFT wraps.
    pub(super) path: String,
    /// Rows of the whole map.
    outputs: usize,
    /// The parts that have an adapter, each with its first row in the whole.
    blocks: Vec<(Linear, usize)>,
}

/// Reads a stored tensor of a name and a shape.
type Numbers<'a> = dyn Fn(&str, &[usize]) -> Result<Vec<f32>, FinetuneError> + 'a;

/// The modules with adapters, in the order of use.
pub(super) fn modules(model: &Model, prefix: &str) -> Vec<Module> {
    let mut modules: Vec<Module> = Vec::new();
    for linear in model.linear_maps().into_iter().filter(|linear| model.is_adapted(linear)) {
        let part = model.config().part_of(&linear.weight().name);
        let (whole, outputs, first_row) = part.unwrap_or((linear.weight().name, linear.outputs, 0));
        let path = format!("{prefix}{}", whole.strip_suffix(".weight").unwrap_or(&whole));
        match modules.iter_mut().find(|module| module.path == path) {
            Some(module) => module.blocks.push((linear, first_row)),
            None => modules.push(Module { path, outputs, blocks: vec![(linear, first_row)] }),
        }
    }
    modules
}

impl Module {
    /// How many adapters it holds.
    pub(super) fn count(&self) -> usize {
        self.blocks.len()
    }

    /// The names of A and B in PEFT's file.
    pub(super) fn names(&self) -> [String; 2] {
        ["lora_A", "lora_B"].map(|part| format!("{WRAPPED}{}.{part}.weight", self.path))
    }

    /// A and B.
    pub(super) fn matrices(&self, model: &Model) -> Result<[Stored; 2], ComputeError> {
        let ranks = self.ranks(model)?;
        let rank: usize = ranks.iter().sum();
        let (mut a, mut b) = (Vec::new(), vec![0.0; self.outputs * rank]);
        let mut column = 0;
        for ((linear, first_row), own_rank) in self.blocks.iter().zip(ranks) {
            let [down, up] = adapter_names(&linear.name).map(|name| model.parameters().numbers(&name));
            a.extend(down?);
            for (row, values) in up?.chunks_exact(own_rank.max(1)).enumerate() {
                b[(first_row + row) * rank + column..][..own_rank].copy_from_slice(values);
            }
            column += own_rank;
        }
        let inputs = self.blocks.first().map_or(0, |(linear, _)| linear.inputs);
        let [a_name, b_name] = self.names();
        Ok([
            Stored { name: a_name, shape: vec![rank, inputs], values: a },
            Stored { name: b_name, shape: vec![self.outputs, rank], values: b },
        ])
    }

    /// The numbers of each adapter by our name; none where a B reaches beyond its own rows and columns.
    #[expect(clippy::type_complexity, reason = "names with numbers, or none")]
    pub(super) fn read(
        &self,
        model: &Model,
        numbers: &Numbers<'_>,
    ) -> Result<Option<Vec<(String, Vec<f32>)>>, FinetuneError> {
        let ranks = self.ranks(model)?;
        let rank: usize = ranks.iter().sum();
        let inputs = self.blocks.first().map_or(0, |(linear, _)| linear.inputs);
        let [a_name, b_name] = self.names();
        let (a, mut b) = (numbers(&a_name, &[rank, inputs])?, numbers(&b_name, &[self.outputs, rank])?);
        let (mut found, mut column) = (Vec::new(), 0);
        for ((linear, first_row), own_rank) in self.blocks.iter().zip(ranks) {
            let [down, up] = adapter_names(&linear.name);
            found.push((down, a[column * inputs..(column + own_rank) * inputs].to_vec()));
            let mut values = Vec::with_capacity(linear.outputs * own_rank);
            for row in *first_row..first_row + linear.outputs {
                let own = &mut b[row * rank + column..][..own_rank];
                values.extend_from_slice(own);
                own.fill(0.0);
            }
            found.push((up, values));
            column += own_rank;
        }
        Ok(b.iter().all(|&value| value == 0.0).then_some(found))
    }

    fn ranks(&self, model: &Model) -> Result<Vec<usize>, ComputeError> {
        let rank = |(linear, _): &(Linear, usize)| {
            let [down, _] = adapter_names(&linear.name);
            Ok(model.parameters().shape(&down)?.first().copied().unwrap_or(0))
        };
        self.blocks.iter().map(rank).collect()
    }
}
