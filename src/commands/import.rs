//! `tiebreak import`: a model made elsewhere becomes a model folder.

mod audit;
mod recipe;
mod table;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Serialize;

use super::{BadInput, Console, OrBadInput};
use crate::checkpoint::{
    CheckpointError, Element, HeadChoice, IntegerType, LowBits, ModelCard, OutputMeaning, Pooling,
    Vocabulary, files, parse_meanings,
};
use crate::encoding::{Encoder, EncodingError, PadToken, StoredEncoder, TokenizerFiles};
use crate::onnx::SessionError;
use crate::onnx::graph::{
    ForeignOptions, GraphError, ImportOptions, ImportReport, RoundedWeight, WeightStorage, import_foreign,
    import_with,
};
use crate::sources::INGEST_VERSION;

/// Arguments of `tiebreak import`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tiebreak import checkpoints/gemma-2-9b-judge --out models/gemma --dtype bf16
  tiebreak import checkpoints/qwen3-4b --out models/judge --verdict-tokens A,B,C --template chat
  tiebreak import checkpoints/minilm --out models/minilm --fresh-head 3
  tiebreak import checkpoints/adapter --base checkpoints/qwen3-4b --out models/adapted
  tiebreak import exported/model.onnx --out models/exported --outputs a,b,tie
  tiebreak import checkpoints/judge --out models/judge-int4 --weights int4
  tiebreak import checkpoints/judge --out models/judge-f16 --dtype f16 --audit train.csv

PATH is a directory in the form of Hugging Face (config.json, tokenizer.json, safetensors), or an ONNX file with its
tokenizer.json beside it. No Python runs. The folder appears whole or not at all.")]
pub struct Args {
    /// A Hugging Face directory, or an ONNX file
    path: PathBuf,
    /// The model folder to make
    #[arg(long, value_name = "models/NAME")]
    out: PathBuf,
    /// A linear head of N seeded random outputs, to be trained, in the place of the model's own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=4))]
    fresh_head: Option<u8>,
    /// Decides the weights of a fresh head [default: 1]
    #[arg(long, value_name = "N", requires = "fresh_head")]
    seed: Option<u64>,
    /// How a fresh head makes one vector of the hidden states; as the model states it, else mean for encoders and
    /// last for decoders, if not given
    #[arg(long, requires = "fresh_head")]
    pooling: Option<PoolingChoice>,
    /// Read the verdict of a causal language model from the logits of these tokens, in the order of the outputs; each
    /// must be one token where the answer begins, a blank in front of it included (" A, B, tie")
    #[arg(long, value_name = "A,B,tie", value_delimiter = ',', conflicts_with = "fresh_head")]
    verdict_tokens: Vec<String>,
    /// What each output means, in their order: a, b, tie, `both_bad`, or score; id2label says it if not given
    #[arg(long, value_name = "a,b,tie")]
    outputs: Option<String>,
    /// The number type of the graph [default: f32]
    #[arg(long, value_name = "TYPE")]
    dtype: Option<ElementChoice>,
    /// The matrices of the linear maps in 8 or 4 bits, rounded to nearest in blocks; computed in the number type of the
    /// graph, and everything else stays in it
    #[arg(long, value_name = "TYPE")]
    weights: Option<IntegerChoice>,
    /// Numbers that share a scale and a zero point [default: 32]
    #[arg(long, value_name = "N", requires = "weights", value_parser = ["16", "32", "64", "128", "256"])]
    block_size: Option<String>,
    /// Linear maps, by their names in the checkpoint, and `residual` (the sums from layer to layer) to be computed in f32
    /// in a graph of a narrower type; `--audit` says which
    #[arg(long, value_name = "LAYER,..", value_delimiter = ',')]
    in_f32: Vec<String>,
    /// Whether the weights are copied, or used in the files of the checkpoint by hard links [default: packed]
    #[arg(long)]
    storage: Option<StorageChoice>,
    /// The model that a PEFT adapter was trained on, where PATH is an adapter: its `LoRA` is merged in f32
    #[arg(long, value_name = "DIR")]
    base: Option<PathBuf>,
    #[command(flatten)]
    audit: audit::AuditArgs,
    #[command(flatten)]
    recipe: recipe::RecipeArgs,
    /// Replace an earlier model of that name
    #[arg(long)]
    force: bool,
}

/// How hidden states become one vector.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum PoolingChoice {
    /// Their mean
    Mean,
    /// The first one
    First,
    /// The last one
    Last,
}

/// A number type.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ElementChoice {
    /// 32 bits
    F32,
    /// 16 bits
    F16,
    /// 16 bits with the range of f32, for CUDA
    Bf16,
}

/// Bits of a weight.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum IntegerChoice {
    /// 8 bits
    Int8,
    /// 4 bits
    Int4,
}

