//! Adapters on a frozen base in fewer bits than f32: `narrow` of `finetune.json`, and that what was trained is what is served.

use std::fs;
use std::path::Path;

use tiebreak::architectures::Role;
use tiebreak::checkpoint::{BaseNumbers, Checkpoint, HeadChoice, load_head};
use tiebreak::compute::{Memory, Model, Part};
use tiebreak::finetune::{FinetuneError, Method, Trainer, average, export, load_adapter, save_adapter};
use tiebreak::onnx::graph::{ImportOptions, WeightStorage, import};

use super::finetune::{Case, Golden, fixture, golden};
use super::finetune_export::{export_with_adapter, graph_logits, largest, trained};

const TOLERANCE: f64 = 1e-5;

/// The same case in other numbers, or another method.
fn like(case: &Case, method: &str, base: BaseNumbers) -> Case {
    let adapted = if method == "adapters" { case.adapted.clone() } else { Vec::new() };
    let (checkpoint, method) = (case.checkpoint.clone(), method.to_owned());
    Case { checkpoint, method, base, adapted, losses: case.losses.clone(), norms: case.norms.clone() }
}

fn in_numbers(golden: &Golden, base: BaseNumbers) -> impl Iterator<Item = &Case> {
    golden.narrow.iter().filter(move |case| case.base == base)
}

#[test]
fn the_losses_on_a_base_in_fewer_bits_are_those_of_torch() {
    let golden = golden();
    assert_eq!(golden.narrow.len(), 12);
    for case in &golden.narrow {
        let name = format!("{} {}", case.checkpoint, case.base.name());
        for (memory, sizes) in [(Memory::Everything, &[6][..]), (Memory::LayerInputs, &[1, 3, 2])] {
            let mut trainer = golden.trainer(case, memory);
            let reports = golden.run(case, &mut trainer, 0..10, sizes);
            let apart = |losses: &[f64]| {
                reports.iter().zip(losses).map(|(r, loss)| (r.loss - loss).abs()).fold(0.0, f64::max)
            };
            let norm = reports
                .iter()
                .zip(&case.norms)
                .map(|(r, norm)| (r.gradient_norm / norm - 1.0).abs())
                .fold(0.0, f64::max);
            let worst = apart(&case.losses);
            println!("{name} {memory:?}: {worst:.1e}, norms {norm:.1e}");
            assert!(worst < TOLERANCE, "{name}: {worst:e}");
            assert!(norm < 1e-4, "{name}: {norm:e}");
            let full = golden
                .cases
                .iter()
                .find(|full| (&full.checkpoint, &full.method) == (&case.checkpoint, &case.method));
            assert!(apart(&full.unwrap().losses) > 1e-3, "{name}: rounding must show");
        }
    }
}

#[test]
fn a_narrow_base_computes_the_bits_of_the_same_numbers_in_f32() {
    let golden = golden();
    for case in &golden.narrow {
        let mut narrow = golden.trainer(case, Memory::LayerInputs);
        let mut full =
            golden.trainer(&like(case, "adapters", BaseNumbers::F32), Memory::LayerInputs).into_model();
        let names = narrow.model().parameters().iter().filter(|info| info.part == Part::Base);
        for name in names.map(|info| &info.parameter.name) {
            let numbers = narrow.model().parameters().numbers(name).unwrap();
            full.parameters_mut().change(name, |to| to.copy_from_slice(&numbers)).unwrap();
        }
        let settings = golden.settings_of(case, Memory::LayerInputs);
        let mut full = Trainer::new(full, settings).unwrap();
        let [one, other] = [&mut narrow, &mut full].map(|trainer| golden.run(case, trainer, 0..4, &[4, 2]));
        assert_eq!(one, other, "{} {}", case.checkpoint, case.base.name());
        let states = [narrow, full].map(|trainer| trainer.model().head().unwrap());
        assert!(states[0] == states[1]);
    }
}

#[test]
fn every_tensor_that_is_trained_gets_a_gradient_and_nothing_narrow_does() {
    let golden = golden();
    for case in &golden.narrow {
        let trainer = golden.trainer(case, Memory::Everything);
        let batch = &golden.batches(case, 0, &[6])[0];
        let loss = golden.loss(case, 0.0);
        for memory in [Memory::Everything, Memory::LayerInputs] {
            let back =
                |outputs: &[f32]| Ok::<_, FinetuneError>(loss.of(outputs, &batch.targets, 1.0)?.gradient);
            let gradients = trainer.model().gradients(&batch.texts, (memory, None), back).unwrap();
            let trained: Vec<&String> =
                trainer.model().parameters().trainable().map(|info| &info.parameter.name).collect();
            assert_eq!(gradients.keys().collect::<Vec<_>>(), trained, "{}", case.checkpoint);
            assert!(gradients.keys().all(|name| name.contains("lora_") || name.starts_with("head.")));
        }
    }
}

