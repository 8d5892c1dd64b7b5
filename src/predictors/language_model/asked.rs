//! The numbers that a model gives for battles: each distinct sequence once, whoever asks how often.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Instant;

use rayon::prelude::*;

use super::cost::Spent;
use super::items::{Compact, Items, Key};
use super::{
    Deadline, Identity, ItemValues, Journal, JournalPlace, LanguageModel, LanguageModelError, Outcome,
    Recovered, Request, Runner, ScheduleOptions, compute,
};
use crate::battle::Battle;
use crate::encoding::{EncodingError, Shown};
use crate::progress::Progress;

/// Battles that are tokenized between two looks at the bar.
const CHUNK: usize = 1024;

/// How numbers are asked for.
pub struct Asked<'a> {
    /// Where results are kept as they come, instead of the place that the model was opened with.
    pub journal: Option<JournalPlace>,
    /// When the last batch must be done; every battle then gets one pass before any gets its second.
    pub deadline: Option<Deadline>,
    /// Whether to stop at the next batch.
    pub stop: &'a dyn Fn() -> bool,
    /// Who wants to know how far it is.
    pub progress: &'a dyn Progress,
}

/// The numbers of each sequence of some battles.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers {
    shown: &'static [Shown],
    values: Vec<Option<Arc<[f32]>>>,
}

impl Numbers {
    /// What the sequences of each battle show, in their order.
    #[must_use]
    pub fn shown(&self) -> &'static [Shown] {
        self.shown
    }

    /// The numbers of the sequences of one battle; `None` for one that there was no time for.
    #[must_use]
    pub fn row(&self, row: usize) -> &[Option<Arc<[f32]>>] {
        &self.values[row * self.shown.len()..(row + 1) * self.shown.len()]
    }

    /// What came of a battle.
    #[must_use]
    pub fn outcome(&self, row: usize) -> Outcome {
        let sequences = self.row(row);
        Outcome::of(sequences.iter().flatten().count(), sequences.len())
    }

    /// All numbers of a battle one after another, `width` a sequence; not a number where there was no time.
    #[must_use]
    pub fn flat(&self, row: usize, width: usize) -> Vec<f32> {
        let of = |sequence: &Option<Arc<[f32]>>| {
            sequence.as_deref().map_or_else(|| vec![f32::NAN; width], <[f32]>::to_vec)
        };
        self.row(row).iter().flat_map(of).collect()
    }
}

/// The sequences of some battles.
pub(super) struct Encoded {
    /// The key of every sequence.
    pub(super) keys: Vec<Key>,
    /// Those that are not known yet.
    pub(super) items: Items,
    /// Tokens of all of them, known or not.
    tokens: usize,
}

impl LanguageModel {
    /// The numbers of all battles, those of a call scheduled together. Safe to call from several threads: what
    /// one computes the others wait for.
    ///
    /// # Errors
    /// `LanguageModelError` that names the battle; what was finished is in the journal.
    pub fn numbers_of(&self, battles: &[&Battle], asked: &Asked<'_>) -> Result<Numbers, LanguageModelError> {
        let started = Instant::now();
        let Encoded { keys, mut items, tokens } = self.encoded(battles, asked.progress)?;
        self.spent().ask(battles.len(), tokens, started.elapsed().as_secs_f64());
        // Nothing under this lock waits for the thread pool, whose threads may wait for this lock.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        items.forget(|key| known.contains_key(key));
        if !items.is_empty() {
            self.compute_missing(&items, battles, asked, &mut known)?;
        }
        let values = keys.iter().map(|key| known.get(key).cloned()).collect();
        Ok(Numbers { shown: self.shown(), values })
    }

