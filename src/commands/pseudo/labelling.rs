//! Who labels: what a run ships, the models of one fold, or those of every fold, each on its own.

use std::collections::{BTreeMap, BTreeSet};

use super::selection;
use super::{Args, OrBadInput};
use crate::ancestry;
use crate::battle::{Battle, BattleId, GroupId, Probabilities};
use crate::manifest::{LabelledFold, Selection, SelectionCounts};
use crate::predictors::Pooling;
use crate::predictors::language_model::{Deadline, JournalPlace, Outcome, Outcomes, Serving};
use crate::progress::Progress;
use crate::run_dir::RunDir;
use crate::shipped::{Fits, Shipped, ShippedPredictions};
use crate::tables::{self, fold_labels::FoldLabel};

/// The loaded models that label, by the fold that they never saw where each fold labels on its own.
pub(super) struct Labellers {
    shipped: Vec<(Option<u32>, Shipped)>,
}

/// What a labeller says of all battles, or the mean of several does.
pub(super) struct Answer {
    fold: Option<u32>,
    predicted: ShippedPredictions,
}

/// What becomes labels.
pub(super) struct Given<'a> {
    /// By fold, the mean behind them; or one alone.
    parts: Vec<Part<'a>>,
    /// Of the mean, or of the one.
    pub(super) outcomes: Outcomes,
}

struct Part<'a> {
    answer: &'a Answer,
    kept: Vec<usize>,
    rows: SelectionCounts,
}

/// The prompts whose votes the labels know, and, where every fold labels, those among them that the labels of a fold do not.
#[expect(clippy::type_complexity, reason = "a set and a map of sets")]
pub(super) fn prompts(
    args: &Args,
    directory: &RunDir,
) -> anyhow::Result<(BTreeSet<GroupId>, BTreeMap<u32, BTreeSet<GroupId>>)> {
    let fits = Fits::of(directory).or_bad_input()?;
    if !args.every_fold {
        let known = ancestry::known_prompts(directory, fits.unseen(args.fold)).or_bad_input()?;
        return Ok((known, BTreeMap::new()));
    }
    let known = ancestry::known_prompts(directory, None).or_bad_input()?;
    let unseen = fits.folds().iter().map(|fold| {
        let of_fold = ancestry::known_prompts(directory, Some(*fold)).or_bad_input()?;
        Ok((*fold, known.difference(&of_fold).cloned().collect()))
    });
    let unseen = unseen.collect::<anyhow::Result<_>>()?;
    Ok((known, unseen))
}

impl Labellers {
    /// Everything that will be asked, as one: for a forecast.
    pub(super) fn whole(args: &Args, directory: &RunDir, serving: &Serving) -> anyhow::Result<Shipped> {
        Shipped::load_fold(directory, serving, args.fold).or_bad_input()
    }

    /// Loads them; models that several of them ask are loaded once.
    pub(super) fn load(args: &Args, directory: &RunDir, serving: &Serving) -> anyhow::Result<Self> {
        let folds = if args.every_fold {
            Fits::of(directory).or_bad_input()?.folds().iter().map(|fold| Some(*fold)).collect()
        } else {
            vec![args.fold]
        };
        let shipped = folds.into_iter().map(|fold| {
            let shipped = Shipped::load_fold(directory, serving, fold).or_bad_input()?;
            Ok((fold.filter(|_| args.every_fold), shipped))
        });
        Ok(Self { shipped: shipped.collect::<anyhow::Result<_>>()? })
    }

    /// The run, by one of them.
    pub(super) fn first(&self) -> anyhow::Result<&Shipped> {
        let first = self.shipped.first().map(|(_, shipped)| shipped);
        first.ok_or_else(|| anyhow::anyhow!("the run was trained on no fold"))
    }

