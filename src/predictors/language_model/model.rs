//! A model folder, opened: card, encoder, head and sessions, and the results that it gave so far.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::cost::Spent;
use super::items::Key;
use super::{JournalPlace, LanguageModelError, ModelInUse, Serving};
use crate::checkpoint::{GraphKind, Head, ModelCard, OutputMeaning, files};
use crate::encoding::{Encoder, EncodingBudget, EncodingError, Orders, Shown, StoredEncoder, Truncation};
use crate::onnx::{PoolOptions, SessionPool};

/// Padded tokens a batch: on a processor what its caches hold between two layers (`MiniLM`: 512 is a ninth faster than
/// 1,024 and a quarter faster than 2,048), and on a GPU.
const BATCH_TOKENS: [usize; 2] = [512, 16_384];

/// What a model folder says, before anything large is loaded.
#[derive(Clone, Debug)]
pub struct ModelFolder {
    /// The folder, as it was named.
    pub named: PathBuf,
    /// The folder that was found.
    found: PathBuf,
    /// Its card.
    pub card: ModelCard,
    /// Its encoder.
    pub encoder: StoredEncoder,
    /// The hash of the card and, through it, of every file.
    pub fingerprint: String,
}

/// What a predictor wants else than the model's own budget.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WantedBudget {
    /// Tokens of a sequence at most.
    pub max_tokens: Option<usize>,
    /// What is left out of a longer one.
    pub truncation: Option<Truncation>,
    /// In which orders the responses are read.
    pub orders: Option<Orders>,
}

impl WantedBudget {
    /// All of a budget.
    #[must_use]
    pub fn all_of(budget: &EncodingBudget) -> Self {
        let EncodingBudget { max_tokens, truncation, orders } = budget.clone();
        Self { max_tokens: Some(max_tokens), truncation: Some(truncation), orders: Some(orders) }
    }

    /// The budget of the model with what is wanted else.
    #[must_use]
    pub fn over(&self, own: &EncodingBudget) -> EncodingBudget {
        EncodingBudget {
            max_tokens: self.max_tokens.unwrap_or(own.max_tokens),
            truncation: self.truncation.clone().unwrap_or_else(|| own.truncation.clone()),
            orders: self.orders.unwrap_or(own.orders),
        }
    }
}

impl ModelFolder {
    /// Reads the card and the encoder.
    ///
    /// # Errors
    /// `LanguageModelError` when there is no such folder, or one of the two is damaged.
    pub fn read(folder: &Path, serving: &Serving) -> Result<Self, LanguageModelError> {
        let found = serving.find(folder)?;
        let card = ModelCard::read(&found)?;
        let fingerprint = card.fingerprint()?;
        let encoder = StoredEncoder::read(&found)?;
        Ok(Self { named: folder.to_owned(), found, card, encoder, fingerprint })
    }

    /// Loads the model, unless it is loaded already.
    ///
    /// # Errors
    /// `LanguageModelError` when a file is not the one that was imported, the budget is longer than the model,
    /// the tokenizer has tokens that the model does not know, or no session can be made.
    pub fn open(
        &self,
        wanted: &WantedBudget,
        serving: &Serving,
    ) -> Result<Arc<LanguageModel>, LanguageModelError> {
        let fitted = wanted.over(&self.encoder.budget);
        let max_tokens = serving.max_tokens.unwrap_or(fitted.max_tokens);
        let budget = EncodingBudget { max_tokens, ..fitted.clone() };
        if max_tokens > self.card.max_positions {
            let (folder, max_positions) = (self.named.clone(), self.card.max_positions);
            return Err(LanguageModelError::TooLong { folder, max_tokens, max_positions });
        }
        let hashes = [self.fingerprint.clone(), self.encoder.identity_hash.clone()];
        serving.opened(hashes, &budget, |index| {
            let journal = serving.journal.as_ref().map(|place| place.of_model(index));
            self.load((&fitted, &budget), serving, journal)
        })
    }

    /// Loads the model to be asked for the pooled states in front of its head instead of the outputs behind it.
    ///
    /// # Errors
    /// As [`open`](Self::open), and `Unfit` for a graph that ends with logits.
    pub fn open_states(
        &self,
        wanted: &WantedBudget,
        serving: &Serving,
    ) -> Result<LanguageModel, LanguageModelError> {
        let budget = wanted.over(&self.encoder.budget);
        let model = self.load((&budget, &budget), serving, None)?;
        if model.head.is_none() {
            let problem = "its graph ends with logits, and no states are seen in front of them".to_owned();
            return Err(LanguageModelError::Unfit { folder: self.named.clone(), kind: "finetune", problem });
        }
        Ok(LanguageModel { gives_states: true, ..model })
    }

