//! `tiebreak verify`: our token ids and logits beside those of somebody's Python.

mod compare;
mod dump;
mod logits;
mod table;

use std::path::PathBuf;

use anyhow::Context;

use super::model_folder::{ModelFolder, Which};
use super::{Console, OrBadInput};
use crate::battle::{Battle, Target};
use crate::onnx::Device;
use crate::progress::Progress;
use crate::sources::{self, Format, ReadOptions};
use compare::{Comparison, Pair};

/// Arguments of `tiebreak verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: tiebreak verify --model models/minilm --against dump.jsonl train.csv

Each line of the dump is {\"id\": .., \"input_ids\": [..], \"logits\": [..]}; the README has the Python that writes it. Where
a battle has several sequences, a line may say which one it is by \"shown\": \"ab\", \"ba\", \"only_a\" or \"only_b\"; else the
lines of a battle follow the order of its sequences. Exit code 1 when a token differs or a logit differs by more than
the tolerance.")]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// What Python read and computed, as JSON lines
    #[arg(long, value_name = "dump.jsonl")]
    against: PathBuf,
    /// The battles of the dump in any supported format; with labels the log losses are compared too
    file: PathBuf,
    /// How far a logit may be off
    #[arg(long, default_value_t = 1e-3)]
    tolerance: f64,
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
    let battles = read(args, progress.as_ref())?;
    let records = dump::read(&args.against)?;
    let pairs = pairs(args, &model, battles, records)?;
    let options = logits::Options {
        device: args.device.clone(),
        batch_tokens: args.batch_tokens,
        threads: console.threads(),
    };
    let has_logits = pairs.iter().any(|pair| pair.record.logits.is_some());
    let ours =
        if has_logits { Some(logits::compute(&model, &pairs, &options, progress.as_ref())?) } else { None };
    if let Some(ours) = &ours {
        console.remark(&format!("computed on {}: {}", ours.devices.join(", "), ours.device_choice));
    }
    let comparison = Comparison::of(&model, &pairs, ours, args.tolerance)
        .with_context(|| format!("`{}`", args.against.display()))
        .or_bad_input()?;
    console.result(&comparison, || table::text(&comparison))?;
    comparison.verdict()
}

/// Battles with their labels, where the file has any.
fn read(args: &Args, progress: &dyn Progress) -> anyhow::Result<Vec<(Battle, Option<Target>)>> {
    let options = ReadOptions { format: args.format, max_rows: None };
    let mut reader = sources::open(&args.file, &options).or_bad_input()?;
    let task = progress.start(&format!("reading {}", args.file.display()), None, "battles");
    let mut battles = Vec::new();
    while let Some(rows) = reader.next_chunk().or_bad_input()? {
        task.advance(rows.len() as u64);
        battles.extend(rows.into_iter().map(|row| (row.battle, row.label.map(|label| label.target))));
    }
    Ok(battles)
}

/// Every line of the dump with the sequence that it is about.
fn pairs(
    args: &Args,
    model: &ModelFolder,
    battles: Vec<(Battle, Option<Target>)>,
    records: Vec<dump::Record>,
) -> anyhow::Result<Vec<Pair>> {
    let battles: std::collections::HashMap<String, (Battle, Option<Target>)> =
        battles.into_iter().map(|(battle, target)| (battle.id.0.clone(), (battle, target))).collect();
    let fault = |record: &dump::Record, message: String| {
        super::BadInput(format!("`{}` line {}: {message}", args.against.display(), record.line))
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
        pairs.push(Pair { record, sequence, target: *target });
    }
    Ok(pairs)
}
