use std::collections::BTreeMap;

use crate::evaluation::{FitCurve, LearningCurve};
use crate::finetune::StepRecord;

/// Points of a curve: more than that are not seen in a report.
const POINTS: usize = 30;

/// The steps of every fit of a predictor, by fold and seed.
type Fits<'a> = BTreeMap<(Option<u32>, u64), Vec<&'a StepRecord>>;

/// How the training of each predictor went.
pub(super) fn learning_curves(steps: &[StepRecord]) -> Vec<LearningCurve> {
    let mut predictors: BTreeMap<&str, Fits<'_>> = BTreeMap::new();
    for step in steps {
        let fits = predictors.entry(&step.member).or_default();
        fits.entry((step.fold, step.seed)).or_default().push(step);
    }
    predictors.into_iter().map(|(predictor, fits)| curve(predictor, &fits)).collect()
}

fn curve(predictor: &str, fits: &Fits<'_>) -> LearningCurve {
    let priors: Vec<f64> =
        fits.values().filter_map(|steps| steps.iter().find_map(|step| step.prior_log_loss)).collect();
    let fit = |((fold, seed), steps): (&(Option<u32>, u64), &Vec<&StepRecord>)| {
        let fold = fold.map_or_else(|| "final fit".to_owned(), |fold| format!("fold {fold}"));
        let losses: Vec<f64> = steps.iter().map(|step| step.loss).collect();
        let held_out = steps.iter().filter_map(|step| Some([step.step as f64, step.held_out_log_loss?]));
        FitCurve::new(format!("{fold}, seed {seed}"), &losses, held_out.collect(), POINTS)
    };
    LearningCurve {
        predictor: predictor.to_owned(),
        fits: fits.iter().map(fit).collect(),
        prior_log_loss: (!priors.is_empty()).then(|| priors.iter().sum::<f64>() / priors.len() as f64),
    }
}
