//! A run that must end in time: what still fits, and what becomes of the rows that do not.

use std::str::FromStr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// A span of time as `--deadline` says it: `8h30m`, `45m`, `90s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimit(pub Duration);

/// The text is no span of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no span of time; write hours, minutes and seconds as in `8h30m`, `45m` or `90s`")]
pub struct NotATimeLimit(String);

impl FromStr for TimeLimit {
    type Err = NotATimeLimit;

    fn from_str(text: &str) -> Result<Self, NotATimeLimit> {
        let wrong = || NotATimeLimit(text.to_owned());
        let (mut rest, mut seconds) = (text, 0_u64);
        for (unit, factor) in [('h', 3600), ('m', 60), ('s', 1)] {
            let Some((number, behind)) = rest.split_once(unit) else { continue };
            let number: u64 = number.parse().map_err(|_| wrong())?;
            seconds =
                number.checked_mul(factor).and_then(|more| seconds.checked_add(more)).ok_or_else(wrong)?;
            rest = behind;
        }
        if !rest.is_empty() || seconds == 0 {
            return Err(wrong());
        }
        Ok(Self(Duration::from_secs(seconds)))
    }
}

/// The moment at which the last batch must be done.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    started: Instant,
    limit: Duration,
}

impl Deadline {
    /// A deadline `limit` after `started`, the start of the whole process; what comes after the last batch
    /// (post-processing, writing) must be taken off the limit by the caller.
    #[must_use]
    pub fn new(started: Instant, limit: Duration) -> Self {
        Self { started, limit }
    }

    /// The deadline of the next `own` of `parts` equal pieces of work, which share the time that is left; none of
    /// them is left no time.
    #[must_use]
    pub fn share(&self, own: usize, parts: usize) -> Self {
        if own == 0 {
            return self.spent();
        }
        let elapsed = self.started.elapsed();
        let part = (own as f64 / parts.max(own) as f64).min(1.0);
        let left = self.limit.saturating_sub(elapsed).mul_f64(part);
        Self { started: self.started, limit: elapsed.min(self.limit) + left }
    }

    /// A deadline that admits no work any more, for what must not be computed a second time.
    #[must_use]
    pub fn spent(&self) -> Self {
        Self { started: self.started, limit: Duration::ZERO }
    }

    /// Whether work that takes `seconds` from now on is done in time.
    #[must_use]
    pub fn admits(&self, seconds: f64) -> bool {
        self.started.elapsed().as_secs_f64() + seconds <= self.limit.as_secs_f64()
    }
}

/// What came of a row, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every order was computed.
    Complete,
    /// Some orders were computed; the prediction is of those alone.
    OnePass,
    /// None was: the fallback predictor answers.
    Fallback,
}

impl Outcome {
    /// Its name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::OnePass => "one_pass",
            Self::Fallback => "fallback",
        }
    }

    /// What came of a row some of whose sequences were computed.
    #[must_use]
    pub fn of(done: usize, wanted: usize) -> Self {
        match done {
            _ if done >= wanted => Self::Complete,
            0 => Self::Fallback,
            _ => Self::OnePass,
        }
    }
}

/// How many rows came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes {
    /// Rows with every order.
    pub complete: usize,
    /// Rows with some of the orders.
    pub one_pass: usize,
    /// Rows that the fallback answers.
    pub fallback: usize,
}

impl Outcomes {
    /// Counts each row once.
    #[must_use]
    pub fn of(rows: impl IntoIterator<Item = Outcome>) -> Self {
        let mut counts = Self::default();
        for outcome in rows {
            *match outcome {
                Outcome::Complete => &mut counts.complete,
                Outcome::OnePass => &mut counts.one_pass,
                Outcome::Fallback => &mut counts.fallback,
            } += 1;
        }
        counts
    }

    /// Whether nothing is left to be computed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.one_pass + self.fallback == 0
    }
}

/// What came of each row, from which items are done.
#[must_use]
pub fn outcomes(done: &[bool], orders: usize) -> (Vec<Outcome>, Outcomes) {
    let of = |items: &[bool]| Outcome::of(items.iter().filter(|done| **done).count(), items.len());
    let rows: Vec<Outcome> = done.chunks(orders.max(1)).map(of).collect();
    let counts = Outcomes::of(rows.iter().copied());
    (rows, counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time_are_read_and_others_refused() {
        for (text, seconds) in
            [("8h30m", 30_600), ("45m", 2_700), ("90s", 90), ("1h2m3s", 3_723), ("2h", 7_200)]
        {
            assert_eq!(text.parse::<TimeLimit>().unwrap().0.as_secs(), seconds, "{text}");
        }
        for text in ["", "8", "8h30", "30m8h", "-1h", "1.5h", "0s", "h", "99999999999999999999h"] {
            assert!(text.parse::<TimeLimit>().is_err(), "{text}");
        }
    }

    #[test]
    fn work_that_would_end_too_late_is_not_admitted() {
        let deadline = Deadline::new(Instant::now(), Duration::from_hours(1));
        assert!(deadline.admits(1000.0));
        assert!(!deadline.admits(3601.0));
        assert!(!Deadline::new(Instant::now(), Duration::ZERO).admits(0.0));
        assert!(deadline.share(1, 4).admits(890.0) && !deadline.share(1, 4).admits(910.0));
        assert!(deadline.share(3, 4).admits(2690.0) && !deadline.share(3, 4).admits(2710.0));
        assert!(deadline.share(2, 2).admits(3590.0));
        assert!(!deadline.share(0, 2).admits(0.0) && !deadline.spent().admits(0.0));
    }

    #[test]
    fn every_row_is_counted_once() {
        let (rows, counts) = outcomes(&[true, true, false, true, false, false], 2);
        assert_eq!(rows, [Outcome::Complete, Outcome::OnePass, Outcome::Fallback]);
        assert_eq!(counts, Outcomes { complete: 1, one_pass: 1, fallback: 1 });
        assert_eq!(outcomes(&[true, false], 1).1, Outcomes { complete: 1, one_pass: 0, fallback: 1 });
    }
}
