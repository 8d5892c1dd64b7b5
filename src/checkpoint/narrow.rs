//! A matrix in less than f32, decoded where it is used.
#![allow(clippy::inline_always, reason = "a call that is not inlined runs without vector instructions")]

use half::bf16;
use rayon::prelude::*;

use super::{
    BlockRow, CheckpointError, Element, IntegerType, LowBits, NarrowForm, StoredTensor, blocks_of_row,
    bytes_of_block, bytes_of_zero_points, round_row,
};

/// How many numbers are rounded at a time, so that no f32 copy of a whole table is ever in memory.
const CHUNK: usize = 1 << 20;

/// A frozen matrix in narrow numbers, rows first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NarrowMatrix {
    rows: usize,
    width: usize,
    numbers: Numbers,
}

#[derive(Clone, Debug, PartialEq)]
enum Numbers {
    /// The bits of each.
    Bf16(Vec<u16>),
    /// Row by row as [`BlockRow`] has them.
    Blocks { form: LowBits, numbers: Vec<u8>, scales: Vec<f32>, zero_points: Vec<u8> },
}

/// What a narrow matrix is stored as, for what decodes it elsewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NarrowParts<'a> {
    /// The bits of each number.
    Bf16(&'a [u16]),
    /// Row by row: the whole numbers as they are packed, and the scale of each block.
    Blocks {
        /// What a number is stored as, and how many share a scale.
        form: LowBits,
        /// Rows of blocks; the first of a pair of 4 bits is in the low half.
        numbers: &'a [u8],
        /// One a block.
        scales: &'a [f32],
    },
}

impl NarrowForm {
    /// Bytes that a matrix takes in memory, as `NarrowMatrix::bytes` counts them.
    #[must_use]
    pub fn bytes(self, rows: usize, width: usize) -> usize {
        match self {
            Self::Bf16 => rows * width * size_of::<u16>(),
            Self::Blocks(form) => {
                let of_block = bytes_of_block(form) + size_of::<f32>();
                rows * (blocks_of_row(form, width) * of_block + bytes_of_zero_points(form, width))
            }
        }
    }
}

impl NarrowMatrix {
    /// Rounds a stored weight, some rows at a time.
    ///
    /// # Errors
    /// `CheckpointError::Overflow` for a number that is not finite, or not in bf16.
    pub(crate) fn of(stored: &StoredTensor<'_>, form: NarrowForm) -> Result<Self, CheckpointError> {
        let width = stored.shape.iter().skip(1).product::<usize>();
        let numbers = match form {
            NarrowForm::Bf16 => Numbers::Bf16(Vec::new()),
            NarrowForm::Blocks(form) => {
                Numbers::Blocks { form, numbers: vec![], scales: vec![], zero_points: vec![] }
            }
        };
        let mut matrix = Self { rows: stored.shape.first().copied().unwrap_or(0), width, numbers };
        matrix.reserve();
        let rows_at_a_time = (CHUNK / width.max(1)).max(1);
        for bytes in stored.bytes.chunks(rows_at_a_time * width.max(1) * stored.element.size()) {
            matrix.push(&stored.element.decode(bytes), stored.name)?;
        }
        Ok(matrix)
    }

    /// Rounds numbers, for tests.
    #[cfg(test)]
    pub(crate) fn of_values(values: &[f32], width: usize, form: NarrowForm) -> Result<Self, CheckpointError> {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let stored = StoredTensor {
            name: "layer.weight",
            element: Element::F32,
            shape: &[values.len() / width, width],
            bytes: bytes.into(),
            merged: false,
            file: std::path::Path::new("f"),
            offset: 0,
        };
        Self::of(&stored, form)
    }

    fn reserve(&mut self) {
        let (rows, width) = (self.rows, self.width);
        match &mut self.numbers {
            Numbers::Bf16(bits) => bits.reserve_exact(rows * width),
            Numbers::Blocks { form, numbers, scales, zero_points } => {
                let blocks = blocks_of_row(*form, width);
                numbers.reserve_exact(rows * blocks * bytes_of_block(*form));
                scales.reserve_exact(rows * blocks);
                zero_points.reserve_exact(rows * bytes_of_zero_points(*form, width));
            }
        }
    }

