//! `tiebreak audit`: what is odd about a file.

mod against;
mod cells;
mod sections;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Console, OrBadInput};
use crate::audit::{self, AgainstReport, AuditOptions, AuditReport, DEFAULT_THRESHOLD, Rows};
use crate::battle::{Battle, LabeledBattle};
use crate::sources::{self, Counts, Format, ReadOptions, SourceRow};

/// Arguments of `tiebreak audit`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: tiebreak audit train.csv --against test.csv extra.parquet

Counts what is there and changes nothing: label shares and position bias, lengths, languages, models,
duplicates and near-duplicates, anomalies, and how low the log loss can get where battles have several
votes. With --against also what the files share (rows that would leak) and whether a classifier tells
them apart (AUC 0.5: it does not). Intervals are 95 % and treat rows with one prompt or session as one.")]
pub struct Args {
    /// Battles with or without labels, of any supported format
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Files to compare with, such as the test file or extra training data
    #[arg(long, value_name = "FILE", num_args = 1..)]
    against: Vec<PathBuf>,
    /// The least Jaccard similarity of near-duplicates, on runs of three words (or five characters in
    /// scripts without blanks)
    #[arg(long, value_name = "SHARE", default_value_t = DEFAULT_THRESHOLD)]
    similarity: f64,
    /// Decides which rows of large files the classifier sees, and its folds
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// The format of every file, instead of finding it out
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Summary {
    file: PathBuf,
    format: Format,
    content_hash: String,
    /// What reading the file found odd.
    ingested: Counts,
    #[serde(flatten)]
    report: AuditReport,
    against: Vec<AgainstReport>,
}

/// Runs `tiebreak audit`.
///
/// # Errors
/// When the input is wrong or the work fails.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<()> {
    let options = AuditOptions::new(args.similarity, args.seed).or_bad_input()?;
    let file = File::read(&args.file, args.format, console)?;
    let progress = console.progress();
    let report = audit::audit(file.rows(), options, &*progress);
    let mut against = Vec::new();
    for path in &args.against {
        let other = File::read(path, args.format, console)?;
        let name = path.display().to_string();
        against.push(audit::against(file.rows(), (&name, other.rows()), options, &*progress));
    }
    let summary = Summary {
        file: args.file.clone(),
        format: file.format,
        content_hash: file.content_hash,
        ingested: file.counts,
        report,
        against,
    };
    console.result(&summary, || sections::text(&summary))
}

/// The rows of a file; labels only where every row has one.
struct File {
    labeled: Vec<LabeledBattle>,
    battles: Vec<Battle>,
    format: Format,
    counts: Counts,
    content_hash: String,
}

impl File {
    fn read(path: &Path, format: Option<Format>, console: &Console) -> anyhow::Result<Self> {
        let options = ReadOptions { format, ..ReadOptions::default() };
        let mut reader = sources::open(path, &options).or_bad_input()?;
        let (total, unit) = reader.total().or_bad_input()?;
        let progress = console.progress();
        let task = progress.start(&format!("reading {}", path.display()), Some(total), unit);
        let (mut rows, mut done) = (Vec::new(), 0);
        while let Some(chunk) = reader.next_chunk().or_bad_input()? {
            rows.extend(chunk.into_iter().map(|row| SourceRow { metadata: BTreeMap::new(), ..row }));
            task.advance(reader.done() - done);
            done = reader.done();
        }
        let format = reader.format();
        let (counts, content_hash) = reader.finish().or_bad_input()?;
        let unlabeled = rows.iter().filter(|row| row.label.is_none()).count();
        let (mut labeled, mut battles) = (Vec::new(), Vec::new());
        if unlabeled == 0 {
            labeled.extend(rows.into_iter().filter_map(SourceRow::into_labeled));
        } else {
            if unlabeled < rows.len() {
                console.warn(&format!(
                    "{unlabeled} of {} rows of `{}` have no label: it is looked at as a file without labels",
                    rows.len(),
                    path.display()
                ));
            }
            battles.extend(rows.into_iter().map(|row| row.battle));
        }
        Ok(Self { labeled, battles, format, counts, content_hash })
    }

    fn rows(&self) -> Rows<'_> {
        if self.battles.is_empty() { Rows::Labeled(&self.labeled) } else { Rows::Unlabeled(&self.battles) }
    }
}