#[test]
fn the_graph_is_what_was_trained_on_the_rounded_base_with_and_without_adapters() {
    let golden = golden();
    for case in &golden.narrow {
        // Where the head alone is trained, every matrix is written without an adapter.
        for case in [like(case, "adapters", case.base), like(case, "head", case.base)] {
            let trainer = trained(&golden, &case);
            let batch = &golden.batches(&case, 8, &[6])[0].texts;
            let expected = trainer.model().logits(batch).unwrap();
            let folder = tempfile::tempdir().unwrap();
            for storage in [WeightStorage::Packed, WeightStorage::Linked] {
                let target = folder.path().join(format!("{storage:?}"));
                let options = ImportOptions { storage, ..ImportOptions::default() };
                export(trainer.model(), &fixture(&case.checkpoint), &target, (&options, &|_, _| Ok(())))
                    .unwrap();
                let worst = f64::from(largest(&graph_logits(&target, batch), &expected));
                println!("{} {} {} {storage:?}: {worst:.1e}", case.checkpoint, case.base.name(), case.method);
                assert!(worst < TOLERANCE, "{} {}: {worst:e}", case.checkpoint, case.method);
            }
        }
    }
}

#[test]
fn an_adapter_knows_its_base_and_is_imported_and_averaged_on_it() {
    let golden = golden();
    for case in &golden.narrow {
        let name = format!("{} {}", case.checkpoint, case.base.name());
        let trainer = trained(&golden, case);
        let batch = &golden.batches(case, 8, &[6])[0].texts;
        let expected = trainer.model().logits(batch).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let [fit, again, mean] = ["fit", "again", "mean"].map(|name| folder.path().join(name));
        export_with_adapter(&golden, case, &trainer, &fit);
        let checkpoint = fixture(&case.checkpoint);
        assert_eq!(Checkpoint::open_adapter(&fit, &checkpoint).unwrap().base, case.base);

        let options = ImportOptions { base: Some(checkpoint.clone()), ..ImportOptions::default() };
        import(&fit, &again, &options).unwrap();
        let worst = f64::from(largest(&graph_logits(&again, batch), &expected));
        assert!(worst < TOLERANCE, "{name}: {worst:e}");

        let options = ImportOptions::default();
        let fits = [fit.clone(), fit.clone()];
        average(&fits, &checkpoint, &mean, (&options, &|_, _| Ok(()))).unwrap();
        let worst = f64::from(largest(&graph_logits(&mean, batch), &expected));
        assert!(worst < TOLERANCE, "{name}: {worst:e}");

        let full = like(case, "adapters", BaseNumbers::F32);
        let mut model = golden.trainer(&full, Memory::Everything).into_model();
        let error = load_adapter(&mut model, &golden.adapters(), &fit).unwrap_err().to_string();
        let said = format!("trained on a base in `{}`, and the model's is in `f32`", case.base.name());
        assert!(error.contains(&said), "{error}");
        let mut model = golden.trainer(case, Memory::Everything).into_model();
        load_adapter(&mut model, &golden.adapters(), &fit).unwrap();

        let other = folder.path().join("other");
        export_with_adapter(&golden, &full, &trained(&golden, &full), &other);
        let fits = [fit, other];
        let error = average(&fits, &checkpoint, &mean, (&options, &|_, _| Ok(()))).unwrap_err().to_string();
        assert!(error.contains("only fits on the same one have a mean"), "{error}");
    }
}

#[test]
fn the_config_of_an_adapter_is_the_one_of_a_base_in_f32() {
    let golden = golden();
    let case = in_numbers(&golden, BaseNumbers::Int4).next().unwrap();
    let configs = [case.base, BaseNumbers::F32].map(|base| {
        let folder = tempfile::tempdir().unwrap();
        let trainer = golden.trainer(&like(case, "adapters", base), Memory::Everything);
        save_adapter(trainer.model(), &golden.adapters(), folder.path()).unwrap();
        fs::read(folder.path().join("adapter_config.json")).unwrap()
    });
    assert_eq!(configs[0], configs[1]);
}

