//! The log of experiments: one Markdown table in `submissions/LOG.md`, written by program and by hand.
//!
//! Every run is an entry, the failed one too. Text around the table, its order and rows that a person wrote
//! are kept byte by byte; only the row that gets a score is written anew.

mod summary;
mod table;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use summary::{Comparison, Summary, summary};

use crate::files::{self, WriteError};

/// One line of the log.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Entry {
    /// The day, `YYYY-MM-DD`.
    pub date: String,
    /// The commit the program was built from.
    pub commit: String,
    /// The name of the run.
    pub run: String,
    /// What was typed.
    pub command: String,
    /// What the local score was measured on, in words.
    pub split: String,
    /// Rows of that split.
    pub n: Option<usize>,
    /// Local score: log loss in nats (three-way) or accuracy (two-way).
    pub local: Option<f64>,
    /// Its standard error, rows of one group counted together.
    pub standard_error: Option<f64>,
    /// The score on the public leaderboard.
    pub public: Option<f64>,
    /// How many rows the public score was measured on, where it is known.
    pub public_rows: Option<usize>,
    /// The score on the private leaderboard.
    pub private: Option<f64>,
    /// What it taught.
    pub lesson: String,
}

/// Scores that become known after a run; what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Update {
    /// The score on the public leaderboard.
    pub public: Option<f64>,
    /// The number of rows behind it.
    pub public_rows: Option<usize>,
    /// The score on the private leaderboard.
    pub private: Option<f64>,
    /// What it taught.
    pub lesson: Option<String>,
}

/// The log could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// No entry has that name.
    #[error("no run `{run}` in the log; known: {}; `log --add --run {run}` makes an entry", known.join(", "))]
    UnknownRun {
        /// What was asked for.
        run: String,
        /// The runs that are there.
        known: Vec<String>,
    },
    /// A value cannot be an entry.
    #[error("{what} `{value}` {fault}")]
    Value {
        /// Which value.
        what: &'static str,
        /// As given.
        value: String,
        /// What is wrong and what would be right.
        fault: &'static str,
    },
}

/// A row of the table that cannot be read; it is kept as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// The line of the file, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub fault: String,
}

/// The text of a log and the entries in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// The lines of the file with their line ends.
    lines: Vec<String>,
    /// The entries with the position of their line.
    entries: Vec<(usize, Entry)>,
    unreadable: Vec<Unreadable>,
    /// Where the next entry goes; `None` when there is no table yet.
    end_of_table: Option<usize>,
}

const TITLE: &str = "# Log of experiments\n\nEvery run, the failed one too. The program appends rows and fills in \
                     scores; write anything around the table.\nLocal scores are log loss in nats (two-way: accuracy) \
                     on the split named, with their standard error.\n";

impl Log {
    /// Reads a log; nothing in it can be wrong enough to lose it.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        let mut log = Self { lines, entries: Vec::new(), unreadable: Vec::new(), end_of_table: None };
        let Some(header) = log.lines.iter().position(|line| table::is_header(line)) else { return log };
        let mut end = header + 1;
        for (position, line) in log.lines.iter().enumerate().skip(header + 1) {
            if !line.trim_start().starts_with('|') {
                break;
            }
            end = position + 1;
            if table::is_rule(line) {
                continue;
            }
            match table::parse(line) {
                Ok(entry) => log.entries.push((position, entry)),
                Err(fault) => log.unreadable.push(Unreadable { line: position + 1, fault }),
            }
        }
        log.end_of_table = Some(end);
        log
    }

    /// The entries, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().map(|(_, entry)| entry)
    }

    /// Rows of the table that could not be read.
    #[must_use]
    pub fn unreadable(&self) -> &[Unreadable] {
        &self.unreadable
    }

    /// The text with every change in it.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines.concat()
    }

    /// Adds an entry below the others.
    ///
    /// # Errors
    /// `LogError::Value` for a date that is none, an empty run or a number that is not finite.
    pub fn append(&mut self, entry: Entry) -> Result<(), LogError> {
        check(&entry)?;
        let position = self.end_of_table.unwrap_or_else(|| self.start_table());
        if let Some(before) = position.checked_sub(1).and_then(|line| self.lines.get_mut(line))
            && !before.ends_with('\n')
        {
            before.push('\n');
        }
        self.lines.insert(position, table::line(&entry));
        self.entries.push((position, entry));
        self.end_of_table = Some(position + 1);
        Ok(())
    }

    /// Fills in what became known of the latest entry of a run, and gives it back.
    ///
    /// # Errors
    /// `LogError::UnknownRun` when there is none, `Value` for a score that is not finite.
    pub fn set(&mut self, run: &str, update: &Update) -> Result<Entry, LogError> {
        let known = || {
            let mut known: Vec<String> = self.entries().map(|entry| entry.run.clone()).collect();
            known.dedup();
            known
        };
        let Some((position, old)) = self.entries.iter().rfind(|(_, entry)| entry.run == run) else {
            return Err(LogError::UnknownRun { run: run.to_owned(), known: known() });
        };
        let position = *position;
        let entry = Entry {
            public: update.public.or(old.public),
            public_rows: update.public_rows.or(old.public_rows),
            private: update.private.or(old.private),
            lesson: update.lesson.clone().unwrap_or_else(|| old.lesson.clone()),
            ..old.clone()
        };
        check(&entry)?;
        if let Some(line) = self.lines.get_mut(position) {
            *line = table::line(&entry);
        }
        self.entries.retain(|(line, _)| *line != position);
        self.entries.push((position, entry.clone()));
        self.entries.sort_by_key(|(line, _)| *line);
        Ok(entry)
    }

    /// Writes the head of the table below all text, and says where its first entry goes.
    fn start_table(&mut self) -> usize {
        if self.lines.is_empty() {
            self.lines.extend(TITLE.split_inclusive('\n').map(str::to_owned));
        }
        if let Some(last) = self.lines.last_mut()
            && !last.ends_with('\n')
        {
            last.push('\n');
        }
        self.lines.push("\n".to_owned());
        self.lines.extend(table::head());
        self.lines.len()
    }
}

