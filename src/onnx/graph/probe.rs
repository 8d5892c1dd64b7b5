//! What an ONNX file made elsewhere takes and gives: asked of a session on it.

use std::path::Path;

use super::GraphError;
use crate::checkpoint::Element;
use crate::onnx::{BatchOutput, Device, PoolOptions, SessionError, SessionPool, Signature};

/// Texts longer than this are not tried out, because attention over them is slow on a processor.
const LONGEST_TRIED: usize = 1024;

/// What is asked of a graph.
pub(super) struct Question<'a> {
    /// The file to open.
    pub(super) graph: &'a Path,
    /// The file that messages name.
    pub(super) named: &'a Path,
    /// The highest token id.
    pub(super) highest_id: usize,
    /// The longest text, as `config.json` has it.
    pub(super) positions: Option<usize>,
    /// The longest text, as the caller states it.
    pub(super) max_tokens: Option<usize>,
}

/// What it answers.
pub(super) struct Answer {
    /// Its inputs and the output that is read.
    pub(super) signature: Signature,
    /// Whether it gives a row of numbers for each token, or one for each text.
    pub(super) per_token: bool,
    /// Numbers of such a row.
    pub(super) width: usize,
    /// The longest text, in tokens.
    pub(super) max_positions: usize,
    /// The number type of the output.
    pub(super) element: Element,
}

/// Opens the graph and tries three texts: a short one, the highest token id, and one as long as may be.
///
/// # Errors
/// `GraphError` that names the file and what it cannot do.
pub(super) fn ask(question: &Question<'_>) -> Result<Answer, GraphError> {
    let options = PoolOptions::for_threads(Device::CPU, 1);
    let pool = SessionPool::open(question.graph, &options).map_err(|error| question.renamed(error))?;
    let signature = pool.report().signature.clone();
    let probe = Probe { pool: &pool, question };
    let short = probe
        .run(&[0])
        .map_err(|message| question.refused(format!("it fails on a text of one token: {message}")))?;
    let id = u32::try_from(question.highest_id).unwrap_or(u32::MAX);
    probe.run(&[id]).map_err(|message| {
        question.refused(format!(
            "it fails on token id {id}, the highest of `tokenizer.json`, so that the tokenizer is not the one of the \
             model: {message}"
        ))
    })?;
    Ok(Answer {
        per_token: short.is_per_token(),
        width: short.width(),
        max_positions: probe.max_positions(signature.fixed_sequence)?,
        element: match signature.element {
            crate::onnx::Element::F16 => Element::F16,
            crate::onnx::Element::Bf16 => Element::Bf16,
            _ => Element::F32,
        },
        signature,
    })
}

impl Question<'_> {
    fn refused(&self, message: String) -> GraphError {
        GraphError::Foreign { path: self.named.to_owned(), message }
    }

    /// Whoever reads the message knows the file, not its copy in the growing folder.
    fn renamed(&self, error: SessionError) -> GraphError {
        let path = self.named.to_owned();
        let copy = self.graph.display().to_string();
        let plain = |message: String| message.replace(&copy, &path.display().to_string());
        GraphError::Session(match error {
            SessionError::Model { message, .. } => {
                SessionError::Model { message: plain(message), path: path.clone() }
            }
            SessionError::Signature { message, .. } => {
                SessionError::Signature { message: plain(message), path: path.clone() }
            }
            other => other,
        })
    }
}

struct Probe<'a> {
    pool: &'a SessionPool,
    question: &'a Question<'a>,
}

impl Probe<'_> {
    fn run(&self, ids: &[u32]) -> Result<BatchOutput, String> {
        let mut line = self.pool.line();
        line.submit(0, &[(ids, &vec![0; ids.len()])]).map_err(|error| error.to_string())?;
        let (_, output) = line.receive().ok_or("the session ended")?;
        output.map_err(|error| error.to_string())
    }

    fn runs(&self, tokens: usize) -> Result<(), String> {
        self.run(&vec![0; tokens.min(LONGEST_TRIED)]).map(|_| ())
    }

    fn max_positions(&self, fixed: Option<usize>) -> Result<usize, GraphError> {
        let Question { positions, max_tokens, .. } = *self.question;
        let known = [positions, fixed].into_iter().flatten().min();
        let Some(limit) = known.or(max_tokens) else {
            return Err(self.question.refused(
                "neither the graph nor a `config.json` beside it says how long a text may be; state it with \
                 `--max-tokens N`"
                    .to_owned(),
            ));
        };
        let Err(message) = self.runs(limit) else { return Ok(limit) };
        match max_tokens {
            Some(stated) if stated < limit && self.runs(stated).is_ok() => Ok(stated),
            _ => Err(self.question.refused(format!(
                "it fails on a text of {limit} tokens: {message}; state how long a text may be with `--max-tokens N`"
            ))),
        }
    }
}
