//! Our logits of the sequences that are compared.

use std::borrow::Cow;

use super::compare::Pair;
use crate::checkpoint::{Element, files};
use crate::commands::model_folder::ModelFolder;
use crate::commands::{BadInput, OrBadInput};
use crate::onnx::{Device, PoolOptions, SessionError, SessionPool};
use crate::predictors::language_model::{Request, Runner, ScheduleOptions, Sequences, compute as run};
use crate::progress::Progress;

/// Where and how the model runs.
pub(super) struct Options {
    pub(super) device: Device,
    pub(super) batch_tokens: usize,
    pub(super) threads: usize,
}

struct Compared<'a>(&'a [Pair]);

impl Sequences for Compared<'_> {
    fn length(&self, item: usize) -> usize {
        self.0[item].sequence.ids.len()
    }

    fn tokens(&self, item: usize) -> (Cow<'_, [u32]>, Cow<'_, [u32]>) {
        let sequence = &self.0[item].sequence;
        (Cow::Borrowed(&sequence.ids), Cow::Borrowed(&sequence.type_ids))
    }
}

/// What the model gave, and where.
#[derive(Default)]
pub(super) struct Computed {
    /// The logits of every sequence, in the order of the pairs.
    pub(super) logits: Vec<Vec<f32>>,
    /// The devices, one a copy.
    pub(super) devices: Vec<String>,
    /// Why these.
    pub(super) device_choice: String,
}

/// The logits of every sequence, in the order of the pairs.
///
/// # Errors
/// When the sessions cannot be made or fail; a model that does not fit its card is bad input.
pub(super) fn compute(
    model: &ModelFolder,
    pairs: &[Pair],
    options: &Options,
    progress: &dyn Progress,
) -> anyhow::Result<Computed> {
    let head = model.card.read_head(&model.path).or_bad_input()?;
    let pool_options = PoolOptions {
        pad_id: model.encoder.pad().or_bad_input()?.id,
        ..PoolOptions::for_threads(options.device.clone(), options.threads)
    };
    let pool = SessionPool::open(&model.path.join(files::GRAPH), &pool_options)
        .map_err(|error| fault(error, model.card.element))?;
    let logits = |values: &[f32], tokens: usize| match &head {
        Some(head) => head.logits(values, tokens),
        None => values.to_vec(),
    };
    let sequences = Compared(pairs);
    let lengths: Vec<usize> = pairs.iter().map(|pair| pair.sequence.ids.len()).collect();
    let schedule = ScheduleOptions { batch_tokens: options.batch_tokens, orders: 1, one_pass_first: false };
    let rows: Vec<Vec<usize>> = (0..pairs.len()).map(|item| vec![item]).collect();
    let request = Request { lengths: &lengths, rows: &rows, schedule, admits: &|_| true };
    let task = progress.start("computing", Some(pairs.len() as u64), "sequences");
    let runner = Runner { pool: &pool, sequences: &sequences, head: &logits };
    let computed = run(&runner, &request, None, task.as_ref())?;
    Ok(Computed {
        logits: computed.values.into_iter().map(Option::unwrap_or_default).collect(),
        devices: pool.report().devices.clone(),
        device_choice: pool.report().choice.clone(),
    })
}

/// A model that cannot be run is bad input; a library or a device that fails is not.
fn fault(error: SessionError, element: Element) -> anyhow::Error {
    match error {
        SessionError::Model { path, .. } if element == Element::Bf16 => BadInput(format!(
            "`{}` computes in bf16, for which ONNX Runtime has kernels on CUDA only; use `--device cuda`, or import the \
             model with `--dtype f32`",
            path.display()
        ))
        .into(),
        SessionError::Model { .. } | SessionError::Signature { .. } => BadInput(error.to_string()).into(),
        other => other.into(),
    }
}
