//! The mean of several fits: a model folder, and an adapter in the form of PEFT.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tiebreak::architectures::{AdapterSlot, Linear};
use tiebreak::checkpoint::{Checkpoint, HeadChoice, load_head};
use tiebreak::compute::{AdapterSettings, Memory, Model, adapter_names, head_names};
use tiebreak::finetune::{Method, Trainer, average, export, save_adapter};
use tiebreak::onnx::graph::{ImportOptions, import};

use super::finetune::{fixture, golden, start};
use super::finetune_export::{export_with_adapter, graph_logits, largest};

const TOLERANCE: f32 = 1e-5;
/// The rounding of sums of f32.
const ROUNDING: f32 = 1e-6;

fn mean(one: &[f32], other: &[f32]) -> Vec<f32> {
    one.iter().zip(other).map(|(a, b)| f64::midpoint(f64::from(*a), f64::from(*b)) as f32).collect()
}

/// What an adapter gives on its base, against the mean of the weights of two models with theirs merged.
fn compare(folder: &Path, checkpoint: &Path, models: [&Model; 2]) -> f32 {
    let opened = Checkpoint::open_adapter(folder, checkpoint).unwrap();
    let difference = |linear: &Linear| {
        let weight = linear.weight();
        let found = opened.weights.get(&weight.name, &weight.shape).unwrap().values();
        let [one, other] = models.map(|model| model.merged(linear).unwrap());
        largest(&found, &mean(&one, &other))
    };
    models[0].linear_maps().iter().map(difference).fold(0.0, f32::max)
}

/// The adapter alone, without the model that it lies beside.
fn apart(folder: &Path, target: &Path) -> PathBuf {
    fs::create_dir(target).unwrap();
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        fs::copy(folder.join(file), target.join(file)).unwrap();
    }
    target.to_owned()
}

#[test]
fn a_mean_of_fits_is_that_of_their_products() {
    let golden = golden();
    for case in golden.cases.iter().filter(|case| case.method == "adapters") {
        let folder = tempfile::tempdir().unwrap();
        let trainers: Vec<Trainer> = [3, 6]
            .map(|steps| {
                let mut trainer = golden.trainer(case, Memory::Everything);
                golden.run(case, &mut trainer, 6 - steps..6, &[6]);
                trainer
            })
            .into();
        let fits = [0, 1].map(|fit| folder.path().join(format!("fit-{fit}")));
        for (trainer, fit) in trainers.iter().zip(&fits) {
            export_with_adapter(&golden, case, trainer, fit);
        }
        // Without adapters: the weights themselves are the mean of those with each adapter merged.
        let mut model = golden.trainer(case, Memory::Everything).into_model();
        for linear in model.linear_maps() {
            let [one, other] = [0, 1].map(|fit| trainers[fit].model().merged(&linear).unwrap());
            let mean = mean(&one, &other);
            model.parameters_mut().change(&linear.weight().name, |to| to.copy_from_slice(&mean)).unwrap();
        }
        let heads = [0, 1].map(|fit| trainers[fit].model().head().unwrap());
        for (index, (one, other)) in heads[0].layers.iter().zip(&heads[1].layers).enumerate() {
            let pairs = [(&one.weight, &other.weight), (&one.bias, &other.bias)];
            for (name, (one, other)) in head_names(index).iter().zip(pairs) {
                let mean = mean(one, other);
                model.parameters_mut().change(name, |to| to.copy_from_slice(&mean)).unwrap();
            }
        }
        let batch = &golden.batches(case, 8, &[6])[0].texts;
        let expected = model.logits(batch).unwrap();
        let (checkpoint, target) = (fixture(&case.checkpoint), folder.path().join("mean"));
        let options = ImportOptions::default();
        average(&fits, &checkpoint, &target, (&options, &|_, _| Ok(()))).unwrap();
        let found = graph_logits(&target, batch);
        let worst = largest(&found, &expected);
        println!("{}: {worst:.1e}", case.checkpoint);
        assert!(worst < TOLERANCE, "{}: {worst:e}", case.checkpoint);
        for trainer in &trainers {
            assert!(largest(&found, &trainer.model().logits(batch).unwrap()) > 1e-3, "the fits differ");
        }

        // The adapter beside it is the same mean, with and without the model that it lies beside.
        let worst = compare(&target, &checkpoint, [0, 1].map(|fit| trainers[fit].model()));
        println!("{}: the adapter {worst:.1e}", case.checkpoint);
        assert!(worst < ROUNDING, "{}: {worst:e}", case.checkpoint);
        // The class of ModernBERT has a norm in its head, which ours is not: its adapter brings none.
        let mut from = vec![target.clone()];
        if case.checkpoint != "modernbert-classifier" {
            from.push(apart(&target, &folder.path().join("apart")));
        }
        for (index, from) in from.iter().enumerate() {
            let again = folder.path().join(format!("again-{index}"));
            import(from, &again, &ImportOptions { base: Some(checkpoint.clone()), ..options.clone() })
                .unwrap();
            let worst = largest(&graph_logits(&again, batch), &expected);
            assert!(worst < TOLERANCE, "{}: {worst:e}", case.checkpoint);
        }
    }
}

