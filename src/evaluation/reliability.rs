use rand::RngExt;
use rayon::prelude::*;

use super::{Reliability, ReliabilityBin};
use crate::battle::{Class, Probabilities, Target, Task};
use crate::metrics::{Binning, Bins, Columns, Resampling, draw_class, quantile, top_label};

/// Bins of equal mass in a diagram.
const BINS: usize = 12;
/// How often labels are drawn for the consistency bands.
const REPLICATES: u32 = 400;

/// Reliability diagrams of every class and of the top label, with consistency bands: where the observed
/// share of a bin lies in 95 % of the cases when labels are drawn from the predictions themselves
/// (Broecker and Smith 2007). Rows are drawn independently of each other.
#[must_use]
pub fn reliability(columns: &Columns<Probabilities>, task: Task, seed: u64) -> Vec<Reliability> {
    let classes: &[Class] = if task == Task::TwoWay { &Class::ALL[..2] } else { &Class::ALL };
    let mut diagrams: Vec<Diagram> =
        classes.iter().map(|class| Diagram::new(columns, Some(*class))).collect();
    diagrams.push(Diagram::new(columns, None));
    let bands = consistency(&diagrams, columns, Resampling { replicates: REPLICATES, seed });
    diagrams.iter().zip(bands).map(|(diagram, bands)| diagram.result(&bands)).collect()
}

/// One diagram: a class, or the top label.
struct Diagram {
    class: Option<Class>,
    predicted: Vec<f64>,
    observed: Vec<f64>,
    bins: Bins,
}

impl Diagram {
    fn new(columns: &Columns<Probabilities>, class: Option<Class>) -> Self {
        let rows = columns.predictions.iter().zip(&columns.targets);
        let (predicted, observed): (Vec<f64>, Vec<f64>) = rows
            .map(|(p, t)| match class {
                Some(class) => (p.of(class), t.of(class)),
                None => (top_label(*p, *t).confidence, top_label(*p, *t).observed),
            })
            .unzip();
        Self { class, bins: Bins::new(&predicted, Binning::EqualMass, BINS), predicted, observed }
    }

    /// What the drawn label counts in this diagram.
    fn outcome(&self, prediction: Probabilities, label: Class) -> f64 {
        match self.class {
            Some(class) => f64::from(u8::from(label == class)),
            None => top_label(prediction, Target::one_hot(label)).observed,
        }
    }

    fn result(&self, bands: &[[f64; 2]]) -> Reliability {
        let (predicted, observed) = (self.bins.sums(&self.predicted), self.bins.sums(&self.observed));
        let sizes = self.bins.sizes();
        let bin = |index: usize| {
            let n = sizes[index] as f64;
            ReliabilityBin {
                predicted: predicted[index] / n,
                observed: observed[index] / n,
                count: sizes[index],
                consistency: bands[index].map(|sum| sum / n),
            }
        };
        Reliability {
            class: self.class.map_or("top label", Class::label).to_owned(),
            bins: (0..sizes.len()).filter(|index| sizes[*index] > 0).map(bin).collect(),
        }
    }
}

/// The 2.5 % and 97.5 % quantiles of the drawn sums of every bin of every diagram.
fn consistency(
    diagrams: &[Diagram],
    columns: &Columns<Probabilities>,
    resampling: Resampling,
) -> Vec<Vec<[f64; 2]>> {
    let drawn: Vec<Vec<Vec<f64>>> = (0..resampling.replicates)
        .into_par_iter()
        .map(|replicate| {
            let mut generator = resampling.generator(replicate);
            let mut sums: Vec<Vec<f64>> =
                diagrams.iter().map(|diagram| vec![0.0; diagram.bins.count()]).collect();
            for (row, prediction) in columns.predictions.iter().enumerate() {
                let label = draw_class(prediction.to_array(), generator.random::<f64>());
                for (diagram, sums) in diagrams.iter().zip(&mut sums) {
                    sums[diagram.bins.of_rows()[row]] += diagram.outcome(*prediction, label);
                }
            }
            sums
        })
        .collect();
    let band = |diagram: usize, bin: usize| {
        let mut values: Vec<f64> = drawn.iter().map(|sums| sums[diagram][bin]).collect();
        values.sort_unstable_by(f64::total_cmp);
        [quantile(&values, 0.025), quantile(&values, 0.975)]
    };
    let bands =
        |(index, diagram): (usize, &Diagram)| (0..diagram.bins.count()).map(|bin| band(index, bin)).collect();
    diagrams.iter().enumerate().map(bands).collect()
}
