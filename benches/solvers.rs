//! Softmax regression on large data, for a side-by-side run with `peers/softmax_sklearn.py`.
//!
//! `cargo bench --bench solvers -- FOLDER [CASE]...` generates the data from a seed into FOLDER unless
//! they are there, fits each case and prints one JSON line a case: seconds of the fit, objective and
//! largest gradient. The fitted weights are left in FOLDER, where the peer judges them in double
//! precision by its own code.

#![allow(clippy::print_stdout, reason = "a benchmark speaks on stdout")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "generated numbers are small, and single precision is what is measured"
)]

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Instant;

use linfa::dataset::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array2, Axis};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sprs::CsMatI;
use tiebreak::learning::softmax::SoftmaxParams;
use tiebreak::predictors::linear::{FittedSoftmax, Matrix, SoftmaxRecords};

type Failure = Box<dyn Error>;

const DENSE: (usize, usize) = (100_000, 400);
const SPARSE: (usize, usize) = (50_000, 60_000);
const WORDS_OF_A_ROW: usize = 230;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let folder = arguments.first().map_or_else(|| std::env::temp_dir().join("tiebreak-solvers"), Into::into);
    fs::create_dir_all(&folder)?;
    let wanted = |case: &str| arguments.len() < 2 || arguments[1..].iter().any(|argument| argument == case);
    if wanted("dense") || wanted("dense_f64") {
        if !folder.join("dense.y").exists() {
            generate_dense(&folder)?;
        }
        let (x, y) = (read_dense(&folder)?, labels(&folder.join("dense.y"))?);
        for tolerance in [1e-4, 1e-6] {
            if wanted("dense") {
                let records = SoftmaxRecords::multinomial(x.nrows(), vec![Matrix::single(&x)]);
                fit("dense", records, &y, tolerance, &folder)?;
            }
            if wanted("dense_f64") {
                let wide = x.mapv(f64::from);
                let records = SoftmaxRecords::multinomial(x.nrows(), vec![Matrix::double(&wide)]);
                fit("dense_f64", records, &y, tolerance, &folder)?;
            }
        }
    }
    if wanted("sparse") {
        if !folder.join("sparse.y").exists() {
            generate_sparse(&folder)?;
        }
        let (x, y) = (read_sparse(&folder)?, labels(&folder.join("sparse.y"))?);
        for tolerance in [1e-4, 1e-6] {
            let records = SoftmaxRecords::multinomial(x.rows(), vec![Matrix::Sparse(&x)]);
            fit("sparse", records, &y, tolerance, &folder)?;
        }
    }
    Ok(())
}

fn fit(
    case: &str,
    records: Option<SoftmaxRecords<'_>>,
    y: &Array2<f64>,
    tolerance: f64,
    folder: &Path,
) -> Result<(), Failure> {
    let records = records.ok_or("rows differ")?;
    let dataset = DatasetBase::new(records, y.clone());
    let started = Instant::now();
    let params = SoftmaxParams::new().penalty(1.0 / y.nrows() as f64).tolerance(tolerance);
    let fitted: FittedSoftmax = params.fit(&dataset)?;
    let seconds = started.elapsed().as_secs_f64();
    let values = fitted.weights.iter().flatten().chain(&fitted.intercepts);
    fs::write(
        folder.join(format!("{case}-{tolerance:e}.ours")),
        bytes(values.map(|value| value.to_le_bytes())),
    )?;
    let line = serde_json::json!({
        "side": "tiebreak", "case": case, "tolerance": tolerance, "seconds": seconds,
        "objective": fitted.report.objective, "gradient": fitted.report.gradient,
        "iterations": fitted.report.iterations, "status": fitted.report.status,
    });
    println!("{line}");
    Ok(())
}

/// Columns as correlated as those of an embedding, standardised.
fn generate_dense(folder: &Path) -> Result<(), Failure> {
    let (n, d) = DENSE;
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let spectrum =
        Array2::from_shape_fn((d, d), |(row, _)| (normal(&mut random) / ((row + 1) as f64).sqrt()) as f32);
    let mut x = Array2::from_shape_fn((n, d), |_| normal(&mut random) as f32).dot(&spectrum);
    let spread = x.std_axis(Axis(0), 0.0);
    x /= &spread;
    let weights = Array2::from_shape_fn((d, 3), |_| (normal(&mut random) * 0.05) as f32);
    let logits = x.dot(&weights).mapv(f64::from);
    let y: Vec<u8> =
        logits.rows().into_iter().map(|z| drawn([z[0] + 0.2, z[1] + 0.2, z[2]], &mut random)).collect();
    fs::write(folder.join("dense.x"), bytes(x.iter().map(|value| value.to_le_bytes())))?;
    fs::write(folder.join("dense.y"), y)?;
    Ok(())
}