/// Where weights go.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum StorageChoice {
    /// Copied into the model folder
    Packed,
    /// Hard links to the checkpoint's files
    Linked,
}

/// Nothing is known of it before somebody compares predictions with labels.
const LOG_LOSS_COST: &str = "not measured on real weights";

/// What was imported.
#[derive(Serialize)]
struct Imported {
    model: PathBuf,
    card: ModelCard,
    nodes: usize,
    bytes: u64,
    encoder: StoredEncoder,
    encoder_choice: String,
    pad: PadToken,
    /// How far each matrix moved that was rounded to few bits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rounded: Vec<RoundedWeight>,
    /// What rounding costs; measured by `verify --like`.
    #[serde(skip_serializing_if = "Option::is_none")]
    log_loss_cost: Option<String>,
    /// The largest numbers, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    audit: Option<audit::Audit>,
    warnings: Vec<String>,
}

/// Imports a model.
///
/// # Errors
/// As bad input when the model or the arguments are at fault; nothing half-written is left.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<()> {
    let outputs = args.outputs.as_deref().map(parse_meanings).transpose().or_bad_input()?;
    let chosen = RefCell::new(None);
    let add = |folder: &Path, card: &ModelCard| -> Result<(), Box<dyn Error + Send + Sync>> {
        let files = TokenizerFiles::read(folder)?;
        let (encoder, choice) = args.recipe.encoder(card, &files, &args.verdict_tokens)?;
        let stored = StoredEncoder::of(&encoder, &card.label_order(), INGEST_VERSION);
        stored.write(folder)?;
        *chosen.borrow_mut() = Some((encoder, stored, choice));
        Ok(())
    };
    let looked_at = args.audit.read(console)?;
    let (mut checkpoint_options, mut of_verdicts) = (None, Vec::new());
    let report = if args.path.is_dir() {
        let (options, warnings) = args.checkpoint_options(outputs)?;
        of_verdicts = warnings;
        import_with(&args.path, &args.out, checkpoint_options.insert(options), &add)
    } else {
        let options = args.foreign_options(outputs)?;
        import_foreign(&args.path, &args.out, &options, &add)
    };
    let ImportReport { card, nodes, rounded, mut warnings } = report.map_err(fault)?;
    warnings.extend(of_verdicts);
    let (encoder, stored, encoder_choice): (Encoder, _, _) =
        chosen.into_inner().ok_or_else(|| anyhow::anyhow!("the import made no encoder"))?;
    let audit = match (&looked_at, &checkpoint_options) {
        (Some(rows), Some(options)) => {
            Some(audit::run((&args.path, &args.out), options, (&encoder, rows), console)?)
        }
        _ => None,
    };
    warnings.extend(audit.as_ref().and_then(|audit| audit.warning(&card)));
    for warning in &warnings {
        console.warn(warning);
    }
    let log_loss_cost = card.low_bits.map(|_| LOG_LOSS_COST.to_owned());
    let bytes = card.files.values().map(|mark| mark.bytes).sum();
    let (model, pad) = (args.out.clone(), encoder.pad()?);
    let imported = Imported {
        model,
        card,
        nodes,
        bytes,
        encoder: stored,
        encoder_choice,
        pad,
        rounded,
        log_loss_cost,
        audit,
        warnings,
    };
    console.result(&imported, || table::text(&imported))
}

impl Args {
    /// How the checkpoint is imported, and what must be said of its verdict tokens.
    fn checkpoint_options(
        &self,
        outputs: Option<Vec<OutputMeaning>>,
    ) -> anyhow::Result<(ImportOptions, Vec<String>)> {
        let (mut verdicts, mut warnings) = (Vec::new(), Vec::new());
        let head = if self.verdict_tokens.is_empty() {
            self.head()
        } else {
            // The tokenizer is read before the checkpoint, so that its own message is the first one.
            let folder = self.tokenizer_folder();
            Vocabulary::read(&folder.join(files::TOKENIZER)).or_bad_input()?;
            let files = TokenizerFiles::read(folder).or_bad_input()?;
            (verdicts, warnings) = self.recipe.verdicts(outputs.as_deref(), &files, &self.verdict_tokens)?;
            HeadChoice::Verdicts { tokens: verdicts.iter().map(|verdict| verdict.id).collect() }
        };
        let element = match self.dtype {
            None | Some(ElementChoice::F32) => Element::F32,
            Some(ElementChoice::F16) => Element::F16,
            Some(ElementChoice::Bf16) => Element::Bf16,
        };
        let storage = match self.storage {
            None | Some(StorageChoice::Packed) => WeightStorage::Packed,
            Some(StorageChoice::Linked) => WeightStorage::Linked,
        };
        let base = self.base.clone();
        let (replace, low_bits, max_tokens) = (self.force, self.low_bits()?, self.recipe.longest()?);
        let in_f32 = self.in_f32.iter().cloned().collect::<BTreeSet<_>>();
        let options = ImportOptions {
            element,
            head,
            outputs,
            verdicts,
            storage,
            replace,
            max_tokens,
            base,
            low_bits,
            in_f32,
        };
        Ok((options, warnings))
    }

