//! The checkpoints and adapters of the fixtures, the numbers that transformers gave for them, and how to run them.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ort::environment::Environment;
use ort::session::Session;
use ort::value::{Shape, TensorRef};
use serde::Deserialize;
use tempfile::TempDir;
use tiebreak::checkpoint::{Checkpoint, GraphKind, HeadChoice, LoadedHead, ModelCard, Pooling};
use tiebreak::compute::PaddedBatch;
use tiebreak::onnx::find_library;
use tiebreak::onnx::graph::{ImportOptions, ImportReport, WeightStorage, import};

#[derive(Deserialize)]
pub(crate) struct Golden {
    pub(crate) verdict_tokens: Vec<u32>,
    pub(crate) cases: Vec<Case>,
}

#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) checkpoint: String,
    /// The adapter that is put on it.
    #[serde(default)]
    pub(crate) adapter: Option<String>,
    pub(crate) kind: Kind,
    pub(crate) input_ids: Vec<Vec<u32>>,
    pub(crate) token_type_ids: Vec<Vec<u32>>,
    pub(crate) right: Vec<Vec<f32>>,
    /// Of the same rows, padded on the left; absent where the place that is pooled is then padding.
    pub(crate) left: Option<Vec<Vec<f32>>>,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Classifier,
    Mean,
    Causal,
}

pub(crate) fn golden() -> Golden {
    let read = |text: &str| -> Golden { serde_json::from_str(text).unwrap() };
    let mut golden = read(include_str!("checkpoints.json"));
    golden.cases.extend(read(include_str!("families.json")).cases);
    golden.cases.extend(read(include_str!("adapters.json")).cases);
    golden
}

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(file!()).parent().unwrap().join("../fixtures/checkpoints").join(name)
}

pub(crate) fn adapter_fixture(name: &str) -> PathBuf {
    Path::new(file!()).parent().unwrap().join("../fixtures/adapters").join(name)
}

impl Case {
    pub(crate) fn choice(&self, verdict_tokens: &[u32]) -> HeadChoice {
        match self.kind {
            Kind::Classifier => HeadChoice::Own,
            Kind::Causal => HeadChoice::Verdicts { tokens: verdict_tokens.to_vec() },
            Kind::Mean => HeadChoice::Fresh { outputs: 3, seed: 1, pooling: None },
        }
    }

    pub(crate) fn batch(&self, pad_left: bool) -> PaddedBatch {
        let texts: Vec<(&[u32], &[u32])> = self
            .input_ids
            .iter()
            .zip(&self.token_type_ids)
            .map(|(ids, types)| (&ids[..], &types[..]))
            .collect();
        PaddedBatch::new(&texts, pad_left).unwrap()
    }

    /// What transformers gave; `None` where it was not asked.
    pub(crate) fn expected(&self, pad_left: bool) -> Option<&[Vec<f32>]> {
        if pad_left { self.left.as_deref() } else { Some(&self.right) }
    }

    pub(crate) fn open(&self) -> Checkpoint {
        let base = fixture(&self.checkpoint);
        match &self.adapter {
            Some(adapter) => Checkpoint::open_adapter(&adapter_fixture(adapter), &base).unwrap(),
            None => Checkpoint::open(&base).unwrap(),
        }
    }

    pub(crate) fn is_decoder(&self) -> bool {
        self.open().config.family().is_decoder()
    }

    pub(crate) fn name(&self) -> &str {
        self.adapter.as_deref().unwrap_or(&self.checkpoint)
    }

    /// The logits of every row, from states [rows, length, width] of a padded batch.
    pub(crate) fn logits(&self, head: &LoadedHead, states: &[f32], batch: &PaddedBatch) -> Vec<Vec<f32>> {
        let rows = states.chunks_exact(states.len() / batch.rows);
        rows.zip(batch.valid.chunks_exact(batch.length))
            .map(|(row, valid)| {
                let first = valid.iter().position(|&valid| valid).unwrap();
                let length = valid.iter().filter(|&&valid| valid).count();
                if self.kind == Kind::Mean {
                    let pooled = head.head.pool(&row[first * head.head.width..], length);
                    return pooled.into_iter().map(|value| value as f32).collect();
                }
                // transformers pools the first place and calls it the first token, padding or not.
                let from_start = head.head.pooling == Pooling::First;
                let start = if from_start { 0 } else { first * head.head.width };
                head.head.logits(&row[start..], length)
            })
            .collect()
    }
}

pub(crate) fn largest_difference(found: &[Vec<f32>], expected: &[Vec<f32>]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let rows = found.iter().zip(expected);
    rows.flat_map(|(found, expected)| {
        assert_eq!(found.len(), expected.len());
        found.iter().zip(expected).map(|(a, b)| if a.is_nan() { f32::INFINITY } else { (a - b).abs() })
    })
    .fold(0.0, f32::max)
}

