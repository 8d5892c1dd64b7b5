//! Batches through the sessions, heads on our own thread, results out as they come.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::forecast::Timing;
use super::journal::{ItemValues, JournalError};
use crate::onnx::{BatchError, BatchOutput, Line, SessionPool};
use crate::progress::ProgressTask;

/// Batches that are handed to each session ahead of time: one runs, one waits, so that no session is ever
/// idle while a head is computed, and memory holds no more than this.
const AHEAD: usize = 2;

/// What is to be computed: token sequences by the number of their item.
pub trait Sequences: Sync {
    /// Tokens of an item.
    fn length(&self, item: usize) -> usize;
    /// Token ids of an item, and the part that each belongs to, of the same length.
    fn tokens(&self, item: usize) -> (Cow<'_, [u32]>, Cow<'_, [u32]>);
}

/// The numbers of an item from what the model gave for it: values without padding, and its tokens.
pub type Head<'a> = &'a dyn Fn(&[f32], usize) -> Vec<f32>;

/// A run could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A batch failed.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A single item does not fit the model.
    #[error("item {item} ({length} tokens) cannot be computed: {source}")]
    Item {
        /// The item.
        item: usize,
        /// Its tokens.
        length: usize,
        /// Why.
        #[source]
        source: BatchError,
    },
    /// The model gave something that is no number.
    #[error(
        "the model gave `{value}` for item {item} ({length} tokens): its weights or its precision are at \
         fault; half precision overflows in some models, single precision does not"
    )]
    NotFinite {
        /// The item.
        item: usize,
        /// Its tokens.
        length: usize,
        /// The first such value.
        value: f32,
    },
    /// Results could not be kept.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The sessions ended.
    #[error("the session threads ended before their results came")]
    Gone,
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Items that were computed.
    pub items: usize,
    /// Their tokens.
    pub tokens: usize,
    /// Tokens with padding.
    pub padded_tokens: usize,
    /// Seconds from the first batch to the last result.
    pub seconds: f64,
    /// Batches that did not fit the memory and were halved.
    pub halved: usize,
    /// Whether the run was stopped before its end.
    pub stopped: bool,
    /// What each batch took.
    pub timings: Vec<Timing>,
}

/// Who receives what a run gives, and tells it when to stop.
pub struct Watch<'a> {
    /// Gets the items of each finished batch, before anything else is done with them.
    pub keep: &'a mut dyn FnMut(&[ItemValues]) -> Result<(), RunError>,
    /// Whether another batch may be begun that would be done in so many seconds.
    pub admits: &'a dyn Fn(f64) -> bool,
    /// Gets one step an item, and tokens/s as a remark.
    pub progress: &'a dyn ProgressTask,
}

/// A model with its head over the sequences of a run.
pub struct Runner<'a> {
    /// The sessions.
    pub pool: &'a SessionPool,
    /// What is to be computed.
    pub sequences: &'a dyn Sequences,
    /// From hidden values to the numbers that are kept; runs on the thread of the caller.
    pub head: Head<'a>,
}

