//! The steps that are recorded, each with its way back: as loops, here, and on tensors, in `tensors`. Which of them
//! computes is a matter of the tape.

mod affine;
mod attention;
#[cfg(test)]
mod check;
mod elementwise;
mod embedding;
mod matrix;
mod norm;
mod one_head;
mod pooling;
mod rotary;
mod tensors;

use std::sync::Arc;

pub(super) use affine::{Adapter, Affine};
pub(super) use attention::{Distances, HeadForm, Projected, distance_bias};
pub(super) use elementwise::add;
pub(super) use embedding::Lookup;
pub(super) use matrix::Matrix;
pub(super) use rotary::Turns;
pub(super) use tensors::MOST_SCORES;

use super::ComputeError;
use super::engine::Steps;
use super::kernels::activations::Function;
use super::packed::Row;
use super::tape::{Tape, Value};
use crate::architectures::NormKind;
use crate::checkpoint::Pooling;

/// The sum of the rows that the lookups give: [tokens, width].
pub(super) fn embed(tape: &mut Tape, lookups: Vec<Lookup>) -> Result<Value, ComputeError> {
    match tape.steps() {
        Steps::Loops => embedding::embed(tape, lookups),
        Steps::Tensors => tensors::embed(tape, &lookups),
    }
}

/// Computes it and records the way back, which takes no gradient of what is frozen.
pub(super) fn affine(tape: &mut Tape, affine: Affine) -> Result<Value, ComputeError> {
    match tape.steps() {
        Steps::Loops => affine::affine(tape, affine),
        Steps::Tensors => tensors::affine(tape, affine),
    }
}

/// Normalises the last dimension of x; the weight and the bias are those of the norm.
pub(super) fn normalise(
    tape: &mut Tape,
    kind: (NormKind, f32),
    x: &Value,
    weights: [Option<Value>; 2],
) -> Result<Value, ComputeError> {
    match tape.steps() {
        Steps::Loops => norm::normalise(tape, kind, x, weights),
        Steps::Tensors => tensors::normalise(tape, kind, x, weights),
    }
}

/// Turns the two halves of each head against each other by the position of its row.
pub(super) fn rotate(tape: &mut Tape, turns: &Turns, x: &Value) -> Result<Value, ComputeError> {
    match tape.steps() {
        Steps::Loops => rotary::rotate(tape, turns, x),
        Steps::Tensors => tensors::rotate(tape, turns, x),
    }
}

/// The product.
pub(super) fn multiply(tape: &mut Tape, a: &Value, b: &Value) -> Result<Value, ComputeError> {
    match tape.steps() {
        Steps::Loops => elementwise::multiply(tape, a, b),
        Steps::Tensors => tensors::multiply(tape, a, b),
    }
}

/// The function of each number.
pub(super) fn activate(tape: &mut Tape, function: Function, x: &Value) -> Result<Value, ComputeError> {
    match tape.steps() {
        Steps::Loops => elementwise::activate(tape, function, x),
        Steps::Tensors => tensors::activate(tape, function, x),
    }
}

/// `function(gate) * up`.
pub(super) fn gated(
    tape: &mut Tape,
    function: Function,
    gate: &Value,
    up: &Value,
) -> Result<Value, ComputeError> {
    match tape.steps() {
        Steps::Loops => elementwise::gated(tape, function, gate, up),
        Steps::Tensors => tensors::gated(tape, function, gate, up),
    }
}

/// One vector a text from the states [tokens, width], by the formula of `checkpoint::Head`.
pub(super) fn pool(
    tape: &mut Tape,
    pooling: Pooling,
    rows: &Arc<[Row]>,
    x: &Value,
) -> Result<Value, ComputeError> {
    match tape.steps() {
        Steps::Loops => pooling::pool(tape, pooling, rows, x),
        Steps::Tensors => tensors::pool(tape, pooling, rows, x),
    }
}

/// The state of the last token of each text: [texts, width].
pub(super) fn last_places(tape: &mut Tape, rows: &Arc<[Row]>, x: &Value) -> Result<Value, ComputeError> {
    pool(tape, Pooling::Last, rows, x)
}

/// What the heads gather: [tokens, heads x width]. The probabilities are not kept: the way back computes them again
/// from queries and keys, so that memory grows with the tokens and not with the square of a text.
pub(super) fn attend(
    tape: &mut Tape,
    form: HeadForm,
    rows: &Arc<[Row]>,
    projected: Projected,
) -> Result<Value, ComputeError> {
    match tape.steps() {
        Steps::Loops => attention::attend(tape, form, rows, projected),
        Steps::Tensors => tensors::attend(tape, form, rows, projected),
    }
}
