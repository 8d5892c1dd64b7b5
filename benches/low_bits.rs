//! `MiniLM` in 32, 8 and 4 bits on labelled battles: what each costs in log loss, its speed and its memory, in one run.
//!
//! Run: `cargo bench --bench low_bits -- CHECKPOINT train.csv folds.csv WORK [ROUNDS] [THREADS]`. A linear head is fitted on
//! the states of the f32 model in every fold, so that the labels mean something, and put behind the states of each form of
//! the weights; every battle is judged by the head that did not see its fold, both orders averaged. Each form runs in
//! processes of its own, which take turns; speed is that of the sessions alone, memory the peak of the process. One JSON
//! line a form is printed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};
use tiebreak::battle::{Battle, Class, GroupId, LabeledBattle, Probabilities};
use tiebreak::checkpoint::{Element, HeadChoice, IntegerType, LowBits, ModelCard, OutputMeaning};
use tiebreak::encoding::{
    Encoder, EncodingBudget, EncodingRecipe, MissingResponse, ModelForm, Orders, Sequence, StoredEncoder,
    Template, TokenizerFiles, Truncation,
};
use tiebreak::learning::softmax_head::{self, FittedHead, Samples};
use tiebreak::metrics::{Groups, log_losses, mean_interval};
use tiebreak::onnx::graph::{ImportOptions, import_with};
use tiebreak::onnx::{Device, PoolOptions, SessionPool};
use tiebreak::predictors::language_model::{Request, Runner, ScheduleOptions, Sequences, compute, rows_of};
use tiebreak::predictors::verdict;
use tiebreak::progress::Silent;
use tiebreak::sources::{INGEST_VERSION, ReadOptions, read_labeled};

type Failure = Box<dyn Error + Send + Sync>;

const MAX_TOKENS: usize = 128;
const ORDERS: usize = 2;
/// Every so many-th battle of a training fold is kept back to choose the penalty of the head.
const KEPT_BACK: usize = 5;

/// The forms that are compared; the first is what the others are compared with. f16 is not among them: the processor
/// computes it in f32.
const FORMS: [(&str, Option<LowBits>); 4] = [
    ("f32", None),
    ("int8", Some(LowBits { weights: IntegerType::Int8, block_size: 32 })),
    ("int4", Some(LowBits { weights: IntegerType::Int4, block_size: 32 })),
    ("int4, blocks of 128", Some(LowBits { weights: IntegerType::Int4, block_size: 128 })),
];

/// What a process measured.
#[derive(Deserialize, Serialize)]
struct Measured {
    seconds: f64,
    padded_tokens: usize,
    loaded_bytes: u64,
    peak_bytes: u64,
}

struct Encoded(Vec<Sequence>);

impl Sequences for Encoded {
    fn length(&self, item: usize) -> usize {
        self.0[item].ids.len()
    }

    fn tokens(&self, item: usize) -> (Cow<'_, [u32]>, Cow<'_, [u32]>) {
        (Cow::Borrowed(&self.0[item].ids), Cow::Borrowed(&self.0[item].type_ids))
    }
}

fn labelled(path: &Path) -> Result<Vec<LabeledBattle>, Failure> {
    Ok(read_labeled(path, &ReadOptions::default(), &Silent)?.rows)
}

/// Imports the checkpoint with a head that is not used, for its pooling, and the encoder of both orders.
fn import_form(checkpoint: &Path, target: &Path, low_bits: Option<LowBits>) -> Result<(), Failure> {
    let head = HeadChoice::Fresh { outputs: 3, seed: 1, pooling: None };
    let options = ImportOptions { head, low_bits, replace: true, ..ImportOptions::default() };
    let add = |folder: &Path, card: &ModelCard| -> Result<(), Failure> {
        let files = TokenizerFiles::read(folder)?;
        let (template, _) = Template::suggested(ModelForm { scores: false, is_decoder: false }, &files)?;
        let recipe = EncodingRecipe { template, missing: MissingResponse::default() };
        let budget = EncodingBudget {
            max_tokens: MAX_TOKENS,
            truncation: Truncation::default(),
            orders: Orders::Both,
        };
        let encoder = Encoder::new(&files, recipe, budget)?;
        Ok(StoredEncoder::of(&encoder, &card.label_order(), INGEST_VERSION).write(folder)?)
    };
    import_with(checkpoint, target, &options, &add)?;
    Ok(())
}

