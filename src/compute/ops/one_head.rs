use candle_core::Tensor;

use super::attention::{HeadForm, Projected};
use crate::compute::ComputeError;
use crate::compute::engine::Steps;
use crate::compute::kernels::scores::ScoreForm;
use crate::compute::kernels::vectorised;
use crate::compute::numbers::{change, numbers, tensor};
use crate::compute::packed::Row;
use crate::compute::tape::{Value, sum};

/// The gradients of one head of one text.
pub(super) struct HeadBack {
    pub(super) query: Tensor,
    pub(super) key: Tensor,
    pub(super) value: Tensor,
    /// Of the scores as the bias has made them; empty where none is trained.
    pub(super) biased: Vec<f32>,
    /// Of keys and queries of distances; none of those that are frozen.
    pub(super) distances: [Option<Tensor>; 2],
}

/// One head of one text.
pub(super) struct OneHead<'a> {
    query: Tensor,
    key: Tensor,
    value: Tensor,
    /// Keys and queries of distances: [rows of the table, width].
    distances: [Option<Tensor>; 2],
    /// Which gradients are wanted: of the bias, of keys and of queries of distances.
    wanted: [bool; 3],
    /// The row of the table for each distance from `1 - length`.
    distance_rows: &'a [usize],
    scores: ScoreForm<'a>,
    row: Row,
    columns: [usize; 2],
}

impl<'a> OneHead<'a> {
    /// A head of the text that stands at `row`.
    pub(super) fn new(
        (form, projected): (HeadForm, &'a Projected),
        bias: Option<(&'a [f32], usize)>,
        row: Row,
        head: usize,
    ) -> Result<Self, ComputeError> {
        let asked = head / (form.heads / form.key_value_heads);
        let columns = |x: &Tensor, head: usize| x.narrow(1, head * form.width, form.width);
        let view = |x: &Value, head: usize| columns(&x.tensor.narrow(0, row.start, row.length)?, head);
        let scores = ScoreForm {
            scale: form.scale,
            cap: form.cap,
            bias: bias.map(|(bias, places)| (&bias[head * places * places..][..places * places], places)),
            mask: form.mask,
            valid: row.valid,
            length: row.length,
        };
        let all = projected.distances.as_ref();
        let of = |value: Option<&Value>| value.map(|value| columns(&value.tensor, head)).transpose();
        let rows = all.map_or(&[][..], |all| {
            let middle = all.rows.len() / 2;
            &all.rows[(middle + 1).saturating_sub(row.length)..]
        });
        let is_trained = |value: Option<&Value>| value.is_some_and(|value| value.node.is_some());
        Ok(Self {
            wanted: [
                is_trained(projected.bias.as_ref()),
                is_trained(projected.distance(|all| &all.key)),
                is_trained(projected.distance(|all| &all.query)),
            ],
            query: view(&projected.query, head)?,
            key: view(&projected.key, asked)?,
            value: view(&projected.value, asked)?,
            distances: [of(projected.distance(|all| &all.key))?, of(projected.distance(|all| &all.query))?],
            distance_rows: rows,
            scores,
            row,
            columns: [head * form.width, form.width],
        })
    }

    /// Which row of the table stands for the distance from the asking to the asked.
    fn distance_row(&self, asking: usize, asked: usize) -> usize {
        self.distance_rows[asking + self.row.length - 1 - asked]
    }

    /// The scores before they are scaled: [asking, asked].
    fn raw_scores(&self) -> Result<Tensor, ComputeError> {
        let scores = self.query.matmul(&self.key.t()?)?;
        let length = self.row.length;
        for (which, distances) in self.distances.iter().enumerate() {
            let Some(distances) = distances else { continue };
            let content = if which == 0 { &self.query } else { &self.key };
            let by_row = content.matmul(&distances.t()?)?;
            let (by_row, rows) = (numbers(&by_row)?, distances.dim(0)?);
            change(&scores, |scores| {
                for (asking, scores) in scores.chunks_exact_mut(length).enumerate() {
                    for (asked, score) in scores.iter_mut().enumerate() {
                        let place = if which == 0 { asking } else { asked };
                        *score += by_row[place * rows + self.distance_row(asking, asked)];
                    }
                }
            })?;
        }
        Ok(scores)
    }

    /// What it gathers: [places, width].
    pub(super) fn forward(&self) -> Result<Tensor, ComputeError> {
        let scores = self.raw_scores()?;
        change(&scores, |scores| vectorised(|| self.scores.probabilities(scores, None)))?;
        Ok(scores.matmul(&self.value)?)
    }

    /// From the gradient of what all heads gathered: [tokens, heads x width].
    pub(super) fn backward(&self, gradient: &Tensor) -> Result<HeadBack, ComputeError> {
        let [column, width] = self.columns;
        let gradient = gradient.narrow(0, self.row.start, self.row.length)?.narrow(1, column, width)?;
        let scores = self.raw_scores()?;
        let mut slopes = self.scores.cap.map(|_| vec![0.0; self.row.length * self.row.length]);
        change(&scores, |scores| {
            vectorised(|| self.scores.probabilities(scores, slopes.as_deref_mut()));
        })?;
        let value = scores.t()?.matmul(&gradient)?;
        let back = gradient.matmul(&self.value.t()?)?;
        let probabilities = numbers(&scores)?;
        change(&back, |back| vectorised(|| self.scores.back(back, &probabilities)))?;
        let biased = if self.wanted[0] { numbers(&back)?.to_vec() } else { Vec::new() };
        let scale = self.scores.scale;
        change(&back, |back| match &slopes {
            None => back.iter_mut().for_each(|value| *value *= scale),
            Some(slopes) => back.iter_mut().zip(slopes).for_each(|(value, slope)| *value *= scale * slope),
        })?;
        let (mut query, mut key) = (back.matmul(&self.key)?, back.t()?.matmul(&self.query)?);
        let mut distances = [None, None];
        for (which, table) in self.distances.iter().enumerate() {
            let Some(table) = table else { continue };
            let by_row = self.gathered_by_row(&back, which, table.dim(0)?)?;
            let (content, own) = if which == 0 { (&self.query, &mut query) } else { (&self.key, &mut key) };
            *own = sum(Steps::Loops, own, &by_row.matmul(table)?)?;
            if self.wanted[which + 1] {
                distances[which] = Some(by_row.t()?.matmul(content)?);
            }
        }
        Ok(HeadBack { query, key, value, biased, distances })
    }

    /// The gradient of a score for each row of the table: [places, rows].
    fn gathered_by_row(&self, back: &Tensor, which: usize, rows: usize) -> Result<Tensor, ComputeError> {
        let length = self.row.length;
        let mut sums = vec![0.0f32; length * rows];
        for (asking, from) in numbers(back)?.chunks_exact(length).enumerate() {
            for (asked, value) in from.iter().enumerate() {
                let place = if which == 0 { asking } else { asked };
                sums[place * rows + self.distance_row(asking, asked)] += value;
            }
        }
        tensor(sums, &[length, rows])
    }
}
