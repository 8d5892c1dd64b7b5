//! Encoders on texts that are padded on the left; `left_padding.py` printed the states of transformers.

use serde::Deserialize;
use tiebreak::architectures::States;
use tiebreak::checkpoint::Checkpoint;
use tiebreak::compute::{Model, PaddedBatch};

use super::finetune::fixture;

const TOLERANCE: f32 = 1e-5;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    checkpoint: String,
    input_ids: Vec<Vec<u32>>,
    means: Vec<Vec<f32>>,
}

#[test]
fn encoders_padded_on_the_left_have_the_states_of_transformers() {
    let golden: Golden = serde_json::from_str(include_str!("left_padding.json")).unwrap();
    for case in &golden.cases {
        let checkpoint = Checkpoint::open(&fixture(&case.checkpoint)).unwrap();
        let model = Model::load(&checkpoint.config, &checkpoint.weights).unwrap();
        let segments: Vec<Vec<u32>> = case.input_ids.iter().map(|ids| vec![0; ids.len()]).collect();
        let texts: Vec<(&[u32], &[u32])> =
            case.input_ids.iter().zip(&segments).map(|(ids, segments)| (&ids[..], &segments[..])).collect();
        let batch = PaddedBatch::new(&texts, true).unwrap();
        let states = model.hidden_states(&batch, States::All).unwrap();
        let width = checkpoint.config.width();
        let mut worst = 0.0f32;
        for (row, (ids, expected)) in case.input_ids.iter().zip(&case.means).enumerate() {
            for (column, expected) in expected.iter().enumerate() {
                let places = row * batch.length + batch.length - ids.len()..(row + 1) * batch.length;
                let sum: f64 = places.map(|place| f64::from(states[place * width + column])).sum();
                worst = worst.max((sum / ids.len() as f64 - f64::from(*expected)).abs() as f32);
            }
        }
        println!("{}: {worst:.1e}", case.checkpoint);
        assert!(worst < TOLERANCE, "{}: {worst:e}", case.checkpoint);
    }
}
