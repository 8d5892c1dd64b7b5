//! `tiebreak ingest`: files of any format to one canonical form.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use serde::Serialize;

use super::{BadInput, Console, OrBadInput};
use crate::battle::BattleId;
use crate::sources::{self, CanonicalWriter, Counts, Format, ReadOptions, Reader};

/// Arguments of `tiebreak ingest`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: tiebreak ingest train.csv extra.parquet --out data/battles.parquet

Formats are told by their columns. Nothing is dropped: what is odd is counted, shown, and decided once
(missing and empty responses stay apart, half a surrogate pair becomes U+FFFD, `[]` is one empty turn).")]
pub struct Args {
    /// Files of battles: CSV, JSON lines or Parquet, each of any supported format
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The canonical Parquet file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The format of every file, instead of finding it out
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Take only the first N rows of each file
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_rows: Option<u32>,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Summary {
    out: PathBuf,
    files: Vec<FileSummary>,
    total: Counts,
}

/// What one file held.
#[derive(Debug, Serialize)]
struct FileSummary {
    path: PathBuf,
    format: Format,
    counts: Counts,
    /// The BLAKE3 hash of the bytes of the file, hexadecimal.
    content_hash: String,
}

/// Runs `tiebreak ingest`.
///
/// # Errors
/// When the input is wrong or the work fails.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<()> {
    let options = ReadOptions { format: args.format, max_rows: args.max_rows.map(|rows| rows as usize) };
    let readers = args.files.iter().map(|path| sources::open(path, &options).or_bad_input());
    let readers = readers.collect::<anyhow::Result<Vec<Reader>>>()?;
    let mut out = CanonicalWriter::create(&args.out)?;
    let mut origins = Origins { files: &args.files, first: HashMap::new() };
    let mut files = Vec::new();
    for (index, reader) in readers.into_iter().enumerate() {
        files.push(copy(reader, index, &mut origins, (&mut out, console))?);
    }
    out.finish()?;
    let mut total = Counts::default();
    for file in &files {
        total.add(&file.counts);
    }
    let summary = Summary { out: args.out.clone(), files, total };
    console.result(&summary, || table(&summary))
}

/// Where each id stood first, over all files.
struct Origins<'a> {
    files: &'a [PathBuf],
    first: HashMap<BattleId, (usize, u64)>,
}

impl Origins<'_> {
    fn check(&mut self, id: &BattleId, file: usize, row: u64) -> anyhow::Result<()> {
        let Some((first, first_row)) = self.first.insert(id.clone(), (file, row)) else { return Ok(()) };
        let name = |file: usize| self.files.get(file).map_or(Path::new(""), PathBuf::as_path).display();
        let message = format!(
            "id `{id}` is in `{}` row {first_row} and in `{}` row {row}; every battle needs its own, \
             so ingest the files apart or rename the ids of one",
            name(first),
            name(file)
        );
        Err(BadInput(message).into())
    }
}

fn copy(
    mut reader: Reader,
    index: usize,
    origins: &mut Origins<'_>,
    (out, console): (&mut CanonicalWriter, &Console),
) -> anyhow::Result<FileSummary> {
    let path = origins.files.get(index).cloned().context("a reader without its file")?;
    let (total, unit) = reader.total().or_bad_input()?;
    let progress = console.progress();
    let task = progress.start(&format!("ingesting {}", path.display()), Some(total), unit);
    let mut done = 0;
    while let Some(rows) = reader.next_chunk().or_bad_input()? {
        for row in &rows {
            origins.check(&row.battle.id, index, row.row)?;
        }
        out.write(&rows)?;
        task.advance(reader.done() - done);
        done = reader.done();
    }
    let format = reader.format();
    let (counts, content_hash) = reader.finish().or_bad_input()?;
    Ok(FileSummary { path, format, counts, content_hash })
}

/// One column a file and one for all; counts that are 0 everywhere are left out.
fn table(summary: &Summary) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    let mut header = vec![String::new()];
    header.extend(summary.files.iter().map(|file| format!("{}\n{}", file.path.display(), file.format)));
    header.push("all".to_owned());
    table.set_header(header);
    let counts: Vec<_> =
        summary.files.iter().map(|file| &file.counts).chain([&summary.total]).map(Counts::fields).collect();
    for (field, (label, all)) in summary.total.fields().into_iter().enumerate() {
        if all > 0 {
            let values = counts.iter().map(|fields| fields[field].1.to_string());
            table.add_row(std::iter::once(label.to_owned()).chain(values));
        }
    }
    format!("{table}\nwritten to {}", summary.out.display())
}