    /// Asks one after the other, each with its share of the time that is left; then the mean of several.
    pub(super) fn ask(
        &self,
        battles: &[Battle],
        (deadline, journal): (Option<Deadline>, &JournalPlace),
        progress: &dyn Progress,
    ) -> anyhow::Result<Vec<Answer>> {
        let mut answers = Vec::with_capacity(self.shipped.len() + 1);
        for (place, (fold, shipped)) in self.shipped.iter().enumerate() {
            let deadline = deadline.map(|deadline| deadline.share(1, self.shipped.len() - place));
            let time = (deadline, journal);
            let predicted = crate::commands::serving::predict(shipped, battles, time, progress)?;
            answers.push(Answer { fold: *fold, predicted });
        }
        if answers.iter().any(|answer| answer.fold.is_some()) {
            let mean = mean(&answers, battles.len())?;
            answers.push(mean);
        }
        Ok(answers)
    }
}

/// The mean of all; as good as the worst of them.
fn mean(answers: &[Answer], rows: usize) -> anyhow::Result<Answer> {
    let weights = vec![1.0 / answers.len().max(1) as f64; answers.len()];
    let of_row = |row: usize| {
        let all: Vec<Probabilities> =
            answers.iter().map(|answer| answer.predicted.probabilities[row]).collect();
        Ok(Pooling::Arithmetic.pool(&all, &weights)?)
    };
    let worst = |row: usize| answers.iter().map(|answer| answer.predicted.outcomes[row]).max();
    let predicted = ShippedPredictions {
        probabilities: (0..rows).map(of_row).collect::<anyhow::Result<_>>()?,
        outcomes: (0..rows).map(|row| worst(row).unwrap_or(Outcome::Complete)).collect(),
        members: Vec::new(),
    };
    Ok(Answer { fold: None, predicted })
}

impl<'a> Given<'a> {
    /// Chooses the rows that get a label, of each answer on its own: a choice by all of them would know what one must not.
    pub(super) fn select(answers: &'a [Answer], selection: &Selection, ids: &[&BattleId]) -> Self {
        let part = |answer: &'a Answer| {
            let (kept, rows) = selection::select(selection, ids, &answer.predicted);
            Part { answer, kept, rows }
        };
        let last = answers.last().into_iter().flat_map(|answer| answer.predicted.outcomes.iter().copied());
        Self { parts: answers.iter().map(part).collect(), outcomes: Outcomes::of(last) }
    }

    /// The bytes of the file; none where no row has a label.
    pub(super) fn to_csv(&self, ids: &[&BattleId]) -> Option<Vec<u8>> {
        let label = |part: &Part<'_>, row: usize| FoldLabel {
            id: ids[row].clone(),
            fold: part.answer.fold,
            probabilities: part.answer.predicted.probabilities[row],
        };
        let labels: Vec<FoldLabel> =
            self.parts.iter().flat_map(|part| part.kept.iter().map(|row| label(part, *row))).collect();
        if labels.is_empty() {
            return None;
        }
        if self.folds().is_empty() {
            let plain: Vec<(BattleId, Probabilities)> =
                labels.into_iter().map(|label| (label.id, label.probabilities)).collect();
            return Some(tables::predictions::to_csv(&plain));
        }
        Some(tables::fold_labels::to_csv(&labels))
    }

    /// The positions of the rows that have a label by anybody, ascending.
    pub(super) fn kept(&self) -> Vec<usize> {
        let kept: BTreeSet<usize> = self.parts.iter().flat_map(|part| part.kept.iter().copied()).collect();
        kept.into_iter().collect()
    }

    /// What became of the rows: of the mean, or of the one.
    pub(super) fn rows(&self) -> SelectionCounts {
        self.parts.last().map(|part| part.rows).unwrap_or_default()
    }

    /// The labels of the mean, or of the one.
    pub(super) fn labels(&self) -> Vec<Probabilities> {
        let of_part = |part: &Part<'_>| -> Vec<Probabilities> {
            part.kept.iter().map(|row| part.answer.predicted.probabilities[*row]).collect()
        };
        self.parts.last().map(of_part).unwrap_or_default()
    }

    /// What became of the rows of each fold.
    pub(super) fn folds(&self) -> Vec<LabelledFold> {
        let fold = |part: &Part<'_>| Some(LabelledFold { fold: part.answer.fold?, rows: part.rows });
        self.parts.iter().filter_map(fold).collect()
    }
}
