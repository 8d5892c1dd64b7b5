//! An ONNX file made elsewhere as a model folder. What it takes and gives is asked of a session on it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::external::copy_graph;
use super::folder::StagedFolder;
use super::import::{Addition, ImportReport, copy_tokenizer, marks};
use super::probe::{Answer, Question, ask};
use crate::checkpoint::{
    CheckpointError, FORMAT_VERSION, GraphKind, Head, HeadChoice, HeadForm, ModelCard, OutputMeaning,
    Pooling, Source, Vocabulary, files, fresh_head, meanings_of_config, stated_pooling, write_head,
};
use crate::onnx::InputRole;

use super::GraphError;

/// How to import an ONNX file that was made elsewhere.
#[derive(Clone, Debug)]
pub struct ForeignOptions {
    /// Its own logits, or a fresh head behind what it gives.
    pub head: HeadChoice,
    /// The meaning of its outputs, where the caller states it.
    pub outputs: Option<Vec<OutputMeaning>>,
    /// The longest text, where no `config.json` beside it says it.
    pub max_tokens: Option<usize>,
    /// Whether an earlier model of that name is replaced; it stays until the new one is whole.
    pub replace: bool,
}

/// Turns an ONNX file, with `tokenizer.json` and perhaps `config.json` beside it, into a model folder. The folder
/// appears whole or not at all.
///
/// # Errors
/// `GraphError` for a file that cannot be used, a target that is there already, or a file that cannot be written.
pub fn import_foreign(
    file: &Path,
    target: &Path,
    options: &ForeignOptions,
    add: &Addition<'_>,
) -> Result<ImportReport, GraphError> {
    let folder = StagedFolder::create(target, options.replace)?;
    let beside = file.parent().unwrap_or(Path::new("."));
    let config = read_config(beside)?;
    let vocabulary = Vocabulary::read(&beside.join(files::TOKENIZER))?;
    let nodes = copy_graph(file, folder.path())?;
    copy_tokenizer(beside, folder.path())?;

    let answer = ask(&Question {
        graph: &folder.path().join(files::GRAPH),
        named: file,
        highest_id: vocabulary.size.saturating_sub(1),
        positions: number(&config, &["max_position_embeddings", "n_positions", "max_seq_len"]),
        max_tokens: options.max_tokens,
    })?;
    let foreign = Foreign { file, beside, config: &config, answer: &answer, options };
    let head = foreign.head()?;
    if let Some(head) = &head {
        write_head(head, &folder.path().join(files::HEAD))?;
    }
    let mut card = foreign.card(head.as_ref(), vocabulary.size)?;
    add(folder.path(), &card).map_err(GraphError::Addition)?;
    card.files = marks(folder.path())?;
    card.write(folder.path())?;
    folder.commit()?;
    Ok(ImportReport { card, nodes, rounded: Vec::new(), warnings: foreign.warnings() })
}

fn read_config(folder: &Path) -> Result<Value, GraphError> {
    let path = folder.join("config.json");
    if !path.is_file() {
        return Ok(Value::Null);
    }
    let bytes = fs::read(&path).map_err(|source| CheckpointError::Read { path: path.clone(), source })?;
    Ok(serde_json::from_slice(&bytes).map_err(|source| CheckpointError::Json { path, source })?)
}

fn number(config: &Value, keys: &[&str]) -> Option<usize> {
    let value = keys.iter().find_map(|key| config.get(*key)?.as_u64())?;
    usize::try_from(value).ok()
}

struct Foreign<'a> {
    file: &'a Path,
    beside: &'a Path,
    config: &'a Value,
    answer: &'a Answer,
    options: &'a ForeignOptions,
}

