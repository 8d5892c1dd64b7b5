//! The tie models against SciPy; `ties.py` printed `ties.json`.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use serde::Deserialize;
use tiebreak::battle::{BattleId, GroupId, HeldOut, Scored, Target};
use tiebreak::ties::TieModel;

#[derive(Deserialize)]
struct Golden {
    models: Vec<Known>,
    rewards: Vec<[f64; 2]>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Known {
    model: TieModel,
    probabilities: Vec<[f64; 3]>,
}

#[derive(Deserialize)]
struct Case {
    rewards: Vec<[f64; 2]>,
    targets: Vec<[f64; 3]>,
    fits: Vec<Fitted>,
}

#[derive(Deserialize)]
struct Fitted {
    model: TieModel,
    log_loss: f64,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("ties.json")).unwrap()
}

#[test]
fn probabilities_of_every_tie_model_equal_those_of_scipy() {
    let golden = golden();
    assert_eq!(golden.models.len(), 5);
    for known in &golden.models {
        for (rewards, expected) in golden.rewards.iter().zip(&known.probabilities) {
            let found = known.model.probabilities(*rewards).unwrap().to_array();
            for class in 0..3 {
                assert!((found[class] - expected[class]).abs() < 1e-12, "{:?} {rewards:?}", known.model);
            }
        }
    }
}

#[test]
fn every_fit_ends_where_scipy_ends() {
    for case in golden().cases {
        let rows =
            case.rewards.iter().zip(&case.targets).enumerate().map(|(row, (rewards, target))| Scored {
                id: BattleId(format!("{row:03}")),
                group: GroupId(row.to_string()),
                fold: None,
                prediction: *rewards,
                target: Target::new(*target).unwrap(),
            });
        let held_out = HeldOut::declared(rows.collect(), "golden.csv");
        for expected in case.fits {
            let found = expected.model.kind().fit_report(&held_out).unwrap();
            assert!(!found.at_bound);
            assert!((found.log_loss - expected.log_loss).abs() < 1e-7, "{found:?}");
            for rewards in &case.rewards {
                let one = found.model.probabilities(*rewards).unwrap().to_array();
                let other = expected.model.probabilities(*rewards).unwrap().to_array();
                for class in 0..3 {
                    assert!((one[class] - other[class]).abs() < 2e-6, "{found:?} {:?}", expected.model);
                }
            }
            let ratio = found.model.temperature() / expected.model.temperature();
            assert!((ratio - 1.0).abs() < 2e-5, "{found:?} {:?}", expected.model);
        }
    }
}
