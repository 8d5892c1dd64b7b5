//! Rows of a matrix as whole numbers: round to nearest in blocks that share a scale and a zero point.
//!
//! The scheme and the layout are those of ONNX Runtime's `MatMulNBits` and of its own block-wise quantiser: of the numbers
//! of a block and 0, `scale = (highest - lowest) / (2^bits - 1)`, `zero point = round(-lowest / scale)`, and each number
//! becomes `round(number / scale) + zero point`. So 0 stays exactly 0.

use super::{CheckpointError, Element, IntegerType, LowBits};

/// A row in the bytes that the operator reads.
pub(crate) struct BlockRow {
    /// The whole numbers, block after block; of 4 bits the first of a pair is in the low half.
    pub(crate) numbers: Vec<u8>,
    /// One scale a block, in the number type of the graph.
    pub(crate) scales: Vec<u8>,
    /// One zero point a block; of 4 bits the first of a pair is in the low half.
    pub(crate) zero_points: Vec<u8>,
    /// How far the row moved.
    pub(crate) moved: Moved,
}

/// Squares that say how far numbers moved: of the differences, and of the numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moved {
    differences: f64,
    numbers: f64,
}

impl Moved {
    /// Adds those of further numbers.
    pub(crate) fn add(&mut self, other: Self) {
        self.differences += other.differences;
        self.numbers += other.numbers;
    }

    /// The root of the mean square of the differences, as a share of that of the numbers.
    pub(crate) fn relative(self) -> f64 {
        if self.numbers > 0.0 { (self.differences / self.numbers).sqrt() } else { 0.0 }
    }
}

/// Blocks of a row of so many numbers.
pub(crate) fn blocks_of_row(form: LowBits, inputs: usize) -> usize {
    inputs.div_ceil(form.block_size.max(1))
}

/// Bytes of the whole numbers of a block.
pub(crate) fn bytes_of_block(form: LowBits) -> usize {
    form.block_size * form.weights.bits() / 8
}

/// Bytes of the zero points of a row.
pub(crate) fn bytes_of_zero_points(form: LowBits, inputs: usize) -> usize {
    (blocks_of_row(form, inputs) * form.weights.bits()).div_ceil(8)
}

/// Rounds a row. What its last block lacks is filled with numbers that stand for 0.
///
/// # Errors
/// `CheckpointError::Overflow` when a weight is not finite, or a scale is not in the graph's number type; `name` says of
/// which matrix.
pub(crate) fn round_row(
    row: &[f32],
    form: LowBits,
    element: Element,
    name: &str,
) -> Result<BlockRow, CheckpointError> {
    let blocks = || row.chunks(form.block_size.max(1));
    let wanted: Vec<f32> = blocks().map(|block| scale_of(block, form.weights)).collect();
    let scales = element.encode(&wanted, name)?;
    // The operator multiplies by the scale that is stored, so that the numbers are rounded to it.
    let stored = element.decode(&scales);
    let mut numbers = Vec::with_capacity(wanted.len() * form.block_size);
    let mut zero_points = Vec::with_capacity(wanted.len());
    let mut moved = Moved::default();
    for (block, scale) in blocks().zip(stored) {
        let zero = zero_point(block, scale, form.weights);
        let first = numbers.len();
        for &value in block {
            let number = rounded(value, scale, zero, form.weights);
            let back = (f32::from(number) - f32::from(zero)) * scale;
            moved.differences += f64::from(value - back).powi(2);
            moved.numbers += f64::from(value).powi(2);
            numbers.push(number);
        }
        numbers.resize(first + form.block_size, zero);
        zero_points.push(zero);
    }
    Ok(BlockRow { numbers: packed(numbers, form), scales, zero_points: packed(zero_points, form), moved })
}

fn scale_of(block: &[f32], weights: IntegerType) -> f32 {
    // A number that is not finite makes the scale so, which its encoding refuses.
    let ends = |[lowest, highest]: [f32; 2], &value: &f32| [lowest.min(value), highest.max(value)];
    let [lowest, highest] = block.iter().fold([0.0; 2], ends);
    let distance = if block.iter().any(|value| value.is_nan()) { f32::NAN } else { highest - lowest };
    distance / f32::from(weights.highest())
}

fn zero_point(block: &[f32], scale: f32, weights: IntegerType) -> u8 {
    if scale == 0.0 {
        return 0;
    }
    let lowest = block.iter().fold(0.0_f32, |lowest, &value| lowest.min(value));
    whole(-lowest / scale, weights)
}

fn rounded(value: f32, scale: f32, zero: u8, weights: IntegerType) -> u8 {
    if scale == 0.0 {
        return zero;
    }
    whole((value / scale).round_ties_even() + f32::from(zero), weights)
}