    /// Adds whole rows; `name` says of which weight.
    fn push(&mut self, values: &[f32], name: &str) -> Result<(), CheckpointError> {
        match &mut self.numbers {
            Numbers::Bf16(bits) => {
                for &value in values {
                    let rounded = bf16::from_f32(value);
                    if !rounded.is_finite() {
                        let element = Element::Bf16.name();
                        return Err(CheckpointError::Overflow { name: name.to_owned(), element, value });
                    }
                    bits.push(rounded.to_bits());
                }
            }
            Numbers::Blocks { form, numbers, scales, zero_points } => {
                let rows = values.par_chunks(self.width.max(1));
                let rounded = rows.map(|row| round_row(row, *form, Element::F32, name));
                for row in rounded.collect::<Result<Vec<BlockRow>, _>>()? {
                    numbers.extend(row.numbers);
                    scales.extend(Element::F32.decode(&row.scales));
                    zero_points.extend(row.zero_points);
                }
            }
        }
        Ok(())
    }

    /// Rows and numbers of a row.
    pub(crate) fn shape(&self) -> (usize, usize) {
        (self.rows, self.width)
    }

    /// Bytes that it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        match &self.numbers {
            Numbers::Bf16(bits) => size_of_val(bits.as_slice()),
            Numbers::Blocks { numbers, scales, zero_points, .. } => {
                numbers.len() + size_of_val(scales.as_slice()) + zero_points.len()
            }
        }
    }

    /// What it is stored as.
    pub(crate) fn parts(&self) -> NarrowParts<'_> {
        match &self.numbers {
            Numbers::Bf16(bits) => NarrowParts::Bf16(bits),
            Numbers::Blocks { form, numbers, scales, .. } => {
                NarrowParts::Blocks { form: *form, numbers, scales }
            }
        }
    }

    /// The zero point of every block, a byte each; none of bf16.
    pub(crate) fn zero_points(&self) -> Vec<u8> {
        let Numbers::Blocks { form, zero_points, .. } = &self.numbers else { return Vec::new() };
        let blocks = blocks_of_row(*form, self.width);
        let rows = zero_points.chunks_exact(bytes_of_zero_points(*form, self.width).max(1));
        let of_row = |row: &[u8]| -> Vec<u8> {
            match form.weights {
                IntegerType::Int8 => row.to_vec(),
                IntegerType::Int4 => {
                    row.iter().flat_map(|byte| [byte & 15, byte >> 4]).take(blocks).collect()
                }
            }
        };
        rows.flat_map(of_row).collect()
    }

    /// The numbers that a row stands for, into as many places.
    #[inline(always)]
    pub(crate) fn decode_row(&self, row: usize, out: &mut [f32]) {
        match &self.numbers {
            Numbers::Bf16(bits) => {
                let bits = &bits[row * self.width..][..self.width];
                out.iter_mut().zip(bits).for_each(|(out, &bits)| *out = widened(bits));
            }
            Numbers::Blocks { form, numbers, scales, zero_points } => {
                let (blocks, zero_bytes) =
                    (blocks_of_row(*form, self.width), bytes_of_zero_points(*form, self.width));
                let block_bytes = bytes_of_block(*form);
                let scales = &scales[row * blocks..][..blocks];
                let zeros = &zero_points[row * zero_bytes..][..zero_bytes];
                let numbers = numbers[row * blocks * block_bytes..].chunks_exact(block_bytes.max(1));
                let outs = out.chunks_mut(form.block_size.max(1));
                for (block, ((out, numbers), &scale)) in outs.zip(numbers).zip(scales).enumerate() {
                    match form.weights {
                        IntegerType::Int8 => bytes_decoded(numbers, (f32::from(zeros[block]), scale), out),
                        IntegerType::Int4 => {
                            let zero = halves(zeros[block / 2])[block % 2];
                            halves_decoded(numbers, (zero, scale), out);
                        }
                    }
                }
            }
        }
    }

    /// All the numbers that it stands for, as a stored weight has them: bf16 as such, blocks in f32.
    pub(super) fn stored(&self) -> (Element, Vec<u8>) {
        if let Numbers::Bf16(bits) = &self.numbers {
            return (Element::Bf16, bits.iter().flat_map(|bits| bits.to_le_bytes()).collect());
        }
        let row_bytes = (self.width * size_of::<f32>()).max(1);
        let mut bytes = vec![0; self.rows * self.width * size_of::<f32>()];
        bytes.par_chunks_exact_mut(row_bytes).enumerate().for_each(|(row, bytes)| {
            let mut values = vec![0.0; self.width];
            self.decode_row(row, &mut values);
            let places = bytes.as_chunks_mut::<4>().0;
            places.iter_mut().zip(values).for_each(|(place, value)| *place = value.to_le_bytes());
        });
        (Element::F32, bytes)
    }
}

