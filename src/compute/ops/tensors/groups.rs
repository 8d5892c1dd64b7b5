//! Texts that are computed in one rectangle, and the way between it and the tokens that stand one behind the other.

use std::ops::Range;

use candle_core::{Device, Tensor};

use crate::architectures::Mask;
use crate::compute::ComputeError;
use crate::compute::kernels::scores::seen;
use crate::compute::packed::Row;

/// Numbers of the scores of all heads of a group, at most, where it has several texts: 512 MiB.
pub(in super::super::super) const MOST_SCORES: usize = 1 << 27;

/// The row of a gather that is none: what stands there is 0.
const NOTHING: u32 = u32::MAX;

/// Neighbouring texts in one rectangle [texts, length].
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) texts: usize,
    pub(super) length: usize,
    /// Their tokens among all.
    tokens: Range<usize>,
    /// The token at each place of the rectangle.
    token_of_place: Tensor,
    /// The place of each token in it.
    place_of_token: Tensor,
    /// 0 where a place sees another one, far below 0 where it does not: [texts, 1, length, length].
    pub(super) hidden: Tensor,
    /// 1 and 0 at the same places.
    pub(super) visible: Tensor,
}

/// Puts neighbours together as long as their scores stay below `most` numbers.
pub(super) fn ranges(rows: &[Row], heads: usize, most: usize) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let (mut from, mut length) = (0, 0);
    for (index, row) in rows.iter().enumerate() {
        let longer = length.max(row.length);
        if index > from && (index + 1 - from) * longer * longer * heads > most {
            ranges.push(from..index);
            (from, length) = (index, row.length);
        } else {
            length = longer;
        }
    }
    if from < rows.len() {
        ranges.push(from..rows.len());
    }
    ranges
}

impl Group {
    /// These texts, which stand one behind the other.
    pub(super) fn of(rows: &[Row], mask: Mask, device: &Device) -> Result<Self, ComputeError> {
        let (texts, length) = (rows.len(), rows.iter().map(|row| row.length).max().unwrap_or(0));
        let first = rows.first().map_or(0, |row| row.start);
        let count: usize = rows.iter().map(|row| row.length).sum();
        let index =
            |place: usize| u32::try_from(place).map_err(|error| ComputeError::Batch(error.to_string()));
        let mut token_of_place = vec![NOTHING; texts * length];
        let mut place_of_token = Vec::with_capacity(count);
        // Places see from one to another; those without a token see nothing.
        let mut ends = [vec![0.0f32; texts * length], vec![0.0f32; texts * length]];
        for (text, row) in rows.iter().enumerate() {
            for place in 0..row.length {
                let at = text * length + place;
                token_of_place[at] = index(row.start - first + place)?;
                place_of_token.push(index(at)?);
                let [from, to] = seen(mask, row.valid, place);
                (ends[0][at], ends[1][at]) = (from as f32, to as f32);
            }
        }
        let [from, to] = ends.map(|ends| Tensor::from_vec(ends, (texts, 1, length, 1), device));
        let places = Tensor::from_vec((0..length).map(|n| n as f32).collect(), (1, 1, 1, length), device)?;
        let [behind, before] = [places.broadcast_ge(&from?)?, places.broadcast_lt(&to?)?]
            .map(|seen| seen.to_dtype(candle_core::DType::F32));
        let visible = (behind? * before?)?;
        Ok(Self {
            texts,
            length,
            tokens: first..first + count,
            token_of_place: Tensor::from_vec(token_of_place, texts * length, device)?,
            place_of_token: Tensor::from_vec(place_of_token, count, device)?,
            hidden: ((&visible - 1.0)? * 1e30)?,
            visible,
        })
    }

    /// Heads [tokens, heads x width] of all tokens in the form [texts x asked, asking of one x length, width]: those that
    /// ask the same one stand behind each other, so that one product serves them. 0 where there is no token.
    pub(super) fn padded(&self, x: &Tensor, asked: usize, width: usize) -> Result<Tensor, ComputeError> {
        let own = x.narrow(0, self.tokens.start, self.tokens.len())?.contiguous()?;
        let places = own.index_select(&self.token_of_place, 0)?;
        let heads = places.reshape((self.texts, self.length, asked, (), width))?.permute((0, 2, 3, 1, 4))?;
        Ok(heads.contiguous()?.reshape((self.texts * asked, (), width))?)
    }

    /// The way back of it: [tokens of the group, heads x width].
    pub(super) fn packed(&self, heads: &Tensor, asked: usize) -> Result<Tensor, ComputeError> {
        let width = heads.dim(2)?;
        let heads = heads.reshape((self.texts, asked, (), self.length, width))?;
        let places = heads.permute((0, 3, 1, 2, 4))?.contiguous()?.reshape((self.texts * self.length, ()))?;
        Ok(places.index_select(&self.place_of_token, 0)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::numbers::copied;

    fn rows(lengths: &[usize]) -> Vec<Row> {
        let mut start = 0;
        let row = |&length: &usize| {
            start += length;
            Row { start: start - length, length, valid: [0, length] }
        };
        lengths.iter().map(row).collect()
    }

    #[test]
    fn neighbours_share_a_rectangle_as_long_as_it_is_small() {
        assert_eq!(ranges(&rows(&[2, 3, 2, 5, 1]), 2, 40), [0..2, 2..3, 3..4, 4..5]);
        assert_eq!(ranges(&rows(&[2, 3, 2, 9]), 2, 54), [0..3, 3..4]);
        assert!(ranges(&[], 2, 1).is_empty());
    }

    #[test]
    fn what_is_padded_and_packed_again_is_the_same() {
        let all = rows(&[1, 3, 2]);
        let group = Group::of(&all[1..], Mask::Causal, &Device::Cpu).unwrap();
        let values: Vec<f32> = (0..6 * 8).map(|n| n as f32).collect();
        let x = Tensor::from_vec(values.clone(), (6, 8), &Device::Cpu).unwrap();
        let padded = group.padded(&x, 2, 2).unwrap();
        assert_eq!(padded.dims(), [4, 6, 2]);
        // The third place of the second text holds no token.
        assert_eq!(copied(&padded.narrow(0, 2, 1).unwrap().narrow(1, 2, 1).unwrap()).unwrap(), [0.0, 0.0]);
        assert_eq!(copied(&group.packed(&padded, 2).unwrap()).unwrap(), values[8..]);
        let visible = copied(&group.visible).unwrap();
        assert_eq!(visible[..9], [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0]);
        assert_eq!(visible[9..], [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
