use half::{bf16, f16};

/// What a model gave for a batch: per row a matrix `[length, width]` or a vector `[width]`, in single precision.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchOutput {
    values: Vec<f32>,
    lengths: Vec<usize>,
    /// Padded tokens of a row; absent where the model gives one vector a row.
    sequence: Option<usize>,
    width: usize,
    seconds: f64,
}

impl BatchOutput {
    /// Rows of the batch.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.lengths.len()
    }

    /// Whether there is a row of numbers for each token, or one for each row of the batch.
    #[must_use]
    pub fn is_per_token(&self) -> bool {
        self.sequence.is_some()
    }

    /// Numbers a token, or a row where the model gives one vector a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Tokens of a row without padding.
    #[must_use]
    pub fn length(&self, row: usize) -> usize {
        self.lengths[row]
    }

    /// The values of one row without padding: `[length, width]` token after token, or `[width]`.
    #[must_use]
    pub fn row(&self, row: usize) -> &[f32] {
        match self.sequence {
            Some(sequence) => {
                let start = row * sequence * self.width;
                &self.values[start..start + self.lengths[row] * self.width]
            }
            None => &self.values[row * self.width..(row + 1) * self.width],
        }
    }

    /// The first value of a row that is not finite, with its position in the row.
    #[must_use]
    pub fn not_finite(&self, row: usize) -> Option<(usize, f32)> {
        self.row(row).iter().copied().enumerate().find(|(_, value)| !value.is_finite())
    }

    /// Padded tokens that the session computed.
    #[must_use]
    pub fn padded_tokens(&self) -> usize {
        let longest = self.lengths.iter().copied().max().unwrap_or(0);
        self.lengths.len() * self.sequence.unwrap_or(longest)
    }

    /// Seconds that the session took.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.seconds
    }
}

/// The output as the session gave it, in the precision of the model.
#[derive(Debug)]
pub(super) struct RawOutput {
    pub(super) shape: Vec<usize>,
    pub(super) values: Floats,
    pub(super) lengths: Vec<usize>,
    pub(super) seconds: f64,
}

/// Values of an output tensor.
#[derive(Debug)]
pub(super) enum Floats {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
}

impl RawOutput {
    /// Checks the shape and converts the values; called on the thread of the caller, because the thread of
    /// a session flushes denormals.
    ///
    /// # Errors
    /// The shape, when it is neither [rows, sequence, width] nor [rows, width].
    pub(super) fn read(self, rows: usize, sequence: usize) -> Result<BatchOutput, String> {
        let (per_token, width) = match self.shape[..] {
            [batch, tokens, width] if batch == rows && tokens == sequence => (Some(sequence), width),
            [batch, width] if batch == rows => (None, width),
            _ => return Err(format!("its output has the shape {:?}", self.shape)),
        };
        let values = match self.values {
            Floats::F32(values) => values,
            Floats::F16(values) => values.into_iter().map(f16::to_f32).collect(),
            Floats::Bf16(values) => values.into_iter().map(bf16::to_f32).collect(),
        };
        Ok(BatchOutput { values, lengths: self.lengths, sequence: per_token, width, seconds: self.seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(shape: &[usize], values: Floats) -> RawOutput {
        RawOutput { shape: shape.to_vec(), values, lengths: vec![2, 1], seconds: 0.5 }
    }

    #[test]
    fn a_row_is_its_tokens_without_padding() {
        let output = raw(&[2, 2, 2], Floats::F32((0_u8..8).map(f32::from).collect())).read(2, 2).unwrap();
        assert_eq!(output.row(0), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(output.row(1), [4.0, 5.0]);
        assert_eq!((output.width(), output.padded_tokens()), (2, 4));
    }

    #[test]
    fn half_precision_is_converted_and_what_is_not_finite_is_found() {
        let values = [1.5, f32::NAN, 3.0, f32::INFINITY].map(f16::from_f32).to_vec();
        let output = raw(&[2, 2], Floats::F16(values)).read(2, 2).unwrap();
        assert_eq!(output.row(0)[0], 1.5);
        assert_eq!(output.not_finite(0).unwrap().0, 1);
        assert_eq!(output.not_finite(1), Some((1, f32::INFINITY)));
    }

    #[test]
    fn another_shape_is_refused() {
        assert!(raw(&[2, 3, 2], Floats::F32(vec![0.0; 12])).read(2, 2).is_err());
        assert!(raw(&[8], Floats::F32(vec![0.0; 8])).read(2, 2).is_err());
    }
}
