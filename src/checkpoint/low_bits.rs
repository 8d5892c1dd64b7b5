use serde::{Deserialize, Serialize};

/// How many bits a weight of a linear map takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IntegerType {
    /// 8.
    Int8,
    /// 4.
    Int4,
}

impl IntegerType {
    /// Bits of one number.
    #[must_use]
    pub fn bits(self) -> usize {
        match self {
            Self::Int8 => 8,
            Self::Int4 => 4,
        }
    }

    /// The largest whole number; the smallest is 0.
    #[must_use]
    pub fn highest(self) -> u8 {
        match self {
            Self::Int8 => 255,
            Self::Int4 => 15,
        }
    }

    /// Its name in configurations.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Int4 => "int4",
        }
    }
}

/// Weights of linear maps as whole numbers: `block_size` numbers of a row, one after the other, share a scale and a zero
/// point, and a weight is (whole number - zero point) x scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LowBits {
    /// What a weight is stored as.
    pub weights: IntegerType,
    /// Numbers of a block: a power of 2 from 16 to 256.
    pub block_size: usize,
}

impl LowBits {
    /// Numbers of a block where none are stated.
    pub const USUAL_BLOCK: usize = 32;
}
