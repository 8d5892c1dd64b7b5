//! The steps that are recorded, each with its way back.

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

pub(super) use affine::{Adapter, Affine, affine};
pub(super) use attention::{Distances, HeadForm, Projected, attend, distance_bias};
pub(super) use elementwise::{activate, add, gated, multiply};
pub(super) use embedding::{Lookup, embed};
pub(super) use matrix::Matrix;
pub(super) use norm::normalise;
pub(super) use pooling::{last_places, pool};
pub(super) use rotary::{Turns, rotate};