fn check(entry: &Entry) -> Result<(), LogError> {
    let fails = |what, value: &str, fault| Err(LogError::Value { what, value: value.to_owned(), fault });
    if !is_date(&entry.date) {
        return fails("the date", &entry.date, "is not of the form `YYYY-MM-DD`");
    }
    if entry.run.trim().is_empty() {
        return fails("the run", &entry.run, "is empty; an entry needs the name of its run");
    }
    let numbers = [
        ("the local score", entry.local),
        ("the standard error", entry.standard_error),
        ("the public score", entry.public),
        ("the private score", entry.private),
    ];
    for (what, value) in numbers {
        if let Some(value) = value.filter(|value| !value.is_finite() || *value < 0.0) {
            return fails(what, &value.to_string(), "is not a finite number of at least 0");
        }
    }
    Ok(())
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let number = |part: &str, digits: usize| {
        (part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| part.parse::<u32>().ok())?
    };
    let [year, month, day] = parts.as_slice() else { return false };
    let in_range = |value: Option<u32>, high: u32| value.is_some_and(|value| (1..=high).contains(&value));
    number(year, 4).is_some() && in_range(number(month, 2), 12) && in_range(number(day, 2), 31)
}

/// The log of a file; a file that is not there is an empty log.
///
/// # Errors
/// `LogError::Read` when the file is there and cannot be read, or is not UTF-8.
pub fn read(path: &Path) -> Result<Log, LogError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Log::parse(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Log::parse("")),
        Err(source) => Err(LogError::Read { path: path.to_owned(), source }),
    }
}

/// Reads, changes and writes the log as one step: a program that does the same at the same time waits, and a
/// change that fails leaves the file as it was.
///
/// # Errors
/// `LogError` when the file cannot be read or written, and what `change` gives.
pub fn update<T>(path: &Path, change: impl FnOnce(&mut Log) -> Result<T, LogError>) -> Result<T, LogError> {
    let _locked = lock(path)?;
    let mut log = read(path)?;
    let result = change(&mut log)?;
    files::write(path, log.text().as_bytes())?;
    Ok(result)
}

/// Appends one entry to the log of a file.
///
/// # Errors
/// As `update` and `Log::append`.
pub fn append(path: &Path, entry: Entry) -> Result<(), LogError> {
    update(path, |log| log.append(entry))
}

/// Holds the file that now has the name. Each change gives the name to a new file, so that whoever waited
/// for the old one tries again.
fn lock(path: &Path) -> Result<Option<fs::File>, LogError> {
    let failed = |source| LogError::Read { path: path.to_owned(), source };
    loop {
        let file = match fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(failed(source)),
        };
        file.lock().map_err(failed)?;
        if is_still(&file, path).map_err(failed)? {
            return Ok(Some(file));
        }
    }
}

#[cfg(unix)]
fn is_still(file: &fs::File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (held, named) = (file.metadata()?, fs::metadata(path)?);
    Ok(held.ino() == named.ino() && held.dev() == named.dev())
}

#[cfg(not(unix))]
fn is_still(mut file: &fs::File, path: &Path) -> io::Result<bool> {
    let mut held = Vec::new();
    io::Read::read_to_end(&mut file, &mut held)?;
    Ok(held == fs::read(path)?)
}

#[cfg(test)]
mod tests;