impl Runner<'_> {
    /// Computes batches of items. The numbers of an item do not depend on the batch that it is in, as long as
    /// those of the model do not (encoders in single precision on the processor).
    ///
    /// # Errors
    /// `RunError` that names the item; what was finished before has been kept.
    pub fn run(&self, batches: Vec<Vec<usize>>, watch: &mut Watch<'_>) -> Result<RunSummary, RunError> {
        let mut state = State {
            queue: batches.into(),
            flying: Vec::new(),
            largest: usize::MAX,
            line: self.pool.line(),
            started: Instant::now(),
            summary: RunSummary::default(),
        };
        loop {
            self.submit_ahead(&mut state, watch)?;
            if state.line.waiting() == 0 {
                break;
            }
            let (tag, result) = state.line.receive().ok_or(RunError::Gone)?;
            let batch = std::mem::take(&mut state.flying[tag]);
            match result {
                Ok(output) => self.finish(&batch, &output, &mut state.summary, watch)?,
                Err(error) => self.halve(batch, error, &mut state, watch)?,
            }
            let seconds = state.started.elapsed().as_secs_f64();
            watch.progress.note(&format!("{:.0} tokens/s", state.summary.tokens as f64 / seconds.max(1e-9)));
        }
        state.summary.seconds = state.started.elapsed().as_secs_f64();
        state.summary.stopped = !state.queue.is_empty();
        Ok(state.summary)
    }

    fn submit_ahead(&self, state: &mut State<'_>, watch: &Watch<'_>) -> Result<(), RunError> {
        while state.line.waiting() < AHEAD * self.pool.copies() {
            let Some(batch) = state.queue.pop_front() else { return Ok(()) };
            let sequence = batch.iter().map(|item| self.sequences.length(*item)).max().unwrap_or(0);
            let too_many = self.pool.report().signature.fixed_batch.is_some_and(|rows| batch.len() > rows);
            if batch.len() > 1 && (too_many || batch.len() * sequence > state.largest) {
                state.push_halves(batch);
                continue;
            }
            if !(watch.admits)(state.seconds_until_done(batch.len() * sequence, self.pool.copies())) {
                state.queue.push_front(batch);
                return Ok(());
            }
            let rows: Vec<_> = batch.iter().map(|item| self.sequences.tokens(*item)).collect();
            let slices: Vec<_> = rows.iter().map(|(ids, types)| (ids.as_ref(), types.as_ref())).collect();
            state.line.submit(state.flying.len(), &slices).map_err(|error| self.name_item(&batch, error))?;
            state.flying.push(batch);
        }
        Ok(())
    }

    fn finish(
        &self,
        batch: &[usize],
        output: &BatchOutput,
        summary: &mut RunSummary,
        watch: &mut Watch<'_>,
    ) -> Result<(), RunError> {
        let mut results = Vec::with_capacity(batch.len());
        for (row, item) in batch.iter().enumerate() {
            let length = output.length(row);
            let values = (self.head)(output.row(row), length);
            let unusable = output.not_finite(row).map(|(_, value)| value);
            if let Some(value) = unusable.or(values.iter().copied().find(|value| !value.is_finite())) {
                return Err(RunError::NotFinite { item: *item, length, value });
            }
            results.push((*item, values));
            summary.tokens += length;
        }
        (watch.keep)(&results)?;
        watch.progress.advance(batch.len() as u64);
        summary.items += batch.len();
        summary.padded_tokens += output.padded_tokens();
        summary.timings.push(Timing {
            rows: batch.len(),
            sequence: output.padded_tokens() / batch.len().max(1),
            seconds: output.seconds(),
        });
        Ok(())
    }

    /// Tries a batch that exhausted the memory again as two; every other failure ends the run.
    fn halve(
        &self,
        batch: Vec<usize>,
        error: BatchError,
        state: &mut State<'_>,
        watch: &Watch<'_>,
    ) -> Result<(), RunError> {
        let BatchError::Memory { rows, sequence, .. } = &error else {
            return Err(self.name_item(&batch, error));
        };
        if batch.len() < 2 {
            return Err(self.name_item(&batch, error));
        }
        let half = rows * sequence / 2;
        tracing::warn!("memory is exhausted by {rows} rows of {sequence} tokens: batches are halved");
        watch.progress.note(&format!("memory exhausted: batches of at most {half} tokens"));
        state.largest = state.largest.min(half);
        state.summary.halved += 1;
        state.push_halves(batch);
        Ok(())
    }

    /// Whoever reads the message knows items, not rows of batches.
    fn name_item(&self, batch: &[usize], error: BatchError) -> RunError {
        let row = match &error {
            BatchError::Row { row, .. } => *row,
            _ if batch.len() == 1 => 0,
            _ => return RunError::Batch(error),
        };
        match batch.get(row) {
            Some(item) => RunError::Item { item: *item, length: self.sequences.length(*item), source: error },
            None => RunError::Batch(error),
        }
    }
}

struct State<'a> {
    queue: VecDeque<Vec<usize>>,
    /// Every batch that was submitted, by its tag; empty again when its result has come.
    flying: Vec<Vec<usize>>,
    /// Padded tokens that are known to fit the memory.
    largest: usize,
    line: Line<'a>,
    started: Instant,
    summary: RunSummary,
}

impl State<'_> {
    fn push_halves(&mut self, mut batch: Vec<usize>) {
        let second = batch.split_off(batch.len() / 2);
        self.queue.push_front(second);
        self.queue.push_front(batch);
    }

    /// Seconds from now until a batch of so many padded tokens would be done, at the slowest pace seen; 0
    /// before the first result.
    fn seconds_until_done(&self, padded_tokens: usize, copies: usize) -> f64 {
        let pace = |timing: &Timing| timing.seconds / (timing.rows * timing.sequence).max(1) as f64;
        let recent = self.summary.timings.iter().rev().take(16).map(pace).fold(0.0, f64::max);
        let queued = self.line.waiting().div_ceil(copies.max(1)) + 1;
        recent * padded_tokens as f64 * queued as f64
    }
}
