//! All heads of a group of texts at once.

use candle_core::{D, Tensor};

use super::super::{HeadForm, Projected};
use super::groups::Group;
use super::products::{times, times_turned, turned_times};
use crate::compute::ComputeError;
use crate::compute::tape::Value;

/// The gradients of a group: of its tokens, and of what all texts share.
pub(super) struct HeadsBack {
    /// Of queries, keys and values: [tokens of the group, heads x width].
    pub(super) tokens: [Tensor; 3],
    /// Of the scores as the bias has made them, summed over the texts: [heads, length, length]; only where one is trained.
    pub(super) biased: Option<Tensor>,
    /// Of keys and queries of distances: [rows of the table, heads x width]; none of those that are frozen.
    pub(super) distances: [Option<Tensor>; 2],
}

/// Queries, keys and values of a group, [texts x asked, places of the heads that ask, width].
pub(super) struct Heads<'a> {
    form: HeadForm,
    group: &'a Group,
    projected: &'a Projected,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    /// Keys (what contents ask) and queries (what asks contents) of distances.
    distances: [Option<ByDistance>; 2],
}

/// One side of contents and distances.
struct ByDistance {
    /// [heads, rows, width].
    table: Tensor,
    /// The row of the table for each place of the content's text and each place that it looks at or is looked at from:
    /// [heads, texts, length, length].
    index: Tensor,
}

impl<'a> Heads<'a> {
    pub(super) fn new(
        form: HeadForm,
        projected: &'a Projected,
        group: &'a Group,
    ) -> Result<Self, ComputeError> {
        let padded = |x: &Value| group.padded(&x.tensor, form.key_value_heads, form.width);
        let side = |turned: bool, table: Option<&Value>| {
            table.map(|table| by_distance((form, projected), group, (turned, table))).transpose()
        };
        Ok(Self {
            form,
            group,
            projected,
            query: padded(&projected.query)?,
            key: padded(&projected.key)?,
            value: padded(&projected.value)?,
            distances: [
                side(false, projected.distance(|all| &all.key))?,
                side(true, projected.distance(|all| &all.query))?,
            ],
        })
    }

    /// [texts, heads, length, length]: asking, asked.
    fn by_texts(&self, scores: &Tensor) -> Result<Tensor, ComputeError> {
        let Group { texts, length, .. } = *self.group;
        Ok(scores.reshape((texts, self.form.heads, length, length))?)
    }

    /// [texts x asked, places of the heads that ask, length].
    fn by_asked(&self, scores: &Tensor) -> Result<Tensor, ComputeError> {
        Ok(scores.reshape((self.group.texts * self.form.key_value_heads, (), self.group.length))?)
    }

    /// The scores before they are scaled: [texts, heads, length, length].
    fn raw_scores(&self) -> Result<Tensor, ComputeError> {
        let mut scores = self.by_texts(&times_turned(&self.query, &self.key)?)?;
        for (which, side) in self.distances.iter().enumerate() {
            let Some(side) = side else { continue };
            let by_row = times_turned(&self.content(which)?, &side.table)?;
            let (heads, rows) = (self.form.heads, side.table.dim(1)?);
            let by_row = by_row.reshape((heads, self.group.texts, self.group.length, rows))?;
            let by_place = by_row.gather(&side.index, 3)?;
            let by_place = if which == 0 { by_place } else { by_place.transpose(2, 3)? };
            scores = (scores + by_place.transpose(0, 1)?)?;
        }
        Ok(scores)
    }

    /// What meets the distances: queries or keys as [heads, texts x length, width].
    fn content(&self, which: usize) -> Result<Tensor, ComputeError> {
        let Group { texts, length, .. } = *self.group;
        let content = if which == 0 { &self.query } else { &self.key };
        let (heads, width) = (self.form.heads, self.form.width);
        let content = content.reshape((texts, heads, length, width))?.transpose(0, 1)?.contiguous()?;
        Ok(content.reshape((heads, texts * length, width))?)
    }

    /// The probabilities, [texts, heads, length, length], and the slopes of the cap where there is one; 0 of a place
    /// that sees nothing.
    fn probabilities(&self) -> Result<(Tensor, Option<Tensor>), ComputeError> {
        let mut scores = (self.raw_scores()? * f64::from(self.form.scale))?;
        let mut slopes = None;
        if let Some(cap) = self.form.cap.map(f64::from) {
            let t = (scores / cap)?.tanh()?;
            slopes = Some((t.sqr()?.neg()? + 1.0)?);
            scores = (t * cap)?;
        }
        if let Some(bias) = &self.projected.bias {
            let length = self.group.length;
            let bias = bias.tensor.narrow(1, 0, length)?.narrow(2, 0, length)?.unsqueeze(0)?;
            scores = scores.broadcast_add(&bias)?;
        }
        let scores = scores.broadcast_add(&self.group.hidden)?;
        let scores = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?;
        let powers = scores.exp()?.broadcast_mul(&self.group.visible)?;
        // The largest power is 1, and the sum of a place that sees nothing 0.
        let sums = powers.sum_keepdim(D::Minus1)?.maximum(0.5)?;
        Ok((powers.broadcast_div(&sums)?, slopes))
    }

