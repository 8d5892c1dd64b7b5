//! The same trainings by the steps of a GPU, on the processor: every family, method and number of the base.

use tiebreak::checkpoint::BaseNumbers;
use tiebreak::compute::{AdapterSettings, Engine, Memory};
use tiebreak::finetune::{StepReport, Trainer};

use super::finetune::{Case, Golden, golden};

/// The largest difference of a loss.
const TOLERANCE: f64 = 1e-5;
/// That of a base in fewer bits, which multiplies in bf16: 8 bits of a number.
const TOLERANCE_OF_BF16: f64 = 2e-2;

fn trainer(golden: &Golden, case: &Case, memory: Memory) -> Trainer {
    golden.trainer_with(Engine::double_of_gpu(), case, memory, golden.adapters())
}

fn apart(reports: &[StepReport], losses: &[f64]) -> f64 {
    reports.iter().zip(losses).map(|(report, loss)| (report.loss - loss).abs()).fold(0.0, f64::max)
}

/// The largest relative difference of a norm of gradients.
fn norms_apart(reports: &[StepReport], norms: &[f64]) -> f64 {
    let apart = reports.iter().zip(norms).map(|(report, norm)| (report.gradient_norm / norm - 1.0).abs());
    apart.fold(0.0, f64::max)
}

#[test]
fn the_losses_of_ten_steps_on_tensors_are_those_of_torch() {
    let golden = golden();
    for case in &golden.cases {
        let reports = golden.run(case, &mut trainer(&golden, case, Memory::Everything), 0..10, &[6]);
        let (worst, norm) = (apart(&reports, &case.losses), norms_apart(&reports, &case.norms));
        println!("{} {}: {worst:.1e}, norms {norm:.1e}", case.checkpoint, case.method);
        assert!(worst < TOLERANCE, "{} {}: {worst:e}", case.checkpoint, case.method);
        assert!(norm < 1e-4, "{} {}: {norm:e}", case.checkpoint, case.method);
    }
}

#[test]
fn small_batches_on_tensors_and_layers_that_are_computed_twice_give_the_same_training() {
    let golden = golden();
    for case in golden.cases.iter().filter(|case| case.method != "head") {
        let mut trainer = trainer(&golden, case, Memory::LayerInputs);
        let worst = apart(&golden.run(case, &mut trainer, 0..10, &[1, 3, 2]), &case.losses);
        println!("{} {}: {worst:.1e}", case.checkpoint, case.method);
        assert!(worst < TOLERANCE, "{} {}: {worst:e}", case.checkpoint, case.method);
    }
}

#[test]
fn a_base_in_fewer_bits_is_multiplied_in_bf16_and_trains_as_closely_as_that_allows() {
    let golden = golden();
    for case in &golden.narrow {
        let reports = golden.run(case, &mut trainer(&golden, case, Memory::LayerInputs), 0..10, &[6]);
        let worst = apart(&reports, &case.losses);
        println!("{} {}: {worst:.1e}", case.checkpoint, case.base.name());
        assert!(worst < TOLERANCE_OF_BF16, "{} {}: {worst:e}", case.checkpoint, case.base.name());
        assert_ne!(case.base, BaseNumbers::F32);
    }
}

#[test]
fn dropout_on_tensors_leaves_out_the_same_numbers() {
    let golden = golden();
    let adapters = AdapterSettings { dropout: 0.3, ..golden.adapters() };
    for case in golden.cases.iter().filter(|case| case.method == "adapters") {
        let [loops, tensors] = [Engine::PROCESSOR, Engine::double_of_gpu()].map(|engine| {
            let mut trainer = golden.trainer_with(engine, case, Memory::LayerInputs, adapters.clone());
            golden.run(case, &mut trainer, 0..6, &[4, 2])
        });
        let losses: Vec<f64> = loops.iter().map(|report| report.loss).collect();
        let worst = apart(&tensors, &losses);
        println!("{}: {worst:.1e}", case.checkpoint);
        assert!(worst < TOLERANCE, "{}: {worst:e}", case.checkpoint);
    }
}

#[test]
fn a_training_on_tensors_goes_on_with_the_same_bits_and_a_state_is_that_of_either_engine() {
    let golden = golden();
    let folder = tempfile::tempdir().unwrap();
    let case = golden.cases.iter().find(|case| case.method == "adapters").unwrap();
    let [half, whole, resumed] = ["half", "whole", "resumed"].map(|name| folder.path().join(name));
    let mut unbroken = trainer(&golden, case, Memory::Everything);
    golden.run(case, &mut unbroken, 0..8, &[4, 2]);
    unbroken.save(&whole, "").unwrap();
    let mut first = trainer(&golden, case, Memory::Everything);
    golden.run(case, &mut first, 0..3, &[4, 2]);
    first.save(&half, "").unwrap();
    let mut second = trainer(&golden, case, Memory::Everything);
    second.restore(&half).unwrap();
    golden.run(case, &mut second, 3..8, &[4, 2]);
    second.save(&resumed, "").unwrap();
    assert!(std::fs::read(&whole).unwrap() == std::fs::read(&resumed).unwrap());
    let mut on_processor = golden.trainer(case, Memory::Everything);
    on_processor.restore(&half).unwrap();
    let worst = apart(&golden.run(case, &mut on_processor, 3..10, &[6]), &case.losses[3..]);
    assert!(worst < TOLERANCE, "{worst:e}");
}