#[test]
fn a_training_on_a_narrow_base_goes_on_with_the_same_bits_and_on_no_other_base() {
    let golden = golden();
    let folder = tempfile::tempdir().unwrap();
    for base in [BaseNumbers::Bf16, BaseNumbers::Int4] {
        for case in in_numbers(&golden, base) {
            let [half, whole, resumed] = ["half", "whole", "resumed"].map(|name| folder.path().join(name));
            let mut unbroken = golden.trainer(case, Memory::Everything);
            golden.run(case, &mut unbroken, 0..8, &[4, 2]);
            unbroken.save(&whole, "").unwrap();
            let mut first = golden.trainer(case, Memory::Everything);
            golden.run(case, &mut first, 0..3, &[4, 2]);
            first.save(&half, "").unwrap();
            let mut second = golden.trainer(case, Memory::Everything);
            second.restore(&half).unwrap();
            golden.run(case, &mut second, 3..8, &[4, 2]);
            second.save(&resumed, "").unwrap();
            assert!(fs::read(&whole).unwrap() == fs::read(&resumed).unwrap(), "{}", case.checkpoint);
            for other in [BaseNumbers::F32, BaseNumbers::Int8] {
                let mut other = golden.trainer(&like(case, "adapters", other), Memory::Everything);
                let error = other.restore(&half).unwrap_err().to_string();
                assert!(error.contains("other settings"), "{error}");
            }
        }
    }
}

#[test]
fn nothing_narrow_is_trained_or_changed() {
    let golden = golden();
    let case = in_numbers(&golden, BaseNumbers::Bf16).next().unwrap();
    let checkpoint = Checkpoint::open(&fixture(&case.checkpoint)).unwrap();
    let mut model = Model::load_in(case.base, &checkpoint.config, &checkpoint.weights).unwrap();
    let head = load_head(&checkpoint, &HeadChoice::Own, None).unwrap().head;
    let error = Method::Full.prepare(&mut model, &head, true).unwrap_err().to_string();
    assert!(error.contains("`bf16`") && error.contains("train adapters beside it"), "{error}");
    Method::Head.prepare(&mut model, &head, true).unwrap();
    let name = model.linear_maps()[0].weight().name;
    let error = model.parameters_mut().change(&name, |_| ()).unwrap_err().to_string();
    assert!(error.contains(&format!("`{name}` is kept in narrow numbers")), "{error}");
    // Whoever chooses it all the same learns of it in the first step.
    model.choose(|info| info.parameter.name == name);
    let batch = &golden.batches(case, 0, &[6])[0];
    let back = |outputs: &[f32]| Ok::<_, FinetuneError>(vec![0.0; outputs.len()]);
    let error = model.gradients(&batch.texts, (Memory::Everything, None), back).unwrap_err().to_string();
    assert!(error.contains("narrow numbers"), "{error}");
    // An adapter below the rounding would be another base than one above it.
    let options = ImportOptions { base: Some(fixture(&case.checkpoint)), ..ImportOptions::default() };
    let add = |_: &Path, _: &_| Ok(());
    let error = export(&model, Path::new("a"), Path::new("t"), (&options, &add)).unwrap_err().to_string();
    assert!(error.contains("trained on a whole checkpoint"), "{error}");
}

/// `TIEBREAK_MINILM` names the folder of the real `MiniLM`.
#[test]
fn the_base_of_minilm_takes_a_half_to_a_sixth_of_its_memory() {
    let folder = std::env::var_os("TIEBREAK_MINILM").expect("`make test` sets TIEBREAK_MINILM");
    let checkpoint = Checkpoint::open(Path::new(&folder)).unwrap();
    let bytes = |base: BaseNumbers| {
        let model = Model::load_in(base, &checkpoint.config, &checkpoint.weights).unwrap();
        let of = |roles: &[Role]| -> usize {
            let infos = model.parameters().iter().filter(|info| roles.contains(&info.parameter.role));
            infos.map(|info| model.parameters().bytes(&info.parameter.name).unwrap()).sum()
        };
        [of(&[Role::Matrix]), of(&[Role::Table]), of(&[Role::Norm, Role::Bias])].map(|bytes| bytes as f64)
    };
    let [matrices, tables, vectors] = bytes(BaseNumbers::F32);
    for (base, shares) in [
        (BaseNumbers::Bf16, [2.0, 2.0]),
        (BaseNumbers::Int8, [128.0 / 37.0, 2.0]),
        (BaseNumbers::Int4, [128.0 / 20.5, 2.0]),
    ] {
        let [own_matrices, own_tables, own_vectors] = bytes(base);
        let whole = (matrices + tables + vectors) / (own_matrices + own_tables + own_vectors);
        println!(
            "{}: matrices 1/{:.2}, tables 1/{:.2}, all 1/{whole:.2}",
            base.name(),
            matrices / own_matrices,
            tables / own_tables
        );
        assert_eq!([matrices / own_matrices, tables / own_tables], shares);
        assert_eq!(own_vectors, vectors);
    }
}