/// Documents of Zipf-distributed words as L2-normalised TF-IDF with logarithmic counts.
fn generate_sparse(folder: &Path) -> Result<(), Failure> {
    let (n, d) = SPARSE;
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let ln_range = (d as f64 + 1.0).ln();
    let documents: Vec<Vec<(u32, f64)>> = (0..n).map(|_| document(ln_range, d, &mut random)).collect();
    let mut document_counts = vec![0_u32; d];
    documents.iter().flatten().for_each(|(word, _)| document_counts[*word as usize] += 1);
    let weights: Vec<[f64; 3]> = (0..d).map(|_| [0; 3].map(|_: i32| 2.0 * normal(&mut random))).collect();
    let (mut indptr, mut indices, mut data, mut y) = (vec![0_u64], Vec::new(), Vec::new(), Vec::new());
    for document in &documents {
        let idf =
            |word: u32| ((1.0 + n as f64) / (1.0 + f64::from(document_counts[word as usize]))).ln() + 1.0;
        let values: Vec<f64> = document.iter().map(|(word, count)| (1.0 + count.ln()) * idf(*word)).collect();
        let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
        let mut logits = [0.2, 0.2, 0.0];
        for ((word, _), value) in document.iter().zip(&values) {
            indices.push(*word);
            data.push((value / norm) as f32);
            let of_word = weights[*word as usize];
            (0..3).for_each(|class| logits[class] += value / norm * of_word[class]);
        }
        indptr.push(indices.len() as u64);
        y.push(drawn(logits, &mut random));
    }
    fs::write(folder.join("sparse.indptr"), bytes(indptr.iter().map(|value| value.to_le_bytes())))?;
    fs::write(folder.join("sparse.indices"), bytes(indices.iter().map(|value| value.to_le_bytes())))?;
    fs::write(folder.join("sparse.data"), bytes(data.iter().map(|value| value.to_le_bytes())))?;
    fs::write(folder.join("sparse.y"), y)?;
    Ok(())
}

fn document(ln_range: f64, words: usize, random: &mut impl Rng) -> Vec<(u32, f64)> {
    let mut drawn: Vec<u32> = (0..WORDS_OF_A_ROW)
        .map(|_| ((random.random::<f64>() * ln_range).exp() - 1.0).min(words as f64 - 1.0) as u32)
        .collect();
    drawn.sort_unstable();
    drawn.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as f64)).collect()
}

/// A standard normal number by the method of Box and Muller.
fn normal(random: &mut impl Rng) -> f64 {
    let (u, v): (f64, f64) = (random.random(), random.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

fn drawn(logits: [f64; 3], random: &mut impl Rng) -> u8 {
    let e = logits.map(f64::exp);
    let u = random.random::<f64>() * (e[0] + e[1] + e[2]);
    if u < e[0] {
        0
    } else if u < e[0] + e[1] {
        1
    } else {
        2
    }
}

fn bytes<const N: usize>(values: impl Iterator<Item = [u8; N]>) -> Vec<u8> {
    values.flatten().collect()
}

fn read<const N: usize, T>(path: &Path, of: impl Fn([u8; N]) -> T) -> Result<Vec<T>, Failure> {
    Ok(fs::read(path)?.as_chunks::<N>().0.iter().map(|chunk| of(*chunk)).collect())
}

fn read_dense(folder: &Path) -> Result<Array2<f32>, Failure> {
    let values = read(&folder.join("dense.x"), f32::from_le_bytes)?;
    Ok(Array2::from_shape_vec((values.len() / DENSE.1, DENSE.1), values)?)
}

fn read_sparse(folder: &Path) -> Result<CsMatI<f32, u32, usize>, Failure> {
    let indptr = read(&folder.join("sparse.indptr"), |value| u64::from_le_bytes(value) as usize)?;
    let indices = read(&folder.join("sparse.indices"), u32::from_le_bytes)?;
    let data = read(&folder.join("sparse.data"), f32::from_le_bytes)?;
    let shape = (indptr.len() - 1, SPARSE.1);
    CsMatI::try_new(shape, indptr, indices, data).map_err(|(_, _, _, error)| error.to_string().into())
}

fn labels(path: &Path) -> Result<Array2<f64>, Failure> {
    let y = fs::read(path)?;
    Ok(Array2::from_shape_fn((y.len(), 3), |(row, class)| f64::from(usize::from(y[row]) == class)))
}