/// A model with adapters of this rank beside these maps, whose numbers are no zeros.
fn adapted(
    checkpoint: &Path,
    (rank, alpha): (usize, f64),
    slots: &[AdapterSlot],
) -> (Model, AdapterSettings) {
    let opened = Checkpoint::open(checkpoint).unwrap();
    let mut model = Model::load(&opened.config, &opened.weights).unwrap();
    let head = load_head(&opened, &HeadChoice::Own, None).unwrap().head;
    let settings = AdapterSettings { rank, alpha, dropout: 0.0, slots: slots.to_vec(), seed: 1 };
    Method::Adapters(settings.clone()).prepare(&mut model, &head, true).unwrap();
    for (number, linear) in model.linear_maps().into_iter().enumerate() {
        if !model.is_adapted(&linear) {
            continue;
        }
        let [_, up] = adapter_names(&linear.name);
        let values = start(linear.outputs * rank, number + rank);
        model.parameters_mut().change(&up, |to| to.copy_from_slice(&values)).unwrap();
    }
    (model, settings)
}

#[test]
fn fits_of_other_ranks_and_maps_have_one_mean_too() {
    use AdapterSlot::{Down, Key, Query, Value as ValueMap};
    // ModernBERT's query, key and value are one map of the checkpoint.
    for name in ["bert-classifier", "modernbert-classifier"] {
        let (checkpoint, folder) = (fixture(name), tempfile::tempdir().unwrap());
        let (one, of_one) = adapted(&checkpoint, (2, 4.0), &[Query, ValueMap]);
        let (other, of_other) = adapted(&checkpoint, (3, 5.0), &[Query, Key, Down]);
        let fits = ["one", "other"].map(|fit| folder.path().join(fit));
        let options = ImportOptions::default();
        for (fit, (model, settings)) in fits.iter().zip([(&one, &of_one), (&other, &of_other)]) {
            let add = |folder: &Path, _: &_| Ok(save_adapter(model, settings, folder)?);
            export(model, &checkpoint, fit, (&options, &add)).unwrap();
        }
        let target = folder.path().join("mean");
        average(&fits, &checkpoint, &target, (&options, &|_, _| Ok(()))).unwrap();
        let worst = compare(&target, &checkpoint, [&one, &other]);
        println!("{name}: {worst:.1e}");
        assert!(worst < ROUNDING, "{name}: {worst:e}");

        let config = fs::read(target.join("adapter_config.json")).unwrap();
        let config: Value = serde_json::from_slice(&config).unwrap();
        let text = config.to_string();
        assert_eq!(config["r"].as_f64(), config["lora_alpha"].as_f64(), "{text}");
        let patterns = |key: &str| config[key].as_object().unwrap();
        assert!(!patterns("rank_pattern").is_empty(), "{text}");
        for (module, rank) in patterns("rank_pattern") {
            assert_eq!(rank.as_f64(), patterns("alpha_pattern")[module].as_f64(), "{text}");
        }
        let targets = config["target_modules"].as_array().unwrap().len();
        assert!(patterns("rank_pattern").len() < targets, "{text}");
    }
}