    /// What the heads gather: [tokens of the group, heads x width].
    pub(super) fn forward(&self) -> Result<Tensor, ComputeError> {
        let (probabilities, _) = self.probabilities()?;
        let gathered = times(&self.by_asked(&probabilities)?, &self.value)?;
        self.group.packed(&gathered, self.form.key_value_heads)
    }

    /// From the gradient of what all heads of all texts gathered: [tokens, heads x width].
    pub(super) fn backward(&self, gradient: &Tensor) -> Result<HeadsBack, ComputeError> {
        let asked = self.form.key_value_heads;
        let gradient = self.group.padded(gradient, asked, self.form.width)?;
        let (probabilities, slopes) = self.probabilities()?;
        let value = turned_times(&self.by_asked(&probabilities)?, &gradient)?;
        let back = self.by_texts(&times_turned(&gradient, &self.value)?)?;
        let mean = (&back * &probabilities)?.sum_keepdim(D::Minus1)?;
        let back = (back.broadcast_sub(&mean)? * probabilities)?;
        let is_trained = |value: Option<&Value>| value.is_some_and(|value| value.node.is_some());
        let biased = is_trained(self.projected.bias.as_ref()).then(|| back.sum(0)).transpose()?;
        let mut back = (back * f64::from(self.form.scale))?;
        if let Some(slopes) = slopes {
            back = (back * slopes)?;
        }
        let by_asked = self.by_asked(&back)?;
        let mut own = [times(&by_asked, &self.key)?, turned_times(&by_asked, &self.query)?];
        let trained = [
            is_trained(self.projected.distance(|all| &all.key)),
            is_trained(self.projected.distance(|all| &all.query)),
        ];
        let mut distances = [None, None];
        for (which, side) in self.distances.iter().enumerate() {
            let Some(side) = side else { continue };
            let by_row = self.gathered_by_row(&back, which, side)?;
            own[which] = (&own[which] + self.content_back(&times(&by_row, &side.table)?)?)?;
            if trained[which] {
                let of_table = turned_times(&by_row, &self.content(which)?)?.transpose(0, 1)?;
                distances[which] = Some(of_table.contiguous()?.reshape((side.table.dim(1)?, ()))?);
            }
        }
        let [query, key] = own;
        let packed = |heads: &Tensor| self.group.packed(heads, asked);
        Ok(HeadsBack { tokens: [packed(&query)?, packed(&key)?, packed(&value)?], biased, distances })
    }

    /// The gradient of a score for each row of the table: [heads, texts x length, rows].
    fn gathered_by_row(
        &self,
        back: &Tensor,
        which: usize,
        side: &ByDistance,
    ) -> Result<Tensor, ComputeError> {
        let Group { texts, length, .. } = *self.group;
        let (heads, rows) = (self.form.heads, side.table.dim(1)?);
        let back = back.transpose(0, 1)?;
        let back = if which == 0 { back } else { back.transpose(2, 3)? }.contiguous()?;
        let sums = Tensor::zeros((heads, texts, length, rows), back.dtype(), back.device())?;
        Ok(sums.scatter_add(&side.index, &back, 3)?.reshape((heads, texts * length, rows))?)
    }

    /// The way back of `content`.
    fn content_back(&self, gradient: &Tensor) -> Result<Tensor, ComputeError> {
        let Group { texts, length, .. } = *self.group;
        let (heads, width) = (self.form.heads, self.form.width);
        let gradient = gradient.reshape((heads, texts, length, width))?.transpose(0, 1)?.contiguous()?;
        Ok(gradient.reshape((texts * heads, length, width))?)
    }
}

fn by_distance(
    (form, projected): (HeadForm, &Projected),
    group: &Group,
    (turned, table): (bool, &Value),
) -> Result<ByDistance, ComputeError> {
    if form.heads != form.key_value_heads {
        let message = "heads that share their keys have no contents and distances".to_owned();
        return Err(ComputeError::Batch(message));
    }
    let rows = projected.distances.as_ref().map_or(&[][..], |all| &all.rows);
    let (length, middle) = (group.length, rows.len() / 2);
    let pairs = (0..length).flat_map(|first| (0..length).map(move |second| (first, second)));
    let row = |(first, second): (usize, usize)| {
        let [asking, asked] = if turned { [second, first] } else { [first, second] };
        u32::try_from(rows[middle + asking - asked])
    };
    let index: Vec<u32> =
        pairs.map(row).collect::<Result<_, _>>().map_err(|error| ComputeError::Batch(error.to_string()))?;
    let index = Tensor::from_vec(index, (1, 1, length, length), table.tensor.device())?;
    let index = index.broadcast_as((form.heads, group.texts, length, length))?.contiguous()?;
    let table = table.tensor.reshape(((), form.heads, form.width))?.transpose(0, 1)?.contiguous()?;
    Ok(ByDistance { table, index })
}