impl Foreign<'_> {
    fn refused(&self, message: String) -> GraphError {
        GraphError::Foreign { path: self.file.to_owned(), message }
    }

    /// Logits are few numbers a text; everything else needs a head.
    fn gives_logits(&self) -> bool {
        !self.answer.per_token && OutputMeaning::usual(self.answer.width).is_some()
    }

    fn head(&self) -> Result<Option<Head>, GraphError> {
        let (width, output) = (self.answer.width, &self.answer.signature.output);
        let shape = if self.answer.per_token {
            format!("[batch, sequence, {width}]")
        } else {
            format!("[batch, {width}]")
        };
        match &self.options.head {
            HeadChoice::Own if self.gives_logits() => Ok(None),
            HeadChoice::Own => Err(self.refused(format!(
                "its output `{output}` {shape} holds no logits of 1 to 4 outcomes; `--fresh-head N` puts a seeded head \
                 with N outputs behind it, to be trained"
            ))),
            HeadChoice::Verdicts { .. } => Err(self.refused(
                "verdict tokens are rows of the output table of a checkpoint; import the directory that it was made from"
                    .to_owned(),
            )),
            HeadChoice::Fresh { .. } if self.gives_logits() => Err(self.refused(format!(
                "its output `{output}` {shape} holds logits already; import it without `--fresh-head`"
            ))),
            HeadChoice::Fresh { .. } if output == "logits" => Err(self.refused(format!(
                "its output `{output}` {shape} holds token logits of a language model and no hidden states; import the \
                 directory that it was made from"
            ))),
            HeadChoice::Fresh { pooling: Some(_), .. } if !self.answer.per_token => Err(self.refused(format!(
                "its output `{output}` {shape} is one vector a text, so that nothing is left to pool; leave `--pooling` out"
            ))),
            HeadChoice::Fresh { outputs, seed, pooling } => {
                if OutputMeaning::usual(*outputs).is_none() {
                    return Err(self.refused(format!("a head has 1 to 4 outputs, not {outputs}")));
                }
                let pooling = pooling.or_else(|| stated_pooling(self.beside)).unwrap_or(Pooling::Mean);
                let pooling = if self.answer.per_token { pooling } else { Pooling::Last };
                Ok(Some(fresh_head(*outputs, width, *seed, pooling)))
            }
        }
    }

    fn outputs(&self, count: usize) -> Result<Vec<OutputMeaning>, GraphError> {
        match &self.options.outputs {
            Some(stated) if stated.len() == count => Ok(stated.clone()),
            Some(stated) => {
                Err(self.refused(format!("{} meanings are stated for {count} outputs", stated.len())))
            }
            None if self.gives_logits() => Ok(meanings_of_config(self.config, count)?),
            None => Ok(OutputMeaning::usual(count).unwrap_or_default()),
        }
    }

    fn card(&self, head: Option<&Head>, tokens: usize) -> Result<ModelCard, GraphError> {
        let Answer { signature, per_token, width, max_positions, element } = self.answer;
        let graph = match (head, per_token) {
            (None, _) => GraphKind::Logits,
            (Some(_), true) => GraphKind::Encoder,
            (Some(_), false) => GraphKind::Decoder,
        };
        let names = self.config.get("architectures").and_then(Value::as_array);
        Ok(ModelCard {
            format_version: FORMAT_VERSION,
            family: None,
            graph,
            element: *element,
            low_bits: None,
            in_f32: Vec::new(),
            width: *width,
            vocabulary_size: number(self.config, &["vocab_size"]).unwrap_or(tokens).max(tokens),
            max_positions: *max_positions,
            token_types: signature.inputs.iter().any(|input| input.role == InputRole::TypeIds),
            head: head.map(HeadForm::of),
            outputs: self.outputs(head.map_or(*width, Head::outputs))?,
            verdicts: Vec::new(),
            source: Source {
                architectures: names
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect(),
                stored_as: None,
                fresh_head: head.is_some(),
                left_out: Vec::new(),
            },
            files: BTreeMap::new(),
        })
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if matches!(self.options.head, HeadChoice::Fresh { .. }) {
            warnings.push("the head is fresh: its predictions mean nothing until it is trained".to_owned());
        }
        let roles: Vec<InputRole> = self.answer.signature.inputs.iter().map(|input| input.role).collect();
        let masked = [InputRole::AttentionMask, InputRole::LastPosition];
        if !masked.iter().any(|role| roles.contains(role)) {
            let message =
                "it takes no attention mask: what it gives for a text may depend on the padding of its batch";
            warnings.push(message.to_owned());
        } else if self.gives_logits() {
            let message = "pooling and head are inside the graph: a prediction may depend on its batch in the last digits";
            warnings.push(message.to_owned());
        }
        warnings
    }
}
