use std::path::PathBuf;

/// A checkpoint that cannot be used as it is.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// A file or folder could not be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] crate::files::WriteError),
    /// A JSON file does not have its form.
    #[error("`{}`: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        #[source]
        source: serde_json::Error,
    },
    /// A value of `config.json` that no graph here can express.
    #[error("`{}`: `{key}` is `{value}`; {way_out}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// What is supported.
        way_out: String,
    },
    /// A safetensors file is damaged.
    #[error("`{}` is no sound safetensors file: {message}; copy or download it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// There are only pickle files.
    #[error(
        "`{}` is a pickle file, which may run any code when it is opened; convert it where you trust it: python -c \
         \"from transformers import AutoModel as M; M.from_pretrained('DIR').save_pretrained('OUT', \
         safe_serialization=True)\", with the class that `architectures` in config.json names in the place of AutoModel, \
         and copy the tokenizer files to OUT",
        path.display()
    )]
    Pickle {
        /// The file.
        path: PathBuf,
    },
    /// An adapter without its base model.
    #[error(
        "`{}` is a PEFT adapter and no whole model; name the folder of the model that it was trained on with `--base DIR`, or, \
         where it is a whole model with the adapter merged, take `adapter_config.json` out of it",
        folder.display()
    )]
    AdapterWithoutBase {
        /// The folder.
        folder: PathBuf,
    },
    /// An adapter that does not fit its base, or is of a kind that is not merged.
    #[error("the adapter `{}`: {message}", folder.display())]
    AdapterMismatch {
        /// The folder of the adapter.
        folder: PathBuf,
        /// The first thing that does not fit.
        message: String,
    },
    /// There are no weights at all.
    #[error(
        "`{}` holds neither `model.safetensors` nor `model.safetensors.index.json`; an ONNX file in it is imported by its \
         own path",
        folder.display()
    )]
    NoWeights {
        /// The folder.
        folder: PathBuf,
    },
    /// Weights that the family needs are not in the files, or have another shape.
    #[error(
        "`{}`: {} of the weights that `{family}` needs are missing or have another shape: {}",
        folder.display(), problems.len(), shortened(problems)
    )]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// The `model_type`.
        family: String,
        /// One entry a weight: its name, the shape that is needed and, where it is there, the one that it has.
        problems: Vec<String>,
    },
    /// Weights that are in the files and would not be used.
    #[error(
        "`{}`: {} weights would not be used: {}; the model would not be the one that was trained (an adapter that was \
         not merged, another architecture, or a head that is not asked for)",
        folder.display(), names.len(), shortened(names)
    )]
    Unused {
        /// The folder.
        folder: PathBuf,
        /// Their names.
        names: Vec<String>,
    },
    /// A number type that is not read.
    #[error("`{name}` in `{}` is stored as `{stored}`; f32, f16 and bf16 are read", path.display())]
    NumberType {
        /// The weight.
        name: String,
        /// Its file.
        path: PathBuf,
        /// What it is stored as.
        stored: String,
    },
    /// A weight that is not finite after conversion.
    #[error("`{name}` holds a value that `{element}` cannot hold ({value}); import with another number type")]
    Overflow {
        /// The weight.
        name: String,
        /// The number type that was asked for.
        element: &'static str,
        /// The value.
        value: f32,
    },
    /// There is no head.
    #[error(
        "`{}` has no classification head ({found}); `--fresh-head N` makes one with N seeded outputs, to be trained, \
         and for a causal language model `--verdict-tokens` reads its verdict from token logits",
        folder.display()
    )]
    NoHead {
        /// The folder.
        folder: PathBuf,
        /// What its `architectures` say.
        found: String,
    },
    /// A choice of head that this checkpoint cannot follow.
    #[error("`{}`: {message}", folder.display())]
    HeadChoice {
        /// The folder.
        folder: PathBuf,
        /// What does not fit, and what would.
        message: String,
    },
    /// The outputs have no meaning yet.
    #[error(
        "`{source_name}` does not say what the outputs mean: {problem}; state it, e.g. `--outputs a,b,tie` (in the order \
         of the outputs: a, b, tie, both_bad; or score)"
    )]
    Labels {
        /// Where the names stand.
        source_name: String,
        /// What is wrong with them.
        problem: String,
    },
    /// Tokenizer and embedding table do not belong together.
    #[error("`{}`: {message}", path.display())]
    Vocabulary {
        /// The tokenizer file.
        path: PathBuf,
        /// What does not fit.
        message: String,
    },
    /// A model folder of ours that does not fit its card.
    #[error("`{}`: {message}; import the model again", path.display())]
    ModelFolder {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        message: String,
    },
}

/// The first twelve, and how many more there are.
fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut_and_counted() {
        let names: Vec<String> = (0..14).map(|n| n.to_string()).collect();
        assert!(shortened(&names).ends_with("`11` and 2 more"));
        assert_eq!(shortened(&names[..2]), "`0`, `1`");
    }
}
