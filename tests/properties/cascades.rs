#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "helpers unwrap like tests, and exact values are tested"
)]

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tiebreak::battle::{BattleId, GroupId, HeldOut, Probabilities, Scored, Target, Task};
use tiebreak::calibrators::{
    CalibratorKind, CascadeRecipe, CrossFittedCascade, PostProcessingRecipe, Uncertainty,
};
use tiebreak::metrics::draw_class;

use crate::metrics::with_threads;

/// Battles of which a cheap prediction knows some, and an expensive one more where the cheap one is unsure.
fn world(seed: u64) -> HeldOut<Vec<Probabilities>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut normal = || (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
    let mut labels = ChaCha8Rng::seed_from_u64(seed ^ 0xabcd);
    let rows = (0..400).map(|row| {
        let truth = [0, 1, 2].map(|_| 1.2 * normal());
        // Every second row is one that the cheap prediction knows as well.
        let known = f64::from(row % 2);
        let cheap = Probabilities::from_logits(truth.map(|logit| known * logit)).unwrap();
        let expensive = Probabilities::from_logits(truth.map(|logit| logit + 0.3 * normal())).unwrap();
        let class = draw_class(Probabilities::from_logits(truth).unwrap().to_array(), labels.random());
        Scored {
            id: BattleId(format!("{row:04}")),
            group: GroupId(format!("g{}", row / 4)),
            fold: Some(u32::try_from(row / 4 % 4).unwrap()),
            prediction: vec![cheap, expensive],
            target: Target::one_hot(class),
        }
    });
    HeldOut::declared(rows.collect(), "world")
}

fn fit(held_out: &HeldOut<Vec<Probabilities>>, uncertainty: Uncertainty) -> CrossFittedCascade {
    let post_processing =
        PostProcessingRecipe { calibrator: CalibratorKind::Temperature, ..PostProcessingRecipe::default() };
    let recipe = CascadeRecipe { uncertainty, max_share: 0.8, post_processing };
    recipe.cross_fit(held_out, ["cheap", "expensive"], Task::ThreeWay).unwrap()
}

fn swapped(held_out: &HeldOut<Vec<Probabilities>>) -> HeldOut<Vec<Probabilities>> {
    let rows = held_out.rows().iter().map(|row| Scored {
        prediction: row.prediction.iter().map(|p| p.swapped()).collect(),
        target: row.target.swapped(),
        ..row.clone()
    });
    HeldOut::declared(rows.collect(), "world")
}

fn bits(probabilities: Probabilities) -> [u64; 3] {
    probabilities.ln().map(f64::to_bits)
}

/// What a cascade says of every row, and of one that it was left no time to ask again.
fn said(cascade: &CrossFittedCascade, held_out: &HeldOut<Vec<Probabilities>>) -> Vec<Probabilities> {
    let rows = held_out.rows().iter();
    rows.flat_map(|row| {
        let (cheap, expensive) = (row.prediction[0], row.prediction[1]);
        [cascade.fitted.apply(cheap, Some(expensive)), cascade.fitted.apply(cheap, None)]
    })
    .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn exchanging_the_sides_exchanges_a_cascade_bit_for_bit(seed in 0..1000_u64) {
        let (held_out, uncertainty) = (world(seed), [Uncertainty::Entropy, Uncertainty::TopProbability]);
        for uncertainty in uncertainty {
            let exchanged = swapped(&held_out);
            let (one, other) = (fit(&held_out, uncertainty), fit(&exchanged, uncertainty));
            // Fitted on exchanged rows it is the same cascade, and what it says is exchanged.
            prop_assert_eq!(&one.fitted, &other.fitted);
            prop_assert!(one.fitted.routes().is_some(), "it asks again");
            for (of_one, of_other) in said(&one, &held_out).into_iter().zip(said(&other, &exchanged)) {
                prop_assert_eq!(bits(of_one.swapped()), bits(of_other));
            }
            for (of_one, of_other) in one.held_out.rows().iter().zip(other.held_out.rows()) {
                prop_assert_eq!(bits(of_one.prediction.swapped()), bits(of_other.prediction));
            }
        }
    }

    #[test]
    fn no_bit_of_a_cascade_depends_on_the_order_of_rows_or_the_threads(seed in 0..1000_u64) {
        let held_out = world(seed);
        let mut rows = held_out.rows().to_vec();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        rows.sort_by_cached_key(|_| random.random::<u64>());
        let shuffled = HeldOut::declared(rows, "world");
        let one = with_threads(1, || fit(&held_out, Uncertainty::Entropy));
        let other = with_threads(4, || fit(&shuffled, Uncertainty::Entropy));
        prop_assert_eq!(&one.fitted, &other.fitted);
        prop_assert_eq!(&one.summary, &other.summary);
        let of_rows = |cascade: &CrossFittedCascade| {
            let rows = cascade.held_out.rows().iter();
            let mut rows: Vec<_> = rows.map(|row| (row.id.0.clone(), bits(row.prediction))).collect();
            rows.sort();
            rows
        };
        prop_assert_eq!(of_rows(&one), of_rows(&other));
    }

    #[test]
    fn a_row_is_asked_again_for_itself_alone_and_without_an_answer_it_stays(seed in 0..1000_u64) {
        let held_out = world(seed);
        let cascade = fit(&held_out, Uncertainty::Entropy).fitted;
        let threshold = cascade.routes().unwrap().threshold;
        for row in held_out.rows() {
            let cheap = row.prediction[0];
            let asks = cascade.asks_again(cheap);
            prop_assert_eq!(asks, cascade.asks_again(cheap.swapped()));
            prop_assert_eq!(asks, Uncertainty::Entropy.of(cheap) >= threshold);
            if asks {
                prop_assert_eq!(bits(cascade.apply(cheap, None)), bits(cheap));
            } else {
                // An answer that nobody asked for changes nothing.
                let unasked = cascade.apply(cheap, Some(row.prediction[1]));
                prop_assert_eq!(bits(unasked), bits(cascade.apply(cheap, None)));
            }
        }
    }
}
