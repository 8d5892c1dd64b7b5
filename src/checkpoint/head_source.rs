use std::fs;
use std::path::Path;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::labels::meanings_of_config;
use super::own_head::{head_names, own};
use super::random::normal;
use super::{
    Checkpoint, CheckpointError, Dense, Family, Head, HeadActivation, ModelCard, OutputMeaning, Pooling,
};

/// The standard deviation of a fresh head's weights, as the families' own `initializer_range` has it.
const FRESH_DEVIATION: f64 = 0.02;

/// Which head to put behind the hidden states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeadChoice {
    /// The classification head of the checkpoint.
    Own,
    /// A linear head of seeded random weights, to be trained; a head that is there is left out.
    Fresh {
        /// 1 to 4.
        outputs: usize,
        /// Decides the weights.
        seed: u64,
        /// `None` takes the pooling that the checkpoint states, else mean for encoders and last for decoders.
        pooling: Option<Pooling>,
    },
    /// The logits of these tokens at the last position of a causal language model, in the order of the outputs.
    Verdicts {
        /// Token ids.
        tokens: Vec<u32>,
    },
}

/// A head and the meaning of its outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedHead {
    /// The head.
    pub head: Head,
    /// One for each output.
    pub outputs: Vec<OutputMeaning>,
}

/// Finds or makes the head; `stated` overrules what the checkpoint says of its outputs.
///
/// # Errors
/// `CheckpointError` when there is no head, a weight of it is missing, or its outputs have no meaning.
pub fn load_head(
    checkpoint: &Checkpoint,
    choice: &HeadChoice,
    stated: Option<&[OutputMeaning]>,
) -> Result<LoadedHead, CheckpointError> {
    if let (HeadChoice::Own, Some(folder)) = (choice, &checkpoint.trained)
        && let Some(trained) = trained(checkpoint, folder)?
    {
        return match stated {
            Some(stated) if stated.len() != trained.outputs.len() => {
                Err(miscounted(checkpoint, stated, &trained.head))
            }
            Some(stated) => Ok(LoadedHead { outputs: stated.to_vec(), ..trained }),
            None => Ok(trained),
        };
    }
    let head = match choice {
        HeadChoice::Own => own(checkpoint)?,
        HeadChoice::Fresh { outputs, seed, pooling } => {
            for beginning in head_names(checkpoint.config.family()) {
                checkpoint.weights.discard(beginning);
            }
            fresh(checkpoint, *outputs, *seed, *pooling)
        }
        HeadChoice::Verdicts { tokens } => verdicts(checkpoint, tokens)?,
    };
    let count = head.outputs();
    let outputs = match (stated, choice) {
        (Some(stated), _) if stated.len() == count => stated.to_vec(),
        (Some(stated), _) => return Err(miscounted(checkpoint, stated, &head)),
        (None, HeadChoice::Own) => meanings_of_config(&checkpoint.json, count)?,
        (None, HeadChoice::Fresh { .. } | HeadChoice::Verdicts { .. }) => OutputMeaning::usual(count)
            .ok_or_else(|| refused(checkpoint, format!("a head has 1 to 4 outputs, not {count}")))?,
    };
    Ok(LoadedHead { head, outputs })
}

/// The head that a run trained with its adapter, as the model folder of both keeps it.
fn trained(checkpoint: &Checkpoint, folder: &Path) -> Result<Option<LoadedHead>, CheckpointError> {
    let card = ModelCard::read(folder)?;
    let Some(head) = card.read_head(folder)? else { return Ok(None) };
    if head.width != checkpoint.config.width() {
        let message =
            format!("its head takes {} numbers, the base gives {}", head.width, checkpoint.config.width());
        return Err(CheckpointError::AdapterMismatch { folder: folder.to_owned(), message });
    }
    // The same numbers in PEFT's file, and what the base has of its own, are not needed.
    for beginning in head_names(checkpoint.config.family()) {
        checkpoint.weights.discard(beginning);
    }
    Ok(Some(LoadedHead { head, outputs: card.outputs }))
}