    fn low_bits(&self) -> anyhow::Result<Option<LowBits>> {
        let weights = match self.weights {
            None => return Ok(None),
            Some(IntegerChoice::Int8) => IntegerType::Int8,
            Some(IntegerChoice::Int4) => IntegerType::Int4,
        };
        let block_size =
            self.block_size.as_deref().map_or(Ok(LowBits::USUAL_BLOCK), str::parse).or_bad_input()?;
        Ok(Some(LowBits { weights, block_size }))
    }

    /// An adapter may bring a tokenizer of its own, else that of its base counts.
    fn tokenizer_folder(&self) -> &Path {
        match &self.base {
            Some(base) if !self.path.join(files::TOKENIZER).is_file() => base,
            _ => &self.path,
        }
    }

    fn foreign_options(&self, outputs: Option<Vec<OutputMeaning>>) -> anyhow::Result<ForeignOptions> {
        let path = self.path.display();
        let refused = |message: String| Err(BadInput(message).into());
        if !self.path.is_file() {
            return refused(format!("`{path}` is neither a directory nor an ONNX file"));
        }
        if self.path.extension().is_none_or(|extension| extension != "onnx") {
            return refused(format!(
                "`{path}` is no .onnx file; a checkpoint is imported by the directory that holds its config.json"
            ));
        }
        if self.base.is_some() {
            return refused(format!(
                "`{path}` is a graph: `--base` is for PEFT adapters; give the folder of the adapter"
            ));
        }
        if self.dtype.is_some() || self.storage.is_some() {
            return refused(format!(
                "`{path}` is a graph already: `--dtype` and `--storage` are for checkpoints; convert it where it was made"
            ));
        }
        if self.weights.is_some() || !self.in_f32.is_empty() || self.audit.is_asked() {
            return refused(format!(
                "`{path}` is a graph already: `--weights`, `--in-f32` and `--audit` write graphs of a checkpoint; import the \
                 directory that it was made from"
            ));
        }
        if !self.verdict_tokens.is_empty() {
            return refused(format!(
                "`{path}` is a graph already: `--verdict-tokens` reads the output table of a checkpoint; import its directory"
            ));
        }
        let max_tokens = self.recipe.max_tokens();
        Ok(ForeignOptions { head: self.head(), outputs, max_tokens, replace: self.force })
    }

    fn head(&self) -> HeadChoice {
        let pooling = self.pooling.map(|choice| match choice {
            PoolingChoice::Mean => Pooling::Mean,
            PoolingChoice::First => Pooling::First,
            PoolingChoice::Last => Pooling::Last,
        });
        match self.fresh_head {
            None => HeadChoice::Own,
            Some(outputs) => {
                HeadChoice::Fresh { outputs: outputs.into(), seed: self.seed.unwrap_or(1), pooling }
            }
        }
    }
}

/// A disk or a library that fails is no fault of the input; everything else is.
fn fault(error: GraphError) -> anyhow::Error {
    let is_disk =
        |error: &(dyn Error + 'static)| matches!(error.downcast_ref(), Some(EncodingError::Write(_)));
    let works = matches!(
        error,
        GraphError::Write(_)
            | GraphError::Checkpoint(CheckpointError::Write(_))
            | GraphError::Folder { .. }
            | GraphError::EarlierKept { .. }
            | GraphError::Session(SessionError::Library(_) | SessionError::Thread { .. })
    );
    match error {
        _ if works => error.into(),
        GraphError::Addition(error) if is_disk(error.as_ref()) => anyhow::anyhow!("{error}"),
        // What the encoder says is a message already, with a mark of its own.
        GraphError::Addition(error) => BadInput(format!("{error:#}")).into(),
        error => BadInput(error.to_string()).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::files::WriteError;

    #[test]
    fn a_disk_that_fails_is_no_bad_input_wherever_it_fails() {
        let full = || WriteError { path: "m/encoder.json".into(), source: io::ErrorKind::StorageFull.into() };
        for error in [
            GraphError::Write(full()),
            GraphError::Checkpoint(CheckpointError::Write(full())),
            GraphError::Addition(Box::new(EncodingError::Write(full()))),
        ] {
            let error = fault(error);
            assert!(!error.is::<BadInput>(), "{error}");
            assert!(error.to_string().starts_with("cannot write `m/encoder.json`"), "{error}");
        }
        let recipe = EncodingError::Tokenizer { reason: "no words".to_owned() };
        assert!(fault(GraphError::Addition(Box::new(recipe))).is::<BadInput>());
    }
}
