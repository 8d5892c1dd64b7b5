//! The doctor: reads a submission as it is and names what is wrong with its form, and, beside a cheap
//! reference, with its sense.
//!
//! The thresholds of the sense checks are statistics over groups of rows that share a prompt, set so that a
//! sound file raises an alarm in fewer than one case in ten thousand; what they cannot tell from chance
//! stays unsaid.

mod degenerate;
mod evidence;
mod finding;
mod ids;
mod numbers;
mod reading;
mod sense;
mod statistic;
mod swapped;
mod winners;

use serde::Serialize;

pub use finding::{Finding, Row, Severity};

use super::SubmissionFormat;
use crate::battle::{Battle, BattleId, Probabilities};
use finding::Findings;

/// Predictions of a cheap run on the same test rows, and what is known of the training labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// How it is called in messages: a run or a file.
    pub name: String,
    /// Its predictions; rows may be in any order and some may be absent.
    pub predictions: Vec<(BattleId, Probabilities)>,
    /// Shares of A, B and tie among the training labels, where they are known.
    pub class_shares: Option<[f64; 3]>,
}

/// What is checked, and against what.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The bytes of the submission.
    pub submission: &'a [u8],
    /// Its form; `None` reads it off the sample's header, else off the submission's own.
    pub format: Option<SubmissionFormat>,
    /// The battles that are to be predicted.
    pub test: &'a [Battle],
    /// The bytes of the sample submission; its ids and their order are then what is expected.
    pub sample: Option<&'a [u8]>,
    /// What the predictions should resemble.
    pub reference: Option<&'a Reference>,
    /// The bytes of predictions for the same battles with A and B exchanged.
    pub swapped: Option<&'a [u8]>,
    /// Whether one prediction for all rows is what was wanted, such as that of a class prior.
    pub constant_is_meant: bool,
}

/// The probability whose failure would cost most.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorstCase {
    /// Where it is.
    pub row: Row,
    /// Its column.
    pub column: &'static str,
    /// What is printed there.
    pub probability: f64,
    /// What the row costs if that class comes true, in nats, clipped as Kaggle does.
    pub nats: f64,
    /// The same as part of the mean over all rows, in nats.
    pub share_of_score: f64,
}

/// How far the submission goes together with the reference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// Rows that both predict.
    pub n: usize,
    /// Pearson's correlation of the log-odds of A against B; absent where one of them is constant.
    pub a_against_b: Option<f64>,
    /// Its 95 % interval, groups of rows with one prompt counted once.
    pub a_against_b_interval: Option<[f64; 2]>,
    /// Pearson's correlation of the log-odds of a tie; absent for a WSDM file or a constant one.
    pub tie: Option<f64>,
    /// Its 95 % interval, likewise.
    pub tie_interval: Option<[f64; 2]>,
}

/// Everything the doctor has to say.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diagnosis {
    /// The form the file was read as.
    pub format: SubmissionFormat,
    /// Rows of the submission.
    pub n: usize,
    /// Rows that are expected.
    pub n_expected: usize,
    /// What was found: errors first, then warnings, then notes.
    pub findings: Vec<Finding>,
    /// What the boldest probability would cost; absent where there are no probabilities.
    pub worst_case: Option<WorstCase>,
    /// The comparison with the reference, where there is one.
    pub agreement: Option<Agreement>,
}

impl Diagnosis {
    /// How many findings are of a severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// Whether there is no error; warnings and notes leave a file fit to submit.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.count(Severity::Error) == 0
    }

    /// Whether a finding of that code is here.
    #[must_use]
    pub fn names(&self, code: &str) -> bool {
        self.findings.iter().any(|finding| finding.code == code)
    }
}

/// Checks a submission; never fails: whatever is wrong is a finding.
#[must_use]
pub fn check(case: &Case) -> Diagnosis {
    let mut findings = Findings::default();
    let format = case.format.unwrap_or_else(|| reading::detect(case));
    let expected = ids::expected(case, &mut findings);
    let read = reading::read(case.submission, format, &mut findings);
    let placed = ids::place(&read, &expected, &mut findings);
    let worst_case = match format {
        SubmissionFormat::Lmsys => numbers::check(&read, &mut findings),
        SubmissionFormat::Wsdm => winners::check(&read, &mut findings),
    };
    let battles = evidence::battles_of(case.test, &expected);
    let rows = evidence::Rows::new(&read, &placed, &battles);
    sense::constant(&rows, case.constant_is_meant, &mut findings);
    degenerate::check(&rows, &battles, &mut findings);
    if let Some(bytes) = case.swapped {
        swapped::check(
            &rows,
            &reading::read(bytes, format, &mut Findings::default()),
            &expected,
            &mut findings,
        );
    }
    let agreement =
        case.reference.map(|reference| sense::against(&rows, &expected, reference, &mut findings));
    Diagnosis {
        format,
        n: read.rows.len(),
        n_expected: expected.len(),
        findings: findings.sorted(),
        worst_case,
        agreement,
    }
}