    fn load(
        &self,
        (fitted, budget): (&EncodingBudget, &EncodingBudget),
        serving: &Serving,
        journal: Option<JournalPlace>,
    ) -> Result<LanguageModel, LanguageModelError> {
        let (card, found) = (&self.card, &self.found);
        card.verify(found)?;
        let encoder = self.encoder.open(found, &card.label_order(), serving.ingest_version)?;
        let encoder = encoder.with_budget(budget.clone())?;
        encoder.check_vocabulary(card.vocabulary_size)?;
        let pad_id = encoder.pad()?.id;
        let head = card.read_head(found)?;
        let threads = PoolOptions::for_threads(serving.device.clone(), serving.threads);
        let pool = SessionPool::open(&found.join(files::GRAPH), &PoolOptions { pad_id, ..threads })?;
        let on_gpu = pool.report().devices.iter().any(|device| device != "cpu");
        Ok(LanguageModel {
            folder: self.clone(),
            encoder,
            head,
            gives_states: false,
            batch_tokens: serving.batch_tokens.unwrap_or(BATCH_TOKENS[usize::from(on_gpu)]),
            pool,
            fitted_at_max_tokens: fitted.max_tokens,
            journal,
            has_computed: AtomicBool::new(false),
            known: Mutex::default(),
            spent: Mutex::default(),
        })
    }
}

/// A language model that is ready to be asked.
pub struct LanguageModel {
    pub(super) folder: ModelFolder,
    pub(super) encoder: Encoder,
    head: Option<Head>,
    /// Whether the pooled states are asked for, not the outputs of the head.
    gives_states: bool,
    pub(super) pool: SessionPool,
    pub(super) batch_tokens: usize,
    fitted_at_max_tokens: usize,
    journal: Option<JournalPlace>,
    has_computed: AtomicBool,
    /// Results by the hash of what was read; one call at a time computes what is missing.
    pub(super) known: Mutex<HashMap<Key, Arc<[f32]>>>,
    /// What all that was asked for took.
    pub(super) spent: Mutex<Spent>,
}

impl fmt::Debug for LanguageModel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LanguageModel").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl LanguageModel {
    /// What its folder says.
    #[must_use]
    pub fn folder(&self) -> &ModelFolder {
        &self.folder
    }

    /// The meaning of each number that it gives.
    #[must_use]
    pub fn outputs(&self) -> &[OutputMeaning] {
        &self.folder.card.outputs
    }

    /// Whether one of its outputs is a tie.
    #[must_use]
    pub fn knows_ties(&self) -> bool {
        self.outputs().contains(&OutputMeaning::Tie)
    }

    /// Whether each response is a sequence of its own.
    #[must_use]
    pub fn reads_single_responses(&self) -> bool {
        self.encoder.recipe().template.is_single()
    }

    /// The token that a text is where the answer of a judge begins.
    ///
    /// # Errors
    /// As [`Encoder::answer_token`].
    pub fn answer_token(&self, text: &str) -> Result<u32, EncodingError> {
        self.encoder.answer_token(text)
    }

    /// The sequences of a battle.
    #[must_use]
    pub fn shown(&self) -> &'static [Shown] {
        self.encoder.budget().shown(&self.encoder.recipe().template)
    }

    /// The budget of its predictor; `--max-tokens` does not change what is recorded.
    #[must_use]
    pub fn fitted_budget(&self) -> EncodingBudget {
        EncodingBudget { max_tokens: self.fitted_at_max_tokens, ..self.encoder.budget().clone() }
    }

    /// What manifests and JSON say of it.
    #[must_use]
    pub fn in_use(&self) -> ModelInUse {
        let max_tokens = self.encoder.budget().max_tokens;
        ModelInUse {
            folder: self.folder.named.clone(),
            max_tokens,
            fitted_at_max_tokens: Some(self.fitted_at_max_tokens).filter(|fitted| *fitted != max_tokens),
            batch_tokens: self.batch_tokens,
            pool: self.pool.report().clone(),
            cost: self.spent.lock().unwrap_or_else(PoisonError::into_inner).cost(),
        }
    }

    /// The head behind the graph; none where the graph ends with logits.
    #[must_use]
    pub fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// How many numbers a sequence gets.
    #[must_use]
    pub fn width(&self) -> usize {
        match &self.head {
            Some(head) if self.gives_states => head.width,
            _ => self.outputs().len(),
        }
    }

    /// The journal of the long run, which is the first that is asked for.
    pub(super) fn own_journal(&self) -> Option<JournalPlace> {
        let is_first = !self.has_computed.swap(true, Ordering::Relaxed);
        self.journal.clone().filter(|_| is_first)
    }

    /// The numbers of a sequence from what the graph gave for it.
    pub(super) fn numbers(&self, values: &[f32], length: usize) -> Vec<f32> {
        match &self.head {
            None => values.to_vec(),
            Some(head) => {
                let is_last_state = self.folder.card.graph == GraphKind::Decoder;
                let length = if is_last_state { 1 } else { length };
                if self.gives_states {
                    return head.pool(values, length).into_iter().map(narrow).collect();
                }
                head.logits(values, length)
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "states leave as f32, as graphs give them")]
fn narrow(value: f64) -> f32 {
    value as f32
}
