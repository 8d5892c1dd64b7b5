//! Model folders made of the tiny random checkpoints of tests/fixtures, and battles of words that they know.

use std::path::{Path, PathBuf};

use tiebreak::checkpoint::ModelCard;
use tiebreak::encoding::{
    Encoder, EncodingBudget, EncodingRecipe, Labels, MissingResponse, Orders, PartsTruncation, StoredEncoder,
    Template, TokenizerFiles, Truncation,
};
use tiebreak::onnx::graph::{ImportOptions, import_with};
use tiebreak::sources::INGEST_VERSION;

/// A checkpoint of tests/fixtures.
pub(crate) fn checkpoint(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints").join(name)
}

/// How the tiny models are imported.
#[derive(Clone)]
pub(crate) struct Import {
    pub(crate) max_tokens: usize,
    pub(crate) orders: Orders,
    pub(crate) is_single: bool,
    pub(crate) options: ImportOptions,
}

impl Default for Import {
    fn default() -> Self {
        Self { max_tokens: 24, orders: Orders::Both, is_single: false, options: ImportOptions::default() }
    }
}

impl Import {
    fn template(&self) -> Template {
        let labels = Labels {
            prompt: "w4 ".to_owned(),
            response_a: " w5 ".to_owned(),
            response_b: " w6 ".to_owned(),
            response: " w7 ".to_owned(),
            between_turns: " w8 ".to_owned(),
        };
        if self.is_single {
            Template::Single { labels, pair: false }
        } else {
            Template::Concatenated { labels, pair: false }
        }
    }

    /// Imports a checkpoint with an encoder, as the command does.
    pub(crate) fn run(&self, name: &str, target: &Path) {
        let parts = PartsTruncation { marker: None, floor: 1, ..PartsTruncation::default() };
        let recipe = EncodingRecipe { template: self.template(), missing: MissingResponse::default() };
        let budget = EncodingBudget {
            max_tokens: self.max_tokens,
            truncation: Truncation::Parts(parts),
            orders: self.orders,
        };
        let add = |folder: &Path, card: &ModelCard| {
            let files = TokenizerFiles::read(folder)?;
            let encoder = Encoder::new(&files, recipe.clone(), budget.clone())?;
            Ok(StoredEncoder::of(&encoder, &card.label_order(), INGEST_VERSION).write(folder)?)
        };
        import_with(&checkpoint(name), target, &self.options, &add).unwrap();
    }
}

/// A number below `below` that looks random.
pub(crate) fn drawn(index: usize, below: usize) -> usize {
    let mut x = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((x ^ (x >> 31)) % below as u64).unwrap()
}

/// Words of the fixtures' tokenizer, `count` of them; no words at all for some seeds.
pub(crate) fn words(seed: usize, most: usize) -> String {
    let count = drawn(seed, most + 1);
    let word = |place: usize| format!("w{}", 9 + drawn(seed * 1009 + place, 39));
    (0..count).map(word).collect::<Vec<_>>().join(" ")
}
