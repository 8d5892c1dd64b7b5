//! `tiebreak check`: the submission doctor.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};

use super::{BadInput, Console, OrBadInput, submit};
use crate::battle::Battle;
use crate::predictors::Conditions;
use crate::sources::{self, ReadOptions};
use crate::submissions::doctor::{self, Case, Diagnosis, Finding, Reference, Row, Severity};
use crate::tables::predictions;

/// Arguments of `tiebreak check`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: tiebreak check submissions/big.csv --test test.csv --reference quick.csv

Form: encoding, columns, ids, numbers, sums, the cost of the boldest value. With a reference (a cheap run on the
same test file) also sense: exchanged columns, shifted rows, class shares. Exit code 2 when there is an error.")]
pub struct Args {
    /// The submission, LMSYS or WSDM form
    #[arg(value_name = "S.csv")]
    submission: PathBuf,
    /// The battles that were to be predicted
    #[arg(long, value_name = "FILE")]
    test: PathBuf,
    /// The competition's sample submission: its ids are then the expected ones
    #[arg(long, value_name = "FILE")]
    sample: Option<PathBuf>,
    /// A cheap run that predicts the same test file, or a CSV of its predictions
    #[arg(long, value_name = "RUN")]
    reference: Option<String>,
    /// Predictions for the same battles with A and B exchanged, in the form of the submission
    #[arg(long, value_name = "FILE")]
    swapped: Option<PathBuf>,
    /// One prediction for all rows is what was wanted (a class prior)
    #[arg(long)]
    constant: bool,
}

/// Runs `tiebreak check`.
///
/// # Errors
/// When a file cannot be read, and as bad input when the doctor finds an error.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<()> {
    let submission = bytes(&args.submission)?;
    let sample = args.sample.as_deref().map(bytes).transpose()?;
    let swapped = args.swapped.as_deref().map(bytes).transpose()?;
    let test = sources::read_battles(&args.test, &ReadOptions::default(), console.progress().as_ref())
        .or_bad_input()?;
    let reference =
        args.reference.as_deref().map(|name| read_reference(name, &test.rows, console)).transpose()?;
    let diagnosis = doctor::check(&Case {
        submission: &submission,
        format: None,
        test: &test.rows,
        sample: sample.as_deref(),
        reference: reference.as_ref(),
        swapped: swapped.as_deref(),
        constant_is_meant: args.constant,
    });
    console.result(&diagnosis, || table(&diagnosis))?;
    verdict(&args.submission, &diagnosis)
}

fn bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read `{}`", path.display())).or_bad_input()
}

/// A CSV of predictions, else a finished run that predicts the battles now.
fn read_reference(name: &str, battles: &[Battle], console: &Console) -> anyhow::Result<Reference> {
    let path = Path::new(name);
    if path.is_file() {
        let predictions = predictions::read(path).or_bad_input()?;
        return Ok(Reference { name: name.to_owned(), predictions, class_shares: None });
    }
    let cheap = submit::CheapRun::load(name, &super::serving::plain(console))?;
    Ok(cheap.reference(battles, &Conditions::unhurried(console.progress().as_ref()))?)
}

/// Fails when there is an error, so that scripts stop before they submit.
///
/// # Errors
/// `BadInput` that names the codes of the errors.
pub(super) fn verdict(path: &Path, diagnosis: &Diagnosis) -> anyhow::Result<()> {
    if diagnosis.is_sound() {
        return Ok(());
    }
    let errors = diagnosis.findings.iter().filter(|finding| finding.severity == Severity::Error);
    let codes: Vec<&str> = errors.map(|finding| finding.code).collect();
    Err(BadInput(format!("`{}` must not be submitted: {}", path.display(), codes.join(", "))).into())
}

/// What the doctor says, for reading.
pub(super) fn table(diagnosis: &Diagnosis) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_width(110);
    table.set_header(["severity", "code", "finding", "rows"]);
    for finding in &diagnosis.findings {
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        table.add_row([severity, finding.code, &finding.message, &rows_of(finding)]);
    }
    let (errors, warnings) = (diagnosis.count(Severity::Error), diagnosis.count(Severity::Warning));
    let summary = format!(
        "{} form, {} rows of {} expected: {errors} errors, {warnings} warnings",
        diagnosis.format, diagnosis.n, diagnosis.n_expected
    );
    if diagnosis.findings.is_empty() { summary } else { format!("{table}\n{summary}") }
}

fn rows_of(finding: &Finding) -> String {
    let show =
        |row: &Row| row.row.map_or_else(|| format!("id {}", row.id), |n| format!("row {n} (id {})", row.id));
    let mut shown: Vec<String> = finding.rows.iter().map(show).collect();
    if finding.n_rows > shown.len() {
        shown.push(format!("and {} more", finding.n_rows - shown.len()));
    }
    shown.join("\n")
}