/// The process of one form: pools the states of every sequence into a file and says what that took.
fn measure([model, battles, states, threads]: [&str; 4]) -> Result<Measured, Failure> {
    let model = Path::new(model);
    let card = ModelCard::read(model)?;
    let head = card.read_head(model)?.ok_or("the graph gives logits")?;
    let encoder = StoredEncoder::read(model)?.open(model, &card.label_order(), INGEST_VERSION)?;
    let battles: Vec<Battle> = labelled(Path::new(battles))?.into_iter().map(|row| row.battle).collect();
    let encoded = Encoded(encoder.encode_all(&battles)?.into_iter().flatten().collect());
    let before = memory("VmRSS")?;
    let options =
        PoolOptions { pad_id: encoder.pad()?.id, ..PoolOptions::for_threads(Device::CPU, threads.parse()?) };
    let pool = SessionPool::open(&model.join("model.onnx"), &options)?;
    let loaded_bytes = memory("VmRSS")?.saturating_sub(before);
    #[expect(clippy::cast_possible_truncation, reason = "states are f32")]
    let pooled = |hidden: &[f32], length: usize| -> Vec<f32> {
        head.pool(hidden, length).into_iter().map(|value| value as f32).collect()
    };
    let lengths: Vec<usize> = (0..encoded.0.len()).map(|item| encoded.length(item)).collect();
    let items = rows_of(lengths.len(), 1);
    let schedule = ScheduleOptions { batch_tokens: 1024, orders: 1, one_pass_first: false };
    let request = Request { lengths: &lengths, rows: &items, schedule, admits: &|_| true };
    let runner = Runner { pool: &pool, sequences: &encoded, head: &pooled };
    let computed = compute(&runner, &request, None, &Silent)?;
    let values = computed.values.into_iter().flatten().flatten();
    fs::write(states, values.flat_map(f32::to_le_bytes).collect::<Vec<u8>>())?;
    Ok(Measured {
        seconds: computed.summary.seconds,
        padded_tokens: computed.summary.padded_tokens,
        loaded_bytes,
        peak_bytes: memory("VmHWM")?,
    })
}

/// A figure of this process in bytes.
fn memory(name: &str) -> Result<u64, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(name)).ok_or("no memory in /proc")?;
    let number = line.split_whitespace().nth(1).ok_or("no number")?;
    Ok(number.parse::<u64>()? * 1024)
}

/// What is judged: the battles, in which fold each is, and by prompt.
struct Judged {
    battles: Vec<LabeledBattle>,
    fold_of: Vec<u32>,
    groups: Groups,
}

impl Judged {
    fn read(battles: &Path, folds: &Path) -> Result<Self, Failure> {
        let battles = labelled(battles)?;
        let rows = tiebreak::tables::folds::read(folds)?;
        let folds: BTreeMap<_, _> = rows.into_iter().map(|row| (row.id, row.fold)).collect();
        let fold_of = battles
            .iter()
            .map(|row| folds.get(&row.battle.id).copied().ok_or("a battle has no fold"))
            .collect::<Result<_, _>>()?;
        let prompts: Vec<GroupId> = battles.iter().map(|row| GroupId::of_prompt(&row.battle)).collect();
        Ok(Self { fold_of, groups: Groups::new(prompts.iter()), battles })
    }

    /// A head for every fold, fitted on the states of the others.
    fn heads(&self, states: &[f32]) -> Result<BTreeMap<u32, FittedHead>, Failure> {
        let width = states.len() / (ORDERS * self.battles.len());
        let mut heads = BTreeMap::new();
        for &fold in &self.fold_of {
            if heads.contains_key(&fold) {
                continue;
            }
            let mut samples = Samples::default();
            for (row, battle) in self.battles.iter().enumerate().filter(|(row, _)| self.fold_of[*row] != fold)
            {
                let [a, b, tie] = Class::ALL.map(|class| battle.target.of(class));
                for (order, target) in [[a, b, tie], [b, a, tie]].into_iter().enumerate() {
                    let states = &states[(ORDERS * row + order) * width..][..width];
                    // By prompt, so that no prompt is on both sides.
                    let is_kept_back = self.groups.of_rows()[row].is_multiple_of(KEPT_BACK);
                    samples.push(states, (target, 1.0 / ORDERS as f64), is_kept_back);
                }
            }
            heads.insert(fold, softmax_head::fit(&samples)?);
        }
        Ok(heads)
    }

