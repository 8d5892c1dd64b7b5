//! `tiebreak verify`: our token ids and logits beside those of somebody's Python, or of another imported model.

mod compare;
mod dump;
mod like;
mod logits;
mod table;

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::battles::{self, MaybeLabelled};
use super::model_folder::{ModelFolder, Which};
use super::{BadInput, Console, OrBadInput};
use crate::battle::GroupId;
use crate::onnx::Device;
use crate::sources::{Format, ReadOptions};
use compare::{Comparison, Pair};

/// How far a logit may be from that of a dump.
const DUMP_TOLERANCE: f64 = 1e-3;

/// Arguments of `tiebreak verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tiebreak verify --model models/minilm --against dump.jsonl train.csv
  tiebreak verify --model models/minilm-int4 --like models/minilm train.csv

Each line of the dump is {\"id\": .., \"input_ids\": [..], \"logits\": [..]}; the README has the Python that writes it. Where
a battle has several sequences, a line may say which one it is by \"shown\": \"ab\", \"ba\", \"only_a\" or \"only_b\"; else the
lines of a battle follow the order of its sequences. Exit code 1 when a token differs or a logit differs by more than
the tolerance. With `--like` the other side is a model of ours, such as the same one without rounding: flipped decisions,
and with labels the log-loss difference with its 95 % interval, prompts resampled.")]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// What Python read and computed, as JSON lines
    #[arg(long, value_name = "dump.jsonl", required_unless_present = "like", conflicts_with = "like")]
    against: Option<PathBuf>,
    /// Another imported model, in the place of a dump: a name under models/, or a path
    #[arg(long, value_name = "NAME")]
    like: Option<String>,
    /// The battles in any supported format; with labels the log losses are compared too
    file: PathBuf,
    /// How far a logit may be off [default: 1e-3 from a dump, as far as it wants from `--like`]
    #[arg(long)]
    tolerance: Option<f64>,
    /// Another budget than the stored one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_tokens: Option<u32>,
    /// cpu, cuda, tensorrt or auto, with numbers as in cuda:0,1
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// Padded tokens that a run of the model may hold
    #[arg(long, value_name = "N", default_value_t = 512)]
    batch_tokens: usize,
    /// The format of the file, if detection should not decide
    #[arg(long)]
    format: Option<Format>,
}

/// Compares.
///
/// # Errors
/// As bad input when the model, the dump or the file cannot be read or do not belong together; otherwise when a token
/// differs or a logit is off by more than the tolerance.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<()> {
    let max_tokens = args.max_tokens.and_then(|tokens| usize::try_from(tokens).ok());
    let model = ModelFolder::open(&args.which, max_tokens)?;
    let progress = console.progress();
    let read = ReadOptions { format: args.format, max_rows: None };
    let battles = battles::read(&args.file, &read, progress.as_ref())?;
    let options = logits::Options {
        device: args.device.clone(),
        batch_tokens: args.batch_tokens,
        threads: console.threads(),
    };
    let (pairs, other) = match (&args.against, &args.like) {
        (Some(dump), _) => {
            let pairs = pairs(args, &model, battles, dump::read(dump)?)?;
            (pairs, dump.display().to_string())
        }
        (None, Some(name)) => {
            let asked = like::Asked { name, max_tokens, battles: &battles };
            (like::pairs(&model, &asked, &options, progress.as_ref())?, name.clone())
        }
        (None, None) => return Err(BadInput("give `--against` or `--like`".to_owned()).into()),
    };
    let has_logits = pairs.iter().any(|pair| pair.record.logits.is_some());
    let ours =
        if has_logits { Some(logits::compute(&model, &pairs, &options, progress.as_ref())?) } else { None };
    if let Some(ours) = &ours {
        console.remark(&format!("computed on {}: {}", ours.devices.join(", "), ours.device_choice));
    }
    let tolerance = match (args.tolerance, &args.like) {
        (Some(stated), _) => Some(stated),
        (None, Some(_)) => None,
        (None, None) => Some(DUMP_TOLERANCE),
    };
    let comparison = Comparison::of(&model, &pairs, ours, tolerance)
        .with_context(|| format!("`{other}`"))
        .or_bad_input()?;
    console.result(&comparison, || table::text(&comparison))?;
    comparison.verdict()
}

/// Every line of the dump with the sequence that it is about.
fn pairs(
    args: &Args,
    model: &ModelFolder,
    battles: Vec<MaybeLabelled>,
    records: Vec<dump::Record>,
) -> anyhow::Result<Vec<Pair>> {
    let battles: std::collections::HashMap<String, MaybeLabelled> =
        battles.into_iter().map(|(battle, target)| (battle.id.0.clone(), (battle, target))).collect();
    let fault = |record: &dump::Record, message: String| {
        let dump = args.against.as_deref().unwrap_or(Path::new("")).display();
        BadInput(format!("`{dump}` line {}: {message}", record.line))
    };
    let mut seen = std::collections::HashMap::<String, usize>::new();
    let shown = model.encoder.budget().shown(&model.encoder.recipe().template);
    let mut pairs = Vec::with_capacity(records.len());
    for record in records {
        let Some((battle, target)) = battles.get(&record.id) else {
            let message = format!("no battle of `{}` has the id `{}`", args.file.display(), record.id);
            return Err(fault(&record, message).into());
        };
        let count = seen.entry(record.id.clone()).or_default();
        let Some(shown) = record.shown.or_else(|| shown.get(*count).copied()) else {
            let message = format!("the model reads {} sequences of battle `{}`", shown.len(), record.id);
            return Err(fault(&record, message).into());
        };
        *count += 1;
        let sequence = model.encoder.sequence(battle, shown).or_bad_input()?;
        pairs.push(Pair { record, sequence, target: *target, group: GroupId::of_prompt(battle) });
    }
    Ok(pairs)
}