    /// The key of every sequence, and the sequences that are not known yet.
    pub(super) fn encoded(
        &self,
        battles: &[&Battle],
        progress: &dyn Progress,
    ) -> Result<Encoded, LanguageModelError> {
        let task = progress.start("tokenization", Some(battles.len() as u64), "rows");
        let mut keys = Vec::with_capacity(battles.len() * self.shown().len());
        let mut items = Items::default();
        let mut tokens = 0;
        for chunk in battles.chunks(CHUNK) {
            let encoded: Vec<Result<Vec<Compact>, EncodingError>> = chunk
                .par_iter()
                .map(|battle| Ok(self.encoder.encode(battle)?.iter().map(Compact::of).collect()))
                .collect();
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            for sequences in encoded {
                let sequences = sequences?;
                keys.extend(sequences.iter().map(|sequence| sequence.key));
                tokens += sequences.iter().map(Compact::length).sum::<usize>();
                items.add(&sequences, |key| known.contains_key(key));
            }
            task.advance(chunk.len() as u64);
        }
        Ok(Encoded { keys, items, tokens })
    }

    /// How items are batched; the two responses of a battle are of no use alone.
    pub(super) fn schedule(&self, has_deadline: bool) -> ScheduleOptions {
        ScheduleOptions {
            batch_tokens: self.batch_tokens,
            orders: self.shown().len(),
            one_pass_first: has_deadline && !self.reads_single_responses(),
        }
    }

    fn compute_missing(
        &self,
        items: &Items,
        battles: &[&Battle],
        asked: &Asked<'_>,
        known: &mut HashMap<Key, Arc<[f32]>>,
    ) -> Result<(), LanguageModelError> {
        let mut journal = self.journal(items, asked)?;
        let head = |values: &[f32], length: usize| self.numbers(values, length);
        let runner = Runner { pool: &self.pool, sequences: items, head: &head };
        let batches = Cell::new(0);
        let admits = |seconds: f64| {
            let is_late = asked.deadline.is_some_and(|deadline| {
                !deadline.admits(seconds) || injected_lateness().is_some_and(|most| batches.get() >= most)
            });
            batches.set(batches.get() + 1);
            !(asked.stop)() && !is_late
        };
        let request = Request {
            lengths: &items.lengths(),
            rows: &items.rows,
            schedule: self.schedule(asked.deadline.is_some()),
            admits: &admits,
        };
        let name = self.folder.named.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let task = asked.progress.start(&name, Some(items.pending() as u64), "sequences");
        let journal = journal.as_mut().map(|(journal, recovered)| (journal, std::mem::take(recovered)));
        let computed = compute(&runner, &request, journal, task.as_ref())
            .map_err(|error| LanguageModelError::of_run(error, |item| origin(items, battles, item)))?;
        self.spent().compute(&computed.summary);
        let expected = self.width();
        for (key, values) in items.keys().iter().zip(computed.values) {
            let Some(values) = values else { continue };
            if values.len() != expected {
                let folder = self.folder.named.clone();
                return Err(LanguageModelError::OtherWidth { folder, found: values.len(), expected });
            }
            known.insert(*key, values.into());
        }
        Ok(())
    }

    fn spent(&self) -> MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The journal of this call and what it holds, where one is kept.
    fn journal(
        &self,
        items: &Items,
        asked: &Asked<'_>,
    ) -> Result<Option<(Journal, Recovered)>, LanguageModelError> {
        let own = self.own_journal();
        let Some(JournalPlace { path, resume }) = asked.journal.clone().or(own) else { return Ok(None) };
        let identity = Identity { input: items.hash(), model: self.folder.fingerprint.clone() };
        if resume {
            return Ok(Some(Journal::resume(&path, &identity)?));
        }
        Ok(Some((
            Journal::create(&path, &identity)?,
            Recovered { items: Vec::<ItemValues>::new(), cut_bytes: 0 },
        )))
    }
}

/// Tests let a deadline come after so many batches of a model, whatever the clock says.
fn injected_lateness() -> Option<usize> {
    std::env::var("TIEBREAK_INJECT_LATE_AFTER_BATCHES").ok()?.parse().ok()
}

fn origin(items: &Items, battles: &[&Battle], item: usize) -> (String, Shown) {
    let (battle, shown) = items.origin(item).unwrap_or((usize::MAX, Shown::Ab));
    (battles.get(battle).map(|battle| battle.id.to_string()).unwrap_or_default(), shown)
}