    /// The log loss of every battle, both orders averaged, by the head that did not see its fold.
    fn losses(&self, states: &[f32], heads: &BTreeMap<u32, FittedHead>) -> Result<Vec<f64>, Failure> {
        let width = states.len() / (ORDERS * self.battles.len());
        let mut found = Vec::with_capacity(self.battles.len());
        for (row, states) in states.chunks_exact(ORDERS * width).enumerate() {
            let head = heads.get(&self.fold_of[row]).ok_or("a fold without a head")?;
            let (shown, exchanged) = states.split_at(width);
            found.push(said(head, shown)?.mean(said(head, exchanged)?.swapped()));
        }
        let targets: Vec<_> = self.battles.iter().map(|row| row.target).collect();
        Ok(log_losses(&found, &targets))
    }
}

/// What a head says of one order.
fn said(head: &FittedHead, states: &[f32]) -> Result<Probabilities, Failure> {
    let logit = |output: usize| {
        let products = head.weights[output].iter().zip(states).map(|(w, x)| f64::from(*w) * f64::from(*x));
        f64::from(head.intercepts[output]) + products.sum::<f64>()
    };
    let outputs = [OutputMeaning::A, OutputMeaning::B, OutputMeaning::Tie];
    Ok(verdict(&outputs, [0, 1, 2].map(logit))?)
}

fn read_states(path: &Path) -> Result<Vec<f32>, Failure> {
    Ok(Element::F32.decode(&fs::read(path)?))
}

/// The root of the mean square of the differences, as a share of that of the first.
fn relative(expected: &[f32], found: &[f32]) -> f64 {
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let differences = expected.iter().zip(found).map(|(a, b)| f64::from(*a) - f64::from(*b));
    let size = squares(&mut expected.iter().map(|&value| f64::from(value)));
    (squares(&mut { differences }) / size).sqrt()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its result")]
fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["measure", model, battles, states, threads] = texts[..] {
        println!("{}", serde_json::to_string(&measure([model, battles, states, threads])?)?);
        return Ok(());
    }
    let [checkpoint, battles, folds, work] =
        *texts.first_chunk().ok_or("which checkpoint, battles, folds, folder?")?;
    let rounds: usize = texts.get(4).map_or(Ok(3), |text| text.parse())?;
    let threads = texts.get(5).copied().unwrap_or("2");
    let work = Path::new(work);
    let place =
        |index: usize| (work.join(format!("form-{index}")), work.join(format!("form-{index}.states")));
    for (index, (_, low_bits)) in FORMS.into_iter().enumerate() {
        import_form(Path::new(checkpoint), &place(index).0, low_bits)?;
    }
    let mut measured: Vec<Vec<Measured>> = FORMS.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (index, measured) in measured.iter_mut().enumerate() {
            let (model, states) = place(index);
            let output = Command::new(std::env::current_exe()?)
                .args([Path::new("measure"), &model, Path::new(battles), &states, Path::new(threads)])
                .output()?;
            if !output.status.success() {
                return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
            }
            measured.push(serde_json::from_slice(&output.stdout)?);
        }
    }
    let judged = Judged::read(Path::new(battles), Path::new(folds))?;
    let full = read_states(&place(0).1)?;
    let heads = judged.heads(&full)?;
    let full_losses = judged.losses(&full, &heads)?;
    let seconds = |runs: &[Measured]| median(runs.iter().map(|run| run.seconds).collect());
    for (index, (name, ..)) in FORMS.into_iter().enumerate() {
        let (model, states) = place(index);
        let states = read_states(&states)?;
        let losses = judged.losses(&states, &heads)?;
        let differences: Vec<f64> = losses.iter().zip(&full_losses).map(|(a, b)| a - b).collect();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let runs = &measured[index];
        let line = serde_json::json!({
            "bench": "low_bits",
            "weights": name,
            "rows": losses.len(),
            "prompts": judged.groups.count(),
            "log_loss": mean(&losses),
            "delta_log_loss": mean(&differences),
            "delta_interval": mean_interval(&differences, &judged.groups, 0),
            "states_moved": relative(&full, &states),
            "graph_bytes": size(&model)?,
            "loaded_bytes": median(runs.iter().map(|run| run.loaded_bytes as f64).collect()),
            "peak_bytes": median(runs.iter().map(|run| run.peak_bytes as f64).collect()),
            "padded_tokens": runs.first().map(|run| run.padded_tokens),
            "seconds": seconds(runs),
            "seconds_of_all": runs.iter().map(|run| run.seconds).collect::<Vec<_>>(),
            "speed_against_f32": seconds(&measured[0]) / seconds(runs),
        });
        println!("{line}");
    }
    Ok(())
}

/// Bytes of the graph and its weights.
fn size(model: &Path) -> Result<u64, Failure> {
    let bytes = |name: &str| fs::metadata(model.join(name)).map(|metadata| metadata.len());
    Ok(bytes("model.onnx")? + bytes("model.onnx.data")?)
}
