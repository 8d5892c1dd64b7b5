//! `tiebreak encode`: exactly what a model sees.

mod row;
mod truncation;

use std::path::PathBuf;

use serde::Serialize;

use super::model_folder::{ModelFolder, Which};
use super::{BadInput, Console, OrBadInput};
use crate::battle::Battle;
use crate::encoding::{RowView, TruncationReport, TruncationTally};
use crate::sources::{self, Format, ReadOptions};

/// Arguments of `tiebreak encode`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tiebreak encode --model models/minilm train.csv
  tiebreak encode --model models/minilm train.csv --row 136060

With --row every token that the model reads, by part, and where the text was cut. Without it the truncation report of
the file. No session is opened.")]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// Battles in any supported format; labels are not looked at
    file: PathBuf,
    /// Show one battle
    #[arg(long, value_name = "ID")]
    row: Option<String>,
    /// Another budget than the stored one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_tokens: Option<u32>,
    /// The format of the file, if detection should not decide
    #[arg(long)]
    format: Option<Format>,
}

#[derive(Serialize)]
struct Seen {
    model: PathBuf,
    template: &'static str,
    sequences: Vec<RowView>,
}

#[derive(Serialize)]
struct Cut {
    model: PathBuf,
    template: &'static str,
    max_tokens: usize,
    #[serde(flatten)]
    report: TruncationReport,
}

/// Battles that are encoded between two looks at the bar.
const CHUNK: usize = 512;

/// Shows what a model sees.
///
/// # Errors
/// As bad input when the model or the file cannot be read, or there is no such battle.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<()> {
    let max_tokens = args.max_tokens.and_then(|tokens| usize::try_from(tokens).ok());
    let ModelFolder { path: model, encoder, .. } = ModelFolder::open(&args.which, max_tokens)?;
    let options = ReadOptions { format: args.format, max_rows: None };
    let progress = console.progress();
    let battles = sources::read_battles(&args.file, &options, progress.as_ref()).or_bad_input()?.rows;
    let template = encoder.recipe().template.name();
    if let Some(id) = &args.row {
        let sequences = encoder.views(find(&battles, id, args)?).or_bad_input()?;
        let seen = Seen { model, template, sequences };
        return console.result(&seen, || row::text(&seen.sequences));
    }
    let task = progress.start("encoding", Some(battles.len() as u64), "battles");
    let mut tally = TruncationTally::default();
    for chunk in battles.chunks(CHUNK) {
        for sequences in encoder.encode_all(chunk).or_bad_input()? {
            tally.add(&sequences);
        }
        task.advance(chunk.len() as u64);
    }
    drop(task);
    let cut = Cut { model, template, max_tokens: encoder.budget().max_tokens, report: tally.report() };
    console.result(&cut, || truncation::text(&cut.report, cut.max_tokens, cut.template))
}

fn find<'a>(battles: &'a [Battle], id: &str, args: &Args) -> anyhow::Result<&'a Battle> {
    battles.iter().find(|battle| battle.id.0 == id).ok_or_else(|| {
        let first =
            battles.first().map(|battle| format!("; the first is `{}`", battle.id)).unwrap_or_default();
        BadInput(format!("no battle of `{}` has the id `{id}`{first}", args.file.display())).into()
    })
}