/// A bf16 is the upper half of an f32.
#[inline(always)]
fn widened(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[inline(always)]
fn halves(byte: u8) -> [f32; 2] {
    [f32::from(byte & 15), f32::from(byte >> 4)]
}

#[inline(always)]
fn bytes_decoded(numbers: &[u8], (zero, scale): (f32, f32), out: &mut [f32]) {
    out.iter_mut().zip(numbers).for_each(|(out, &number)| *out = (f32::from(number) - zero) * scale);
}

#[inline(always)]
fn halves_decoded(numbers: &[u8], (zero, scale): (f32, f32), out: &mut [f32]) {
    let (pairs, last) = out.as_chunks_mut::<2>();
    for (pair, &byte) in pairs.iter_mut().zip(numbers) {
        *pair = halves(byte).map(|number| (number - zero) * scale);
    }
    if let ([last], Some(&byte)) = (last, numbers.get(pairs.len())) {
        *last = (halves(byte)[0] - zero) * scale;
    }
}

#[cfg(test)]
mod tests {
    use super::super::BaseNumbers;
    use super::*;

    fn narrow(values: &[f32], width: usize, base: BaseNumbers) -> Result<NarrowMatrix, CheckpointError> {
        NarrowMatrix::of_values(values, width, base.of_maps().unwrap())
    }

    fn decoded(matrix: &NarrowMatrix) -> Vec<f32> {
        let (rows, width) = matrix.shape();
        let mut values = vec![0.0; rows * width];
        values.chunks_exact_mut(width).enumerate().for_each(|(row, out)| matrix.decode_row(row, out));
        values
    }

    fn values(count: usize) -> Vec<f32> {
        (0..count).map(|n| ((n * 7919 + 5) % 1013) as f32 / 506.0 - 1.0).collect()
    }

    #[test]
    fn numbers_are_off_by_half_a_step_at_most_whatever_the_width() {
        // 77 is no whole number of blocks, and odd.
        for (base, most) in [
            (BaseNumbers::Bf16, 1.0 / 256.0),
            (BaseNumbers::Int8, 2.0 / 255.0 * 0.51),
            (BaseNumbers::Int4, 2.0 / 15.0 * 0.51),
        ] {
            for width in [1, 77, 96] {
                let values = values(5 * width);
                let found = decoded(&narrow(&values, width, base).unwrap());
                let worst = values.iter().zip(&found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(worst <= most, "{base:?} {width}: {worst}");
            }
        }
    }

    #[test]
    fn a_stored_weight_has_the_same_numbers() {
        for base in [BaseNumbers::Bf16, BaseNumbers::Int8, BaseNumbers::Int4] {
            let matrix = narrow(&values(6 * 45), 45, base).unwrap();
            assert_eq!(base.of_maps().unwrap().bytes(6, 45), matrix.bytes(), "{base:?}");
            let (element, bytes) = matrix.stored();
            assert_eq!(element.decode(&bytes), decoded(&matrix), "{base:?}");
        }
    }

    #[test]
    fn rows_that_are_rounded_in_several_parts_are_those_of_the_whole() {
        let (width, rows) = (1024, 2 * CHUNK / 1024 + 3);
        let all = values(rows * width);
        for base in [BaseNumbers::Bf16, BaseNumbers::Int4] {
            let whole = narrow(&all, width, base).unwrap();
            let last = narrow(&all[(rows - 1) * width..], width, base).unwrap();
            let mut row = vec![0.0; width];
            whole.decode_row(rows - 1, &mut row);
            assert_eq!(row, decoded(&last), "{base:?}");
        }
    }

    #[test]
    fn bytes_fall_to_a_half_to_two_sevenths_and_to_a_sixth() {
        let (rows, width) = (64, 768);
        let f32_bytes = (4 * rows * width) as f64;
        for (base, share) in
            [(BaseNumbers::Bf16, 16.0), (BaseNumbers::Int8, 9.25), (BaseNumbers::Int4, 5.125)]
        {
            let bytes = narrow(&values(rows * width), width, base).unwrap().bytes() as f64;
            println!("{base:?}: 1/{:.2}", f32_bytes / bytes);
            assert_eq!(bytes / f32_bytes, share / 32.0, "{base:?}");
        }
    }

    #[test]
    fn a_weight_that_is_no_number_is_named() {
        for base in [BaseNumbers::Bf16, BaseNumbers::Int8] {
            for wrong in [f32::NAN, f32::INFINITY, f32::MAX] {
                let error = narrow(&[1.0, wrong], 2, base).err().map(|error| error.to_string());
                // The largest f32 is no bf16, and a scale of 8 bits holds it.
                if (base, wrong) == (BaseNumbers::Int8, f32::MAX) {
                    assert_eq!(error, None);
                } else {
                    assert!(error.unwrap().contains("`layer.weight`"), "{base:?} {wrong}");
                }
            }
        }
    }
}
