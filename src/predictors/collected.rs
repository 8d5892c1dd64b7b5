use super::language_model::{Deadline, Outcome};
use super::{PredictError, PredictRun, Predictor, RowDetail};
use crate::battle::{Battle, Probabilities};
use crate::progress::{Progress, Silent};

/// Under which conditions battles are predicted.
#[derive(Clone, Copy)]
pub struct Conditions<'a> {
    /// When the last batch must be done; a row that it left out has no prediction.
    pub deadline: Option<Deadline>,
    /// Whether to stop at the next batch, which is `PredictError::Stopped`.
    pub stop: &'a dyn Fn() -> bool,
    /// Who wants to know how far it is.
    pub progress: &'a dyn Progress,
}

impl<'a> Conditions<'a> {
    /// As long as it takes, and nobody stops it.
    #[must_use]
    pub fn unhurried(progress: &'a dyn Progress) -> Self {
        Self { deadline: None, stop: &never, progress }
    }
}

fn never() -> bool {
    false
}

/// All that a predictor said of one battle.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictedRow {
    /// `None` where there was no time for the row.
    pub probabilities: Option<Probabilities>,
    /// What stood before the probabilities, one number for each of `Predictor::raw_columns`; not a number
    /// where it was not computed.
    pub raw: Vec<f32>,
    /// Whether everything was computed that the prediction is made of.
    pub outcome: Outcome,
}

/// A `PredictRun` that keeps everything in memory and checks that each row came once.
pub struct Collected<'a> {
    predictions: Vec<(usize, Probabilities)>,
    details: Vec<(usize, RowDetail)>,
    conditions: Conditions<'a>,
}

impl<'a> Collected<'a> {
    /// An empty collection.
    #[must_use]
    pub fn new(conditions: Conditions<'a>) -> Self {
        Self { predictions: Vec::new(), details: Vec::new(), conditions }
    }

    /// The predictions in the order of the battles.
    ///
    /// # Errors
    /// `PredictError::WrongCount` when a row came never or twice.
    pub fn finish(self, rows: usize) -> Result<Vec<Probabilities>, PredictError> {
        let rows_of = self.finish_in_detail(rows)?.into_iter().enumerate();
        rows_of
            .map(|(row, found)| found.probabilities.ok_or(PredictError::WrongCount { row, rows, count: 0 }))
            .collect()
    }

    /// Everything in the order of the battles; a row that was left out has no prediction.
    ///
    /// # Errors
    /// `PredictError::WrongCount` when a row came never or twice.
    pub fn finish_in_detail(self, rows: usize) -> Result<Vec<PredictedRow>, PredictError> {
        let empty = PredictedRow { probabilities: None, raw: Vec::new(), outcome: Outcome::Complete };
        let mut result = vec![empty; rows];
        for (row, detail) in self.details {
            let Some(place) = result.get_mut(row) else {
                return Err(PredictError::WrongCount { row, rows, count: 1 });
            };
            (place.raw, place.outcome) = (detail.raw, detail.outcome);
        }
        let mut counts = vec![0_usize; rows];
        for (row, probabilities) in self.predictions {
            let Some(count) = counts.get_mut(row) else {
                return Err(PredictError::WrongCount { row, rows, count: 1 });
            };
            *count += 1;
            result[row].probabilities = Some(probabilities);
        }
        let expected = |row: &PredictedRow| usize::from(row.outcome != Outcome::Fallback);
        match counts.iter().zip(&result).position(|(count, row)| *count != expected(row)) {
            Some(row) => Err(PredictError::WrongCount { row, rows, count: counts[row] }),
            None => Ok(result),
        }
    }
}

impl PredictRun for Collected<'_> {
    fn emit(&mut self, row: usize, probabilities: Probabilities) {
        self.predictions.push((row, probabilities));
    }

    fn detail(&mut self, row: usize, detail: RowDetail) {
        self.details.push((row, detail));
    }

    fn stop(&self) -> bool {
        (self.conditions.stop)()
    }

    fn deadline(&self) -> Option<Deadline> {
        self.conditions.deadline
    }

    fn progress(&self) -> &dyn Progress {
        self.conditions.progress
    }
}

/// The predictions of all battles, in their order, without a bar.
///
/// # Errors
/// As `Predictor::predict`, and when a row came never or twice.
pub fn predict_all(
    predictor: &dyn Predictor,
    battles: &[Battle],
) -> Result<Vec<Probabilities>, PredictError> {
    let mut run = Collected::new(Conditions::unhurried(&Silent));
    predictor.predict(battles, &mut run)?;
    run.finish(battles.len())
}

/// The same with all that stands behind the predictions, under conditions; a deadline may leave rows out.
///
/// # Errors
/// `PredictError::Stopped` when it was asked to stop, as `Predictor::predict`, and when a row came never or twice.
pub fn predict_in_detail(
    predictor: &dyn Predictor,
    battles: &[Battle],
    conditions: &Conditions<'_>,
) -> Result<Vec<PredictedRow>, PredictError> {
    let mut run = Collected::new(*conditions);
    predictor.predict(battles, &mut run)?;
    run.finish_in_detail(battles.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_was_left_out_has_no_prediction_and_a_forgotten_one_is_an_error() {
        let left_out = RowDetail { raw: vec![f32::NAN], outcome: Outcome::Fallback };
        let mut run = Collected::new(Conditions::unhurried(&Silent));
        run.emit(0, Probabilities::UNIFORM);
        run.detail(1, left_out.clone());
        let rows = run.finish_in_detail(2).unwrap();
        assert_eq!((rows[0].outcome, rows[1].outcome), (Outcome::Complete, Outcome::Fallback));
        assert_eq!((rows[0].probabilities, rows[1].probabilities), (Some(Probabilities::UNIFORM), None));
        let mut run = Collected::new(Conditions::unhurried(&Silent));
        run.detail(0, left_out);
        assert!(matches!(run.finish(1), Err(PredictError::WrongCount { row: 0, count: 0, .. })));
        let mut run = Collected::new(Conditions::unhurried(&Silent));
        run.emit(0, Probabilities::UNIFORM);
        run.emit(0, Probabilities::UNIFORM);
        assert!(matches!(run.finish(1), Err(PredictError::WrongCount { count: 2, .. })));
        assert!(Collected::new(Conditions::unhurried(&Silent)).finish(1).is_err());
    }
}
