//! A judge against the token logits of transformers; `tests/golden/judge.py` asked the same tiny checkpoints.

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use tiebreak::battle::{Battle, BattleId, Probabilities, Response, Turn};
use tiebreak::checkpoint::{HeadChoice, ModelCard, VerdictToken};
use tiebreak::encoding::{
    Encoder, EncodingBudget, EncodingRecipe, MissingResponse, Orders, StoredEncoder, Template,
    TokenizerFiles, Truncation,
};
use tiebreak::onnx::Device;
use tiebreak::onnx::graph::{ImportOptions, import_with};
use tiebreak::predictors::language_model::{LanguageModel, ModelFolder, Serving, WantedBudget};
use tiebreak::predictors::{Conditions, Judge, Predictor, predict_in_detail};
use tiebreak::progress::Silent;
use tiebreak::sources::INGEST_VERSION;

use super::models::checkpoint;

const LOGIT_TOLERANCE: f64 = 2e-5;

#[derive(Deserialize)]
struct Golden {
    verdicts: Vec<String>,
    battles: Vec<[String; 3]>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    checkpoint: String,
    tokens: Vec<u32>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    logits: [[f32; 3]; 2],
    probabilities: [f64; 3],
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/judge.json")).unwrap()
}

fn battles(golden: &Golden) -> Vec<Battle> {
    let battle = |(row, [prompt, a, b]): (usize, &[String; 3])| {
        let [response_a, response_b] = [a, b].map(|text| Response::Text(text.clone()));
        let turn = Turn { prompt: prompt.clone(), response_a, response_b };
        Battle::new(BattleId(row.to_string()), None, vec![turn]).unwrap()
    };
    golden.battles.iter().enumerate().map(battle).collect()
}

/// Imports a checkpoint with a prompt that ends with words of its own; the tokens are found where the answer begins.
fn imported(name: &str, verdicts: &[String], target: &Path, orders: Orders) -> Arc<LanguageModel> {
    let template = "{% for turn in turns %}w4 {{ turn.prompt }} w5 {{ turn.response_a }} w6 \
                    {{ turn.response_b }} w7{% endfor %}";
    let template = Template::Custom { template: template.to_owned(), single: false };
    let recipe = EncodingRecipe { template, missing: MissingResponse::default() };
    let budget = EncodingBudget { max_tokens: 48, truncation: Truncation::default(), orders };
    let encoder = |folder: &Path| {
        Encoder::new(&TokenizerFiles::read(folder).unwrap(), recipe.clone(), budget.clone()).unwrap()
    };
    let of_checkpoint = encoder(&checkpoint(name));
    let verdicts: Vec<VerdictToken> = verdicts
        .iter()
        .map(|text| VerdictToken { text: text.clone(), id: of_checkpoint.answer_token(text).unwrap() })
        .collect();
    let head = HeadChoice::Verdicts { tokens: verdicts.iter().map(|verdict| verdict.id).collect() };
    let add = |folder: &Path, card: &ModelCard| {
        Ok(StoredEncoder::of(&encoder(folder), &card.label_order(), INGEST_VERSION).write(folder)?)
    };
    let options = ImportOptions { head, verdicts, ..ImportOptions::default() };
    import_with(&checkpoint(name), target, &options, &add).unwrap();
    let mut serving = Serving::new(INGEST_VERSION, 1);
    serving.device = Device::CPU;
    ModelFolder::read(target, &serving).unwrap().open(&WantedBudget::default(), &serving).unwrap()
}

#[test]
fn the_verdict_logits_of_a_judge_are_the_token_logits_of_transformers() {
    let golden = golden();
    let battles = battles(&golden);
    for case in &golden.cases {
        let folder = tempfile::tempdir().unwrap();
        let model = imported(&case.checkpoint, &golden.verdicts, &folder.path().join("judge"), Orders::Both);
        let ids: Vec<u32> = model.folder().card.verdicts.iter().map(|verdict| verdict.id).collect();
        assert_eq!(ids, case.tokens);
        // Three rows of the output table and not one more.
        assert_eq!(model.head().unwrap().outputs(), 3);
        let judge = Judge::new(model).unwrap();
        assert_eq!(judge.raw_columns()[..2], ["ab.logit_a", "ab.logit_b"]);
        let found = predict_in_detail(&judge, &battles, &Conditions::unhurried(&Silent)).unwrap();
        let (mut of_logits, mut of_probabilities) = (0.0_f64, 0.0_f64);
        for (row, found) in case.rows.iter().zip(&found) {
            for (expected, found) in row.logits.iter().flatten().zip(&found.raw) {
                of_logits = of_logits.max(f64::from((expected - found).abs()));
            }
            for (expected, found) in row.probabilities.iter().zip(found.probabilities.unwrap().to_array()) {
                of_probabilities = of_probabilities.max((expected - found).abs());
            }
        }
        println!("{}: logits {of_logits:.1e}, probabilities {of_probabilities:.1e}", case.checkpoint);
        assert!(of_logits < LOGIT_TOLERANCE, "{}: {of_logits:e}", case.checkpoint);
        assert!(of_probabilities < LOGIT_TOLERANCE, "{}: {of_probabilities:e}", case.checkpoint);
    }
}

#[test]
fn exchanging_the_sides_exchanges_the_verdict_of_a_judge_bit_for_bit() {
    let golden = golden();
    let straight = battles(&golden);
    let exchanged: Vec<Battle> = straight.iter().map(Battle::swapped).collect();
    for case in &golden.cases {
        let folder = tempfile::tempdir().unwrap();
        let model = imported(&case.checkpoint, &golden.verdicts, &folder.path().join("judge"), Orders::Both);
        let judge = Judge::new(model).unwrap();
        let predict =
            |battles: &[Battle]| predict_in_detail(&judge, battles, &Conditions::unhurried(&Silent)).unwrap();
        for (straight, exchanged) in predict(&straight).iter().zip(predict(&exchanged)) {
            assert_eq!(straight.probabilities, exchanged.probabilities.map(Probabilities::swapped));
        }
        // Equal responses win equally often, however the model leans to a place.
        let [a, b, _] = predict(&straight).last().unwrap().probabilities.unwrap().to_array();
        assert_eq!(a.to_bits(), b.to_bits());
    }
}

#[test]
fn a_judge_reads_both_orders() {
    let folder = tempfile::tempdir().unwrap();
    let golden = golden();
    let model = imported("llama-causal-bf16", &golden.verdicts, &folder.path().join("judge"), Orders::Ab);
    let message = Judge::new(model).err().unwrap().to_string();
    assert!(message.contains("`judge`") && message.contains("--orders both"), "{message}");
}