pub(crate) fn session(graph: &Path) -> Session {
    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    let environment =
        ENVIRONMENT.get_or_init(|| ort::init_from(find_library().unwrap()).unwrap().build().unwrap());
    let builder = Session::builder(environment).unwrap();
    builder.with_intra_threads(1).unwrap().with_flush_to_zero().unwrap().commit_from_file(graph).unwrap()
}

pub(crate) fn encoder_states(session: &mut Session, batch: &PaddedBatch) -> Vec<f32> {
    let shape = [batch.rows, batch.length];
    let ids: Vec<i32> = batch.ids.iter().map(|&id| i32::try_from(id).unwrap()).collect();
    let mask: Vec<i32> = batch.valid.iter().map(|&valid| i32::from(valid)).collect();
    let segments: Vec<i32> = batch.segments.iter().map(|&segment| i32::try_from(segment).unwrap()).collect();
    let tensor = |values| TensorRef::from_array_view((shape, values)).unwrap();
    let takes_segments = session.inputs().iter().any(|input| input.name() == "token_type_ids");
    let mut inputs = ort::inputs! {
        "input_ids" => tensor(&ids[..]),
        "attention_mask" => tensor(&mask[..]),
    };
    if takes_segments {
        inputs.push(("token_type_ids".into(), tensor(&segments[..]).into()));
    }
    let outputs = session.run(inputs).unwrap();
    outputs["hidden"].try_extract_tensor::<f32>().unwrap().1.to_vec()
}

pub(crate) fn decoder_states(session: &mut Session, batch: &PaddedBatch) -> Vec<f32> {
    let ids: Vec<i64> = batch.ids.iter().map(|&id| i64::from(id)).collect();
    let last: Vec<i32> = batch.last_places().into_iter().map(|place| i32::try_from(place).unwrap()).collect();
    let longest = [i32::try_from(batch.length).unwrap()];
    let inputs = ort::inputs! {
        "input_ids" => TensorRef::from_array_view(([batch.rows, batch.length], &ids[..])).unwrap(),
        "seqlens_k" => TensorRef::from_array_view(([batch.rows], &last[..])).unwrap(),
        "total_sequence_length" => TensorRef::from_array_view((Shape::new([]), &longest[..])).unwrap(),
    };
    let outputs = session.run(inputs).unwrap();
    outputs["hidden"].try_extract_tensor::<f32>().unwrap().1.to_vec()
}

pub(crate) fn imported(case: &Case, options: ImportOptions) -> (TempDir, ImportReport, LoadedHead) {
    let root = tempfile::tempdir().unwrap();
    let target = root.path().join("model");
    let base = fixture(&case.checkpoint);
    let report = match &case.adapter {
        Some(adapter) => {
            let options = ImportOptions { base: Some(base), ..options };
            import(&adapter_fixture(adapter), &target, &options).unwrap()
        }
        None => import(&base, &target, &options).unwrap(),
    };
    let card = ModelCard::read(&target).unwrap();
    assert_eq!(card, report.card);
    card.verify(&target).unwrap();
    let head = LoadedHead { head: card.read_head(&target).unwrap().unwrap(), outputs: card.outputs };
    (root, report, head)
}

/// A graph in a session, and the head behind it.
pub(crate) struct Loaded {
    _root: Option<TempDir>,
    session: Session,
    kind: GraphKind,
    head: LoadedHead,
}

impl Loaded {
    pub(crate) fn new(case: &Case, options: ImportOptions) -> Self {
        let (root, report, head) = imported(case, options);
        let session = session(&root.path().join("model/model.onnx"));
        Self { _root: Some(root), session, kind: report.card.graph, head }
    }

    /// The same of a folder that somebody else keeps.
    pub(crate) fn from_parts(session: Session, kind: GraphKind, head: LoadedHead) -> Self {
        Self { _root: None, session, kind, head }
    }

    /// The logits of a batch, padded on the right or, for encoders, the left.
    pub(crate) fn logits(&mut self, case: &Case, batch: &PaddedBatch) -> Vec<Vec<f32>> {
        let head = &self.head;
        match self.kind {
            GraphKind::Encoder => case.logits(head, &encoder_states(&mut self.session, batch), batch),
            GraphKind::Decoder => {
                let states = decoder_states(&mut self.session, batch);
                states.chunks_exact(head.head.width).map(|state| head.head.logits(state, 1)).collect()
            }
            other => panic!("{other:?} is not of this test"),
        }
    }
}

pub(crate) fn options(case: &Case, storage: WeightStorage) -> ImportOptions {
    ImportOptions { head: case.choice(&golden().verdict_tokens), storage, ..ImportOptions::default() }
}
