//! What training leaves: model folders for ONNX Runtime and adapters in the form of PEFT, against the training's own
//! outputs.

use std::fs;

use tiebreak::checkpoint::{GraphKind, ModelCard};
use tiebreak::compute::{Memory, PaddedBatch};
use tiebreak::finetune::{Trainer, export, load_adapter, save_adapter};
use tiebreak::onnx::graph::{ImportOptions, WeightStorage, import};

use super::checkpoints_cases::{decoder_states, encoder_states, session};
use super::finetune::{Case, Golden, fixture, golden};

const TOLERANCE: f32 = 1e-5;

pub(crate) fn trained(golden: &Golden, case: &Case) -> Trainer {
    let mut trainer = golden.trainer(case, Memory::Everything);
    golden.run(case, &mut trainer, 0..6, &[6]);
    trainer
}

/// The logits of a model folder through ONNX Runtime.
pub(crate) fn graph_logits(folder: &std::path::Path, batch: &PaddedBatch) -> Vec<f32> {
    let card = ModelCard::read(folder).unwrap();
    card.verify(folder).unwrap();
    let head = card.read_head(folder).unwrap().unwrap();
    let mut session = session(&folder.join("model.onnx"));
    if card.graph == GraphKind::Decoder {
        let states = decoder_states(&mut session, batch);
        return states.chunks_exact(head.width).flat_map(|state| head.logits(state, 1)).collect();
    }
    let states = encoder_states(&mut session, batch);
    let rows = states.chunks_exact(batch.length * head.width).zip(batch.valid.chunks_exact(batch.length));
    rows.flat_map(|(row, valid)| head.logits(row, valid.iter().filter(|&&valid| valid).count())).collect()
}

pub(crate) fn largest(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| if a.is_nan() || b.is_nan() { f32::INFINITY } else { (a - b).abs() })
        .fold(0.0, f32::max)
}

#[test]
fn the_graph_of_a_trained_model_gives_the_outputs_of_the_training() {
    let golden = golden();
    for case in &golden.cases {
        let trainer = trained(&golden, case);
        let batch = &golden.batches(case, 8, &[6])[0].texts;
        let expected = trainer.model().logits(batch).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("model");
        for storage in [WeightStorage::Packed, WeightStorage::Linked] {
            let options = ImportOptions { storage, ..ImportOptions::default() };
            let report =
                export(trainer.model(), &fixture(&case.checkpoint), &target, (&options, &|_, _| Ok(())))
                    .unwrap();
            assert!(!report.card.source.fresh_head);
            let worst = largest(&graph_logits(&target, batch), &expected);
            println!("{} {} {storage:?}: {worst:.1e}", case.checkpoint, case.method);
            assert!(worst < TOLERANCE, "{} {}: {worst:e}", case.checkpoint, case.method);
            fs::remove_dir_all(&target).unwrap();
        }
        let untrained = folder.path().join("untrained");
        import(&fixture(&case.checkpoint), &untrained, &ImportOptions::default()).unwrap();
        assert!(largest(&graph_logits(&untrained, batch), &expected) > 1e-2, "training must show");
    }
}

/// A model folder of a trained case with its adapters in it.
pub(crate) fn export_with_adapter(golden: &Golden, case: &Case, trainer: &Trainer, target: &std::path::Path) {
    let add = |folder: &std::path::Path, _: &ModelCard| {
        Ok(save_adapter(trainer.model(), &golden.adapters(), folder)?)
    };
    let options = ImportOptions::default();
    export(trainer.model(), &fixture(&case.checkpoint), target, (&options, &add)).unwrap();
}

#[test]
fn an_adapter_in_the_form_of_peft_is_read_again_and_imported_on_its_base() {
    let golden = golden();
    let settings = golden.adapters();
    let cases = golden.cases.iter().filter(|case| case.method == "adapters");
    for case in cases {
        let trainer = trained(&golden, case);
        let batch = &golden.batches(case, 8, &[6])[0].texts;
        let expected = trainer.model().logits(batch).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (bare, whole) = (folder.path().join("bare"), folder.path().join("whole"));
        fs::create_dir(&bare).unwrap();
        save_adapter(trainer.model(), &settings, &bare).unwrap();
        export_with_adapter(&golden, case, &trainer, &whole);

        // The class of ModernBERT has a norm in its head, which ours is not: its adapter is for the bare model.
        let brings_head = case.checkpoint != "modernbert-classifier";
        let mut fresh = golden.trainer(case, Memory::Everything).into_model();
        assert!(largest(&fresh.logits(batch).unwrap(), &expected) > 1e-2, "training must show");
        load_adapter(&mut fresh, &settings, &bare).unwrap();
        let found = fresh.logits(batch).unwrap();
        assert_eq!(found == expected, brings_head, "{}", case.checkpoint);

        for from in [&bare, &whole] {
            if from == &bare && !brings_head {
                continue;
            }
            let target = folder.path().join("model");
            let options = ImportOptions { base: Some(fixture(&case.checkpoint)), ..ImportOptions::default() };
            import(from, &target, &options).unwrap();
            let worst = largest(&graph_logits(&target, batch), &expected);
            println!("{}: {worst:.1e}", case.checkpoint);
            assert!(worst < TOLERANCE, "{}: {worst:e}", case.checkpoint);
            fs::remove_dir_all(&target).unwrap();
        }
    }
}

#[test]
fn an_adapter_of_another_form_is_refused() {
    let golden = golden();
    let settings = golden.adapters();
    let case = &golden.cases[0];
    let folder = tempfile::tempdir().unwrap();
    let mut model = golden.trainer(case, Memory::Everything).into_model();
    save_adapter(&model, &settings, folder.path()).unwrap();
    let other = tiebreak::compute::AdapterSettings { alpha: 1.0, ..settings.clone() };
    let error = load_adapter(&mut model, &other, folder.path()).unwrap_err().to_string();
    assert!(error.contains("rank and alpha"), "{error}");
    let gemma = golden.cases.iter().find(|case| case.checkpoint == "gemma2-classifier").unwrap();
    let mut gemma = golden.trainer(gemma, Memory::Everything).into_model();
    let error = load_adapter(&mut gemma, &settings, folder.path()).unwrap_err().to_string();
    assert!(error.contains("has no place in it"), "{error}");
}
