use serde::Serialize;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The file would be rejected, or scored as something else than what was predicted.
    Error,
    /// Something that is hardly ever meant.
    Warning,
    /// Good to know.
    Note,
}

/// A row of the submission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its number, the first row below the header being 1; absent for an id that is not in the file.
    pub row: Option<usize>,
    /// Its id as written.
    pub id: String,
}

/// One thing that the doctor has to say.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name for scripts, such as `id-missing`.
    pub code: &'static str,
    /// What is wrong, how much of it, and the way out.
    pub message: String,
    /// The first few rows it is about.
    pub rows: Vec<Row>,
    /// How many rows it is about in all; 0 where it is about the whole file.
    pub n_rows: usize,
}

/// How many rows a finding shows.
const SHOWN: usize = 5;

/// Collects findings.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    /// A finding about the file as a whole.
    pub(super) fn file(&mut self, severity: Severity, code: &'static str, message: String) {
        self.0.push(Finding { severity, code, message, rows: Vec::new(), n_rows: 0 });
    }

    /// A finding about rows; nothing is said when there are none.
    pub(super) fn rows(
        &mut self,
        (severity, code): (Severity, &'static str),
        rows: &[Row],
        message: impl FnOnce(usize) -> String,
    ) {
        if rows.is_empty() {
            return;
        }
        self.0.push(Finding {
            severity,
            code,
            message: message(rows.len()),
            rows: rows.iter().take(SHOWN).cloned().collect(),
            n_rows: rows.len(),
        });
    }

    /// Errors first, each severity in the order of the checks.
    pub(super) fn sorted(mut self) -> Vec<Finding> {
        self.0.sort_by_key(|finding| finding.severity);
        self.0
    }
}

/// `1 row` or `7 rows`.
pub(super) fn counted(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}