fn miscounted(checkpoint: &Checkpoint, stated: &[OutputMeaning], head: &Head) -> CheckpointError {
    let message = format!("{} meanings are stated for {} outputs", stated.len(), head.outputs());
    refused(checkpoint, message)
}

fn fresh(checkpoint: &Checkpoint, outputs: usize, seed: u64, pooling: Option<Pooling>) -> Head {
    let width = checkpoint.config.width();
    let usual = if checkpoint.config.family().is_decoder() { Pooling::Last } else { Pooling::Mean };
    fresh_head(outputs, width, seed, pooling.or_else(|| stated_pooling(&checkpoint.folder)).unwrap_or(usual))
}

/// A linear head of seeded random weights behind states of this width.
#[must_use]
pub fn fresh_head(outputs: usize, width: usize, seed: u64, pooling: Pooling) -> Head {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let weight = (0..outputs * width).map(|_| normal(&mut random, FRESH_DEVIATION)).collect();
    let layer = Dense { inputs: width, weight, bias: vec![0.0; outputs], activation: HeadActivation::Linear };
    Head { pooling, width, layers: vec![layer], softcap: None }
}

/// The pooling that sentence-transformers wrote beside the weights, where it did and it is one of ours.
#[must_use]
pub fn stated_pooling(folder: &Path) -> Option<Pooling> {
    let text = fs::read(folder.join("1_Pooling").join("config.json")).ok()?;
    let value: Value = serde_json::from_slice(&text).ok()?;
    let modes = [
        ("pooling_mode_mean_tokens", "mean", Pooling::Mean),
        ("pooling_mode_cls_token", "cls", Pooling::First),
        ("pooling_mode_lasttoken", "lasttoken", Pooling::Last),
    ];
    let chosen = |(key, name, _): &(&str, &str, Pooling)| {
        let newer = value.get("pooling_mode").and_then(Value::as_str) == Some(*name);
        newer || value.get(key).and_then(Value::as_bool) == Some(true)
    };
    modes.into_iter().find(chosen).map(|(_, _, pooling)| pooling)
}

/// The rows of the output table that belong to the verdict tokens, as a linear head without bias.
fn verdicts(checkpoint: &Checkpoint, tokens: &[u32]) -> Result<Head, CheckpointError> {
    let config = &checkpoint.config;
    let family = config.family();
    if !family.is_decoder() {
        let message = format!("`{}` is no causal language model, it has no token logits", family.name());
        return Err(refused(checkpoint, message));
    }
    let (rows, width) = (config.vocabulary_size(), config.width());
    // Where `config.json` says nothing, a Gemma shares the table and the others do not.
    let usual = matches!(family, Family::Gemma2 | Family::Gemma3);
    let tied = checkpoint.json.get("tie_word_embeddings").and_then(Value::as_bool).unwrap_or(usual);
    // An adapter that trained the output table has unshared it.
    let shared = tied && !checkpoint.weights.is_adapted("lm_head.weight");
    let name = if shared { "embed_tokens.weight" } else { "lm_head.weight" };
    let table = checkpoint.weights.get(name, &[rows, width])?;
    let row_bytes = width * table.element.size();
    let mut weight = Vec::with_capacity(tokens.len() * width);
    for &token in tokens {
        let row = usize::try_from(token).ok().and_then(|row| table.bytes.chunks_exact(row_bytes).nth(row));
        let Some(row) = row else {
            return Err(refused(checkpoint, format!("token {token} is beyond the {rows} rows of `{name}`")));
        };
        weight.extend(table.element.decode(row));
    }
    let bias = vec![0.0; tokens.len()];
    let layer = Dense { inputs: width, weight, bias, activation: HeadActivation::Linear };
    Ok(Head { pooling: Pooling::Last, width, layers: vec![layer], softcap: config.vocabulary_softcap() })
}

fn refused(checkpoint: &Checkpoint, message: String) -> CheckpointError {
    CheckpointError::HeadChoice { folder: checkpoint.folder.clone(), message }
}
