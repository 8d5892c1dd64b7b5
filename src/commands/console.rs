use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::pipeline;
use crate::progress::{Progress, ProgressTask, Silent};

/// The input or the arguments were wrong: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadInput(pub String);

/// Marks an error as the fault of the input.
pub trait OrBadInput<T> {
    /// The same result, whose error leads to exit code 2.
    ///
    /// # Errors
    /// The same as before.
    fn or_bad_input(self) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> OrBadInput<T> for Result<T, E> {
    fn or_bad_input(self) -> anyhow::Result<T> {
        self.map_err(|error| BadInput(in_one_line(&error.into())).into())
    }
}

/// An error with its causes; one that the error before it quotes already is not said twice.
fn in_one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}

/// Standard output for data, standard error for progress and remarks.
#[derive(Debug)]
pub struct Console {
    json: bool,
    quiet: bool,
    threads: usize,
}

impl Console {
    /// A console; also sizes the pool of threads, once a process.
    #[must_use]
    pub fn new(json: bool, quiet: bool, threads: Option<u16>) -> Self {
        let available = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = threads.map_or(available, usize::from);
        // A pool that exists already (a second console in one process, in tests) stays as it is.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        Self { json, quiet, threads }
    }

    /// Whether a script reads standard output.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// How many threads may be used.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The result: `value` as JSON when asked for, else what `text` says.
    ///
    /// # Errors
    /// When standard output is closed or the value cannot be written as JSON.
    pub fn result<T: Serialize>(&self, value: &T, text: impl FnOnce() -> String) -> anyhow::Result<()> {
        let mut line = if self.json { serde_json::to_string(value)? } else { text() };
        if !line.ends_with('\n') {
            line.push('\n');
        }
        std::io::stdout().lock().write_all(line.as_bytes())?;
        Ok(())
    }

    /// A remark for the person, on standard error.
    pub fn remark(&self, text: &str) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        }
    }

    /// A warning for the person, on standard error, also when quiet.
    pub fn warn(&self, text: &str) {
        warn(text);
    }

    /// Bars on a terminal, plain lines elsewhere, nothing when quiet.
    #[must_use]
    pub fn progress(&self) -> Box<dyn Progress> {
        if self.quiet {
            Box::new(Quiet)
        } else if std::io::stderr().is_terminal() {
            Box::new(Bars)
        } else {
            Box::new(Lines)
        }
    }

    /// Prints the one message of an error and chooses the exit code.
    #[must_use]
    pub fn failed(&self, error: &anyhow::Error) -> ExitCode {
        let _ = writeln!(std::io::stderr().lock(), "error: {}", in_one_line(error));
        let is_input = |cause: &(dyn std::error::Error + 'static)| {
            cause.is::<BadInput>()
                || matches!(cause.downcast_ref::<pipeline::Error>(), Some(pipeline::Error::Input(_)))
        };
        if error.chain().any(is_input) { ExitCode::from(2) } else { ExitCode::FAILURE }
    }
}

fn warn(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "warning: {text}");
}

/// Shows warnings alone.
struct Quiet;

impl Progress for Quiet {
    fn start(&self, label: &str, total: Option<u64>, unit: &'static str) -> Box<dyn ProgressTask> {
        Silent.start(label, total, unit)
    }

    fn warn(&self, text: &str) {
        warn(text);
    }
}

struct Bars;

impl Progress for Bars {
    fn start(&self, label: &str, total: Option<u64>, unit: &'static str) -> Box<dyn ProgressTask> {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        let template = if total.is_some() {
            format!("{{prefix}} [{{bar:30}}] {{pos}}/{{len}} {unit}, {{per_sec}}, {{eta}} left {{msg}}")
        } else {
            format!("{{prefix}} {{spinner}} {{pos}} {unit}, {{per_sec}} {{msg}}")
        };
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(label.to_owned());
        Box::new(Bar(bar))
    }

    fn remark(&self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    fn warn(&self, text: &str) {
        warn(text);
    }
}

struct Bar(ProgressBar);

impl ProgressTask for Bar {
    fn advance(&self, steps: u64) {
        self.0.inc(steps);
    }

    fn note(&self, remark: &str) {
        self.0.set_message(remark.to_owned());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// How often a line is printed where there is no terminal to draw a bar on.
const LINE_EVERY: Duration = Duration::from_secs(5);

struct Lines;

impl Progress for Lines {
    fn start(&self, label: &str, total: Option<u64>, unit: &'static str) -> Box<dyn ProgressTask> {
        let now = Instant::now();
        Box::new(Line {
            label: label.to_owned(),
            total,
            unit,
            started: now,
            state: Mutex::new(LineState { done: 0, printed: now, remark: String::new() }),
        })
    }

    fn remark(&self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    fn warn(&self, text: &str) {
        warn(text);
    }
}

struct LineState {
    done: u64,
    printed: Instant,
    remark: String,
}

struct Line {
    label: String,
    total: Option<u64>,
    unit: &'static str,
    started: Instant,
    state: Mutex<LineState>,
}

impl ProgressTask for Line {
    fn advance(&self, steps: u64) {
        let Ok(mut state) = self.state.lock() else { return };
        state.done += steps;
        if state.printed.elapsed() < LINE_EVERY {
            return;
        }
        state.printed = Instant::now();
        let elapsed = self.started.elapsed().as_secs_f64();
        let rate = state.done as f64 / elapsed;
        let (label, done, unit, remark) = (&self.label, state.done, self.unit, &state.remark);
        let line = match self.total {
            Some(total) => {
                let left = total.saturating_sub(done) as f64 / rate.max(f64::MIN_POSITIVE);
                format!("{label}: {done}/{total} {unit}, {rate:.1}/s, {left:.0} s left {remark}")
            }
            None => format!("{label}: {done} {unit}, {rate:.1}/s {remark}"),
        };
        let _ = writeln!(std::io::stderr().lock(), "{}", line.trim_end());
    }

    fn note(&self, remark: &str) {
        if let Ok(mut state) = self.state.lock() {
            remark.clone_into(&mut state.remark);
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_cause_that_is_quoted_already_is_not_said_twice() {
        let cause = || std::io::Error::other("the disk is full");
        let quoted = anyhow::Error::new(cause()).context("cannot write `a`: the disk is full");
        assert_eq!(in_one_line(&quoted), "cannot write `a`: the disk is full");
        let plain = Err::<(), _>(cause()).context("cannot write `a`").unwrap_err();
        assert_eq!(in_one_line(&plain), "cannot write `a`: the disk is full");
    }
}
