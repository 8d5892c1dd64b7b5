//! A model directory in the form of Hugging Face: what it says of itself, its weights, its head.
//!
//! Decided here once, for all families:
//! - every weight that the family needs must be there, with the shape that `config.json` implies; every weight
//!   that is there must be used, or stand in the list of those that no prediction needs ([`unused`](Weights::unused));
//! - each output has a meaning ([`OutputMeaning`]) that `id2label` or the caller states; none is guessed;
//! - pickle files run code when they are opened, and are refused with the way to convert them.

mod adapter;
mod base_numbers;
mod blocks;
mod card;
mod config;
mod element;
mod error;
mod folder;
mod head;
mod head_file;
mod head_source;
mod ignorable;
mod labels;
mod low_bits;
mod mapped;
mod merge;
mod narrow;
mod own_head;
mod parts;
mod random;
mod shards;
mod stored;
mod vocabulary;
mod weights;

pub use adapter::{Adapter, BASE_NUMBERS, Delta, SavedWeight};
pub use base_numbers::{BaseNumbers, NarrowForm};
pub(crate) use blocks::{BlockRow, Moved, blocks_of_row, bytes_of_block, bytes_of_zero_points, round_row};
pub use card::{FORMAT_VERSION, FileMark, GraphKind, ModelCard, Source, VerdictToken, files};
pub use config::{
    Activation, BertConfig, DebertaV2Config, Family, FamilyConfig, Gemma2Config, Gemma3Config, Gemma3File,
    LayerType, LlamaConfig, ModernBertConfig, ModernBertFile, RobertaConfig, RotaryConfig, RotaryScaling,
};
pub use element::Element;
pub use error::CheckpointError;
pub use folder::Checkpoint;
pub use head::{Dense, Head, HeadActivation, Pooling};
pub use head_file::{HeadForm, read_head, write_head};
pub use head_source::{HeadChoice, LoadedHead, fresh_head, load_head, stated_pooling};
pub use labels::{OutputMeaning, meanings_of_config, parse_meanings};
pub use low_bits::{IntegerType, LowBits};
pub(crate) use mapped::MappedFile;
pub use merge::Merge;
pub(crate) use narrow::{NarrowMatrix, NarrowParts};
pub use own_head::head_modules;
pub use random::normal;
pub use stored::StoredTensor;
pub use vocabulary::Vocabulary;
pub use weights::Weights;
