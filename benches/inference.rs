//! `MiniLM` with a linear head over the mean of its tokens; prints one JSON line.
//!
//! Run: `cargo bench --bench inference -- FOLDER [COPIES] [THREADS] [BATCH_TOKENS]`, where FOLDER was made by
//! `benches/peers/inference_data.py`; the checkpoint in it is imported first. The peers are
//! `benches/peers/inference_torch.py` and `inference_onnxruntime.py`; all of them print what they took for
//! tokenization, the model and the head, without start-up and loading.

use std::borrow::Cow;
use std::error::Error;
use std::path::Path;
use std::time::Instant;

use tiebreak::checkpoint::HeadChoice;
use tiebreak::onnx::graph::{ImportOptions, import};
use tiebreak::onnx::{Device, PoolOptions, SessionPool};
use tiebreak::predictors::language_model::{
    Computed, Request, Runner, ScheduleOptions, Sequences, compute, dry_run, rows_of,
};
use tiebreak::progress::Silent;
use tokenizers::{Tokenizer, TruncationParams};

type Pair = (String, String);

struct Encoded(Vec<tokenizers::Encoding>);

impl Sequences for Encoded {
    fn length(&self, item: usize) -> usize {
        self.0[item].len()
    }

    fn tokens(&self, item: usize) -> (Cow<'_, [u32]>, Cow<'_, [u32]>) {
        (Cow::Borrowed(self.0[item].get_ids()), Cow::Borrowed(self.0[item].get_type_ids()))
    }
}

/// The logits of the mean of the tokens; the weights are [classes, width].
fn logits(weights: &[Vec<f32>], hidden: &[f32], length: usize) -> Vec<f32> {
    let width = hidden.len() / length;
    let mut mean = vec![0.0_f32; width];
    for token in hidden.chunks(width) {
        mean.iter_mut().zip(token).for_each(|(sum, value)| *sum += value);
    }
    let class = |row: &Vec<f32>| row.iter().zip(&mean).map(|(w, sum)| w * sum / length as f32).sum();
    weights.iter().map(class).collect()
}

fn tokenizer(path: &Path) -> Result<Tokenizer, Box<dyn Error>> {
    let mut tokenizer = Tokenizer::from_file(path).map_err(|error| error.to_string())?;
    let truncation = TruncationParams { max_length: 512, ..TruncationParams::default() };
    tokenizer.with_truncation(Some(truncation)).map_err(|error| error.to_string())?;
    tokenizer.with_padding(None);
    Ok(tokenizer)
}

fn encode(tokenizer: &Tokenizer, pairs: &[Pair]) -> Result<Encoded, Box<dyn Error>> {
    let inputs: Vec<_> = pairs.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    Ok(Encoded(tokenizer.encode_batch_fast(inputs, true).map_err(|error| error.to_string())?))
}

fn lengths(encoded: &Encoded) -> Vec<usize> {
    (0..encoded.0.len()).map(|item| encoded.length(item)).collect()
}

/// Floating-point operations of the matrix products of one row: 6 layers of width 384, feed-forward 4 times that.
fn flops(length: usize) -> f64 {
    let (length, width, layers) = (length as f64, 384.0, 6.0);
    layers * (24.0 * width * width * length + 4.0 * width * length * length)
}

/// Our graph of the checkpoint; its own head is not used, because the peers read `head.json` too.
fn import_once(folder: &Path) -> Result<(), Box<dyn Error>> {
    let model = folder.join("model");
    if !model.exists() {
        let head = HeadChoice::Fresh { outputs: 3, seed: 1, pooling: None };
        import(&folder.join("checkpoint"), &model, &ImportOptions { head, ..ImportOptions::default() })?;
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its result")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let folder = Path::new(arguments.first().ok_or("which folder?")?);
    let number = |place: usize, default: usize| arguments.get(place).map_or(Ok(default), |text| text.parse());
    let options = PoolOptions {
        copies: number(1, 2)?,
        threads: number(2, 1)?,
        ..PoolOptions::for_threads(Device::CPU, 1)
    };
    let schedule = ScheduleOptions { batch_tokens: number(3, 512)?, orders: 1, one_pass_first: false };
    let pairs: Vec<Pair> = serde_json::from_slice(&std::fs::read(folder.join("pairs.json"))?)?;
    let weights: Vec<Vec<f32>> = serde_json::from_slice(&std::fs::read(folder.join("head.json"))?)?;
    let tokenizer = tokenizer(&folder.join("tokenizer.json"))?;
    import_once(folder)?;
    let pool = SessionPool::open(&folder.join("model").join("model.onnx"), &options)?;

    let run = |pairs: &[Pair]| -> Result<(Computed, f64), Box<dyn Error>> {
        let started = Instant::now();
        let encoded = encode(&tokenizer, pairs)?;
        let lengths = lengths(&encoded);
        let head = |hidden: &[f32], length: usize| logits(&weights, hidden, length);
        let runner = Runner { pool: &pool, sequences: &encoded, head: &head };
        let items = rows_of(lengths.len(), 1);
        let request = Request { lengths: &lengths, rows: &items, schedule, admits: &|_| true };
        let computed = compute(&runner, &request, None, &Silent)?;
        Ok((computed, started.elapsed().as_secs_f64()))
    };
    run(&pairs[..8])?;
    let forecast = {
        let encoded = encode(&tokenizer, &pairs)?;
        let lengths = lengths(&encoded);
        let head = |hidden: &[f32], length: usize| logits(&weights, hidden, length);
        let runner = Runner { pool: &pool, sequences: &encoded, head: &head };
        dry_run(&runner, &lengths, &lengths, &schedule)?
    };
    let (computed, seconds) = run(&pairs)?;
    let values: Vec<Vec<f32>> = computed.values.into_iter().flatten().collect();
    std::fs::write(folder.join("tiebreak.json"), serde_json::to_vec(&values)?)?;
    let line = serde_json::json!({
        "bench": "inference",
        "program": "tiebreak",
        "rows": pairs.len(),
        "tokens": computed.summary.tokens,
        "padded_tokens": computed.summary.padded_tokens,
        "seconds": seconds,
        "model_seconds": computed.summary.seconds,
        "flops": lengths(&encode(&tokenizer, &pairs)?).into_iter().map(flops).sum::<f64>(),
        "forecast_seconds": forecast.map(|(_, forecast)| forecast.seconds),
        "forecast_error": forecast.map(|(model, _)| model.relative_error),
    });
    println!("{line}");
    Ok(())
}