fn whole(value: f32, weights: IntegerType) -> u8 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what u8 holds")]
    let whole = value.round_ties_even().clamp(0.0, f32::from(weights.highest())) as u8;
    whole
}

/// Two numbers of 4 bits share a byte.
fn packed(numbers: Vec<u8>, form: LowBits) -> Vec<u8> {
    match form.weights {
        IntegerType::Int8 => numbers,
        IntegerType::Int4 => {
            numbers.chunks(2).map(|pair| pair[0] | pair.get(1).map_or(0, |high| high << 4)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(weights: IntegerType) -> LowBits {
        LowBits { weights, block_size: 16 }
    }

    #[test]
    fn numbers_on_the_grid_come_back_and_pairs_share_a_byte() {
        // From -2 to 5.5 in steps of 0.5: the scale is 0.5 and the zero point 4.
        let row: Vec<f32> = (0_u8..16).map(|place| f32::from(place) * 0.5 - 2.0).collect();
        let found = round_row(&row, form(IntegerType::Int4), Element::F32, "w").unwrap();
        assert_eq!(found.numbers, [0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe]);
        assert_eq!(found.scales, 0.5_f32.to_le_bytes());
        assert_eq!(found.zero_points, [4]);
        assert_eq!(found.moved.relative(), 0.0);
    }

    #[test]
    fn zero_stays_zero_and_a_short_block_is_filled_with_it() {
        let mut row = vec![1.0, 0.0, 3.0];
        row.splice(0..0, vec![0.0; 16]);
        for weights in [IntegerType::Int8, IntegerType::Int4] {
            let found = round_row(&row, form(weights), Element::F32, "w").unwrap();
            let per_block = bytes_of_block(form(weights));
            assert_eq!(found.numbers.len(), 2 * per_block);
            assert_eq!(found.zero_points.len(), bytes_of_zero_points(form(weights), row.len()));
            // All the zero points are 0 here, and so are the numbers that stand for 0.
            assert!(found.numbers[..per_block].iter().all(|&number| number == 0));
            let last = per_block + (3 * weights.bits()).div_ceil(8);
            assert!(found.numbers[last - 1] > 0 && found.numbers[last..].iter().all(|&number| number == 0));
            assert_eq!(found.scales[..4], 0.0_f32.to_le_bytes());
        }
    }

    #[test]
    fn numbers_are_rounded_to_the_scale_that_is_stored() {
        let row = vec![1.0 / 3.0; 16];
        let found = round_row(&row, form(IntegerType::Int8), Element::F16, "w").unwrap();
        let scale = Element::F16.decode(&found.scales)[0];
        let back = f32::from(found.numbers[0]) * scale;
        assert!((back - 1.0 / 3.0).abs() <= scale / 2.0, "{back}");
        assert!(found.moved.relative() < 2e-3);
    }

    #[test]
    fn weights_that_are_no_numbers_are_refused() {
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for place in [0, 15] {
                let mut row = vec![0.5; 16];
                row[place] = wrong;
                let message = round_row(&row, form(IntegerType::Int8), Element::F32, "layer.weight");
                assert!(message.err().unwrap().to_string().contains("`layer.weight`"));
            }
        }
    }

    #[derive(serde::Deserialize)]
    struct Golden {
        weights: IntegerType,
        block_size: usize,
        scales_in: Element,
        rows: Vec<Vec<f32>>,
        numbers: Vec<String>,
        scales: Vec<String>,
        zero_points: Vec<String>,
        relative_error: f64,
    }

    /// `tests/golden/low_bits.py` has the formula, and checks it against ONNX Runtime's operator and its quantiser.
    #[test]
    fn rows_become_the_bytes_of_the_formula() {
        let golden: Vec<Golden> =
            serde_json::from_str(include_str!("../../tests/golden/low_bits.json")).unwrap();
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        for case in golden {
            let form = LowBits { weights: case.weights, block_size: case.block_size };
            let mut moved = Moved::default();
            for (place, row) in case.rows.iter().enumerate() {
                let found = round_row(row, form, case.scales_in, "w").unwrap();
                assert_eq!(hex(&found.numbers), case.numbers[place], "{form:?}");
                assert_eq!(hex(&found.scales), case.scales[place], "{form:?}");
                assert_eq!(hex(&found.zero_points), case.zero_points[place], "{form:?}");
                moved.add(found.moved);
            }
            let distance = (moved.relative() / case.relative_error - 1.0).abs();
            assert!(distance < 1e-6, "{form:?}: {distance:e}");
        }
    }
}
