//! A battle to the token ids that a language model reads, the same for training, validation and serving.
//!
//! A [`Template`] writes the battle as text of known parts; the whole text is tokenized once, as Python
//! does it; each token is given to the part that it came from; [`Truncation`] decides, from lengths alone,
//! how many tokens of each part stay. Ids are dropped and never made again from cut text, so that a battle
//! that fits has exactly the ids of Python and a cut one a selection of them.

mod answer;
mod batches;
mod budget;
mod chat;
mod custom;
mod cuts;
mod encoder;
mod error;
mod files;
mod identity;
mod jinja;
mod layout;
mod part;
mod recipe;
mod report;
mod select;
mod stored;
mod suggested;
mod tokenizer;
mod training;
mod truncation;
mod view;
mod water;
mod wrapping;

pub use answer::trial_battle;
pub use batches::{Batch, Row, plan};
pub use budget::{EncodingBudget, Orders};
pub use cuts::{Cut, FrameTooLong, Lengths, Plan, TurnLengths, plan_parts};
pub use encoder::{Encoder, Sequence};
pub use error::EncodingError;
pub use files::TokenizerFiles;
pub use identity::EncodingIdentity;
pub use part::{Kept, Part, PartCounts, Shown};
pub use recipe::{ChatLayout, EncodingRecipe, Labels, MissingResponse, Template};
pub use report::{PartReport, Quantiles, TruncationReport, TruncationTally};
pub use stored::StoredEncoder;
pub use suggested::ModelForm;
pub use tokenizer::{PadOrigin, PadToken};
pub use truncation::{Keep, PartsTruncation, Shares, Side, Truncation, TurnOrder};
pub use view::{RowView, TokenView};
pub use water::{Vessel, water_fill};
