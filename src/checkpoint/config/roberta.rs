use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{BertConfig, parse, refused};
use crate::checkpoint::CheckpointError;
use crate::checkpoint::parts::Division;

/// What decides the graph of a `RoBERTa` or XLM-R.
#[derive(Clone, Debug, PartialEq)]
pub struct RobertaConfig {
    /// The BERT that it is, without the rows of the position table that no token has.
    pub bert: BertConfig,
    /// Rows before the position of the first token: those up to the padding id.
    pub skipped_positions: usize,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    pad_token_id: Option<usize>,
}

impl RobertaConfig {
    pub(super) fn read(path: &Path, value: &Value) -> Result<Self, CheckpointError> {
        let mut bert: BertConfig = parse(path, value)?;
        let file: File = parse(path, value)?;
        let pad = file.pad_token_id.unwrap_or(1);
        let Some(skipped_positions) = pad.checked_add(1) else {
            let way_out = "positions begin behind it, and there is no such place".to_owned();
            return Err(refused(path, "pad_token_id", &pad.to_string(), way_out));
        };
        let rows = bert.max_position_embeddings;
        bert.max_position_embeddings = rows.saturating_sub(skipped_positions);
        if bert.max_position_embeddings == 0 {
            let way_out = format!("positions begin behind the padding id, at {skipped_positions}");
            return Err(refused(path, "max_position_embeddings", &rows.to_string(), way_out));
        }
        Ok(Self { bert, skipped_positions })
    }

    pub(super) fn divisions(&self) -> Vec<Division> {
        let name = "embeddings.position_embeddings.weight".to_owned();
        let parts = vec![(name.clone(), self.bert.max_position_embeddings)];
        vec![Division { name, skipped: self.skipped_positions, parts }]
    }
}
