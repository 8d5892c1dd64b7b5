use half::{bf16, f16};
use serde::{Deserialize, Serialize};

use super::CheckpointError;

/// The number type of a stored weight, or of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Element {
    /// 32 bits.
    F32,
    /// 16 bits, largest value 65,504.
    F16,
    /// 16 bits, the range of f32 with 8 bits of precision.
    Bf16,
}

impl Element {
    /// Bytes of one number.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Its name in configurations.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    /// Stored little-endian bytes as f32, exactly; a rest of the last number is left out.
    #[must_use]
    pub fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F32 => bytes.as_chunks::<4>().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect(),
            Self::F16 => {
                bytes.as_chunks::<2>().0.iter().map(|chunk| f16::from_le_bytes(*chunk).to_f32()).collect()
            }
            Self::Bf16 => {
                bytes.as_chunks::<2>().0.iter().map(|chunk| bf16::from_le_bytes(*chunk).to_f32()).collect()
            }
        }
    }

    /// Numbers as little-endian bytes, rounded to nearest, ties to even.
    ///
    /// # Errors
    /// `CheckpointError::Overflow` for a value that is not finite in this type; `name` says of which weight.
    pub fn encode(self, values: &[f32], name: &str) -> Result<Vec<u8>, CheckpointError> {
        let mut bytes = Vec::with_capacity(values.len() * self.size());
        for &value in values {
            let finite = match self {
                Self::F32 => {
                    bytes.extend(value.to_le_bytes());
                    value.is_finite()
                }
                Self::F16 => {
                    let rounded = f16::from_f32(value);
                    bytes.extend(rounded.to_le_bytes());
                    rounded.is_finite()
                }
                Self::Bf16 => {
                    let rounded = bf16::from_f32(value);
                    bytes.extend(rounded.to_le_bytes());
                    rounded.is_finite()
                }
            };
            if !finite {
                let element = self.name();
                return Err(CheckpointError::Overflow { name: name.to_owned(), element, value });
            }
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_the_way_through_each_type_that_can_hold_them() {
        let values = [0.0, -0.0, 1.0, -2.5, 0.375];
        for element in [Element::F32, Element::F16, Element::Bf16] {
            let bytes = element.encode(&values, "w").unwrap();
            assert_eq!(bytes.len(), values.len() * element.size());
            assert_eq!(element.decode(&bytes), values);
        }
    }

    #[test]
    fn a_value_too_large_for_f16_is_named() {
        let error = Element::F16.encode(&[70_000.0], "layer.weight").unwrap_err();
        assert!(error.to_string().contains("`layer.weight`"), "{error}");
        assert!(Element::Bf16.encode(&[70_000.0], "w").is_ok());
    }
}
